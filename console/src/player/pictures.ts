/**
 * Where in a player's media time the pictures of a playlist's segments are.
 * A segment's wall time is that of its first picture. hls.js places a segment by the track that begins first in
 * decode time, which is the sound or a picture that is shown later: by it, wall times are some pictures off.
 * What belongs here: reading first pictures as segments come, and pieces made of them. What does not: the map
 * itself (`lib/pieces.ts`).
 */
import { firstPicture, videoTrack, type VideoTrack } from '../lib/fmp4';
import type { Piece } from '../lib/pieces';

/** First pictures that are remembered: a window of 12 h in segments of 2 s, as long as the server lists at most. */
const REMEMBERED_MAX = 21_600;

/** What of hls.js' fragments is looked at. */
export interface Fragment extends Piece {
  readonly sn: number | 'initSegment';
  /** Counts discontinuities. */
  readonly cc: number;
  readonly initSegment: { readonly data?: Uint8Array | undefined } | null;
}

/** The first pictures of the segments that have been loaded from one playlist. */
export class Pictures {
  /** By segment, in seconds of the tape. */
  readonly #shown = new Map<number, number>();
  /** By discontinuity: the second of the tape that is media time 0. */
  readonly #zero = new Map<number, number>();
  readonly #tracks = new WeakMap<Uint8Array, VideoTrack>();

  /** Takes in a segment as it was loaded. */
  loaded(fragment: Fragment, payload: ArrayBuffer): void {
    const init = fragment.initSegment?.data;
    if (init === undefined || fragment.sn === 'initSegment') return;
    const track = this.#tracks.get(init) ?? videoTrack(init);
    if (track === null) return;
    this.#tracks.set(init, track);
    const shown = firstPicture(new Uint8Array(payload), track);
    if (shown === null) return;
    this.#shown.set(fragment.sn, shown);
    for (const oldest of this.#shown.keys()) {
      if (this.#shown.size <= REMEMBERED_MAX) break;
      this.#shown.delete(oldest);
    }
  }

  /** Takes in which second of the tape hls.js made media time 0 of a discontinuity. */
  placed(cc: number, zero: number): void {
    this.#zero.set(cc, zero);
  }

  /**
   * The fragments as pieces that begin where their first pictures are. One that has not been loaded is taken to be
   * as far off as its neighbour, before the first one is loaded not at all.
   */
  pieces(fragments: readonly Fragment[]): Piece[] {
    const leads = fragments.map((fragment) => this.#lead(fragment));
    fill(leads, fragments, 0, 1);
    fill(leads, fragments, fragments.length - 1, -1);
    const starts = fragments.map((fragment, i) => fragment.start + (leads[i] ?? 0));
    return fragments.map(({ cc, duration, programDateTime }, i) => {
      const start = starts[i] ?? 0;
      const next = fragments[i + 1]?.cc === cc ? starts[i + 1] : undefined;
      return { start, duration: next === undefined ? duration : next - start, programDateTime };
    });
  }

  /** By how much the first picture is later than hls.js has the fragment; null where that is not known. */
  #lead({ sn, cc, start }: Fragment): number | null {
    const shown = sn === 'initSegment' ? undefined : this.#shown.get(sn);
    const zero = this.#zero.get(cc);
    return shown === undefined || zero === undefined ? null : shown - zero - start;
  }
}

/** Gives those that lack one the value of the one before, seen from `from` in steps of `by`. */
function fill(leads: (number | null)[], fragments: readonly Fragment[], from: number, by: 1 | -1): void {
  for (let i = from + by; i >= 0 && i < leads.length; i += by) {
    if (fragments[i]?.cc === fragments[i - by]?.cc) leads[i] ??= leads[i - by] ?? null;
  }
}
