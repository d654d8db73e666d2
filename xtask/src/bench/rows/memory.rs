//! The cost of an idle agent: memory, connecting, processor time at rest.

use crate::bench::row::{Goal, Row, once, reading};

pub(super) const MEMORY: &str = "user_memory_kib_per_agent";
const MEMORY_OF_SESSION: &str = "user_memory_kib_per_session";
const REST: &str = "rest_percent_of_a_core";

/// HTTP/2 PINGs, one a minute for each connection, are made rare: the goal excludes them.
macro_rules! idle {
    ($rest:literal) => {
        concat!(
            "target/dist/webpush-load idle --server target/dist/webpush-server --directory target/bench \
             --server-arg=--keepalive=1h --rest {10|3} ",
            $rest
        )
    };
}

const SOCKETS_TLS: &str = idle!("--agents {4000|1000} --tls");
pub(super) const MONITORS: &str = idle!("--agents {4000|1000} --via push");
const MONITORS_TLS: &str = idle!("--agents {4000|1000} --via push --tls");
const MOST_SOCKETS: &str = idle!("--agents {19000|4000}");
const MOST_SOCKETS_TLS: &str = idle!("--agents {19000|4000} --tls");
const MOST_MONITORS: &str = idle!("--agents {19000|4000} --via push");
const MOST_MONITORS_TLS: &str = idle!("--agents {19000|4000} --via push --tls");
const SESSIONS: &str = "target/dist/webpush-load sessions --count {1000000|100000} --rest {10|3}";
const SESSIONS_TLS: &str = "target/dist/webpush-load sessions --count {100000|10000} --rest {10|3} --tls";
/// Without that flag, which the peer lacks: these are measured for both.
pub(super) const HELLO: &str = "target/dist/webpush-load idle --server target/dist/webpush-server --directory target/bench \
                     --rest {10|3} --agents {4000|1000}";
const REGISTERED: &str = "target/dist/webpush-load idle --server target/dist/webpush-server --directory target/bench \
                          --rest {10|3} --agents {4000|1000} --register";

/// One row of memory.
const fn memory(name: &'static str, what: &'static str, command: &'static str, most: f64) -> Row {
    let figure = reading(command, MEMORY);
    Row { name, what, unit: "KiB", figure, goal: Goal::AtMost(most), limit: &[], beside: &[], peer: None }
}

/// A row that takes too long to be repeated.
const fn at_the_limit(
    name: &'static str,
    what: &'static str,
    command: &'static str,
    figure: &'static str,
    most: f64,
) -> Row {
    let unit = if most > 1.0 { "KiB" } else { "%" };
    let goal = Goal::AtMost(most);
    Row { name, what, unit, figure: once(command, figure), goal, limit: &[], beside: &[], peer: None }
}

pub(super) const ROWS: &[Row] = &[
    Row {
        peer: Some(27.0),
        ..memory("idle-websocket", "user-space memory per idle agent on a WebSocket", HELLO, 1.5)
    },
    Row {
        peer: Some(23.0),
        ..memory("idle-websocket-registered", "the same, each with a channel", REGISTERED, 1.5)
    },
    memory("idle-websocket-tls", "the same with TLS", SOCKETS_TLS, 6.0),
    memory(
        "idle-monitor",
        "user-space memory per idle agent on a held GET, a connection each",
        MONITORS,
        12.0,
    ),
    memory("idle-monitor-tls", "the same with TLS", MONITORS_TLS, 18.0),
    at_the_limit(
        "limit-websocket",
        "{19,000|4,000} WebSockets: the limit of descriptors here is 20,000",
        MOST_SOCKETS,
        MEMORY,
        1.5,
    ),
    at_the_limit("limit-websocket-tls", "{19,000|4,000} WebSockets with TLS", MOST_SOCKETS_TLS, MEMORY, 6.0),
    at_the_limit("limit-monitor", "{19,000|4,000} held GETs", MOST_MONITORS, MEMORY, 12.0),
    at_the_limit("limit-monitor-tls", "{19,000|4,000} held GETs with TLS", MOST_MONITORS_TLS, MEMORY, 18.0),
    at_the_limit(
        "rest-websocket",
        "of a core at rest, with {19,000|4,000} WebSockets",
        MOST_SOCKETS,
        REST,
        1.0,
    ),
    at_the_limit(
        "rest-monitor",
        "of a core at rest, with {19,000|4,000} held GETs, PINGs left out",
        MOST_MONITORS,
        REST,
        1.0,
    ),
    at_the_limit(
        "sessions",
        "user-space memory per session, {1,000,000|100,000} in one process, transports in memory",
        SESSIONS,
        MEMORY_OF_SESSION,
        1.5,
    ),
    at_the_limit(
        "sessions-tls",
        "the same, {100,000|10,000} with TLS",
        SESSIONS_TLS,
        MEMORY_OF_SESSION,
        10.0,
    ),
    at_the_limit(
        "sessions-rest",
        "of a core at rest, with {1,000,000|100,000} sessions",
        SESSIONS,
        REST,
        1.0,
    ),
    Row {
        name: "connect",
        what: "server CPU per agent that connects and says hello, plain",
        unit: "µs",
        figure: reading(HELLO, "server_cpu_us_per_connect"),
        goal: Goal::AtMost(40.0),
        limit: &[],
        beside: &[
            reading(HELLO, "agents_connected_per_second"),
            reading(SOCKETS_TLS, "server_cpu_us_per_connect"),
        ],
        peer: Some(45.6),
    },
    Row {
        name: "connect-registered",
        what: "the same and registers a channel, which is durable",
        unit: "µs",
        figure: reading(REGISTERED, "server_cpu_us_per_connect"),
        goal: Goal::None,
        limit: &[],
        beside: &[],
        peer: Some(222.0),
    },
];
