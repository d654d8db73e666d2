//! The configuration file.
//!
//! It is TOML; unknown keys are errors. Each value is converted to the text of its flag, so that one parser reads both.

use crate::broadcasts::{self, BroadcastRules, BroadcastVersions};
use crate::document::{Document, type_name};
use crate::error::ConfigError;
use crate::setting::{Form, Setting};
use crate::source::SourcedValue;
use crate::suggest;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// Default path of the file.
pub const DEFAULT_PATH: &str = "/etc/webpush-server/webpush-server.toml";

/// The settings of a file.
#[derive(Default)]
pub(crate) struct Contents {
    pub(crate) values: BTreeMap<String, SourcedValue>,
    pub(crate) broadcasts: BroadcastVersions,
}

/// Reads a file and appends its errors to `errors`.
pub(crate) fn read(
    document: Document<'_>,
    settings: &[Setting],
    rules: BroadcastRules,
    errors: &mut Vec<ConfigError>,
) -> Contents {
    let mut contents = Contents::default();
    let tables = match document.parse() {
        Ok(tables) => tables,
        Err(error) => {
            errors.push(error);
            return contents;
        }
    };
    for (name, value) in &tables {
        let section = &**name.get_ref();
        let is_known =
            section == broadcasts::TABLE || settings.iter().any(|setting| setting.section() == section);
        match value.get_ref() {
            _ if section == broadcasts::TABLE => match broadcasts::read_table(document, value, rules) {
                Ok(versions) => contents.broadcasts = versions,
                Err(error) => errors.push(error),
            },
            DeValue::Table(table) if is_known => {
                for (key, value) in table {
                    let read =
                        read_key(document, section, (key.get_ref(), &key.span()), value, settings, errors);
                    let Some((name, value)) = read else { continue };
                    let source = value.source.clone();
                    if contents.values.insert(name.clone(), value).is_some() {
                        errors.push(ConfigError::new(
                            source,
                            format!("{name} is set twice, by its current and its former name"),
                        ));
                    }
                }
            }
            other if is_known => {
                let message = format!("{section}: expected a table [{section}], not {}", type_name(other));
                errors.push(ConfigError::new(document.line(&name.span()), message));
            }
            other => {
                let message = unknown_at_top_level(section, other, settings);
                errors.push(ConfigError::new(document.line(&name.span()), message));
            }
        }
    }
    contents
}

fn read_key(
    document: Document<'_>,
    section: &str,
    (key, span): (&str, &Range<usize>),
    value: &Spanned<DeValue<'_>>,
    settings: &[Setting],
    errors: &mut Vec<ConfigError>,
) -> Option<(String, SourcedValue)> {
    let source = document.line(span);
    let name = format!("{section}.{key}");
    let Some(setting) = settings.iter().find(|setting| setting.is_named(section, key)) else {
        let message = match suggest::setting(Some(section), key, settings) {
            Some(suggestion) => format!("unknown key {name}; did you mean {}?", suggestion.name),
            None => {
                let in_section = settings.iter().filter(|setting| setting.section() == section);
                let known: Vec<&str> = in_section.map(Setting::key).collect();
                format!("unknown key {name}; [{section}] has {}", known.join(", "))
            }
        };
        errors.push(ConfigError::new(source, message));
        return None;
    };
    let checked =
        flag_values(setting, value.get_ref()).and_then(|texts| setting.check(&texts).map(|()| texts));
    match checked {
        Ok(texts) => Some((setting.name.clone(), SourcedValue { texts, source })),
        Err(message) => {
            errors.push(ConfigError::new(source, format!("{name}: {message}")));
            None
        }
    }
}

/// Converts a value to the texts of its flag: several for a list.
fn flag_values(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<OsString>, String> {
    match value {
        DeValue::Array(items) if setting.is_list() => {
            items.iter().map(|item| flag_value(setting, item.get_ref())).collect()
        }
        _ if setting.is_list() => Err(format!("{}, not {}", setting.expected(), type_name(value))),
        value => flag_value(setting, value).map(|text| vec![text]),
    }
}

fn flag_value(setting: &Setting, value: &DeValue<'_>) -> Result<OsString, String> {
    use Form::{Boolean, Choice, Number, Path, Rate, Size, Text, Time};
    match (value, setting.form) {
        (DeValue::String(text), Time | Size | Rate | Path | Choice | Text) => Ok((&**text).into()),
        (DeValue::Integer(number), Number | Time | Size) if number.radix() == 10 => {
            Ok(number.as_str().into())
        }
        (DeValue::Boolean(value), Boolean) => Ok(value.to_string().into()),
        (other, _) => Err(format!("{}, not {}", setting.expected(), type_name(other))),
    }
}

fn unknown_at_top_level(key: &str, value: &DeValue<'_>, settings: &[Setting]) -> String {
    if matches!(value, DeValue::Table(_) | DeValue::Array(_)) {
        let known = settings.iter().map(Setting::section).chain([broadcasts::TABLE]);
        if let Some(suggestion) = suggest::most_similar(key, known) {
            return format!("unknown table [{key}]; did you mean [{suggestion}]?");
        }
    }
    if let Some(suggestion) = suggest::setting(None, key, settings) {
        let (section, suggested_key) = (suggestion.section(), suggestion.key());
        return format!("unknown key {key}; did you mean {suggested_key} in the table [{section}]?");
    }
    match suggest::most_similar(key, [broadcasts::TABLE]) {
        Some(suggestion) => format!("unknown key {key}; did you mean [{suggestion}]?"),
        None => format!("unknown key {key}; settings belong in tables such as [listen]"),
    }
}
