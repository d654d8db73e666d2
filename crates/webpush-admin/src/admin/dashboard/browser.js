// This browser as the agent of an attempt: its page subscribes with a worker, if the push service of the browser is the
// one that this page is about.

const WORKER = "/dashboard/worker.js";

/** A subscription and how to end it, or why there is none. */
export async function subscribeHere(told) {
  if (!window.isSecureContext || !("serviceWorker" in navigator) || !("PushManager" in window)) {
    return { why: "it offers no push to this page, which needs https or an address of this machine." };
  }
  if ((await Notification.requestPermission()) !== "granted") {
    return { why: "notifications are not permitted for this page." };
  }
  told("permitted", "notifications of this page");
  let registration, subscription;
  try {
    registration = await navigator.serviceWorker.register(WORKER);
    await active(registration);
    subscription = await registration.pushManager.subscribe({ userVisibleOnly: true });
  } catch (error) {
    await registration?.unregister();
    return { why: `it could not subscribe (${error.message.replace(/\.$/, "")}).` };
  }
  told("subscribed", "at the push service of this browser");
  const heard = (event) => {
    if (event.data?.pushed != null) told("received", `and decrypted: ${event.data.pushed}`);
  };
  navigator.serviceWorker.addEventListener("message", heard);
  navigator.serviceWorker.startMessages();
  const leave = async () => {
    navigator.serviceWorker.removeEventListener("message", heard);
    await subscription.unsubscribe();
    await registration.unregister();
  };
  const { origin } = new URL(subscription.endpoint);
  const ours = document.getElementById("origin").textContent;
  if (origin !== ours) {
    await leave();
    return { why: `it takes its pushes from ${origin}, not from ${ours} (docs/firefox.md says how to change that).` };
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
