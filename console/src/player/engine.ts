/**
 * The machine behind the picture: a `<video>` fed by hls.js or by a file, and its map to wall time.
 * What belongs here: loading, seeking in media time, recovery. What does not: which source to load (`lib/media.ts`)
 * and what the page shows of it (`state/player.svelte.ts`).
 */
import Hls, { ErrorDetails, ErrorTypes, Events, type ErrorData, type LevelDetails } from 'hls.js';
import { sourceUrl, type Source } from '../lib/media';
import { mediaAt, piecesOfFile, wallAt, wallWindow, type Piece } from '../lib/pieces';
import { noAnswer, Problem, problemFrom } from '../lib/problem';
import type { Span } from '../lib/span';
import type { Wall } from '../lib/time';
import { Pictures } from './pictures';

/** Seconds kept behind the playhead: a step back is at once, a phone's memory stays small. */
const BACK_BUFFER_S = 90;
/**
 * Seconds loaded ahead at most. Left alone, hls.js fills 60 MB, which is ten minutes of a small stream: fetched for
 * nothing at the next seek.
 */
const AHEAD_S_MAX = 60;
/** Seconds between two attempts to repair a decoder; more often would hide a broken stream. */
const REPAIR_EVERY_S = 5;
/** How far the frame on screen may lie from the playhead and still be taken for it, in seconds. */
const FRAME_NEAR_S = 0.5;

/** How far inside of a frame a step lands, as a share of its duration. */
const FRAME_INSIDE = 0.25;

/**
 * How far behind an instant a seek lands, in seconds. Browsers cut media times to microseconds: a seek to the very
 * start of the window would lie in front of it, and hls.js would look for the live edge instead.
 */
const SEEK_INSIDE_S = 0.001;

/**
 * How many segments may go into the browser without anything to play coming of them. Its decoder waits for an IDR
 * picture, and a stream of open GOPs may have none but its first; with key frames every two seconds, one every
 * sixteen seconds is waited for.
 */
const SWALLOWED_MAX = 8;

/** What the engine tells. */
export interface EngineEvents {
  /** The source cannot be played (any more). */
  readonly onFailure: (problem: Problem) => void;
  /** The place that was asked for is being shown. */
  readonly onReady: () => void;
}

/** A video element and what feeds it. */
export class Engine {
  readonly #video: HTMLVideoElement;
  readonly #events: EngineEvents;
  #hls: Hls | null = null;
  #source: Source | null = null;
  #pictures = new Pictures();
  #filePieces: readonly Piece[] = [];
  /** Made anew when hls.js has learnt something. */
  #listPieces: readonly Piece[] | null = null;
  /** Where the playlist is to be entered, until it is known exactly where that is. */
  #entry: Wall | null = null;
  #frame: number | null = null;
  /** The frame that the last step went to, and the place in it, until another seek. */
  #stepped: { readonly frame: number; readonly to: number } | null = null;
  #begun = false;
  #repaired = -Infinity;
  #swallowed = 0;

  constructor(video: HTMLVideoElement, events: EngineEvents) {
    this.#video = video;
    this.#events = events;
    this.#watchFrames();
    video.addEventListener('loadeddata', () => {
      this.#begun = true;
    });
  }

  /** Whether the source has shown a picture. Until then hls.js goes to its own first place, whatever is sought. */
  get hasBegun(): boolean {
    return this.#begun;
  }

  /** What is loaded. */
  get source(): Source | null {
    return this.#source;
  }

  /** Loads a source and goes to `at`, or to its own beginning (of a live playlist: its live place). */
  load(source: Source, at: Wall | null, token: string | null): void {
    this.unload();
    this.#source = source;
    const url = sourceUrl(source, token);
    if (source.kind === 'asset') this.#loadFile(url, source, at);
    else this.#loadPlaylist(url, source, at);
  }

  /** Takes everything down. */
  unload(): void {
    this.#hls?.destroy();
    this.#hls = null;
    this.#source = null;
    this.#filePieces = [];
    this.#listPieces = null;
    this.#pictures = new Pictures();
    this.#entry = null;
    this.#frame = null;
    this.#begun = false;
    this.#swallowed = 0;
    if (this.#video.hasAttribute('src')) {
      this.#video.removeAttribute('src');
      this.#video.load();
    }
  }

