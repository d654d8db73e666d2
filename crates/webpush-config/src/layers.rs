//! The sources of settings and their precedence.

use crate::broadcasts::{BroadcastRules, BroadcastVersions};
use crate::credentials;
use crate::document::Document;
use crate::environment::{self, CONFIG};
use crate::error::{ConfigError, ConfigErrors};
use crate::file::{self, Contents, DEFAULT_PATH};
use crate::rules::{self, Rule};
use crate::setting::{PREFIX, Setting};
use crate::source::{Source, SourcedValue};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// ID of the flag for the path of the file.
const CONFIG_FLAG: &str = "config";

/// The sources of settings.
///
/// Flags and environment variables are read once, when this is created. [`ConfigLayers::resolve`] reads the files.
#[derive(Clone)]
pub struct ConfigLayers {
    settings: Vec<Setting>,
    rules: &'static [Rule],
    broadcasts: BroadcastRules,
    flags: BTreeMap<String, SourcedValue>,
    variables: BTreeMap<String, OsString>,
    /// The path set by a flag or variable, with its source. Such a file must exist.
    explicit_path: Option<(PathBuf, Source)>,
    default_path: PathBuf,
    credentials: Option<PathBuf>,
}

/// The effective configuration.
#[derive(Clone)]
pub struct EffectiveConfig {
    /// The declarations.
    pub settings: Vec<Setting>,
    /// Values by name. Unset settings are absent.
    pub values: BTreeMap<String, SourcedValue>,
    /// Broadcast versions, which only the file can set.
    pub broadcasts: BroadcastVersions,
}

impl ConfigLayers {
    /// Creates the layers from a parsed command line and the environment.
    #[must_use]
    pub fn new(
        settings: Vec<Setting>,
        rules: &'static [Rule],
        broadcasts: BroadcastRules,
        line: &ArgMatches,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        let mut variables = BTreeMap::new();
        let mut credentials = None;
        for (name, text) in environment {
            match name.into_string() {
                Ok(name) if name.starts_with(PREFIX) => drop(variables.insert(name, text)),
                Ok(name) if name == "CREDENTIALS_DIRECTORY" => credentials = Some(PathBuf::from(text)),
                Ok(_) | Err(_) => {}
            }
        }
        let from_line = |id: &str| {
            let texts = line.try_get_raw(id).ok().flatten()?;
            (line.value_source(id) == Some(ValueSource::CommandLine))
                .then(|| texts.map(OsString::from).collect::<Vec<_>>())
        };
        let flags = settings.iter().filter_map(|setting| {
            let value = SourcedValue {
                texts: from_line(setting.id())?,
                source: Source::Flag(format!("--{}", setting.long())),
            };
            Some((setting.name.clone(), value))
        });
        let flags = flags.collect();
        let path = from_line(CONFIG_FLAG).and_then(|mut texts| texts.pop());
        let path = path.map(|path| (path, Source::Flag("--config".to_owned()))).or_else(|| {
            let path = variables.get(CONFIG).filter(|path| !path.is_empty())?;
            Some((path.clone(), Source::Variable(CONFIG.to_owned())))
        });
        Self {
            settings,
            rules,
            broadcasts,
            flags,
            variables,
            explicit_path: path.map(|(path, source)| (path.into(), source)),
            default_path: DEFAULT_PATH.into(),
            credentials,
        }
    }

    /// Replaces the default path of the file.
    #[must_use]
    pub fn with_default_path(self, path: &Path) -> Self {
        Self { default_path: path.to_owned(), ..self }
    }

    /// Reads the files and determines the effective values.
    ///
    /// # Errors
    /// Returns all errors, including those of overridden values.
    pub fn resolve(&self) -> Result<EffectiveConfig, ConfigErrors> {
        let mut errors = Vec::new();
        let Contents { mut values, broadcasts } = self.read_file(&mut errors);
        values.extend(environment::read(&self.variables, &self.settings, &mut errors));
        values.extend(self.flags.clone());
        if let Some(directory) = &self.credentials {
            values.extend(credentials::read(directory, &self.settings, &values));
        }
        rules::check(self.rules, &self.settings, &values, &mut errors);
        for setting in &self.settings {
            if let (false, Some(text)) = (values.contains_key(&setting.name), setting.default()) {
                let value = SourcedValue { texts: vec![text.to_owned()], source: Source::Default };
                values.insert(setting.name.clone(), value);
            }
        }
        ConfigErrors::check(errors)?;
        Ok(EffectiveConfig { settings: self.settings.clone(), values, broadcasts })
    }

    fn read_file(&self, errors: &mut Vec<ConfigError>) -> Contents {
        let path = self.explicit_path.as_ref().map_or(&self.default_path, |(path, _)| path);
        match fs::read_to_string(path) {
            Ok(text) => {
                let document = Document { path: &Arc::from(&**path), text: &text };
                file::read(document, &self.settings, self.broadcasts, errors)
            }
            Err(error) if self.explicit_path.is_none() && error.kind() == ErrorKind::NotFound => {
                Contents::default()
            }
            Err(error) => {
                let source = self.explicit_path.as_ref().map(|(_, source)| format!(" ({source})"));
                let message =
                    format!("cannot read the configuration file{}: {error}", source.unwrap_or_default());
                errors.push(ConfigError::new(Source::File(Arc::from(&**path)), message));
                Contents::default()
            }
        }
    }
}

impl fmt::Debug for EffectiveConfig {
    /// The values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EffectiveConfig")
    }
}

impl EffectiveConfig {
    /// Returns a command line that sets all values that differ from their defaults.
    #[must_use]
    pub fn command_line(&self) -> Vec<OsString> {
        let values =
            self.settings.iter().filter_map(|setting| Some((setting, self.values.get(&setting.name)?)));
        let set = values.filter(|(_, value)| value.source != Source::Default);
        set.flat_map(|(setting, value)| setting.as_flags(&value.texts)).collect()
    }

    /// Sets the default of a setting that has none of its own, because it depends on others.
    #[must_use]
    pub fn with_default(mut self, name: &str, text: impl Into<OsString>) -> Self {
        let value = || SourcedValue { texts: vec![text.into()], source: Source::Default };
        self.values.entry(name.to_owned()).or_insert_with(value);
        self
    }

    /// Returns the source of a value.
    #[must_use]
    pub fn source(&self, name: &str) -> Source {
        self.values.get(name).map_or(Source::Default, |value| value.source.clone())
    }

    /// Returns the names of the settings whose values differ.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let texts = |config: &Self, name: &str| config.values.get(name).map(|value| value.texts.clone());
        let differs = |name: &&String| texts(self, name) != texts(other, name);
        self.settings.iter().map(|setting| &setting.name).filter(differs).cloned().collect()
    }
}
