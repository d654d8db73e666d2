// Compiled, not run: the declarations fit each other and those of Playwright and Puppeteer.

import { WaitTimeoutError, start } from '@webpush-server/dev';
import type { Message, Namespace, VirtualSubscription } from '@webpush-server/dev';
import { expect, test } from '@webpush-server/playwright';
import { launch, subscribe, subscriptionOf, waitForNotification } from '@webpush-server/puppeteer';

test.use({ pushOptions: { launch: { executablePath: '/usr/bin/chromium' }, server: { args: ['--local-endpoints'] } } });

test('the fixture', async ({ push, pushServer }) => {
  const context = await push.context({ viewport: { width: 800, height: 600 } });
  const page = await context.newPage();
  const subscription = await push.subscribe(page, { applicationServerKey: 'B' });
  const agent: VirtualSubscription = await push.subscribe({ service: 'fcm' });
  await push.fail(subscription, { status: 429, times: null, retryAfter: 1 });
  await push.fault({ subscription: agent, outcome: 'lost' });
  await push.offline(agent.id);
  await push.offline();
  await expect(push).toHaveDelivered({ topic: 'dinner' }, { timeout: 1000 });
  await expect(push).not.toHaveDelivered();
  await push.restart(context, () => push.advance('25h'));
  const { title }: { title: string } = await push.waitForNotification(page);
  expect(title).toBe(pushServer.ready.version);
  // @ts-expect-error: a status is a number.
  await push.fail(subscription, { status: '410' });
});

export async function withPuppeteer(): Promise<Message> {
  const server = await start({ binary: '/opt/webpush-server', onLog: (line) => console.log(line) });
  const push: Namespace = server.namespace('one');
  const browser = await launch({ push, browser: 'firefox', executablePath: '/usr/bin/firefox-esr', headless: false });
  const page = await browser.newPage();
  const subscription = await subscribe(page, { push, applicationServerKey: 'B', serviceWorker: '/worker.js' });
  await subscriptionOf(page, { push });
  await waitForNotification(page, { text: 'Dinner' });
  try {
    return await push.waitForMessage({ subscription, state: 'expired', timeout: 1000 });
  } catch (error) {
    if (error instanceof WaitTimeoutError) await server.stop();
    throw error;
  }
}
