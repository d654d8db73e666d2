import webPush from 'web-push';
import { expect, test as base } from '@webpush-server/playwright';
import { send as sendFromProcess } from '../../testing/sender.js';
import { openSite } from '../../testing/site.js';

const vapid = webPush.generateVAPIDKeys();

const send = (push, subscription, text, options) => sendFromProcess(push, subscription, { vapid, text, options });

const test = base.extend({
  site: async ({}, use) => {
    const site = await openSite();
    await use(site);
    site.close();
  },
});

const subscribe = async (push, page, site) => {
  await page.goto(site.url);
  return push.subscribe(page, { applicationServerKey: vapid.publicKey, serviceWorker: '/worker.js' });
};

test('a browser shows what is pushed to the URL that it gave', async ({ push, site }) => {
  const context = await push.context();
  const page = await context.newPage();
  const subscription = await subscribe(push, page, site);
  expect(subscription.endpoint).toMatch(/^https:\/\/(fcm\.googleapis|jmt\d+\.google)\.com\//);

  expect(await send(push, subscription, 'Dinner is ready', { topic: 'dinner' })).toEqual({ status: 201 });
  await expect(push).toHaveDelivered({ topic: 'dinner' });
  await expect(push).not.toHaveDelivered({ topic: 'lunch' });
  expect(await push.waitForNotification(page, { text: 'Dinner' })).toMatchObject({ title: 'Dinner is ready' });
  expect((await push.proxyReport()).refused).toEqual([]);
});

test('a message waits for a browser that is closed', async ({ push, site }) => {
  let context = await push.context();
  const subscription = await subscribe(push, await context.newPage(), site);
  context = await push.restart(context, () => send(push, subscription, 'while you were away'));
  const page = await context.newPage();
  await page.goto(site.url);
  await push.waitForNotification(page, { text: 'away' });
  await expect(push).toHaveDelivered({ subscription });
});

test('a send fails as often as it is told to', async ({ push, site }) => {
  const context = await push.context();
  const subscription = await subscribe(push, await context.newPage(), site);
  await push.fail(subscription, { status: 429, times: 1, retryAfter: 5 });
  expect(await send(push, subscription, 'one')).toMatchObject({ status: 429 });
  expect(await send(push, subscription, 'two')).toMatchObject({ status: 201 });
  const refused = await push.waitForMessage({ state: 'refused' });
  expect(refused.status).toBe(429);
});

test('a message expires when the clock is advanced', async ({ push }) => {
  const subscription = await push.subscribe({ service: 'fcm', applicationServerKey: vapid.publicKey });
  await push.offline(subscription);
  await send(push, subscription, 'soon stale', { TTL: 60 });
  await push.advance('25h');
  await push.waitForMessage({ subscription, state: 'expired' });
});

test('the clock is set back between tests', async ({ push }) => {
  expect(Math.abs(Date.parse((await push.clock()).now) - Date.now())).toBeLessThan(3_600_000);
});

test('a failed expectation lists what arrived instead', async ({ push }) => {
  const subscription = await push.subscribe({ service: 'fcm', applicationServerKey: vapid.publicKey });
  await push.fail(subscription, { status: 410 });
  await send(push, subscription, 'lost');
  const failure = expect(push).toHaveDelivered({ topic: 'dinner' }, { timeout: 100 });
  await expect(failure).rejects.toThrow(/topic="dinner".*\n.*\n.*refused 410/);
});
