import { flushSync } from 'svelte';
import { describe, expect, it } from 'vitest';
import { Api } from '../lib/api';
import { HOUR, MINUTE, SECOND } from '../lib/time';
import type { Stream } from '../lib/types';
import { spanOf } from '../lib/view';
import { Marks } from './marks.svelte';
import { Notices } from './notices.svelte';
import { Streams } from './streams.svelte';
import { Tape } from './tape.svelte';

const T = Date.UTC(2026, 10, 21, 12, 0, 0);

/** An API that gives one answer to everything, or none. */
function over(answer: () => unknown): Api {
  const fetch = (): Promise<Response> => Promise.resolve().then(() => Response.json(answer()));
  return new Api({ fetch, token: () => null });
}

function stream(more: Partial<Stream> = {}): Stream {
  const tape = { start: T, end: T + 2 * HOUR, bytes: 0, durableUntil: T };
  const base = { name: 'live/cam1', app: 'live', stream: 'cam1', publisher: null, tracks: [], bitrate: 0, viewers: 0 };
  return { ...base, live: true, tape, ...more };
}

describe('marks', () => {
  it('make a range once both are set and in order', () => {
    const marks = new Marks();
    marks.setIn(5_000);
    expect(marks.range).toBeNull();
    marks.setOut(9_000);
    expect(marks.range).toEqual({ start: 5_000, end: 9_000 });
  });

  it('give way to the one that was set last', () => {
    const marks = new Marks();
    marks.set({ start: 5_000, end: 9_000 });
    marks.setIn(9_000);
    expect([marks.in, marks.out]).toEqual([9_000, null]);
    marks.setOut(8_000);
    expect([marks.in, marks.out]).toEqual([null, 8_000]);
  });

  it('of the newest seconds stay on the tape', () => {
    const marks = new Marks();
    marks.setLast({ start: 1_000, end: 31_000.7 }, 90_000);
    expect(marks.range).toEqual({ start: 1_000, end: 31_000 });
  });
});

describe('streams', () => {
  const two = { items: [{ app: 'a', stream: 'old' }, { app: 'b', stream: 'new', state: 'live' }], next: null };

  it('come live ones first; the first is chosen where nobody chose', async () => {
    const streams = new Streams(over(() => two));
    await streams.refresh();
    expect(streams.items.map((one) => one.name)).toEqual(['b/new', 'a/old']);
    expect(streams.current?.name).toBe('b/new');
  });

  it('stay as they were while the server is silent, and a choice stays a choice', async () => {
    let silent = false;
    const streams = new Streams(over(() => {
      if (silent) throw new TypeError('offline');
      return two;
    }));
    streams.chosen = 'a/old';
    await streams.refresh();
    silent = true;
    await streams.refresh();
    expect(streams.items).toHaveLength(2);
    expect(streams.problem?.title).toBe('The server does not answer');
    expect(streams.current?.name).toBe('a/old');
  });
});

describe('a token for one stream', () => {
  it('shows that stream; the list is not asked for again until there is another token', async () => {
    const asked: string[] = [];
    const fetch = (input: RequestInfo | URL): Promise<Response> => {
      const url = input as string;
      asked.push(url);
      const listed = url.includes('?');
      return Promise.resolve(listed ? new Response('{}', { status: 403 }) : Response.json({ app: 'live', stream: 'cam1' }));
    };
    const streams = new Streams(new Api({ fetch, token: () => 't' }));
    streams.chosen = 'live/cam1';
    await streams.refresh();
    await streams.refresh();
    expect(streams.current?.name).toBe('live/cam1');
    expect(streams.problem).toBeNull();
    const [list, one] = ['/api/v1/streams?limit=200', '/api/v1/streams/live/cam1'];
    expect(asked).toEqual([list, one, one]);
    streams.forget();
    await streams.refresh();
    expect(asked.slice(3)).toEqual([list, one]);
  });
});

describe('the tape', () => {
  const iso = (at: number): string => new Date(at).toISOString();
  const told = {
    start: iso(T),
    end: iso(T + 2 * HOUR),
    runs: [{ id: 1, start: iso(T), end: iso(T + HOUR) }, { id: 2, start: iso(T + HOUR + MINUTE), end: iso(T + 2 * HOUR) }],
    gaps: [],
  };

  it('shows all of itself at first and grows with its edge', () => {
    const tape = new Tape(over(() => told));
    tape.hear(stream(), 0);
    expect(tape.mode).toBe('all');
    tape.tick(2_000, null);
    expect(tape.bounds).toEqual({ start: T, end: T + 2 * HOUR + 2 * SECOND });
    expect(tape.view.end).toBeGreaterThan(T + 2 * HOUR);
  });

  it('extends its open run to the edge and finds the gaps between runs', async () => {
    const tape = new Tape(over(() => told));
    tape.hear(stream(), 0);
    await tape.refresh();
    tape.tick(1_500, null);
    expect(tape.runs[1]?.end).toBe(T + 2 * HOUR + 1_500);
    expect(tape.gapAt(T + HOUR + SECOND)).toMatchObject({ start: T + HOUR, end: T + HOUR + MINUTE });
    tape.hear(stream({ live: false }), 2_000);
    expect(tape.runs[1]?.end).toBe(T + 2 * HOUR);
  });

  it('goes along with the edge when zoomed in there, and stands elsewhere', () => {
    const tape = new Tape(over(() => told));
    tape.hear(stream(), 0);
    tape.showSpan(MINUTE, T + 2 * HOUR);
    expect(tape.mode).toBe('edge');
    const before = tape.view.end;
    tape.tick(1_000, null);
    expect(tape.view.end - before).toBeCloseTo(1_000, 3);
    tape.showSpan(MINUTE, T + 30 * MINUTE);
    expect(tape.mode).toBe('still');
    tape.tick(2_000, T + 30 * MINUTE);
    expect((tape.view.start + tape.view.end) / 2).toBeCloseTo(T + 30 * MINUTE, 3);
  });

  it('turns the page for a playhead that runs out of sight', () => {
    const tape = new Tape(over(() => told));
    tape.hear(stream(), 0);
    tape.showSpan(MINUTE, T + 30 * MINUTE);
    const playhead = tape.view.end + 100;
    tape.tick(100, playhead);
    expect(tape.view.start).toBeCloseTo(playhead - 6 * SECOND, 3);
    expect(spanOf(tape.view)).toBeCloseTo(MINUTE, 3);
  });

  it('forgets all when another stream is chosen', async () => {
    const tape = new Tape(over(() => told));
    tape.hear(stream(), 0);
    await tape.refresh();
    tape.hear(stream({ name: 'live/cam2', tape: null }), 0);
    expect(tape.bounds).toBeNull();
    expect(tape.runs).toEqual([]);
  });

  it('drops an answer that comes after the choice has changed', async () => {
    const tape = new Tape(over(() => told));
    tape.hear(stream(), 0);
    const answer = tape.refresh();
    tape.hear(stream({ name: 'live/cam2' }), 0);
    await answer;
    expect(tape.runs).toEqual([]);
  });
});

describe('notices', () => {
  it('are few, and the same failure twice is one', () => {
    const notices = new Notices();
    for (let n = 0; n < 9; n += 1) notices.fail('It was not done', new Error(`reason ${String(n % 6)}`));
    flushSync();
    expect(notices.items).toHaveLength(4);
    expect(new Set(notices.items.map((notice) => notice.detail)).size).toBe(4);
    const first = notices.items[0];
    notices.dismiss(first?.id ?? 0);
    expect(notices.items).toHaveLength(3);
  });
});
