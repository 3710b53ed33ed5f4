/** Short messages to the person: what was done, what failed and what helps. */
import { asProblem } from '../lib/problem';

/** Messages shown at once; the oldest gives way. */
const NOTICES_MAX = 4;
/** How long a message that needs no answer stays, in ms: time to read two lines. */
const STAY_MS = 7_000;

/** A message. */
export interface Notice {
  readonly id: number;
  readonly tone: 'info' | 'error';
  readonly title: string;
  readonly detail: string;
  /** Something to do about it. */
  readonly action: { readonly label: string; readonly run: () => void } | null;
}

/** The messages on show. */
export class Notices {
  items: readonly Notice[] = $state.raw([]);
  #ids = 0;

  /** Tells something; it goes by itself. Returns its id. */
  tell(title: string, detail = '', action: Notice['action'] = null): number {
    const id = this.#push({ tone: 'info', title, detail, action });
    setTimeout(() => {
      this.dismiss(id);
    }, STAY_MS);
    return id;
  }

  /** Tells of a failure; it stays until dismissed. */
  fail(what: string, thrown: unknown): void {
    const problem = asProblem(thrown);
    this.#push({ tone: 'error', title: `${what}: ${problem.title}`, detail: problem.help, action: null });
  }

  /** Takes a message away. */
  dismiss(id: number): void {
    this.items = this.items.filter((notice) => notice.id !== id);
  }

  #push(notice: Omit<Notice, 'id'>): number {
    this.#ids += 1;
    const id = this.#ids;
    // The same failure twice is one message.
    const others = this.items.filter((old) => old.title !== notice.title || old.detail !== notice.detail);
    this.items = [...others, { ...notice, id }].slice(-NOTICES_MAX);
    return id;
  }
}
