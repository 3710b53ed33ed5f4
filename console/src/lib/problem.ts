/**
 * Refusals and failures in words: RFC 9457 problem documents and what stands in for one when no answer came.
 */

/** Length of a body that is shown when it is no problem document, in characters: a sentence or two. */
const BODY_SHOWN_MAX = 300;

/** The `type` of a call that got no answer: no server's kind looks like it. */
const NO_ANSWER = 'no-answer';

/** What a problem says. */
export interface ProblemFacts {
  /** The HTTP status, or 0 when no answer came. */
  readonly status: number;
  readonly title: string;
  /** A sentence that often names the command that helps; may be empty. */
  readonly detail: string;
  /** The stable kind, `/problems/<kebab-name>`; empty where the server gave none. */
  readonly type: string;
  /** The command that helps, to be run where the server is; empty or left out where none does. */
  readonly command?: string;
  /** Milliseconds to wait before trying again, where the server says so. */
  readonly retryAfter: number | null;
}

/** A failed call, ready to be shown to a person. */
export class Problem extends Error implements ProblemFacts {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly type: string;
  readonly command: string;
  readonly retryAfter: number | null;

  constructor(facts: ProblemFacts) {
    super(facts.detail === '' ? facts.title : `${facts.title}: ${facts.detail}`);
    this.name = 'Problem';
    this.status = facts.status;
    this.title = facts.title;
    this.detail = facts.detail;
    this.type = facts.type;
    this.command = facts.command ?? '';
    this.retryAfter = facts.retryAfter;
  }

  /** What is wrong and the command that helps, in one text. */
  get help(): string {
    return [this.detail, this.command].filter((part) => part !== '').join(' – ');
  }

  /** Whether the same call may succeed a moment later. */
  get mayPass(): boolean {
    return this.type === NO_ANSWER || this.status === 404 || this.status === 425 || this.status >= 500;
  }

  /** Whether the server wants to know who asks (401) or does not let this person do it (403). */
  get wantsToken(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** `Retry-After` in milliseconds: seconds or an HTTP date (RFC 9110 §10.2.3). */
export function parseRetryAfter(value: string | null, now: number): number | null {
  if (value === null || value.trim() === '') return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** The problem that a refusal's status, body and `Retry-After` describe. */
export function problemFrom(status: number, body: string, retryAfter: number | null): Problem {
  const fallback = `The server answered ${String(status)}`;
  const document = parseObject(body);
  if (document === null) {
    return new Problem({ status, title: fallback, detail: plain(body), type: '', retryAfter });
  }
  const text = (key: string): string => (typeof document[key] === 'string' ? document[key] : '');
  return new Problem({
    status,
    title: text('title') || fallback,
    detail: text('detail'),
    type: text('type'),
    command: text('command'),
    retryAfter,
  });
}

/** The problem of a refusal that `fetch` brought. */
export async function problemOf(response: Response): Promise<Problem> {
  const body = await response.text().catch(() => '');
  return problemFrom(response.status, body, parseRetryAfter(response.headers.get('retry-after'), Date.now()));
}

/** The problem of a call that got no answer at all. */
export function noAnswer(cause: unknown): Problem {
  const detail = 'Is it running, and does this device reach it? The page goes on asking.';
  const title = 'The server does not answer';
  const problem = new Problem({ status: 0, title, detail, type: NO_ANSWER, retryAfter: null });
  problem.cause = cause;
  return problem;
}

/** Whatever was thrown, as a problem. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new Problem({ status: 0, title: 'Something went wrong in this page', detail, type: '', retryAfter: null });
}

function parseObject(body: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A body that may be a proxy's page of markup: only a short plain text is worth showing. */
function plain(body: string): string {
  const text = body.trim();
  return text.startsWith('<') ? '' : text.slice(0, BODY_SHOWN_MAX);
}
