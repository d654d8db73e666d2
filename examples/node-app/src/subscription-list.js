// The subscriptions, in a file.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export class SubscriptionList {
  #file;
  #subscriptions;

  constructor(file) {
    this.#file = file;
    const stored = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
    this.#subscriptions = new Map(stored.map((subscription) => [subscription.endpoint, subscription]));
  }

  all() {
    return [...this.#subscriptions.values()];
  }

  add(subscription) {
    this.#subscriptions.set(subscription.endpoint, subscription);
    this.#save();
  }

  remove({ endpoint }) {
    this.#subscriptions.delete(endpoint);
    this.#save();
  }

  #save() {
    writeFileSync(this.#file, JSON.stringify(this.all()));
  }
}
