//! The cost of a message for the server, and how long it takes.

use crate::bench::row::{Goal, Reading, Row, reading};

pub(super) const CPU: &str = "server_cpu_us_per_message";
pub(super) const CPU_OF_POST: &str = "server_cpu_us_per_post";
const RATE: &str = "messages_per_second";

/// A load on this server; `measure::OURS` has the replacement for the peer.
macro_rules! ours {
    ($command:literal, $rest:literal) => {
        concat!(
            "target/dist/webpush-load ",
            $command,
            " --server target/dist/webpush-server --directory target/bench ",
            $rest
        )
    };
}

pub(super) const HTTP1: &str = ours!("online", "--seconds {15|2} --in-flight 64 --http 1.1");
const HTTP2: &str = ours!("online", "--seconds {15|2} --in-flight 64 --http 2");
const REPEATED: &str = ours!("online", "--seconds {15|2} --in-flight 64 --http 1.1 --vapid repeated");
const FRESH: &str = ours!("online", "--seconds {15|2} --in-flight 64 --http 1.1 --vapid fresh");
const MIXED: &str = ours!("online", "--seconds {15|2} --in-flight 64 --http 1.1 --size mixed --slow 10");
const MONITORS: &str =
    ours!("online", "--seconds {15|2} --in-flight 64 --http 2 --via push --monitors-per-connection 20");
pub(super) const OPEN: &str =
    ours!("online", "--seconds {15|2} --in-flight 512 --http 1.1 --rate {2000|500}");
pub(super) const ABSENT_64: &str = ours!("absent", "--seconds {10|2} --in-flight 64 --http 1.1");
pub(super) const ABSENT_512: &str = ours!("absent", "--seconds {10|2} --in-flight 512 --http 1.1");
pub(super) const ABSENT_1: &str = ours!("absent", "--seconds {10|2} --in-flight 1 --http 1.1");
const DRAIN: &str = ours!("drain", "--agents {500|100} --waiting 100");

pub(super) const NULL_HTTP1: Reading =
    reading("target/dist/webpush-load limit http --seconds {5|2} --in-flight 64 --http 1.1", CPU_OF_POST);
/// A POST without any effect.
pub(super) const NULL_HTTP1_1: &str =
    "target/dist/webpush-load limit http --seconds {5|2} --in-flight 1 --http 1.1";
const NULL_HTTP2: Reading =
    reading("target/dist/webpush-load limit http --seconds {5|2} --in-flight 64 --http 2", CPU_OF_POST);
/// One message out and one in, like a notification and its acknowledgement.
pub(super) const NULL_WEBSOCKET: Reading = reading(
    "target/dist/webpush-load limit websocket --seconds {5|2} --in-flight 64",
    "server_cpu_us_per_echo",
);

pub(super) const ENGINE_64: &str =
    "target/dist/webpush-load limit engine --directory target/bench --seconds {5|2} --in-flight 64";
pub(super) const ENGINE_512: &str =
    "target/dist/webpush-load limit engine --directory target/bench --seconds {5|2} --in-flight 512";
const PUTS_64: &str =
    "target/dist/webpush-load store puts --directory target/bench --seconds {5|2} --in-flight 64";
const PUTS_512: &str =
    "target/dist/webpush-load store puts --directory target/bench --seconds {5|2} --in-flight 512";
const BARE_64: &str =
    "target/dist/webpush-load limit append --directory target/bench --seconds {5|2} --in-flight 64";
const BARE_512: &str =
    "target/dist/webpush-load limit append --directory target/bench --seconds {5|2} --in-flight 512";
