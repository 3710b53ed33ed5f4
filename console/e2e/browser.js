/** The browser, and what every page of the run is watched for. */
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

/** Where a browser may be; the first one there is taken. `CHROMIUM` names another. */
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** While the newest part of a clip is written the server answers 425 by contract, and the page waits. */
const TOO_EARLY = /status of 425/;

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContextOptions} ContextOptions */

/** A desktop's window. */
export const DESKTOP = { viewport: { width: 1280, height: 800 } };
/** A phone's. */
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

/** A running browser. */
export class Browser {
  #browser;
  /** @type {string[]} */
  #complaints = [];

  /** @param {import('playwright-core').Browser} browser */
  constructor(browser) {
    this.#browser = browser;
  }

  static async start() {
    const executablePath = [process.env['CHROMIUM'] ?? '', ...PLACES].find((place) => place !== '' && existsSync(place));
    if (executablePath === undefined) throw new Error(`no browser at ${PLACES.join(', ')}; install chromium or set CHROMIUM`);
    return new Browser(await chromium.launch({ executablePath, args: FLAGS }));
  }

  /**
   * A page in a profile of its own. What the console says and `expected` matches is no complaint.
   * @param {ContextOptions} options
   * @param {RegExp} [expected]
   * @returns {Promise<Page>}
   */
  async page(options, expected = TOO_EARLY) {
    const context = await this.#browser.newContext({ ...options, acceptDownloads: true });
    const page = await context.newPage();
    page.on('pageerror', (error) => this.#complaints.push(`uncaught: ${error.message}`));
    page.on('console', (message) => {
      const text = `${message.text()} ${message.location().url}`;
      if (message.type() === 'error' && !expected.test(text)) this.#complaints.push(`console: ${text}`);
    });
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    return page;
  }

  /** What pages have complained about since the last call. */
  complaints() {
    return this.#complaints.splice(0);
  }

  async stop() {
    await this.#browser.close();
  }
}
