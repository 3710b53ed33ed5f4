/**
 * Pictures that carry their own number, and the reading of them off a `<video>`.
 * A picture is sixteen bars of black and white, most significant bit first; its lower half is its upper half
 * inverted, so that a picture that is blended, torn or wrongly decoded does not read as another number.
 * What number an instant has to show is decided by the checks.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from './report.js';

/** Pictures a second. */
export const RATE = 25;
/** How long a picture stands, in ms. */
export const PICTURE_MS = 1_000 / RATE;

const FIXTURES = resolve(fileURLToPath(new URL('.', import.meta.url)), '../../target/fixtures');

/** Sizes of the picture of `drawSizes`, one after the other. */
export const SIZES = ['1280:720', '640:360', '360:640'];
/** How long each lasts, in seconds. */
export const STRETCH_S = 5;

const AUDIO = ['-c:a', 'aac', '-b:a', '64k', '-ac', '2'];

/** @typedef {import('playwright-core').Locator} Locator */

/**
 * A picture that was on screen.
 * @typedef {object} Seen
 * @property {number | null} number  what it carries; null where it is no number
 * @property {number} media  its place in the element's media time, in seconds
 * @property {string} size  how wide and high it is, as `640x360`
 * @property {number} presented  how many pictures the element had presented by then, this one included
 */

/**
 * The reader as it lives in the page.
 * @typedef {object} Reader
 * @property {(video: HTMLVideoElement) => number | null} read
 * @property {(video: HTMLVideoElement) => void} watch
 * @property {(video: HTMLVideoElement, from: number, to: number) => Promise<(number | null)[]>} look
 * @property {Seen[]} seen
 */

/**
 * Draws so many seconds of numbered pictures with B-frames, a key frame each two seconds, and AAC; once.
 * @param {number} seconds
 */
export function drawNumbers(seconds) {
  const file = resolve(FIXTURES, `e2e-barcode-${String(seconds)}s-1.flv`);
  if (existsSync(file)) return file;
  mkdirSync(FIXTURES, { recursive: true });
  const own = `${file}.${String(process.pid)}`;
  draw(own, { seconds, first: 0, size: '320:180', bframes: 2 });
  // A draw that was broken off leaves no half file behind under the name.
  renameSync(own, file);
  return file;
}

/**
 * Draws numbered pictures of each size in turn into one file, as an encoder sends that is set anew; once. Without
 * B-frames: hls.js puts the first decode time behind a discontinuity where the picture before it ends, and skips what then
 * has no sound, two pictures where presentation is 80 ms behind.
 * @returns {string}
 */
export function drawSizes() {
  const file = resolve(FIXTURES, 'e2e-barcode-sizes-3.flv');
  if (existsSync(file)) return file;
  mkdirSync(FIXTURES, { recursive: true });
  const own = `${file}.${String(process.pid)}`;
  const parts = SIZES.map((size, number) => {
    draw(own, { seconds: STRETCH_S, first: number * STRETCH_S * RATE, size, bframes: 0 });
    return later(readFileSync(own), number * STRETCH_S * 1_000);
  });
  const pictures = `${own}.pictures.flv`;
  writeFileSync(pictures, Buffer.concat(parts));
  // One sound for all: an encoder that is set anew does not interrupt it, and players skip pictures without sound.
  const tone = `sine=frequency=440:sample_rate=48000:duration=${String(SIZES.length * STRETCH_S)}`;
  ffmpeg(['-i', pictures, '-f', 'lavfi', '-i', tone, '-map', '0:v', '-map', '1:a', '-c:v', 'copy', ...AUDIO, '-f', 'flv', own]);
  rmSync(pictures);
  renameSync(own, file);
  return file;
}

/**
 * The pictures of an FLV file so much later, without those of the stretch behind it and, where another comes before it,
 * without its head.
 * @param {Buffer} file
 * @param {number} shift  in ms
 */
function later(file, shift) {
  const kept = shift === 0 ? [file.subarray(0, 13)] : [];
  for (let at = 13; at + 15 <= file.length; ) {
    const end = at + 11 + file.readUIntBE(at + 1, 3) + 4;
    const tag = Buffer.from(file.subarray(at, end));
    const time = tag.readUIntBE(4, 3) + tag.readUInt8(7) * 2 ** 24;
    tag.writeUIntBE((time + shift) % 2 ** 24, 4, 3);
    const kind = tag.readUInt8(0);
    if (time < STRETCH_S * 1_000 && (kind === 9 || (kind === 18 && shift === 0))) kept.push(tag);
    at = end;
  }
  return Buffer.concat(kept);
}

/**
 * @param {string} file
 * @param {{ seconds: number, first: number, size: string, bframes: number }} what
 */
