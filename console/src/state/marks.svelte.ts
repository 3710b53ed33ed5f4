/** The in and out marks of the clip that a person is about to make. */
import type { Span } from '../lib/span';
import type { Wall } from '../lib/time';

/** The shortest clip, in ms: two marks on one frame make none. */
const CLIP_MIN = 1;

/** In, out, and what to call what lies between them. */
export class Marks {
  in: Wall | null = $state(null);
  out: Wall | null = $state(null);
  title = $state('');
  /** `[in, out)`, once both are set. */
  readonly range: Span | null = $derived(
    this.in !== null && this.out !== null && this.out - this.in >= CLIP_MIN ? { start: this.in, end: this.out } : null,
  );

  /** Marks in; an out mark before it goes. */
  setIn(at: Wall): void {
    this.in = at;
    if (this.out !== null && this.out <= at) this.out = null;
  }

  /** Marks out; an in mark behind it goes. */
  setOut(at: Wall): void {
    this.out = at;
    if (this.in !== null && this.in >= at) this.in = null;
  }

  /** Marks a stretch. */
  set(range: Span): void {
    this.in = range.start;
    this.out = range.end;
  }

  /** Marks the newest `ms` of a tape. */
  setLast(tape: Span, ms: number): void {
    const end = Math.floor(tape.end);
    this.set({ start: Math.max(tape.start, end - ms), end });
  }

  /** Moves one mark. */
  move(which: 'in' | 'out', at: Wall): void {
    if (which === 'in') this.setIn(at);
    else this.setOut(at);
  }

  /** Takes both marks away. */
  clear(): void {
    this.in = null;
    this.out = null;
  }
}
