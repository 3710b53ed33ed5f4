/** The player: what it shows, where its playhead is, and how it gets elsewhere. */
import { gapCrossed, gapWords } from '../lib/gaps';
import { planSeek, type SeekScene, type Source } from '../lib/media';
import type { Problem } from '../lib/problem';
import { clamp, contains } from '../lib/span';
import { MINUTE, SECOND, type Wall } from '../lib/time';
import type { Asset, Stream } from '../lib/types';
import { Engine } from '../player/engine';
import type { Session } from './session.svelte';
import type { Tape } from './tape.svelte';

/** A playhead this close to the start of a sliding window is moved to a window that stays, in ms. */
const FALL_OFF = MINUTE / 2;
/** How long the words about a skipped gap stay, in ms. */
const GAP_WORDS_MS = 6_000;
/** Pause before a failed source is tried again: doubles from the first to the last, in ms. */
const RETRY_MS_FIRST = 1_000;
const RETRY_MS_LAST = 15_000;
/** Closer to the live place than this is live, in ms: one segment. */
const LIVE_SLACK = 2 * SECOND;

/** The player of the page. */
export class Player {
  /** What is loaded. */
  source: Source | null = $state.raw(null);
  /** Wall time of the playhead; while a seek is under way, of its goal. */
  wall: Wall | null = $state(null);
  paused = $state(true);
  /** Whether the picture waits for data. */
  waiting = $state(false);
  ended = $state(false);
  muted = $state(true);
  problem: Problem | null = $state.raw(null);
  /** About a gap that was just skipped; empty otherwise. */
  gapNote = $state('');
  /** Whether the playhead is at the live place. */
  atLive = $state(false);

  #video: HTMLVideoElement | null = null;
  #engine: Engine | null = null;
  #stream: Stream | null = null;
  #goal: Wall | null = null;
  #last: { wall: Wall; media: number } | null = null;
  #gapNoteUntil = 0;
  #retryTimer: ReturnType<typeof setTimeout> | null = null;
  #retryPause = RETRY_MS_FIRST;
  readonly #tape: Tape;
  readonly #session: Session;

  constructor(tape: Tape, session: Session) {
    this.#tape = tape;
    this.#session = session;
  }

