// Debian's Chromium, headless, with a profile that persists when it is closed, and a site that it has subscribed to.

import { X509Certificate, createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import puppeteer from 'puppeteer-core';
import { soon, told } from './checks.mjs';
import { Site } from './firefox-site.mjs';

const CHROMIUM = '/usr/bin/chromium';

/** How long one thing may take that Chromium does. After a lost connection it waits up to 15 s before it reconnects. */
const PATIENCE_MS = 40_000;

/** The certificate of the server, instead of an authority in the trust store of the machine. */
const spki = () => {
  const { publicKey } = new X509Certificate(readFileSync(told('WEBPUSH_CERTIFICATE')));
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
};

export class ChromiumProfile {
  #server;
  #directory = mkdtempSync(`${told('WEBPUSH_DIRECTORY')}/chromium-`);
  #site = new Site(0, { notify: true });
  #browser;
  #page;

  constructor(server) {
    this.#server = server;
  }

  /** Starts Chromium. It connects by itself once it has a subscription; no page is open yet. */
  async start() {
    if (!this.#site.url) {
      await this.#site.open();
      this.#allowNotifications();
    }
    const { origin, mcsPort } = this.#server;
    this.#browser = await puppeteer.launch({
      executablePath: CHROMIUM,
      userDataDir: this.#directory,
      args: [
        `--gcm-checkin-url=${origin}/chromium/checkin`,
        `--gcm-registration-url=${origin}/chromium/register`,
        `--gcm-mcs-endpoint=https://127.0.0.1:${mcsPort}`,
        `--ignore-certificate-errors-spki-list=${spki()}`,
        '--no-sandbox',
        '--disable-gpu',
        // Only this machine can be reached.
        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      ],
      // It turns push off.
      ignoreDefaultArgs: ['--disable-background-networking'],
      protocolTimeout: PATIENCE_MS,
      timeout: PATIENCE_MS,
    });
    this.#page = undefined;
  }

  async stop() {
    await soon(this.#browser.close(), 'end of Chromium', PATIENCE_MS);
  }

  /** Ends everything, also when something is stuck. */
  kill() {
    this.#browser?.process()?.kill('SIGKILL');
    this.#site.close();
  }

  /** Subscribes with an application server key: the subscription, as a page would send it to its server. */
  subscribe(applicationServerKey) {
    return this.#evaluate(async (key) => {
      await navigator.serviceWorker.register('/worker.js');
      const { pushManager } = await navigator.serviceWorker.ready;
      const options = { userVisibleOnly: true, applicationServerKey: key };
      return (await pushManager.subscribe(options)).toJSON();
    }, applicationServerKey);
  }

  /** The subscription that Chromium has. */
  subscription() {
    return this.#evaluate(async () => {
      const { pushManager } = await navigator.serviceWorker.ready;
      return (await pushManager.getSubscription())?.toJSON();
    });
  }

  unsubscribe() {
    return this.#evaluate(async () => {
      const { pushManager } = await navigator.serviceWorker.ready;
      return (await pushManager.getSubscription()).unsubscribe();
    });
  }

  /** The text of the next push event. */
  next() {
    return this.#site.pushed.next('push event', PATIENCE_MS);
  }

  /** In the profile rather than by the DevTools protocol: messages arrive before that could allow anything. */
  #allowNotifications() {
    const origin = new URL(this.#site.url).origin;
    const exceptions = { notifications: { [`${origin},*`]: { setting: 1 } } };
    mkdirSync(`${this.#directory}/Default`);
    const preferences = { profile: { content_settings: { exceptions } } };
    writeFileSync(`${this.#directory}/Default/Preferences`, JSON.stringify(preferences));
  }

  async #evaluate(body, ...given) {
    if (!this.#page) {
      this.#page = await this.#browser.newPage();
      await this.#page.goto(this.#site.url);
    }
    return soon(this.#page.evaluate(body, ...given), 'answer of the page', PATIENCE_MS);
  }
}
