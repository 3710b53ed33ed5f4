import { describe, expect, it } from 'vitest';
import { asProblem, noAnswer, parseRetryAfter, problemFrom, problemOf } from './problem';

const BODY = JSON.stringify({ type: '/problems/forbidden', title: 'Not allowed', status: 403, detail: 'run `tapeline token new`' });

describe('a refusal', () => {
  it('is told in the server’s own words', () => {
    const problem = problemFrom(403, BODY, null);
    expect(problem).toMatchObject({ status: 403, title: 'Not allowed', detail: 'run `tapeline token new`', type: '/problems/forbidden' });
    expect(problem.wantsToken).toBe(true);
    expect(problem.mayPass).toBe(false);
  });

  it('that is no document is told as far as it is plain', () => {
    expect(problemFrom(502, '<html>nginx</html>', null)).toMatchObject({ title: 'The server answered 502', detail: '' });
    expect(problemFrom(500, ' out of memory ', null).detail).toBe('out of memory');
    expect(problemFrom(500, 'x'.repeat(5_000), null).detail.length).toBeLessThan(400);
    expect(problemFrom(400, '{"title": 7, "detail": null}', null)).toMatchObject({ title: 'The server answered 400', detail: '' });
  });

  it('brings its Retry-After along', async () => {
    const response = new Response(BODY, { status: 425, headers: { 'retry-after': '2' } });
    expect(await problemOf(response)).toMatchObject({ status: 425, retryAfter: 2_000 });
  });
});

describe('the command that helps', () => {
  it('is told behind the detail where there is one', () => {
    const body = { title: 'A token is required', detail: 'it needs one', command: 'tapeline token new --act admin' };
    const problem = problemFrom(401, JSON.stringify(body), null);
    expect(problem.command).toBe('tapeline token new --act admin');
    expect(problem.help).toBe('it needs one – tapeline token new --act admin');
    expect(problemFrom(401, BODY, null).help).toBe('run `tapeline token new`');
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1);

  it.each([
    [null, null],
    ['', null],
    ['1', 1_000],
    ['0.5', 500],
    ['-3', 0],
    ['Thu, 01 Jan 2026 00:00:05 GMT', 5_000],
    ['soon', null],
  ])('%s is %s ms', (value, ms) => {
    expect(parseRetryAfter(value, now)).toBe(ms);
  });
});

describe('what may pass by itself', () => {
  it('is a network, a stream that only begins, a server in trouble', () => {
    expect(noAnswer(new TypeError('failed')).mayPass).toBe(true);
    for (const status of [404, 425, 500, 503]) expect(problemFrom(status, '', null).mayPass).toBe(true);
    for (const status of [400, 401, 403, 409]) expect(problemFrom(status, '', null).mayPass).toBe(false);
    expect(asProblem(new Error('bug')).mayPass).toBe(false);
  });
});
