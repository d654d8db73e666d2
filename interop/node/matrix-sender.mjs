// A sender of the matrix: npm `web-push`, requesting a receipt.
//
//     matrix-sender.mjs CODING SUBSCRIPTION TEXT [RECEIPTS]    prints {"status":…,"message":…,"receipt":…}
//
// SUBSCRIPTION is a file; RECEIPTS is a receipt subscription to reuse.

import { readFileSync } from 'node:fs';
import webPush from 'web-push';
import { RECEIPT, links } from './lib.mjs';

const [contentEncoding, file, text, receipts] = process.argv.slice(2);
const { publicKey, privateKey } = webPush.generateVAPIDKeys();
try {
  const { statusCode, headers } = await webPush.sendNotification(JSON.parse(readFileSync(file, 'utf8')), text, {
    TTL: 60,
    timeout: 10_000,
    contentEncoding,
    vapidDetails: { subject: 'mailto:interop@example.com', publicKey, privateKey },
    headers: { Prefer: 'respond-async', ...(receipts && { Link: `<${receipts}>; rel="${RECEIPT}"` }) },
  });
  const receipt = links(headers).get(RECEIPT);
  console.log(JSON.stringify({ status: statusCode, message: headers.location, receipt }));
} catch (error) {
  console.error(`${error.message} ${error.statusCode ?? ''} ${error.body ?? ''}`);
  process.exitCode = 1;
}
