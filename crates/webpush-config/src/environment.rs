//! Environment variables. Unknown ones with the prefix are mistakes.

use crate::error::ConfigError;
use crate::setting::Setting;
use crate::source::{Source, SourcedValue};
use crate::suggest;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// The prefix of every variable.
pub const PREFIX: &str = "WEBPUSH_SERVER_";

/// The variable that names the configuration file.
pub const CONFIG: &str = "WEBPUSH_SERVER_CONFIG";

/// Reads variables. An empty one counts as unset, because many tools cannot unset one.
pub(crate) fn read(
    variables: &BTreeMap<String, OsString>,
    settings: &[Setting],
    faults: &mut Vec<ConfigError>,
) -> BTreeMap<String, SourcedValue> {
    let mut values = BTreeMap::new();
    for (variable, text) in variables {
        if variable == CONFIG || text.is_empty() {
            continue;
        }
        let source = Source::Variable(variable.clone());
        match settings.iter().find(|setting| setting.variable() == *variable) {
            Some(setting) => {
                let texts = vec![text.clone()];
                match setting.check(&texts) {
                    Ok(()) => drop(values.insert(setting.name.clone(), SourcedValue { texts, source })),
                    Err(why) => faults.push(ConfigError::new(source, why)),
                }
            }
            None => faults.push(ConfigError::new(source, suggest::unknown_variable(variable, settings))),
        }
    }
    values
}
