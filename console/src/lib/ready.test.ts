import { describe, expect, it } from 'vitest';
import { Problem } from './problem';
import { READY_MS_MAX, whenReady, type ReadyDeps } from './ready';

/** Dependencies over a list of answers and a clock that only pauses move; the last answer repeats. */
function over(answers: (() => Response)[]): ReadyDeps & { pauses: number[]; ranges: (string | null)[]; waits: number } {
  let time = 0;
  let asked = 0;
  const deps = {
    pauses: [] as number[],
    ranges: [] as (string | null)[],
    waits: 0,
    fetch: (_: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
      const answer = answers[Math.min(asked, answers.length - 1)];
      asked += 1;
      deps.ranges.push(new Headers(init?.headers).get('range'));
      return Promise.resolve().then(() => answer?.() ?? Response.error());
    },
    pause: (ms: number): Promise<void> => {
      deps.pauses.push(ms);
      time += ms;
      return Promise.resolve();
    },
    now: () => time,
    onWait: () => {
      deps.waits += 1;
    },
  };
  return deps;
}

const early = (retryAfter?: string): (() => Response) => () =>
  new Response(JSON.stringify({ title: 'Too early', detail: 'Not durable yet.' }), {
    status: 425,
    headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
  });
const there = (): Response => new Response('x', { status: 206 });

describe('waiting for media', () => {
  it('is over at once where it is there; one byte is asked for', async () => {
    const deps = over([there]);
    await whenReady('/x.mp4', deps);
    expect(deps).toMatchObject({ pauses: [], ranges: ['bytes=0-0'], waits: 0 });
  });

  it('pauses as long as the server says, and tells once', async () => {
    const deps = over([early('2'), early(), early('0'), there]);
    await whenReady('/x.mp4', deps);
    expect(deps).toMatchObject({ pauses: [2_000, 500, 100], waits: 1 });
  });

  it('gives up in time, with the server’s words', async () => {
    const deps = over([early('7')]);
    const caught: unknown = await whenReady('/x.mp4', deps).catch((thrown: unknown) => thrown);
    expect((caught as Problem).detail).toContain('Not durable yet. It was not ready within 30 s');
    expect(deps.now()).toBeLessThanOrEqual(READY_MS_MAX);
  });

  it('ends with any other refusal', async () => {
    const deps = over([() => new Response('{"title":"Outside the tape"}', { status: 404 })]);
    await expect(whenReady('/x.mp4', deps)).rejects.toMatchObject({ status: 404, title: 'Outside the tape' });
    expect(deps.pauses).toEqual([]);
  });
});
