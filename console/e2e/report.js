/** What was checked and how it went. */

/** The checks of a run. */
export class Report {
  #passed = 0;
  #failed = 0;
  /** What is being checked right now. */
  doing = 'starting';

  /**
   * Runs one check; a failure is told, and the run goes on.
   * @param {string} name
   * @param {() => Promise<void>} work
   */
  async check(name, work) {
    this.doing = name;
    const began = Date.now();
    try {
      await work();
      this.#passed += 1;
      console.log(`ok    ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (thrown) {
      this.fail(name, thrown);
    }
  }

  /**
   * @param {string} name
   * @param {unknown} thrown
   */
  fail(name, thrown) {
    this.#failed += 1;
    console.error(`FAIL  ${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }

  /** Prints the sums; returns the exit status. */
  close() {
    console.log(`${String(this.#passed)} checks passed`);
    console.log(`${String(this.#passed)} passed, ${String(this.#failed)} failed`);
    return this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }
}

/**
 * Waits for a condition; what it returned last is told when it does not come true in time.
 * @template T
 * @param {string} what
 * @param {number} ms
 * @param {() => Promise<T | false | null | undefined>} condition
 * @returns {Promise<T>}
 */
export async function until(what, ms, condition) {
  const deadline = Date.now() + ms;
  /** @type {unknown} */
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value !== null && value !== undefined) return value;
      last = value;
    } catch (thrown) {
      last = thrown;
    }
    if (Date.now() > deadline) {
      const seen = last instanceof Error ? last.message : String(last);
      throw new Error(`not within ${String(ms / 1000)} s: ${what} (last seen: ${seen})`);
    }
    await new Promise((done) => setTimeout(done, 100));
  }
}

/**
 * @param {boolean} holds
 * @param {string} otherwise
 */
export function must(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}
