// For a page of Playwright or Puppeteer: both have `evaluate`.

export { recordNotifications, waitForNotification } from './notifications.js';

/** Subscribes a page, and adopts the subscription. Returns its JSON with `id`. */
export async function subscribe(page, { push, ...options }) {
  return adoptJson(push, await page.evaluate(subscribeInPage, options));
}

/** Adopts the subscription that a page has made itself. Returns its JSON with `id`, or null if the page has none. */
export async function subscriptionOf(page, { push }) {
  const json = await page.evaluate(subscriptionInPage);
  return json && adoptJson(push, json);
}

async function adoptJson(push, json) {
  const { id } = await push.adopt(json.endpoint);
  return { ...json, id };
}

// These run in the page: each is complete in itself.

/** Subscribes with the worker that the page has, or with `serviceWorker`. */
async function subscribeInPage({ applicationServerKey, serviceWorker, userVisibleOnly = true }) {
  if (serviceWorker) await navigator.serviceWorker.register(serviceWorker);
  const { pushManager } = await navigator.serviceWorker.ready;
  return (await pushManager.subscribe({ userVisibleOnly, applicationServerKey })).toJSON();
}

async function subscriptionInPage() {
  const { pushManager } = await navigator.serviceWorker.ready;
  return (await pushManager.getSubscription())?.toJSON() ?? null;
}
