import { WaitTimeoutError } from '@webpush-server/dev';

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
      await push.waitForMessage({ ...filter, state: 'delivered', timeout: timeout ?? this.timeout });
      return { name, pass: true, message: () => '' };
    } catch (error) {
      if (!(error instanceof WaitTimeoutError)) throw error;
      return { name, pass: false, message: () => error.message };
    }
  },
};
