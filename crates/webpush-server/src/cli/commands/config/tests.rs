//! The sources of settings: precedence, errors, and pages generated from the declarations.

use crate::cli::command;
use crate::cli::commands::serve;
use crate::shared_settings;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use webpush_config::layers::{ConfigLayers, EffectiveConfig};
use webpush_config::setting::without_variables;
use webpush_config::source::Source;
use webpush_config::{reference, schema};

/// A directory with a configuration file and credentials.
struct Sources {
    directory: TempDir,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
}

impl Sources {
    fn file(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("c.toml"), text).unwrap();
        Self { directory, flags: Vec::new(), variables: Vec::new() }
    }

    fn flags(mut self, flags: &[&str]) -> Self {
        self.flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        self
    }

    fn variable(mut self, name: &str, text: &str) -> Self {
        self.variables.push((name.to_owned(), text.to_owned()));
        self
    }

    fn credential(self, name: &str) -> Self {
        fs::write(self.directory.path().join(name), "text").unwrap();
        let directory = self.directory.path().to_str().unwrap().to_owned();
        self.variable("CREDENTIALS_DIRECTORY", &directory)
    }

    fn layers(&self) -> ConfigLayers {
        let words = std::iter::once("webpush-server").chain(self.flags.iter().map(String::as_str));
        let line = without_variables(command()).try_get_matches_from(words).unwrap();
        let variables =
            self.variables.iter().map(|(name, text)| (OsString::from(name), OsString::from(text)));
        let layers = ConfigLayers::new(serve::declared(), serve::RULES, serve::BROADCASTS, &line, variables);
        layers.with_default_path(&self.directory.path().join("c.toml"))
    }

    fn resolve(&self) -> EffectiveConfig {
        self.layers().resolve().unwrap_or_else(|faults| panic!("{faults}"))
    }

    /// Returns the errors, without the directory.
    fn faults(&self) -> Vec<String> {
        let directory = format!("{}/", self.directory.path().display());
        let faults = self.layers().resolve().err().unwrap();
        faults.iter().map(|fault| fault.to_string().replace(&directory, "")).collect()
    }
}

#[track_caller]
fn assert_value(resolved: &EffectiveConfig, name: &str, texts: &[&str], source: &Source) {
    let given = &resolved.values[name];
    assert_eq!(given.texts, texts, "{name}");
    assert_eq!(&given.source, source, "{name}");
}

#[test]
fn flags_win_over_variables_over_the_file_over_credentials_over_defaults() {
    let text = "[listen]\nport = 1\nhost = 'localhost'\norigin = 'https://file.example'\n[tls]\nkey = 'k'\ncert = 'c'\n";
    let sources = Sources::file(text)
        .flags(&["--port", "3"])
        .variable("WEBPUSH_SERVER_LISTEN__PORT", "2")
        .variable("WEBPUSH_SERVER_LISTEN__ORIGIN", "https://variable.example")
        .variable("WEBPUSH_SERVER_LISTEN__HOST", "")
        .credential("tls.key")
        .credential("subscribe.tokens");
    let resolved = sources.resolve();
    let path: Arc<Path> = Arc::from(sources.directory.path().join("c.toml"));
    let variable = Source::Variable("WEBPUSH_SERVER_LISTEN__ORIGIN".into());
    assert_value(&resolved, "listen.port", &["3"], &Source::Flag("--port".into()));
    assert_value(&resolved, "listen.origin", &["https://variable.example"], &variable);
    assert_value(&resolved, "listen.host", &["localhost"], &Source::Line(Arc::clone(&path), 3));
    assert_value(&resolved, "tls.key", &["k"], &Source::Line(path, 6));
    let credential = sources.directory.path().join("subscribe.tokens");
    let source = Source::Credential("subscribe.tokens".into());
    assert_value(&resolved, "subscribe.tokens_file", &[credential.to_str().unwrap()], &source);
    assert_value(&resolved, "messages.max_ttl", &["30d"], &Source::Default);
    let settings = serve::settings(&resolved).unwrap();
    assert_eq!((settings.port, settings.origin.as_deref()), (3, Some("https://variable.example")));
}

