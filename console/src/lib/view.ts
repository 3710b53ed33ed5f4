/**
 * The geometry of the timeline bar: which stretch of wall time it shows and where an instant lies on it.
 * Pure functions over a `View`; pointers and pixels of the screen stay in the components.
 */
import { clamp, type Span } from './span';
import { DAY, HOUR, MINUTE, SECOND, zoneOffset, type Wall } from './time';

/** The stretch of wall time that the bar shows. */
export type View = Span;

/** The shortest stretch a view shows, in ms: at 1000 px a frame of 25 fps is then 20 px wide. */
export const VIEW_SPAN_MIN = 2 * SECOND;
/** The shortest stretch that "all" shows, in ms, so that a tape of two seconds does not fill the bar. */
export const FIT_SPAN_MIN = 30 * SECOND;
/** The longest stretch a view shows, in ms: ten years, far past any tape. */
export const VIEW_SPAN_MAX = 3_650 * DAY;
/** Share of the view that is left free behind the live edge while the view follows it. */
export const EDGE_ROOM = 0.04;

/** Milliseconds that the view shows. */
export function spanOf(view: View): number {
  return view.end - view.start;
}

/** Where an instant lies, in px from the left of a bar `width` px wide; may lie outside. */
export function toPx(view: View, width: number, at: Wall): number {
  return ((at - view.start) / spanOf(view)) * width;
}

/** Which instant a place on the bar shows. */
export function toWall(view: View, width: number, px: number): Wall {
  return view.start + (width > 0 ? px / width : 0) * spanOf(view);
}

/** Where a span lies on the bar, cut to what is visible, at least `widthMin` wide; null where none of it shows. */
export function box(view: View, width: number, span: Span, widthMin: number): { left: number; width: number } | null {
  if (span.end < view.start || span.start > view.end) return null;
  // A margin outside keeps round corners and borders of a cut span out of sight.
  const left = Math.max(-8, toPx(view, width, span.start));
  const right = Math.min(width + 8, toPx(view, width, span.end));
  return { left, width: Math.max(widthMin, right - left) };
}

/** The view that shows everything in `bounds`, with room behind the edge. */
export function fit(bounds: Span): View {
  const span = Math.max(FIT_SPAN_MIN, bounds.end - bounds.start);
  return { start: bounds.start, end: bounds.start + span * (1 + EDGE_ROOM) };
}

/** A view of `span` ms in which the instant keeps its place (0 left … 1 right). */
export function viewAround(at: Wall, place: number, span: number): View {
  const length = clamp(span, VIEW_SPAN_MIN, VIEW_SPAN_MAX);
  const start = at - place * length;
  return { start, end: start + length };
}

/** A view of `span` ms that ends a little behind the edge. */
export function viewAtEdge(edge: Wall, span: number): View {
  return viewAround(edge, 1 - EDGE_ROOM, span);
}

/** Zooms by `factor` (< 1 shows less) about an instant, which stays under the pointer. */
export function zoom(view: View, factor: number, about: Wall, bounds: Span): View {
  const place = clamp((about - view.start) / spanOf(view), 0, 1);
  const most = spanOf(fit(bounds));
  return settle(viewAround(about, place, Math.min(spanOf(view) * factor, most)), bounds);
}

/** Moves the view by `delta` ms, not past the ends of the tape. */
export function pan(view: View, delta: number, bounds: Span): View {
  return settle({ start: view.start + delta, end: view.end + delta }, bounds);
}

/** Moves the view so that it shows no more emptiness than `fit` would. */
export function settle(view: View, bounds: Span): View {
  const span = spanOf(view);
  const whole = fit(bounds);
  if (span >= spanOf(whole)) return whole;
  const latest = bounds.end + span * EDGE_ROOM;
  const end = clamp(view.end, bounds.start + span, Math.max(latest, bounds.start + span));
  return { start: end - span, end };
}

/** Whether the instant is on the bar. */
export function shows(view: View, at: Wall): boolean {
  return at >= view.start && at <= view.end;
}

/** A mark of the ruler. */
export interface Tick {
  readonly at: Wall;
  /** Whether a day begins here: such a tick is labelled with the day. */
  readonly day: boolean;
}

/** Distances between labelled ticks that a person reads easily, in ms. */
const TICK_STEPS: readonly number[] = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map((s) => s * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((m) => m * MINUTE),
  ...[1, 2, 3, 6, 12].map((h) => h * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365].map((d) => d * DAY),
];

/** Ticks drawn at most: bounds the work whatever the width claims to be. */
const TICKS_MAX = 100;

/** The distance between labelled ticks such that labels of `labelPx` do not touch. */
export function tickStep(view: View, width: number, labelPx: number): number {
  const least = (spanOf(view) * labelPx) / Math.max(1, width);
  return TICK_STEPS.find((step) => step >= least) ?? 365 * DAY;
}

/** The labelled ticks of a view, on round times of the viewer's clock. */
export function ticks(view: View, width: number, labelPx: number): Tick[] {
  const step = tickStep(view, width, labelPx);
  const zone = zoneOffset(view.start);
  const found: Tick[] = [];
  let at = Math.ceil((view.start + zone) / step) * step - zone;
  while (at <= view.end && found.length < TICKS_MAX) {
    found.push({ at, day: (at + zone) % DAY === 0 });
    at += step;
  }
  return found;
}
