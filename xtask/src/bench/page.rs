//! Rewrites the generated part of `docs/internals/benchmarks.md`, between two marks.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::machine::Machine;
use super::measure::Runs;
use super::row::{Figures, RowResult, number};

const BEGIN: &str = "<!-- written by cargo xtask bench: begin -->";
const END: &str = "<!-- written by cargo xtask bench: end -->";

pub(super) fn write(
    path: &Path,
    machine: &Machine,
    rows: &[RowResult],
    runs: &Runs,
    left_out: Option<&str>,
) -> Result<()> {
    let page = fs::read_to_string(path)?;
    let generated = generated(machine, rows, runs, left_out)?;
    let page =
        replaced(&page, &generated).with_context(|| format!("{} has not both marks", path.display()))?;
    Ok(fs::write(path, page)?)
}

/// Returns the page with the generated part replaced.
fn replaced(page: &str, generated: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{generated}{END}{after}"))
}

fn generated(machine: &Machine, rows: &[RowResult], runs: &Runs, left_out: Option<&str>) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "\n## The goals ({})\n", machine.date)?;
    let (quick, peer) =
        (if machine.quick { " --quick" } else { "" }, if runs.has_peer() { " --peer DIRECTORY" } else { "" });
    writeln!(text, "    cargo xtask bench{quick}{peer}\n")?;
    if machine.quick {
        writeln!(
            text,
            "**A quick run: short, and with smaller numbers in some rows. It shows that everything works, not how fast it is.**\n"
        )?;
    }
    writeln!(
        text,
        "Commit {}. {}. Rounds where a row can be repeated, of which the median is shown: {}.
",
        machine.commit,
        machine.described(),
        runs.rounds()
    )?;
    if let Some(left_out) = left_out {
        writeln!(text, "{left_out}\n")?;
    }
    table(&mut text, rows, runs)?;
    writeln!(text, "\n### Commands\n")?;
    rows.iter().try_for_each(|row| details(&mut text, row, runs))?;
    writeln!(text)?;
    Ok(text)
}

fn table(text: &mut String, rows: &[RowResult], runs: &Runs) -> Result<()> {
    let peer = if runs.has_peer() { "autopush-rs here" } else { "autopush-rs earlier" };
    writeln!(text, "| row | what | figure | goal | | limit here | × limit | {peer} | of it |")?;
    writeln!(text, "|---|---|---|---|---|---|---|---|---|")?;
    for measured in rows {
        let row = measured.row;
        let cells = match &measured.result {
            Ok(figures) => {
                let peer = if runs.has_peer() { figures.peer } else { row.peer };
                [
                    format!("{} {}", number(figures.figure), row.unit),
                    row.goal.shown(figures.limit),
                    measured.verdict().to_owned(),
                    figures.limit.map(number).unwrap_or_default(),
                    ratio(figures.figure, figures.limit),
                    peer.map(number).unwrap_or_default(),
                    ratio(figures.figure, peer),
                ]
            }
            Err(_) => ["", "", measured.verdict(), "", "", "", ""].map(str::to_owned),
        };
        writeln!(text, "| {} | {} | {} |", row.name, runs.said(row.what), cells.join(" | "))?;
    }
    Ok(())
}

fn ratio(figure: f64, of: Option<f64>) -> String {
    of.filter(|of| *of > 0.0).map(|of| number(figure / of)).unwrap_or_default()
}

/// The commands of a row, and its secondary figures.
fn details(text: &mut String, measured: &RowResult, runs: &Runs) -> Result<()> {
    let row = measured.row;
    match &measured.result {
        Ok(Figures { beside, .. }) => {
            let beside: Vec<_> =
                beside.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
            let beside = if beside.is_empty() { String::new() } else { format!(" {}.", beside.join(", ")) };
            writeln!(text, "**{}**: `{}`.{beside}\n", row.name, row.figure.figure)?;
        }
        Err(error) => writeln!(text, "**{}** failed: {error:#}\n", row.name)?,
    }
    let others = row.limit.iter().chain(row.beside);
    let commands = std::iter::once(&row.figure).chain(others).map(|reading| runs.command(reading));
    let mut seen = BTreeSet::new();
    for command in commands.filter(|command| seen.insert(command.clone())) {
        writeln!(text, "    {command}")?;
    }
    writeln!(text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_the_marks_is_kept() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let expected = format!("before\n{BEGIN}\nnew\n{END}\nafter\n");
        assert_eq!(replaced(&page, "new\n").as_ref(), Some(&expected));
        assert_eq!(replaced(&expected, "new\n"), Some(expected));
        assert_eq!(replaced("no marks", "new\n"), None);
    }

    #[test]
    fn the_page_has_its_marks() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate::bench::PAGE);
        assert!(replaced(&fs::read_to_string(page).unwrap(), "").is_some());
    }
}
