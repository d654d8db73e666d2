//! A row: a figure, its goal, and the limit it is compared with.

use anyhow::Result;

use super::measure::Runs;

/// Beginning of the commands of rows with a PostgreSQL of their own.
const POSTGRES: &str = "cargo xtask postgres ";

/// Something to be measured, as data.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// `{a|b}` is a, or b in a quick run: then the goal is for another size, and neither met nor missed.
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) figure: Reading,
    pub(super) goal: Goal,
    /// The limit of the machine: the sum of these; empty if there is none.
    pub(super) limit: &'static [Reading],
    /// More figures to be shown.
    pub(super) beside: &'static [Reading],
    /// The figure of autopush-rs 1.83.1 on this kind of machine (issue 7), if compared.
    pub(super) peer: Option<f64>,
}

/// A figure of a command's output.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Run at the root of the repository. `{a|b}` is a, or b in a quick run.
    pub(super) command: &'static str,
    pub(super) figure: &'static str,
    /// Runs once in each round of a benchmark: it takes too long to be repeated.
    pub(super) once: bool,
}

/// The bound of a figure.
#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// There is no goal; the figure is only shown.
    None,
    AtMost(f64),
    /// The limit and this.
    AboveLimit(f64),
    /// A multiple of the limit.
    TimesLimit(f64),
    /// A multiple of the limit, and this.
    TimesLimitAndMore(f64, f64),
    /// At least this multiple of the limit.
    AtLeastTimesLimit(f64),
}

/// The results of a row.
pub(super) struct RowResult {
    pub(super) row: &'static Row,
    /// At a smaller size than the goal is for.
    pub(super) smaller: bool,
    pub(super) result: Result<Figures>,
}

pub(super) struct Figures {
    pub(super) figure: f64,
    pub(super) limit: Option<f64>,
    pub(super) peer: Option<f64>,
    pub(super) beside: Vec<(&'static str, f64)>,
}

/// A figure that is repeated.
pub(super) const fn reading(command: &'static str, figure: &'static str) -> Reading {
    Reading { command, figure, once: false }
}

/// A figure that is measured once.
pub(super) const fn once(command: &'static str, figure: &'static str) -> Reading {
    Reading { command, figure, once: true }
}

impl Row {
    pub(super) fn measure(&'static self, runs: &mut Runs) -> RowResult {
        RowResult { row: self, smaller: runs.is_smaller(self.what), result: self.figures(runs) }
    }

    fn figures(&'static self, runs: &mut Runs) -> Result<Figures> {
        let figure = runs.read(&self.figure)?;
        let limits = self.limit.iter().map(|limit| runs.read(limit)).collect::<Result<Vec<_>>>()?;
        let limit = (!limits.is_empty()).then(|| limits.iter().sum());
        let beside =
            self.beside.iter().map(|one| Ok((one.figure, runs.read(one)?))).collect::<Result<_>>()?;
        let peer = self.peer.and_then(|_| runs.read_of_peer(&self.figure));
        Ok(Figures { figure, limit, peer, beside })
    }
}

impl Row {
    /// Returns true if it needs a PostgreSQL of its own.
    pub(super) fn needs_postgres(&self) -> bool {
        self.figure.command.starts_with(POSTGRES)
    }
}

impl Goal {
    /// The maximum, or the minimum.
    pub(super) fn bound(self, limit: Option<f64>) -> Option<f64> {
        match self {
            Self::None => None,
            Self::AtMost(most) => Some(most),
            Self::AboveLimit(more) => limit.map(|limit| limit + more),
            Self::TimesLimit(times) | Self::AtLeastTimesLimit(times) => limit.map(|limit| limit * times),
            Self::TimesLimitAndMore(times, more) => limit.map(|limit| limit * times + more),
        }
    }

    fn is_met(self, figure: f64, bound: f64) -> bool {
        match self {
            Self::AtLeastTimesLimit(_) => figure >= bound,
            Self::None
            | Self::AtMost(_)
            | Self::AboveLimit(_)
            | Self::TimesLimit(_)
            | Self::TimesLimitAndMore(..) => figure <= bound,
        }
    }

