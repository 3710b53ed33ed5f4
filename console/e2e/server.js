/** A server of the run's own, on free ports with an empty tape, and an ffmpeg that publishes to it. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './report.js';

/** How long the server may take until it listens, in ms. */
const LISTEN_MS_MAX = 20_000;
/** How long a process may take to end before it is killed, in ms. */
const END_MS_MAX = 10_000;

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

/** A server that this run has started. */
export class OwnServer {
  /** Where the page is. */
  base;
  #binary;
  #rtmp;
  #data;
  #server;
  /** @type {ChildProcess | null} */
  #publisher = null;

  /**
   * @param {{ binary: string, base: string, rtmp: string, data: string, server: ChildProcess }} parts
   */
  constructor({ binary, base, rtmp, data, server }) {
    this.#binary = binary;
    this.base = base;
    this.#rtmp = rtmp;
    this.#data = data;
    this.#server = server;
  }

  /**
   * @param {string} binary
   * @returns {Promise<OwnServer>}
   */
  static async start(binary) {
    if (!existsSync(binary)) throw new Error(`${binary} is not there; build it with ./run --build, or give --base`);
    const data = mkdtempSync(join(tmpdir(), 'tapeline-e2e-'));
    const env = { ...process.env, TAPELINE_HTTP__LISTEN: '127.0.0.1:0', TAPELINE_RTMP__LISTEN: '127.0.0.1:0' };
    const server = spawn(binary, ['serve', '--data', data], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    server.stdout.on('data', (chunk) => (said += String(chunk)));
    const addresses = await until(`${binary} tells where it listens`, LISTEN_MS_MAX, async () => {
      if (server.exitCode !== null) throw new Error(`it ended with ${String(server.exitCode)}: ${said}`);
      const base = /http:\/\/[^\s/]+/.exec(said)?.[0];
      const rtmp = /rtmp:\/\/[^\s/]+/.exec(said)?.[0];
      return base !== undefined && rtmp !== undefined && { base, rtmp };
    });
    return new OwnServer({ ...addresses, binary, data, server });
  }

  /**
   * Publishes a test picture with a tone until `unpublish`.
   * @param {string} stream
   * @param {string[]} [encoder] further settings of the encoder
   */
  async publish(stream, encoder = []) {
    const sources = ['-re', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-re', '-f', 'lavfi', '-i', 'sine=frequency=440'];
    const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50', '-b:v', '800k', ...encoder];
    await this.#publish(stream, [...sources, ...video, '-c:a', 'aac', '-b:a', '64k']);
  }

  /**
   * Publishes a file once, in real time.
   * @param {string} stream
   * @param {string} file
   */
  async publishFile(stream, file) {
    await this.#publish(stream, ['-re', '-i', file, '-c', 'copy']);
  }

  /**
   * @param {string} stream
   * @param {string[]} media
   */
  async #publish(stream, media) {
    const args = ['-loglevel', 'error', '-nostdin', ...media, '-f', 'flv', `${this.#rtmp}/${stream}`];
    const publisher = spawn('ffmpeg', args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#publisher = publisher;
    await new Promise((started, failed) => {
      publisher.once('spawn', started);
      publisher.once('error', failed);
    });
  }

  /**
   * Makes a token; returns its secret.
   * @param {string} acts
   */
  token(acts) {
    const made = spawnSync(this.#binary, ['token', 'new', '--act', acts, '--data', this.#data], { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`no token was made: ${made.stderr || String(made.error)}`);
    return made.stdout.trim();
  }

  /** Ends the publishing, as an encoder does whose cable is pulled. */
  async unpublish() {
    if (this.#publisher !== null) await end(this.#publisher, 'SIGKILL');
    this.#publisher = null;
  }

  /** Ends everything and removes the tape. */
  async stop() {
    await this.unpublish();
    await end(this.#server, 'SIGTERM');
    rmSync(this.#data, { recursive: true, force: true });
  }
}

/**
 * @param {ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
async function end(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once('exit', done));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
  await ended;
  clearTimeout(timer);
}
