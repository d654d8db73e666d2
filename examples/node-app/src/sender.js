// Sends announcements to all subscriptions.

import webPush from 'web-push';

const HOUR_S = 3600;
const MAX_ATTEMPTS = 3;
const DEFAULT_RETRY_S = 30;

export class Sender {
  #list;
  #vapidDetails;

  constructor(list, vapidDetails) {
    this.#list = list;
    this.#vapidDetails = vapidDetails;
  }

  async sendToAll(announcement) {
    await Promise.all(this.#list.all().map((subscription) => this.#send(subscription, announcement, 1)));
  }

  async #send(subscription, announcement, attempt) {
    const { text, topic, ttl = HOUR_S } = announcement;
    try {
      await webPush.sendNotification(subscription, text, { vapidDetails: this.#vapidDetails, TTL: ttl, topic });
    } catch (error) {
      const { statusCode, headers } = error;
      if (statusCode === 404 || statusCode === 410) {
        this.#list.remove(subscription);
      } else if ((statusCode === 429 || statusCode >= 500) && attempt < MAX_ATTEMPTS) {
        const seconds = Number(headers['retry-after'] ?? DEFAULT_RETRY_S);
        setTimeout(() => this.#send(subscription, announcement, attempt + 1), seconds * 1000);
      } else {
        console.error(`cannot send to ${new URL(subscription.endpoint).host}: ${statusCode ?? error.message}`);
      }
    }
  }
}
