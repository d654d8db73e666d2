//! Decides which requests are for this server.

use super::head::ProxyRequest;
use crate::vendor::Vendor;
use std::net::IpAddr;

/// The port of `https` URLs, where push services listen.
const HTTPS_PORT: u16 = 443;

/// The host names for which the proxy answers, in addition to those of vendors.
#[derive(Clone, Debug, Default)]
pub struct HostRules {
    own_names: Vec<String>,
}

/// A decision about a request. It holds no address, because there is only one to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// To the TLS listener of this process.
    Forward,
    /// Nowhere.
    Refuse,
}

impl HostRules {
    /// Creates rules for a server with these names, besides `localhost` and loopback addresses.
    #[must_use]
    pub fn new(own_names: &[String]) -> Self {
        Self { own_names: own_names.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Decides about a request. `https_port` is the port of the TLS listener.
    ///
    /// Only `CONNECT` is forwarded: port 443 of a vendor's push service, and the listener itself.
    pub(super) fn decide(&self, head: &ProxyRequest, https_port: u16) -> Decision {
        let ProxyRequest { method, host, port } = head;
        let is_vendor = *port == HTTPS_PORT && Vendor::from_host(host).is_some();
        let is_listener = *port == https_port && self.is_own(host);
        if method == "CONNECT" && (is_vendor || is_listener) { Decision::Forward } else { Decision::Refuse }
    }

    fn is_own(&self, host: &str) -> bool {
        host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.own_names.iter().any(|name| name == host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwards(method: &str, host: &str, port: u16) -> bool {
        let head = ProxyRequest { method: method.to_owned(), host: host.to_owned(), port };
        HostRules::new(&["Push".to_owned()]).decide(&head, 40002) == Decision::Forward
    }

    #[test]
    fn vendors_on_port_443_and_the_listener_itself_are_forwarded() {
        for host in [
            "fcm.googleapis.com",
            "jmt17.google.com",
            "updates.push.services.mozilla.com",
            "web.push.apple.com",
            "wns2-par02p.notify.windows.com",
        ] {
            assert!(forwards("CONNECT", host, 443), "{host}");
            assert!(!forwards("CONNECT", host, 40002) && !forwards("CONNECT", host, 80), "{host}");
            assert!(!forwards("GET", host, 443) && !forwards("connect", host, 443), "{host}");
        }
        for host in ["localhost", "127.0.0.1", "127.0.0.2", "::1", "push"] {
            assert!(forwards("CONNECT", host, 40002), "{host}");
            assert!(!forwards("CONNECT", host, 443) && !forwards("CONNECT", host, 40001), "{host}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for host in [
            "example.org",
            "google.com",
            "www.googleapis.com",
            "fcm.googleapis.com.example.org",
            "xfcm.googleapis.com",
            "evil-push.apple.com.example.org",
            "push.apple.com",
            "jmt.google.com",
            "2130706433",
            "0x7f000001",
            "127.1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "169.254.169.254",
        ] {
            assert!(!forwards("CONNECT", host, 443) && !forwards("CONNECT", host, 40002), "{host}");
        }
    }
}
