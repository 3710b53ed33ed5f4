import { describe, expect, it } from 'vitest';
import { decodeAsset, decodePage, decodeStream, decodeTimeline } from './decode';

const STREAM = {
  app: 'live',
  stream: 'cam1',
  state: 'live',
  publisher: { protocol: 'rtmp', remote: '127.0.0.1:40000', since: '2026-11-21T12:00:00.000Z' },
  tracks: [{ id: 1, kind: 'video', codec: 'h264', width: 1280, height: 720, fps: 29.97, bitrate: 2_400_000 }],
  bitrate: 2_500_000,
  viewers: 3,
  tape: { start: '2026-11-21T12:00:00.000Z', end: '2026-11-21T12:10:00.000Z', bytes: 5, durable_until: '2026-11-21T12:09:59.500Z' },
};

describe('a stream', () => {
  it('is read as the contract has it', () => {
    const stream = decodeStream(STREAM);
    expect(stream).toMatchObject({ name: 'live/cam1', live: true, viewers: 3 });
    expect(stream?.tape?.durableUntil).toBe(Date.parse('2026-11-21T12:09:59.500Z'));
    expect(stream?.tracks[0]).toEqual({
      id: '1', kind: 'video', codec: 'h264', width: 1280, height: 720, fps: 29.97, sampleRate: null, channels: null,
    });
  });

  it('may have no publisher and no tape', () => {
    const stream = decodeStream({ ...STREAM, state: 'offline', publisher: null, tape: null, tracks: null });
    expect(stream).toMatchObject({ live: false, publisher: null, tape: null, tracks: [] });
  });

  it('needs a name; its name stays text', () => {
    expect(decodeStream({ ...STREAM, stream: '' })).toBeNull();
    expect(decodeStream(null)).toBeNull();
    expect(decodeStream({ ...STREAM, stream: '<img src=x>' })?.name).toBe('live/<img src=x>');
  });
});

describe('a page', () => {
  it('leaves out what cannot be read', () => {
    expect(decodePage({ items: [STREAM, 7, {}], next: 'c' }, decodeStream)).toMatchObject({ items: [{ name: 'live/cam1' }], next: 'c' });
    expect(decodePage('<html>', decodeStream)).toEqual({ items: [], next: null });
  });
});

describe('a timeline', () => {
  it('is sorted by time and may be empty', () => {
    const at = (minute: number): string => `2026-11-21T12:0${String(minute)}:00.000Z`;
    const timeline = decodeTimeline({
      start: at(0),
      end: at(9),
      runs: [{ id: 2, start: at(5), end: at(9) }, { id: 1, start: at(0), end: at(3) }, { id: 3 }],
      gaps: [{ start: at(3), end: at(5), reason: 'crash' }],
      epochs: [],
      markers: [],
    });
    expect(timeline?.runs.map((run) => run.id)).toEqual(['1', '2']);
    expect(timeline?.gaps[0]?.reason).toBe('crash');
    expect(decodeTimeline({ start: null, end: null, runs: [], gaps: [] })).toBeNull();
  });
});

describe('an asset', () => {
  const ASSET = { id: 'a1', kind: 'clip', status: 'ready', title: 'Goal', stream: 'live/cam1', start: '2026-11-21T12:00:00.000Z', end: '2026-11-21T12:00:10.500Z', duration: 10.5, bytes: null, gaps: [], url: '/assets/a1.mp4', created_at: '2026-11-21T12:01:00.000Z' };

  it('counts in milliseconds here', () => {
    expect(decodeAsset(ASSET)).toMatchObject({ id: 'a1', duration: 10_500, bytes: null, url: '/assets/a1.mp4' });
  });

  it('may be open at its end', () => {
    expect(decodeAsset({ ...ASSET, end: null, duration: null })).toMatchObject({ duration: 0 });
  });

  it.each(['javascript:alert(1)', '//evil.example/x.mp4', '/\\evil.example', 'https://evil.example/x.mp4', 7])(
    'is never fetched from %s',
    (url) => {
      expect(decodeAsset({ ...ASSET, url })?.url).toBe('');
    },
  );
});
