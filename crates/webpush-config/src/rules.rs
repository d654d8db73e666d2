//! Settings that require or exclude others, whatever their sources.

use crate::credentials::FILE_SUFFIX;
use crate::error::ConfigError;
use crate::setting::{Form, Setting};
use crate::source::{Source, SourcedValue};
use std::collections::BTreeMap;

/// A rule between two settings, both by name.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The first requires the second.
    Needs(&'static str, &'static str),
    /// The first excludes the second.
    Excludes(&'static str, &'static str),
}

/// Checks all rules, and secrets that are set in both ways.
pub(crate) fn check(
    rules: &[Rule],
    settings: &[Setting],
    values: &BTreeMap<String, SourcedValue>,
    faults: &mut Vec<ConfigError>,
) {
    let given = |name: &str| values.get(name).filter(|given| is_set(name, given, settings));
    let mut exclude = |one: &str, other: &str| {
        if let (Some(first), Some(second)) = (given(one), given(other)) {
            let what = format!("{one} cannot be combined with {other} ({})", second.source);
            faults.push(ConfigError::new(first.source.clone(), what));
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
            && let (Some(first), None) = (given(one), given(other))
        {
            let flag = settings.iter().find(|setting| setting.name == *other).and_then(Setting::flag);
            let flag = flag.map(|flag| format!(" ({flag})")).unwrap_or_default();
            faults.push(ConfigError::new(first.source.clone(), format!("{one} also needs {other}{flag}")));
        }
    }
}

/// Returns true if a value is set; a boolean that is false counts as unset.
fn is_set(name: &str, given: &SourcedValue, settings: &[Setting]) -> bool {
    let is_boolean = settings.iter().any(|setting| setting.name == name && setting.form == Form::Boolean);
    given.source != Source::Default && !(is_boolean && given.texts.iter().all(|text| !is_on(text)))
}

/// Returns true for a boolean that is true, in any of the words that its parser accepts.
pub(crate) fn is_on(text: &std::ffi::OsStr) -> bool {
    let text = text.to_string_lossy().to_lowercase();
    matches!(&*text, "y" | "yes" | "t" | "true" | "on" | "1")
}
