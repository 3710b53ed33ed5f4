/** A stream of open GOPs, which Chromium can enter at its very first picture only: the page says why it shows none. */
import { DESKTOP } from '../browser.js';
import { leave } from '../page.js';
import { until } from '../report.js';

const STREAM = 'live/open';
/** x264's: one IDR picture at the beginning, recovery points from then on. */
const OPEN_GOPS = ['-x264-params', 'open-gop=1:keyint=25:min-keyint=25:scenecut=0:bframes=3'];
/** Seconds on the tape until the beginning is no longer among the segments that a player begins with. */
const RECORDED_S = 12;
/** How long the page may take to say it, in ms: some segments have to come and go. */
const SAID_MS_MAX = 40_000;

/** @param {import('../page.js').Scene & { own: import('../server.js').OwnServer }} scene */
export async function checkOpen(scene) {
  const { own, report } = scene;
  await report.check('open: a stream of open GOPs is recorded', async () => {
    await own.unpublish();
    await own.publish(STREAM, OPEN_GOPS);
    await until(`${String(RECORDED_S)} s are on the tape`, SAID_MS_MAX, async () => {
      const answer = await fetch(`${scene.base}/api/v1/streams/${STREAM}`);
      if (!answer.ok) return false;
      const { tape } = /** @type {{ tape: { start: string, end: string } | null }} */ (await answer.json());
      return tape !== null && Date.parse(tape.end) - Date.parse(tape.start) > RECORDED_S * 1000;
    });
  });
  const page = await scene.browser.page({ ...DESKTOP, colorScheme: 'light' });
  await report.check('open: the page says why it shows nothing', async () => {
    await page.goto(`${scene.base}/#stream=${STREAM}`);
    await page.getByText('This browser cannot decode this stream from here').waitFor({ timeout: SAID_MS_MAX });
  });
  await leave(page, scene, 'open');
}
