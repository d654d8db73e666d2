//! The test programs of the copy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Never shipped, so their tests find no bug of the service.
const EXCLUDED: [&str; 2] = ["xtask", "webpush-load"];

/// The simulation, as package and program.
pub(super) const SIMULATION: &str = "webpush-sim";

/// A test of the simulation, with which cargo builds its program.
const SIMULATION_TEST: &str = "seeds";

/// A test program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The package, and for integration tests a slash and their name.
    pub(super) label: String,
    pub(super) package: String,
    pub(super) path: PathBuf,
    /// The directory in which its tests expect to run.
    pub(super) directory: PathBuf,
}

/// Everything that can find a mutation.
pub(super) struct Programs {
    pub(super) tests: Vec<Program>,
    /// The simulation, if the repository has one.
    pub(super) simulation: Option<PathBuf>,
}

impl Programs {
    /// Builds programs in `scratch`: all, or at least those with one of these labels.
    pub(super) fn build(scratch: &Path, labels: &[String]) -> Result<Self> {
        let mut build = cargo(scratch, "test");
        build.args(["--no-run", "--message-format=json"]);
        for label in labels {
            match label.split_once('/') {
                Some((_, test)) => build.args(["--test", test]),
                None if label == SIMULATION => build.args(["--test", SIMULATION_TEST]),
                None => build.arg("--lib"),
            };
        }
        let messages = messages(&mut build)?;
        let tests = messages.iter().filter_map(test_program).collect();
        Ok(Self { tests, simulation: messages.iter().find_map(simulation) })
    }

    /// Returns true if there is a program with this label.
    pub(super) fn has(&self, label: &str) -> bool {
        label == SIMULATION && self.simulation.is_some()
            || self.tests.iter().any(|program| program.label == label)
    }
}

/// Compiles the copy without creating programs.
pub(super) fn check(scratch: &Path) -> Result<()> {
    let status = cargo(scratch, "check").status().context("cannot run cargo")?;
    ensure!(status.success(), "the tree with all mutations does not compile");
    Ok(())
}

/// Returns the program of the simulation if a message of cargo announces it.
///
/// Its tests need it, so it is built with them.
fn simulation(message: &Value) -> Option<PathBuf> {
    let is_its = message["target"]["name"] == SIMULATION && message["profile"]["test"] == false;
    message["executable"].as_str().filter(|_| is_its).map(PathBuf::from)
}

/// Returns a command with the features of CI, so that dependencies which were built for it can be used.
fn cargo(scratch: &Path, task: &str) -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.arg(task).current_dir(scratch.join("tree")).env("CARGO_TARGET_DIR", scratch.join("target"));
    command.args(["--quiet", "--workspace", "--features", "webpush-server/pkcs12"]);
    command
}

/// Runs cargo, and returns its messages.
fn messages(command: &mut Command) -> Result<Vec<Value>> {
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "the tree with all mutations could not be built");
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(|line| serde_json::from_str(line).context("a message of cargo")).collect()
}

/// Returns the test program that a message of cargo announces.
fn test_program(message: &Value) -> Option<Program> {
    let path = PathBuf::from(message["executable"].as_str()?);
    if message["profile"]["test"] != true {
        return None;
    }
    let manifest = PathBuf::from(message["manifest_path"].as_str()?);
    let directory = manifest.parent()?.to_owned();
    let package = directory.file_name()?.to_str()?.to_owned();
    if EXCLUDED.contains(&package.as_str()) {
        return None;
    }
    let target = &message["target"];
    let is_library = target["kind"].as_array()?.iter().any(|kind| kind == "lib");
    let label = if is_library { package.clone() } else { format!("{package}/{}", target["name"].as_str()?) };
    Some(Program { label, package, path, directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulation_is_built_with_its_tests() {
        let message = |name: &str, is_test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "executable": "/t/p", "profile": {"test": is_test},
                "target": {"kind": ["bin"], "name": name},
            })
        };
        assert_eq!(simulation(&message(SIMULATION, false)), Some(PathBuf::from("/t/p")));
        assert_eq!(simulation(&message(SIMULATION, true)), None);
        assert_eq!(simulation(&message("webpush-server", false)), None);
    }

    #[test]
    fn test_programs_are_named_by_package_and_target() {
        let message = |kind: &str, name: &str, is_test: bool| {
            serde_json::json!({
                "reason": "compiler-artifact", "executable": "/t/p", "profile": {"test": is_test},
                "manifest_path": "/r/crates/webpush-store/Cargo.toml", "target": {"kind": [kind], "name": name},
            })
        };
        let label = |message: &Value| test_program(message).map(|program| program.label);
        assert_eq!(label(&message("lib", "webpush_store", true)).as_deref(), Some("webpush-store"));
        assert_eq!(label(&message("test", "model", true)).as_deref(), Some("webpush-store/model"));
        assert_eq!(label(&message("bin", "x", false)), None);
        assert_eq!(label(&serde_json::json!({"reason": "build-finished"})), None);
        let program = test_program(&message("test", "model", true)).unwrap();
        assert_eq!(program.directory, Path::new("/r/crates/webpush-store"));
    }
}