function draw(file, { seconds, first, size, bframes }) {
  const bars =
    `nullsrc=size=16x2:rate=${String(RATE)}:duration=${String(seconds)},format=gray,` +
    `geq=lum='if(eq(Y,mod(floor((N+${String(first)})/pow(2,15-X)),2)),16,235)',scale=${size}:flags=neighbor,setsar=1,format=yuv420p`;
  const tone = `sine=frequency=440:sample_rate=48000:duration=${String(seconds)}`;
  const video = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '50', '-sc_threshold', '0', '-bf', String(bframes), '-x264-params', 'b-adapt=0'];
  ffmpeg(['-f', 'lavfi', '-i', bars, '-f', 'lavfi', '-i', tone, ...video, '-b:v', '300k', ...AUDIO, '-f', 'flv', file]);
}

/** @param {string[]} args */
function ffmpeg(args) {
  const drawn = spawnSync('ffmpeg', ['-nostdin', '-loglevel', 'error', '-y', ...args], { encoding: 'utf8' });
  must(drawn.status === 0, `ffmpeg: ${drawn.stderr || String(drawn.error)}`);
}

/** Puts the reader into a page, as an init script: it is there before the page's own code and beside its policy. */
export function installReader() {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const bars = 16;

  /** @type {Reader} */
  const reader = {
    seen: [],

    read(video) {
      const { videoWidth: width, videoHeight: height } = video;
      if (context === null || width === 0) return null;
      if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
      context.drawImage(video, 0, 0);
      const row = (/** @type {number} */ y) => context.getImageData(0, Math.round(y), width, 1).data;
      const [above, below] = [row(height / 4), row((height * 3) / 4)];
      let number = 0;
      for (let bar = 0; bar < bars; bar++) {
        const at = 4 * Math.floor(((bar + 0.5) * width) / bars);
        const [high, low] = [above[at] ?? 128, below[at] ?? 128];
        if (!(high > 192 && low < 64) && !(high < 64 && low > 192)) return null;
        number = number * 2 + (high > low ? 1 : 0);
      }
      return number;
    },

    watch(video) {
      reader.seen = [];
      const seen = reader.seen;
      const next = () => {
        video.requestVideoFrameCallback((_, frame) => {
          const size = `${String(video.videoWidth)}x${String(video.videoHeight)}`;
          seen.push({ number: reader.read(video), media: frame.mediaTime, size, presented: frame.presentedFrames });
          // A later watch takes over.
          if (reader.seen === seen) next();
        });
      };
      next();
    },

    look(video, from, to) {
      return new Promise((done, failed) => {
        /** @type {(number | null)[]} */
        const numbers = [];
        const finish = () => {
          video.removeEventListener('ended', finish);
          video.pause();
          video.playbackRate = 1;
          done(numbers);
        };
        const next = () => {
          video.requestVideoFrameCallback((_, frame) => {
            numbers.push(reader.read(video));
            if (frame.mediaTime > to) finish();
            else next();
          });
        };
        next();
        video.addEventListener('ended', finish);
        video.currentTime = Math.max(0, from);
        video.playbackRate = 0.25;
        video.play().catch(failed);
      });
    },
  };
  Object.assign(globalThis, { numbers: reader });
}

/**
 * The number on screen.
 * @param {Locator} video
 * @returns {Promise<number | null>}
 */
export async function numberOn(video) {
  return video.evaluate((element) => {
    const { numbers } = /** @type {{ numbers: Reader }} */ (/** @type {unknown} */ (globalThis));
    return numbers.read(/** @type {HTMLVideoElement} */ (element));
  });
}

/**
 * Begins to write down what is presented.
 * @param {Locator} video
 */
export async function watch(video) {
  await video.evaluate((element) => {
    const { numbers } = /** @type {{ numbers: Reader }} */ (/** @type {unknown} */ (globalThis));
    numbers.watch(/** @type {HTMLVideoElement} */ (element));
  });
}

/**
 * What has been presented since `watch`.
 * @param {Locator} video
 * @returns {Promise<Seen[]>}
 */
export async function seenOn(video) {
  return video.evaluate(() => /** @type {{ numbers: Reader }} */ (/** @type {unknown} */ (globalThis)).numbers.seen);
}

/**
 * How much has been presented since `watch`, in seconds of media.
 * @param {Locator} video
 * @returns {Promise<number>}
 */
export async function watchedOn(video) {
  return video.evaluate(() => {
    const { seen } = /** @type {{ numbers: Reader }} */ (/** @type {unknown} */ (globalThis)).numbers;
    return (seen[seen.length - 1]?.media ?? 0) - (seen[0]?.media ?? 0);
  });
}

/**
 * Plays a short stretch of a paused element, in seconds of media, so slowly that each picture is presented; gives
 * the numbers that were.
 * @param {Locator} video
 * @param {{ from: number, to: number }} stretch
 * @returns {Promise<(number | null)[]>}
 */
export async function lookAt(video, stretch) {
  return video.evaluate((element, { from, to }) => {
    const { numbers } = /** @type {{ numbers: Reader }} */ (/** @type {unknown} */ (globalThis));
    return numbers.look(/** @type {HTMLVideoElement} */ (element), from, to);
  }, stretch);
}
