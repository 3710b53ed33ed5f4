/** The page as a person sees and uses it: where things are, what they say. */
import { must, until } from './report.js';

/** @typedef {import('playwright-core').Page} Page */

/** How long a picture may take to move after the page has been opened or sent elsewhere, in ms. */
export const PICTURE_MS_MAX = 20_000;

/**
 * What the checks work with.
 * @typedef {object} Scene
 * @property {import('./browser.js').Browser} browser
 * @property {import('./report.js').Report} report
 * @property {string} shots
 * @property {string} stream
 * @property {string} base
 */

/**
 * The playhead as the bar's slider tells it, in seconds of wall time.
 * @param {Page} page
 */
export async function playhead(page) {
  const slider = page.getByRole('slider', { name: 'Playhead' });
  const number = async (/** @type {string} */ name) => Number(await slider.getAttribute(name, { timeout: 5_000 }));
  return {
    now: await number('aria-valuenow'),
    start: await number('aria-valuemin'),
    end: await number('aria-valuemax'),
    words: (await slider.getAttribute('aria-valuetext')) ?? '',
  };
}

/**
 * Waits until the picture moves.
 * @param {Page} page
 */
export async function moves(page) {
  const time = () => page.locator('video').evaluate((video) => (video instanceof HTMLVideoElement ? video.currentTime : 0));
  let from = await time();
  await until('the picture moves', PICTURE_MS_MAX, async () => {
    const now = await time();
    // A seek backwards is no movement; it is a new place to move from.
    if (now < from) from = now;
    return now - from > 0.4;
  });
}

/**
 * Waits until the playhead is `seconds` from `from`, within `slack`.
 * @param {Page} page
 * @param {number} place
 * @param {number} slack
 */
export async function arrives(page, place, slack) {
  await until(`the playhead is at ${String(place)} ± ${String(slack)} s`, PICTURE_MS_MAX, async () => {
    const { now } = await playhead(page);
    must(Math.abs(now - place) <= slack, `it is at ${String(now)}`);
    return true;
  });
}

/**
 * Waits until the page says that it plays live.
 * @param {Page} page
 */
export async function isLive(page) {
  const pill = page.locator('.where');
  await until('the page says Live', PICTURE_MS_MAX, async () => {
    const words = (await pill.textContent({ timeout: 1_000 })) ?? '';
    must(/^\s*Live/.test(words), words);
    return true;
  });
}

/**
 * Waits until the tape is that long.
 * @param {Page} page
 * @param {number} seconds
 */
export async function tapeIs(page, seconds) {
  await until(`${String(seconds)} s are on the tape`, (seconds + 30) * 1_000, async () => {
    const { start, end } = await playhead(page);
    must(end - start >= seconds, `${String(end - start)} s`);
    return true;
  });
}

/**
 * The library's rows: what they are called.
 * @param {Page} page
 * @returns {Promise<string[]>}
 */
export async function library(page) {
  return page.getByRole('region', { name: 'Library' }).locator('.name').allTextContents();
}

/**
 * @param {Page} page
 * @param {Scene} scene
 * @param {string} name
 */
export async function shoot(page, scene, name) {
  await page.screenshot({ path: `${scene.shots}/${name}.png` });
}

/**
 * Closes the page after making sure that it ran clean.
 * @param {Page} page
 * @param {Scene} scene
 * @param {string} what
 */
export async function leave(page, scene, what) {
  await scene.report.check(`${what}: no console errors, no policy violations`, async () => {
    const complaints = scene.browser.complaints();
    must(complaints.length === 0, complaints.join('\n      '));
  });
  await page.context().close();
}
