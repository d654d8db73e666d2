//! The JSON Schema of the file, for editors that complete and check it.

use crate::broadcasts;
use crate::setting::{Form, Setting};
use serde_json::{Map, Value, json};

/// Returns the schema, draft 7, which the TOML plug-ins of editors understand.
#[must_use]
pub fn schema(settings: &[Setting]) -> Value {
    let mut sections = Map::new();
    for setting in settings {
        let section = sections
            .entry(setting.section())
            .or_insert_with(|| json!({"type": "object", "additionalProperties": false, "properties": {}}));
        section["properties"][setting.key()] = property(setting);
    }
    sections.insert(
        broadcasts::TABLE.to_owned(),
        json!({
            "type": "object",
            "description": "Versions of broadcasts for autopush agents, by name",
            "additionalProperties": {"type": "string"},
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The configuration file of webpush-server",
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    })
}

fn property(setting: &Setting) -> Value {
    let mut one = match setting.form {
        Form::Boolean => json!({"type": "boolean"}),
        Form::Number => json!({"type": "integer", "minimum": 0}),
        Form::Time => json!({"type": ["string", "integer"], "pattern": "^[0-9]+[smhd]?$", "minimum": 0}),
        Form::Size => {
            json!({"type": ["string", "integer"], "pattern": "^[0-9]+(B|KiB|MiB|GiB)?$", "minimum": 0})
        }
        Form::Rate => json!({"type": "string", "pattern": "^(off|[0-9]+/[smhd]:[0-9]+)$"}),
        Form::Choice => json!({"type": "string", "enum": setting.choices()}),
        Form::Path | Form::Text => json!({"type": "string"}),
    };
    if setting.is_list() {
        one = json!({"type": "array", "items": one});
    }
    one["description"] = Value::String(setting.meaning());
    if let Some(text) = setting.default() {
        one["default"] = default(setting, &text.to_string_lossy());
    }
    one
}

fn default(setting: &Setting, text: &str) -> Value {
    match setting.form {
        Form::Boolean => Value::Bool(crate::rules::is_on(text.as_ref())),
        Form::Number => text.parse::<u64>().map_or(Value::Null, Value::from),
        Form::Time | Form::Size | Form::Rate | Form::Path | Form::Choice | Form::Text => text.into(),
    }
}
