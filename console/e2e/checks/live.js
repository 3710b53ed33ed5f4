/** The list, the picture, the policy it is served under, the keyboard's help. */
import { DESKTOP } from '../browser.js';
import { isLive, leave, moves, playhead, shoot, tapeIs } from '../page.js';
import { must, until } from '../report.js';

/** How long a stream may take until the list shows it live, in ms: its first key frame and a poll. */
const LISTED_MS_MAX = 30_000;

/** @param {import('../page.js').Scene} scene */
export async function checkLive(scene) {
  const { report } = scene;
  const page = await scene.browser.page({ ...DESKTOP, colorScheme: 'light' });

  await report.check('the page comes with a strict policy', async () => {
    const answer = await page.goto(`${scene.base}/`);
    const policy = answer?.headers()['content-security-policy'] ?? '';
    must(policy !== '', 'there is no Content-Security-Policy');
    must(!policy.includes('unsafe'), `it allows what it should not: ${policy}`);
  });

  await report.check('the list shows the stream live', async () => {
    const row = page.getByRole('navigation', { name: 'Streams' }).getByRole('button', { name: scene.stream });
    await until(`${scene.stream} is listed as live`, LISTED_MS_MAX, async () => {
      const words = await row.innerText({ timeout: 1_000 });
      must(/Live/.test(words), words);
      return true;
    });
    await row.click();
    must(page.url().endsWith(`#stream=${scene.stream}`), `the address does not name it: ${page.url()}`);
  });

  await report.check('the picture moves', () => moves(page));
  await report.check('it is live, and says how far behind', async () => {
    await isLive(page);
    must(/behind live/.test((await playhead(page)).words), 'the slider does not tell the latency');
  });

  await report.check('? opens the help, Escape closes it', async () => {
    await page.keyboard.press('?');
    const help = page.getByRole('dialog', { name: 'Keyboard' });
    await help.waitFor();
    must((await help.innerText()).includes('Mark in'), 'it does not name the keys');
    await page.keyboard.press('Escape');
    await help.waitFor({ state: 'detached' });
  });

  await report.check('a reload keeps the stream', async () => {
    await page.reload();
    await moves(page);
    must(page.url().endsWith(`#stream=${scene.stream}`), page.url());
  });

  await tapeIs(page, 25).catch(() => undefined);
  await isLive(page).catch(() => undefined);
  await shoot(page, scene, 'page-live');
  await leave(page, scene, 'live');
}
