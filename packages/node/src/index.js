export { findProgram } from './program.js';
export { prepareChromiumProfile } from './chromium-profile.js';
export { ControlError, Namespace, WaitTimeoutError } from './namespace.js';
export { DevServer, start } from './server.js';
