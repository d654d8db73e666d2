//! The list of cases: which script, over which transport, with which client programs.

use super::proxies::Proxy;
use super::server::Transport::{self, Plain, Tls};
use super::terminals::Stop;
use super::tool::Tool;

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) tools: &'static [Tool],
    pub(super) run: Run,
}

pub(super) enum Run {
    /// A script under `interop/`, against the shared server of a transport.
    Script { path: &'static str, transport: Transport, arguments: &'static [&'static str] },
    /// A script that starts and stops a server of its own.
    OwnServer { path: &'static str, transport: Transport },
    /// A script, with a proxy between it and a server of its own.
    Proxy(Proxy),
    /// A script that is the subject of `conform KIND`, and the requirements that it fails.
    Subject {
        kind: &'static str,
        path: &'static str,
        arguments: &'static [&'static str],
        failures: &'static [&'static str],
    },
    /// The server's own terminal clients, with a server that is stopped in the middle.
    Terminals(Stop),
}

const NGHTTP: &[Tool] = &[Tool::Nghttp, Tool::Python];
const NODE: &[Tool] = &[Tool::Node];
const NODE_PACKAGES: &[Tool] = &[Tool::Node, Tool::NodePackages];
const PYTHON_PACKAGES: &[Tool] = &[Tool::Python, Tool::PythonPackages];
const CURL: &[Tool] = &[Tool::Curl];
const FIREFOX: &[Tool] = &[Tool::Firefox, Tool::Node, Tool::NodePackages];
const FIREFOX_TLS: &[Tool] = &[Tool::Firefox, Tool::Certutil, Tool::Node, Tool::NodePackages];

const NGINX: &[Tool] = &[Tool::Nginx, Tool::Python, Tool::PythonPackages];
const HAPROXY: &[Tool] = &[Tool::Haproxy, Tool::Python, Tool::PythonPackages];
const CHROMIUM: &[Tool] = &[Tool::Chromium, Tool::Node, Tool::NodePackages];

const fn script(
    name: &'static str,
    tools: &'static [Tool],
    path: &'static str,
    transport: Transport,
) -> Case {
    Case { name, tools, run: Run::Script { path, transport, arguments: &[] } }
}

const fn curl(name: &'static str, transport: Transport, version: &'static [&'static str]) -> Case {
    Case { name, tools: CURL, run: Run::Script { path: "curl/statuses.sh", transport, arguments: version } }
}

const fn firefox(name: &'static str, tools: &'static [Tool], transport: Transport) -> Case {
    Case { name, tools, run: Run::OwnServer { path: "node/firefox.mjs", transport } }
}

const fn subject(
    name: &'static str,
    tools: &'static [Tool],
    (kind, path): (&'static str, &'static str),
    arguments: &'static [&'static str],
    failures: &'static [&'static str],
) -> Case {
    Case { name, tools, run: Run::Subject { kind, path, arguments, failures } }
}

const NODE_SENDER: (&str, &str) = ("sender", "node/conform-sender.mjs");
const PYTHON_SENDER: (&str, &str) = ("sender", "python/conform_sender.py");
const PYTHON_AGENT: (&str, &str) = ("agent", "python/conform_agent.py");
const FIREFOX_AGENT: (&str, &str) = ("agent", "node/conform-agent.mjs");

