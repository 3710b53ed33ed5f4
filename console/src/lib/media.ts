/**
 * Addresses of media on this server, and the plan of a seek: which of them shows an instant.
 */
import { clamp, contains, firstFrom, spanAt, type Span } from './span';
import { HOUR, MINUTE, rfc3339, SECOND, type Wall } from './time';
import type { Asset, Gap, Run } from './types';

/** What the player can have loaded. */
export type Source =
  /** The live playlist with its DVR window. */
  | { readonly kind: 'live'; readonly stream: string }
  /** A playlist that begins at `start` and grows into live. */
  | { readonly kind: 'from'; readonly stream: string; readonly start: Wall }
  /** A closed stretch of the tape. */
  | { readonly kind: 'range'; readonly stream: string; readonly range: Span }
  /** A file of the library. */
  | { readonly kind: 'asset'; readonly stream: string; readonly asset: Asset };

/** How much is loaded in front of an instant outside the loaded window, in ms, so that a step back stays inside. */
export const LEAD_IN = MINUTE;
/** The longest closed stretch loaded at once, in ms: a playlist of 3600 segments, as the live window has. */
export const RANGE_MAX = 2 * HOUR;
/** A seek to the very end of a closed tape lands this far before it, in ms: there must be a picture to show. */
export const END_ROOM = SECOND;

/** How much later than the tape its first picture may come, in ms: an encoder's sound often runs ahead of it. */
const FIRST_PICTURE = SECOND;

/** `app/stream` as a path of media: every segment is escaped, the slashes between them stay. */
export function streamPath(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/');
}

/** `path` with `query` appended; absent values are left out. */
export function withQuery(path: string, query: Record<string, string | null>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null) params.set(key, value);
  }
  const tail = params.toString();
  if (tail === '') return path;
  return `${path}${path.includes('?') ? '&' : '?'}${tail}`;
}

/** The address of a source. */
export function sourceUrl(source: Source, token: string | null): string {
  if (source.kind === 'asset') return withQuery(source.asset.url, { token });
  const path = `/${streamPath(source.stream)}.m3u8`;
  switch (source.kind) {
    case 'live':
      return withQuery(path, { token });
    case 'from':
      return withQuery(path, { start: rfc3339(source.start), token });
    case 'range':
      return withQuery(path, { start: rfc3339(source.range.start), end: rfc3339(source.range.end), token });
  }
}

/** The address of the clip `[start, end)` as a file that is saved under `name`. */
export function clipUrl(stream: string, range: Span, name: string, token: string | null): string {
  const query = { start: rfc3339(range.start), end: rfc3339(range.end), download: name, token };
  return withQuery(`/${streamPath(stream)}.mp4`, query);
}

/** Letters, digits, `.`, `-` and `_` of any language; everything else in a file's name becomes `_`. */
const NOT_IN_NAMES = /[^\p{L}\p{N}._-]+/gu;
/** Longest file name before its extension, in characters: far inside the 255 bytes of common file systems. */
const NAME_MAX = 80;

/** A file name for a stretch of a stream: the title or the stream's name, and when it begins. */
export function fileName(stream: string, title: string, start: Wall): string {
  const stem = title.trim() === '' ? (stream.split('/').pop() ?? stream) : title.trim();
  const when = rfc3339(start).slice(0, 19).replace('T', '_').replaceAll(':', '-');
  const safe = stem.replace(NOT_IN_NAMES, '_').replace(/^[._]+/, '');
  return `${safe.slice(0, NAME_MAX) || 'clip'}_${when}Z.mp4`;
}

/** What a seek needs to know. */
export interface SeekScene {
  readonly stream: string;
  readonly live: boolean;
  /** The tape, up to the live edge. */
  readonly tape: Span;
  readonly runs: readonly Run[];
  readonly gaps: readonly Gap[];
  /** What the loaded source covers; null where nothing (or a file) is loaded. */
  readonly window: Span | null;
}

/** What to do to show an instant. */
export interface SeekPlan {
  /** The instant that will be shown: the asked one, or the next that has a picture. */
  readonly at: Wall;
  /** The source to load, or null where the loaded one has it. */
  readonly load: Source | null;
  /** The gap that was asked for, where nothing was recorded. */
  readonly gap: Gap | null;
}

/** Plans how to show an instant of the tape. */
export function planSeek(asked: Wall, scene: SeekScene): SeekPlan {
  const gap = spanAt(scene.gaps, asked);
  const latest = scene.tape.end - END_ROOM;
  const next = gap === null ? asked : (firstFrom(scene.runs, gap.end - 1)?.start ?? gap.end);
  const at = clamp(next, scene.tape.start, Math.max(scene.tape.start, latest));
  const { window, tape } = scene;
  if (window === null) return { at, load: sourceFor(at, scene), gap };
  const loaded = window.start - tape.start <= FIRST_PICTURE ? { ...window, start: tape.start } : window;
  if (contains(loaded, at)) return { at, load: null, gap };
  return { at, load: sourceFor(at, scene), gap };
}

/** The source that shows an instant which is not loaded. */
function sourceFor(at: Wall, scene: SeekScene): Source {
  const start = Math.max(scene.tape.start, at - LEAD_IN);
  if (scene.live) return { kind: 'from', stream: scene.stream, start };
  return { kind: 'range', stream: scene.stream, range: { start, end: Math.min(scene.tape.end, start + RANGE_MAX) } };
}
