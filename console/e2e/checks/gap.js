/** A publisher that goes and comes back: the page says so, shows the gap, and goes on. */
import { DESKTOP } from '../browser.js';
import { isLive, leave, moves } from '../page.js';
import { must, until } from '../report.js';

/** How long the page may take to notice, in ms: the server's patience, two polls, a segment. */
const NOTICED_MS_MAX = 40_000;

/** @param {import('../page.js').Scene & { own: import('../server.js').OwnServer }} scene */
export async function checkGap(scene) {
  const { own, report } = scene;
  const page = await scene.browser.page({ ...DESKTOP, colorScheme: 'dark' });
  await page.goto(`${scene.base}/#stream=${scene.stream}`);
  await moves(page);

  await report.check('gap: the page says that the publisher is offline', async () => {
    await own.unpublish();
    await page.getByText('The publisher is offline').waitFor({ timeout: NOTICED_MS_MAX });
  });

  await report.check('gap: it goes on by itself when the publisher is back', async () => {
    await own.publish(scene.stream);
    await page.getByText('The publisher is offline').waitFor({ state: 'detached', timeout: NOTICED_MS_MAX });
    await moves(page);
    await isLive(page);
  });

  await report.check('gap: the bar shows it with its reason', async () => {
    const gap = page.locator('button.gap').last();
    await gap.waitFor({ timeout: NOTICED_MS_MAX });
    const words = (await gap.getAttribute('aria-label')) ?? '';
    must(words.includes('offline'), words);
    await gap.focus();
    await page.locator('.tip').filter({ hasText: 'offline' }).waitFor();
  });

  await report.check('gap: the playhead skips it and says so', async () => {
    const gap = page.locator('button.gap').last();
    const box = await gap.boundingBox();
    must(box !== null, 'the gap is not in sight');
    await page.mouse.click((box?.x ?? 0) - 6, (box?.y ?? 0) + 20);
    await until('the page tells of the gap', NOTICED_MS_MAX, async () => {
      const words = await page.locator('.gap.shown').innerText({ timeout: 1_000 });
      return words.includes('Skipped') || words.includes('Moved on');
    });
    await moves(page);
  });
  await page.screenshot({ path: `${scene.shots}/page-gap.png` });
  await leave(page, scene, 'gap');
}
