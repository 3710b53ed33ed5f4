/**
 * The right picture at the right time in the browser: a minute live, a minute from half a minute back while it
 * records, and a minute as a clip, of a stream whose pictures carry their numbers (`barcode.js`).
 *
 * A browser presents what it gets around to, and says nothing of what it left out. What a minute of play did not
 * present is therefore looked at again, slowly, where it has to be: after that, no number may be missing.
 */
import { spawnSync } from 'node:child_process';
import { installReader, lookAt, numberOn, PICTURE_MS, RATE, seenOn, watch, watchedOn } from '../barcode.js';
import { isLive, leave, moves } from '../page.js';
import { must, until } from '../report.js';

/** How long each is played, in seconds. */
const PLAYED_S = 60;
/** That many pictures. */
const PLAYED = PLAYED_S * RATE;
/** How far back is gone: thrice the J key, in seconds. */
const BACK_S = 30;
/** How often one picture further is stepped there: a step that is a quarter of a picture off leaves one out by then. */
const STEPS = 8;
/** The first picture of the clip: neither a key frame nor the first of a part. */
const CLIP_FIRST = 86;
/** A minute of play on a busy machine, in ms. */
const PLAYED_MS_MAX = 2 * PLAYED_S * 1_000;
/** How long the tape may take to be long enough, in ms. */
const TAPE_MS_MAX = 100_000;
/** Of a minute, the share of pictures that a browser without a graphics card may leave out beside two others. */
const LEFT_OUT_MAX = 0.1;
/** How much the server's clock is slewed at most (ARCHITECTURE, time), in ms a ms. */
const SLEW = 500e-6;
/**
 * From how many pictures before one that is looked at again. Seeking to it is not enough: in a clip that begins
 * between key frames, Chromium shows a key frame when the picture before it is sought.
 */
const BEFORE = 3.5;

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Locator} Locator */
/** @typedef {import('../barcode.js').Seen} Seen */

/**
 * A picture of which the wall time is known.
 * @typedef {object} Anchor
 * @property {number} number
 * @property {number} wall  in ms
 */

/**
 * What the checks of a stream with numbers work with.
 * @typedef {import('../page.js').Scene & { source: string }} Scene
 */

/** When each number is due, as the playlist tells it: its segments' wall times, and exact durations from picture 0 on. */
class Law {
  #segments;

  /** @param {{ wall: number, first: number }[]} segments */
  constructor(segments) {
    this.#segments = segments;
  }

  /**
   * @param {Scene} scene
   * @returns {Promise<{ law: Law, end: number }>}
   */
  static async read(scene) {
    const text = await (await fetch(`${scene.base}/${scene.stream}/-/media.m3u8`)).text();
    /** @type {{ wall: number, first: number }[]} */
    const segments = [];
    let [wall, first] = [NaN, 0];
    for (const line of text.split('\n')) {
      const [tag, value] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)];
      if (tag === '#EXT-X-PROGRAM-DATE-TIME') wall = Date.parse(value);
      if (tag !== '#EXTINF') continue;
      must(!Number.isNaN(wall), 'a segment has no wall time of its own');
      segments.push({ wall, first });
      first += Number.parseFloat(value) * RATE;
      wall = NaN;
    }
    return { law: new Law(segments), end: first };
  }

  /**
   * The number whose picture begins nearest to an instant.
   * @param {number} wall
   */
  numberAt(wall) {
    const segment = this.#segments.findLast((one) => one.wall <= wall + PICTURE_MS / 2) ?? this.#segments[0];
    return Math.round((segment?.first ?? NaN) + (wall - (segment?.wall ?? NaN)) / PICTURE_MS);
  }

  /** @param {number} number */
  wallOf(number) {
    const segment = this.#segments.findLast((one) => one.first <= number);
    return (segment?.wall ?? NaN) + (number - (segment?.first ?? NaN)) * PICTURE_MS;
  }

  /**
   * Picture `n` was sent `n` picture times after the recording began: so says the source, and so must the playlist.
   * @param {number} zero  when picture 0 was due by that
   */
  follows(zero) {
    for (const { wall, first } of this.#segments) {
      const off = Math.abs(wall - zero - first * PICTURE_MS);
      must(off <= PICTURE_MS + SLEW * first * PICTURE_MS, `number ${String(first)} is told ${String(off)} ms from when it was sent`);
    }
  }
}

/** @param {Scene} scene */
export async function checkNumbers(scene) {
  const { report } = scene;
  await report.check('numbers: a minute is on the tape, and the playlist tells when it was sent', async () => {
    const { law } = await until('it is long enough', TAPE_MS_MAX, async () => {
      const read = await Law.read(scene);
      must(read.end > CLIP_FIRST + PLAYED + RATE, `${String(read.end)} pictures`);
      return read;
    });
    law.follows((await recordingStart(scene)) + shownAfter(scene.source));
  });
  const pages = await Promise.all([live(scene), back(scene), clip(scene)]);
  for (const page of pages) await leave(page, scene, 'numbers');
}

