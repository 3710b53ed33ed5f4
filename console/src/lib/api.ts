/**
 * The calls of the server's REST interface that this page makes.
 * What belongs here: addresses, bodies, the token, and turning refusals into `Problem`s. Nothing is kept here.
 */
import { decodeAsset, decodePage, decodeStream, decodeTimeline, type Page } from './decode';
import { noAnswer, Problem, problemOf } from './problem';
import { rfc3339 } from './time';
import type { Span } from './span';
import type { Asset, Stream, Timeline } from './types';

/** Items asked for at once. */
const PAGE_LIMIT = 200;
/** Pages read of one list at most: past a thousand items a list needs a search, not more rows. */
const PAGES_MAX = 5;
/** How long an answer may take, in ms; a poll that hangs must not stop the polling. */
const ANSWER_MS_MAX = 10_000;

/** Where `Api` gets what it does not own. */
export interface ApiDeps {
  readonly fetch: typeof fetch;
  /** The token to show, or null. */
  readonly token: () => string | null;
}

/** How one item of a list is read, and what makes it that item. */
interface ItemOf<T> {
  readonly item: (json: unknown) => T | null;
  readonly key: (item: T) => string;
}

/** What a split or a clip may say about what it makes. */
export interface AssetWords {
  readonly title?: string;
}

/**
 * The address of a stream below `/streams/`. Past the app, slashes are escaped too: a part of the name that is
 * called like a call (`live/room/split`) is not taken for one.
 */
function streamCall(name: string): string {
  const slash = name.indexOf('/');
  return `/streams/${encodeURIComponent(name.slice(0, slash))}/${encodeURIComponent(name.slice(slash + 1))}`;
}

/** The server's REST interface, version 1. */
export class Api {
  readonly #deps: ApiDeps;

  constructor(deps: ApiDeps) {
    this.#deps = deps;
  }

  /** All streams, live and recorded. */
  streams(): Promise<Stream[]> {
    return this.#list('/streams', {}, { item: decodeStream, key: (stream) => stream.name });
  }

  /** One stream; null where the answer names none. Open to tokens that may not list all. */
  async stream(name: string): Promise<Stream | null> {
    return decodeStream(await this.#call('GET', streamCall(name)));
  }

  /** What the tape of a stream consists of; null where the answer states no span. */
  async timeline(name: string): Promise<Timeline | null> {
    return decodeTimeline(await this.#call('GET', `${streamCall(name)}/timeline`));
  }

  /** Closes the current recording at the live edge and opens the next. */
  async split(name: string, words: AssetWords): Promise<Asset | null> {
    return decodeAsset(await this.#call('POST', `${streamCall(name)}/split`, words));
  }

  /** Stores a clip of `[start, end)` in the library. */
  async clip(name: string, range: Span, words: AssetWords): Promise<Asset | null> {
    const body = { start: rfc3339(range.start), end: rfc3339(range.end), ...words };
    return decodeAsset(await this.#call('POST', `${streamCall(name)}/clips`, body));
  }

  /** The library's assets of one stream. */
  assets(name: string): Promise<Asset[]> {
    return this.#list('/assets', { stream: name }, { item: decodeAsset, key: (asset) => asset.id });
  }

  /** Deletes an asset. */
  async deleteAsset(id: string): Promise<void> {
    await this.#call('DELETE', `/assets/${encodeURIComponent(id)}`);
  }

  async #list<T>(
    path: string,
    query: Record<string, string>,
    { item, key }: ItemOf<T>,
  ): Promise<T[]> {
    // A list that changes while it is read page by page may give an item twice.
    const items = new Map<string, T>();
    let cursor: string | null = null;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const asked = new URLSearchParams({ ...query, limit: String(PAGE_LIMIT) });
      if (cursor !== null) asked.set('cursor', cursor);
      const json = await this.#call('GET', `${path}?${asked.toString()}`);
      const answer: Page<T> = decodePage(json, item);
      for (const one of answer.items) items.set(key(one), one);
      cursor = answer.next;
      if (cursor === null) break;
    }
    return [...items.values()];
  }

  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const headers: Record<string, string> = { accept: 'application/json, application/problem+json' };
    const token = this.#deps.token();
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const init: RequestInit = {
      method,
      headers,
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    const response = await this.#deps.fetch(`/api/v1${path}`, init).catch((cause: unknown) => {
      throw noAnswer(cause);
    });
    if (!response.ok) throw await problemOf(response);
    if (response.status === 204) return null;
    return response.json().catch(() => {
      const detail = `${method} /api/v1${path} did not answer JSON. Is a proxy in between?`;
      throw new Problem({ status: response.status, title: 'Not understood', detail, type: '', retryAfter: null });
    });
  }
}
