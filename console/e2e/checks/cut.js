/** Marks, the clip as a file, clips and recordings in the library. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { DESKTOP } from '../browser.js';
import { leave, library, moves, shoot, tapeIs } from '../page.js';
import { must, until } from '../report.js';
import { clickBar } from './seek.js';

/** What the clip is called: markup, to see that it stays text. */
const TITLE = 'Goal <b>1</b> & more';
/** How long the clip is, in seconds. */
const CLIP = 5;
/** How long the library may take to show what was made, in ms. */
const LISTED_MS_MAX = 15_000;

/** @typedef {import('playwright-core').Page} Page */

/** @param {import('../page.js').Scene} scene */
export async function checkCut(scene) {
  const page = await scene.browser.page({ ...DESKTOP, colorScheme: 'light' });
  await page.goto(`${scene.base}/#stream=${scene.stream}`);
  await moves(page);
  await tapeIs(page, 30);
  await checkDownload(page, scene);
  await checkLibrary(page, scene);
  await leave(page, scene, 'cut');
}

/**
 * @param {Page} page
 * @param {import('../page.js').Scene} scene
 */
async function checkDownload(page, scene) {
  const { report } = scene;
  await report.check('I and O mark a clip', async () => {
    await clickBar(page, 22);
    await moves(page);
    await page.keyboard.press('k');
    await page.keyboard.press('i');
    await page.keyboard.press('ArrowRight');
    await settled(page);
    await page.keyboard.press('o');
    const seconds = await marked(page);
    must(Math.abs(seconds - CLIP) < 0.5, `the clip is said to be ${String(seconds)} s long`);
  });
  // For the picture: close enough to see the marks, nothing under the pointer.
  await page.getByRole('button', { name: '1 min', exact: true }).click();
  await page.mouse.move(8, 8);
  await shoot(page, scene, 'page-clip');
  await page.keyboard.press('0');

  await report.check('a mark is dragged by its handle and moved by its keys', async () => {
    const handle = page.getByRole('slider', { name: 'Out mark' });
    const place = async () => Number(await handle.getAttribute('aria-valuenow'));
    const before = await place();
    const box = await handle.boundingBox();
    must(box !== null, 'the out mark has no handle');
    const [x, y] = [(box?.x ?? 0) + 4, (box?.y ?? 0) + 30];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 40, y, { steps: 4 });
    await page.mouse.up();
    const dragged = await place();
    must(dragged > before, `it did not follow the pointer: ${String(before)}, ${String(dragged)}`);
    await handle.focus();
    await page.keyboard.press('Shift+ArrowLeft');
    await until('it is a second earlier', 3_000, async () => (await place()) === dragged - 1);
    // Back to where it was, for what follows.
    await handle.blur();
    await page.keyboard.press('Shift+O');
    await settled(page);
    await page.keyboard.press('Shift+I');
    await page.keyboard.press('ArrowRight');
    await settled(page);
    await page.keyboard.press('o');
  });

  await report.check('C downloads it, as long as it was marked', async () => {
    const arrival = page.waitForEvent('download', { timeout: 30_000 });
    await page.keyboard.press('c');
    const download = await arrival;
    must(/\.mp4$/.test(download.suggestedFilename()), `it is called ${download.suggestedFilename()}`);
    const path = `${scene.shots}/clip.mp4`;
    await download.saveAs(path);
    must(statSync(path).size > 0, 'it is empty');
    must(readFileSync(path).subarray(4, 8).toString() === 'ftyp', 'it is no MP4');
    const seconds = durationOf(path);
    must(Math.abs(seconds - (await marked(page))) < 0.1, `ffprobe says ${String(seconds)} s, the page ${String(await marked(page))} s`);
  });
}

/**
 * @param {Page} page
 * @param {import('../page.js').Scene} scene
 */
async function checkLibrary(page, scene) {
  const { report } = scene;
  await report.check('Shift C keeps it in the library; its title stays text', async () => {
    await page.getByPlaceholder('Title (optional)').fill(TITLE);
    await page.getByPlaceholder('Title (optional)').blur();
    await page.keyboard.press('Shift+C');
    await until('the clip is listed', LISTED_MS_MAX, async () => (await library(page)).includes(TITLE));
  });

  await report.check('S splits: one recording more', async () => {
    const recordings = () => page.getByRole('button', { name: /^Play Recording|^Play First half/ }).count();
    const before = await until('a recording is listed', LISTED_MS_MAX, async () => (await recordings()) || null);
    await page.getByPlaceholder('Title (optional)').fill('First half');
    await page.getByPlaceholder('Title (optional)').blur();
    await page.keyboard.press('s');
    await until('the closed recording and the next are listed', LISTED_MS_MAX, async () => {
      const now = await recordings();
      must(now === before + 1, `${String(before)} before, ${String(now)} now`);
      return (await library(page)).includes('First half');
    });
  });

  await report.check('a clip of the library plays', async () => {
    await page.getByRole('button', { name: `Play ${TITLE}` }).click();
    await moves(page);
    const shown = await page.locator('video').evaluate((video) => (video instanceof HTMLVideoElement ? video.duration : 0));
    must(Math.abs(shown - CLIP) < 0.5, `it is ${String(shown)} s long`);
  });

  await report.check('a clip is deleted once that is confirmed', async () => {
    await page.getByRole('button', { name: `Delete ${TITLE}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await until('the clip is gone', LISTED_MS_MAX, async () => !(await library(page)).includes(TITLE));
  });
}

/**
 * How long the page says that the clip will be, in seconds.
 * @param {Page} page
 */
async function marked(page) {
  return Number((await page.locator('output').innerText()).replace(' s', ''));
}

/** @param {Page} page */
async function settled(page) {
  await until('the seek is over', 10_000, () =>
    page.locator('video').evaluate((video) => video instanceof HTMLVideoElement && !video.seeking && video.readyState >= 2),
  );
}

/** @param {string} path */
function durationOf(path) {
  const probe = spawnSync('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', path], { encoding: 'utf8' });
  must(probe.status === 0, `ffprobe: ${probe.stderr || String(probe.error)}`);
  return Number(probe.stdout);
}
