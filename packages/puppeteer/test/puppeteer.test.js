import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { start } from '@webpush-server/dev';
import { launch, subscribe, subscriptionOf, waitForNotification } from '@webpush-server/puppeteer';
import webPush from 'web-push';
import { send as sendFromProcess } from '../../testing/sender.js';
import { openSite } from '../../testing/site.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const BROWSERS = [
  { browser: 'chrome', executablePath: CHROMIUM, args: ['--no-sandbox'] },
  { browser: 'firefox', executablePath: FIREFOX },
];
const vapid = webPush.generateVAPIDKeys();

let server;
let site;
before(async () => {
  server = await start();
  site = await openSite();
});
after(async () => {
  site?.close();
  await server?.stop();
});

const send = (subscription, text) => sendFromProcess(server, subscription, { vapid, text });

for (const options of BROWSERS) {
  describe(options.browser, () => {
    test('a push is shown, also after a restart, and not after unsubscribing', { timeout: 90_000 }, async (t) => {
      const push = server.namespace(options.browser);
      const userDataDir = mkdtempSync(join(tmpdir(), 'webpush-test-'));
      t.after(() => rmSync(userDataDir, { recursive: true, force: true, maxRetries: 5 }));

      let browser = await launch({ ...options, push, userDataDir });
      t.after(() => browser.process()?.kill('SIGKILL'));
      let page = await browser.newPage();
      await page.goto(site.url);
      const subscription = await subscribe(page, {
        push,
        applicationServerKey: vapid.publicKey,
        serviceWorker: '/worker.js',
      });
      assert.deepEqual(await send(subscription, 'now'), { status: 201 });
      const message = await push.waitForMessage({ subscription });
      assert.equal((await waitForNotification(page, { text: 'now' })).title, 'now');
      await browser.close();

      assert.deepEqual(await send(subscription, 'later'), { status: 201 });
      browser = await launch({ ...options, push, userDataDir });
      page = await browser.newPage();
      await page.goto(site.url);
      await waitForNotification(page, { text: 'later', timeout: 30_000 });
      await push.waitForMessage({ subscription, after: message.number });
      assert.equal((await subscriptionOf(page, { push })).id, subscription.id);

      await page.evaluate(async () => {
        const { pushManager } = await navigator.serviceWorker.ready;
        await (await pushManager.getSubscription()).unsubscribe();
      });
      const { status } = await send(subscription, 'too late');
      assert.equal(status, 410);
      assert.equal(await subscriptionOf(page, { push }), null);
      assert.deepEqual((await push.proxyReport()).refused, []);
      await browser.close();
    });
  });
}

test('Firefox subscribes again when its subscription is rotated', { timeout: 60_000 }, async (t) => {
  const push = server.namespace('rotate');
  const browser = await launch({ browser: 'firefox', executablePath: FIREFOX, push });
  t.after(() => browser.close());
  const page = await browser.newPage();
  await page.goto(site.url);
  const { publicKey: applicationServerKey } = vapid;
  const serviceWorker = `/worker.js?key=${applicationServerKey}`;
  const old = await subscribe(page, { push, applicationServerKey, serviceWorker });
  await push.rotate(old);
  // The worker subscribes on `pushsubscriptionchange`.
  const hasChanged = async (endpoint) => {
    const { pushManager } = await navigator.serviceWorker.ready;
    const current = await pushManager.getSubscription();
    return current && current.endpoint !== endpoint;
  };
  await page.waitForFunction(hasChanged, { polling: 100 }, old.endpoint);
  const rotated = await subscriptionOf(page, { push });
  assert.equal((await send(old, 'gone')).status, 410);
  assert.equal((await send(rotated, 'here')).status, 201);
  assert.equal((await waitForNotification(page)).title, 'here');
});
