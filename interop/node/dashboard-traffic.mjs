// Traffic for the dashboard: agents that receive events and acknowledge, one that does not, one that is away, and a
// sender that pushes to all of them, and occasionally to an unknown URL.

import { Buffer } from 'node:buffer';

const BODY = Buffer.alloc(400, 'x');

/** Traffic to a service until it is stopped. */
export class Traffic {
  #origin; #pushes = []; #stop = new AbortController(); #running;
  /** The message that was accepted last. */
  last;

  constructor(origin) { this.#origin = origin; }

  async start() {
    for (const acknowledges of [true, true, true, false]) await this.#agent(acknowledges);
    const [push] = await this.#subscribe();
    this.#pushes.push(push);
    this.#running = this.#send();
  }

  async stop() {
    this.#stop.abort();
    await this.#running;
  }

  async #subscribe() {
    const answer = await fetch(`${this.#origin}/subscribe`, { method: 'POST' });
    const push = /<([^>]+)>; *rel="urn:ietf:params:push"/.exec(answer.headers.get('link'))[1];
    return [new URL(push, this.#origin).href, answer.headers.get('location')];
  }

  async #agent(acknowledges) {
    const [push, subscription] = await this.#subscribe();
    const { signal } = this.#stop;
    const events = await fetch(subscription, { headers: { accept: 'text/event-stream' }, signal });
    this.#pushes.push(push);
    this.#listen(events, acknowledges).catch(() => {}); // it ends when it is stopped
  }

  async #listen(events, acknowledges) {
    let rest = '';
    for await (const part of events.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + part).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (!acknowledges || !line.startsWith('data:')) continue;
        await fetch(JSON.parse(line.slice(5)).url, { method: 'DELETE' });
      }
    }
  }

  async #send() {
    for (let round = 0; !this.#stop.signal.aborted; round += 1) {
      // Three of four messages are for those that acknowledge; the rate goes up and down.
      const to = round % 40 === 39 ? this.#pushes[3 + (Math.floor(round / 40) % 2)] : this.#pushes[round % 3];
      const headers = { ttl: '3600', 'content-encoding': 'aes128gcm' };
      const answer = await fetch(to, { method: 'POST', headers, body: BODY });
      this.last = answer.headers.get('location') ?? this.last;
      if (round % 25 === 0) await fetch(`${this.#origin}/push/nobody`, { method: 'POST', headers, body: BODY });
      if (round % 60 === 0) await fetch(to, { method: 'POST', body: BODY });
      await new Promise((done) => setTimeout(done, 25 + 20 * Math.sin(round / 150)));
    }
  }
}
