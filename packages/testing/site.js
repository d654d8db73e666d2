// A web site whose service worker shows what is pushed to it.

import { once } from 'node:events';
import http from 'node:http';

const WORKER = `
self.addEventListener('push', (event) => event.waitUntil(self.registration.showNotification(event.data.text())));
`;

export async function openSite() {
  const server = http.createServer((request, response) => {
    const isWorker = request.url === '/worker.js';
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