#[test]
fn a_boolean_in_the_file_can_be_overridden_by_a_flag() {
    let file = || Sources::file("[listen]\nplaintext = true\n");
    assert!(serve::settings(&file().resolve()).unwrap().plaintext);
    for flags in [&["--plaintext=no"], &["--plaintext=false"]] {
        assert!(!serve::settings(&file().flags(flags).resolve()).unwrap().plaintext);
    }
    let on = Sources::file("").flags(&["--plaintext"]).resolve();
    assert!(serve::settings(&on).unwrap().plaintext);
}

/// Settings that were renamed: flag, variable and key.
#[test]
fn former_names_of_settings_still_work() {
    for (name, former_key) in [
        ("messages.legacy_default_ttl", "thomson_default_ttl"),
        ("storage.expire_unused_after", "forget_new_after"),
        ("storage.expire_idle_after", "forget_idle_after"),
    ] {
        let (section, key) = name.split_once('.').unwrap();
        let flag = format!("--{}=3h", former_key.replace('_', "-"));
        let variable = format!("WEBPUSH_SERVER_{section}__{former_key}").to_uppercase();
        let file = format!("[{section}]\n{former_key} = '3h'\n");
        for sources in [
            Sources::file("").flags(&[&flag]),
            Sources::file("").variable(&variable, "3h"),
            Sources::file(&file),
        ] {
            let resolved = sources.resolve();
            assert_eq!(resolved.values[name].texts, ["3h"], "{name}");
            assert!(serve::settings(&resolved).unwrap().toml(None).contains(&format!("{key} = \"3h\"")));
        }
        let both = Sources::file(&format!("{file}{key} = '3h'\n"));
        assert!(both.faults()[0].contains("is set twice"), "{:?}", both.faults());
    }
}

#[test]
fn lists_are_arrays_commas_and_repeated_flags() {
    let list = "[matrix]\nallow_addresses = ['192.168.0.0/16', 'fd00::/8']\n";
    let variable = "WEBPUSH_SERVER_MATRIX__ALLOW_ADDRESSES";
    for (sources, number) in [
        (Sources::file(list), 2),
        (Sources::file(list).variable(variable, "10.0.0.1,10.0.0.2,10.0.0.3"), 3),
        (Sources::file(list).flags(&["--matrix-allow-address", "10.0.0.1"]), 1),
        (Sources::file("[matrix]\nallow_addresses = []"), 0),
    ] {
        assert_eq!(serve::settings(&sources.resolve()).unwrap().gateway.allowed.len(), number);
    }
}

