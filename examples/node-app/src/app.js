// The HTTP server: pages, subscribing, and announcements.

import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { isAllowed } from './push-services.js';

const FILES = {
  '/': ['index.html', 'text/html'],
  '/page.js': ['page.js', 'text/javascript'],
  '/worker.js': ['worker.js', 'text/javascript'],
};

export function createApp({ list, sender, publicKey }) {
  const routes = {
    'GET /key': (_, response) => sendJson(response, 200, { publicKey }),

    'POST /subscriptions': async (request, response) => {
      const subscription = await readJson(request);
      if (!isAllowed(subscription.endpoint)) return sendJson(response, 400, { error: 'not a known push service' });
      list.add(subscription);
      return sendJson(response, 201, {});
    },

    'GET /subscriptions': (_, response) => sendJson(response, 200, { count: list.all().length }),

    'POST /announcements': async (request, response) => {
      const { text, topic, ttl } = await readJson(request);
      await sender.sendToAll({ text, topic, ttl });
      sendJson(response, 202, {});
    },
  };

  return http.createServer(async (request, response) => {
    const route = routes[`${request.method} ${request.url}`];
    try {
      if (route) await route(request, response);
      else await sendFile(request, response);
    } catch (error) {
      console.error(error);
      sendJson(response, 500, { error: 'internal error' });
    }
  });
}

async function readJson(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function sendJson(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

async function sendFile({ url }, response) {
  if (!FILES[url]) return sendJson(response, 404, { error: 'not found' });
  const [name, type] = FILES[url];
  const content = await readFile(new URL(`../public/${name}`, import.meta.url));
  return response.writeHead(200, { 'content-type': type }).end(content);
}
