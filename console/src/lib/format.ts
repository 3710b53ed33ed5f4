/** Amounts in words: sizes, rates, pictures, codecs. */
import type { Asset, Stream, Track } from './types';

/** `2.4 Mbit/s`, `640 kbit/s`. */
export function bitrateWords(bits: number): string {
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(1)} Mbit/s`;
  return `${String(Math.round(bits / 1e3))} kbit/s`;
}

/** `12 kB`, `3.4 MB`, `1.2 GB`: powers of ten, as disks are sold. */
export function bytesWords(bytes: number): string {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(1)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${String(Math.max(bytes > 0 ? 1 : 0, Math.round(bytes / 1e3)))} kB`;
}

/** `1 viewer`, `3 viewers`. */
export function viewersWords(count: number): string {
  return count === 1 ? '1 viewer' : `${String(count)} viewers`;
}

const CODECS: Readonly<Record<string, string>> = {
  h264: 'H.264',
  avc1: 'H.264',
  h265: 'H.265',
  hevc: 'H.265',
  hvc1: 'H.265',
  av1: 'AV1',
  av01: 'AV1',
  vp9: 'VP9',
  aac: 'AAC',
  mp4a: 'AAC',
  opus: 'Opus',
  mp3: 'MP3',
};

/** A codec by its usual name; `avc1.64001f` and `h264` are the same to a person. */
export function codecWords(codec: string): string {
  const family = codec.toLowerCase().split('.')[0] ?? '';
  return CODECS[family] ?? codec;
}

/** The first track of a kind. */
export function trackOf(stream: Stream, kind: string): Track | null {
  return stream.tracks.find((track) => track.kind === kind) ?? null;
}

/** `1280×720 30 fps`, or what is known of it. */
export function pictureWords(track: Track): string {
  const size = track.width !== null && track.height !== null ? `${String(track.width)}×${String(track.height)}` : '';
  const fps = track.fps === null || track.fps <= 0 ? '' : `${String(Math.round(track.fps * 100) / 100)} fps`;
  return [size, fps].filter((part) => part !== '').join(' ');
}

/** The facts of a stream's media in one line: `1280×720 30 fps · H.264 + AAC`. */
export function mediaWords(stream: Stream): string {
  const video = trackOf(stream, 'video');
  const codecs = stream.tracks
    .filter((track) => track.kind === 'video' || track.kind === 'audio')
    .map((track) => codecWords(track.codec))
    .join(' + ');
  return [video === null ? '' : pictureWords(video), codecs].filter((part) => part !== '').join(' · ');
}

/** Seconds between two frames; where the rate is not known, a 25th. */
export function frameSeconds(stream: Stream | null): number {
  const fps = stream === null ? null : (trackOf(stream, 'video')?.fps ?? null);
  return fps !== null && fps > 0 ? 1 / fps : 1 / 25;
}

/** What an asset is called: its title, or its kind. */
export function assetName(asset: Asset): string {
  if (asset.title !== '') return asset.title;
  return asset.kind === '' ? 'Asset' : asset.kind.charAt(0).toUpperCase() + asset.kind.slice(1);
}
