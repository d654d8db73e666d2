//! The sources of settings, and their precedence.

use crate::broadcasts::{BroadcastRules, Versions};
use crate::credentials;
use crate::environment::PREFIX;
use crate::environment::{self, CONFIG};
use crate::error::{ConfigError, ConfigErrors};
use crate::file::{self, Contents, DEFAULT_PATH, Text};
use crate::rules::{self, Rule};
use crate::setting::Setting;
use crate::source::{Source, SourcedValue};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The flag that names the file.
const CONFIG_FLAG: &str = "config";

/// The sources of settings. Flags and environment stay those of the process; files are read each time.
#[derive(Clone)]
pub struct Layers {
    settings: Vec<Setting>,
    rules: &'static [Rule],
    broadcasts: BroadcastRules,
    flags: BTreeMap<String, SourcedValue>,
    variables: BTreeMap<String, OsString>,
    /// The file named by a flag or variable, with that source.
    named: Option<(PathBuf, Source)>,
    /// The default path of the file.
    unnamed: PathBuf,
    credentials: Option<PathBuf>,
}

/// The effective configuration.
#[derive(Clone)]
pub struct Resolved {
    /// The declarations.
    pub settings: Vec<Setting>,
    /// Values by name; a setting without a value has none.
    pub values: BTreeMap<String, SourcedValue>,
    /// The versions of broadcasts, which only the file can set.
    pub broadcasts: Versions,
}

impl Layers {
    /// Creates the sources from a parsed command line and an environment.
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
                // No setting has such a name.
                Ok(_) | Err(_) => {}
            }
        }
        let on_line = |id: &str| {
            let texts = line.try_get_raw(id).ok().flatten()?;
            (line.value_source(id) == Some(ValueSource::CommandLine))
                .then(|| texts.map(OsString::from).collect::<Vec<_>>())
        };
        let flags = settings.iter().filter_map(|setting| {
            let given = SourcedValue {
                texts: on_line(setting.id())?,
                source: Source::Flag(format!("--{}", setting.long())),
            };
            Some((setting.name.clone(), given))
        });
        let flags = flags.collect();
        let named = on_line(CONFIG_FLAG).and_then(|mut texts| texts.pop());
        let named = named.map(|path| (path, Source::Flag("--config".to_owned()))).or_else(|| {
            let path = variables.get(CONFIG).filter(|path| !path.is_empty())?;
            Some((path.clone(), Source::Variable(CONFIG.to_owned())))
        });
        let named = named.map(|(path, source)| (path.into(), source));
        Self {
            settings,
            rules,
            broadcasts,
            flags,
            variables,
            named,
            unnamed: DEFAULT_PATH.into(),
            credentials,
        }
    }

    /// Replaces the default path of the file.
    #[must_use]
    pub fn with_default_path(self, unnamed: &Path) -> Self {
        Self { unnamed: unnamed.to_owned(), ..self }
    }

    /// Reads the files, and determines the effective values. Overridden values must be valid, too.
    ///
    /// # Errors
    /// All mistakes and their places.
    pub fn resolve(&self) -> Result<Resolved, ConfigErrors> {
        let mut faults = Vec::new();
        let Contents { mut values, broadcasts } = self.read_file(&mut faults);
        values.extend(environment::read(&self.variables, &self.settings, &mut faults));
        values.extend(self.flags.clone());
        if let Some(directory) = &self.credentials {
            values.extend(credentials::read(directory, &self.settings, &values));
        }
        rules::check(self.rules, &self.settings, &values, &mut faults);
        for setting in &self.settings {
            if let (false, Some(text)) = (values.contains_key(&setting.name), setting.default()) {
                let given = SourcedValue { texts: vec![text.to_owned()], source: Source::Default };
                values.insert(setting.name.clone(), given);
            }
        }
        ConfigErrors::none(faults)?;
        Ok(Resolved { settings: self.settings.clone(), values, broadcasts })
    }

    fn read_file(&self, faults: &mut Vec<ConfigError>) -> Contents {
        let path = self.named.as_ref().map_or(&self.unnamed, |(path, _)| path);
        match fs::read_to_string(path) {
            Ok(text) => {
                let text = Text { path: &Arc::from(&**path), text: &text };
                file::read(text, &self.settings, self.broadcasts, faults)
            }
            Err(error) if self.named.is_none() && error.kind() == ErrorKind::NotFound => Contents::default(),
            Err(error) => {
                let by = self.named.as_ref().map(|(_, source)| format!(" ({source})")).unwrap_or_default();
                let what = format!("cannot read the configuration file{by}: {error}");
                faults.push(ConfigError::new(Source::File(Arc::from(&**path)), what));
                Contents::default()
            }
        }
    }
}

impl Resolved {
    /// Returns all values that are no defaults as one command line.
    #[must_use]
    pub fn command_line(&self) -> Vec<OsString> {
        let given =
            self.settings.iter().filter_map(|setting| Some((setting, self.values.get(&setting.name)?)));
        let said = given.filter(|(_, given)| given.source != Source::Default);
        said.flat_map(|(setting, given)| setting.as_flags(&given.texts)).collect()
    }

    /// Returns the source of a value.
    #[must_use]
    pub fn source(&self, name: &str) -> Source {
        self.values.get(name).map_or(Source::Default, |given| given.source.clone())
    }

    /// Returns the names of the settings with other values.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let texts = |of: &Self, name: &str| of.values.get(name).map(|given| given.texts.clone());
        let differs = |name: &&String| texts(self, name) != texts(other, name);
        self.settings.iter().map(|setting| &setting.name).filter(differs).cloned().collect()
    }
}
