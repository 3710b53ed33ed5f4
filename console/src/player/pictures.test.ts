import { expect, it } from 'vitest';
import { wallAt } from '../lib/pieces';
import { Pictures, type Fragment } from './pictures';

/** The header of a video track 1 of 90 000 ticks a second, and a segment with one picture, as bytes. */
const INIT = bytes(
  'moov',
  ...box('trak', ...box('tkhd', ...u32(0, 0, 0, 1)), ...box('mdia', ...box('mdhd', ...u32(0, 0, 0, 90_000)), ...box('hdlr', ...u32(0, 0, 0x76696465)))),
);

function u32(...values: number[]): number[] {
  return values.flatMap((v) => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255]);
}

function box(kind: string, ...content: number[]): number[] {
  return [...u32(content.length + 8), ...[...kind].map((c) => c.charCodeAt(0)), ...content];
}

function bytes(kind: string, ...content: number[]): Uint8Array {
  return Uint8Array.from(box(kind, ...content));
}

/** A segment whose first picture is shown at that second of the tape. */
function segment(shown: number): ArrayBuffer {
  const run = box('trun', ...u32(0x800, 1, 7200));
  const traf = box('traf', ...box('tfhd', ...u32(0, 1)), ...box('tfdt', ...u32(0, shown * 90_000 - 7200)), ...run);
  return bytes('moof', ...traf).slice().buffer;
}

function fragment(sn: number, start: number, cc = 0): Fragment {
  return { sn, cc, start, duration: 2, programDateTime: 1_000_000 + sn * 2000, initSegment: { data: INIT } };
}

it('begins each piece at its first picture, not where hls.js has the segment', () => {
  const pictures = new Pictures();
  const list = [fragment(0, 0), fragment(1, 2), fragment(2, 3.9)];
  // The tape's second 9.98 is media time 0: sound that begins before the picture of 10.08.
  pictures.placed(0, 9.98);
  pictures.loaded(list[0] ?? fragment(0, 0), segment(10.08));
  pictures.loaded(list[2] ?? fragment(2, 0), segment(14.08));
  const pieces = pictures.pieces(list);
  expect(pieces.map((piece) => piece.start)).toEqual([expect.closeTo(0.1), expect.closeTo(2.1), expect.closeTo(4.1)]);
  expect(wallAt(pieces, 4.14)).toBeCloseTo(1_004_040);
});

it('takes what is not loaded to be as far off as its neighbour of the same run', () => {
  const pictures = new Pictures();
  pictures.placed(1, 9.98);
  pictures.loaded(fragment(2, 4, 1), segment(14.08));
  const pieces = pictures.pieces([fragment(0, 0), fragment(1, 2, 1), fragment(2, 4, 1), fragment(3, 6, 1), fragment(4, 8, 2)]);
  expect(pieces.map((piece) => piece.start)).toEqual([0, expect.closeTo(2.1), expect.closeTo(4.1), expect.closeTo(6.1), 8]);
  expect(pieces[1]?.duration).toBeCloseTo(2);
});

it('changes nothing where there is no picture or nothing is known', () => {
  const pictures = new Pictures();
  const list = [fragment(0, 0), { ...fragment(1, 2), initSegment: null }];
  pictures.loaded(fragment(1, 2), new ArrayBuffer(0));
  expect(pictures.pieces(list).map((piece) => [piece.start, piece.duration])).toEqual([[0, 2], [2, 2]]);
});
