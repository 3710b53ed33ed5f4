import { describe, expect, it } from 'vitest';
import { mediaAt, piecesOfFile, wallAt, wallWindow, type Piece } from './pieces';

/** Two runs of two segments; between them 50 s of wall time and no media time. */
const PIECES: readonly Piece[] = [
  { start: 100, duration: 2, programDateTime: 1_000_000 },
  { start: 102, duration: 2, programDateTime: 1_002_000 },
  { start: 104, duration: 2, programDateTime: 1_054_000 },
  { start: 106, duration: 1, programDateTime: 1_056_000 },
];

describe('media time to wall time', () => {
  it.each([
    [100, 1_000_000],
    [101.5, 1_001_500],
    [103.9, 1_003_900],
    [104, 1_054_000],
    [107.5, 1_057_500],
    [99, 999_000],
  ])('%d s is %d', (media, wall) => {
    expect(wallAt(PIECES, media)).toBeCloseTo(wall, 6);
  });

  it('is unknown without pieces or dates', () => {
    expect(wallAt([], 1)).toBeNull();
    expect(wallAt([{ start: 0, duration: 1, programDateTime: null }], 0)).toBeNull();
  });
});

describe('wall time to media time', () => {
  it('is the way back for every instant that has media', () => {
    for (let media = 100; media < 107; media += 0.04) {
      const wall = wallAt(PIECES, media);
      expect(wall).not.toBeNull();
      expect(mediaAt(PIECES, wall ?? 0)).toBeCloseTo(media, 6);
    }
  });

  it('moves on to the next picture inside a gap', () => {
    expect(mediaAt(PIECES, 1_004_000)).toBe(104);
    expect(mediaAt(PIECES, 1_053_999)).toBe(104);
  });

  it('has nothing outside', () => {
    expect(mediaAt(PIECES, 999_999)).toBeNull();
    expect(mediaAt(PIECES, 1_057_000)).toBeNull();
    expect(mediaAt([], 5)).toBeNull();
  });
});

describe('the window', () => {
  it('reaches from the first frame to the end of the last piece', () => {
    expect(wallWindow(PIECES)).toEqual({ start: 1_000_000, end: 1_057_000 });
    expect(wallWindow([])).toBeNull();
  });
});

describe('a file with collapsed gaps', () => {
  const pieces = piecesOfFile({ start: 10_000, end: 20_000 }, [
    { start: 17_000, end: 18_000 },
    { start: 12_000, end: 15_000 },
  ]);

  it('goes on without a break where the tape had one', () => {
    expect(wallAt(pieces, 1.999)).toBeCloseTo(11_999, 6);
    expect(wallAt(pieces, 2)).toBe(15_000);
    expect(wallAt(pieces, 5.5)).toBe(19_500);
    expect(pieces.reduce((sum, piece) => sum + piece.duration, 0)).toBe(6);
  });

  it('may begin or end with a gap', () => {
    const cut = piecesOfFile({ start: 0, end: 10_000 }, [{ start: -5_000, end: 2_000 }, { start: 8_000, end: 10_000 }]);
    expect(cut).toEqual([{ start: 0, duration: 6, programDateTime: 2_000 }]);
  });
});
