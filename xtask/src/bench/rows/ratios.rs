//! Goals as ratios to a limit of the same run, which hold on any machine.
//!
//! The other rows measure the same commands against absolute goals, which are for the machine of the page.

use super::{memory, messages};
use crate::bench::row::{Goal, Reading, Row, once, reading};

const HALF: &str = "target/dist/webpush-load online --server target/dist/webpush-server --directory target/bench \
                    --seconds {15|2} --in-flight 512 --http 1.1 --half-capacity";
const RETURN: &str = "target/dist/webpush-load drain --server target/dist/webpush-server --directory target/bench \
                      --agents {19000|500} --waiting 10";
const NULL_HTTP1_512: Reading = reading(
    "target/dist/webpush-load limit http --seconds {5|2} --in-flight 512 --http 1.1",
    messages::CPU_OF_POST,
);
const NULL_CONNECT: Reading =
    reading("target/dist/webpush-load limit connect --agents {4000|1000}", "server_cpu_us_per_connect");

const NULL_HELD: Reading =
    reading("target/dist/webpush-load limit held --agents {4000|1000}", memory::MEMORY);

/// A row without further figures.
const fn ratio(
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    figure: Reading,
    goal: Goal,
    limit: &'static [Reading],
) -> Row {
    Row { name, what, unit, figure, goal, limit, beside: &[], peer: None }
}

pub(super) const ROWS: &[Row] = &[
    ratio(
        "ratio-online",
        "server CPU per message online over HTTP/1.1; the limit is a POST and an echo of servers that do nothing",
        "µs",
        reading(messages::HTTP1, messages::CPU),
        Goal::TimesLimit(2.2),
        &[messages::NULL_HTTP1, messages::NULL_WEBSOCKET],
    ),
    ratio(
        "ratio-absent-64",
        "server CPU per durable POST to absent agents, 64 in flight; the limit is a POST to a server that does nothing and a put of the bare engine",
        "µs",
        reading(messages::ABSENT_64, messages::CPU_OF_POST),
        Goal::TimesLimit(1.0),
        &[messages::NULL_HTTP1, reading(messages::ENGINE_64, "cpu_us_per_put")],
    ),
    ratio(
        "ratio-absent-512",
        "the same with 512 in flight",
        "µs",
        reading(messages::ABSENT_512, messages::CPU_OF_POST),
        Goal::TimesLimit(1.0),
        &[NULL_HTTP1_512, reading(messages::ENGINE_512, "cpu_us_per_put")],
    ),
    ratio(
        "ratio-latency-1",
        "a durable POST, 1 in flight, p50; the limit is an fdatasync and a POST to a server that does nothing, p50 each",
        "µs",
        reading(messages::ABSENT_1, "closed_loop_post_p50_us"),
        Goal::TimesLimit(1.25),
        &[
            reading(messages::SYNC, "fdatasync_p50_us"),
            reading(messages::NULL_HTTP1_1, "closed_loop_post_p50_us"),
        ],
    ),
    Row {
        beside: &[reading(HALF, "capacity_per_second"), reading(HALF, "messages_per_second")],
        ..ratio(
            "ratio-tail",
            "delivery in an open loop at half of the capacity of the same run, p99; the limit is the p50",
            "µs",
            reading(HALF, "open_loop_delivery_p99_us"),
            Goal::TimesLimit(5.0),
            &[reading(HALF, "open_loop_delivery_p50_us")],
        )
    },
    ratio(
        "ratio-connect",
        "server CPU per agent that connects and says hello; the limit is a WebSocket opened to a server that does nothing",
        "µs",
        reading(memory::HELLO, "server_cpu_us_per_connect"),
        Goal::TimesLimit(2.0),
        &[NULL_CONNECT],
    ),
    ratio(
        "ratio-monitor",
        "user-space memory per idle agent on a held GET; the limit is a request held by an `h2` server that does nothing, with another allocator",
        "KiB",
        reading(memory::MONITORS, memory::MEMORY),
        Goal::None,
        &[NULL_HELD],
    ),
    Row {
        beside: &[
            once(RETURN, "hello_p50_us"),
            once(RETURN, "hello_max_us"),
            once(RETURN, "messages_per_second"),
        ],
        ..ratio(
            "ratio-return",
            "{19,000|500} agents that reconnect at once, each with 10 messages waiting, until all are acknowledged; the limit is the processor time of server and load, spread over the cores",
            "s",
            once(RETURN, "seconds"),
            Goal::TimesLimit(1.5),
            &[once(RETURN, "cpu_bound_seconds")],
        )
    },
];