    pub(super) fn shown(self, limit: Option<f64>) -> String {
        let bound = self.bound(limit).map(number).unwrap_or_default();
        match self {
            Self::None => "–".to_owned(),
            Self::AtMost(_) => format!("≤ {bound}"),
            Self::AboveLimit(more) => format!("≤ limit + {} = {bound}", number(more)),
            Self::TimesLimit(times) => format!("≤ {} × limit = {bound}", number(times)),
            Self::TimesLimitAndMore(times, more) => {
                format!("≤ {} × limit + {} = {bound}", number(times), number(more))
            }
            Self::AtLeastTimesLimit(times) => format!("≥ {} × limit = {bound}", number(times)),
        }
    }
}

impl RowResult {
    pub(super) fn is_there(&self) -> bool {
        self.result.is_ok()
    }

    pub(super) fn verdict(&self) -> &'static str {
        let Ok(figures) = &self.result else { return "**failed**" };
        match self.row.goal.bound(figures.limit) {
            None => "–",
            Some(_) if self.smaller => "not at this size",
            Some(bound) if self.row.goal.is_met(figures.figure, bound) => "met",
            Some(_) => "**missed**",
        }
    }

    /// Lines with the other figures.
    pub(super) fn beside(&self) -> impl Iterator<Item = String> {
        let figures = self.result.iter().flat_map(|figures| &figures.beside);
        figures.map(|(name, value)| format!("{name} {}", number(*value)))
    }

    /// The line that is printed.
    pub(super) fn line(&self) -> String {
        let Row { name, unit, goal, .. } = self.row;
        match &self.result {
            Ok(figures) => {
                let (figure, goal) = (number(figures.figure), goal.shown(figures.limit));
                format!("{name:<26} {figure:>9} {unit:<4} {goal:<28} {}", self.verdict())
            }
            Err(error) => format!("{name:<26} failed: {error:#}"),
        }
    }
}

/// Formats a number with the decimals that matter for its size.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_up_to_its_bound() {
        assert_eq!(Goal::AtMost(35.0).bound(None), Some(35.0));
        assert_eq!(Goal::AboveLimit(12.0).bound(Some(15.5)), Some(27.5));
        assert_eq!(Goal::TimesLimit(1.5).shown(Some(100.0)), "≤ 1.50 × limit = 150");
        assert_eq!(Goal::TimesLimit(1.5).bound(None), None);
        assert_eq!(Goal::None.shown(None), "–");
        assert_eq!(Goal::TimesLimitAndMore(2.0, 1000.0).shown(Some(3000.0)), "≤ 2 × limit + 1000 = 7000");
        let least = Goal::AtLeastTimesLimit(0.5);
        assert_eq!(least.shown(Some(3000.0)), "≥ 0.50 × limit = 1500");
        assert_eq!([least.is_met(1500.0, 1500.0), least.is_met(1499.0, 1500.0)], [true, false]);
    }

    #[test]
    fn a_missed_goal_is_said_to_be_missed() {
        static ROW: Row = Row {
            name: "x",
            what: "",
            unit: "µs",
            figure: reading("", ""),
            goal: Goal::AtMost(10.0),
            limit: &[],
            beside: &[],
            peer: None,
        };
        let verdict = |figure, smaller| {
            let figures = Figures { figure, limit: None, peer: None, beside: Vec::new() };
            RowResult { row: &ROW, smaller, result: Ok(figures) }.verdict()
        };
        assert_eq!([verdict(10.0, false), verdict(10.1, false)], ["met", "**missed**"]);
        assert_eq!(verdict(1.0, true), "not at this size");
        let failed = RowResult { row: &ROW, smaller: false, result: Err(anyhow::anyhow!("why")) };
        assert_eq!((failed.verdict(), failed.is_there()), ("**failed**", false));
        assert!(failed.line().contains("why"));
    }
}