#[test]
fn all_errors_in_the_file_are_reported_with_their_lines() {
    for (text, output) in [
        ("[listen]\nprot = 1", "c.toml:2: unknown key listen.prot; did you mean listen.port?"),
        ("[lisen]\nport = 1", "c.toml:1: unknown table [lisen]; did you mean [listen]?"),
        ("port = 1", "c.toml:1: unknown key port; did you mean port in the table [listen]?"),
        ("[tls]\nport = 1", "c.toml:2: unknown key tls.port; did you mean listen.port?"),
        ("[rates]\npush_rate = 'off'", "c.toml:2: unknown key rates.push_rate; did you mean rates.push?"),
        ("[matrix]\nzzz = 1", "c.toml:2: unknown key matrix.zzz; [matrix] has gateway, allow_addresses"),
        ("zzz = 1", "c.toml:1: unknown key zzz; settings belong in tables such as [listen]"),
        ("listen = 8080", "c.toml:1: listen: expected a table [listen], not a number"),
        ("[listen]\nport = '8080'", "c.toml:2: listen.port: expected a whole number, not text"),
        ("[listen]\nport = 0x50", "c.toml:2: listen.port: expected a whole number, not a number"),
        ("[listen]\nport = 70000", "c.toml:2: listen.port: invalid value '70000': 70000 is not in 0..=65535"),
        ("[listen]\nplaintext = 'yes'", "c.toml:2: listen.plaintext: expected true or false, not text"),
        ("[listen]\nhost = ''", "c.toml:2: listen.host: expected text in quotes"),
        (
            "[messages]\nmax_ttl = 1.5",
            "c.toml:2: messages.max_ttl: expected a time such as \"30s\", not a decimal number",
        ),
        (
            "[messages]\nmax_ttl = '3w'",
            "c.toml:2: messages.max_ttl: '3w' is not a time: expected seconds, or a number with s, m, h or d, such as 30d",
        ),
        (
            "[storage]\nquota_bytes = '4KB'",
            "c.toml:2: storage.quota_bytes: '4KB' is not a size: expected bytes, or a number with KiB, MiB or GiB, such as 256MiB",
        ),
        ("[matrix]\ngateway = 'alles'", "c.toml:2: matrix.gateway: 'alles' is not one of all, own, off"),
        (
            "[matrix]\nallow_addresses = '10.0.0.1'",
            "c.toml:2: matrix.allow_addresses: expected a list of text in quotes, not text",
        ),
        (
            "[subscribe]\ntokens = ['sesame']",
            "c.toml:2: subscribe.tokens: a token needs at least 16 characters, or it could be guessed",
        ),
    ] {
        assert_eq!(Sources::file(text).faults(), [output], "{text}");
    }
    let text = "[listen]\nprot = 1\nport = true\n[broadcasts]\na = 1\n";
    let faults = Sources::file(text).variable("WEBPUSH_SERVER_LISTEN__HOST_", "x").faults();
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn errors_in_variables_are_reported() {
    for (name, text, expected) in [
        ("LISTEN__PRT", "1", "unknown variable; did you mean WEBPUSH_SERVER_LISTEN__PORT?"),
        ("PORT", "1", "unknown variable; did you mean WEBPUSH_SERVER_LISTEN__PORT?"),
        ("PUSH_RATE", "off", "unknown variable; did you mean WEBPUSH_SERVER_RATES__PUSH?"),
        ("CONFIGG", "a", "unknown variable; did you mean WEBPUSH_SERVER_CONFIG?"),
        ("LISTEN__PORT", "x", "'x' is not a whole number"),
        ("LISTEN__PLAINTEXT", "maybe", "'maybe' is neither true nor false"),
        (
            "SUBSCRIBE__TOKENS",
            "0123456789abcdef,sesame",
            "a token needs at least 16 characters, or it could be guessed",
        ),
    ] {
        let name = format!("WEBPUSH_SERVER_{name}");
        assert_eq!(
            Sources::file("").variable(&name, text).faults(),
            [format!("variable {name}: {expected}")]
        );
    }
}

#[test]
fn overridden_values_must_be_valid_too() {
    let faults = Sources::file("[listen]\nport = -1\n").flags(&["--port", "3"]).faults();
    assert_eq!(faults, ["c.toml:2: listen.port: '-1' is not a whole number"]);
}

#[test]
fn rules_between_settings_apply_across_sources() {
    for (sources, expected) in [
        (Sources::file("[tls]\ncert = 'c'"), "c.toml:2: tls.cert also needs tls.key (--key FILE)"),
        (
            Sources::file("[tls]\nkey = 'k'\ncert = 'c'").flags(&["--plaintext"]),
            "--plaintext: listen.plaintext cannot be combined with tls.cert (c.toml:3)",
        ),
        (
            Sources::file("[tls]\npfx = 'p'\npfx_password = 'sesame'")
                .variable("WEBPUSH_SERVER_TLS__PFX_PASSWORD_FILE", "f"),
            "c.toml:3: tls.pfx_password cannot be combined with tls.pfx_password_file (variable \
             WEBPUSH_SERVER_TLS__PFX_PASSWORD_FILE)",
        ),
        (
            Sources::file("").credential("tls.cert"),
            "credential tls.cert: tls.cert also needs tls.key (--key FILE)",
        ),
    ] {
        assert_eq!(sources.faults(), [expected]);
    }
    let pem_and_pfx = Sources::file("[tls]\npfx = 'p'").flags(&["--key", "k", "--cert", "c"]).faults();
    assert_eq!(pem_and_pfx[0], "c.toml:2: tls.pfx cannot be combined with tls.cert (--cert)");
    assert!(
        Sources::file("[tls]\nkey = 'k'\ncert = 'c'\n[listen]\nplaintext = false").layers().resolve().is_ok()
    );
}

#[test]
fn both_forms_of_a_secret_override_a_credential() {
    let sources = Sources::file("[subscribe]\ntokens = ['0123456789abcdef']").credential("subscribe.tokens");
    assert!(!sources.resolve().values.contains_key("subscribe.tokens_file"));
}

#[test]
fn an_explicit_file_must_exist_and_the_default_one_need_not() {
    let sources = Sources::file("");
    fs::remove_file(sources.directory.path().join("c.toml")).unwrap();
    assert!(sources.layers().resolve().is_ok());
    for sources in [
        Sources::file("").flags(&["--config", "/nowhere/c.toml"]),
        Sources::file("").variable("WEBPUSH_SERVER_CONFIG", "/nowhere/c.toml"),
    ] {
        let faults = sources.faults();
        assert!(faults[0].contains("c.toml: cannot read the configuration file ("));
    }
}

#[test]
fn the_printed_configuration_is_equivalent_and_has_no_secrets() {
    let text = "[tls]\npfx = 'a b.pfx'\npfx_password = 'open sesame'\n[matrix]\nallow_addresses = ['10.0.0.1']\n[broadcasts]\n\"a.b\" = '\"1\"'\n";
    let sources = Sources::file(text).flags(&["--port", "7", "--matrix-gateway=own"]);
    let resolved = sources.resolve();
    let printed = resolved.to_toml();
    assert!(!printed.contains("sesame"), "{printed}");
    for line in [
        "port = 7                                          # flag --port",
        "plaintext = false                                 # default",
        "# pfx_password is set (not shown)                 # ",
        "# key is not set",
        "allow_addresses = [\"10.0.0.1\"]                    # ",
        "\"a.b\" = '\"1\"'",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    let again = Sources::file(&printed).resolve();
    let differing = resolved.differing(&again);
    assert_eq!(differing, ["tls.pfx_password"]);
    assert_eq!(again.broadcasts, resolved.broadcasts);
}

#[test]
fn the_password_of_a_database_is_never_printed() {
    let url = "postgres://push:sesame@a,b/push?sslmode=require";
    let file = format!("[storage]\nurl = '{url}'\nsecret_file = 's'\n");
    let in_variable =
        Sources::file("").variable("WEBPUSH_SERVER_STORAGE__URL", url).flags(&["--store-secret-file=s"]);
    for sources in [Sources::file(&file), in_variable] {
        let resolved = sources.resolve();
        let printed = resolved.to_toml();
        assert!(printed.contains("url = \"postgres://push:***@a,b/push?sslmode=require\""), "{printed}");
        assert!(!format!("{:?}", serve::settings(&resolved).unwrap()).contains("sesame"));
        assert_eq!(serve::settings(&resolved).unwrap().store.unwrap().url.expose(), url);
    }
}

#[test]
fn the_settings_of_a_database_come_together() {
    let faults = Sources::file("[storage]\nurl = 'postgres://a/b'\n").faults();
    assert_eq!(faults, ["c.toml:2: storage.url also needs storage.secret_file (--store-secret-file FILE)"]);
    let faults = Sources::file("").flags(&["--store-ca-file=other"]).faults();
    assert_eq!(faults, ["--store-ca-file: storage.ca_file also needs storage.url (--store URL)"]);
    let with_credential = Sources::file("[storage]\nurl = 'postgres://a/b'\n").credential("storage.secret");
    let store = serve::settings(&with_credential.resolve()).unwrap().store.unwrap();
    assert!(store.secret_file.ends_with("storage.secret"));
    assert_eq!((&*store.schema, store.connections), ("webpush", 4));
    assert!(serve::settings(&Sources::file("").resolve()).unwrap().store.is_none());
}

/// E7: host, port and origin were "not set", though the server has all of them.
#[test]
fn the_printed_configuration_has_the_effective_host_port_and_origin() {
    for (text, host, port, origin) in [
        ("", "127.0.0.1", "8080", "http://127.0.0.1:8080"),
        ("[tls]\ncert = 'c'\nkey = 'k'\n", "::", "8080", "https://localhost:8080"),
        ("[tls]\ndev = true\n", "127.0.0.1", "8443", "https://127.0.0.1:8443"),
        ("[acme]\ndomains = ['push.example']\n", "::", "443", "https://push.example"),
    ] {
        let settings = serve::settings(&Sources::file(text).resolve()).unwrap();
        let printed = settings.toml(None);
        for (key, value) in
            [("host", format!("{host:?}")), ("port", port.into()), ("origin", format!("{origin:?}"))]
        {
            let line = format!("{:50}# default", format!("{key} = {value}"));
            assert!(printed.contains(&line), "{line}\n{printed}");
        }
        assert!(settings.toml(Some("http://elsewhere")).contains("origin = \"http://elsewhere\""));
    }
    let set = Sources::file("[listen]\norigin = 'https://a'\nport = 0\n").resolve();
    let printed = serve::settings(&set).unwrap().toml(Some("https://a"));
    assert!(
        printed.lines().any(|line| line.starts_with("origin = \"https://a\" ") && line.contains("c.toml:2"))
    );
    let picked = serve::settings(&Sources::file("[listen]\nport = 0\n").resolve()).unwrap();
    assert!(picked.toml(None).contains("# origin is not set"));
}

#[test]
fn every_setting_is_in_the_schema_and_the_reference_with_a_valid_default() {
    let settings = serve::declared();
    let schema = schema::schema(&settings);
    let page = reference::page(&settings);
    for setting in &settings {
        let property = &schema["properties"][setting.section()]["properties"][setting.key()];
        assert!(property["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", setting.name);
        assert!(page.contains(&format!("`{}`", setting.variable())), "{}", setting.name);
        if let Some(default) = setting.default() {
            setting.check(&[default.to_owned()]).unwrap();
        }
    }
    assert_eq!(schema["properties"]["matrix"]["properties"]["gateway"]["enum"][2], "off");
    assert_eq!(schema["properties"]["storage"]["properties"]["quota_messages"]["default"], 100_000);
    assert_eq!(schema["properties"]["broadcasts"]["additionalProperties"]["type"], "string");
}

#[test]
fn acme_changes_the_default_port_to_443() {
    let settings = |text: &str| serve::settings(&Sources::file(text).resolve()).unwrap();
    let acme = settings("[acme]\ndomains = ['push.example']\ncontact = 'mailto:ops@example.net'\n");
    assert_eq!((acme.port, acme.acme.unwrap().domains.len()), (443, 1));
    assert_eq!(settings("[acme]\ndomains = ['push.example']\n[listen]\nport = 8443\n").port, 8443);
    let without = settings("");
    assert_eq!((without.port, without.acme), (8080, None));
}

#[test]
fn the_configuration_reference_is_up_to_date() {
    let page = reference::page(&serve::declared());
    let kept = include_str!("../../../../../../docs/configuration.md");
    assert!(page == kept, "run: cargo run -- config reference > docs/configuration.md");
}

#[test]
fn every_section_is_compared_between_nodes_or_is_of_one_node() {
    const OWN: [&str; 12] = [
        "listen", "tls", "acme", "limits", "timeouts", "storage", "chromium", "admin", "trace", "log",
        "otlp", "advanced",
    ];
    let declared = serve::declared();
    for setting in &declared {
        let section = setting.section();
        let is_compared = shared_settings::SECTIONS.contains(&section);
        assert!(is_compared != OWN.contains(&section), "classify the section {section}");
    }
    let names: BTreeSet<_> = declared.iter().map(|setting| setting.name.as_str()).collect();
    let others = [shared_settings::TOKENS, shared_settings::TOKEN_FILE];
    for name in shared_settings::SETTINGS.into_iter().chain(others) {
        assert!(names.contains(name), "{name}");
    }
}
