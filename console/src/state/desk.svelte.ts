/**
 * The desk: all stores of the page and the poll that feeds them.
 * Data flows one way: server → poll → stores → components; components call `commands.ts` and the stores' methods.
 */
import { Api } from '../lib/api';
import { hashOfStream, streamOfHash } from '../lib/hash';
import type { Wall } from '../lib/time';
import { Cutting } from './cutting.svelte';
import { Library } from './library.svelte';
import { Marks } from './marks.svelte';
import { Notices } from './notices.svelte';
import { Player } from './player.svelte';
import { Session } from './session.svelte';
import { Streams } from './streams.svelte';
import { Tape } from './tape.svelte';

/** Between two polls of the server, in ms. */
const POLL_MS = 2_000;
/** Between two readings of the playhead, in ms: smooth at any zoom, cheap on a phone. */
const TICK_MS = 100;
/** The library is asked every so many polls: it changes when somebody does something. */
const LIBRARY_EVERY = 3;

/** Everything the page has. */
export class Desk {
  readonly session = new Session();
  readonly notices = new Notices();
  readonly marks = new Marks();
  readonly streams: Streams;
  readonly tape: Tape;
  readonly player: Player;
  readonly library: Library;
  readonly cutting: Cutting;
  /** Which overlay is open. */
  overlay: 'keys' | 'publish' | null = $state(null);
  /** The element that fills the screen on request. */
  stage: HTMLElement | null = null;
  #polls = 0;

  constructor() {
    const api = new Api({ fetch: (...args) => fetch(...args), token: () => this.session.token });
    this.streams = new Streams(api);
    this.tape = new Tape(api);
    this.player = new Player(this.tape, this.session);
    this.library = new Library(api);
    this.cutting = new Cutting({ api, ...this.#stores() });
  }

  /** Begins to poll and to tick; returns what ends both. */
  start(): () => void {
    this.streams.chosen = streamOfHash(location.hash);
    const onHash = (): void => {
      const name = streamOfHash(location.hash);
      if (name !== null) this.choose(name);
    };
    window.addEventListener('hashchange', onHash);
    const stopPolling = this.#keepPolling();
    const stopTicking = this.#keepTicking();
    return () => {
      window.removeEventListener('hashchange', onHash);
      stopPolling();
      stopTicking();
    };
  }

  /** Asks the server for everything that is due. */
  async poll(): Promise<void> {
    await this.streams.refresh();
    if (this.streams.problem !== null) {
      if (this.streams.problem.wantsToken) this.#watchOnly();
      return;
    }
    this.#keepChoice();
    await this.#hear();
    if (this.#polls % LIBRARY_EVERY === 0) await this.library.refresh();
    this.#polls += 1;
  }

  /** Chooses a stream. */
  choose(name: string): void {
    if (this.streams.chosen === name) return;
    this.streams.chosen = name;
    this.marks.clear();
    this.#keepChoice();
    void this.#hear();
    void this.library.refresh();
  }

  /** Takes a token and asks again with it. */
  async signIn(token: string): Promise<void> {
    this.session.use(token);
    this.streams.forget();
    await this.poll();
    if (this.streams.problem === null && this.player.problem !== null) this.player.retry();
  }

  /** Goes to an instant and brings it into the bar's view. */
  goTo(at: Wall | null): void {
    if (at === null) return;
    this.player.seek(at);
    if (this.player.wall !== null) this.tape.reveal(this.player.wall);
  }

  /** What is left where the server wants to know who asks: the live picture of the stream that the address names. */
  #watchOnly(): void {
    this.tape.hear(null, performance.now());
    this.library.turnTo(null);
    if (this.streams.chosen !== null) this.player.watch(this.streams.chosen);
  }

  /** Keeps the choice in the address, so that a reload or a link comes back to it. */
  #keepChoice(): void {
    const { chosen } = this.streams;
    if (chosen !== null && streamOfHash(location.hash) !== chosen) history.replaceState(null, '', hashOfStream(chosen));
  }

  /** Passes on what the list of streams says about the chosen one. */
  async #hear(): Promise<void> {
    const name = this.streams.chosen;
    this.library.turnTo(name);
    this.tape.hear(this.streams.current, performance.now());
    // Runs and gaps come before the player hears of the stream, so that its first seek knows them.
    await this.tape.refresh();
    if (name === this.streams.chosen) this.player.hear(this.streams.current);
  }

  #stores(): { streams: Streams; library: Library; marks: Marks; notices: Notices; session: Session } {
    const { streams, library, marks, notices, session } = this;
    return { streams, library, marks, notices, session };
  }

  #keepPolling(): () => void {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let stopped = false;
    const poll = async (): Promise<void> => {
      // A page that nobody sees leaves the server alone; so does one that was refused and has no token. A new
      // token takes the server a moment to know.
      const refused = this.streams.problem?.wantsToken === true && this.session.token === null;
      if (!document.hidden && !refused) await this.poll();
      if (!stopped) timer = setTimeout(() => void poll(), POLL_MS);
    };
    void poll();
    return () => {
      stopped = true;
      if (timer !== null) clearTimeout(timer);
    };
  }

  #keepTicking(): () => void {
    let ticked = 0;
    const tick = (): void => {
      frame = requestAnimationFrame(tick);
      const now = performance.now();
      if (now - ticked < TICK_MS) return;
      ticked = now;
      this.player.tick(now);
      this.tape.tick(now, this.player.wall);
    };
    let frame = requestAnimationFrame(tick);
    return () => {
      cancelAnimationFrame(frame);
    };
  }
}
