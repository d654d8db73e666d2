// A web site on http://localhost, which browsers trust like https: its service worker reports here what is pushed to it.

import { once } from 'node:events';
import http from 'node:http';
import { Queue } from './checks.mjs';

const PAGE = '<!doctype html><title>a page that wants pushes</title>';

/** Chromium shows a notification of its own for a push event that shows none. */
const NOTIFY = "self.registration.showNotification('a push').catch(() => {})";

/** Reports go one after the other, so that they come here in the order of the events. */
const worker = (notify) => `
let reported = Promise.resolve();
self.addEventListener('push', (event) => {
  const body = event.data ? event.data.text() : '';
  reported = reported.then(() => fetch('/pushed', { method: 'POST', body }));
  event.waitUntil(Promise.all([reported, ${notify ? NOTIFY : ''}]));
});
`;

export class Site {
  #server = http.createServer((request, response) => this.#answer(request, response));
  #port;
  #worker;
  /** The texts that were pushed, in order. */
  pushed = new Queue();

  /** On a port; 0 lets the system choose one. Its worker may show notifications. */
  constructor(port = 0, { notify = false } = {}) {
    this.#port = port;
    this.#worker = worker(notify);
  }

  async open() {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://localhost:${this.#server.address().port}/`;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request, response) {
    if (request.url === '/pushed') {
      let text = '';
      for await (const chunk of request.setEncoding('utf8')) text += chunk;
      this.pushed.put(text);
      response.writeHead(204).end();
    } else if (request.url === '/worker.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(this.#worker);
    } else {
      response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    }
  }
}
