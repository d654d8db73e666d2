//! The model checker, from npm.

use crate::shell;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Files that npm installs from; a copy of the lock file shows whether the installation is current.
const PACKAGE: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
const LOCK: &str = "package-lock.json";

/// An installed Quint, and a directory with a copy of the model.
pub(super) struct Quint {
    pub(super) directory: PathBuf,
}

/// A run of the simulator.
pub(super) struct Run<'a> {
    pub(super) file: &'a str,
    pub(super) main: &'a str,
    pub(super) samples: u32,
    pub(super) steps: u32,
    pub(super) seed: u32,
    pub(super) witnesses: &'a [&'a str],
}

/// The result of a run, which succeeds if the invariant `holds` did.
pub(super) struct Output {
    pub(super) succeeded: bool,
    pub(super) text: String,
}

impl Output {
    /// Returns the last value of a variable, whose line may be broken after its name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.text.rsplit_once(&format!("{name}:"))?;
        Some(
            value
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty())?
                .trim_end_matches(',')
                .trim_matches('"'),
        )
    }
}

impl Quint {
    /// Copies the model to `target/model`, and installs Quint there unless the installation is current.
    pub(super) fn install() -> Result<Self> {
        shell::needs(&[("node", "nodejs"), ("npm", "npm")])?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent directory")?;
        let own_binary = std::env::current_exe().context("cannot tell where xtask is running from")?;
        let target = own_binary.ancestors().nth(2).context("xtask is not in a cargo target directory")?;
        let (model, directory) = (root.join("model"), target.join("model"));
        fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let is_current = fs::read(directory.join("node_modules/.installed-from")).ok()
            == Some(fs::read(model.join(LOCK)).context("cannot read the lock file of the model")?);
        let sources = shell::files_in(&model)?;
        for source in sources.iter().filter(|file| file.extension().is_some_and(|name| name == "qnt")) {
            copy(source, &directory)?;
        }
        if !is_current {
            println!("installing Quint");
            for file in PACKAGE {
                copy(&model.join(file), &directory)?;
            }
            let flags = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
            shell::run(Command::new("npm").args(flags).current_dir(&directory))?;
            let installed = directory.join("node_modules/.installed-from");
            fs::copy(directory.join(LOCK), installed).context("cannot mark the installation as current")?;
        }
        Ok(Self { directory })
    }

    pub(super) fn source(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.directory.join(file)).with_context(|| format!("cannot read model/{file}"))
    }

    /// Runs the unit tests of a file, each once, and returns how many passed.
    pub(super) fn test(&self, file: &str) -> Result<String> {
        let output = self.quint(&["test", file, "--max-samples=1"])?;
        ensure!(output.succeeded, "{}", output.text);
        let passed = output.text.lines().find(|line| line.contains(" passing"));
        Ok(passed.context("quint ran no tests")?.trim().to_owned())
    }

    pub(super) fn run(&self, run: &Run<'_>) -> Result<Output> {
        let Run { file, main, samples, steps, seed, witnesses } = run;
        let mut arguments = vec![
            "run".to_owned(),
            (*file).to_owned(),
            format!("--main={main}"),
            format!("--max-samples={samples}"),
            format!("--max-steps={steps}"),
            format!("--seed={seed}"),
            "--invariant=holds".to_owned(),
        ];
        if !witnesses.is_empty() {
            arguments.push("--witnesses".to_owned());
            arguments.extend(witnesses.iter().map(|name| (*name).to_owned()));
        }
        self.quint(&arguments)
    }

    /// Runs Quint with the simulator that is part of the npm package; the other one would be downloaded.
    fn quint<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Result<Output> {
        let mut command = Command::new(self.directory.join("node_modules/.bin/quint"));
        command.args(arguments).arg("--backend=typescript").current_dir(&self.directory);
        let done = command.stdin(Stdio::null()).output().context("cannot run quint")?;
        let text = [done.stdout, done.stderr].concat();
        Ok(Output { succeeded: done.status.success(), text: String::from_utf8_lossy(&text).into_owned() })
    }
}

fn copy(file: &Path, directory: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    fs::copy(file, directory.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}
