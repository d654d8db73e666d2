// Receives the push of a self-test and passes its text to the dashboard.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(pushed(event.data?.text() ?? "")));

async function pushed(text) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) page.postMessage({ pushed: text });
  // userVisibleOnly: every push must show a notification.
  await self.registration.showNotification("webpush-server", { body: text, tag: "try-it" });
}
