//! The ready line: all that a test set-up needs, as one JSON object.

use crate::service_name::ServiceName;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Hosts that clients reach without the proxy.
const NO_PROXY: &str = "localhost,127.0.0.1,::1";

/// The host of the certificate, for clients on this machine.
pub(crate) const LOCALHOST: &str = "localhost";

/// Where a server listens, and the certificate that it shows.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The port without TLS.
    pub http_port: u16,
    /// The host with TLS, for which the certificate is.
    pub tls_host: String,
    /// The port with TLS.
    pub https_port: u16,
    /// The port of the proxy.
    pub proxy_port: u16,
    /// The port of MCS, for Chromium.
    pub mcs_port: u16,
    /// The address of the origin and the proxy, as it stands in a URL.
    pub host: String,
    /// The certificate of the authority.
    pub ca_file: PathBuf,
    /// The same as a trust store of Java.
    pub java_trust_store: PathBuf,
    /// SHA-256 of the public key of the certificate, in base64.
    pub spki_sha256: String,
}

/// The ready line.
#[derive(Serialize)]
struct ReadyLine {
    origin: String,
    ws: String,
    https: String,
    ca: String,
    proxy: String,
    mcs: String,
    control: String,
    firefox_prefs: Map<String, Value>,
    chromium_args: [String; 4],
    env: BTreeMap<&'static str, String>,
    version: &'static str,
    pid: u32,
}

impl Addresses {
    /// Returns the ready line, without a line break.
    ///
    /// # Errors
    /// Never in practice: all members can be serialized.
    pub(crate) fn ready_line(&self) -> serde_json::Result<String> {
        serde_json::to_string(&ReadyLine {
            origin: self.origin(),
            ws: self.websocket(),
            https: self.https(),
            ca: self.ca_file.display().to_string(),
            proxy: self.proxy(),
            mcs: self.mcs(),
            control: format!("{}/dev", self.origin()),
            firefox_prefs: self.firefox_preferences(),
            chromium_args: self.chromium_arguments(),
            env: self.environment(),
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
        })
    }

