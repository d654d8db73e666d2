//! Settings that require or exclude others, regardless of their sources.

use crate::credentials::FILE_SUFFIX;
use crate::error::ConfigError;
use crate::setting::{Form, Setting};
use crate::source::{Source, SourcedValue};
use std::collections::BTreeMap;

/// A rule about two settings, by name.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The first requires the second.
    Needs(&'static str, &'static str),
    /// The first excludes the second.
    Excludes(&'static str, &'static str),
}

/// Checks all rules, and that no secret is set both directly and through a file.
pub(crate) fn check(
    rules: &[Rule],
    settings: &[Setting],
    values: &BTreeMap<String, SourcedValue>,
    errors: &mut Vec<ConfigError>,
) {
    let set_value = |name: &str| values.get(name).filter(|value| is_set(name, value, settings));
    let mut exclude = |one: &str, other: &str| {
        if let (Some(first), Some(second)) = (set_value(one), set_value(other)) {
            let message = format!("{one} cannot be combined with {other} ({})", second.source);
            errors.push(ConfigError::new(first.source.clone(), message));
        }
    };
    for setting in settings.iter().filter(|setting| setting.is_secret()) {
        exclude(&setting.name, &format!("{}{FILE_SUFFIX}", setting.name));
    }
    for rule in rules {
        if let Rule::Excludes(one, other) = rule {
            exclude(one, other);
        }
    }
    for rule in rules {
        if let Rule::Needs(one, other) = rule
            && let (Some(first), None) = (set_value(one), set_value(other))
        {
            let flag = settings.iter().find(|setting| setting.name == *other).and_then(Setting::flag);
            let flag = flag.map(|flag| format!(" ({flag})")).unwrap_or_default();
            errors.push(ConfigError::new(first.source.clone(), format!("{one} also needs {other}{flag}")));
        }
    }
}

/// Returns true if a value is set. `false` counts as unset.
fn is_set(name: &str, value: &SourcedValue, settings: &[Setting]) -> bool {
    let is_boolean = settings.iter().any(|setting| setting.name == name && setting.form == Form::Boolean);
    value.source != Source::Default && !(is_boolean && value.texts.iter().all(|text| !is_on(text)))
}

/// Returns true for every spelling of `true` that clap's parser for booleans accepts.
pub(crate) fn is_on(text: &std::ffi::OsStr) -> bool {
    let text = text.to_string_lossy().to_lowercase();
    matches!(&*text, "y" | "yes" | "t" | "true" | "on" | "1")
}
