//! The cost of a message in a store with many messages.
//!
//! Measured on the store itself: over HTTP it would take hours.

use crate::bench::row::{Goal, Reading, Row, once};

const CPU: &str = "cpu_us_per_message";

macro_rules! scale {
    ($rest:literal) => {
        once(
            concat!(
                "target/dist/webpush-load store scale --directory target/bench --messages {300000|20000} ",
                $rest
            ),
            CPU,
        )
    };
}

const STORED_1K: Reading = scale!("--stored 1000 --subscriptions 10000");
const STORED_100K: Reading = scale!("--stored {100000|10000} --subscriptions 10000");
const STORED_1M: Reading = scale!("--stored {1000000|50000} --subscriptions 10000");
const SUBSCRIPTIONS_1M: Reading = scale!("--stored 1000 --subscriptions {1000000|50000}");
const SUBSCRIPTIONS_10M: Reading = scale!("--stored 1000 --subscriptions {10000000|100000} --row-cache 3000");

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "scale-1k",
        what: "store CPU per message, appended and settled, 1,000 stored and 10,000 subscriptions, compaction included",
        unit: "µs",
        figure: STORED_1K,
        goal: Goal::None,
        limit: &[],
        beside: &[],
        peer: None,
    },
    Row {
        name: "scale-stored-100k",
        what: "the same with {100,000|10,000} stored; the limit is the first",
        unit: "µs",
        figure: STORED_100K,
        goal: Goal::TimesLimit(1.5),
        limit: &[STORED_1K],
        beside: &[],
        peer: None,
    },
    Row {
        name: "scale-stored-1m",
        what: "the same with {1,000,000|50,000} stored; the limit is the first",
        unit: "µs",
        figure: STORED_1M,
        goal: Goal::TimesLimit(1.5),
        limit: &[STORED_1K],
        beside: &[],
        peer: None,
    },
    Row {
        name: "scale-subscriptions-1m",
        what: "the same with 1,000 stored and {1,000,000|50,000} subscriptions; the limit is the first",
        unit: "µs",
        figure: SUBSCRIPTIONS_1M,
        goal: Goal::TimesLimit(1.5),
        limit: &[STORED_1K],
        beside: &[],
        peer: None,
    },
    Row {
        name: "scale-subscriptions-10m",
        what: "the same with {10,000,000|100,000} subscriptions, all of them in a larger row cache; the limit is the first",
        unit: "µs",
        figure: SUBSCRIPTIONS_10M,
        goal: Goal::TimesLimit(1.5),
        limit: &[STORED_1K],
        beside: &[],
        peer: None,
    },
];