/**
 * When the recording began, as the timeline tells it.
 * @param {Scene} scene
 */
async function recordingStart(scene) {
  const answer = await fetch(`${scene.base}/api/v1/streams/${scene.stream}/timeline`);
  const told = /** @type {{ start: string }} */ (await answer.json());
  return Date.parse(told.start);
}

/**
 * How long after the first picture is decoded picture 0 is shown, in ms.
 * @param {string} file
 */
function shownAfter(file) {
  const args = ['-v', 'error', '-select_streams', 'v:0', '-read_intervals', '%+#10', '-show_entries', 'packet=dts_time,pts_time'];
  const probe = spawnSync('ffprobe', [...args, '-of', 'csv=p=0', file], { encoding: 'utf8' });
  must(probe.status === 0, `ffprobe: ${probe.stderr || String(probe.error)}`);
  const times = probe.stdout.trim().split('\n').map((line) => line.split(',').map(Number));
  const least = (/** @type {number} */ column) => Math.min(...times.map((row) => row[column] ?? NaN));
  return (least(0) - least(1)) * 1_000;
}

/**
 * @param {Scene} scene
 * @returns {Promise<Page>}
 */
async function numbersPage(scene) {
  // Small: what is drawn without a graphics card is paid by the pixel. UTC: marks are read off the page.
  const options = { viewport: { width: 700, height: 480 }, timezoneId: 'UTC' };
  // A page that is not the console's has no icon, and the browser asks for one.
  const page = await scene.browser.page(options, /favicon\.ico/);
  await page.addInitScript(installReader);
  return page;
}

/** @param {Scene} scene */
async function live(scene) {
  const page = await numbersPage(scene);
  await scene.report.check('numbers: a minute live shows each when it is due', async () => {
    await page.goto(`${scene.base}/#stream=${scene.stream}`);
    await moves(page);
    await isLive(page);
    const video = page.locator('video');
    await watch(video);
    await hasPlayed(video);
    await page.keyboard.press('k');
    await judge('live', scene, video, await mark(page, scene));
  });
  return page;
}

/** @param {Scene} scene */
async function back(scene) {
  const page = await numbersPage(scene);
  await scene.report.check(`numbers: J goes back ${String(BACK_S)} s to the picture of then, and a minute from there shows each`, async () => {
    await page.goto(`${scene.base}/#stream=${scene.stream}`);
    await moves(page);
    await isLive(page);
    const video = page.locator('video');
    await page.keyboard.press('k');
    const before = await mark(page, scene);
    for (let times = 0; times < BACK_S / 10; times++) await page.keyboard.press('j');
    const after = await until('it is there', 20_000, async () => {
      const here = await mark(page, scene);
      must(Math.abs(here.wall - before.wall + BACK_S * 1_000) <= PICTURE_MS + 1, `${String(before.wall - here.wall)} ms back`);
      return here;
    });
    const off = after.number - (before.number - BACK_S * RATE);
    must(Math.abs(off) <= 1, `from ${String(before.number)} it went to ${String(after.number)}`);
    for (let steps = 1; steps <= STEPS; steps++) {
      await page.keyboard.press('.');
      await until(`step ${String(steps)} shows the next picture`, 5_000, async () => (await numberOn(video)) === after.number + steps);
    }
    const here = await mark(page, scene);
    await watch(video);
    await page.keyboard.press('k');
    await hasPlayed(video);
    await page.keyboard.press('k');
    await judge('back', scene, video, here);
  });
  return page;
}

/** @param {Scene} scene */
async function clip(scene) {
  const page = await numbersPage(scene);
  await scene.report.check('numbers: a minute as a clip has exactly those of its wall times', async () => {
    // Half a picture before the first, so that no rounding decides.
    const start = Math.floor((await Law.read(scene)).law.wallOf(CLIP_FIRST) - PICTURE_MS / 2);
    // Any plain page of the server's own.
    await page.goto(`${scene.base}/healthz`);
    await page.evaluate((src) => {
      const element = document.createElement('video');
      element.muted = true;
      element.src = src;
      document.body.append(element);
    }, `/${scene.stream}.mp4?start=${String(start)}&end=${String(start + PLAYED_S * 1_000)}`);
    const video = page.locator('video');
    const first = await until('it has a picture', 20_000, () => numberOn(video));
    must(first === CLIP_FIRST, `it begins with ${String(first)}`);
    await watch(video);
    await video.evaluate((element) => (element instanceof HTMLVideoElement ? element.play() : undefined));
    await until('it has ended', PLAYED_MS_MAX, () => video.evaluate((element) => element instanceof HTMLVideoElement && element.ended));
    const last = await numberOn(video);
    must(last === CLIP_FIRST + PLAYED - 1, `it ends with ${String(last)}`);
    await judge('clip', scene, video, { number: CLIP_FIRST, wall: start + PICTURE_MS / 2 });
    const outside = (await seenOn(video)).filter((one) => (one.number ?? -1) < CLIP_FIRST || (one.number ?? -1) >= CLIP_FIRST + PLAYED);
    must(outside.length === 0, `it shows ${JSON.stringify(outside)}`);
  });
  return page;
}

