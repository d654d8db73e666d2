//! The form of a report.

use anyhow::Context as _;
use clap::{ValueEnum, ValueHint};
use std::path::PathBuf;
use webpush_conformance::report::{Report, badge, json, junit, text};

#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// Also fail if a SHOULD failed
    #[arg(long)]
    pub(super) strict: bool,

    /// Form of the report
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: ReportFormat,

    /// Print every requirement, not only failures
    #[arg(long, short)]
    verbose: bool,

    /// Also write a badge (SVG)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    badge: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    Text,
    Json,
    Junit,
}

impl ReportArgs {
    /// Returns a report in its form.
    pub(super) fn render(&self, report: &Report) -> anyhow::Result<String> {
        let detail = if self.verbose { text::TextDetail::Everything } else { text::TextDetail::Failures };
        Ok(match self.format {
            ReportFormat::Text => text::write(report, detail),
            ReportFormat::Json => json::write(report)?,
            ReportFormat::Junit => junit::write(report, self.strict),
        })
    }

    /// Writes the badge, if there should be one, and returns true if the subject conforms.
    pub(super) fn conclude(&self, report: &Report) -> anyhow::Result<bool> {
        if let Some(path) = &self.badge {
            let written = std::fs::write(path, badge::write(report));
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(report.conforms(self.strict))
    }
}
