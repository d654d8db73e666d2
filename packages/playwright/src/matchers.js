import { WaitTimeoutError } from '@webpush-server/dev';

/** Chromium connects 3 s after its start, so the 5 s of other expectations are few. */
const SHORTEST_TIMEOUT_MS = 15_000;

export const matchers = {
  /** Waits until a message that matches is delivered. With `not`, looks once at what was delivered until now. */
  async toHaveDelivered(push, filter = {}, { timeout } = {}) {
    const name = 'toHaveDelivered';
    if (this.isNot) {
      const delivered = await push.messages({ ...filter, state: 'delivered' });
      const list = delivered.map(({ number, topic }) => `#${number}${topic ? ` topic=${topic}` : ''}`).join(', ');
      return { name, pass: delivered.length > 0, message: () => `expected no such delivered message, found ${list}` };
    }
    try {
      await push.waitForMessage({ ...filter, state: 'delivered', timeout: timeout ?? Math.max(this.timeout, SHORTEST_TIMEOUT_MS) });
      return { name, pass: true, message: () => '' };
    } catch (error) {
      if (!(error instanceof WaitTimeoutError)) throw error;
      return { name, pass: false, message: () => error.message };
    }
  },
};
