//! Direct calls of clock, randomness and sleep, which only the files in `SEAMS` may make.

use super::breach::{Breach, Rule};
use super::source::Source;

/// Direct calls, and what to use.
const CALLS: [(&str, &str); 7] = [
    ("SystemTime::now", "the clock that is passed in"),
    ("UNIX_EPOCH.elapsed", "the clock that is passed in"),
    ("Instant::now", "the clock that is passed in"),
    ("rand::fill", "the entropy that is passed in"),
    ("SystemRandom::new", "the entropy that is passed in"),
    ("RandomState", "a hasher that is seeded by the entropy that is passed in"),
    ("thread::sleep", "a timer of the runtime, or a condition variable with a deadline"),
];
/// Packages that measure the real time, and never ship.
const EXEMPT_PACKAGES: [&str; 5] = ["webpush-load", "webpush-powercut", "webpush-fuzz", "xtask", "fuzz"];
/// The seams: the real clock and the real entropy.
const SEAMS: [&str; 4] = [
    "crates/webpush-client/src/entropy.rs",
    "crates/webpush-service/src/system.rs",
    "crates/webpush-sim/src/cli.rs",
    "crates/webpush-store/src/system.rs",
];

/// Checks a Rust file that ships; others have no breach.
pub(super) fn check(source: &Source, breaches: &mut Vec<Breach>) {
    if EXEMPT_PACKAGES.contains(&source.package()) || SEAMS.contains(&source.path.as_str()) {
        return;
    }
    let Some(code) = source.shipped_code() else { return };
    // Its tests stop tokio's clock.
    let is_tokio_clock = code.contains("tokio::time::{Instant") || code.contains("tokio::time::Instant;");
    for (number, line) in code.lines().enumerate() {
        for (call, instead) in CALLS.iter().filter(|(call, _)| line.contains(call)) {
            if *call == "Instant::now" && is_tokio_clock && !line.contains("std::time::Instant::now") {
                continue;
            }
            let advice = format!("{call}: use {instead}");
            breaches.push(Breach {
                rule: Rule::DirectCall,
                path: source.path.clone(),
                line: number + 1,
                advice,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let mut breaches = Vec::new();
        check(&Source::new(path, text), &mut breaches);
        breaches.into_iter().map(|breach| breach.line).collect()
    }

    #[test]
    fn direct_calls_are_breaches() {
        for (call, _) in CALLS {
            let text = format!("// {call}\nfn a() {{\n    let b = {call}();\n}}\n");
            assert_eq!(lines("crates/webpush-http/src/a.rs", &text), [3], "{call}");
            assert_eq!(lines("crates/webpush-load/src/a.rs", &text), [0; 0], "{call}");
        }
    }

    #[test]
    fn tests_seams_and_the_clock_of_tokio_are_not() {
        let test = "#[cfg(test)]\nmod tests {\n    fn a() { Instant::now(); }\n}\n";
        assert_eq!(lines("crates/webpush-http/src/a.rs", test), [0; 0]);
        assert_eq!(lines(SEAMS[0], "fn a() { rand::fill(); }\n"), [0; 0]);
        let tokio = "use tokio::time::{Instant, sleep};\nfn a() { Instant::now(); }\n";
        assert_eq!(lines("crates/webpush-http/src/a.rs", tokio), [0; 0]);
    }
}
