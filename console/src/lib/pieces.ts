/**
 * The map between a player's media time and wall time.
 * A playlist is a row of pieces, each with its place in media time and the wall time of its first frame
 * (`EXT-X-PROGRAM-DATE-TIME`). Media time runs on over a gap of the tape; wall time jumps there.
 */
import { lastAtOrBefore, type Span } from './span';
import { SECOND, type Wall } from './time';

/** One stretch of media with a known wall time. hls.js' fragments have this shape. */
export interface Piece {
  /** Media time, seconds. */
  readonly start: number;
  /** Seconds. */
  readonly duration: number;
  /** Wall time of the first frame; null where the playlist states none. */
  readonly programDateTime: Wall | null;
}

/** The wall time of a media time. Past the last piece it runs on, before the first it runs back. */
export function wallAt(pieces: readonly Piece[], media: number): Wall | null {
  const found = lastAtOrBefore(pieces, media, (piece) => piece.start);
  const piece = pieces[Math.max(0, found)];
  if (piece === undefined || piece.programDateTime === null) return null;
  return piece.programDateTime + (media - piece.start) * SECOND;
}

/**
 * The media time that shows a wall time, or null where the pieces do not reach.
 * Inside a gap between two pieces it is the start of the later one: the next picture there is.
 */
export function mediaAt(pieces: readonly Piece[], wall: Wall): number | null {
  const found = lastAtOrBefore(pieces, wall, (piece) => piece.programDateTime ?? -Infinity);
  const piece = pieces[found];
  if (piece === undefined || piece.programDateTime === null) return null;
  const into = (wall - piece.programDateTime) / SECOND;
  if (into < piece.duration) return piece.start + into;
  return pieces[found + 1]?.start ?? null;
}

/** The wall time that the pieces cover, from the first frame to the end of the last. */
export function wallWindow(pieces: readonly Piece[]): Span | null {
  const first = pieces[0];
  const last = pieces[pieces.length - 1];
  if (first === undefined || last === undefined) return null;
  if (first.programDateTime === null || last.programDateTime === null) return null;
  return { start: first.programDateTime, end: last.programDateTime + last.duration * SECOND };
}

/** The pieces of a file that holds `[start, end)` with its gaps left out, as a clip with collapsed gaps does. */
export function piecesOfFile(range: Span, gaps: readonly Span[]): Piece[] {
  const pieces: Piece[] = [];
  let media = 0;
  let from = range.start;
  const push = (until: Wall): void => {
    if (until <= from) return;
    const duration = (until - from) / SECOND;
    pieces.push({ start: media, duration, programDateTime: from });
    media += duration;
  };
  for (const gap of [...gaps].sort((a, b) => a.start - b.start)) {
    push(Math.min(gap.start, range.end));
    from = Math.max(from, gap.end);
  }
  push(range.end);
  return pieces;
}
