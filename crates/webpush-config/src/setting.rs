//! A setting as it is declared: a flag whose variable is `WEBPUSH_SERVER_SECTION__KEY`. Its key in the file is
//! `section.key`, and its value name says what form its values have.

use crate::environment::PREFIX;
use crate::reference::SECTIONS;
use clap::builder::{Resettable, StyledStr};
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
    /// What its values look like.
    pub form: Form,
}

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Yes or no.
    Switch,
    /// A whole number.
    Number,
    /// A whole number of seconds, or with a unit.
    Time,
    /// A whole number of bytes, or with a unit.
    Size,
    /// Count, unit and burst.
    Rate,
    /// A file or folder.
    Path,
    /// One of a few words.
    Choice,
    /// What its meaning says.
    Text,
}

/// All settings of a command: table by table, and in each as they are declared.
#[must_use]
pub fn settings_of(command: &Command) -> Vec<Setting> {
    let mut settings: Vec<Setting> = command.get_arguments().filter_map(Setting::of).collect();
    settings.sort_by_key(|setting| SECTIONS.iter().position(|(name, _)| *name == setting.section()));
    settings
}

/// A command whose flags are not read from the environment: that is a layer of its own, which says where it found what.
#[must_use]
pub fn without_variables(command: Command) -> Command {
    command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(without_variables)
}

impl Setting {
    /// A flag that no variable belongs to is none, nor is the path of the file itself.
    fn of(arg: &Arg) -> Option<Self> {
        let variable = arg.get_env()?.to_str()?;
        let (section, key) = variable.strip_prefix(PREFIX)?.split_once("__")?;
        let name = format!("{section}.{key}").to_ascii_lowercase();
        let value_name = arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
        let form = match value_name {
            "BOOL" => Form::Switch,
            "N" | "PORT" | "ID" => Form::Number,
            "TIME" => Form::Time,
            "SIZE" => Form::Size,
            "RATE" => Form::Rate,
            "FILE" | "FOLDER" => Form::Path,
            _ if arg.get_possible_values().is_empty() => Form::Text,
            _ => Form::Choice,
        };
        Some(Self { arg: arg.clone(), name, form })
    }

    /// The name that clap knows it by.
    #[must_use]
    pub fn id(&self) -> &str {
        self.arg.get_id().as_str()
    }

    /// The table of the file that it is in.
    #[must_use]
    pub fn section(&self) -> &str {
        self.name.split_once('.').map_or("", |(section, _)| section)
    }

    /// Its key in that table.
    #[must_use]
    pub fn key(&self) -> &str {
        self.name.split_once('.').map_or("", |(_, key)| key)
    }

    /// Its variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}__{}", self.section(), self.key()).to_ascii_uppercase()
    }

    /// Its flag without the dashes.
    #[must_use]
    pub fn long(&self) -> &str {
        self.arg.get_long().unwrap_or_default()
    }

    /// Its flag, as it is written with a value. A secret has none: command lines can be read by everybody on the machine.
    #[must_use]
    pub fn flag(&self) -> Option<String> {
        let value = self.arg.get_value_names().and_then(<[_]>::first).filter(|_| self.form != Form::Switch);
        let value = value.map(|value| format!(" {value}")).unwrap_or_default();
        (!self.is_secret()).then(|| format!("--{}{value}", self.long()))
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.arg.is_hide_env_values_set()
    }

    /// Whether it may have several values.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    /// The value that it has when nothing else is said.
    #[must_use]
    pub fn default(&self) -> Option<&std::ffi::OsStr> {
        self.arg.get_default_values().first().map(|text| text.as_os_str())
    }

    /// The words that it may be.
    #[must_use]
    pub fn choices(&self) -> Vec<String> {
        if self.form != Form::Choice {
            return Vec::new();
        }
        self.arg.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect()
    }

    /// What it means, in full.
    #[must_use]
    pub fn meaning(&self) -> String {
        let help = self.arg.get_long_help().or_else(|| self.arg.get_help());
        help.map(StyledStr::to_string).unwrap_or_default()
    }

    /// Has its parser read what is written.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
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

    /// What is written, as if it stood on a command line.
    pub(crate) fn as_flags(&self, texts: &[OsString]) -> impl Iterator<Item = OsString> {
        texts.iter().map(|text| {
            let mut flag = OsString::from(format!("--{}=", self.long()));
            flag.push(text);
            flag
        })
    }

    /// What is expected of a value in the file.
    pub(crate) fn expected(&self) -> String {
        let one = match self.form {
            Form::Switch => "true or false",
            Form::Number => "a whole number",
            Form::Time => "a time as \"30s\"",
            Form::Size => "a size as \"4KiB\"",
            Form::Rate => "a rate as \"1000/s:10000\"",
            Form::Path => "a path in quotes",
            Form::Choice => "a word in quotes",
            Form::Text => "text in quotes",
        };
        if self.is_list() { format!("a list of {one} is expected") } else { format!("{one} is expected") }
    }

    /// A parser's own words if there are some; what clap says takes several lines, and repeats the command line.
    fn sentence(&self, error: &clap::Error) -> String {
        match (error.kind(), error.source(), error.get(ContextKind::InvalidValue)) {
            (ErrorKind::ValueValidation, Some(reason), _)
                if self.is_secret() || reason.to_string().starts_with('«') =>
            {
                reason.to_string()
            }
            (ErrorKind::ValueValidation, Some(reason), Some(ContextValue::String(value))) => {
                let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
                match self.form {
                    Form::Switch => format!("«{value}» is neither true nor false"),
                    Form::Number if !is_number => format!("«{value}» is not a whole number"),
                    _ => format!("«{value}» can't be used: {reason}"),
                }
            }
            (ErrorKind::InvalidValue, _, Some(ContextValue::String(value)))
                if self.form == Form::Choice && !value.is_empty() =>
            {
                format!("«{value}» is not one of {}", self.choices().join(", "))
            }
            _ => self.expected(),
        }
    }
}
