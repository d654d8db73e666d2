//! The page about the configuration, `docs/configuration.md`, from the declarations. A test keeps the two equal.

use super::credentials;
use super::setting::{Form, Setting};

/// What each table is about, in the order of the page. A test sees to it that none is missing.
pub(super) const SECTIONS: [(&str, &str); 14] = [
    ("listen", "The public port, and the URL under which the world knows it."),
    (
        "tls",
        "The certificate: two PEM files, or one PKCS#12 file. Without one the service speaks plain text, on addresses of this \
         machine only. See [TLS](operating.md#tls).",
    ),
    (
        "acme",
        "Certificates that the service orders and renews itself, instead of `[tls]`. See [certificates by \
         ACME](operating.md#certificates-by-acme).",
    ),
    ("subscribe", "See [who may subscribe](operating.md#who-may-subscribe)."),
    ("messages", "What is answered to senders, and how long messages are kept."),
    ("rates", "How often something may be asked. See [rates](operating.md#rates)."),
    ("timeouts", "How long agents on WebSockets may take. Open connections keep what they began with."),
    (
        "storage",
        "How much is kept, and for how long. See [quotas](operating.md#quotas), [idle agents](operating.md#idle-agents) and the \
         [data folder](operating.md#data-folder).",
    ),
    ("matrix", "See the [Matrix gateway](operating.md#matrix-gateway)."),
    ("admin", "See the [admin listener](operating.md#admin-listener)."),
    (
        "trace",
        "What is kept of the way of each message. See [the page and the trace](dashboard.md#the-way-of-one-message).",
    ),
    ("log", "See [logs](operating.md#logs)."),
    ("otlp", "See [traces](operating.md#traces)."),
    (
        "advanced",
        "No reason to change one of these is known, but for tests. `--help` does not show their flags.",
    ),
];

const BEFORE: &str = "\
# Configuration

Every setting, generated from the program by `webpush-server config reference`. [Operating](operating.md#configuration) says how they are
used, and has a file to begin with.

- A setting stands in a TOML file (`--config FILE`, `WEBPUSH_SERVER_CONFIG`, or else `/etc/webpush-server/webpush-server.toml` if it is there),
  in a variable `WEBPUSH_SERVER_SECTION__KEY`, or in a flag. Flags win over variables, variables over the file, the file over credentials,
  those over defaults. An empty variable counts as none.
- What is not known is an error, in the file as well as among the variables that begin with `WEBPUSH_SERVER_`.
- A *time* is a whole number of seconds, or one with `s`, `m`, `h` or `d`: `\"30s\"`. A *size* is a whole number of bytes, or one with `KiB`, `MiB` or
  `GiB`: `\"4KiB\"`. A *rate* is a count per `s`, `m`, `h` or `d` and how many at once after a pause: `\"1000/s:10000\"`, or `\"off\"`. A *switch* is
  `true` or `false`; as a flag it is `--FLAG` or `--FLAG=no`. Lists are `[\"a\", \"b\"]` in the file, commas in a variable, repeated flags.
- Relative paths begin at the folder that the program runs in.
- SIGHUP [reads the configuration again](operating.md#reload). ServerConfig marked ⟳ then take effect at once, the others at the next start.
- A *credential* is a file of that name in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential`), for what nothing else names.
";

const AFTER: &str = "
## [broadcasts]

Names and versions of [broadcasts](operating.md#broadcasts), which only the file has ⟳:

    [broadcasts]
    \"remote-settings/monitor_changes\" = \"\\\"1700000000000\\\"\"
";

/// The page. What takes effect by SIGHUP is known to whoever reloads.
#[must_use]
pub fn page(settings: &[Setting], at_once: impl Fn(&str) -> bool) -> String {
    let mut page = BEFORE.to_owned();
    for (section, about) in SECTIONS {
        page.push_str(&format!("\n## [{section}]\n\n{about}\n\n"));
        page.push_str("| key | flag and variable | form | default | meaning |\n|---|---|---|---|---|\n");
        for setting in settings.iter().filter(|setting| setting.section() == section) {
            page.push_str(&row(setting, at_once(&setting.name)));
        }
    }
    page + AFTER
}

fn row(setting: &Setting, at_once: bool) -> String {
    let mark = if at_once { " ⟳" } else { "" };
    let flag = setting.flag().map(|flag| format!("`{flag}` ")).unwrap_or_default();
    let meaning = setting.meaning();
    // What clap can't know as a default is written at the end of the meaning.
    let (meaning, worded) = match meaning.rsplit_once(" [default: ") {
        Some((meaning, worded)) => (meaning, worded.trim_end_matches(']')),
        None => (&*meaning, ""),
    };
    let default = match setting.default() {
        Some(text) => format!("`{}`", text.to_string_lossy()),
        None => worded.to_owned(),
    };
    let credential =
        credentials::name(setting).map(|name| format!(". Credential `{name}`")).unwrap_or_default();
    let meaning = meaning.replace("\n\n", ". ").replace('\n', " ");
    let meaning = meaning.trim_end_matches('.');
    format!(
        "| `{}`{mark} | {flag}`{}` | {} | {default} | {meaning}{credential} |\n",
        setting.key(),
        setting.variable(),
        form(setting),
    )
}

fn form(setting: &Setting) -> String {
    let one = match setting.form {
        Form::Switch => "switch".to_owned(),
        Form::Number => "number".to_owned(),
        Form::Time => "time".to_owned(),
        Form::Size => "size".to_owned(),
        Form::Rate => "rate".to_owned(),
        Form::Path => "path".to_owned(),
        Form::Choice => {
            setting.choices().iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
        }
        Form::Text if setting.is_secret() => "secret".to_owned(),
        Form::Text => "text".to_owned(),
    };
    if setting.is_list() { format!("list of {one}s") } else { one }
}
