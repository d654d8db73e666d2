// Sends one message with npm web-push, and prints the status.

import webPush from 'web-push';

const { subscription, text, vapid, options } = JSON.parse(process.argv[2]);
const vapidDetails = { subject: 'mailto:test@example.net', ...vapid };
const answer = await webPush
  .sendNotification(subscription, text, { vapidDetails, TTL: 600, ...options })
  .catch((error) => error);
process.stdout.write(JSON.stringify({ status: answer.statusCode, message: answer.statusCode ? undefined : answer.message }));
