/**
 * Half-open stretches of wall time `[start, end)` and the questions asked of sorted lists of them.
 */
import type { Wall } from './time';

/** `[start, end)` in wall time. */
export interface Span {
  readonly start: Wall;
  readonly end: Wall;
}

/** Whether the instant lies in the span (its end does not). */
export function contains(span: Span, at: Wall): boolean {
  return at >= span.start && at < span.end;
}

/** Whether two spans share an instant. */
export function overlaps(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end;
}

/** The value, moved into `[low, high]`; `low` wins where the two cross. */
export function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

/** Index of the last item whose key is ≤ `at`, or -1; the list is sorted by that key. */
export function lastAtOrBefore<T>(items: readonly T[], at: number, key: (item: T) => number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    const item = items[mid];
    if (item !== undefined && key(item) <= at) low = mid + 1;
    else high = mid;
  }
  return low - 1;
}

/** The span of a sorted list that contains the instant. */
export function spanAt<T extends Span>(spans: readonly T[], at: Wall): T | null {
  const span = spans[lastAtOrBefore(spans, at, (s) => s.start)];
  return span !== undefined && contains(span, at) ? span : null;
}

/** The first span of a sorted list that begins at or after the instant. */
export function firstFrom<T extends Span>(spans: readonly T[], at: Wall): T | null {
  return spans.find((span) => span.start >= at) ?? null;
}

/**
 * Places spans that may overlap into at most `lanesMax` lanes, earliest first; what fits in none shares the last.
 * Returns the lane of each span, in the order given.
 */
export function packLanes(spans: readonly Span[], lanesMax: number): number[] {
  const ends: Wall[] = [];
  const lanes = new Array<number>(spans.length).fill(0);
  const order = spans.map((span, index) => ({ span, index })).sort((a, b) => a.span.start - b.span.start);
  for (const { span, index } of order) {
    const free = ends.findIndex((end) => end <= span.start);
    const lane = free >= 0 ? free : Math.min(ends.length, lanesMax - 1);
    ends[lane] = Math.max(ends[lane] ?? span.end, span.end);
    lanes[index] = lane;
  }
  return lanes;
}