  /** The wall time of the playhead; null while nothing is loaded. */
  wall(): Wall | null {
    return wallAt(this.#pieces(), this.#video.currentTime);
  }

  /** The wall time of the frame on screen, exact to the frame. */
  frameWall(): Wall | null {
    const playhead = this.#video.currentTime;
    const frame = this.#frame;
    const near = frame !== null && Math.abs(frame - playhead) < FRAME_NEAR_S;
    return wallAt(this.#pieces(), near ? frame : playhead);
  }

  /** What of the tape is loaded. */
  window(): Span | null {
    return wallWindow(this.#pieces());
  }

  /** Goes to an instant of the window; false where that ends before it. */
  seek(at: Wall): boolean {
    this.#entry = null;
    const media = this.#mediaOf(at);
    if (media === null) return false;
    this.#goTo(media);
    return true;
  }

  /** Moves by one frame of `seconds`, forward or, where negative, back. */
  step(seconds: number): void {
    const playhead = this.#video.currentTime;
    const shown = this.#frame !== null && Math.abs(this.#frame - playhead) < FRAME_NEAR_S ? this.#frame : null;
    // The browser tells of a frame after it shows it: until then the frame is the one that the step before went to.
    const sought = this.#stepped !== null && this.#stepped.to === playhead ? this.#stepped.frame : playhead;
    const frame = Math.max(0, (shown ?? sought) + seconds);
    // A little inside of the frame: exactly at its start, rounding may show the one before.
    this.#goTo(frame + Math.abs(seconds) * FRAME_INSIDE);
    this.#stepped = { frame, to: this.#video.currentTime };
  }

  /** The wall time at which live is played; null where the source is not live. */
  liveWall(): Wall | null {
    const position = this.#hls?.liveSyncPosition;
    return position === null || position === undefined ? null : wallAt(this.#pieces(), position);
  }

  /** Goes to the live place of a playlist that still grows; false where there is none. */
  seekLive(): boolean {
    this.#entry = null;
    const position = this.#hls?.liveSyncPosition;
    if (position === null || position === undefined) return false;
    this.#goTo(position);
    return true;
  }

  /**
   * The frame that was on screen is none of the place that is sought. It goes at once: Chromium may present the
   * next one before it says `seeking`.
   */
  #goTo(media: number): void {
    this.#frame = null;
    this.#stepped = null;
    this.#video.currentTime = media;
  }

  /** Where to seek for an instant; for one in front of the window, the window's start. */
  #mediaOf(at: Wall): number | null {
    const window = this.window();
    const media = window === null ? null : mediaAt(this.#pieces(), Math.max(at, window.start));
    return media === null ? null : media + SEEK_INSIDE_S;
  }

  #details(): LevelDetails | null {
    return this.#hls?.latestLevelDetails ?? null;
  }

  #pieces(): readonly Piece[] {
    if (this.#hls === null) return this.#filePieces;
    this.#listPieces ??= this.#pictures.pieces(this.#details()?.fragments ?? []);
    return this.#listPieces;
  }

  #loadFile(url: string, source: Extract<Source, { kind: 'asset' }>, at: Wall | null): void {
    this.#filePieces = piecesOfFile(source.asset, source.asset.gaps);
    this.#video.src = url;
    if (at !== null) this.seek(at);
    this.#events.onReady();
  }

  #loadPlaylist(url: string, source: Source, at: Wall | null): void {
    if (!Hls.isSupported()) {
      this.#events.onFailure(unsupported());
      return;
    }
    const hls = new Hls({
      // fMP4 is passed through as it is: a worker would only copy bytes, and its blob needs a wider policy.
      enableWorker: false,
      // Inserted advertisements are none of a tape's business, and their controller restarts loading elsewhere.
      enableInterstitialPlayback: false,
      backBufferLength: BACK_BUFFER_S,
      maxMaxBufferLength: AHEAD_S_MAX,
      startPosition: source.kind === 'live' ? -1 : 0,
    });
    this.#hls = hls;
    hls.on(Events.ERROR, (_, data) => {
      this.#onError(data);
    });
    this.#followPictures(hls);
    this.#entry = at;
    // The playlist begins with the segment that contains its start: only now is the place of `at` known, and
    // nothing is loaded yet.
    hls.once(Events.LEVEL_UPDATED, () => {
      const media = at === null ? null : this.#mediaOf(at);
      if (media !== null) hls.startLoad(media);
      this.#events.onReady();
    });
    hls.loadSource(url);
    hls.attachMedia(this.#video);
  }

  #followPictures(hls: Hls): void {
    const pictures = this.#pictures;
    const changed = (): void => {
      this.#listPieces = null;
    };
    hls.on(Events.LEVEL_UPDATED, changed);
    hls.on(Events.LEVEL_PTS_UPDATED, changed);
    hls.on(Events.FRAG_LOADED, (_, { frag, payload }) => {
      pictures.loaded(frag, payload);
      changed();
    });
    hls.on(Events.INIT_PTS_FOUND, (_, { frag, initPTS, timescale }) => {
      pictures.placed(frag.cc, initPTS / timescale);
      changed();
    });
    // The place was sought before any picture's was known.
    hls.on(Events.FRAG_BUFFERED, () => {
      this.#swallowed = this.#video.buffered.length === 0 ? this.#swallowed + 1 : 0;
      if (this.#swallowed === SWALLOWED_MAX) this.#events.onFailure(undecodable());
      changed();
      if (this.#entry !== null) this.seek(this.#entry);
    });
  }

  #onError(data: ErrorData): void {
    if (!data.fatal) return;
    const now = performance.now() / 1000;
    if (data.type === ErrorTypes.MEDIA_ERROR && now - this.#repaired > REPAIR_EVERY_S) {
      this.#repaired = now;
      this.#hls?.recoverMediaError();
      return;
    }
    const broken = this.#video.error?.code === MediaError.MEDIA_ERR_DECODE;
    this.#events.onFailure(broken ? undecodable() : problemOfHls(data));
  }

  /** Keeps the media time of the frame on screen, where the browser tells it. */
  #watchFrames(): void {
    const video = this.#video;
    if (!('requestVideoFrameCallback' in video)) return;
    const next = (): void => {
      video.requestVideoFrameCallback((_, frame) => {
        this.#frame = frame.mediaTime;
        next();
      });
    };
    next();
  }
}

