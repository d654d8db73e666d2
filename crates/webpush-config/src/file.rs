//! The configuration file: TOML without unknown keys. Each value becomes the text of its flag, so that one parser reads both.

use crate::broadcasts::{self, BroadcastRules, Versions};
use crate::error::ConfigError;
use crate::setting::{Form, Setting};
use crate::source::{Source, SourcedValue};
use crate::suggest;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The path of the file unless another is named.
pub const DEFAULT_PATH: &str = "/etc/webpush-server/webpush-server.toml";

/// A text and its path.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) path: &'a Arc<Path>,
    pub(crate) text: &'a str,
}

/// The settings of a file.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) values: BTreeMap<String, SourcedValue>,
    pub(crate) broadcasts: Versions,
}

impl<'a> Text<'a> {
    pub(crate) fn line(self, at: &Range<usize>) -> Source {
        let before = self.text.as_bytes().get(..at.start).unwrap_or_default();
        Source::Line(Arc::clone(self.path), before.iter().filter(|byte| **byte == b'\n').count() + 1)
    }

    /// Parses the tables of the file.
    pub(crate) fn parse(self) -> Result<DeTable<'a>, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = self.line(&error.span().unwrap_or_default());
            ConfigError::new(at, format!("invalid TOML: {}", error.message()))
        })?;
        Ok(table.into_inner())
    }
}

/// Reads a file, and appends its mistakes to `faults`.
pub(crate) fn read(
    text: Text<'_>,
    settings: &[Setting],
    rules: BroadcastRules,
    faults: &mut Vec<ConfigError>,
) -> Contents {
    let mut contents = Contents::default();
    let document = match text.parse() {
        Ok(document) => document,
        Err(fault) => {
            faults.push(fault);
            return contents;
        }
    };
    for (name, value) in &document {
        let section = &**name.get_ref();
        let is_known =
            section == broadcasts::TABLE || settings.iter().any(|setting| setting.section() == section);
        match value.get_ref() {
            _ if section == broadcasts::TABLE => match broadcasts::table(text, value, rules) {
                Ok(versions) => contents.broadcasts = versions,
                Err(fault) => faults.push(fault),
            },
            DeValue::Table(table) if is_known => {
                for (key, value) in table {
                    read_key(text, section, (key.get_ref(), &key.span()), value, settings, faults)
                        .map(|(name, given)| contents.values.insert(name, given));
                }
            }
            other if is_known => {
                let what = format!("{section}: expected a table [{section}], not {}", kind(other));
                faults.push(ConfigError::new(text.line(&name.span()), what));
            }
            other => {
                let what = unknown_at_top(section, other, settings);
                faults.push(ConfigError::new(text.line(&name.span()), what));
            }
        }
    }
    contents
}

fn read_key(
    text: Text<'_>,
    section: &str,
    (key, at): (&str, &Range<usize>),
    value: &Spanned<DeValue<'_>>,
    settings: &[Setting],
    faults: &mut Vec<ConfigError>,
) -> Option<(String, SourcedValue)> {
    let source = text.line(at);
    let name = format!("{section}.{key}");
    let Some(setting) = settings.iter().find(|setting| setting.name == name) else {
        let what = match suggest::setting(Some(section), key, settings) {
            Some(suggest) => format!("unknown key {name}; did you mean {}?", suggest.name),
            None => {
                let here = settings.iter().filter(|setting| setting.section() == section);
                let known: Vec<&str> = here.map(Setting::key).collect();
                format!("unknown key {name}; [{section}] has {}", known.join(", "))
            }
        };
        faults.push(ConfigError::new(source, what));
        return None;
    };
    let checked = texts(setting, value.get_ref()).and_then(|texts| setting.check(&texts).map(|()| texts));
    match checked {
        Ok(texts) => Some((name, SourcedValue { texts, source })),
        Err(why) => {
            faults.push(ConfigError::new(source, format!("{name}: {why}")));
            None
        }
    }
}

/// Returns the text of the flag, once for each value.
fn texts(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    match value {
        DeValue::Array(items) if setting.is_list() => {
            items.iter().map(|item| text_of(setting, item.get_ref())).collect()
        }
        _ if setting.is_list() => Err(format!("{}, not {}", setting.expected(), kind(value))),
        one => text_of(setting, one).map(|text| vec![text]),
    }
}

fn text_of(setting: &Setting, value: &DeValue<'_>) -> Result<OsString, String> {
    use Form::{Boolean, Choice, Number, Path, Rate, Size, Text, Time};
    match (value, setting.form) {
        (DeValue::String(text), Time | Size | Rate | Path | Choice | Text) => Ok((&**text).into()),
        (DeValue::Integer(number), Number | Time | Size) if number.radix() == 10 => {
            Ok(number.as_str().into())
        }
        (DeValue::Boolean(value), Boolean) => Ok(value.to_string().into()),
        (other, _) => Err(format!("{}, not {}", setting.expected(), kind(other))),
    }
}

/// Returns the type of a value for messages.
pub(crate) const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a decimal number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn unknown_at_top(key: &str, value: &DeValue<'_>, settings: &[Setting]) -> String {
    if matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        let known = settings.iter().map(Setting::section).chain([broadcasts::TABLE]);
        if let Some(suggest) = suggest::alike(key, known) {
            return format!("unknown table [{key}]; did you mean [{suggest}]?");
        }
    }
    if let Some(suggest) = suggest::setting(None, key, settings) {
        let (section, key_of_it) = (suggest.section(), suggest.key());
        return format!("unknown key {key}; did you mean {key_of_it} in the table [{section}]?");
    }
    match suggest::alike(key, [broadcasts::TABLE]) {
        Some(suggest) => format!("unknown key {key}; did you mean [{suggest}]?"),
        None => format!("unknown key {key}; settings belong in tables such as [listen]"),
    }
}
