//! The sections of the configuration file, which are tables in TOML.

/// Each section and its introduction in the reference page, in the order of the page.
pub(crate) const SECTIONS: [(&str, &str); 16] = [
    ("listen", "Public port and public origin."),
    (
        "tls",
        "The certificate: two PEM files, or one PKCS#12 file. Without one the server speaks plain text, on addresses of this machine only. See [TLS](tls.md).",
    ),
    (
        "acme",
        "Certificates that the server obtains and renews itself, instead of `[tls]`. See [ACME](tls.md#acme).",
    ),
    ("subscribe", "See [who may subscribe](limits.md#who-may-subscribe)."),
    ("messages", "Lifetime of messages, and how VAPID headers are checked."),
    ("rates", "See [rate limits](limits.md#rate-limits)."),
    ("limits", "See [memory](limits.md#memory)."),
    ("timeouts", "WebSocket keepalive and shutdown. Open connections keep the values they began with."),
    (
        "storage",
        "See [quotas](limits.md#quotas), [idle agents](limits.md#idle-agents) and the [data directory](deployment.md#data-directory). With `url`, all nodes of a cluster have their messages in one PostgreSQL database.",
    ),
    ("matrix", "See the [Matrix gateway](unifiedpush.md#operate-the-gateway)."),
    ("chromium", "Push for Chromium, experimental and off by default. See [Chromium](chromium.md)."),
    ("admin", "See the [admin listener](admin.md#admin-listener)."),
    ("trace", "See [trace a message](monitoring.md#trace-a-message)."),
    ("log", "See [logs](monitoring.md#logs)."),
    ("otlp", "See [OpenTelemetry traces](monitoring.md#opentelemetry-traces)."),
    ("advanced", "You should not need these outside of tests. `--help` does not show their flags."),
];
