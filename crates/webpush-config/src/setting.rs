//! Declarations of settings: a flag whose variable is `WEBPUSH_SERVER_SECTION__KEY`. The key in the file is `section.key`;
//! the value name of the flag determines the form of values.

use crate::environment::PREFIX;
use crate::reference::SECTIONS;
use clap::builder::{ArgExt, Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};
use std::error::Error as _;
use std::ffi::OsString;

/// One setting.
#[derive(Clone, Debug)]
pub struct Setting {
    arg: Arg,
    /// Its section and key in the file: `listen.port`.
    pub name: String,
    /// The form of its values.
    pub form: Form,
    /// True if a change takes effect only at the next start.
    pub needs_restart: bool,
}

/// Marks a flag whose setting takes effect only at the next start: `#[arg(add = NeedsRestart)]`.
#[derive(Clone, Copy, Debug)]
pub struct NeedsRestart;

impl ArgExt for NeedsRestart {}

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Number,
    /// A whole number of seconds, or with a unit.
    Time,
    /// A whole number of bytes, or with a unit.
    Size,
    /// Count, unit and burst.
    Rate,
    /// A file or directory.
    Path,
    /// One of some words.
    Choice,
    /// Other text.
    Text,
}

/// Returns all settings of a command, table by table, in the order of declaration.
#[must_use]
pub fn settings_of(command: &Command) -> Vec<Setting> {
    let mut settings: Vec<Setting> = command.get_arguments().filter_map(Setting::of).collect();
    settings.sort_by_key(|setting| SECTIONS.iter().position(|(name, _)| *name == setting.section()));
    settings
}

/// Returns a command whose flags are not read from the environment, which is a layer with sources of its own.
#[must_use]
pub fn without_variables(command: Command) -> Command {
    command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(without_variables)
}

impl Setting {
    /// Returns the setting of a flag; `None` for a flag without a variable, and for the path of the file.
    fn of(arg: &Arg) -> Option<Self> {
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
        Some(Self { arg: arg.clone(), name, form, needs_restart })
    }

    /// Returns the ID of its argument.
    #[must_use]
    pub fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// Returns its table in the file.
    #[must_use]
    pub fn section(&self) -> &str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// Returns its key in that table.
    #[must_use]
    pub fn key(&self) -> &str {
        self.name.split_once('.').map_or("", |(_, key)| key)
    }

    /// Returns its variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}__{}", self.section(), self.key()).to_ascii_uppercase()
    }

    /// Returns its flag without the dashes.
    #[must_use]
    pub fn long(&self) -> &str {
        self.arg.get_long().unwrap_or_default()
    }

    /// Returns its flag with the value name. A secret has none, because every user of a machine can read command lines.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        let value = self.arg.get_value_names().and_then(<[_]>::first).filter(|_| self.form != Form::Boolean);
        let value = value.map(|value| format!(" {value}")).unwrap_or_default();
        (!self.is_secret()).then(|| format!("--{}{value}", self.long()))
    }

    /// Returns true if its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.arg.is_hide_env_values_set()
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

    /// Returns the words of a choice.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        if self.form != Form::Choice {
            return Vec::new();
        }
        self.arg.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect()
    }

    /// Returns its description.
    #[must_use]
    pub fn meaning(&self) -> String {
        let help = self.arg.get_long_help().or_else(|| self.arg.get_help());
        help.map(StyledStr::to_string).unwrap_or_default()
    }

    /// Parses values.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self, texts: &[OsString]) -> Result<(), String> {
        if texts.iter().any(|text| text.is_empty()) && !self.is_secret() {
            return Err(self.expected());
        }
        let arg = self.arg.clone().env(Resettable::Reset);
        let command = Command::new("setting").no_binary_name(true).disable_help_flag(true).arg(arg);
        match command.try_get_matches_from(self.as_flags(texts)) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.sentence(&error)),
        }
    }

    /// Returns values as they would be written on a command line.
    pub(crate) fn as_flags(&self, texts: &[OsString]) -> impl Iterator<Item = OsString> {
        texts.iter().map(|text| {
            let mut flag = OsString::from(format!("--{}=", self.long()));
            flag.push(text);
            flag
        })
    }

    /// Returns the form that the file expects.
    pub(crate) fn expected(&self) -> String {
        let one = match self.form {
            Form::Boolean => "true or false",
            Form::Number => "a whole number",
            Form::Time => "a time such as \"30s\"",
            Form::Size => "a size such as \"4KiB\"",
            Form::Rate => "a rate such as \"1000/s:10000\"",
            Form::Path => "a path in quotes",
            Form::Choice => "a word in quotes",
            Form::Text => "text in quotes",
        };
        if self.is_list() { format!("expected a list of {one}") } else { format!("expected {one}") }
    }

    /// Returns the message of the parser itself; those of clap span lines, and repeat the command line.
    fn sentence(&self, error: &clap::Error) -> String {
        match (error.kind(), error.source(), error.get(ContextKind::InvalidValue)) {
            (ErrorKind::ValueValidation, Some(reason), _)
                if self.is_secret() || reason.to_string().starts_with(['\'', '"']) =>
            {
                reason.to_string()
            }
            (ErrorKind::ValueValidation, Some(reason), Some(ContextValue::String(value))) => {
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
