/** The streams of the server and which of them is chosen. */
import type { Api } from '../lib/api';
import { asProblem, type Problem } from '../lib/problem';
import type { Stream } from '../lib/types';

/** The list of streams. */
export class Streams {
  /** Live ones first, then by name: an order that does not jump from poll to poll. */
  items: readonly Stream[] = $state.raw([]);
  /** Whether the server has answered yet. */
  loaded = $state(false);
  /** Why the newest poll failed. */
  problem: Problem | null = $state.raw(null);
  /** The name of the chosen stream. */
  chosen: string | null = $state(null);
  /** The chosen stream, while the server knows it. */
  readonly current: Stream | null = $derived(this.items.find((stream) => stream.name === this.chosen) ?? null);

  /** Whether the server lets this token see one stream only, not the list. */
  #listRefused = false;
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Asks the server. A failure keeps the list as it was. */
  async refresh(): Promise<void> {
    try {
      this.items = inOrder(await this.#ask());
      this.problem = null;
      this.loaded = true;
      // Without a choice, the first stream is what a visitor came for.
      this.chosen ??= this.items[0]?.name ?? null;
    } catch (thrown) {
      this.problem = asProblem(thrown);
    }
  }

  /** Begins anew for another token, which may see other things. The choice stays. */
  forget(): void {
    this.#listRefused = false;
    this.problem = null;
    this.items = [];
  }

  /** All streams; where the list is refused, the chosen one. */
  async #ask(): Promise<Stream[]> {
    const { chosen } = this;
    if (this.#listRefused && chosen !== null) return this.#one(chosen);
    try {
      return await this.#api.streams();
    } catch (thrown) {
      if (chosen === null || !asProblem(thrown).wantsToken) throw thrown;
      // The list's refusal is the one to tell: its token opens all of the page.
      const one = await this.#one(chosen).catch(() => null);
      if (one === null) throw thrown;
      this.#listRefused = true;
      return one;
    }
  }

  async #one(name: string): Promise<Stream[]> {
    const stream = await this.#api.stream(name);
    return stream === null ? [] : [stream];
  }
}

function inOrder(streams: readonly Stream[]): Stream[] {
  return [...streams].sort((a, b) => Number(b.live) - Number(a.live) || a.name.localeCompare(b.name));
}
