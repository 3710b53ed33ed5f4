/** The tape of the chosen stream: its runs and gaps, its live edge, and the stretch of it that the bar shows. */
import type { Api } from '../lib/api';
import { edgeAt, hearEdge, type EdgeState } from '../lib/edge';
import { allGaps } from '../lib/gaps';
import { asProblem, type Problem } from '../lib/problem';
import { spanAt, type Span } from '../lib/span';
import type { Wall } from '../lib/time';
import type { Gap, Run, Stream, Timeline } from '../lib/types';
import { fit, pan, settle, shows, spanOf, viewAround, viewAtEdge, zoom, type View } from '../lib/view';

/** The bar of a tape that nobody knows yet. */
const NO_BOUNDS: Span = { start: 0, end: 1 };

/** The tape of the chosen stream. */
export class Tape {
  /** Start of the tape and its live edge; null while there is no tape. */
  bounds: Span | null = $state.raw(null);
  /** What the bar shows. */
  view: View = $state.raw(fit(NO_BOUNDS));
  /** Whether the bar shows all, moves along with the live edge, or stands. */
  mode: 'all' | 'edge' | 'still' = $state('all');
  /** Sorted; the open run of a live stream reaches to the edge. */
  readonly runs: readonly Run[] = $derived.by(() => this.#runs());
  /** Sorted, the unlisted ones included. */
  readonly gaps: readonly Gap[] = $derived.by(() => allGaps(this.#told?.runs ?? [], this.#told?.gaps ?? []));

  /** Why runs and gaps could not be read. */
  problem: Problem | null = $state.raw(null);

  #told: Timeline | null = $state.raw(null);
  #edge: EdgeState | null = null;
  #live = $state(false);
  #stream: string | null = null;
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Takes in what the list of streams says about the chosen one. */
  hear(stream: Stream | null, heard: number): void {
    if (stream?.name !== this.#stream) this.#forget(stream?.name ?? null);
    this.#live = stream?.live ?? false;
    const tape = stream?.tape ?? null;
    if (tape === null) {
      this.bounds = null;
      return;
    }
    const first = this.#edge === null;
    this.#edge = hearEdge(this.#edge, { end: tape.end, heard, growing: this.#live });
    this.bounds = { start: tape.start, end: edgeAt(this.#edge, heard) };
    if (first) this.showAll();
  }

  /** Asks the server for runs and gaps. A failure keeps them as they were. */
  async refresh(): Promise<void> {
    const name = this.#stream;
    // Of a tape without length there is nothing to tell yet.
    if (name === null || this.bounds === null || this.bounds.end <= this.bounds.start) return;
    try {
      const told = await this.#api.timeline(name);
      // The choice may have changed while the answer was on its way.
      if (name !== this.#stream) return;
      if (told !== null) this.#told = told;
      this.problem = null;
    } catch (thrown) {
      if (name === this.#stream) this.problem = asProblem(thrown);
    }
  }

  /** Lets time pass: moves the edge, and the view with it. */
  tick(now: number, playhead: Wall | null): void {
    if (this.#edge === null || this.bounds === null) return;
    const before = this.bounds;
    this.bounds = { start: before.start, end: edgeAt(this.#edge, now) };
    if (this.mode === 'all') this.view = fit(this.bounds);
    else if (this.mode === 'edge') this.view = viewAtEdge(this.bounds.end, spanOf(this.view));
    else if (playhead !== null) this.#turnPage(playhead);
  }

  /** The gap at an instant. */
  gapAt(at: Wall): Gap | null {
    return spanAt(this.gaps, at);
  }

  /** Shows the whole tape. */
  showAll(): void {
    this.mode = 'all';
    if (this.bounds !== null) this.view = fit(this.bounds);
  }

  /** Shows `span` ms around an instant; at the live edge the view goes along with it. */
  showSpan(span: number, around: Wall): void {
    if (this.bounds === null) return;
    if (span >= spanOf(fit(this.bounds))) {
      this.showAll();
      return;
    }
    const nearEdge = this.#live && this.bounds.end - around < span / 2;
    this.mode = nearEdge ? 'edge' : 'still';
    this.view = nearEdge ? viewAtEdge(this.bounds.end, span) : settle(viewAround(around, 0.5, span), this.bounds);
  }

  /** Zooms about an instant. */
  zoomBy(factor: number, about: Wall): void {
    if (this.bounds === null) return;
    this.#see(zoom(this.view, factor, about, this.bounds));
  }

  /** Moves the view. */
  panBy(delta: number): void {
    if (this.bounds === null) return;
    this.#see(pan(this.view, delta, this.bounds));
  }

  /** Brings an instant into the view. */
  reveal(at: Wall): void {
    if (this.bounds === null || shows(this.view, at)) return;
    this.#see(settle(viewAround(at, 0.5, spanOf(this.view)), this.bounds));
  }

  #see(view: View): void {
    if (this.bounds === null) return;
    this.view = view;
    if (spanOf(view) >= spanOf(fit(this.bounds))) this.mode = 'all';
    else this.mode = this.#live && shows(view, this.bounds.end) ? 'edge' : 'still';
  }

  /** A playhead that runs out of the view on the right turns the page, as a score's reader does. */
  #turnPage(playhead: Wall): void {
    const span = spanOf(this.view);
    const past = playhead - this.view.end;
    if (past < 0 || past > span / 4 || this.bounds === null) return;
    this.#see(settle(viewAround(playhead, 0.1, span), this.bounds));
  }

  #runs(): readonly Run[] {
    const runs = this.#told?.runs ?? [];
    const last = runs[runs.length - 1];
    if (last === undefined || this.bounds === null || !this.#live || last.end >= this.bounds.end) return runs;
    return [...runs.slice(0, -1), { ...last, end: this.bounds.end }];
  }

  #forget(stream: string | null): void {
    this.#stream = stream;
    this.#told = null;
    this.#edge = null;
    this.problem = null;
    this.bounds = null;
    this.mode = 'all';
  }
}
