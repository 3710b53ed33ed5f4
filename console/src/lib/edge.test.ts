import { describe, expect, it } from 'vitest';
import { EDGE_RUN_ON_MS_MAX, edgeAt, hearEdge, type EdgeTold } from './edge';

const told = (end: number, heard: number): EdgeTold => ({ end, heard, growing: true });

describe('the live edge', () => {
  it('runs on between answers, and stands when they stop', () => {
    const state = hearEdge(null, told(50_000, 1_000));
    expect(edgeAt(state, 1_000)).toBe(50_000);
    expect(edgeAt(state, 2_500)).toBe(51_500);
    expect(edgeAt(state, 90_000)).toBe(50_000 + EDGE_RUN_ON_MS_MAX);
  });

  it('stands at once when the tape does not grow', () => {
    const state = hearEdge(null, { end: 50_000, heard: 1_000, growing: false });
    expect(edgeAt(state, 5_000)).toBe(50_000);
  });

  it('does not jump back for an answer that lags by a part', () => {
    const before = hearEdge(null, told(50_000, 1_000));
    const after = hearEdge(before, told(51_600, 3_000));
    expect(edgeAt(after, 3_000)).toBeGreaterThan(51_600);
    expect(edgeAt(after, 3_000)).toBeLessThan(edgeAt(before, 3_000));
  });

  it('comes to what is told while answers go on lagging', () => {
    let state = hearEdge(null, told(50_000, 0));
    for (let poll = 1; poll <= 40; poll += 1) state = hearEdge(state, told(49_000 + poll * 2_000, poll * 2_000));
    expect(edgeAt(state, 80_000)).toBeCloseTo(129_000, -1);
  });

  it('takes a big step at once', () => {
    const before = hearEdge(null, told(50_000, 1_000));
    expect(edgeAt(hearEdge(before, told(40_000, 3_000)), 3_000)).toBe(40_000);
    expect(edgeAt(hearEdge(before, told(90_000, 3_000)), 3_000)).toBe(90_000);
  });

  it('stands while the same edge is told again and again', () => {
    let state = hearEdge(null, told(50_000, 0));
    for (let poll = 1; poll <= 5; poll += 1) state = hearEdge(state, told(50_000, poll * 2_000));
    expect(edgeAt(state, 10_000)).toBe(50_000 + EDGE_RUN_ON_MS_MAX);
  });
});
