//! Runs a target on many inputs.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::{Mutator, Target, corpus_of};

/// The number of executions between two looks at the clock.
const UNTIMED_EXECUTIONS: u64 = 64;

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// After this number of executions.
    Executions(u64),
    /// After this time.
    Time(Duration),
}

/// The result of a run without a failure.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// The number of mutated inputs.
    pub executions: u64,
    /// The time that they took.
    pub elapsed: Duration,
    /// The number of inputs in the corpus.
    pub corpus: usize,
}

/// An input for which a property does not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The name of the target.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the target {} fails for b\"{}\"", self.target, self.input.escape_ascii())
    }
}

impl std::error::Error for Failure {}

/// Runs a target on its corpus.
///
/// # Errors
/// The first input that fails. Panics if there is no corpus.
pub fn replay(target: &Target) -> Result<(), Failure> {
    corpus(target).into_iter().try_for_each(|input| check(target, input))
}

/// Runs a target on mutations of its corpus.
///
/// # Errors
/// The first input that fails. Panics if there is no corpus.
pub fn run(target: &Target, seed: u64, limit: Limit) -> Result<Summary, Failure> {
    let corpus = corpus(target);
    let mut mutator = Mutator::new(seed, &corpus, target.tokens);
    let begin = Instant::now();
    let mut executions = 0;
    while !limit.is_reached(executions, begin) {
        check(target, mutator.next_input())?;
        executions += 1;
    }
    Ok(Summary { executions, elapsed: begin.elapsed(), corpus: corpus.len() })
}

impl Limit {
    fn is_reached(self, executions: u64, begin: Instant) -> bool {
        match self {
            Self::Executions(limit) => executions >= limit,
            Self::Time(limit) => executions.is_multiple_of(UNTIMED_EXECUTIONS) && begin.elapsed() >= limit,
        }
    }
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    corpus_of(target).unwrap_or_else(|error| panic!("the target {} has no corpus: {error}", target.name))
}

fn check(target: &Target, input: Vec<u8>) -> Result<(), Failure> {
    match catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
        Ok(()) => Ok(()),
        Err(_) => Err(Failure { target: target.name, input }),
    }
}
