// The fixture: a namespace of the server, and browsers that use it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Namespace, prepareChromiumProfile } from '@webpush-server/dev';
import * as pages from '@webpush-server/dev/page';

/** Playwright adds it. It may turn push off, although it does not in Chromium 156. */
const IGNORED = '--disable-background-networking';

export class Push extends Namespace {
  #browserType;
  #launch;
  /** What is needed to open each context again. */
  #contexts = new Map();
  #directories = [];

  constructor(server, name, { browserType, launch }) {
    super(server.namespace(name).base, server.ready);
    this.server = server;
    this.#browserType = browserType;
    this.#launch = launch;
  }

  /** Opens a browser with a profile of its own: subscribing fails in the incognito contexts of `browser.newContext()`. */
  async context({ userDataDir, ...options } = {}) {
    const directory = userDataDir ?? (await this.#temporaryDirectory());
    return this.#open(directory, options);
  }

  /** Closes a context and opens it again with the same profile. `between` runs while the browser is closed. */
  async restart(context, between) {
    const opened = this.#contexts.get(context);
    if (!opened) throw new Error('this context was not opened by push.context()');
    await context.close();
    await between?.();
    return this.#open(opened.directory, opened.options);
  }

  /**
   * Without a page: a virtual user agent. With a page: subscribes it, and adopts the subscription.
   * Returns its JSON, with `id`.
   */
  async subscribe(page, options = {}) {
    if (typeof page?.evaluate !== 'function') return super.subscribe(page);
    return pages.subscribe(page, { push: this, ...options });
  }

  /** Adopts the subscription that a page has made itself. Returns its JSON with `id`, or null if the page has none. */
  subscriptionOf(page) {
    return pages.subscriptionOf(page, { push: this });
  }

  /** Waits until a page's service worker shows a notification whose title or body has a text; any if there is none. */
  waitForNotification(page, options) {
    return pages.waitForNotification(page, options);
  }

  /** Closes the browsers and removes the profiles that it created. */
  async close() {
    await Promise.all([...this.#contexts.keys()].map((context) => context.close()));
    const removal = { recursive: true, force: true, maxRetries: 5 };
    await Promise.all(this.#directories.map((directory) => rm(directory, removal)));
  }

  async #open(directory, options) {
    prepareChromiumProfile(directory);
    const merged = { ...this.#launch, ...options };
    // The headless shell, which is the default, refuses notifications.
    const browser = merged.executablePath || merged.channel ? {} : { channel: 'chromium' };
    const context = await this.#browserType.launchPersistentContext(directory, {
      ...browser,
      ...merged,
      args: [...this.chromiumArgs, ...(this.#launch.args ?? []), ...(options.args ?? [])],
      ignoreDefaultArgs: ignored(merged.ignoreDefaultArgs),
    });
    await pages.recordNotifications(context.pages()[0]);
    this.#contexts.set(context, { directory, options });
    context.on('close', () => this.#contexts.delete(context));
    return context;
  }

  async #temporaryDirectory() {
    const directory = await mkdtemp(join(tmpdir(), 'webpush-playwright-'));
    this.#directories.push(directory);
    return directory;
  }
}

function ignored(given) {
  if (given === true) return true;
  return [...new Set([IGNORED, ...(given || [])])];
}
