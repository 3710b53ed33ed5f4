/** The assets of the chosen stream: recordings and clips. */
import type { Api } from '../lib/api';
import { asProblem, type Problem } from '../lib/problem';
import type { Asset } from '../lib/types';

/** The library of one stream. */
export class Library {
  /** Newest first. */
  items: readonly Asset[] = $state.raw([]);
  problem: Problem | null = $state.raw(null);
  #stream: string | null = null;
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Turns to another stream. */
  turnTo(stream: string | null): void {
    if (stream === this.#stream) return;
    this.#stream = stream;
    this.items = [];
    this.problem = null;
  }

  /** Asks the server. A failure keeps the list as it was. */
  async refresh(): Promise<void> {
    const stream = this.#stream;
    if (stream === null) return;
    try {
      const items = await this.#api.assets(stream);
      if (stream !== this.#stream) return;
      this.items = items.sort((a, b) => b.createdAt - a.createdAt || b.id.localeCompare(a.id));
      this.problem = null;
    } catch (thrown) {
      if (stream === this.#stream) this.problem = asProblem(thrown);
    }
  }

  /** Deletes an asset; throws the `Problem` where the server refuses. */
  async remove(asset: Asset): Promise<void> {
    await this.#api.deleteAsset(asset.id);
    this.items = this.items.filter((item) => item.id !== asset.id);
  }
}
