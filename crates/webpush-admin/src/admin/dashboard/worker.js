// Gets the push of an attempt, and tells the page what was in it.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(pushed(event.data?.text() ?? "")));

async function pushed(text) {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  for (const page of pages) page.postMessage({ pushed: text });
  // A browser wants every push to be seen.
  await self.registration.showNotification("webpush-server", { body: text, tag: "try-it" });
}