  /** Takes the video element over; returns what gives it back. */
  attach(video: HTMLVideoElement): () => void {
    this.#video = video;
    this.#engine = new Engine(video, {
      onFailure: (problem) => {
        this.#fail(problem);
      },
      onReady: () => {
        this.problem = null;
        this.#retryPause = RETRY_MS_FIRST;
      },
    });
    return () => {
      this.#stopRetry();
      this.#engine?.unload();
      this.#engine = null;
      this.#video = null;
    };
  }

  /** Takes in what is known of the chosen stream, and begins to play it where it is another one. */
  hear(stream: Stream | null): void {
    const before = this.#stream;
    this.#stream = stream;
    if (stream === null) {
      if (before !== null || this.source !== null) this.#reset();
      return;
    }
    if (before?.name !== stream.name) this.#begin(stream);
    else if (this.source === null && stream.tape !== null) this.#begin(stream);
    else if (!before.live && stream.live && this.#wantsLive()) this.goLive();
  }

  /** Plays a stream live of which nothing more may be known: watching is open where history and the API are not. */
  watch(name: string): void {
    this.#stream = null;
    if (this.source?.stream === name && this.source.kind === 'live') return;
    this.#reset();
    this.#load({ kind: 'live', stream: name }, null);
    this.play();
  }

  /** Lets time pass: reads the playhead and notices gaps. */
  tick(now: number): void {
    const engine = this.#engine;
    const video = this.#video;
    if (engine === null || video === null) return;
    if (this.gapNote !== '' && now > this.#gapNoteUntil) this.gapNote = '';
    const wall = engine.wall();
    // Before there is a picture the media time is not the place that will be shown.
    if (wall === null || video.seeking || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    this.#goal = null;
    this.#noticeGap(wall, video.currentTime, now);
    this.wall = wall;
    this.atLive = this.#isLiveAt(wall);
    this.#stayInWindow(wall);
  }

  /** The wall time of the frame on screen, for marks. */
  frameWall(): Wall | null {
    return this.#goal ?? this.#engine?.frameWall() ?? this.wall;
  }

  /** Shows an instant, wherever on the tape it is. */
  seek(asked: Wall): void {
    const scene = this.#scene();
    if (scene === null) return;
    const file = this.source?.kind === 'asset' ? this.source.asset : null;
    if (file !== null && asked >= file.start && asked < file.end && this.#engine?.seek(asked) === true) {
      this.#aim(asked);
      return;
    }
    const liveWall = this.#engine?.liveWall() ?? scene.tape.end;
    if (scene.live && asked >= liveWall) {
      this.goLive();
      return;
    }
    const plan = planSeek(asked, scene);
    if (plan.gap !== null) this.#noteGap(`${gapWords(plan.gap)}. Moved on to the next picture.`, performance.now());
    const again = this.#engine?.hasBegun === false ? this.source : null;
    const load = plan.load ?? again;
    if (load !== null) this.#load(load, plan.at);
    else this.#engine?.seek(plan.at);
    this.#aim(plan.at);
  }

  /** Whether the instant can be shown without loading another source. */
  isLoaded(at: Wall): boolean {
    const window = this.problem === null ? (this.#engine?.window() ?? null) : null;
    return window !== null && contains(window, at);
  }

  /** Shows the instant that many ms away. */
  seekBy(ms: number): void {
    const from = this.#goal ?? this.wall;
    if (from !== null) this.seek(from + ms);
  }

  /** Steps by frames while paused. */
  step(seconds: number): void {
    if (this.#video?.paused !== true) return;
    this.#engine?.step(seconds);
    this.#last = null;
  }

  /** Goes to the live place of a live stream, to the end of one that is not. */
  goLive(): void {
    const stream = this.#stream;
    if (stream === null) {
      this.#engine?.seekLive();
      this.play();
      return;
    }
    if (!stream.live) {
      if (this.#tape.bounds !== null) this.seek(this.#tape.bounds.end);
      return;
    }
    const growing = this.source?.kind === 'live' || this.source?.kind === 'from';
    if (!growing || this.problem !== null || this.#engine?.seekLive() !== true) {
      this.#load({ kind: 'live', stream: stream.name }, null);
    }
    this.#last = null;
    this.#goal = null;
    this.play();
  }

  /** Plays a file of the library. */
  playAsset(asset: Asset): void {
    if (asset.url === '') return;
    this.#load({ kind: 'asset', stream: asset.stream, asset }, null);
    this.#aim(asset.start);
    this.play();
  }

  /** Plays or pauses. */
  toggle(): void {
    if (this.#video?.paused === false) this.#video.pause();
    else this.play();
  }

  /** Plays. A tape played to its end begins again a little earlier. */
  play(): void {
    const video = this.#video;
    if (video === null) return;
    video.play().catch((thrown: unknown) => {
      // A browser that wants a touch before it plays with sound plays without (HTML, "allowed to play").
      if (thrown instanceof DOMException && thrown.name === 'NotAllowedError' && !video.muted) {
        this.muted = true;
        video.muted = true;
        void video.play().catch(() => undefined);
      }
    });
  }

  /** Tries a failed source again. */
  retry(): void {
    const { source } = this;
    if (source !== null) this.#load(source, source.kind === 'live' ? null : this.wall);
    else if (this.#stream !== null) this.#begin(this.#stream);
    this.play();
  }

  /** What was played to its end goes on with what follows on the tape. */
  onEnded(): void {
    const end = this.source?.kind === 'range' ? this.source.range.end : null;
    const tapeEnd = this.#tape.bounds?.end ?? 0;
    if (end !== null && tapeEnd - end > SECOND) this.seek(end);
    else this.ended = true;
  }

  #begin(stream: Stream): void {
    this.#reset();
    if (stream.live) {
      this.#load({ kind: 'live', stream: stream.name }, null);
      this.play();
    } else if (stream.tape !== null && this.#tape.bounds !== null) {
      this.seek(Math.max(stream.tape.start, stream.tape.end - MINUTE / 2));
    }
  }

  #load(source: Source, at: Wall | null): void {
    this.#stopRetry();
    const playing = this.#video?.paused === false;
    this.problem = null;
    this.ended = false;
    this.atLive = false;
    this.source = source;
    this.#last = null;
    this.#engine?.load(source, at, this.#session.token);
    if (playing) this.play();
  }

  #aim(at: Wall): void {
    this.#goal = at;
    this.#last = null;
    this.wall = at;
    this.atLive = false;
    this.ended = false;
  }

  #reset(): void {
    this.#stopRetry();
    this.#engine?.unload();
    this.source = null;
    this.wall = null;
    this.problem = null;
    this.gapNote = '';
    this.ended = false;
    this.atLive = false;
    this.#goal = null;
    this.#last = null;
  }

  #scene(): SeekScene | null {
    const stream = this.#stream;
    const tape = this.#tape.bounds;
    if (stream === null || tape === null) return null;
    const loaded = this.source?.kind === 'asset' || this.problem !== null ? null : (this.#engine?.window() ?? null);
    const { runs, gaps } = this.#tape;
    return { stream: stream.name, live: stream.live, tape, runs, gaps, window: loaded };
  }

  #isLiveAt(wall: Wall): boolean {
    const live = this.#engine?.liveWall() ?? null;
    return this.#stream?.live === true && live !== null && wall >= live - LIVE_SLACK;
  }

  /** A live window slides on while a paused playhead stands; before it falls off it gets a window that stays. */
  #stayInWindow(wall: Wall): void {
    const window = this.source?.kind === 'live' ? (this.#engine?.window() ?? null) : null;
    const tape = this.#tape.bounds;
    if (window === null || tape === null || this.#stream === null) return;
    // At the very start of the tape nothing slides away.
    if (wall - window.start > FALL_OFF || window.start - tape.start < MINUTE) return;
    const start = clamp(wall - MINUTE, tape.start, wall);
    this.#load({ kind: 'from', stream: this.#stream.name, start }, wall);
    this.#aim(wall);
  }

  #noticeGap(wall: Wall, media: number, now: number): void {
    const last = this.#last;
    this.#last = { wall, media };
    if (last === null || this.source?.kind === 'asset') return;
    const jumped = wall - last.wall - (media - last.media) * SECOND;
    const gap = jumped > SECOND / 2 ? gapCrossed(this.#tape.gaps, last.wall, wall) : null;
    if (gap !== null) this.#noteGap(`${gapWords(gap)}. Skipped.`, now);
  }

  #noteGap(words: string, now: number): void {
    this.gapNote = words;
    this.#gapNoteUntil = now + GAP_WORDS_MS;
  }

  #wantsLive(): boolean {
    return this.source?.kind === 'live' || this.ended;
  }

  /** A refusal stays; a network that fails or a stream that only begins is asked again, ever less often. */
  #fail(problem: Problem): void {
    this.problem = problem;
    this.#stopRetry();
    if (!problem.mayPass) return;
    this.#retryTimer = setTimeout(() => {
      this.retry();
    }, this.#retryPause);
    this.#retryPause = Math.min(RETRY_MS_LAST, this.#retryPause * 2);
  }

  #stopRetry(): void {
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }
}
