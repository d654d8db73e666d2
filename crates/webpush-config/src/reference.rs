//! Generates `docs/configuration.md` from the declarations. A test compares the two.

use crate::credentials;
use crate::sections::SECTIONS;
use crate::setting::{Form, Setting};

/// The page up to the sections. A test reads its example file.
const INTRODUCTION: &str = r##"# Configuration

Settings come from flags, environment variables and one TOML file. The smallest file for a server with TLS:

    [listen]
    port = 443
    origin = "https://push.example.net"

    [tls]
    key = "/etc/webpush-server/key.pem"
    cert = "/etc/webpush-server/cert.pem"

    [storage]
    data_dir = "/var/lib/webpush-server"

Check and inspect it, with the same flags as the server:

    webpush-server config check       # errors, without starting; reads certificates and token files too
    webpush-server config print       # effective values as TOML, with the source of each; no secrets
    webpush-server config schema      # JSON Schema of the file, for editors

## Sources

A flag wins over a variable, a variable over the file, the file over a credential, and all of them over the default.

- The file is the one that `--config FILE` or `WEBPUSH_SERVER_CONFIG` names, otherwise
  `/etc/webpush-server/webpush-server.toml` if it exists.
- The variable of `port` in the table `[listen]` is `WEBPUSH_SERVER_LISTEN__PORT`. An empty variable counts as unset.
  The variables apply to the server and to commands that query it, not to `listen`, `send`, `keys`, `explain`,
  `log-id` and `restore`.
- A *credential* is a file of that name in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential`).
- A *time* is a whole number of seconds, or a whole number with `s`, `m`, `h` or `d`: `"30s"`. A *size* is a whole
  number of bytes, or a whole number with `KiB`, `MiB` or `GiB`: `"4KiB"`. A *rate* is a count per `s`, `m`, `h` or `d`
  and a burst: `"1000/s:10000"`, or `"off"`. A *boolean* is `true` or `false`; as a flag it is `--FLAG` or
  `--FLAG=false`. A list is `["a", "b"]` in the file, separated by commas in a variable, and a repeated flag on the
  command line.
- Relative paths are relative to the working directory.

Unknown keys and variables, unusable values and contradictions make startup fail with exit status 2, one line per
problem:

    webpush-server: webpush-server.toml:3: unknown key listen.prot; did you mean listen.port?
    webpush-server: variable WEBPUSH_SERVER_PORT: unknown variable; did you mean WEBPUSH_SERVER_LISTEN__PORT?
    webpush-server: --plaintext: listen.plaintext cannot be combined with tls.cert (webpush-server.toml:9)

## Secrets

Passwords and tokens have no flag. Put each into a file of its own (`pfx_password_file`, `tokens_file`,
`password_file`), into a [systemd credential](deployment.md#secrets), or into the configuration itself (`pfx_password`,
`tokens`, the password in `url`), which only its owner should then be able to read.

## Reload

SIGHUP reads everything again: the file, the certificate and the token files. Settings marked ⟳ take effect immediately,
the others at the next start; the log lists those that need a restart. If anything is invalid, nothing changes, and the
log says why. Open connections continue with the certificate and timeouts they began with. Changing a rate limit resets
its buckets; other limits keep their state. TLS cannot be turned on or off, and admin tokens are read at startup only.

## Example file

Commented-out settings show the default or an example.

```toml
[listen]
# All addresses with TLS, this machine only without.
#host = "::"
port = 443
# The public origin. Keep it permanently: it is part of every issued URL.
origin = "https://push.example.net"
# Further addresses with http://, https:// or unix:, and the mode of Unix sockets: docs/proxies.md.
#also = ["unix:/run/webpush-server/push.sock", "https://[::1]:8443"]
#socket_mode = "0660"
# For a proxy on another machine that terminates TLS; then leave [tls] out.
#plaintext = false
# Proxies whose client address header is used: docs/proxies.md.
#trusted_proxies = ["127.0.0.1"]
#forwarded_header = "x-forwarded-for"
#proxy_protocol = false
#max_connections = 10000
#max_connections_per_address = 1000

[tls]
# Read again on SIGHUP.
key = "/etc/webpush-server/key.pem"
cert = "/etc/webpush-server/cert.pem"
# Or both in one PKCS#12 file:
#pfx = "/etc/webpush-server/all.pfx"
#pfx_password_file = "/etc/webpush-server/password"
# Or, for development, a certificate for localhost from a CA in the data directory:
#dev = false

[acme]
# Instead of [tls]: from Let's Encrypt, whose terms you then agree to.
#domains = ["push.example.net"]
#contact = "mailto:you@example.net"
#staging = false
# Another ACME authority, and the certificate to trust for its HTTPS:
#directory = "https://ca.example.net/acme/directory"
#directory_ca_file = "/etc/webpush-server/ca.pem"
# Your account there, if it wants ACME accounts to be bound to one:
#eab_key_id = "the-key-id"
#eab_key_file = "/etc/webpush-server/eab-key"
# Validation over plain HTTP, where port 443 does not reach the server:
#http_listen = "[::]:80"

