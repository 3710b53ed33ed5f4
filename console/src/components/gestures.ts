/**
 * Pointer, touch and wheel on the timeline bar, as what a person means by them: scrub, hover, zoom, pan.
 * Knows pixels only; what an instant is, the bar knows.
 */

/** A touch that moves less than this is still a tap, in px. */
const TAP_PX = 4;
/** How much a wheel's notch zooms: a usual notch of 100 px is a factor of 1.2. */
const WHEEL_ZOOM = 0.0018;
/** Pixels in a wheel's line and page, for browsers that scroll by them (UI Events, `deltaMode`). */
const LINE_PX = 16;
const PAGE_PX = 400;

/** What the bar does about it; places are px from the bar's left. */
export interface GestureSink {
  readonly onHover: (px: number | null) => void;
  readonly onScrub: (px: number, phase: 'move' | 'end' | 'cancel') => void;
  /** Zoom by `factor` (< 1 shows less) about a place. */
  readonly onZoom: (factor: number, px: number) => void;
  /** Move the view by px of the bar. */
  readonly onPan: (px: number) => void;
}

/** Listens on an element; returns what ends it. */
export function listenGestures(element: HTMLElement, sink: GestureSink): () => void {
  const gestures = new Gestures(element, sink);
  const stop = new AbortController();
  const { signal } = stop;
  element.addEventListener('pointerdown', (event) => { gestures.down(event); }, { signal });
  element.addEventListener('pointermove', (event) => { gestures.move(event); }, { signal });
  element.addEventListener('pointerup', (event) => { gestures.up(event, 'end'); }, { signal });
  element.addEventListener('pointercancel', (event) => { gestures.up(event, 'cancel'); }, { signal });
  element.addEventListener('pointerleave', () => { sink.onHover(null); }, { signal });
  // Not passive: the page must not scroll while the bar zooms.
  element.addEventListener('wheel', (event) => { gestures.wheel(event); }, { signal, passive: false });
  return () => {
    stop.abort();
  };
}

class Gestures {
  readonly #element: HTMLElement;
  readonly #sink: GestureSink;
  /** Place of each pressed pointer. */
  readonly #pressed = new Map<number, number>();
  #scrub: { from: number; moved: boolean } | null = null;

  constructor(element: HTMLElement, sink: GestureSink) {
    this.#element = element;
    this.#sink = sink;
  }

  down(event: PointerEvent): void {
    if (event.button !== 0) return;
    const px = this.#px(event);
    this.#pressed.set(event.pointerId, px);
    this.#element.setPointerCapture(event.pointerId);
    if (this.#pressed.size > 1) {
      // A second finger makes it a pinch; what the first one began is taken back.
      if (this.#scrub !== null) this.#sink.onScrub(px, 'cancel');
      this.#scrub = null;
      return;
    }
    const byMouse = event.pointerType === 'mouse';
    this.#scrub = { from: px, moved: byMouse };
    if (byMouse) this.#sink.onScrub(px, 'move');
  }

  move(event: PointerEvent): void {
    const px = this.#px(event);
    if (event.pointerType === 'mouse') this.#sink.onHover(px);
    const before = this.#pressed.get(event.pointerId);
    if (before === undefined) return;
    this.#pressed.set(event.pointerId, px);
    if (this.#pressed.size === 2) this.#pinch(event.pointerId, before, px);
    if (this.#scrub === null) return;
    this.#scrub.moved ||= Math.abs(px - this.#scrub.from) > TAP_PX;
    if (this.#scrub.moved) this.#sink.onScrub(px, 'move');
  }

  up(event: PointerEvent, phase: 'end' | 'cancel'): void {
    if (!this.#pressed.delete(event.pointerId)) return;
    if (this.#scrub !== null) this.#sink.onScrub(this.#px(event), phase);
    this.#scrub = null;
  }

  wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? LINE_PX : event.deltaMode === 2 ? PAGE_PX : 1;
    const across = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
    if (event.shiftKey || Math.abs(across) > Math.abs(event.deltaY)) this.#sink.onPan(across * unit);
    else this.#sink.onZoom(Math.exp(event.deltaY * unit * WHEEL_ZOOM), this.#px(event));
  }

  /** Two fingers: their distance zooms, their middle pans. */
  #pinch(id: number, before: number, now: number): void {
    for (const [other, place] of this.#pressed) {
      if (other === id) continue;
      const was = Math.max(1, Math.abs(before - place));
      const is = Math.max(1, Math.abs(now - place));
      this.#sink.onZoom(was / is, (now + place) / 2);
      this.#sink.onPan((before - now) / 2);
    }
  }

  #px(event: MouseEvent): number {
    // Inside of the border, where the bar's content begins.
    return event.clientX - this.#element.getBoundingClientRect().left - this.#element.clientLeft;
  }
}
