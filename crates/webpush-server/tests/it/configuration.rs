//! `webpush-server config`: check, print, schema.

use crate::support::HERMETIC;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_webpush-server");

fn config(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    // These tests set it in the file.
    command.envs(HERMETIC).env_remove("WEBPUSH_SERVER_ADMIN__LISTEN");
    command.current_dir(dir).arg("config").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_reports_each_error_with_its_location() {
    let dir = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(dir.path().join("c.toml"), text).unwrap();
    let check = || config(dir.path(), &["check", "--config", "c.toml"]);
    write("[listen]\nprot = 1\n\n[log]\nlevel = 'a=b=c'\n[messages]\nmax_ttl = 'soon'\n");
    let checked = check();
    assert_eq!(checked.status.code(), Some(2));
    assert_eq!(
        text(&checked.stderr),
        "error: c.toml:2: unknown key listen.prot; did you mean listen.port?\n\
         error: c.toml:5: log.level: 'a=b=c' is not a log filter such as info,h2=error: invalid filter directive: too many '=' in filter directive, expected 0 or 1\n\
         error: c.toml:7: messages.max_ttl: 'soon' is not a time: expected seconds, or a number with s, m, h or d, such as 30d\n"
    );
    write(
        "[listen]\nhost = '0.0.0.0'\n[tls]\ncert = '/nowhere/c'\nkey = '/nowhere/k'\n[admin]\nlisten = '0.0.0.0:1'\n",
    );
    let errors = text(&check().stderr);
    assert!(errors.starts_with("error: c.toml:4: cannot read the certificate file /nowhere/c"), "{errors}");
    assert!(
        errors.contains("error: c.toml:7: 0.0.0.0:1 (--admin) can be reached from other machines"),
        "{errors}"
    );
    write("[listen]\nhost = '0.0.0.0'\n[subscribe]\ntokens_file = 'c.toml'\n");
    let errors = text(&check().stderr);
    assert!(
        errors.contains("c.toml:2: 0.0.0.0 can be reached") && errors.contains("c.toml:4: the token file"),
        "{errors}"
    );
    write("[listen]\nport = 1\n");
    let checked = check();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "it made a data directory");
}

#[test]
fn print_has_the_source_of_each_value_and_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = "[tls]\npfx = 'a.pfx'\npfx_password = 'open sesame'\n[log]\nlevel = 'warn'\n";
    std::fs::write(dir.path().join("c.toml"), file).unwrap();
    let mut command = Command::new(PROGRAM);
    command.current_dir(dir.path()).envs(HERMETIC).env("WEBPUSH_SERVER_RATES__PUSH", "off");
    let printed = command.args(["config", "print", "--config", "c.toml", "--port=7"]).output().unwrap();
    let printed = text(&printed.stdout);
    let begin = "[listen]\n\
        host = \"::\"                                       # default\n\
        port = 7                                          # flag --port\n\
        plaintext = false                                 # default\n";
    assert!(printed.starts_with(begin), "{printed}");
    for line in [
        "pfx = \"a.pfx\"                                     # c.toml:2",
        "# pfx_password is set (not shown)                 # c.toml:3",
        "push = \"off\"                                      # variable WEBPUSH_SERVER_RATES__PUSH",
        "level = \"warn\"                                    # c.toml:5",
        "format = \"text\"                                   # variable WEBPUSH_SERVER_LOG__FORMAT",
        "max_ttl = \"30d\"                                   # default",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    assert!(!printed.contains("sesame"));
}

