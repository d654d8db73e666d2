//! The text of the configuration file, and positions in it.

use crate::error::ConfigError;
use crate::source::Source;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// The text of a file and its path.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    pub(crate) path: &'a Arc<Path>,
    pub(crate) text: &'a str,
}

impl<'a> Document<'a> {
    /// Returns the line of a span.
    pub(crate) fn line(self, span: &Range<usize>) -> Source {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        Source::Line(Arc::clone(self.path), before.iter().filter(|byte| **byte == b'\n').count() + 1)
    }

    /// Parses the text as TOML.
    pub(crate) fn parse(self) -> Result<DeTable<'a>, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let line = self.line(&error.span().unwrap_or_default());
            ConfigError::new(line, format!("invalid TOML: {}", error.message()))
        })?;
        Ok(table.into_inner())
    }
}

/// Returns the type of a value, as error messages name it.
pub(crate) const fn type_name(value: &DeValue<'_>) -> &'static str {
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
