//! Runs of the simulation, and the tests of its checker.

#![allow(clippy::unwrap_used, reason = "what fails must stop the test")]

use std::process::Command;
use webpush_sim::campaign;
use webpush_sim::scenario::Scenario;
use webpush_sim::world;

#[test]
fn promises_are_kept_under_faults() {
    let totals = campaign::run(0..24, 2, true).unwrap();
    assert!(totals.failures.is_empty(), "{:#?}", totals.failures);
    assert_eq!(totals.runs, 24);
    assert!(totals.deliveries > 100, "{totals:?}");
}

#[test]
fn a_seed_gives_the_same_history_every_time() {
    for seed in [0, 2, 4, 9, 11] {
        let scenario = Scenario::new(seed);
        let (first, second) = (world::run(&scenario).unwrap(), world::run(&scenario).unwrap());
        let differing = first.lines().zip(second.lines()).find(|(first, second)| first != second);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
}

#[test]
fn the_checker_finds_broken_histories() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/checker/test_check.py");
    let output = Command::new("python3").arg(tests).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
