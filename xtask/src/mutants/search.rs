//! Finds the test that notices a mutation.
//!
//! The test that the list expects comes first. Then the simulation, and then the programs of the crate with the mutation and
//! of those that depend on it, the quick ones first.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Options;
use super::build::{Program, Programs, SIMULATION};
use super::detector::{self, RunEnd};
use super::mutation::Mutation;

/// Packages in an order in which each follows those that it depends on.
const LAYERS: [&str; 9] = [
    "webpush-core",
    "webpush-store",
    "webpush-client",
    "webpush-service",
    "webpush-http",
    "webpush-admin",
    "webpush-dev",
    "webpush-conformance",
    "webpush-server",
];

/// Programs of the store whose tests need a PostgreSQL.
const POSTGRES: [&str; 6] =
    ["postgres", "postgres_model", "postgres_panics", "postgres_notices", "cells", "postgres_faults"];

/// Time limit of a program in addition to several times what it takes without a mutation.
const LIMIT: Duration = Duration::from_secs(150);
const LIMIT_FACTOR: u32 = 4;
/// Runs of a test that failed once: one that fails by chance is no proof.
const CONFIRMATIONS: usize = 3;

/// The search for the tests that find mutations.
pub(super) struct Search<'a> {
    programs: &'a Programs,
    options: &'a Options,
    /// The duration of each program without a mutation.
    durations: BTreeMap<&'a str, Duration>,
}

/// The result for one mutation.
#[derive(Debug)]
pub(super) struct SearchResult {
    pub(super) detection: Option<Detection>,
    /// From the start of the program that found it to the failure.
    pub(super) time: Duration,
}

/// The program that has found a mutation, and its test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Detection {
    pub(super) program: String,
    /// The test or seed; `None` if the program ended or hung without naming one.
    pub(super) test: Option<String>,
    pub(super) hangs: bool,
}

impl SearchResult {
    pub(super) const fn is_found(&self) -> bool {
        self.detection.is_some()
    }

    /// Returns the result in one line.
    pub(super) fn line(&self) -> String {
        match &self.detection {
            Some(Detection { program, test, hangs }) => format!(
                "{} {program} {} ({:.1} s)",
                if *hangs { "hangs:" } else { "found:" },
                test.as_deref().unwrap_or("*"),
                self.time.as_secs_f64()
            ),
            None => "NOT FOUND".to_owned(),
        }
    }
}

impl<'a> Search<'a> {
    pub(super) const fn new(programs: &'a Programs, options: &'a Options) -> Self {
        Self { programs, options, durations: BTreeMap::new() }
    }

    /// Runs everything without a mutation; fails if something does not pass.
    pub(super) fn run_baseline(&mut self, with_postgres: bool) -> Result<()> {
        let mut failed = Vec::new();
        for program in &self.programs.tests {
            let begun = Instant::now();
            let end = detector::run(&mut self.command(program, None, false), None, Duration::MAX / 2)?;
            self.durations.insert(&program.label, begun.elapsed());
            println!("{:<44} {:.1} s", program.label, begun.elapsed().as_secs_f64());
            if end != RunEnd::Passed {
                failed.push(format!("{}: {end:?}", program.label));
            }
            if with_postgres && is_for_postgres(program) {
                let end = detector::run(&mut self.command(program, None, true), None, Duration::MAX / 2)?;
                if end != RunEnd::Passed {
                    failed.push(format!("{} with PostgreSQL: {end:?}", program.label));
                }
            }
        }
        if let Some(mut simulation) = self.simulation()
            && detector::run(&mut simulation, None, Duration::MAX / 2)? != RunEnd::Passed
        {
            failed.push(SIMULATION.to_owned());
        }
        if !failed.is_empty() {
            bail!("without a mutation these do not pass:\n{}", failed.join("\n"));
        }
        Ok(())
    }

