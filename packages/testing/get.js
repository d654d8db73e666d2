// Gets URLs with node:https and with fetch, and prints the status or the message of the error for each.

import { get } from 'node:https';

const byHttps = (url) =>
  new Promise((resolve) => {
    const request = get(url, (response) => resolve(response.resume().statusCode));
    request.on('error', (error) => resolve(error.message));
  });

const byFetch = (url) =>
  fetch(url).then(
    (response) => response.status,
    (error) => error.cause?.message ?? error.message,
  );

const results = [];
for (const url of JSON.parse(process.argv[2])) results.push({ https: await byHttps(url), fetch: await byFetch(url) });
process.stdout.write(JSON.stringify(results));
