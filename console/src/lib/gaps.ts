/**
 * Gaps of the tape: their reasons in words, the ones nobody listed, and the moment a player crosses one.
 */
import type { Span } from './span';
import { clockSeconds, durationWords, type Wall } from './time';
import type { Gap, Run } from './types';

/** Holes between runs shorter than this are no gaps to a viewer, in ms: half a frame at 25 fps. */
const HOLE_MIN = 20;

/** How far the player's instants may lie from the ends of a gap it crossed, in ms: between two ticks. */
const CROSSING_SLACK = 600;

const REASONS: Readonly<Record<string, string>> = {
  offline: 'the publisher was offline',
  source_stalled: 'the source sent nothing',
  source_jump: 'the source’s clock jumped',
  disk_full: 'the disk was full',
  disk_error: 'the disk failed',
  backlog: 'the disk was too slow',
  crash: 'the server had stopped',
  expired: 'the recording has expired',
  before_tape: 'the tape begins later',
  after_tape: 'the tape ends earlier',
};

/** Why a gap is there, as a clause; a reason that this page does not know is shown as it is. */
export function reasonWords(reason: string): string {
  return REASONS[reason] ?? (reason === '' ? 'no reason was given' : reason.replaceAll('_', ' '));
}

/** One line about a gap: `No recording for 12 s (14:03:10 – 14:03:22): the publisher was offline`. */
export function gapWords(gap: Gap): string {
  const from = clockSeconds(gap.start);
  const until = clockSeconds(gap.end);
  return `No recording for ${durationWords(gap.end - gap.start)} (${from} – ${until}): ${reasonWords(gap.reason)}`;
}

/** The gaps that were listed, and those between runs that were not, sorted by time. */
export function allGaps(runs: readonly Run[], listed: readonly Gap[]): Gap[] {
  const found = [...listed];
  for (let index = 1; index < runs.length; index += 1) {
    const hole = { start: runs[index - 1]?.end ?? 0, end: runs[index]?.start ?? 0 };
    if (hole.end - hole.start < HOLE_MIN) continue;
    if (!listed.some((gap) => gap.start < hole.end && hole.start < gap.end)) found.push({ ...hole, reason: '' });
  }
  return found.sort((a, b) => a.start - b.start);
}

/** The gap that lies between two instants a player showed one after the other, or null. */
export function gapCrossed(gaps: readonly Gap[], before: Wall, after: Wall): Gap | null {
  const near = (gap: Span): boolean =>
    before <= gap.start + CROSSING_SLACK && after >= gap.end - CROSSING_SLACK && after > before;
  return gaps.find(near) ?? null;
}