    /// Runs programs with a mutation until one finds it.
    pub(super) fn find(&self, mutation: &Mutation) -> Result<SearchResult> {
        if !self.options.ignore_expected {
            for (label, test) in mutation.expected.iter().filter(|(label, _)| self.is_wanted(label)) {
                let found =
                    self.try_expected(mutation, label, test).with_context(|| mutation.name.clone())?;
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            if self.options.quick {
                return Ok(SearchResult { detection: None, time: Duration::ZERO });
            }
        }
        if self.is_wanted(SIMULATION)
            && let Some(found) = self.try_simulation(mutation)?
        {
            return Ok(found);
        }
        for program in self.candidates(mutation) {
            if let Some(found) = self.try_program(mutation, program)? {
                return Ok(found);
            }
        }
        Ok(SearchResult { detection: None, time: Duration::ZERO })
    }

    /// Returns false if only other programs may be tried.
    fn is_wanted(&self, label: &str) -> bool {
        self.options.program.is_empty() || self.options.program.iter().any(|wanted| wanted == label)
    }

    /// Runs the test that the list expects to find a mutation.
    fn try_expected(&self, mutation: &Mutation, label: &str, test: &str) -> Result<Option<SearchResult>> {
        if label == SIMULATION {
            return self.try_simulation(mutation);
        }
        let program = self.programs.tests.iter().find(|program| program.label == label);
        let program = program.with_context(|| format!("there is no program {label}"))?;
        if test == "*" {
            return self.try_program(mutation, program);
        }
        let begun = Instant::now();
        let end = self.run_test(mutation, program, test, Some(&mutation.name))?;
        let time = begun.elapsed();
        if end == RunEnd::Passed || self.run_test(mutation, program, test, None)? != RunEnd::Passed {
            return Ok(None);
        }
        let hangs = matches!(end, RunEnd::Hung(_));
        let detection = Detection { program: label.to_owned(), test: Some(test.to_owned()), hangs };
        Ok(Some(SearchResult { detection: Some(detection), time }))
    }

    fn try_simulation(&self, mutation: &Mutation) -> Result<Option<SearchResult>> {
        let Some(mut simulation) = self.simulation() else { return Ok(None) };
        let begun = Instant::now();
        let end = detector::run(&mut simulation, Some(&mutation.name), self.limit(SIMULATION))?;
        let (test, hangs) = match end {
            RunEnd::Passed => return Ok(None),
            RunEnd::Failed(seed) => (Some(seed), false),
            RunEnd::Crashed => (None, false),
            RunEnd::Hung(_) => (None, true),
        };
        let detection = Detection { program: SIMULATION.to_owned(), test, hangs };
        Ok(Some(SearchResult { detection: Some(detection), time: begun.elapsed() }))
    }

    fn try_program(&self, mutation: &Mutation, program: &Program) -> Result<Option<SearchResult>> {
        let begun = Instant::now();
        let mut command = self.command(program, None, mutation.needs_postgres);
        let end = detector::run(&mut command, Some(&mutation.name), self.limit(&program.label))?;
        let time = begun.elapsed();
        let (test, hangs) = match end {
            RunEnd::Passed => return Ok(None),
            RunEnd::Failed(test) => (Some(test), false),
            RunEnd::Crashed => (None, false),
            RunEnd::Hung(test) => (test, true),
        };
        if let Some(test) = &test
            && !self.is_confirmed(mutation, program, test)?
        {
            println!("{:<44} not confirmed: {} {test}", mutation.name, program.label);
            return Ok(None);
        }
        let detection = Detection { program: program.label.clone(), test, hangs };
        Ok(Some(SearchResult { detection: Some(detection), time }))
    }

    /// Returns true if a test passes without the mutation, and fails with it again.
    fn is_confirmed(&self, mutation: &Mutation, program: &Program, test: &str) -> Result<bool> {
        if self.run_test(mutation, program, test, None)? != RunEnd::Passed {
            return Ok(false);
        }
        for _ in 0..CONFIRMATIONS {
            if self.run_test(mutation, program, test, Some(&mutation.name))? != RunEnd::Passed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn run_test(
        &self,
        mutation: &Mutation,
        program: &Program,
        test: &str,
        on: Option<&str>,
    ) -> Result<RunEnd> {
        let mut command = self.command(program, Some(test), mutation.needs_postgres);
        detector::run(&mut command, on, LIMIT)
    }

    /// Returns the programs that can find a mutation.
    fn candidates(&self, mutation: &Mutation) -> Vec<&'a Program> {
        let programs = self.programs.tests.iter();
        if !self.options.program.is_empty() {
            return programs.filter(|program| self.is_wanted(&program.label)).collect();
        }
        if mutation.needs_postgres {
            return programs.filter(|program| is_for_postgres(program)).collect();
        }
        let layer = |package: &str| LAYERS.iter().position(|layer| *layer == package);
        let first = LAYERS.iter().position(|layer| mutation.file.split('/').any(|part| part == *layer));
        let is_near = |at: usize| if self.options.own_crate { Some(at) == first } else { Some(at) >= first };
        let mut candidates: Vec<_> =
            programs.filter(|program| layer(&program.package).is_some_and(is_near)).collect();
        let duration = |program: &Program| self.durations.get(program.label.as_str()).copied();
        candidates.sort_by_key(|program| (layer(&program.package), duration(program)));
        candidates
    }

    /// Returns the command that runs all tests of a program, or one.
    fn command(&self, program: &Program, test: Option<&str>, with_postgres: bool) -> Command {
        let mut command = if with_postgres {
            let mut command =
                Command::new(std::env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask")));
            command.args(["postgres", "--"]).arg(&program.path).arg("--ignored");
            command
        } else {
            Command::new(&program.path)
        };
        command.current_dir(&program.directory).env("CARGO_MANIFEST_DIR", &program.directory);
        match test {
            Some(test) => command.args(["--exact", test]),
            None => command.args(self.options.skip.iter().flat_map(|text| ["--skip", text])),
        };
        command
    }

    fn simulation(&self) -> Option<Command> {
        let mut command = Command::new(self.programs.simulation.as_ref()?);
        command.args(["run", "--seeds", &format!("0..{}", self.options.seeds)]);
        Some(command)
    }

    fn limit(&self, label: &str) -> Duration {
        LIMIT + self.durations.get(label).copied().unwrap_or_default() * LIMIT_FACTOR
    }
}

fn is_for_postgres(program: &Program) -> bool {
    let name = program.label.split_once('/').map(|(_, name)| name);
    program.package == "webpush-store" && name.is_some_and(|name| POSTGRES.contains(&name))
}
