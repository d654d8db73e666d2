//! Suggestions for unknown names ("did you mean ...?").

use crate::setting::{PREFIX, Setting};

/// Minimum Jaro similarity of a suggestion.
const MIN_SIMILARITY: f64 = 0.7;

/// Returns the most similar known name, if any is similar enough.
pub(crate) fn most_similar<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::jaro(name, unknown), name));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(score, _)| *score > MIN_SIMILARITY).map(|(_, name)| name)
}

/// Suggests a setting for an unknown key.
///
/// Prefers a setting of any section with that key or flag over one of `section` with a similar key.
pub(crate) fn setting<'a>(section: Option<&str>, key: &str, settings: &'a [Setting]) -> Option<&'a Setting> {
    let flag = key.replace('_', "-");
    let exact = settings.iter().find(|setting| setting.key() == key || setting.long() == flag);
    exact.or_else(|| {
        let in_section =
            || settings.iter().filter(|setting| section.is_none_or(|name| setting.section() == name));
        let similar = most_similar(key, in_section().map(Setting::key))?;
        in_section().find(|setting| setting.key() == similar)
    })
}

/// Describes an unknown variable. `config` is the variable for the path of the file.
pub(crate) fn unknown_variable(variable: &str, config: &str, settings: &[Setting]) -> String {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase();
    let (section, key) = name.split_once("__").map_or((None, &*name), |(section, key)| (Some(section), key));
    let suggestion = setting(section, key, settings).map(Setting::variable).or_else(|| {
        let known: Vec<String> = settings.iter().map(Setting::variable).collect();
        most_similar(variable, known.iter().map(String::as_str).chain([config])).map(str::to_owned)
    });
    match suggestion {
        Some(suggestion) => format!("unknown variable; did you mean {suggestion}?"),
        None => format!("unknown variable; the prefix {PREFIX} is reserved for settings"),
    }
}
