// For a page of Playwright or Puppeteer: both have `evaluate`.

const DEFAULT_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** Subscribes a page, and adopts the subscription. Returns its JSON with `id`. */
export async function subscribe(page, { push, ...options }) {
  return adoptJson(push, await page.evaluate(subscribeInPage, options));
}

/** Adopts the subscription that a page has made itself. Returns its JSON with `id`, or null if the page has none. */
export async function subscriptionOf(page, { push }) {
  const json = await page.evaluate(subscriptionInPage);
  return json && adoptJson(push, json);
}

/** Waits until a page's service worker shows a notification whose title or body has a text; any if there is none. */
export async function waitForNotification(page, { text = '', timeout = DEFAULT_TIMEOUT_MS } = {}) {
  const end = Date.now() + timeout;
  for (;;) {
    const shown = await page.evaluate(notificationsInPage);
    const found = shown.find(({ title, body }) => title.includes(text) || body.includes(text));
    if (found) return found;
    if (Date.now() >= end) {
      throw new Error(`no notification with ${JSON.stringify(text)} in ${timeout} ms; shown: ${JSON.stringify(shown)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function adoptJson(push, json) {
  const { id } = await push.adopt(json.endpoint);
  return { ...json, id };
}

// These run in the page: each is complete in itself. Chromium compares its list of notifications with what is on the
// screen when the list is first used, and may then drop one that is just being shown. So the first two use it.

/** Subscribes with the worker that the page has, or with `serviceWorker`. */
async function subscribeInPage({ applicationServerKey, serviceWorker, userVisibleOnly = true }) {
  if (serviceWorker) await navigator.serviceWorker.register(serviceWorker);
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly, applicationServerKey });
  await registration.getNotifications();
  return subscription.toJSON();
}

async function subscriptionInPage() {
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.getSubscription();
  await registration.getNotifications();
  return subscription?.toJSON() ?? null;
}

async function notificationsInPage() {
  const registration = await navigator.serviceWorker.ready;
  const notifications = await registration.getNotifications();
  return notifications.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
}
