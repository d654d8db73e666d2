// The application, in a process of its own, with the variables of the push service.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test as base } from '@webpush-server/playwright';
import webPush from 'web-push';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

export { expect };

export const test = base.extend({
  application: async ({ push }, use, testInfo) => {
    const { publicKey, privateKey } = webPush.generateVAPIDKeys();
    // Node before 22.21 needs the module to send through the proxy.
    const child = spawn(process.execPath, ['--import', '@webpush-server/dev/preload', 'src/main.js'], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        ...push.env,
        PORT: '0',
        SUBSCRIPTIONS: testInfo.outputPath('subscriptions.json'),
        VAPID_PUBLIC_KEY: publicKey,
        VAPID_PRIVATE_KEY: privateKey,
      },
    });
    const [url] = await once(createInterface({ input: child.stdout }), 'line');
    await use(new Application(url));
    child.kill();
    await once(child, 'exit');
    // No test reached a vendor, nor tried to.
    expect((await push.proxyReport()).refused).toEqual([]);
  },
});

class Application {
  constructor(url) {
    this.url = url;
  }

  /** Clicks the button, as a user does. */
  async turnOnNotifications(page) {
    await page.goto(this.url);
    await page.click('button');
    await page.waitForSelector('output:not(:empty)');
  }

  async announce(announcement) {
    const { status } = await this.#post('/announcements', announcement);
    expect(status).toBe(202);
  }

  async addSubscription(subscription) {
    return (await this.#post('/subscriptions', subscription)).status;
  }

  async subscriptionCount() {
    return (await this.#get('/subscriptions')).count;
  }

  async key() {
    return (await this.#get('/key')).publicKey;
  }

  async #get(path) {
    return (await fetch(this.url + path)).json();
  }

  #post(path, body) {
    return fetch(this.url + path, { method: 'POST', body: JSON.stringify(body) });
  }
}