/**
 * Waits until a minute has been played since `watch`.
 * @param {Locator} video
 */
async function hasPlayed(video) {
  await until(`${String(PLAYED_S)} s are played`, PLAYED_MS_MAX, async () => {
    const seconds = await watchedOn(video);
    must(seconds > PLAYED_S, `${String(seconds)} s`);
    return true;
  });
}

/**
 * Marks the picture on screen of the paused page: its number, and the wall time that the page gives it.
 * @param {Page} page
 * @param {Scene} scene
 * @returns {Promise<Anchor>}
 */
async function mark(page, scene) {
  const video = page.locator('video');
  await until('it stands', 10_000, () =>
    video.evaluate((element) => element instanceof HTMLVideoElement && element.paused && !element.seeking && element.readyState >= 2),
  );
  await page.keyboard.press('i');
  const words = await page.getByRole('button', { name: /^In mark/ }).innerText();
  const wall = onDayOf(Date.now(), /\d\d:\d\d:\d\d\.\d\d\d/.exec(words)?.[0] ?? '');
  const number = (await numberOn(video)) ?? NaN;
  const due = (await Law.read(scene)).law.numberAt(wall);
  must(Math.abs(number - due) <= 1, `the page says that ${String(number)} is of ${words}, which is when ${String(due)} was due`);
  return { number, wall };
}

/**
 * The instant at which a clock in UTC showed that, nearest to another.
 * @param {number} near
 * @param {string} clock
 */
function onDayOf(near, clock) {
  const day = 86_400_000;
  const same = Date.parse(`${new Date(near).toISOString().slice(0, 10)}T${clock}Z`);
  return same + day * Math.round((near - same) / day);
}

/**
 * Each number was on screen when it was due, and none is missing.
 * @param {string} name
 * @param {Scene} scene
 * @param {Locator} video
 * @param {Anchor} anchor
 */
async function judge(name, scene, video, anchor) {
  const { law } = await Law.read(scene);
  const seen = await seenOn(video);
  const numbers = seen.map((one) => one.number ?? NaN);
  must(numbers.every((number) => !Number.isNaN(number)), `${String(numbers.filter(Number.isNaN).length)} pictures carry no number`);
  const backwards = numbers.findIndex((number, k) => number < (numbers[k - 1] ?? 0));
  must(backwards < 0, `${String(numbers[backwards])} comes after ${String(numbers[backwards - 1])}`);

  // The median: a browser may tell of a picture and already show the next.
  const zeros = seen.map((one) => one.media - (one.number ?? NaN) / RATE).sort((a, b) => a - b);
  const anchored = (zeros[zeros.length >> 1] ?? NaN) + anchor.number / RATE;
  const off = seen.map((one) => Math.abs((one.number ?? NaN) - law.numberAt(anchor.wall + (one.media - anchored) * 1_000)));
  const deviation = Math.max(...off);
  const [first, last] = [numbers[0] ?? NaN, numbers[numbers.length - 1] ?? NaN];
  const presented = new Set(numbers);
  const all = Array.from({ length: last - first + 1 }, (_, k) => first + k);
  const leftOut = all.filter((number) => !presented.has(number));
  console.log(
    `      ${name}: ${String(first)} to ${String(last)}, ${String(presented.size)} presented, ${String(leftOut.length)} left out, ` +
      `${String(deviation)} from what was due at most`,
  );
  must(deviation <= 1, `a picture came ${String(deviation)} from when it was due`);
  must(all.length >= PLAYED - (name === 'clip' ? 2 : 0), `${String(all.length)} pictures`);
  must(leftOut.length <= LEFT_OUT_MAX * all.length, `the browser presented too little to tell: ${String(leftOut.length)} left out`);
  for (const number of leftOut) {
    const place = anchored + (number - anchor.number) / RATE;
    const again = await lookAt(video, { from: place - BEFORE / RATE, to: place + 0.5 / RATE });
    must(again.includes(number), `where ${String(number)} has to be there are ${again.join(', ')}`);
  }
}
