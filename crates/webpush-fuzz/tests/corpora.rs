//! Runs every target on its corpus, and on mutations of it that a seed determines.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails must stop the test")]

use std::collections::BTreeSet;
use std::fs;

use webpush_fuzz::{Limit, TARGETS, Target, directory_of, replay, run};

/// Mutations of each target. Those of slow targets take as long as those of all others.
const EXECUTIONS: u64 = 2000;
const SLOW: [&str; 4] = ["configuration", "encryption", "restore", "store"];
const SLOW_EXECUTIONS: u64 = 100;
const SEED: u64 = 1;
/// Corpora are part of the repository, and replayed in every test run.
const CORPUS_BYTES: u64 = 100 * 1024;
const ALL_CORPORA_BYTES: u64 = 500 * 1024;

#[test]
fn every_target_holds_for_its_corpus_and_for_mutations_of_it() {
    // Two threads take the targets in turn.
    std::thread::scope(|scope| {
        for first in 0..2 {
            scope.spawn(move || TARGETS.iter().skip(first).step_by(2).for_each(assert_holds));
        }
    });
}

fn assert_holds(target: &Target) {
    replay(target).unwrap_or_else(|failure| panic!("{failure}"));
    let executions = if SLOW.contains(&target.name) { SLOW_EXECUTIONS } else { EXECUTIONS };
    let summary =
        run(target, SEED, Limit::Executions(executions)).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(summary.corpus > 0, "{} has an empty corpus", target.name);
}

#[test]
fn corpora_belong_to_targets_and_are_small() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len(), "two targets have the same name");
    let root = directory_of(&TARGETS[0]).parent().unwrap().to_owned();
    let directories: BTreeSet<String> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(directories, names);
    let mut sum = 0;
    for target in TARGETS {
        let files = fs::read_dir(directory_of(target)).unwrap();
        let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(bytes <= CORPUS_BYTES, "the corpus of {} has {bytes} bytes", target.name);
        sum += bytes;
    }
    assert!(sum <= ALL_CORPORA_BYTES, "{sum} bytes");
}

#[test]
fn the_files_of_a_target_exist() {
    for target in TARGETS {
        assert!(!target.files.is_empty());
        for file in target.files {
            let path = format!("{}/../../crates/{file}", env!("CARGO_MANIFEST_DIR"));
            assert!(fs::exists(&path).unwrap(), "{}: {path}", target.name);
        }
    }
}
