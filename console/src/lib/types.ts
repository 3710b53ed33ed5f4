/**
 * The server's things as this page holds them: times are numbers, absent values are null.
 * The wire's shape is known only to `decode.ts`.
 */
import type { Span } from './span';
import type { Wall } from './time';

/** One track of a stream. */
export interface Track {
  readonly id: string;
  readonly kind: string;
  readonly codec: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly fps: number | null;
  readonly sampleRate: number | null;
  readonly channels: number | null;
}

/** What is kept of a stream. */
export interface Tape extends Span {
  readonly bytes: number;
  /** What lies before this instant survives a power cut; clips up to here can be fetched. */
  readonly durableUntil: Wall;
}

/** A stream that is live or recorded. */
export interface Stream {
  /** `app/stream`: the key everywhere in this page. */
  readonly name: string;
  readonly app: string;
  readonly stream: string;
  readonly live: boolean;
  readonly publisher: { readonly protocol: string; readonly remote: string; readonly since: Wall | null } | null;
  readonly tracks: readonly Track[];
  /** Bits per second. */
  readonly bitrate: number;
  readonly viewers: number;
  readonly tape: Tape | null;
}

/** One gapless publish. */
export interface Run extends Span {
  readonly id: string;
}

/** A stretch of which nothing was kept, and why. */
export interface Gap extends Span {
  readonly reason: string;
}

/** A labelled instant. */
export interface Marker {
  readonly at: Wall;
  readonly label: string;
}

/** What the tape of a stream consists of, each list sorted by time. */
export interface Timeline extends Span {
  readonly runs: readonly Run[];
  readonly gaps: readonly Gap[];
  readonly markers: readonly Marker[];
}

/** Something in the library. */
export interface Asset {
  readonly id: string;
  readonly kind: string;
  readonly status: string;
  readonly title: string;
  readonly stream: string;
  readonly start: Wall;
  readonly end: Wall;
  readonly createdAt: Wall;
  /** Milliseconds. */
  readonly duration: number;
  readonly bytes: number | null;
  readonly gaps: readonly Gap[];
  /** A path on this server that can be fetched at once. */
  readonly url: string;
}
