import { describe, expect, it } from 'vitest';
import { firstPicture, videoTrack } from './fmp4';

type Part = number[] | Uint8Array;

const u32 = (...values: number[]): number[] => values.flatMap((v) => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255]);
const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));

function box(kind: string, ...content: Part[]): Uint8Array {
  const bytes = content.flatMap((part) => [...part]);
  return Uint8Array.from([...u32(bytes.length + 8), ...ascii(kind), ...bytes]);
}

/** A track's header; `version` 1 has times of 64 bits. */
function trak(id: number, handler: string, timescale: number, version: 0 | 1): Uint8Array {
  const times = version === 1 ? u32(0, 0, 0, 0) : u32(0, 0);
  return box(
    'trak',
    box('tkhd', u32(version << 24), times, u32(id)),
    box('mdia', box('mdhd', u32(version << 24), times, u32(timescale)), box('hdlr', u32(0, 0), ascii(handler))),
  );
}

/** A fragment of one track whose samples are `[duration, offset]`. */
function moof(id: number, decoded: number, samples: readonly (readonly [number, number])[]): Uint8Array {
  const run = samples.flatMap(([duration, offset]) => u32(duration, 100, offset));
  return box(
    'moof',
    box('traf', box('tfhd', u32(0x020000, id)), box('tfdt', u32(1 << 24, 0, decoded)), box('trun', u32((1 << 24) | 0xb01, samples.length, 0), run)),
  );
}

const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

const TRACK = { id: 1, timescale: 90_000 };
const PICTURES = [[3600, 7200], [3600, 18_000], [3600, 7200], [3600, 0]] as const;

describe('the video track', () => {
  it.each([0, 1] as const)('is found behind the sound, version %d', (version) => {
    const init = join(box('ftyp', ascii('iso6')), box('moov', trak(2, 'soun', 48_000, version), trak(7, 'vide', 90_000, version)));
    expect(videoTrack(init)).toEqual({ id: 7, timescale: 90_000 });
  });

  it('is none where there is only sound, or nothing', () => {
    expect(videoTrack(box('moov', trak(2, 'soun', 48_000, 0)))).toBeNull();
    expect(videoTrack(new Uint8Array())).toBeNull();
  });
});

describe('the first picture', () => {
  it('is the earliest that is shown, of the video alone', () => {
    const segment = join(moof(2, 10, [[1024, 0]]), box('mdat', [1, 2, 3]), moof(1, 900_000, PICTURES));
    expect(firstPicture(segment, TRACK)).toBe((900_000 + 7200) / 90_000);
  });

  it('may come before a key frame that is decoded first', () => {
    expect(firstPicture(moof(1, 900_000, [[3600, 10_800], [3600, 0]]), TRACK)).toBe((900_000 + 3600) / 90_000);
  });

  it('reads negative offsets and usual durations', () => {
    const run = box('trun', u32((1 << 24) | 0x800, 2, 0, -3600));
    const traf = box('traf', box('tfhd', u32(0x08, 1, 1800)), box('tfdt', u32(0, 9000)), run);
    expect(firstPicture(box('moof', traf), TRACK)).toBe((9000 + 1800 - 3600) / 90_000);
  });

  it('is none in sound, and in what is cut off', () => {
    expect(firstPicture(moof(2, 0, [[1024, 0]]), TRACK)).toBeNull();
    expect(firstPicture(moof(1, 0, PICTURES).subarray(0, 50), TRACK)).toBeNull();
  });
});