#[test]
fn check_warns_about_what_clients_cannot_use() {
    let dir = tempfile::tempdir().unwrap();
    let warned = |args: &[&str]| {
        let checked = config(dir.path(), &[&["check"], args].concat());
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
        text(&checked.stderr)
    };
    crate::tls::files(dir.path());
    let tls = ["--cert", "cert.pem", "--key", "key.pem"];
    let all = ["--host", "0.0.0.0", "--plaintext"];
    assert!(warned(&all).starts_with("warning: the server listens on all addresses without a public origin"));
    let plain = warned(&[&tls[..], &["--origin", "http://localhost"]].concat());
    assert!(plain.starts_with("warning: the server speaks TLS, but its public origin is http:"), "{plain}");
    let other = warned(&[&tls[..], &["--origin", "https://other.example"]].concat());
    assert!(other.starts_with("warning: the certificate cert.pem is not for other.example"), "{other}");
    let good = warned(&[&tls[..], &["--origin", "https://localhost"]].concat());
    assert_eq!(good, "note: the configuration is valid\n");
    let port = config(dir.path(), &["check", "--host", "127.0.0.1:8099"]);
    assert_eq!(port.status.code(), Some(2));
    let error = text(&port.stderr);
    assert!(error.contains("--host 127.0.0.1 and --port 8099") && error.lines().count() == 1, "{error}");
}

#[test]
fn schema_is_json_and_help_shows_variables_but_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&config(dir.path(), &["schema"]).stdout).unwrap();
    assert_eq!(schema["properties"]["listen"]["properties"]["port"]["type"], "integer");
    let help = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = text(&help.stdout);
    assert!(help.starts_with("A Web Push service (RFC 8030)"), "{help}");
    assert!(help.lines().count() <= 24 && help.contains("serve ") && !help.contains("--port"), "{help}");
    let help = Command::new(PROGRAM).args(["serve", "--help"]).output().unwrap();
    let help = text(&help.stdout);
    assert!(help.contains("WEBPUSH_SERVER_LISTEN__PORT") && !help.contains("--pfx-password <"), "{help}");
    let secret = Command::new(PROGRAM).arg("--pfx-password=x").output().unwrap();
    assert_eq!(secret.status.code(), Some(2));
}

/// The example file of docs/configuration.md works as it is, and with everything uncommented.
#[test]
fn the_example_can_be_used() {
    let page = include_str!("../../../../docs/configuration.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let shown = dir.path().to_str().unwrap();
    crate::tls::files(dir.path());
    std::fs::write(dir.path().join("subscribe-tokens"), "0123456789abcdef\n").unwrap();
    std::fs::write(dir.path().join("admin-tokens"), "0123456789abcdef\n").unwrap();
    for of_database in ["database-password", "database-ca.pem", "cluster-secret"] {
        std::fs::write(dir.path().join(of_database), "0123456789abcdef0123456789abcdef\n").unwrap();
    }
    let here = example.replace("/etc/webpush-server", shown);
    let file = dir.path().join("c.toml");
    // Comments begin with a space; settings that are left out do not.
    let is_setting =
        |line: &&str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    // Only one source of certificates is allowed, and traces need a feature.
    let left = ["#domains", "#contact", "#staging", "#directory", "#eab", "#http_listen", "#endpoint"];
    let other_way = |line: &str| line.starts_with("#pfx") || left.iter().any(|key| line.starts_with(key));
    let all: String = here
        .lines()
        .filter(|line| !other_way(line))
        .map(|line| if is_setting(&line) { &line[1..] } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    for text in [&here, &all] {
        std::fs::write(&file, text).unwrap();
        let checked = config(dir.path(), &["check", "--config", file.to_str().unwrap()]);
        assert!(checked.status.success(), "{}", self::text(&checked.stderr));
    }
    let schema: serde_json::Value = serde_json::from_slice(&config(dir.path(), &["schema"]).stdout).unwrap();
    for (section, table) in schema["properties"].as_object().unwrap() {
        let keys = table["properties"].as_object().map(|keys| keys.keys().cloned().collect::<Vec<_>>());
        for key in keys.unwrap_or_default() {
            // Secrets belong in files of their own, and the last table is for tests.
            let left_out = matches!(&*key, "pfx_password" | "tokens") || section == "advanced";
            let is_there =
                example.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{key} = ")));
            assert!(left_out || is_there, "{section}.{key} is not in the example");
        }
    }
}
