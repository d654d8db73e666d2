//! The output.

use super::inputs::{Input, Inputs};
use super::plan::{Demand, Plan, Storm};

/// Returns the text that is printed.
pub(super) fn text(plan: &Plan, demand: Demand, inputs: &Inputs) -> String {
    let Plan { nodes, cells, one_node, all } = plan;
    let standbys = inputs.get("standbys").unwrap_or_default();
    let mut lines = vec![
        format!("{} agents, {} messages per second", grouped(demand.agents), grouped(demand.messages)),
        String::new(),
    ];
    let of = |name| inputs.get(name).unwrap_or_default();
    let mut row = |name: &str, value: String| lines.push(format!("{name:<34} {value}"));
    row("nodes", format!("{} of {} cores, one of them in reserve", nodes.count, of("node_cores")));
    row("  busy cores of all", format!("{:.0}", nodes.busy_cores));
    row("  busy cores of each for notices", format!("{:.2}", nodes.notice_cores));
    row("  agents of each", grouped(nodes.agents_each));
    row("  memory of each for agents", format!("{:.0} GB of {:.0}", nodes.memory_each, of("node_memory")));
    row("cells", format!("{}, for the {}", cells.count, cells.because));
    row(
        "  servers",
        format!(
            "{} primaries, {} standbys of {} cores",
            cells.count,
            cells.count * standbys,
            of("database_cores")
        ),
    );
    row("  busy cores of a primary", format!("{:.1}", cells.primary_cores));
    row("  busy cores of a standby", format!("{:.1}", cells.standby_cores));
    row("  messages that wait, in all", grouped(cells.stored));
    row("  disk of a server", format!("{:.0} GB", cells.disk));
    row("  memory of a server for rows", format!("{:.0} GB", cells.memory));
    row("  WAL that a primary writes", format!("{:.0} MB/s", cells.wal));
    row("  to each of its standbys", format!("{:.0} Mbit/s", cells.wal * 8.0));
    row("  connections to a primary", format!("{}", cells.connections));
    row("a node is lost", storm(one_node));
    row("all agents come back", storm(all));
    lines.push(String::new());
    for (title, is_measured) in [("Measured", true), ("Assumed", false)] {
        lines.push(format!("{title}:"));
        lines.extend(inputs.all().filter(|input| input.is_measured == is_measured).map(line));
    }
    lines.join("\n") + "\n"
}

fn storm(storm: &Storm) -> String {
    let Storm { agents, nodes, primaries } = storm;
    format!("{} agents: {nodes:.1} s of the nodes, {primaries:.1} s of the primaries", grouped(*agents))
}

fn line(input: &Input) -> String {
    let Input { name, value, unit, .. } = input;
    format!("  {name:<32} {} {unit}", number(*value)).trim_end().to_owned()
}

fn number(value: f64) -> String {
    match value {
        value if value >= 1000.0 => grouped(value),
        value if value.fract() == 0.0 => format!("{value:.0}"),
        value => format!("{value}"),
    }
}

/// Formats a number without decimals, with commas between thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let first = digits.len() % 3;
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (value, text) in
            [(0.0, "0"), (999.0, "999"), (1000.0, "1,000"), (12_345.6, "12,346"), (1e7, "10,000,000")]
        {
            assert_eq!(grouped(value), text);
        }
        assert_eq!([number(0.1), number(9.2), number(64.0)], ["0.1", "9.2", "64"]);
    }
}
