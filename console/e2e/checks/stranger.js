/** Somebody from elsewhere: watching live is open, the rest wants a token. */
import { DESKTOP } from '../browser.js';
import { arrives, isLive, leave, moves, playhead, shoot } from '../page.js';
import { must } from '../report.js';

/** A header that only a proxy adds: the server takes who comes through one for a stranger (DESIGN §4). */
const FROM_ELSEWHERE = { 'x-forwarded-for': '203.0.113.7' };

/** @param {import('../page.js').Scene & { own: import('../server.js').OwnServer }} scene */
export async function checkStranger(scene) {
  const { own, report } = scene;
  const options = { ...DESKTOP, colorScheme: /** @type {const} */ ('light'), extraHTTPHeaders: FROM_ELSEWHERE };
  const page = await scene.browser.page(options, /status of 40[13]/);

  await report.check('stranger: live plays without a token', async () => {
    await page.goto(`${scene.base}/#stream=${scene.stream}`);
    await moves(page);
  });

  await report.check('stranger: the refusal is told, with the command that helps', async () => {
    const words = await page.locator('form').innerText();
    must(/tapeline token new/.test(words), words);
  });
  await shoot(page, scene, 'page-token');

  const signIn = async (/** @type {string} */ acts) => {
    await page.getByRole('textbox', { name: 'Token' }).fill(own.token(acts));
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Streams' }).getByRole('button', { name: scene.stream }).waitFor();
    await moves(page);
    await isLive(page);
  };

  await report.check('stranger: a token for the past opens the tape of the stream', async () => {
    await signIn('play timeshift');
    await page.getByRole('button', { name: 'Forget token' }).click();
    await page.getByRole('textbox', { name: 'Token' }).waitFor();
  });

  await report.check('stranger: a token for everything opens everything', () => signIn('play timeshift clip admin'));

  await report.check('stranger: with it the start of the tape plays, also after a reload', async () => {
    await page.reload();
    await moves(page);
    await page.keyboard.press('Home');
    await arrives(page, (await playhead(page)).start, 4);
    await moves(page);
  });
  await leave(page, scene, 'stranger');
}
