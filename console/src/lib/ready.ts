/**
 * Waiting until media can be fetched. A clip up to now exists at once, its bytes a moment later: until they are
 * durable the server answers 425 with `Retry-After`.
 */
import { noAnswer, Problem, problemOf } from './problem';

/** HTTP 425 Too Early (RFC 8470 §5.2). */
const TOO_EARLY = 425;
/** How long a clip may be on its way, in ms: a part and the sync lag are a second; a slow disk may need several. */
export const READY_MS_MAX = 30_000;
/** The pause where a 425 names none, in ms: one part. */
const PAUSE_MS_DEFAULT = 500;
/** Bounds on a pause the server asks for, in ms. */
const PAUSE_MS_MIN = 100;

/** Where `whenReady` gets what it does not own. */
export interface ReadyDeps {
  readonly fetch: typeof fetch;
  /** Resolves after that many ms. */
  readonly pause: (ms: number) => Promise<void>;
  /** Milliseconds on a clock that never jumps. */
  readonly now: () => number;
  /** Told once, when it turns out that the media is not there yet. */
  readonly onWait: () => void;
}

/** Resolves when the address can be fetched; throws the `Problem` where it cannot. */
export async function whenReady(url: string, deps: ReadyDeps): Promise<void> {
  const deadline = deps.now() + READY_MS_MAX;
  for (let tries = 0; ; tries += 1) {
    const response = await ask(url, deps);
    if (response.ok) {
      // One byte was asked for; a server that ignores ranges would send the whole clip.
      await response.body?.cancel();
      return;
    }
    const problem = await problemOf(response);
    if (problem.status !== TOO_EARLY || deps.now() >= deadline) throw problem;
    if (tries === 0) deps.onWait();
    const pause = Math.max(PAUSE_MS_MIN, problem.retryAfter ?? PAUSE_MS_DEFAULT);
    if (deps.now() + pause > deadline) throw tooLate(problem);
    await deps.pause(pause);
  }
}

async function ask(url: string, deps: ReadyDeps): Promise<Response> {
  try {
    return await deps.fetch(url, { headers: { range: 'bytes=0-0' }, cache: 'no-store' });
  } catch (cause) {
    throw noAnswer(cause);
  }
}

function tooLate(problem: Problem): Problem {
  const { status, title, type, retryAfter } = problem;
  const detail = `${problem.detail} It was not ready within ${String(READY_MS_MAX / 1000)} s; try again later.`.trim();
  return new Problem({ status, title, detail, type, retryAfter });
}
