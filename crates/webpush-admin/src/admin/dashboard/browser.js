// The browser as the agent of a self-test: subscribes with a service worker, if this server is its push service.

const WORKER = "/dashboard/worker.js";

/** Returns a subscription and a function that ends it, or the reason there is none. Reports each step. */
export async function subscribeHere(report) {
  if (!window.isSecureContext || !("serviceWorker" in navigator) || !("PushManager" in window)) {
    return { reason: "the Push API needs https or a loopback address." };
  }
  if ((await Notification.requestPermission()) !== "granted") {
    return { reason: "notifications are not allowed for this page." };
  }
  report("permitted", "notifications");
  let registration, subscription;
  try {
    registration = await navigator.serviceWorker.register(WORKER);
    await active(registration);
    subscription = await registration.pushManager.subscribe({ userVisibleOnly: true });
  } catch (error) {
    await registration?.unregister();
    return { reason: `subscribing failed (${error.message.replace(/\.$/, "")}).` };
  }
  report("subscribed", "at the push service of this browser");
  const onMessage = (event) => {
    if (event.data?.pushed != null) report("received", `and decrypted: ${event.data.pushed}`);
  };
  navigator.serviceWorker.addEventListener("message", onMessage);
  navigator.serviceWorker.startMessages();
  const leave = async () => {
    navigator.serviceWorker.removeEventListener("message", onMessage);
    await subscription.unsubscribe();
    await registration.unregister();
  };
  const { origin } = new URL(subscription.endpoint);
  // The public URL may have a path.
  const own = new URL(document.getElementById("origin").textContent).origin;
  if (origin !== own) {
    await leave();
    return { reason: `it receives its pushes from ${origin}, not from ${own} (to change that, see docs/firefox.md).` };
  }
  return { subscription: subscription.toJSON(), leave };
}

function active(registration) {
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  if (worker.state === "activated") return Promise.resolve();
  return new Promise((done) => {
    worker.addEventListener("statechange", () => { if (worker.state === "activated") done(); });
  });
}