    /// Returns the addresses for a client that reached this server by one of its names.
    pub(crate) fn seen_from(&self, host: &str, names: &[String]) -> Self {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(host)) {
            return self.clone();
        }
        Self { host: host.to_owned(), tls_host: host.to_owned(), ..self.clone() }
    }

    /// Returns the variables for application servers.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        let (ca, proxy) = (self.ca_file.display().to_string(), self.proxy());
        let is_local = self.tls_host == LOCALHOST;
        let no_proxy = if is_local { NO_PROXY.to_owned() } else { format!("{NO_PROXY},{}", self.tls_host) };
        BTreeMap::from([
            ("HTTPS_PROXY", proxy.clone()),
            ("https_proxy", proxy),
            ("NO_PROXY", no_proxy.clone()),
            ("no_proxy", no_proxy),
            ("NODE_USE_ENV_PROXY", "1".to_owned()),
            ("NODE_EXTRA_CA_CERTS", ca.clone()),
            ("REQUESTS_CA_BUNDLE", ca.clone()),
            ("CURL_CA_BUNDLE", ca.clone()),
            ("SSL_CERT_FILE", ca),
            ("JAVA_TOOL_OPTIONS", self.java_options()),
        ])
    }

    /// Returns the variables as commands of a shell.
    pub(crate) fn exports(&self) -> String {
        let quoted = |value: &str| value.replace('\'', r"'\''");
        let line = |(name, value): (&str, String)| format!("export {name}='{}'\n", quoted(&value));
        self.environment().into_iter().map(line).collect()
    }

    /// Returns the push URL with a token, in the form of a service.
    pub(crate) fn endpoint(&self, service: ServiceName, token: &str) -> String {
        match service {
            ServiceName::Local => format!("{}/push/{token}", self.origin()),
            ServiceName::Https => format!("{}/push/{token}", self.https()),
            ServiceName::Vendor(vendor) => vendor.endpoint(token),
        }
    }

    /// Returns the origins of this server, besides the first.
    pub(crate) fn other_origins(&self, names: &[String]) -> Vec<String> {
        let hosts = [LOCALHOST, "127.0.0.1", "[::1]"].into_iter().chain(names.iter().map(String::as_str));
        let ports = [("http", self.http_port), ("https", self.https_port)];
        hosts.flat_map(|host| ports.map(|(scheme, port)| format!("{scheme}://{host}:{port}"))).collect()
    }

    fn java_options(&self) -> String {
        let Self { host, proxy_port, java_trust_store, .. } = self;
        format!(
            "-Dhttps.proxyHost={host} -Dhttps.proxyPort={proxy_port} \"-Djavax.net.ssl.trustStore={}\" \
             -Djavax.net.ssl.trustStoreType=PKCS12",
            java_trust_store.display()
        )
    }

    /// Returns true if a request that names this port, or none, came with TLS.
    pub(crate) fn is_https(&self, port: Option<u16>) -> bool {
        match port {
            Some(port) => port == self.https_port,
            // The default port of one of both schemes (RFC 9110 §4.2).
            None => self.http_port != 80,
        }
    }

    /// Returns the origin without TLS.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}:{}", self.host, self.http_port)
    }

    fn websocket(&self) -> String {
        format!("ws://{}:{}/", self.host, self.http_port)
    }

    fn https(&self) -> String {
        format!("https://{}:{}", self.tls_host, self.https_port)
    }

    fn proxy(&self) -> String {
        format!("http://{}:{}", self.host, self.proxy_port)
    }

    fn mcs(&self) -> String {
        format!("https://{}:{}", self.tls_host, self.mcs_port)
    }

    fn firefox_preferences(&self) -> Map<String, Value> {
        let preferences = json!({
            "dom.push.serverURL": self.websocket(),
            "dom.push.connection.enabled": true,
            "dom.push.testing.allowInsecureServerURL": true,
            // There is nobody to answer the prompt.
            "permissions.default.desktop-notification": 1,
            "dom.push.testing.ignorePermission": true,
            // Without a desktop, the system's notifications fail.
            "alerts.useSystemBackend": false,
            // Those that Firefox recommends for automation turn push off.
            "remote.prefs.recommended": false,
        });
        match preferences {
            Value::Object(preferences) => preferences,
            _ => Map::new(),
        }
    }

    fn chromium_arguments(&self) -> [String; 4] {
        [
            format!("--gcm-checkin-url={}/chromium/checkin", self.origin()),
            format!("--gcm-registration-url={}/chromium/register", self.origin()),
            format!("--gcm-mcs-endpoint={}", self.mcs()),
            format!("--ignore-certificate-errors-spki-list={}", self.spki_sha256),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses {
        Addresses {
            http_port: 1001,
            tls_host: LOCALHOST.into(),
            https_port: 1002,
            proxy_port: 1003,
            mcs_port: 1004,
            host: "127.0.0.1".into(),
            ca_file: "/tmp/it's/ca.pem".into(),
            java_trust_store: "/tmp/ca.p12".into(),
            spki_sha256: "AAAA".into(),
        }
    }

    #[test]
    fn the_ready_line_is_one_line_with_all_members() {
        let line = addresses().ready_line().unwrap();
        assert!(!line.contains('\n'));
        let ready: Value = serde_json::from_str(&line).unwrap();
        for (member, expected) in [
            ("origin", "http://127.0.0.1:1001"),
            ("ws", "ws://127.0.0.1:1001/"),
            ("https", "https://localhost:1002"),
            ("proxy", "http://127.0.0.1:1003"),
            ("mcs", "https://localhost:1004"),
            ("control", "http://127.0.0.1:1001/dev"),
        ] {
            assert_eq!(ready[member], expected);
        }
        assert_eq!(ready["chromium_args"][2], "--gcm-mcs-endpoint=https://localhost:1004");
        assert_eq!(ready["firefox_prefs"]["dom.push.serverURL"], "ws://127.0.0.1:1001/");
        assert_eq!(ready["env"]["NODE_EXTRA_CA_CERTS"], "/tmp/it's/ca.pem");
    }

    #[test]
    fn another_container_sees_its_name_for_this_server() {
        let names = ["push".to_owned()];
        let seen = addresses().seen_from("push", &names);
        let ready: Value = serde_json::from_str(&seen.ready_line().unwrap()).unwrap();
        assert_eq!(
            (&ready["origin"], &ready["https"]),
            (&"http://push:1001".into(), &"https://push:1002".into())
        );
        assert_eq!(ready["env"]["HTTPS_PROXY"], "http://push:1003");
        assert_eq!(ready["env"]["NO_PROXY"], "localhost,127.0.0.1,::1,push");
        assert_eq!(addresses().seen_from("elsewhere", &names).origin(), addresses().origin());
        assert!(addresses().other_origins(&names).contains(&"https://push:1002".to_owned()));
    }

    #[test]
    fn exports_are_quoted() {
        let exports = addresses().exports();
        assert!(exports.contains("export SSL_CERT_FILE='/tmp/it'\\''s/ca.pem'\n"), "{exports}");
    }

    #[test]
    fn endpoints_look_like_those_of_their_service() {
        let endpoint = |service| addresses().endpoint(service, "t");
        assert_eq!(endpoint(ServiceName::Local), "http://127.0.0.1:1001/push/t");
        assert_eq!(endpoint(ServiceName::Https), "https://localhost:1002/push/t");
        let is_https = |port| addresses().is_https(port);
        assert!(is_https(Some(1002)) && is_https(None) && !is_https(Some(1001)));
    }
}
