//! Check-in, registration and MCS of Chromium. `interop/node/chromium.mjs` has the real one.

mod delivery;
mod device;
mod registration;

use crate::support::Server;

/// Starts a server for Chromium, without TLS.
fn start(args: &[&str]) -> Server {
    Server::start_with(&[&["--chromium", "127.0.0.1:0", "--plaintext"], args].concat())
}
