//! The JSON Schema of the configuration file, for completion and validation in editors.

use crate::broadcasts;
use crate::setting::{Form, Setting};
use serde_json::{Map, Value, json};

/// Returns the schema, in draft 7: the version that TOML plug-ins of editors support.
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
            "description": "Broadcast versions for autopush agents, by name",
            "additionalProperties": {"type": "string"},
        }),
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "webpush-server configuration file",
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    })
}

fn property(setting: &Setting) -> Value {
    let mut property = match setting.form {
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
        property = json!({"type": "array", "items": property});
    }
    property["description"] = Value::String(setting.description());
    if let Some(text) = setting.default() {
        property["default"] = default(setting, &text.to_string_lossy());
    }
    property
}

fn default(setting: &Setting, text: &str) -> Value {
    match setting.form {
        Form::Boolean => Value::Bool(crate::rules::is_on(text.as_ref())),
        Form::Number => text.parse::<u64>().map_or(Value::Null, Value::from),
        Form::Time | Form::Size | Form::Rate | Form::Path | Form::Choice | Form::Text => text.into(),
    }
}
