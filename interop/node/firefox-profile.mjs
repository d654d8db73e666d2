// Stock Firefox ESR, headless, with a profile that persists when it is closed, and a site that it has subscribed to.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import puppeteer from 'puppeteer-core';
import { Queue, fail, soon, told } from './checks.mjs';
import { Site } from './firefox-site.mjs';

const FIREFOX = '/usr/bin/firefox-esr';

/** How long one thing may take that Firefox does: a slow machine may need several seconds for its start. */
const PATIENCE_MS = 40_000;

/** A line of Firefox's log that says what came on the WebSocket: the version of the notification. */
const NOTIFICATION = /"wsOnMessageAvailable\(\)" "\{.*?\\"messageType\\":\\"notification\\",.*?\\"version\\":\\"([\w-]+)\\"/;

/** A line of Firefox's log that says that the service has answered its hello. */
const HELLO = '"handleHelloReply()"';

/** What a person would set, then what the test needs. */
const preferences = (origin) => ({
  'dom.push.serverURL': `${origin.replace(/^http/, 'ws')}/`,
  'dom.push.testing.allowInsecureServerURL': origin.startsWith('http:'),

  // The preferences that Firefox itself recommends for automation turn push off.
  'remote.prefs.recommended': false,
  // There is no user to click "Allow".
  'permissions.default.desktop-notification': 1,
  // The worker shows no notifications; Firefox would end a subscription after 16 pushes like that.
  'dom.push.maxQuotaPerSubscription': 1000,
  // Firefox hides duplicate messages. Here they must be seen.
  'dom.push.maxRecentMessageIDsPerSubscription': 0,
  // Instead of 5 s before it reconnects.
  'dom.push.retryBaseInterval': 1500,
  // The log, on standard output.
  'dom.push.loglevel': 'debug',
  'browser.dom.window.dump.enabled': true,
  'devtools.console.stdout.chrome': true,
  // Only this machine can be reached: there is no proxy on that port.
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 9,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 9,
});

export class Profile {
  #directory;
  #site;
  #firefox;
  #browser;
  #page;
  /** The versions of the notifications that came on the WebSocket, in order. */
  #received = new Queue();
  #greetings = new Queue();

  /** A new profile, or the one in a directory, with the site that it knows on its port. */
  constructor({ origin }, { directory, sitePort = 0 } = {}) {
    this.#directory = directory ?? mkdtempSync(`${told('WEBPUSH_DIRECTORY')}/profile-`);
    this.#site = new Site(sitePort);
    const lines = Object.entries(preferences(origin)).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    writeFileSync(`${this.#directory}/user.js`, lines.join(''));
    if (process.env.WEBPUSH_CA) trust(this.#directory, process.env.WEBPUSH_CA);
  }

  /** Starts Firefox. It connects by itself; no page is open yet. */
  async start() {
    if (!this.#site.url) await this.#site.open();
    const home = `${this.#directory}/home`;
    mkdirSync(home, { recursive: true });
    const flags = ['--headless', '--no-remote', '--allow-downgrade', '--profile', this.#directory, '--remote-debugging-port', '0'];
    this.#firefox = spawn(FIREFOX, flags, {
      env: { ...process.env, HOME: home, XDG_RUNTIME_DIR: home, MOZ_CRASHREPORTER_DISABLE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.#firefox.stdout }).on('line', (line) => {
      const version = NOTIFICATION.exec(line)?.[1];
      if (version) this.#received.put(version);
      if (line.includes(HELLO)) this.#greetings.put(line);
    });
    const listening = new Promise((resolve, reject) => {
      this.#firefox.on('error', reject).on('exit', () => reject(new Error('Firefox ended at its start')));
      createInterface({ input: this.#firefox.stderr }).on('line', (line) => {
        const address = /^WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1];
        if (address) resolve(address);
      });
    });
    this.#browser = await puppeteer.connect({
      browserWSEndpoint: `${await soon(listening, 'start of Firefox', PATIENCE_MS)}/session`,
      protocol: 'webDriverBiDi',
      protocolTimeout: PATIENCE_MS,
    });
    this.#page = undefined;
  }

  /** Waits for its next connection. */
  async connected() {
    await this.#greetings.next('hello on the WebSocket', PATIENCE_MS);
  }

  async stop() {
    const ended = once(this.#firefox, 'exit');
    await this.#browser.close();
    const [status, signal] = await soon(ended, 'end of Firefox', PATIENCE_MS);
    if (status !== 0) fail(`Firefox ended with ${status ?? signal}`);
  }

  /** Ends everything, also when something is stuck. */
  kill() {
    this.#firefox?.kill('SIGKILL');
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

  /** The subscription that Firefox has. */
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

  /** The next notification: the version of one that came, and the text of one that the service worker was told of. */
  async next() {
    const version = await this.#received.next('notification on the WebSocket', PATIENCE_MS);
    return { version, text: await this.#site.pushed.next('push event', PATIENCE_MS) };
  }

  /** Another page. */
  async open(url) {
    const page = await this.#browser.newPage();
    await page.goto(url);
    return page;
  }

  async #evaluate(body, ...given) {
    if (!this.#page) {
      this.#page = await this.#browser.newPage();
      await this.#page.goto(this.#site.url);
    }
    return soon(this.#page.evaluate(body, ...given), 'answer of the page', PATIENCE_MS);
  }
}

/** Makes Firefox's certificate store and puts a certification authority into it. */
function trust(directory, authority) {
  const store = ['-d', `sql:${directory}`];
  execFileSync('certutil', ['-N', ...store, '--empty-password']);
  execFileSync('certutil', ['-A', ...store, '-n', 'interop', '-t', 'C,,', '-i', authority]);
}
