// A web site whose service worker shows what is pushed to it, and subscribes again when its subscription is rotated: with
// the key in its URL.

import { once } from 'node:events';
import http from 'node:http';

const WORKER = `
self.addEventListener('push', (event) => event.waitUntil(self.registration.showNotification(event.data.text())));
self.addEventListener('pushsubscriptionchange', (event) => {
  const applicationServerKey = new URL(self.location).searchParams.get('key');
  event.waitUntil(self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey }));
});
`;

export async function openSite() {
  const server = http.createServer((request, response) => {
    const isWorker = request.url.startsWith('/worker.js');
    response.setHeader('content-type', isWorker ? 'text/javascript' : 'text/html');
    response.end(isWorker ? WORKER : '<!doctype html><title>a page</title>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://localhost:${server.address().port}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
