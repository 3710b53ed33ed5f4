/** Going back while it records: by key, by the bar, step by step, and live again. */
import { DESKTOP } from '../browser.js';
import { arrives, isLive, leave, moves, playhead, shoot, tapeIs } from '../page.js';
import { must, until } from '../report.js';

/** How far back, in seconds; the tape must be longer than that and the player's distance from live. */
const BACK = 20;
/** The tape that the checks need, in seconds. */
const TAPE = 45;

/** @param {import('../page.js').Scene} scene */
export async function checkSeek(scene) {
  const { report } = scene;
  const page = await scene.browser.page({ ...DESKTOP, colorScheme: 'dark' });
  await page.goto(`${scene.base}/#stream=${scene.stream}`);
  await report.check('there is enough tape to go back on', async () => {
    await moves(page);
    await tapeIs(page, TAPE);
    await isLive(page);
  });

  await report.check(`J twice goes back ${String(BACK)} s, and it plays there`, async () => {
    const { now } = await playhead(page);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await arrives(page, now - BACK, 4);
    await moves(page);
    must((await playhead(page)).words.includes('behind live'), 'it does not say how far behind live it is');
  });
  await shoot(page, scene, 'page-dvr');

  await report.check('End goes live again', async () => {
    await page.keyboard.press('End');
    await isLive(page);
    await moves(page);
  });

  await report.check(`a click on the bar goes back ${String(BACK)} s`, async () => {
    const place = await clickBar(page, BACK);
    await arrives(page, place, 4);
    await moves(page);
  });

  await report.check('the wheel shows less of the tape, 0 all of it', async () => {
    const range = page.locator('.range');
    const all = await range.innerText();
    await page.mouse.wheel(0, -600);
    await until('the bar shows less', 3_000, async () => (await range.innerText()).slice(0, 8) !== all.slice(0, 8));
    await page.keyboard.press('0');
    await until('the bar shows all', 3_000, async () => (await range.innerText()).slice(0, 8) === all.slice(0, 8));
  });

  await report.check('Space pauses; a full stop steps by one frame', async () => {
    await page.keyboard.press(' ');
    await until('it stands', 5_000, () => video(page, (element) => element.paused));
    const before = await video(page, (element) => element.currentTime);
    await page.keyboard.press('.');
    const after = await until('it has moved', 5_000, async () => {
      const now = await video(page, (element) => (element.seeking ? -1 : element.currentTime));
      return now > before && now;
    });
    must(after - before < 0.1, `it moved by ${String(after - before)} s`);
  });

  await report.check('Home goes to the start of the tape', async () => {
    await page.keyboard.press('Home');
    await arrives(page, (await playhead(page)).start, 4);
    await page.keyboard.press('k');
    await moves(page);
  });
  await leave(page, scene, 'seek');
}

/**
 * Clicks where the bar shows the instant `seconds` before the edge; returns it. The bar shows the whole tape.
 * @param {import('playwright-core').Page} page
 * @param {number} seconds
 */
export async function clickBar(page, seconds) {
  await page.keyboard.press('0');
  const box = await page.locator('.bar').boundingBox();
  must(box !== null, 'there is no bar');
  const { start, end } = await playhead(page);
  // As `fit` of src/lib/view.ts has it: half a minute at least, and 4 % of room behind the edge.
  const share = (end - seconds - start) / (Math.max(30, end - start) * 1.04);
  await page.mouse.click((box?.x ?? 0) + (box?.width ?? 0) * share, (box?.y ?? 0) + (box?.height ?? 0) / 2);
  return end - seconds;
}

/**
 * @template T
 * @param {import('playwright-core').Page} page
 * @param {(element: HTMLVideoElement) => T} read
 * @returns {Promise<T>}
 */
async function video(page, read) {
  return page.locator('video').evaluate(/** @type {(element: Element) => T} */ (/** @type {unknown} */ (read)));
}