pub(super) const CASES: &[Case] = &[
    curl("curl-http1-plain", Plain, &["--http1.1"]),
    curl("curl-http2-plain", Plain, &["--http2-prior-knowledge"]),
    curl("curl-http1-tls", Tls, &["--http1.1"]),
    curl("curl-http2-tls", Tls, &["--http2"]),
    script("nghttp-plain", NGHTTP, "nghttp/monitor.py", Plain),
    script("nghttp-tls", NGHTTP, "nghttp/monitor.py", Tls),
    script("node-live-plain", NODE, "node/live.mjs", Plain),
    script("node-live-tls", NODE, "node/live.mjs", Tls),
    script("node-messages-plain", NODE, "node/messages.mjs", Plain),
    script("node-messages-tls", NODE, "node/messages.mjs", Tls),
    script("node-sets-plain", NODE, "node/sets.mjs", Plain),
    script("node-sets-tls", NODE, "node/sets.mjs", Tls),
    script("node-receipts-plain", NODE, "node/receipts.mjs", Plain),
    script("node-receipts-tls", NODE, "node/receipts.mjs", Tls),
    script("node-legacy-plain", NODE, "node/legacy.mjs", Plain),
    script("node-legacy-tls", NODE, "node/legacy.mjs", Tls),
    script("nghttp-legacy-plain", NGHTTP, "nghttp/legacy.py", Plain),
    script("nghttp-legacy-tls", NGHTTP, "nghttp/legacy.py", Tls),
    script("python-h2-monitor-plain", PYTHON_PACKAGES, "python/monitor.py", Plain),
    script("python-h2-monitor-tls", PYTHON_PACKAGES, "python/monitor.py", Tls),
    script("python-h2-refuse-plain", PYTHON_PACKAGES, "python/refuse.py", Plain),
    script("python-h2-refuse-tls", PYTHON_PACKAGES, "python/refuse.py", Tls),
    script("python-h2-limits-plain", PYTHON_PACKAGES, "python/limits.py", Plain),
    script("python-h2-limits-tls", PYTHON_PACKAGES, "python/limits.py", Tls),
    script("python-h2-floods-plain", PYTHON_PACKAGES, "python/floods.py", Plain),
    script("python-h2-floods-tls", PYTHON_PACKAGES, "python/floods.py", Tls),
    // Both libraries refuse endpoints without https, so these have no plain-text counterpart.
    script("npm-web-push-tls", NODE_PACKAGES, "node/web-push.mjs", Tls),
    Case {
        name: "dev-tls",
        tools: &[Tool::Curl, Tool::Node, Tool::NodePackages],
        run: Run::OwnServer { path: "node/dev-tls.mjs", transport: Plain },
    },
    subject("conform-sender-web-push", NODE_PACKAGES, NODE_SENDER, &["web-push"], &[]),
    subject(
        "conform-sender-web-push-aesgcm",
        NODE_PACKAGES,
        NODE_SENDER,
        &["web-push", "aesgcm"],
        &["S8291-4-a", "S8292-3-a"],
    ),
    subject("conform-sender-pywebpush", PYTHON_PACKAGES, PYTHON_SENDER, &["pywebpush"], &[]),
    subject("conform-agent-websockets", PYTHON_PACKAGES, PYTHON_AGENT, &["websocket"], &["AG-hello-c"]),
    subject("conform-agent-h2", PYTHON_PACKAGES, PYTHON_AGENT, &["http2"], &[]),
    subject("conform-agent-firefox", FIREFOX, FIREFOX_AGENT, &[], &[]),
    script("pywebpush-tls", PYTHON_PACKAGES, "python/sender.py", Tls),
    script("kunifiedpush-plain", PYTHON_PACKAGES, "python/kunifiedpush.py", Plain),
    script("kunifiedpush-tls", PYTHON_PACKAGES, "python/kunifiedpush.py", Tls),
    script("sunup-plain", PYTHON_PACKAGES, "python/sunup.py", Plain),
    script("sunup-tls", PYTHON_PACKAGES, "python/sunup.py", Tls),
    firefox("firefox-plain", FIREFOX, Plain),
    firefox("firefox-tls", FIREFOX_TLS, Tls),
    Case {
        name: "firefox-upgrade",
        tools: FIREFOX,
        run: Run::OwnServer { path: "node/firefox-upgrade.mjs", transport: Plain },
    },
    Case {
        name: "chromium",
        tools: CHROMIUM,
        run: Run::OwnServer { path: "node/chromium.mjs", transport: Tls },
    },
    Case { name: "proxy-nginx", tools: NGINX, run: Run::Proxy(Proxy::Nginx) },
    Case { name: "proxy-haproxy-http", tools: HAPROXY, run: Run::Proxy(Proxy::HaproxyHttp) },
    Case { name: "proxy-haproxy-tcp", tools: HAPROXY, run: Run::Proxy(Proxy::HaproxyTcp) },
    Case {
        name: "acme-pebble",
        tools: &[Tool::Pebble, Tool::Python],
        run: Run::OwnServer { path: "python/acme.py", transport: Tls },
    },
    Case {
        name: "journal",
        tools: &[Tool::Python],
        run: Run::OwnServer { path: "python/journal.py", transport: Plain },
    },
    Case {
        name: "dashboard-chromium",
        tools: CHROMIUM,
        run: Run::OwnServer { path: "node/dashboard.mjs", transport: Plain },
    },
    Case {
        name: "dashboard-firefox",
        tools: FIREFOX,
        run: Run::OwnServer { path: "node/dashboard-firefox.mjs", transport: Plain },
    },
    Case { name: "terminals-restart", tools: &[], run: Run::Terminals(Stop::Terminate) },
    Case { name: "terminals-crash", tools: &[], run: Run::Terminals(Stop::Kill) },
];
