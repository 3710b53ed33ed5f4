/** A server without streams tells how to publish one. */
import { DESKTOP } from '../browser.js';
import { leave, shoot } from '../page.js';
import { must } from '../report.js';

/** @param {import('../page.js').Scene} scene */
export async function checkEmpty(scene) {
  const page = await scene.browser.page({ ...DESKTOP, colorScheme: 'light' });
  await scene.report.check('empty: the page shows the command and the settings that publish', async () => {
    await page.goto(`${scene.base}/`);
    await page.getByRole('heading', { name: 'Waiting for the first stream' }).waitFor();
    const words = await page.locator('section.empty').innerText();
    const host = new URL(scene.base).hostname;
    must(words.includes(`rtmp://${host}:1935/live`), `no server to publish to in: ${words}`);
    must(words.includes('ffmpeg -re') && words.includes('cam1'), `no command in: ${words}`);
    await shoot(page, scene, 'page-empty');
  });
  await leave(page, scene, 'empty');
}
