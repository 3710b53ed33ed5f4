/**
 * From the wire's JSON to this page's types. The only place that knows the wire's names.
 * A field that is missing or of another type becomes null or a neutral value; an item without identity is left out.
 */
import type { Span } from './span';
import { parseWall, SECOND } from './time';
import type { Asset, Gap, Marker, Run, Stream, Tape, Timeline, Track } from './types';

type Json = Record<string, unknown>;

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** A page of a list. */
export interface Page<T> {
  readonly items: T[];
  readonly next: string | null;
}

/** A page whose items are read by `item`; items that it refuses are left out. */
export function decodePage<T>(json: unknown, item: (json: unknown) => T | null): Page<T> {
  const page = object(json);
  const next = text(page['next']);
  return { items: list(page['items']).flatMap((raw) => item(raw) ?? []), next: next === '' ? null : next };
}

/** A stream, or null where it has no name. */
export function decodeStream(json: unknown): Stream | null {
  const raw = object(json);
  const app = text(raw['app']);
  const stream = text(raw['stream']);
  if (app === '' || stream === '') return null;
  const publisher = object(raw['publisher']);
  return {
    name: `${app}/${stream}`,
    app,
    stream,
    live: raw['state'] === 'live',
    publisher:
      text(publisher['protocol']) === ''
        ? null
        : {
            protocol: text(publisher['protocol']),
            remote: text(publisher['remote']),
            since: parseWall(publisher['since']),
          },
    tracks: list(raw['tracks']).map(decodeTrack),
    bitrate: number(raw['bitrate']) ?? 0,
    viewers: number(raw['viewers']) ?? 0,
    tape: decodeTape(raw['tape']),
  };
}

function decodeTrack(json: unknown): Track {
  const raw = object(json);
  return {
    id: text(raw['id']),
    kind: text(raw['kind']),
    codec: text(raw['codec']),
    width: number(raw['width']),
    height: number(raw['height']),
    fps: number(raw['fps']),
    sampleRate: number(raw['sample_rate']),
    channels: number(raw['channels']),
  };
}

function decodeTape(json: unknown): Tape | null {
  const raw = object(json);
  const span = decodeSpan(raw);
  if (span === null) return null;
  return { ...span, bytes: number(raw['bytes']) ?? 0, durableUntil: parseWall(raw['durable_until']) ?? span.start };
}

function decodeSpan(json: unknown): Span | null {
  const raw = object(json);
  const start = parseWall(raw['start']);
  const end = parseWall(raw['end']);
  return start === null || end === null ? null : { start, end };
}

function byStart<T extends Span>(spans: T[]): T[] {
  return spans.sort((a, b) => a.start - b.start);
}

function decodeRun(json: unknown): Run | null {
  const span = decodeSpan(json);
  return span === null ? null : { id: text(object(json)['id']), ...span };
}

function decodeGap(json: unknown): Gap | null {
  const span = decodeSpan(json);
  return span === null ? null : { ...span, reason: text(object(json)['reason']) };
}

function decodeMarker(json: unknown): Marker | null {
  const raw = object(json);
  const at = parseWall(raw['at']);
  return at === null ? null : { at, label: text(raw['label']) };
}

/** A timeline, or null where it states no span. */
export function decodeTimeline(json: unknown): Timeline | null {
  const raw = object(json);
  const span = decodeSpan(raw);
  if (span === null) return null;
  return {
    ...span,
    runs: byStart(list(raw['runs']).flatMap((run) => decodeRun(run) ?? [])),
    gaps: byStart(list(raw['gaps']).flatMap((gap) => decodeGap(gap) ?? [])),
    markers: list(raw['markers']).flatMap((marker) => decodeMarker(marker) ?? []),
  };
}

/** An asset, or null where it has no identity or no place in time. */
export function decodeAsset(json: unknown): Asset | null {
  const raw = object(json);
  const id = text(raw['id']);
  const start = parseWall(raw['start']);
  if (id === '' || start === null) return null;
  // A recording that has just begun may have no end yet.
  const span = { start, end: Math.max(start, parseWall(raw['end']) ?? start) };
  const seconds = number(raw['duration']);
  return {
    id,
    kind: text(raw['kind']),
    status: text(raw['status']),
    title: text(raw['title']),
    stream: text(raw['stream']),
    ...span,
    createdAt: parseWall(raw['created_at']) ?? start,
    duration: seconds === null ? span.end - span.start : seconds * SECOND,
    bytes: number(raw['bytes']),
    gaps: byStart(list(raw['gaps']).flatMap((gap) => decodeGap(gap) ?? [])),
    url: ownPath(text(raw['url'])),
  };
}

/** Only a path on this server is followed: `javascript:` and other hosts are not. */
function ownPath(url: string): string {
  return url.startsWith('/') && !url.startsWith('//') && !url.startsWith('/\\') ? url : '';
}