/** What a failure of hls.js says to a person: the server's own words where it gave any. */
function problemOfHls(data: ErrorData): Problem {
  const status = data.response?.code ?? 0;
  if (status >= 400) return problemFrom(status, bodyOf(data), null);
  if (data.type === ErrorTypes.NETWORK_ERROR) return noAnswer(data.error);
  const incompatible = data.details === ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
  return new Problem({
    status: 0,
    title: incompatible ? 'This browser cannot play these codecs' : 'The picture cannot be shown',
    detail: incompatible ? 'Another browser may; the clip can be downloaded all the same.' : data.error.message,
    type: '',
    retryAfter: null,
  });
}

function bodyOf(data: ErrorData): string {
  const details: unknown = data.networkDetails;
  if (!(details instanceof XMLHttpRequest)) return '';
  return details.responseType === '' || details.responseType === 'text' ? details.responseText : '';
}

function undecodable(): Problem {
  return new Problem({
    status: 0,
    title: 'This browser cannot decode this stream from here',
    detail:
      'Most often its key frames are open: pictures beside them refer to pictures before them, and browsers decode from ' +
      'IDR pictures only. VLC and ffplay play it; from an encoder set to closed GOPs it plays everywhere.',
    type: '',
    retryAfter: null,
  });
}

function unsupported(): Problem {
  return new Problem({
    status: 0,
    title: 'This browser cannot play HLS in a page',
    detail: 'It has no Media Source Extensions. A current Chrome, Firefox, Edge or Safari (iOS 17.1 or later) has.',
    type: '',
    retryAfter: null,
  });
}
