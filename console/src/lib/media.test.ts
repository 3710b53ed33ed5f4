import { describe, expect, it } from 'vitest';
import { clipUrl, END_ROOM, fileName, LEAD_IN, planSeek, RANGE_MAX, sourceUrl, withQuery, type SeekScene } from './media';
import { HOUR, MINUTE, SECOND } from './time';

const T = Date.UTC(2026, 10, 21, 12, 0, 0);

describe('addresses', () => {
  it('of playlists', () => {
    expect(sourceUrl({ kind: 'live', stream: 'live/cam1' }, null)).toBe('/live/cam1.m3u8');
    expect(sourceUrl({ kind: 'from', stream: 'live/room/1', start: T }, 't')).toBe(
      '/live/room/1.m3u8?start=2026-11-21T12%3A00%3A00.000Z&token=t',
    );
    expect(sourceUrl({ kind: 'range', stream: 'live/cam1', range: { start: T, end: T + SECOND } }, null)).toBe(
      '/live/cam1.m3u8?start=2026-11-21T12%3A00%3A00.000Z&end=2026-11-21T12%3A00%3A01.000Z',
    );
  });

  it('of clips, saved under a name', () => {
    expect(clipUrl('live/a b', { start: T, end: T + 1 }, 'x&y.mp4', null)).toBe(
      '/live/a%20b.mp4?start=2026-11-21T12%3A00%3A00.000Z&end=2026-11-21T12%3A00%3A00.001Z&download=x%26y.mp4',
    );
  });

  it('keep a query that is there', () => {
    expect(withQuery('/assets/1.mp4?v=2', { download: 'a', token: null })).toBe('/assets/1.mp4?v=2&download=a');
    expect(withQuery('/assets/1.mp4', { token: null })).toBe('/assets/1.mp4');
  });
});

describe('file names', () => {
  it('say what and when', () => {
    expect(fileName('live/cam1', '', T)).toBe('cam1_2026-11-21_12-00-00Z.mp4');
    expect(fileName('live/cam1', ' Tor für München ', T)).toBe('Tor_für_München_2026-11-21_12-00-00Z.mp4');
  });

  it('are harmless and short', () => {
    expect(fileName('live/x', '../../etc/passwd\0', T)).toBe('etc_passwd__2026-11-21_12-00-00Z.mp4');
    expect(fileName('live/x', '///', T)).toBe('clip_2026-11-21_12-00-00Z.mp4');
    expect(fileName('live/x', 'ü'.repeat(500), T).length).toBeLessThan(110);
  });
});

/** Four hours of tape with a hole of a minute after the first hour; two hours are loaded. */
const SCENE: SeekScene = {
  stream: 'live/cam1',
  live: true,
  tape: { start: T, end: T + 4 * HOUR },
  runs: [
    { id: '1', start: T, end: T + HOUR },
    { id: '2', start: T + HOUR + MINUTE, end: T + 4 * HOUR },
  ],
  gaps: [{ start: T + HOUR, end: T + HOUR + MINUTE, reason: 'offline' }],
  window: { start: T + 2 * HOUR, end: T + 4 * HOUR },
};

describe('a seek', () => {
  it('inside of what is loaded loads nothing', () => {
    expect(planSeek(T + 3 * HOUR, SCENE)).toEqual({ at: T + 3 * HOUR, load: null, gap: null });
  });

  it('to the start of the tape loads nothing where all of it is loaded, though its first picture comes later', () => {
    const window = { start: T + 23, end: T + 4 * HOUR };
    expect(planSeek(T, { ...SCENE, window })).toEqual({ at: T, load: null, gap: null });
    expect(planSeek(T, { ...SCENE, window: { ...window, start: T + MINUTE } }).load).not.toBeNull();
  });

  it('far back in a live stream loads a window that grows, with some room in front', () => {
    const at = T + 90 * MINUTE;
    expect(planSeek(at, SCENE)).toEqual({ at, gap: null, load: { kind: 'from', stream: 'live/cam1', start: at - LEAD_IN } });
  });

  it('in a stream that is over loads a closed stretch', () => {
    const at = T + 30 * MINUTE;
    const plan = planSeek(at, { ...SCENE, live: false, window: null });
    expect(plan.load).toEqual({ kind: 'range', stream: 'live/cam1', range: { start: at - LEAD_IN, end: at - LEAD_IN + RANGE_MAX } });
  });

  it('into a gap goes on behind it and says so', () => {
    const plan = planSeek(T + HOUR + 10 * SECOND, SCENE);
    expect(plan.at).toBe(T + HOUR + MINUTE);
    expect(plan.gap).toBe(SCENE.gaps[0]);
  });

  it('stays on the tape', () => {
    expect(planSeek(T - HOUR, SCENE)).toMatchObject({ at: T, load: { kind: 'from', start: T } });
    expect(planSeek(T + 9 * HOUR, SCENE)).toMatchObject({ at: T + 4 * HOUR - END_ROOM, load: null });
    const over = planSeek(T + 9 * HOUR, { ...SCENE, live: false, window: null });
    expect(over.load).toMatchObject({ range: { end: T + 4 * HOUR } });
  });

  it('on a tape shorter than a second begins at its start', () => {
    const tape = { start: T, end: T + 300 };
    expect(planSeek(T + 200, { ...SCENE, tape, runs: [], gaps: [], window: null }).at).toBe(T);
  });
});
