//! Variables of the environment. All that begin with the prefix are ours, so one that is not known is a mistake.

use crate::error::ConfigError;
use crate::setting::Setting;
use crate::source::{Given, Source};
use crate::suggest;
use std::collections::BTreeMap;
use std::ffi::OsString;

/// What every variable begins with.
pub const PREFIX: &str = "WEBPUSH_SERVER_";

/// The variable that names the file.
pub const CONFIG: &str = "WEBPUSH_SERVER_CONFIG";

/// What variables say. An empty one says nothing, since many tools can't leave one out.
pub(crate) fn read(
    variables: &BTreeMap<String, OsString>,
    settings: &[Setting],
    faults: &mut Vec<ConfigError>,
) -> BTreeMap<String, Given> {
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
                    Ok(()) => drop(values.insert(setting.name.clone(), Given { texts, source })),
                    Err(why) => faults.push(ConfigError::new(source, why)),
                }
            }
            None => faults.push(ConfigError::new(source, suggest::unknown_variable(variable, settings))),
        }
    }
    values
}