pub(super) const SYNC: &str =
    "target/dist/webpush-load limit fdatasync --directory target/bench --seconds {5|2}";

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "online-http1",
        what: "server CPU per message of 200 B, agents online on WebSockets, 64 in flight over HTTP/1.1: pushed, durable, delivered, acknowledged, settled",
        unit: "µs",
        figure: reading(HTTP1, CPU),
        goal: Goal::AtMost(35.0),
        limit: &[NULL_HTTP1, NULL_WEBSOCKET],
        beside: &[
            reading(HTTP1, RATE),
            reading(HTTP1, "closed_loop_post_p50_us"),
            reading(HTTP1, "closed_loop_delivery_p50_us"),
        ],
        peer: Some(350.0),
    },
    Row {
        name: "online-http2",
        what: "the same, pushed over HTTP/2",
        unit: "µs",
        figure: reading(HTTP2, CPU),
        goal: Goal::AtMost(35.0),
        limit: &[NULL_HTTP2, NULL_WEBSOCKET],
        beside: &[
            reading(HTTP2, RATE),
            reading(HTTP2, "closed_loop_post_p50_us"),
            reading(HTTP2, "closed_loop_delivery_p50_us"),
        ],
        peer: None,
    },
    Row {
        name: "vapid-repeated",
        what: "the same over HTTP/1.1, each with the same VAPID token",
        unit: "µs",
        figure: reading(REPEATED, CPU),
        goal: Goal::AtMost(40.0),
        limit: &[NULL_HTTP1, NULL_WEBSOCKET],
        beside: &[reading(REPEATED, RATE)],
        peer: None,
    },
    Row {
        name: "vapid-fresh",
        what: "the same, each with a VAPID token that was never seen",
        unit: "µs",
        figure: reading(FRESH, CPU),
        goal: Goal::AtMost(110.0),
        limit: &[NULL_HTTP1, NULL_WEBSOCKET],
        beside: &[reading(FRESH, RATE)],
        peer: None,
    },
    Row {
        name: "mixed-sizes-slow-agents",
        what: "the same without a token, 200 to 4,000 B, a tenth of the agents slow to read and to acknowledge",
        unit: "µs",
        figure: reading(MIXED, CPU),
        goal: Goal::None,
        limit: &[],
        beside: &[reading(MIXED, RATE)],
        peer: None,
    },
    Row {
        name: "online-monitors",
        what: "server CPU per message, agents on held GETs over HTTP/2, 20 on a connection, each message pushed and acknowledged by DELETE",
        unit: "µs",
        figure: reading(MONITORS, CPU),
        goal: Goal::None,
        limit: &[],
        beside: &[reading(MONITORS, RATE)],
        peer: None,
    },
    Row {
        name: "delivery-open-loop",
        what: "from when a message was due until its agent had it, p99, open loop (no coordinated omission)",
        unit: "µs",
        figure: reading(OPEN, "open_loop_delivery_p99_us"),
        goal: Goal::None,
        limit: &[],
        beside: &[
            reading(OPEN, RATE),
            reading(OPEN, "open_loop_delivery_p50_us"),
            reading(OPEN, "open_loop_post_p50_us"),
            reading(OPEN, "open_loop_post_p99_us"),
        ],
        peer: None,
    },
    Row {
        name: "absent-64",
        what: "server CPU per durable POST to absent agents, 64 in flight; the limit is the CPU of the bare engine per put of the same rows",
        unit: "µs",
        figure: reading(ABSENT_64, CPU_OF_POST),
        goal: Goal::AboveLimit(12.0),
        limit: &[reading(ENGINE_64, "cpu_us_per_put")],
        beside: &[
            reading(ABSENT_64, "posts_per_second"),
            reading(ENGINE_64, "puts_per_second"),
            reading(PUTS_64, "puts_per_second"),
            reading(PUTS_64, "cpu_us_per_put"),
            reading(BARE_64, "puts_per_second"),
            reading(BARE_64, "cpu_us_per_put"),
        ],
        peer: Some(600.0),
    },
    Row {
        name: "absent-512",
        what: "the same with 512 in flight",
        unit: "µs",
        figure: reading(ABSENT_512, CPU_OF_POST),
        goal: Goal::AboveLimit(12.0),
        limit: &[reading(ENGINE_512, "cpu_us_per_put")],
        beside: &[
            reading(ABSENT_512, "posts_per_second"),
            reading(ENGINE_512, "puts_per_second"),
            reading(PUTS_512, "puts_per_second"),
            reading(PUTS_512, "cpu_us_per_put"),
            reading(BARE_512, "puts_per_second"),
            reading(BARE_512, "cpu_us_per_put"),
        ],
        peer: None,
    },
    Row {
        name: "drain",
        what: "server CPU per message of 100 that waited for an agent that comes back, connecting included",
        unit: "µs",
        figure: reading(DRAIN, CPU),
        goal: Goal::AtMost(10.0),
        limit: &[NULL_WEBSOCKET],
        beside: &[reading(DRAIN, RATE)],
        peer: Some(125.0),
    },
    Row {
        name: "latency-1",
        what: "a durable POST, 1 in flight, p50; the limit is one fdatasync of the same disk, p50",
        unit: "µs",
        figure: reading(ABSENT_1, "closed_loop_post_p50_us"),
        goal: Goal::TimesLimit(1.5),
        limit: &[reading(SYNC, "fdatasync_p50_us")],
        beside: &[
            reading(ABSENT_1, "closed_loop_post_p99_us"),
            reading(SYNC, "fdatasync_p99_us"),
            reading(NULL_HTTP1_1, "closed_loop_post_p50_us"),
        ],
        peer: None,
    },
];
