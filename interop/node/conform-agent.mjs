// A subject of `webpush-server conform agent`: Firefox ESR as it is packaged.

import { Profile } from './firefox-profile.mjs';
import { ApplicationServer } from './firefox-push.mjs';
import { told } from './checks.mjs';

/** Notifications for each new channel. */
const NOTIFICATIONS = 3;

const origin = new URL(told('WEBPUSH_CONFORM_WS')).origin.replace(/^ws/, 'http');
const firefox = new Profile({ origin });

/** Firefox acknowledges a notification when its service worker has handled it. */
async function receive() {
  for (let left = NOTIFICATIONS; left > 0; left -= 1) await firefox.next();
}

try {
  await firefox.start();
  await firefox.connected();
  await firefox.subscribe(new ApplicationServer().publicKey);
  await receive();
  // The service has closed the connection.
  await firefox.connected();
  await firefox.unsubscribe();
  await firefox.subscribe(new ApplicationServer().publicKey);
  await receive();
  await firefox.stop();
} catch (error) {
  console.log(error);
  process.exitCode = 1;
} finally {
  firefox.kill();
}
// Pending waits after a failure must not keep the script alive.
process.exit();