[subscribe]
# Without tokens anyone may subscribe.
#tokens_file = "/etc/webpush-server/subscribe-tokens"

[messages]
#max_ttl = "30d"
#default_ttl = "24h"
#simple_push = false
#aesgcm_in_body = false
#legacy_default_ttl = "24h"
#vapid_error_status = "rfc"
#vapid_leeway = "60s"

[rates]
# A long-term rate per s, m, h or d, and a burst; or "off".
#push = "1000/s:10000"
#agent = "5000/s:50000"
#sender = "10000/s:100000"
#exempt_senders = []
#register = "10/m:100"
#receipt = "60/m:1000"
#matrix = "50/s:1000"
#scan = "1000/s:10000"
#ipv6_prefix = 64
#limit_loopback = false

[limits]
# Memory in use above which new work is refused.
#memory = "512MiB"

[timeouts]
#websocket_ping = "6m"
#hello = "30s"
#drain_delay = "0s"
#drain_window = "5s"

[storage]
data_dir = "/var/lib/webpush-server"
#quota_messages = 100000
#quota_bytes = "256MiB"
#quota_receipts = 10000
#quota_subscriptions = 10000
#row_cache = "256MiB"
#reserve = "128MiB"
#expire_unused_after = "24h"
#expire_idle_after = "60d"
# For a cluster: the database of all nodes, and a secret that is the same on all of them.
#url = "postgres://webpush@db1.example.net,db2.example.net/webpush"
#password_file = "/etc/webpush-server/database-password"
#ca_file = "/etc/webpush-server/database-ca.pem"
#secret_file = "/etc/webpush-server/cluster-secret"
#schema = "webpush"
#connections = 4

[matrix]
#gateway = "all"
# Your own push server, if its address is not public.
#allow_addresses = ["192.168.1.20"]

[admin]
#listen = "127.0.0.1:8079"
#tokens_file = "/etc/webpush-server/admin-tokens"

[trace]
#keep = "5m"
#messages = 16384

[log]
#level = "info,h2=error"
#format = "auto"

[otlp]
# For builds with the feature otlp.
#endpoint = "http://127.0.0.1:4318"

[broadcasts]
"remote-settings/monitor_changes" = "\"1700000000000\""
```
"##;

const BROADCASTS: &str = "
## [broadcasts]

Names and versions of [broadcasts](admin.md#broadcasts), which only the file can set ⟳:

    [broadcasts]
    \"remote-settings/monitor_changes\" = \"\\\"1700000000000\\\"\"
";

/// Returns the page in Markdown.
#[must_use]
pub fn page(settings: &[Setting]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for (section, about) in SECTIONS {
        page.push_str(&format!("\n## [{section}]\n\n{about}\n\n"));
        page.push_str("| key | flag and variable | form | default | meaning |\n|---|---|---|---|---|\n");
        for setting in settings.iter().filter(|setting| setting.section() == section) {
            page.push_str(&row(setting));
        }
    }
    page + BROADCASTS
}

fn row(setting: &Setting) -> String {
    let mark = if !setting.needs_restart { " ⟳" } else { "" };
    let flag = setting.flag().map(|flag| format!("`{flag}` ")).unwrap_or_default();
    let description = setting.description();
    // Defaults that depend on other settings are in the help text.
    let (before, default_text, after) = match description.split_once(" [default: ") {
        Some((before, rest)) => {
            let (default_text, after) = rest.split_once(']').unwrap_or((rest, ""));
            (before, default_text, after)
        }
        None => (&*description, "", ""),
    };
    let description = format!("{before}{after}");
    let default = match setting.default() {
        Some(text) => format!("`{}`", text.to_string_lossy()),
        None => default_text.to_owned(),
    };
    let credential =
        credentials::name(setting).map(|name| format!(". Credential `{name}`")).unwrap_or_default();
    let description = description.replace("\n\n", ". ").replace('\n', " ");
    let description = description.trim_end_matches('.');
    format!(
        "| `{}`{mark} | {flag}`{}` | {} | {default} | {description}{credential} |\n",
        setting.key(),
        setting.variable(),
        form(setting),
    )
}

fn form(setting: &Setting) -> String {
    let form = match setting.form {
        Form::Boolean => "boolean".to_owned(),
        Form::Number => "number".to_owned(),
        Form::Time => "time".to_owned(),
        Form::Size => "size".to_owned(),
        Form::Rate => "rate".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Choice => {
            setting.choices().iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
        }
        Form::Text if setting.is_secret() => "secret".to_owned(),
        Form::Text => "string".to_owned(),
    };
    if setting.is_list() { format!("list of {form}s") } else { form }
}
