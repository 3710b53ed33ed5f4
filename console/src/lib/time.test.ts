import { describe, expect, it } from 'vitest';
import { clipLength, clockMillis, clockWithDay, DAY, durationClock, durationWords, HOUR, MINUTE, parseWall, rfc3339, SECOND } from './time';

describe('RFC 3339', () => {
  it('is read with any offset and written in UTC with milliseconds', () => {
    const at = Date.UTC(2026, 10, 21, 14, 3, 21, 480);
    for (const text of ['2026-11-21T14:03:21.480Z', '2026-11-21T22:03:21.48+08:00']) expect(parseWall(text)).toBe(at);
    expect(rfc3339(at)).toBe('2026-11-21T14:03:21.480Z');
  });

  it('rounds down, so that the frame at a fraction of a millisecond is inside [start and before end)', () => {
    expect(rfc3339(1000.999)).toBe('1970-01-01T00:00:01.000Z');
  });

  it('is nothing where there is no time', () => {
    for (const value of [undefined, null, '', 'soon', 12]) expect(parseWall(value)).toBeNull();
  });
});

describe('clock faces', () => {
  const at = new Date(2026, 10, 21, 4, 3, 2, 7).getTime();

  it('are of the viewer’s zone and keep their width', () => {
    expect(clockMillis(at)).toBe('04:03:02.007');
  });

  it('name the day where it is another one', () => {
    expect(clockWithDay(at, at + HOUR)).toBe('04:03:02');
    expect(clockWithDay(at, at + 2 * DAY)).toBe('21 Nov, 04:03:02');
  });
});

describe('durations', () => {
  it.each([
    [-5, '0.0 s'],
    [2_849, '2.8 s'],
    [9_999, '9.9 s'],
    [59_999, '59 s'],
    [MINUTE, '1 min'],
    [3 * MINUTE + 12 * SECOND, '3 min 12 s'],
    [2 * HOUR + 5 * MINUTE, '2 h 5 min'],
    [3 * DAY + 4 * HOUR, '3 d 4 h'],
  ])('%d ms is %s', (ms, words) => {
    expect(durationWords(ms)).toBe(words);
  });

  it('of clips are told to the hundredth below a minute', () => {
    expect(clipLength(10_769)).toBe('10.76 s');
    expect(clipLength(90_000)).toBe('1 min 30 s');
  });

  it('as clock faces grow hours only when needed', () => {
    expect(durationClock(7_999)).toBe('0:07');
    expect(durationClock(HOUR + 2 * MINUTE + 7 * SECOND)).toBe('1:02:07');
  });
});
