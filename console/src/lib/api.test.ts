import { describe, expect, it } from 'vitest';
import { Api } from './api';
import { Problem } from './problem';

/** What one call asked. */
interface Asked {
  method: string;
  url: string;
  headers: Headers;
  body: string | null;
}

/** An API over a function that answers, and what it was asked. */
function over(answer: (asked: Asked) => Response, token: string | null = null): { api: Api; asked: Asked[] } {
  const asked: Asked[] = [];
  const fetch = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const one: Asked = {
      method: init?.method ?? 'GET',
      url: input as string,
      headers: new Headers(init?.headers),
      body: (init?.body ?? null) as string | null,
    };
    asked.push(one);
    return Promise.resolve().then(() => answer(one));
  };
  return { api: new Api({ fetch, token: () => token }), asked };
}

const page = (names: string[], next: string | null): Response =>
  Response.json({ items: names.map((stream) => ({ app: 'live', stream })), next });

describe('lists', () => {
  it('are read page by page', async () => {
    const { api, asked } = over(({ url }) => (url.includes('cursor=c1') ? page(['b'], null) : page(['a'], 'c1')));
    expect((await api.streams()).map((stream) => stream.name)).toEqual(['live/a', 'live/b']);
    expect(asked.map((one) => one.url)).toEqual(['/api/v1/streams?limit=200', '/api/v1/streams?limit=200&cursor=c1']);
  });

  it('end even where the server never says so', async () => {
    const { api, asked } = over(() => page(['a'], 'again'));
    await api.streams();
    expect(asked).toHaveLength(5);
  });
});

describe('calls', () => {
  it('escape the name, past the app its slashes too', async () => {
    const { api, asked } = over(() => Response.json({ start: null, end: null }));
    expect(await api.timeline('live/room/split')).toBeNull();
    await api.timeline('live/a b?#<x>');
    expect(asked.map((one) => one.url)).toEqual([
      '/api/v1/streams/live/room%2Fsplit/timeline',
      '/api/v1/streams/live/a%20b%3F%23%3Cx%3E/timeline',
    ]);
  });

  it('send times with milliseconds and the title only where there is one', async () => {
    const { api, asked } = over(() => Response.json({}, { status: 201 }));
    await api.clip('live/cam1', { start: 1_000.9, end: 2_000 }, { title: 'Goal' });
    await api.split('live/cam1', {});
    expect(asked.map((one) => one.body)).toEqual([
      '{"start":"1970-01-01T00:00:01.000Z","end":"1970-01-01T00:00:02.000Z","title":"Goal"}',
      '{}',
    ]);
    expect(asked[0]?.headers.get('content-type')).toBe('application/json');
  });

  it('show the token where there is one', async () => {
    const without = over(() => page([], null));
    await without.api.streams();
    expect(without.asked[0]?.headers.has('authorization')).toBe(false);
    const withOne = over(() => page([], null), 'secret');
    await withOne.api.streams();
    expect(withOne.asked[0]?.headers.get('authorization')).toBe('Bearer secret');
  });

  it('take 204 for done', async () => {
    const { api, asked } = over(() => new Response(null, { status: 204 }));
    await api.deleteAsset('a/1');
    expect(asked[0]).toMatchObject({ method: 'DELETE', url: '/api/v1/assets/a%2F1' });
  });
});

describe('failures', () => {
  const failing = async (answer: () => Response): Promise<Problem> => {
    const caught: unknown = await over(answer).api.streams().catch((thrown: unknown) => thrown);
    expect(caught).toBeInstanceOf(Problem);
    return caught as Problem;
  };

  it('are the server’s words', async () => {
    const body = JSON.stringify({ type: '/problems/x', title: 'No', detail: 'because' });
    expect(await failing(() => new Response(body, { status: 409 }))).toMatchObject({ status: 409, detail: 'because' });
  });

  it('without an answer say so', async () => {
    const problem = await failing(() => {
      throw new TypeError('Failed to fetch');
    });
    expect(problem).toMatchObject({ status: 0, title: 'The server does not answer', mayPass: true });
  });

  it('that are no JSON name the call', async () => {
    expect((await failing(() => new Response('<html>'))).detail).toContain('GET /api/v1/streams');
  });
});
