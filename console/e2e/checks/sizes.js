/**
 * A source that changes the size of its picture twice in one publish: what the page's player shows of it live has its own
 * size, in order, and in the playlist of all of it hls.js leaves out none.
 */
import { createRequire } from 'node:module';
import { drawSizes, installReader, numberOn, RATE, seenOn, SIZES, STRETCH_S, watch } from '../barcode.js';
import { leave, moves, PICTURE_MS_MAX } from '../page.js';
import { must, until } from '../report.js';
import { OwnServer } from '../server.js';

const STREAM = 'live/sizes';
/** Pictures of each size. */
const STRETCH = STRETCH_S * RATE;
/** What a decoder that hears of no end may keep, and what the list does not tell yet. */
const KEPT = 8;
/** How long it may take until the last picture is shown, in ms: the source, the hold-back and a loaded machine. */
const SHOWN_MS_MAX = 90_000;

/** @typedef {import('../page.js').Scene & { server: string }} Scene */
/** @typedef {import('../barcode.js').Seen} Seen */

/** @param {Scene} scene */
export async function checkSizes(scene) {
  const server = await OwnServer.start(scene.server);
  // A page that is not the console's has no icon, and the browser asks for one.
  const page = await scene.browser.page({ viewport: { width: 700, height: 480 } }, /favicon\.ico/);
  await page.addInitScript(installReader);
  try {
    await scene.report.check('sizes: each picture live has its own size, over two changes of it', async () => {
      await server.publishFile(STREAM, drawSizes());
      await until('it is there', SHOWN_MS_MAX, async () => (await fetch(`${server.base}/${STREAM}/-/media.m3u8`)).ok);
      await page.goto(`${server.base}/#stream=${STREAM}`);
      const video = page.locator('video');
      await until('there is a player', SHOWN_MS_MAX, async () => (await video.count()) > 0);
      await watch(video);
      await moves(page);
      await until('it has come to the end', SHOWN_MS_MAX, async () => {
        const newest = (await seenOn(video)).at(-1)?.number ?? 0;
        must(newest >= SIZES.length * STRETCH - KEPT, `it shows ${String(newest)}`);
        return true;
      });
      sized(await seenOn(video));
    });
    await scene.report.check('sizes: a list of all of it shows each picture at its size', async () => {
      await page.goto(`${server.base}/healthz`);
      await page.addScriptTag({ path: createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js') });
      const answer = await fetch(`${server.base}/api/v1/streams/${STREAM}/timeline`);
      const { start, end } = /** @type {{ start: string, end: string }} */ (await answer.json());
      await page.evaluate(open, `/${STREAM}.m3u8?start=${start}&end=${end}`);
      const video = page.locator('video');
      await until('it has a picture', SHOWN_MS_MAX, async () => (await numberOn(video)) !== null);
      await watch(video);
      await video.evaluate((element) => (element instanceof HTMLVideoElement ? element.play() : undefined));
      await until('it has ended', SHOWN_MS_MAX, () => video.evaluate((element) => element instanceof HTMLVideoElement && element.ended));
      const seen = await seenOn(video);
      sized(seen);
      await none(video, seen);
    });
  } finally {
    await leave(page, scene, 'sizes');
    await server.stop();
  }
}

/**
 * Plays a list in a page that is not the console's.
 * @param {string} list
 */
function open(list) {
  const { Hls } = /** @type {{ Hls: typeof import('hls.js').default }} */ (/** @type {unknown} */ (globalThis));
  const element = document.createElement('video');
  element.muted = true;
  document.body.append(element);
  const hls = new Hls();
  hls.loadSource(list);
  hls.attachMedia(element);
}

/**
 * What was shown is in order, of every size, and each of its own.
 * @param {Seen[]} seen
 */
function sized(seen) {
  const numbers = seen.map((one) => one.number ?? NaN);
  must(numbers.every((number) => !Number.isNaN(number)), `${String(numbers.filter(Number.isNaN).length)} pictures carry no number`);
  const backwards = numbers.findIndex((number, k) => number < (numbers[k - 1] ?? 0));
  must(backwards < 0, `${String(numbers[backwards])} comes after ${String(numbers[backwards - 1])}`);
  for (const { number, size } of seen) {
    const stretch = Math.floor((number ?? 0) / STRETCH);
    const own = SIZES[stretch]?.replace(':', 'x');
    // The callback tells the size of one picture, and the next may be on screen when its number is read.
    const before = (number ?? 0) % STRETCH === 0 ? SIZES[stretch - 1]?.replace(':', 'x') : own;
    must(size === own || size === before, `${String(number)} is shown as ${size} and not as ${String(own)}`);
  }
  must(new Set(seen.map((one) => one.size)).size === SIZES.length, `from ${String(numbers[0])} on`);
}

/**
 * None is missing: what the browser did not get around to present is there when it is sought.
 * @param {import('playwright-core').Locator} video
 * @param {Seen[]} seen
 */
async function none(video, seen) {
  const presented = new Set(seen.map((one) => one.number));
  const zeros = seen.map((one) => one.media - (one.number ?? NaN) / RATE).sort((a, b) => a - b);
  const zero = zeros[zeros.length >> 1] ?? NaN;
  const all = Array.from({ length: SIZES.length * STRETCH - KEPT }, (_, number) => number);
  const leftOut = all.filter((number) => number > (seen[0]?.number ?? NaN) && !presented.has(number));
  // Both sides of each change are sought whatever was presented.
  const joints = SIZES.slice(1).flatMap((_, k) => [(k + 1) * STRETCH, (k + 1) * STRETCH - 1]);
  console.log(`      sizes: from ${String(seen[0]?.number)} on, ${String(leftOut.length)} looked at again`);
  for (const number of [...joints, ...leftOut]) {
    // In the middle of the picture, so that no rounding decides.
    const place = zero + (number + 0.5) / RATE;
    await video.evaluate((element, at) => {
      if (element instanceof HTMLVideoElement) element.currentTime = at;
    }, place);
    await until(`${String(number)} is where it has to be`, PICTURE_MS_MAX, async () => {
      const there = await numberOn(video);
      must(there === number, `there is ${String(there)}`);
      return true;
    });
  }
}
