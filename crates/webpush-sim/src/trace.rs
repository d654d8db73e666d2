//! A history for people.

use serde_json::{Map, Value};

/// Returns a history with one readable line for each event.
#[must_use]
pub fn readable(history: &str) -> String {
    let events = history.lines().filter_map(|line| serde_json::from_str::<Map<String, Value>>(line).ok());
    events.map(|event| line(&event)).collect()
}

fn line(event: &Map<String, Value>) -> String {
    let millis = event.get("t").and_then(Value::as_u64).unwrap_or_default();
    let kind = event.get("e").and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{:>9}.{:03}  {kind}", millis / 1000, millis % 1000);
    let members =
        event.iter().filter(|(name, value)| !matches!(name.as_str(), "t" | "e") && !value.is_null());
    for (name, value) in members {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line.push_str(&format!(" {name}={value}"));
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let history = "{\"t\":61002,\"e\":\"deliver\",\"c\":1,\"m\":7,\"s\":null}\n";
        assert_eq!(readable(history), "       61.002  deliver c=1 m=7\n");
    }
}
