//! A cluster: nodes on a PostgreSQL with two synchronous standbys, all on this machine.

use crate::bench::row::{Goal, Reading, Row, once, reading};

/// A load on the database.
macro_rules! postgres {
    ($command:literal) => {
        concat!("cargo xtask postgres --standbys 2 -- target/dist/webpush-load ", $command)
    };
}

/// A load on nodes of this server.
macro_rules! nodes {
    ($command:literal, $nodes:literal, $rest:literal) => {
        concat!(
            "cargo xtask postgres --standbys 2 -- target/dist/webpush-load ",
            $command,
            " --server target/dist/webpush-server --directory target/bench --nodes ",
            $nodes,
            " ",
            $rest
        )
    };
}

const RATE: &str = "messages_per_second";
const POSTS: &str = "posts_per_second";
const POST_P50: &str = "closed_loop_post_p50_us";
const ALL_CPU: &str = "all_cpu_us_per_message";
const NODES_CPU: &str = "server_cpu_us_per_message";
const PRIMARY_CPU: &str = "primary_cpu_us_per_message";
const STANDBYS_CPU: &str = "standbys_cpu_us_per_message";

const BARE_64: Reading = reading(postgres!("cluster bare --seconds {10|2} --in-flight 64"), RATE);
const BARE_512: Reading = reading(postgres!("cluster bare --seconds {10|2} --in-flight 512"), RATE);
const STORE_64: Reading = reading(postgres!("cluster puts --seconds {10|2} --in-flight 64"), RATE);
const STORE_512: Reading = reading(postgres!("cluster puts --seconds {10|2} --in-flight 512"), RATE);
const ABSENT_64: &str = nodes!("absent", "1", "--agents 10000 --seconds {10|2} --in-flight 64");
const ABSENT_512: &str = nodes!("absent", "1", "--agents 10000 --seconds {10|2} --in-flight 512");
const NOTICES: &str = nodes!("absent", "3", "--push-at 1 --agents 10000 --seconds {10|2} --in-flight 64");
const FILLED_64: &str = nodes!(
    "absent",
    "1",
    "--agents 10000 --seconds {10|2} --in-flight 64 --filled {1000000|20000} --warm-up {20|1}"
);
const FILLED_512: &str = nodes!(
    "absent",
    "1",
    "--agents 10000 --seconds {10|2} --in-flight 512 --filled {1000000|20000} --warm-up {20|1}"
);
const ONLINE_1: &str = nodes!("online", "1", "--seconds {15|2} --in-flight 64");
/// After a warm-up: older sessions take messages from notices.
const ONLINE_3: &str = nodes!("online", "3", "--seconds {15|2} --in-flight 64 --warm-up {22|1}");
const FILLED_ONLINE: &str =
    nodes!("online", "3", "--seconds {15|2} --in-flight 64 --filled {1000000|20000} --warm-up {22|1}");
const ELSEWHERE: &str =
    nodes!("online", "2", "--listen-at 1 --push-at 2 --seconds {20|3} --in-flight 64 --rate 100");
const FILLED_ELSEWHERE: &str = nodes!(
    "online",
    "2",
    "--listen-at 1 --push-at 2 --seconds {20|3} --in-flight 64 --rate 100 --filled {1000000|20000} --warm-up {20|1}"
);
/// The commit of such a load: one message at a time, as often.
const COMMIT: Reading =
    reading(postgres!("cluster puts --seconds {20|3} --in-flight 1 --pause 8"), "commit_p50_us");
const STORM: &str = nodes!(
    "reconnect",
    "3",
    "--listen-at 1 --push-at 2,3 --agents {10000|500} --in-flight 64 --rate 50 --seconds {30|5}"
);

