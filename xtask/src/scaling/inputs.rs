//! The inputs: measured costs, and assumptions.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

/// An input that must be there, and its unit.
struct InputName {
    name: &'static str,
    unit: &'static str,
}

const fn known(name: &'static str, unit: &'static str) -> InputName {
    InputName { name, unit }
}

/// In the order in which they are printed.
const KNOWN: &[InputName] = &[
    known("absent_share", "of messages"),
    known("wait", "s"),
    known("body", "B"),
    known("subscriptions_per_agent", ""),
    known("session", "s"),
    known("node_cores", "cores"),
    known("node_memory", "GB"),
    known("node_agents", "agents"),
    known("database_cores", "cores"),
    known("utilization", "of cores"),
    known("wal_limit", "MB/s"),
    known("disk_limit", "GB"),
    known("standbys", "per cell"),
    known("bloat", "×"),
    known("wal_kept", "GB"),
    known("node_cpu_per_message", "µs"),
    known("node_cpu_per_crossing", "µs"),
    known("node_cpu_per_notice", "µs"),
    known("primary_cpu_per_message", "µs"),
    known("primary_cpu_per_crossing", "µs"),
    known("primary_cpu_per_notice", "µs"),
    known("standby_cpu_per_message", "µs"),
    known("wal_per_message", "B"),
    known("node_cpu_per_handshake", "µs"),
    known("node_cpu_per_reconnect", "µs"),
    known("primary_cpu_per_reconnect", "µs"),
    known("node_memory_per_agent", "B"),
    known("kernel_memory_per_agent", "B"),
    known("disk_per_agent", "B"),
    known("disk_per_subscription", "B"),
    known("disk_per_message", "B"),
    known("index_per_message", "B"),
    known("measured_body", "B"),
];

/// A number with its origin.
pub(super) struct Input {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// True if it was measured, false if it is assumed.
    pub(super) is_measured: bool,
}

/// All inputs.
pub(super) struct Inputs(BTreeMap<&'static str, Input>);

impl Inputs {
    /// Parses a file with a table for each input: `value`, `unit`, `source`, and `command` if measured.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut file: toml::Table = text.parse()?;
        let mut inputs = BTreeMap::new();
        for InputName { name, unit } in KNOWN {
            let table = file.remove(*name).with_context(|| format!("{name} is missing"))?;
            inputs.insert(*name, read(name, unit, &table).with_context(|| format!("{name} is wrong"))?);
        }
        let unknown: Vec<String> = file.keys().cloned().collect();
        ensure!(unknown.is_empty(), "unknown: {}", unknown.join(", "));
        Ok(Self(inputs))
    }

    /// Returns a value.
    pub(super) fn get(&self, name: &str) -> Result<f64> {
        self.0.get(name).map(|input| input.value).with_context(|| format!("{name} is missing"))
    }

    /// Returns all of them in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Input> {
        KNOWN.iter().filter_map(|known| self.0.get(known.name))
    }
}

fn read(name: &'static str, unit: &'static str, table: &toml::Value) -> Result<Input> {
    let text = |key: &str| table.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let value = table.get("value").context("it has no value")?;
    let value = value.as_float().or_else(|| value.as_integer().map(|value| value as f64));
    let value = value.filter(|value| value.is_finite() && *value >= 0.0).context("value: a number")?;
    let found = text("unit").context("it has no unit")?;
    ensure!(found == unit, "unit: {unit}, not {found}");
    ensure!(text("source").is_some_and(|source| !source.is_empty()), "it has no source");
    Ok(Input { name, value, unit, is_measured: text("command").is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> String {
        let table = |known: &InputName| {
            format!("[{}]\nvalue = 1\nunit = \"{}\"\nsource = \"assumed\"\n", known.name, known.unit)
        };
        KNOWN.iter().map(table).collect()
    }

    #[test]
    fn every_input_has_value_unit_and_source() {
        assert_eq!(Inputs::parse(&example()).unwrap().all().count(), KNOWN.len());
        for (from, to) in [
            ("value = 1", "value = -1"),
            ("value = 1", "value = \"1\""),
            ("unit = \"µs\"", "unit = \"ms\""),
            ("source = \"assumed\"", "source = \"\""),
            ("[wait]", "[waits]"),
        ] {
            assert!(Inputs::parse(&example().replacen(from, to, 1)).is_err(), "{to}");
        }
        assert!(Inputs::parse(&(example() + "[more]\nvalue = 1\n")).is_err());
    }
}
