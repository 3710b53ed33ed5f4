/** Making things out of the tape: clips to download or to keep, splits, and what the library does with them. */
import type { Api, AssetWords } from '../lib/api';
import { fileName, clipUrl, withQuery } from '../lib/media';
import { whenReady } from '../lib/ready';
import type { Span } from '../lib/span';
import { clipLength, clockSeconds } from '../lib/time';
import type { Asset } from '../lib/types';
import { saveFile } from '../player/save';
import type { Library } from './library.svelte';
import type { Marks } from './marks.svelte';
import type { Notices } from './notices.svelte';
import type { Session } from './session.svelte';
import type { Streams } from './streams.svelte';

/** What cutting works on. */
export interface CuttingDeps {
  readonly api: Api;
  readonly streams: Streams;
  readonly library: Library;
  readonly marks: Marks;
  readonly notices: Notices;
  readonly session: Session;
}

/** The tools that cut. One thing is made at a time. */
export class Cutting {
  /** What is being made right now; its button waits. */
  busy: 'download' | 'store' | 'split' | null = $state(null);
  readonly #deps: CuttingDeps;

  constructor(deps: CuttingDeps) {
    this.#deps = deps;
  }

  /** Downloads what lies between the marks. */
  async downloadClip(): Promise<void> {
    const { marks, notices, session, streams } = this.#deps;
    const range = this.#marked();
    const stream = streams.current;
    if (range === null || stream === null) return;
    await this.#make('download', 'The clip was not downloaded', async () => {
      const name = fileName(stream.name, marks.title, range.start);
      await this.#save(clipUrl(stream.name, range, name, session.token), name);
      notices.tell('Download begun', `${name}, ${clipLength(range.end - range.start)}`);
    });
  }

  /** Keeps what lies between the marks in the library. */
  async storeClip(): Promise<void> {
    const { api, streams } = this.#deps;
    const range = this.#marked();
    const stream = streams.current;
    if (range === null || stream === null) return;
    await this.#make('store', 'The clip was not kept', async () => {
      await this.#made('Clip kept in the library', await api.clip(stream.name, range, this.#words()));
    });
  }

  /** Closes the current recording at the live edge and begins the next. */
  async split(): Promise<void> {
    const { api, notices, streams } = this.#deps;
    const stream = streams.current;
    if (stream === null) return;
    if (!stream.live) {
      notices.tell('Nothing to split', `${stream.name} is offline: its last recording is closed already.`);
      return;
    }
    await this.#make('split', 'The recording was not split', async () => {
      await this.#made('Recording closed, the next has begun', await api.split(stream.name, this.#words()));
    });
  }

  /** Downloads a file of the library. */
  async downloadAsset(asset: Asset): Promise<void> {
    const { notices, session } = this.#deps;
    const name = fileName(asset.stream, asset.title, asset.start);
    try {
      await this.#save(withQuery(asset.url, { download: name, token: session.token }), name);
      notices.tell('Download begun', name);
    } catch (thrown) {
      notices.fail('It was not downloaded', thrown);
    }
  }

  /** Deletes a file of the library. */
  async deleteAsset(asset: Asset): Promise<void> {
    try {
      await this.#deps.library.remove(asset);
    } catch (thrown) {
      this.#deps.notices.fail('It was not deleted', thrown);
    }
  }

  /** The marked stretch, or null after telling what is missing. */
  #marked(): Span | null {
    const { marks, notices } = this.#deps;
    if (marks.range === null) {
      notices.tell('Mark in and out first', 'Press I where the clip begins and O where it ends.');
    }
    return marks.range;
  }

  #words(): AssetWords {
    const title = this.#deps.marks.title.trim();
    return title === '' ? {} : { title };
  }

  async #made(what: string, asset: Asset | null): Promise<void> {
    const { library, marks, notices } = this.#deps;
    marks.title = '';
    if (asset === null) {
      notices.tell(what);
    } else {
      const name = asset.title === '' ? `From ${clockSeconds(asset.start)}` : asset.title;
      const run = (): void => void this.downloadAsset(asset);
      const action = asset.url === '' ? null : { label: 'Download', run };
      notices.tell(what, `${name}, ${clipLength(asset.duration)}`, action);
    }
    await library.refresh();
  }

  async #make(what: 'download' | 'store' | 'split', failure: string, work: () => Promise<void>): Promise<void> {
    if (this.busy !== null) return;
    this.busy = what;
    try {
      await work();
    } catch (thrown) {
      this.#deps.notices.fail(failure, thrown);
    } finally {
      this.busy = null;
    }
  }

  /** Saves a file once all of it can be fetched. */
  async #save(url: string, name: string): Promise<void> {
    await whenReady(url, {
      fetch: (...args) => fetch(...args),
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      now: () => performance.now(),
      onWait: () => {
        this.#deps.notices.tell('Waiting for the disk', 'The newest part of the clip is being written.');
      },
    });
    saveFile(url, name);
  }
}
