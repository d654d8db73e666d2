//! Declarations of settings: flags with an environment variable `WEBPUSH_SERVER_SECTION__KEY`.
//!
//! The key in the file is `section.key`. The value name of the flag determines the form of its values.

use crate::sections::SECTIONS;
use clap::builder::{ArgExt, Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use std::error::Error as _;
use std::ffi::OsString;

/// Prefix of every environment variable.
pub const PREFIX: &str = "WEBPUSH_SERVER_";

/// A setting.
#[derive(Clone, Debug)]
pub struct Setting {
    arg: Arg,
    /// Section and key in the file, such as `listen.port`.
    pub name: String,
    /// The form of its values.
    pub form: Form,
    /// The key that it had in the same section before it was renamed, which still works.
    pub former_key: Option<&'static str>,
    /// True if a change takes effect only after a restart.
    pub needs_restart: bool,
    /// Hides the password in a value.
    redact: Option<fn(&str) -> String>,
}

/// Marks a flag whose setting takes effect only after a restart: `#[arg(add = NeedsRestart)]`.
#[derive(Clone, Copy, Debug)]
pub struct NeedsRestart;

impl ArgExt for NeedsRestart {}

/// The former key of a renamed setting: `#[arg(add = FormerKey("old"), alias = "old")]`.
///
/// It works in the file and as a variable; the alias is for the flag.
#[derive(Clone, Copy, Debug)]
pub struct FormerKey(pub &'static str);

impl ArgExt for FormerKey {}

/// Marks a text that may have a password: `#[arg(add = Redacted(redact), hide_env_values = true)]`.
///
/// The function returns the text as it may be printed.
#[derive(Clone, Copy, Debug)]
pub struct Redacted(pub fn(&str) -> String);

impl ArgExt for Redacted {}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Number,
    /// A duration: a whole number of seconds, or one with a unit.
    Time,
    /// A size: a whole number of bytes, or one with a unit.
    Size,
    /// A rate with a burst, such as `1000/s:10000`.
    Rate,
    /// A file or directory.
    Path,
    /// One of several keywords.
    Choice,
    /// Any other text.
    Text,
}

/// Returns all settings of a command, by section, in the order of declaration.
#[must_use]
pub fn settings_of(command: &Command) -> Vec<Setting> {
    let mut settings: Vec<Setting> = command.get_arguments().filter_map(Setting::from_arg).collect();
    settings.sort_by_key(|setting| SECTIONS.iter().position(|(name, _)| *name == setting.section()));
    settings
}

/// Returns a command whose flags do not read environment variables, which are a layer of their own.
#[must_use]
pub fn without_variables(command: Command) -> Command {
    command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(without_variables)
}

fn variable(section: &str, key: &str) -> String {
    format!("{PREFIX}{section}__{key}").to_ascii_uppercase()
}

impl Setting {
    /// Returns the setting of a flag, or `None` if its variable names no section and key.
    fn from_arg(arg: &Arg) -> Option<Self> {
        let variable = arg.get_env()?.to_str()?;
        let (section, key) = variable.strip_prefix(PREFIX)?.split_once("__")?;
        let name = format!("{section}.{key}").to_ascii_lowercase();
        let value_name = arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
        let form = match value_name {
            "BOOL" => Form::Boolean,
            "N" | "PORT" | "ID" => Form::Number,
            "TIME" => Form::Time,
            "SIZE" => Form::Size,
            "RATE" => Form::Rate,
            "FILE" | "DIR" => Form::Path,
            _ if arg.get_possible_values().is_empty() => Form::Text,
            _ => Form::Choice,
        };
        let needs_restart = arg.get::<NeedsRestart>().is_some();
        let former_key = arg.get::<FormerKey>().map(|FormerKey(key)| *key);
        let redact = arg.get::<Redacted>().map(|Redacted(redact)| *redact);
        Some(Self { arg: arg.clone(), name, form, former_key, needs_restart, redact })
    }

    /// Returns the ID of its clap argument.
    #[must_use]
    pub fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// Returns its section in the file.
    #[must_use]
    pub fn section(&self) -> &str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// Returns its key in that section.
    #[must_use]
    pub fn key(&self) -> &str {
        self.name.split_once('.').map_or("", |(_, key)| key)
    }

    /// Returns its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        variable(self.section(), self.key())
    }

    /// Returns true if `section` and `key` name it, by its current or its former key.
    pub(crate) fn is_named(&self, section: &str, key: &str) -> bool {
        self.section() == section && (self.key() == key || self.former_key == Some(key))
    }

    /// Returns true if `text` is its variable, by its current or its former key.
    pub(crate) fn is_variable(&self, text: &str) -> bool {
        self.variable() == text || self.former_key.is_some_and(|key| variable(self.section(), key) == text)
    }

    /// Returns its flag without the leading dashes.
    #[must_use]
    pub fn long(&self) -> &str {
        self.arg.get_long().unwrap_or_default()
    }

    /// Returns its flag with the value name.
    ///
    /// A secret has no flag, because every user of a machine can read command lines.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        let value = self.arg.get_value_names().and_then(<[_]>::first).filter(|_| self.form != Form::Boolean);
        let value = value.map(|value| format!(" {value}")).unwrap_or_default();
        (!self.is_secret()).then(|| format!("--{}{value}", self.long()))
    }

    /// Returns true if its value must not be printed.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.arg.is_hide_env_values_set() && self.redact.is_none()
    }

    /// Returns a value as it may be printed.
    pub(crate) fn redacted(&self, text: &str) -> String {
        self.redact.map_or_else(|| text.to_owned(), |redact| redact(text))
    }

    /// Returns true if it takes several values.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    /// Returns its default value.
    #[must_use]
    pub fn default(&self) -> Option<&std::ffi::OsStr> {
        self.arg.get_default_values().first().map(|text| text.as_os_str())
    }

    /// Returns the keywords of a choice.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        if self.form != Form::Choice {
            return Vec::new();
        }
        self.arg.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect()
    }

    /// Returns its description, which is the help text of its flag.
    #[must_use]
    pub fn description(&self) -> String {
        let help = self.arg.get_long_help().or_else(|| self.arg.get_help());
        help.map(StyledStr::to_string).unwrap_or_default()
    }

    /// Validates values.
    ///
    /// # Errors
    /// Returns a message without the name of the setting if the parser of the flag rejects a value.
    pub fn check(&self, texts: &[OsString]) -> Result<(), String> {
        if texts.iter().any(|text| text.is_empty()) && !self.is_secret() {
            return Err(self.expected());
        }
        let arg = self.arg.clone().env(Resettable::Reset);
        let command = Command::new("setting").no_binary_name(true).disable_help_flag(true).arg(arg);
        match command.try_get_matches_from(self.as_flags(texts)) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.message(&error)),
        }
    }

    /// Returns the flags that set these values on a command line.
    pub(crate) fn as_flags(&self, texts: &[OsString]) -> impl Iterator<Item = OsString> {
        texts.iter().map(|text| {
            let mut flag = OsString::from(format!("--{}=", self.long()));
            flag.push(text);
            flag
        })
    }

    /// Describes the form that the file expects.
    pub(crate) fn expected(&self) -> String {
        let form = match self.form {
            Form::Boolean => "true or false",
            Form::Number => "a whole number",
            Form::Time => "a time such as \"30s\"",
            Form::Size => "a size such as \"4KiB\"",
            Form::Rate => "a rate such as \"1000/s:10000\"",
            Form::Path => "a path in quotes",
            Form::Choice => "a word in quotes",
            Form::Text => "text in quotes",
        };
        if self.is_list() { format!("expected a list of {form}") } else { format!("expected {form}") }
    }

    /// Returns the message of the value parser.
    ///
    /// Those of clap span several lines and repeat the command line.
    fn message(&self, error: &clap::Error) -> String {
        match (error.kind(), error.source(), error.get(ContextKind::InvalidValue)) {
            (ErrorKind::ValueValidation, Some(reason), _)
                if self.is_secret() || reason.to_string().starts_with(['\'', '"']) =>
            {
                reason.to_string()
            }
            (ErrorKind::ValueValidation, Some(reason), Some(ContextValue::String(value))) => {
                let value = &self.redacted(value);
                let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                match self.form {
                    Form::Boolean => format!("'{value}' is neither true nor false"),
                    Form::Number if !is_number => format!("'{value}' is not a whole number"),
                    _ => format!("invalid value '{value}': {reason}"),
                }
            }
            (ErrorKind::InvalidValue, _, Some(ContextValue::String(value)))
                if self.form == Form::Choice && !value.is_empty() =>
            {
                format!("'{value}' is not one of {}", self.choices().join(", "))
            }
            _ => self.expected(),
        }
    }
}
