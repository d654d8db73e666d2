//! The effective configuration as a file, with the source of each value.

use crate::broadcasts;
use crate::layers::EffectiveConfig;
use crate::rules::is_on;
use crate::setting::{Form, Setting};
use crate::source::{Source, SourcedValue};
use std::ffi::OsStr;

/// Column of the comments with the source, unless a value is longer.
const SOURCE_COLUMN: usize = 48;

impl EffectiveConfig {
    /// Returns the configuration as TOML, with unset values and secrets as comments.
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

fn line(setting: &Setting, effective: Option<&SourcedValue>) -> String {
    let Some(effective) = effective else { return format!("# {} is not set\n", setting.key()) };
    let assignment = if setting.is_secret() {
        format!("# {} is set (not shown)", setting.key())
    } else {
        format!("{} = {}", setting.key(), value(setting, effective))
    };
    format!("{assignment:SOURCE_COLUMN$}  # {}\n", source(&effective.source))
}

fn source(source: &Source) -> String {
    match source {
        Source::Flag(flag) => format!("flag {flag}"),
        other => other.to_string(),
    }
}

/// Renders a value in TOML, which allows only UTF-8: other bytes of a path are replaced.
fn value(setting: &Setting, value: &SourcedValue) -> String {
    let item = |text: &OsStr| match setting.form {
        Form::Boolean => is_on(text).to_string(),
        Form::Number => text.to_string_lossy().into_owned(),
        Form::Time | Form::Size | Form::Rate | Form::Path | Form::Choice | Form::Text => {
            quoted(&setting.redacted(&text.to_string_lossy()))
        }
    };
    if !setting.is_list() {
        return value.texts.first().map(|text| item(text)).unwrap_or_default();
    }
    let items = value.texts.iter().flat_map(|text| {
        let text = text.to_string_lossy().into_owned();
        text.split(',').map(|part| item(OsStr::new(part))).collect::<Vec<_>>()
    });
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
