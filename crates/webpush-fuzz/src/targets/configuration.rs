//! The configuration: a file and environment variables.

use clap::Command;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use tempfile::TempDir;
use webpush_config::broadcasts::BroadcastRules;
use webpush_config::layers::{ConfigLayers, EffectiveConfig};
use webpush_config::setting::{Form, Setting, settings_of, without_variables};
use webpush_config::source::Source;
use webpush_core::protocol::autopush::Broadcast;

pub(super) const TOKENS: &[&[u8]] = &[
    b"[listen]\n",
    b"port = 8080\n",
    b"[messages]\n",
    b"max_ttl = \"30d\"\n",
    b"[rates]\n",
    b"[storage]\n",
    b"quota_bytes = \"256MiB\"\n",
    b"[broadcasts]\n",
    b"a = \"1\"\n",
    b"trusted = [\"10.0.0.0/8\"]\n",
    b"[proxy]\n",
    b"[log]\nlevel = \"info\"\n",
    b"true",
    b"'''",
    b"\"\"\"",
    b"\\u0000",
    b"= 0x10\n",
    b"= 1979-05-27\n",
    b"[[a]]\n",
    b"{ x = 1 }",
    b"\n---\n",
    b"LISTEN__PORT=1\n",
    b"MESSAGES__MAX_TTL=1h\n",
];
/// Separates the file from the variables.
const SEPARATOR: &str = "\n---\n";
const PREFIX: &str = "WEBPUSH_SERVER_";
const BROADCASTS: BroadcastRules = BroadcastRules { check: check_broadcast, max: 100 };

static PROGRAM: LazyLock<Command> = LazyLock::new(|| without_variables(webpush_server::cli::command()));
static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let program = webpush_server::cli::command();
    let serve = program.find_subcommand("serve").expect("the program serves").clone();
    settings_of(&serve)
});
static DIRECTORY: LazyLock<Mutex<TempDir>> = LazyLock::new(|| Mutex::new(tempfile::tempdir().unwrap()));

/// An effective configuration that is printed as a file gives the same values again.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (file, variables) = text.split_once(SEPARATOR).unwrap_or((text, ""));
    let variables: Vec<_> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, value)| *name != "CONFIG" && !value.contains('\0'))
        .map(|(name, value)| (OsString::from(format!("{PREFIX}{name}")), OsString::from(value)))
        .collect();
    let directory = DIRECTORY.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = directory.path().join("webpush-server.toml");
    let effective = match resolve(&path, file, variables) {
        Ok(effective) => effective,
        Err(errors) => {
            assert!(!errors.is_empty() && errors.iter().all(|error| !error.is_empty()));
            return;
        }
    };
    let printed = effective.to_toml();
    let again =
        resolve(&path, &printed, Vec::new()).unwrap_or_else(|errors| panic!("{errors:?} in {printed}"));
    for setting in &*SETTINGS {
        let texts = |effective: &EffectiveConfig| {
            let value = effective
                .values
                .get(&setting.name)
                .filter(|value| !setting.is_secret() || value.source == Source::Default);
            value.map(|value| normal(setting, &value.texts))
        };
        // A password in it is not printed.
        let is_hidden = setting.is_secret() || setting.name == "storage.url";
        assert!(is_hidden || texts(&effective) == texts(&again), "{} in {printed}", setting.name);
    }
    assert_eq!(effective.broadcasts, again.broadcasts);
}

fn resolve(
    path: &Path,
    text: &str,
    variables: Vec<(OsString, OsString)>,
) -> Result<EffectiveConfig, Vec<String>> {
    fs::write(path, text).unwrap();
    let line = PROGRAM.clone().try_get_matches_from(["webpush-server"]).expect("no flag is needed");
    let layers = ConfigLayers::new(SETTINGS.clone(), &[], BROADCASTS, &line, variables);
    let resolved = layers.with_default_path(path).resolve();
    resolved.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// Lists may be written with commas, booleans and numbers in several ways.
fn normal(setting: &Setting, texts: &[OsString]) -> Vec<String> {
    let texts = texts.iter().map(|text| text.to_string_lossy().into_owned());
    if setting.is_list() {
        return texts.flat_map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>()).collect();
    }
    let boolean = |text: &str| match text.to_ascii_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => "true".to_owned(),
        "n" | "no" | "f" | "false" | "off" | "0" => "false".to_owned(),
        other => other.to_owned(),
    };
    let number =
        |text: &str| text.parse::<i64>().map_or_else(|_| text.to_owned(), |number| number.to_string());
    let normal = |text: String| match setting.form {
        Form::Boolean => boolean(&text),
        Form::Number => number(&text),
        Form::Time | Form::Size | Form::Rate | Form::Path | Form::Choice | Form::Text => text,
    };
    texts.map(normal).collect()
}

fn check_broadcast(name: &str, version: &str) -> Result<(), String> {
    Broadcast::new(name, version).map(drop).map_err(|error| error.to_string())
}
