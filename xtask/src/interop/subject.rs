//! Senders and user agents under `webpush-server conform`: exactly the known requirements fail.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{Failure, run_to_end};

/// Runs a script that is the subject of `conform KIND`, and compares what it fails with what is known.
pub(super) fn run(
    binary: &Path,
    scratch: &Path,
    kind: &str,
    script: &Command,
    failures: &[&str],
) -> Result<Vec<String>, Failure> {
    let report = scratch.join("subject-report.json");
    // It may not be there.
    let _ = std::fs::remove_file(&report);
    let mut command = Command::new(binary);
    command.args(["conform", kind, "--format", "json", "--output"]).arg(&report).arg("--");
    command.arg(script.get_program()).args(script.get_args()).env("WEBPUSH_DIRECTORY", scratch);
    let mut lines = Vec::new();
    let ended = run_to_end(command, &mut lines);
    let compared = std::fs::read(&report)
        .map_err(|missing| ended.err().unwrap_or_else(|| missing.into()))
        .and_then(|json| compare(&json, kind, failures));
    match compared {
        Ok(line) => {
            lines.push(line);
            Ok(lines)
        }
        Err(error) => Err(Failure { lines, error }),
    }
}

fn compare(json: &[u8], kind: &str, failures: &[&str]) -> anyhow::Result<String> {
    let report: Value = serde_json::from_slice(json).context("the report is not JSON")?;
    let facts = report["facts"].as_array().context("no facts")?;
    let ended = facts.iter().find(|fact| fact["name"] == "command").map(|fact| &fact["value"]);
    ensure!(ended.is_some_and(|ended| ended == "exit status: 0"), "the script ended with {ended:?}");
    let results = report["results"].as_array().context("no results")?;
    let failed = results.iter().filter(|result| result["outcome"] == "failed");
    let failed: Vec<_> = failed.filter_map(|result| result["id"].as_str()).collect();
    ensure!(
        failed == failures,
        "failed {failed:?}, known are {failures:?}: update docs/conformance/{kind}s.md"
    );
    Ok(format!("ok {} passed, {} failed", report["tally"]["passed"], failed.len()))
}
