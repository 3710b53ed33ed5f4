/**
 * Instants and durations as numbers and as words.
 * What belongs here: wall time in milliseconds since 1970 (`Wall`), its RFC 3339 form, clock faces, durations.
 * What does not: media time (`pieces.ts`) and geometry (`view.ts`).
 */

/** Wall time, milliseconds since 1970-01-01T00:00:00Z; may carry a fraction. */
export type Wall = number;

/** Milliseconds in a second. */
export const SECOND = 1_000;
/** Milliseconds in a minute. */
export const MINUTE = 60 * SECOND;
/** Milliseconds in an hour. */
export const HOUR = 60 * MINUTE;
/** Milliseconds in a day. */
export const DAY = 24 * HOUR;

/** The instant that an RFC 3339 text names, or null where it names none. */
export function parseWall(text: unknown): Wall | null {
  if (typeof text !== 'string' || text === '') return null;
  const wall = Date.parse(text);
  return Number.isNaN(wall) ? null : wall;
}

/**
 * RFC 3339 with milliseconds, in UTC, as the server's contract has it.
 * Rounds down: a frame that is shown at `wall` then still lies in `[start, …)` and outside `[…, end)`.
 */
export function rfc3339(wall: Wall): string {
  return new Date(Math.floor(wall)).toISOString();
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}

/** `14:03:21`, in the viewer's time zone. */
export function clockSeconds(wall: Wall): string {
  const date = new Date(wall);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `14:03:21.480`, in the viewer's time zone. */
export function clockMillis(wall: Wall): string {
  return `${clockSeconds(wall)}.${String(new Date(wall).getMilliseconds()).padStart(3, '0')}`;
}

/** `14:03`, in the viewer's time zone. */
export function clockMinutes(wall: Wall): string {
  return clockSeconds(wall).slice(0, 5);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `21 Nov`, in the viewer's time zone. */
export function dayLabel(wall: Wall): string {
  const date = new Date(wall);
  return `${String(date.getDate())} ${MONTHS[date.getMonth()] ?? ''}`;
}

/** Whether two instants fall on the same day of the viewer's calendar. */
export function isSameDay(a: Wall, b: Wall): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

/** The clock face, with the day in front where it is not `today`'s. */
export function clockWithDay(wall: Wall, today: Wall): string {
  return isSameDay(wall, today) ? clockSeconds(wall) : `${dayLabel(wall)}, ${clockSeconds(wall)}`;
}

/** A duration as a clock face: `0:07`, `12:07`, `1:02:07`. */
export function durationClock(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / SECOND));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const seconds = two(whole % 60);
  return hours > 0 ? `${String(hours)}:${two(minutes)}:${seconds}` : `${String(minutes)}:${seconds}`;
}

/** A duration in words, two units at most: `0.4 s`, `12 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationWords(ms: number): string {
  const abs = Math.max(0, ms);
  if (abs < 10 * SECOND) return `${(Math.floor(abs / 100) / 10).toFixed(1)} s`;
  if (abs < MINUTE) return `${String(Math.floor(abs / SECOND))} s`;
  if (abs < HOUR) return pair(abs, MINUTE, 'min', SECOND, 's');
  if (abs < DAY) return pair(abs, HOUR, 'h', MINUTE, 'min');
  return pair(abs, DAY, 'd', HOUR, 'h');
}

/** The length of a clip: to the hundredth below a minute, else in words. Rounds down. */
export function clipLength(ms: number): string {
  return ms < MINUTE ? `${(Math.floor(Math.max(0, ms) / 10) / 100).toFixed(2)} s` : durationWords(ms);
}

function pair(ms: number, big: number, bigName: string, small: number, smallName: string): string {
  const whole = Math.floor(ms / big);
  const rest = Math.floor((ms - whole * big) / small);
  return rest === 0 ? `${String(whole)} ${bigName}` : `${String(whole)} ${bigName} ${String(rest)} ${smallName}`;
}

/** Milliseconds to add to UTC for the viewer's clock at that instant. */
export function zoneOffset(wall: Wall): number {
  return -new Date(wall).getTimezoneOffset() * MINUTE;
}
