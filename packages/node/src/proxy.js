// Sends the https requests of this process through an HTTP proxy: for Node without NODE_USE_ENV_PROXY.

import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import tls from 'node:tls';

const DISPATCHER = Symbol.for('undici.globalDispatcher.1');

/**
 * Returns a function that says whether a host is reached without the proxy, by the rules of `NO_PROXY`: names separated
 * by commas, each of which includes its subdomains; `*` is all.
 *
 * @param {string} [list]
 */
export function bypass(list = '') {
  const names = list.split(',').map((name) => name.trim().toLowerCase().replace(/^\*?\./, '')).filter(Boolean);
  return (host) => {
    const bare = host.toLowerCase().replace(/^\[|\]$/g, '');
    return names.some((name) => name === '*' || bare === name || bare.endsWith(`.${name}`));
  };
}

/**
 * Opens a TLS connection through the proxy.
 *
 * @param {URL} proxy
 * @param {import('node:tls').ConnectionOptions & { host: string, port: number | string }} options
 * @param {(error: Error | null, socket?: import('node:tls').TLSSocket) => void} callback
 */
function connectThrough(proxy, options, callback) {
  const target = `${net.isIPv6(options.host) ? `[${options.host}]` : options.host}:${options.port || 443}`;
  const request = http.request({
    agent: false,
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || 80,
    method: 'CONNECT',
    path: target,
    headers: { host: target },
  });
  request.once('error', callback);
  // Any status but 2xx is a response with a body, which Node also gives to `connect`.
  request.once('connect', (response, socket, head) => {
    if (response.statusCode !== 200) {
      const reason = Buffer.from(head).toString().trim();
      socket.destroy();
      callback(new Error(`the proxy refused ${target}: ${response.statusCode}${reason ? ` (${reason})` : ''}`));
      return;
    }
    const secure = tls.connect({ ...options, socket, servername: options.servername || options.host });
    secure.once('error', callback);
    secure.once('secureConnect', () => {
      secure.off('error', callback);
      callback(null, secure);
    });
  });
  request.end();
}

class ProxyAgent extends https.Agent {
  #proxy;
  #isDirect;

  constructor(proxy, isDirect, authority) {
    super({ keepAlive: true, ...authority });
    this.#proxy = proxy;
    this.#isDirect = isDirect;
  }

  createConnection(options, callback) {
    if (this.#isDirect(options.host)) return super.createConnection(options, callback);
    connectThrough(this.#proxy, options, callback);
    return undefined;
  }
}

/**
 * Makes the default agent of `node:https` and the global `fetch` use a proxy. Requests with an agent or dispatcher of
 * their own do not change.
 *
 * @param {string} address
 * @param {{ noProxy?: string, ca?: string }} [options] `ca`: a certificate authority to trust as well
 * @returns {() => void} sets back what it was
 */
export function installProxy(address, { noProxy, ca } = {}) {
  const proxy = new URL(address);
  const isDirect = bypass(noProxy);
  const authority = ca && { ca: [...tls.rootCertificates, ca] };
  const agent = https.globalAgent;
  https.globalAgent = new ProxyAgent(proxy, isDirect, authority);
  const restoreFetch = installFetch(proxy, isDirect, authority);
  return () => {
    https.globalAgent = agent;
    restoreFetch();
  };
}

/** Node's own undici cannot be imported, but its default dispatcher is public, and so is the class of that. */
function installFetch(proxy, isDirect, authority) {
  // The first use of a fetch class loads undici, which sets the dispatcher.
  new Request('http://localhost/');
  const dispatcher = globalThis[DISPATCHER];
  globalThis[DISPATCHER] = new dispatcher.constructor({
    connect({ hostname, port, protocol, servername }, callback) {
      const isSecure = protocol === 'https:';
      const host = hostname.replace(/^\[|\]$/g, '');
      const target = { ...authority, host, port: port || (isSecure ? 443 : 80) };
      if (isSecure && !isDirect(host)) {
        connectThrough(proxy, { ...target, servername, ALPNProtocols: ['http/1.1'] }, callback);
        return;
      }
      const name = servername || (net.isIP(host) ? undefined : host);
      const socket = isSecure ? tls.connect({ ...target, servername: name }) : net.connect(target);
      socket.once('error', callback);
      socket.once(isSecure ? 'secureConnect' : 'connect', () => {
        socket.off('error', callback);
        callback(null, socket);
      });
    },
  });
  return () => {
    globalThis[DISPATCHER] = dispatcher;
  };
}
