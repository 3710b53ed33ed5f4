import { describe, expect, it } from 'vitest';
import { decodeStream } from './decode';
import { bitrateWords, bytesWords, codecWords, frameSeconds, mediaWords } from './format';
import { hashOfStream, streamOfHash } from './hash';
import { publishWords } from './setup';

describe('amounts', () => {
  it('are short', () => {
    expect([0, 640_400, 2_449_000].map(bitrateWords)).toEqual(['0 kbit/s', '640 kbit/s', '2.4 Mbit/s']);
    expect([0, 12, 12_345, 3_400_000, 1_200_000_000].map(bytesWords)).toEqual(['0 kB', '1 kB', '12 kB', '3.4 MB', '1.2 GB']);
    expect(['h264', 'avc1.64001f', 'mp4a.40.2', 'weird'].map(codecWords)).toEqual(['H.264', 'H.264', 'AAC', 'weird']);
  });

  it('of a stream fit one line', () => {
    const tracks = [
      { kind: 'video', codec: 'h264', width: 1920, height: 1080, fps: 59.94006 },
      { kind: 'audio', codec: 'aac' },
      { kind: 'data', codec: 'amf0' },
    ];
    const stream = decodeStream({ app: 'a', stream: 'b', tracks });
    expect(stream === null ? '' : mediaWords(stream)).toBe('1920×1080 59.94 fps · H.264 + AAC');
    expect(frameSeconds(stream)).toBeCloseTo(1 / 59.94, 6);
    expect(frameSeconds(null)).toBe(1 / 25);
  });
});

describe('the hash', () => {
  it.each(['live/cam1', 'live/a b&c=d#e%', 'live/日本'])('keeps %s', (name) => {
    expect(streamOfHash(hashOfStream(name))).toBe(name);
  });

  it('is easy to read, and may be missing', () => {
    expect(hashOfStream('live/cam1')).toBe('#stream=live/cam1');
    for (const hash of ['', '#', '#stream=', '#other=1']) expect(streamOfHash(hash)).toBeNull();
  });
});

describe('how to publish', () => {
  it('names the host of the page', () => {
    const words = publishWords('studio.example');
    expect(words.server).toBe('rtmp://studio.example:1935/live');
    expect(words.key).toBe('cam1');
    expect(words.testPicture).toMatch(/^ffmpeg -re .* -f flv rtmp:\/\/studio\.example:1935\/live\/cam1$/);
  });
});