const DELIVERY_P50: &str = "open_loop_delivery_p50_us";

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "cluster-absent-64",
        what: "durable POSTs per second to 10,000 absent agents at one node, 64 in flight; the limit is the messages per second of bare statements over the same number of connections to the database",
        unit: "/s",
        figure: reading(ABSENT_64, POSTS),
        goal: Goal::AtLeastTimesLimit(0.5),
        limit: &[BARE_64],
        beside: &[STORE_64, reading(ABSENT_64, POST_P50), reading(ABSENT_64, "all_cpu_us_per_post")],
        peer: Some(3900.0),
    },
    Row {
        name: "cluster-absent-512",
        what: "the same with 512 in flight",
        unit: "/s",
        figure: reading(ABSENT_512, POSTS),
        goal: Goal::AtLeastTimesLimit(0.5),
        limit: &[BARE_512],
        beside: &[STORE_512, reading(ABSENT_512, POST_P50), reading(ABSENT_512, "all_cpu_us_per_post")],
        peer: Some(3900.0),
    },
    Row {
        name: "cluster-online-1",
        what: "CPU per message online, as in online-http1, of the node and the three PostgreSQL servers added up (autopush-rs without its Redis)",
        unit: "µs",
        figure: reading(ONLINE_1, ALL_CPU),
        goal: Goal::AtMost(200.0),
        limit: &[],
        beside: &[
            reading(ONLINE_1, RATE),
            reading(ONLINE_1, NODES_CPU),
            reading(ONLINE_1, PRIMARY_CPU),
            reading(ONLINE_1, STANDBYS_CPU),
            reading(ONLINE_1, "wal_bytes_per_message"),
        ],
        peer: Some(350.0),
    },
    Row {
        name: "cluster-online-3",
        what: "the same with three nodes, agents and senders spread over them",
        unit: "µs",
        figure: reading(ONLINE_3, ALL_CPU),
        goal: Goal::AtMost(200.0),
        limit: &[],
        beside: &[
            reading(ONLINE_3, RATE),
            reading(ONLINE_3, NODES_CPU),
            reading(ONLINE_3, PRIMARY_CPU),
            reading(ONLINE_3, STANDBYS_CPU),
            reading(ONLINE_3, "wal_bytes_per_message"),
        ],
        peer: None,
    },
    Row {
        name: "cluster-notices",
        what: "CPU of a node per durable POST at another node of three, 64 in flight",
        unit: "µs",
        figure: reading(NOTICES, "node2_cpu_us_per_post"),
        goal: Goal::None,
        limit: &[],
        beside: &[
            reading(NOTICES, POSTS),
            reading(NOTICES, "node1_cpu_us_per_post"),
            reading(NOTICES, "primary_cpu_us_per_post"),
            reading(ABSENT_64, "primary_cpu_us_per_post"),
        ],
        peer: None,
    },
    Row {
        name: "cluster-elsewhere",
        what: "from when a message was due until an agent at another node had it, p50, 100 per second; the limit is the p50 of a commit, measured in the store alone",
        unit: "µs",
        figure: reading(ELSEWHERE, DELIVERY_P50),
        goal: Goal::TimesLimitAndMore(2.0, 1000.0),
        limit: &[COMMIT],
        beside: &[
            reading(ELSEWHERE, "open_loop_post_p50_us"),
            reading(ELSEWHERE, "open_loop_delivery_p99_us"),
        ],
        peer: None,
    },
    Row {
        name: "cluster-reconnect",
        what: "{10,000|500} agents that connect to two other nodes at once after theirs was killed, while messages are sent: until the last is served",
        unit: "s",
        figure: once(STORM, "served_after_max_s"),
        goal: Goal::AtMost(15.0),
        limit: &[],
        beside: &[
            once(STORM, "served_after_p50_us"),
            once(STORM, "all_cpu_us_per_reconnect"),
            once(STORM, "server_cpu_us_per_reconnect"),
            once(STORM, "primary_cpu_us_per_reconnect"),
            once(STORM, "posts_accepted"),
            once(STORM, "posts_refused_503"),
            once(STORM, "open_loop_post_p99_us"),
        ],
        peer: None,
    },
    Row {
        name: "cluster-filled-64",
        what: "cluster-absent-64 with {1,000,000|20,000} subscriptions and messages in the database; the limit is that row",
        unit: "/s",
        figure: once(FILLED_64, POSTS),
        goal: Goal::AtLeastTimesLimit(1.0 / 1.5),
        limit: &[reading(ABSENT_64, POSTS)],
        beside: &[once(FILLED_64, "all_cpu_us_per_post")],
        peer: None,
    },
    Row {
        name: "cluster-filled-512",
        what: "the same with 512 in flight",
        unit: "/s",
        figure: once(FILLED_512, POSTS),
        goal: Goal::AtLeastTimesLimit(1.0 / 1.5),
        limit: &[reading(ABSENT_512, POSTS)],
        beside: &[once(FILLED_512, "all_cpu_us_per_post")],
        peer: None,
    },
    Row {
        name: "cluster-filled-online",
        what: "cluster-online-3 with {1,000,000|20,000} subscriptions and messages in the database; the limit is that row",
        unit: "µs",
        figure: once(FILLED_ONLINE, ALL_CPU),
        goal: Goal::TimesLimit(1.5),
        limit: &[reading(ONLINE_3, ALL_CPU)],
        beside: &[once(FILLED_ONLINE, RATE)],
        peer: None,
    },
    Row {
        name: "cluster-filled-elsewhere",
        what: "cluster-elsewhere with {1,000,000|20,000} subscriptions and messages in the database; the limit is that row",
        unit: "µs",
        figure: once(FILLED_ELSEWHERE, DELIVERY_P50),
        goal: Goal::TimesLimit(1.5),
        limit: &[reading(ELSEWHERE, DELIVERY_P50)],
        beside: &[],
        peer: None,
    },
];
