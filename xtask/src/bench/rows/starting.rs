//! Startup, and the size of the program.

use crate::bench::row::{Goal, Row, once, reading};

const START: &str = "target/dist/webpush-load start --server target/dist/webpush-server --directory target/bench --times {21|5}";
const RESTART: &str = "target/dist/webpush-load restart --server target/dist/webpush-server --directory target/bench \
                       --stored {1000000|50000} --in-flight 512";

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "restart",
        what: "killed with {1,000,000|50,000} messages stored: from the new start to the first 201",
        unit: "ms",
        figure: once(RESTART, "restart_first_ms"),
        goal: Goal::AtMost(1000.0),
        limit: &[],
        beside: &[once(RESTART, "restart_p50_ms"), once(RESTART, "restart_max_ms")],
        peer: None,
    },
    Row {
        name: "cold-start",
        what: "an empty data directory: from the start of the process to the line that says it serves, p50",
        unit: "ms",
        figure: reading(START, "start_p50_ms"),
        goal: Goal::AtMost(30.0),
        limit: &[],
        beside: &[reading(START, "start_max_ms"), reading(START, "server_rss_kib")],
        peer: None,
    },
    Row {
        name: "binary",
        what: "the program as it ships, stripped",
        unit: "MB",
        figure: reading(START, "binary_mb"),
        goal: Goal::AtMost(15.0),
        limit: &[],
        beside: &[],
        peer: None,
    },
];
