//! The effective configuration as a file, with the source of each value.

use crate::broadcasts;
use crate::layers::Resolved;
use crate::rules::is_on;
use crate::setting::{Form, Setting};
use crate::source::{Source, SourcedValue};
use std::ffi::OsStr;

/// The column of the sources, unless a value is longer.
const SOURCE_COLUMN: usize = 48;

impl Resolved {
    /// Returns the configuration as TOML. Unset values and secrets are comments.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for setting in &self.settings {
            if setting.section() != section {
                section = setting.section();
                out.push_str(if out.is_empty() { "" } else { "\n" });
                out.push_str(&format!("[{section}]\n"));
            }
            out.push_str(&line(setting, self.values.get(&setting.name)));
        }
        if !self.broadcasts.is_empty() {
            out.push_str(&format!("\n[{}]\n", broadcasts::TABLE));
            for (name, version) in &self.broadcasts {
                out.push_str(&format!("{} = {}\n", quoted(name), quoted(version)));
            }
        }
        out
    }
}

fn line(setting: &Setting, given: Option<&SourcedValue>) -> String {
    let Some(given) = given else { return format!("# {} is not set\n", setting.key()) };
    let value = if setting.is_secret() {
        format!("# {} is set (not shown)", setting.key())
    } else {
        format!("{} = {}", setting.key(), value(setting, given))
    };
    // A path that is not UTF-8 cannot be written in TOML, and is approximated.
    format!("{value:SOURCE_COLUMN$}  # {}\n", source(&given.source))
}

fn source(source: &Source) -> String {
    match source {
        Source::Flag(flag) => format!("flag {flag}"),
        other => other.to_string(),
    }
}

/// Renders a value as in the file.
pub(crate) fn value(setting: &Setting, given: &SourcedValue) -> String {
    let one = |text: &OsStr| match setting.form {
        Form::Boolean => is_on(text).to_string(),
        Form::Number => text.to_string_lossy().into_owned(),
        Form::Time | Form::Size | Form::Rate | Form::Path | Form::Choice | Form::Text => {
            quoted(&text.to_string_lossy())
        }
    };
    if !setting.is_list() {
        return given.texts.first().map(|text| one(text)).unwrap_or_default();
    }
    let parts = given.texts.iter().flat_map(|text| {
        let text = text.to_string_lossy().into_owned();
        text.split(',').map(|part| one(OsStr::new(part))).collect::<Vec<_>>()
    });
    format!("[{}]", parts.collect::<Vec<_>>().join(", "))
}

/// Renders a basic string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
