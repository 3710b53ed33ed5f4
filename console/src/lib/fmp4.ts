/**
 * What of a segment the page has to read itself (ISO/IEC 14496-12, fragmented).
 * What belongs here: when the first picture of a segment is shown. What does not: the rest, which hls.js does.
 */

/** The video of an initialisation segment. */
export interface VideoTrack {
  readonly id: number;
  /** Ticks a second. */
  readonly timescale: number;
}

/** `trun` and `tfhd` say by flags which of their fields are there (§8.8.7, §8.8.8). */
const TFHD_BASE = 0x01;
const TFHD_DESCRIPTION = 0x02;
const TFHD_DURATION = 0x08;
const TRUN_DATA_OFFSET = 0x001;
const TRUN_FIRST_FLAGS = 0x004;
const TRUN_DURATION = 0x100;
const TRUN_SIZE = 0x200;
const TRUN_FLAGS = 0x400;
const TRUN_OFFSET = 0x800;

/** Name and media type of the track's handler, in ASCII. */
const VIDE = 0x76696465;

/** The video track that an initialisation segment describes; null where there is none. */
export function videoTrack(init: Uint8Array): VideoTrack | null {
  for (const moov of boxes(view(init), 'moov')) {
    for (const trak of boxes(moov, 'trak')) {
      const [header] = boxes(trak, 'tkhd');
      const [media] = boxes(trak, 'mdia');
      if (header === undefined || media === undefined) continue;
      const [times] = boxes(media, 'mdhd');
      const [handler] = boxes(media, 'hdlr');
      if (times === undefined || handler?.getUint32(8) !== VIDE) continue;
      // Version 1 has 64-bit creation and modification times in front.
      const id = header.getUint32(header.getUint8(0) === 1 ? 20 : 12);
      const timescale = times.getUint32(times.getUint8(0) === 1 ? 20 : 12);
      return timescale > 0 ? { id, timescale } : null;
    }
  }
  return null;
}

/** When the earliest picture of a segment is shown, in seconds of the tape; null where it has none. */
export function firstPicture(segment: Uint8Array, track: VideoTrack): number | null {
  let first = Infinity;
  for (const moof of boxes(view(segment), 'moof')) {
    for (const traf of boxes(moof, 'traf')) {
      const [header] = boxes(traf, 'tfhd');
      const [decoded] = boxes(traf, 'tfdt');
      if (header?.getUint32(4) !== track.id || decoded === undefined) continue;
      let at = decoded.getUint8(0) === 1 ? Number(decoded.getBigUint64(4)) : decoded.getUint32(4);
      const usual = usualDuration(header);
      for (const run of boxes(traf, 'trun')) {
        for (const sample of samples(run, usual)) {
          first = Math.min(first, at + sample.offset);
          at += sample.duration;
        }
      }
    }
  }
  return first === Infinity ? null : first / track.timescale;
}

function usualDuration(header: DataView): number {
  const flags = header.getUint32(0) & 0xffffff;
  const at = 8 + (has(flags, TFHD_BASE) ? 8 : 0) + (has(flags, TFHD_DESCRIPTION) ? 4 : 0);
  return has(flags, TFHD_DURATION) ? header.getUint32(at) : 0;
}

function* samples(run: DataView, usual: number): Generator<{ duration: number; offset: number }> {
  const flags = run.getUint32(0) & 0xffffff;
  const count = run.getUint32(4);
  let at = 8 + (has(flags, TRUN_DATA_OFFSET) ? 4 : 0) + (has(flags, TRUN_FIRST_FLAGS) ? 4 : 0);
  for (let i = 0; i < count; i++) {
    let [duration, offset] = [usual, 0];
    if (has(flags, TRUN_DURATION)) {
      duration = run.getUint32(at);
      at += 4;
    }
    at += (has(flags, TRUN_SIZE) ? 4 : 0) + (has(flags, TRUN_FLAGS) ? 4 : 0);
    if (has(flags, TRUN_OFFSET)) {
      // Signed in version 1; version 0 has no negative ones, and none as large as the sign.
      offset = run.getInt32(at);
      at += 4;
    }
    yield { duration, offset };
  }
}

function has(flags: number, flag: number): boolean {
  return (flags & flag) !== 0;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The contents of the boxes of one kind that follow each other in `inside`; a box that is cut off ends it. */
function* boxes(inside: DataView, kind: string): Generator<DataView> {
  let at = 0;
  while (at + 8 <= inside.byteLength) {
    const short = inside.getUint32(at);
    const head = short === 1 ? 16 : 8;
    if (at + head > inside.byteLength) return;
    const size = short === 1 ? Number(inside.getBigUint64(at + 8)) : short === 0 ? inside.byteLength - at : short;
    if (size < head || at + size > inside.byteLength) return;
    const name = String.fromCharCode(...[4, 5, 6, 7].map((i) => inside.getUint8(at + i)));
    if (name === kind) yield new DataView(inside.buffer, inside.byteOffset + at + head, size - head);
    at += size;
  }
}
