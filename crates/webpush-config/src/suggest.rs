//! Suggestions: the known name that is most similar to an unknown one.

use crate::environment::{CONFIG, PREFIX};
use crate::setting::Setting;

/// Minimum similarity (Jaro) of a suggestion.
const ALIKE: f64 = 0.7;

/// Returns the most similar name, if any is similar enough.
pub(crate) fn alike<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::jaro(name, unknown), name));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(score, _)| *score > ALIKE).map(|(_, name)| name)
}

/// Returns the setting that a key may mean: one with that key elsewhere or with that flag, or a similar one of the section.
pub(crate) fn setting<'a>(section: Option<&str>, key: &str, settings: &'a [Setting]) -> Option<&'a Setting> {
    let flag = key.replace('_', "-");
    let called = settings.iter().find(|setting| setting.key() == key || setting.long() == flag);
    called.or_else(|| {
        let here = || settings.iter().filter(|setting| section.is_none_or(|name| setting.section() == name));
        let meant = alike(key, here().map(Setting::key))?;
        here().find(|setting| setting.key() == meant)
    })
}

/// Describes an unknown variable.
pub(crate) fn unknown_variable(variable: &str, settings: &[Setting]) -> String {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase();
    let (section, key) = name.split_once("__").map_or((None, &*name), |(section, key)| (Some(section), key));
    let meant = setting(section, key, settings).map(Setting::variable).or_else(|| {
        let known: Vec<String> = settings.iter().map(Setting::variable).collect();
        alike(variable, known.iter().map(String::as_str).chain([CONFIG])).map(str::to_owned)
    });
    match meant {
        Some(meant) => format!("unknown variable; did you mean {meant}?"),
        None => format!("unknown variable; all that start with {PREFIX} are settings"),
    }
}
