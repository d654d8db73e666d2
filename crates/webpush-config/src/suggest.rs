//! «Did you mean»: the known name that is most like an unknown one.

use crate::environment::{CONFIG, PREFIX};
use crate::setting::Setting;

/// How alike two names must be (Jaro) for one to be meant by the other.
const ALIKE: f64 = 0.7;

/// The one that is most like it, if any is.
pub(crate) fn alike<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::jaro(name, unknown), name));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(score, _)| *score > ALIKE).map(|(_, name)| name)
}

/// The setting that a key means: one that is called so elsewhere or whose flag is, or one of the section that looks alike.
pub(crate) fn setting<'a>(section: Option<&str>, key: &str, settings: &'a [Setting]) -> Option<&'a Setting> {
    let flag = key.replace('_', "-");
    let called = settings.iter().find(|setting| setting.key() == key || setting.long() == flag);
    called.or_else(|| {
        let here = || settings.iter().filter(|setting| section.is_none_or(|name| setting.section() == name));
        let meant = alike(key, here().map(Setting::key))?;
        here().find(|setting| setting.key() == meant)
    })
}

/// What to say of a variable that is not known.
pub(crate) fn unknown_variable(variable: &str, settings: &[Setting]) -> String {
    let name = variable.strip_prefix(PREFIX).unwrap_or(variable).to_ascii_lowercase();
    let (section, key) = name.split_once("__").map_or((None, &*name), |(section, key)| (Some(section), key));
    let meant = setting(section, key, settings).map(Setting::variable).or_else(|| {
        let known: Vec<String> = settings.iter().map(Setting::variable).collect();
        alike(variable, known.iter().map(String::as_str).chain([CONFIG])).map(str::to_owned)
    });
    match meant {
        Some(meant) => format!("this variable is unknown; did you mean {meant}?"),
        None => format!("this variable is unknown, and all that begin with {PREFIX} are settings"),
    }
}
