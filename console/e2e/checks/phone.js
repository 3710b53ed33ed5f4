/** The page under a thumb. */
import { PHONE } from '../browser.js';
import { arrives, leave, moves, playhead, shoot } from '../page.js';
import { must } from '../report.js';

/**
 * Two fingers on the bar, moving apart.
 * @param {import('playwright-core').Page} page
 */
async function pinch(page) {
  const box = await page.locator('.bar').boundingBox();
  if (box === null) throw new Error('there is no bar');
  const [middle, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const fingers = (/** @type {number} */ apart) => [
    { x: middle - apart, y, id: 1 },
    { x: middle + apart, y, id: 2 },
  ];
  const client = await page.context().newCDPSession(page);
  await client.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: fingers(20) });
  for (const apart of [30, 45, 60, 80]) {
    await client.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: fingers(apart) });
  }
  await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
}

/** @param {import('../page.js').Scene} scene */
export async function checkPhone(scene) {
  const { report } = scene;
  const page = await scene.browser.page({ ...PHONE, colorScheme: 'dark' });

  await report.check('phone: the picture moves', async () => {
    await page.goto(`${scene.base}/#stream=${scene.stream}`);
    await moves(page);
  });

  await report.check('phone: a tap on the bar goes there', async () => {
    const box = await page.locator('.bar').boundingBox();
    must(box !== null, 'there is no bar');
    const { start, end } = await playhead(page);
    const share = 0.4;
    await page.touchscreen.tap((box?.x ?? 0) + (box?.width ?? 0) * share, (box?.y ?? 0) + (box?.height ?? 0) / 2);
    const shown = Math.max(30, end - start) * 1.04;
    // A thumb hits a pixel; of a long tape that is many seconds.
    await arrives(page, start + shown * share, 4 + (3 * shown) / (box?.width ?? 1));
    await moves(page);
  });

  await report.check('phone: two fingers zoom the bar and do not move the playhead', async () => {
    const before = await page.locator('.range').innerText();
    await pinch(page);
    const after = await page.locator('.range').innerText();
    must(before !== after, `it still shows ${after}`);
    must((await playhead(page)).now < (await playhead(page)).end - 3, 'the playhead went to the edge');
    await page.getByRole('button', { name: 'All of the tape' }).tap();
  });

  await report.check('phone: marks by touch', async () => {
    await page.getByRole('button', { name: 'Last 30 s' }).tap();
    const download = page.getByRole('button', { name: 'Download clip', exact: true });
    must(await download.isEnabled(), 'the clip cannot be downloaded');
    const size = await download.boundingBox();
    must((size?.height ?? 0) >= 44, `the button is ${String(size?.height)} px high`);
  });
  await page.evaluate(() => {
    scrollTo(0, 0);
  });
  await shoot(page, scene, 'page-phone');

  for (const width of [390, 360]) {
    await report.check(`phone: nothing sticks out at ${String(width)} px`, async () => {
      await page.setViewportSize({ width, height: 780 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      must(wide <= width, `the page is ${String(wide)} px wide`);
    });
  }
  await leave(page, scene, 'phone');
}
