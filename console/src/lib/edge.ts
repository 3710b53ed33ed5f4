/**
 * The live edge between two answers of the server.
 * The edge is the server's time, and the viewer's clock may be wrong: only the time *passed* since an answer is
 * taken from here.
 */
import type { Wall } from './time';

/** How long the edge may run on without news, in ms: a poll and half of the next. Then it stands, as the tape may. */
export const EDGE_RUN_ON_MS_MAX = 3_000;

/** How far an answer may lag the running edge and still be smoothed, in ms: parts arrive up to 500 ms apart. */
export const EDGE_JITTER_MS_MAX = 1_500;

/** Share of a lag that is kept at each answer, so that the edge glides to what is told instead of stepping back. */
const LAG_KEPT = 0.8;

/** The edge as one answer told it. */
export interface EdgeTold {
  readonly end: Wall;
  /** When the answer came, milliseconds of `performance.now()`. */
  readonly heard: number;
  /** Whether the tape was growing then. */
  readonly growing: boolean;
}

/** What is kept of the answers so far. */
export interface EdgeState {
  readonly told: EdgeTold;
  /** Where the edge was put when the answer came: `told.end`, or a little later. */
  readonly from: Wall;
}

/** Where the edge is now. */
export function edgeAt(state: EdgeState, now: number): Wall {
  if (!state.told.growing) return state.told.end;
  return state.from + Math.min(Math.max(0, now - state.told.heard), EDGE_RUN_ON_MS_MAX);
}

/** Takes in an answer. An answer without news leaves the state as it is, so that a stalled edge comes to stand. */
export function hearEdge(state: EdgeState | null, told: EdgeTold): EdgeState {
  if (state === null || !state.told.growing || !told.growing) return { told, from: told.end };
  if (told.end === state.told.end) return state;
  const lag = edgeAt(state, told.heard) - told.end;
  const from = lag > 0 && lag <= EDGE_JITTER_MS_MAX ? told.end + lag * LAG_KEPT : told.end;
  return { told, from };
}
