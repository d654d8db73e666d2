//! What settings need and exclude, whatever source each is from.

use crate::credentials::FILE_SUFFIX;
use crate::error::ConfigError;
use crate::setting::{Form, Setting};
use crate::source::{Given, Source};
use std::collections::BTreeMap;

/// Something that holds between two settings, both by name.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// The first needs the second.
    Needs(&'static str, &'static str),
    /// The first can't be used with the second.
    Excludes(&'static str, &'static str),
}

/// Looks at all rules, and at secrets that are given in both ways.
pub(crate) fn check(
    rules: &[Rule],
    settings: &[Setting],
    values: &BTreeMap<String, Given>,
    faults: &mut Vec<ConfigError>,
) {
    let given = |name: &str| values.get(name).filter(|given| is_said(name, given, settings));
    let mut exclude = |one: &str, other: &str| {
        if let (Some(first), Some(second)) = (given(one), given(other)) {
            let what = format!("{one} can't be used with {other} ({})", second.source);
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
            faults.push(ConfigError::new(first.source.clone(), format!("{one} needs {other}{flag} as well")));
        }
    }
}

/// Whether somebody has said it; a switch that is off is as if nobody had.
fn is_said(name: &str, given: &Given, settings: &[Setting]) -> bool {
    let is_switch = settings.iter().any(|setting| setting.name == name && setting.form == Form::Switch);
    given.source != Source::Default && !(is_switch && given.texts.iter().all(|text| !is_on(text)))
}

/// Whether a switch is on, in any of the words that its parser takes.
pub(crate) fn is_on(text: &std::ffi::OsStr) -> bool {
    let text = text.to_string_lossy().to_lowercase();
    matches!(&*text, "y" | "yes" | "t" | "true" | "on" | "1")
}
