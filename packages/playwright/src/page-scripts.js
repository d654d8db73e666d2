// Functions that run in the page: each must be complete in itself.

/** Subscribes with the worker that the page has, or with `serviceWorker`. */
export async function subscribePage({ applicationServerKey, serviceWorker, userVisibleOnly = true }) {
  if (serviceWorker) await navigator.serviceWorker.register(serviceWorker);
  const { pushManager } = await navigator.serviceWorker.ready;
  return (await pushManager.subscribe({ userVisibleOnly, applicationServerKey })).toJSON();
}

export async function currentSubscription() {
  const { pushManager } = await navigator.serviceWorker.ready;
  return (await pushManager.getSubscription())?.toJSON() ?? null;
}

export async function shownNotifications() {
  const registration = await navigator.serviceWorker.ready;
  const notifications = await registration.getNotifications();
  return notifications.map(({ title, body, tag, data }) => ({ title, body, tag, data }));
}
