// Requests to the control API. By node:http rather than `fetch`, which tests replace and proxies apply to.

import { Agent, request } from 'node:http';

const agent = new Agent({ keepAlive: true });

/** A response of the control API that is not a success. */
export class ControlError extends Error {
  /**
   * @param {string} message
   * @param {number} status
   */
  constructor(message, status) {
    super(message);
    this.name = 'ControlError';
    this.status = status;
  }
}

/**
 * Sends a request and returns the decoded body: JSON, or `undefined` if there is none.
 *
 * @param {string} method
 * @param {string} url
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function call(method, url, body) {
  const { status, text } = await exchange(method, url, body === undefined ? undefined : JSON.stringify(body));
  const decoded = decode(text);
  if (status >= 200 && status < 300) return decoded;
  throw new ControlError(`${method} ${url} returned ${status}: ${decoded?.error ?? text}`, status);
}

function decode(text) {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function exchange(method, url, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request(url, { method, agent, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
    });
    outgoing.on('error', (error) => reject(new Error(`cannot reach webpush-server dev at ${url}: ${error.message}`)));
    outgoing.end(body);
  });
}
