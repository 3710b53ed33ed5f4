import { describe, expect, it } from 'vitest';
import { contains, firstFrom, lastAtOrBefore, overlaps, packLanes, spanAt } from './span';

const span = (start: number, end: number): { start: number; end: number } => ({ start, end });

describe('half-open spans', () => {
  it('have their start and not their end', () => {
    expect(contains(span(2, 4), 2)).toBe(true);
    expect(contains(span(2, 4), 4)).toBe(false);
  });

  it('that touch do not overlap', () => {
    expect(overlaps(span(0, 2), span(2, 4))).toBe(false);
    expect(overlaps(span(0, 3), span(2, 4))).toBe(true);
  });
});

describe('sorted lists', () => {
  const spans = [span(0, 10), span(20, 30), span(30, 40)];

  it('find the last item at or before, as a linear search does', () => {
    const keys = [1, 1, 3, 7, 7, 7, 20];
    for (let at = 0; at <= 21; at += 1) {
      const slow = keys.filter((key) => key <= at).length - 1;
      expect(lastAtOrBefore(keys, at, (key) => key)).toBe(slow);
    }
  });

  it.each([
    [-1, null],
    [0, 0],
    [9.9, 0],
    [10, null],
    [30, 2],
    [40, null],
  ])('at %d lies span %s', (at, index) => {
    expect(spanAt(spans, at)).toBe(index === null ? null : spans[index]);
  });

  it('tell what comes next', () => {
    expect(firstFrom(spans, 10)).toBe(spans[1]);
    expect(firstFrom(spans, 41)).toBeNull();
  });
});

describe('lanes', () => {
  it('take spans that overlap side by side, in the order given', () => {
    expect(packLanes([span(5, 15), span(0, 10), span(10, 20)], 3)).toEqual([1, 0, 0]);
  });

  it('never exceed their number', () => {
    const lanes = packLanes(Array.from({ length: 9 }, () => span(0, 1)), 2);
    expect(Math.max(...lanes)).toBe(1);
    expect(lanes).toHaveLength(9);
  });
});
