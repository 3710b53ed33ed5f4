import { describe, expect, it } from 'vitest';
import { HOUR, MINUTE, SECOND, zoneOffset } from './time';
import { box, EDGE_ROOM, fit, FIT_SPAN_MIN, pan, settle, shows, spanOf, tickStep, ticks, toPx, toWall, viewAround, viewAtEdge, VIEW_SPAN_MIN, zoom } from './view';

const START = Date.UTC(2026, 10, 21, 12, 0, 0);
const TAPE = { start: START, end: START + 2 * HOUR };

describe('places', () => {
  const view = { start: START, end: START + MINUTE };

  it('map to px and back', () => {
    expect(toPx(view, 600, START + 30 * SECOND)).toBe(300);
    expect(toWall(view, 600, 300)).toBe(START + 30 * SECOND);
    expect(toWall(view, 0, 10)).toBe(START);
  });

  it('of spans are cut at the sides and never too thin to see', () => {
    expect(box(view, 600, { start: START - HOUR, end: START + 30 * SECOND }, 1)).toEqual({ left: -8, width: 308 });
    expect(box(view, 600, { start: START + 1_000, end: START + 1_010 }, 3)).toEqual({ left: 10, width: 3 });
    expect(box(view, 600, { start: START - HOUR, end: START - 1 }, 1)).toBeNull();
    expect(box(view, 600, { start: -Infinity, end: Infinity }, 1)).toEqual({ left: -8, width: 616 });
  });
});

describe('the whole tape', () => {
  it('is shown with room behind the edge, and not too large when short', () => {
    expect(spanOf(fit(TAPE))).toBeCloseTo(2 * HOUR * (1 + EDGE_ROOM), 3);
    expect(spanOf(fit({ start: START, end: START + SECOND }))).toBeCloseTo(FIT_SPAN_MIN * (1 + EDGE_ROOM), 3);
  });
});

describe('zoom', () => {
  it('keeps the instant under the pointer where it is', () => {
    const view = viewAround(START + HOUR, 0.5, 20 * MINUTE);
    const about = START + HOUR + 3 * MINUTE;
    const closer = zoom(view, 0.5, about, TAPE);
    expect(spanOf(closer)).toBeCloseTo(10 * MINUTE, 3);
    expect(toPx(closer, 1000, about)).toBeCloseTo(toPx(view, 1000, about), 6);
  });

  it('ends at a frame and at the whole tape', () => {
    let view = fit(TAPE);
    for (let step = 0; step < 60; step += 1) view = zoom(view, 0.6, START + HOUR, TAPE);
    expect(spanOf(view)).toBe(VIEW_SPAN_MIN);
    for (let step = 0; step < 60; step += 1) view = zoom(view, 1.6, START + HOUR, TAPE);
    expect(view).toEqual(fit(TAPE));
  });
});

describe('pan', () => {
  it('stops at the ends of the tape', () => {
    const view = viewAround(START + HOUR, 0.5, 10 * MINUTE);
    expect(pan(view, -5 * HOUR, TAPE).start).toBe(START);
    const right = pan(view, 5 * HOUR, TAPE);
    expect(right.end).toBeCloseTo(TAPE.end + 10 * MINUTE * EDGE_ROOM, 3);
    expect(spanOf(right)).toBeCloseTo(10 * MINUTE, 3);
  });

  it('leaves a view alone that is inside', () => {
    const view = viewAround(START + HOUR, 0.5, 10 * MINUTE);
    expect(settle(view, TAPE)).toEqual(view);
  });
});

describe('the edge', () => {
  it('keeps its place while the view follows it', () => {
    for (const edge of [TAPE.end, TAPE.end + 12_345]) {
      const view = viewAtEdge(edge, MINUTE);
      expect(toPx(view, 1000, edge)).toBeCloseTo(1000 * (1 - EDGE_ROOM), 6);
      expect(shows(view, edge)).toBe(true);
    }
  });
});

describe('the ruler', () => {
  it.each([320, 700, 1216])('has labels that do not touch at %d px, at any zoom', (width) => {
    for (let span = VIEW_SPAN_MIN; span < 40 * 24 * HOUR; span *= 1.7) {
      const view = viewAround(START, 0.5, span);
      const places = ticks(view, width, 84).map((tick) => toPx(view, width, tick.at));
      expect(places.length).toBeLessThan(30);
      for (let index = 1; index < places.length; index += 1) {
        expect((places[index] ?? 0) - (places[index - 1] ?? 0)).toBeGreaterThanOrEqual(83.9);
      }
    }
  });

  it('stands on round times of the viewer’s clock', () => {
    const view = viewAround(START + 17_123, 0.5, HOUR);
    expect(tickStep(view, 1000, 84)).toBe(10 * MINUTE);
    for (const tick of ticks(view, 1000, 84)) expect((tick.at + zoneOffset(tick.at)) % (10 * MINUTE)).toBe(0);
  });

  it('stays bounded whatever it is asked', () => {
    expect(ticks(viewAround(START, 0.5, HOUR), 1e9, 1).length).toBeLessThanOrEqual(100);
  });
});
