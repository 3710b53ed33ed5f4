import { describe, expect, it } from 'vitest';
import { allGaps, gapCrossed, gapWords, reasonWords } from './gaps';

const run = (start: number, end: number): { id: string; start: number; end: number } => ({ id: String(start), start, end });

describe('gaps', () => {
  it('that nobody listed are found between runs', () => {
    const listed = [{ start: 10_000, end: 12_000, reason: 'crash' }];
    const gaps = allGaps([run(0, 10_000), run(12_000, 20_000), run(25_000, 30_000), run(30_005, 40_000)], listed);
    expect(gaps).toEqual([...listed, { start: 20_000, end: 25_000, reason: '' }]);
  });

  it('say how long and why', () => {
    const start = new Date(2026, 10, 21, 14, 3, 10).getTime();
    expect(gapWords({ start, end: start + 12_000, reason: 'disk_full' })).toBe(
      'No recording for 12 s (14:03:10 – 14:03:22): the disk was full',
    );
    expect(reasonWords('meteor_strike')).toBe('meteor strike');
  });
});

describe('crossing', () => {
  const gaps = [{ start: 10_000, end: 50_000, reason: 'offline' }];

  it('is seen between two readings of the playhead', () => {
    expect(gapCrossed(gaps, 9_950, 50_040)).toBe(gaps[0]);
    expect(gapCrossed(gaps, 10_020, 49_980)).toBe(gaps[0]);
  });

  it('is not seen in what was played or left out by hand', () => {
    expect(gapCrossed(gaps, 8_000, 8_100)).toBeNull();
    expect(gapCrossed(gaps, 50_010, 50_110)).toBeNull();
    expect(gapCrossed(gaps, 50_040, 9_950)).toBeNull();
  });
});
