/**
 * Drives the page in a real browser against a real server.
 *
 *     npm run e2e                                   starts ../target/release/tapeline and an ffmpeg that publishes
 *     npm run e2e -- --base http://127.0.0.1:8080   takes a running server that has a live stream
 *
 *     --stream live/cam1     the stream to look at            --empty-base URL   a server without streams
 *     --shots DIR            where the pictures go            --server FILE      another binary to start
 *
 * Says what failed, exits with 1 then, and ends with `P passed, F failed`.
 */
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { drawNumbers } from './barcode.js';
import { Browser } from './browser.js';
import { checkCut } from './checks/cut.js';
import { checkEmpty } from './checks/empty.js';
import { checkGap } from './checks/gap.js';
import { checkLive } from './checks/live.js';
import { checkNumbers } from './checks/numbers.js';
import { checkOpen } from './checks/open.js';
import { checkPhone } from './checks/phone.js';
import { checkSeek } from './checks/seek.js';
import { checkSizes } from './checks/sizes.js';
import { checkStranger } from './checks/stranger.js';
import { Report } from './report.js';
import { OwnServer } from './server.js';

/** The stream whose pictures carry their numbers: as long as a run may take, in seconds. */
const NUMBERS_S = 300;
const NUMBERS_STREAM = 'live/numbers';

/** The whole run, in ms; a browser that hangs must not hang a pipeline. */
const RUN_MS_MAX = 300_000;

const here = fileURLToPath(new URL('.', import.meta.url));

const { values: asked } = parseArgs({
  options: {
    base: { type: 'string' },
    'empty-base': { type: 'string' },
    stream: { type: 'string', default: 'live/cam1' },
    shots: { type: 'string', default: resolve(here, '../../target/e2e') },
    server: { type: 'string', default: resolve(here, '../../target/release/tapeline') },
  },
});

const report = new Report();
setTimeout(() => {
  console.error(`not done after ${String(RUN_MS_MAX / 1000)} s: ${report.doing}`);
  process.exit(1);
}, RUN_MS_MAX).unref();

/** Runs every check that this setting allows. */
async function run() {
  mkdirSync(asked.shots, { recursive: true });
  const own = asked.base === undefined ? await OwnServer.start(asked.server) : null;
  // A server of its own, for the other checks want a list with one stream. It records a minute while they run.
  const numbers = own === null ? null : await OwnServer.start(asked.server);
  const source = drawNumbers(NUMBERS_S);
  await numbers?.publishFile(NUMBERS_STREAM, source);
  const browser = await Browser.start();
  try {
    const scene = { browser, report, shots: asked.shots, stream: asked.stream, base: asked.base ?? own?.base ?? '', own };
    const emptyBase = asked['empty-base'] ?? own?.base;
    if (emptyBase === undefined) console.log('page-empty.png is left out: name a server without streams by --empty-base');
    else await checkEmpty({ ...scene, base: emptyBase });
    await own?.publish(asked.stream);
    await checkLive(scene);
    await checkSeek(scene);
    await checkCut(scene);
    await checkPhone(scene);
    if (own !== null) {
      await checkStranger({ ...scene, own });
      await checkGap({ ...scene, own });
      await checkOpen({ ...scene, own });
      await checkSizes({ ...scene, server: asked.server });
    }
    if (numbers !== null) await checkNumbers({ ...scene, base: numbers.base, stream: NUMBERS_STREAM, source });
  } finally {
    await browser.stop();
    await own?.stop();
    await numbers?.stop();
  }
}

await run().catch((/** @type {unknown} */ thrown) => {
  report.fail('the run', thrown);
});
process.exit(report.close());
