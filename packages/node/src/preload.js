// node --import @webpush-server/dev/preload: does what NODE_USE_ENV_PROXY=1 does in newer versions of Node.

import { installProxy } from './proxy.js';

/** Node 24.5 and 22.21 read the variables themselves. */
function isBuiltIn() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const has = major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21);
  return has && process.env.NODE_USE_ENV_PROXY === '1';
}

const { HTTPS_PROXY, https_proxy: lowercase, NO_PROXY, no_proxy: lowercaseExceptions } = process.env;
const proxy = lowercase || HTTPS_PROXY;
if (proxy && !isBuiltIn()) installProxy(proxy, { noProxy: lowercaseExceptions || NO_PROXY });
