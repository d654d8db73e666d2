//! Environment variables. Unknown variables with the prefix are errors.

use crate::error::ConfigError;
use crate::setting::Setting;
use crate::source::{Source, SourcedValue};
use crate::suggest;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// The variable for the path of the configuration file.
pub const CONFIG: &str = "WEBPUSH_SERVER_CONFIG";

/// Reads variables. An empty variable counts as unset, because many tools cannot unset one.
pub(crate) fn read(
    variables: &BTreeMap<String, OsString>,
    settings: &[Setting],
    errors: &mut Vec<ConfigError>,
) -> BTreeMap<String, SourcedValue> {
    let mut values = BTreeMap::new();
    for (variable, text) in variables {
        if variable == CONFIG || text.is_empty() {
            continue;
        }
        let source = Source::Variable(variable.clone());
        match settings.iter().find(|setting| setting.is_variable(variable)) {
            Some(setting) => {
                let texts = vec![text.clone()];
                match setting.check(&texts) {
                    Ok(()) if values.contains_key(&setting.name) => {
                        let message =
                            format!("{} is set twice, by its current and its former name", setting.name);
                        errors.push(ConfigError::new(source, message));
                    }
                    Ok(()) => drop(values.insert(setting.name.clone(), SourcedValue { texts, source })),
                    Err(message) => errors.push(ConfigError::new(source, message)),
                }
            }
            None => {
                let message = suggest::unknown_variable(variable, CONFIG, settings);
                errors.push(ConfigError::new(source, message));
            }
        }
    }
    values
}
