//! Banned words, each with its replacement. This file is the only one that may hold them.

/// Where a word is banned.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Scope {
    /// Words of comments, string literals and documents, in any case.
    Prose,
    /// An identifier, in this case.
    Identifier,
    /// A module, where it is declared or is part of a path.
    Module,
    /// A part of an identifier: `dialect` in `DialectKind` and `by_dialect`; also prose.
    Everywhere,
}

/// A banned word.
pub(super) struct Word {
    pub(super) scope: Scope,
    pub(super) word: &'static str,
    pub(super) instead: &'static str,
}

/// Files that may contain any word: history, this table, and the tests of the check.
pub(super) const EXEMPT: [&str; 3] = ["CHANGELOG.md", "xtask/src/tidy/words.rs", "xtask/src/tidy/prose.rs"];

const fn prose(word: &'static str, instead: &'static str) -> Word {
    Word { scope: Scope::Prose, word, instead }
}

const fn identifier(word: &'static str, instead: &'static str) -> Word {
    Word { scope: Scope::Identifier, word, instead }
}

const fn module(word: &'static str, instead: &'static str) -> Word {
    Word { scope: Scope::Module, word, instead }
}

const fn everywhere(word: &'static str, instead: &'static str) -> Word {
    Word { scope: Scope::Everywhere, word, instead }
}

/// The table.
pub(super) const WORDS: &[Word] = &[
    // Quantities and people.
    prose("so many", "the number itself, or \"N\""),
    prose("so much", "the amount itself"),
    prose("so long", "the duration itself"),
    prose("as many", "\"up to N\" or \"N\""),
    prose("as much", "\"up to N\" or \"N\""),
    prose("whoever", "\"anyone\", \"clients\" or \"callers\""),
    prose("whomever", "\"anyone\", \"clients\" or \"callers\""),
    prose("the like", "\"similarly\""),
    prose("oftener", "\"more often\""),
    prose("seldom", "\"rarely\", or the rate"),
    prose("dearer", "\"more expensive\""),
    prose("midst", "\"middle\""),
    prose("had for", "\"obtained for\""),
    prose("may be had", "\"is available\""),
    // Messages.
    prose("is answered", "\"returns\" or \"responds with\""),
    prose("are answered", "\"return\" or \"respond with\""),
    prose("in force", "\"effective\""),
    prose("beyond it", "\"when exceeded\""),
    prose("mend", "\"fix\""),
    prose("mends", "\"fixes\""),
    prose("mended", "\"fixed\""),
    prose("the way of a message", "\"trace\""),
    prose("way of one message", "\"message trace\""),
    prose("api of 2015", "\"legacy (2015) API\""),
    prose("owner of the service", "\"administrator\" or \"admin\""),
    prose("for the owner", "\"for administrators\""),
    prose("can't be looked at", "\"cannot read\""),
    prose("nothing is known of", "\"unknown\", and why"),
    // Terms.
    everywhere("verb", "command"),
    everywhere("verbs", "commands"),
    everywhere("dialect", "protocol"),
    everywhere("dialects", "protocols"),
    everywhere("thomson", "legacy"),
    everywhere("folder", "directory"),
    everywhere("folders", "directories"),
    everywhere("furnish", "\"set up\" or \"seed\""),
    everywhere("furnished", "\"seeded\""),
    everywhere("neighbour", "DirectPeer"),
    everywhere("neighbours", "direct peers"),
    everywhere("errand", "delivery"),
    // The private names of old.
    identifier("Picture", "Snapshot"),
    identifier("Pictures", "Snapshots"),
    module("picture", "snapshot"),
    identifier("Scene", "SnapshotState"),
    identifier("Holdings", "InboxUsage"),
    identifier("Ledger", "what it is: usage, accounting, budget"),
    module("ledger", "what it is: usage, accounting, budget"),
    module("books", "accounting"),
    identifier("Weight", "EntrySize"),
    identifier("Census", "EntryCountScan"),
    module("census", "entry_count_scan"),
    identifier("Overlay", "MemtableSet"),
    identifier("let_go", "recycle_segment or shrink"),
    identifier("Pace", "a noun that says the pace of what"),
    identifier("Marks", "BatchMarkers"),
    identifier("Place", "a permit, or CallSite"),
    identifier("Seat", "DeliveryPermit"),
    identifier("Room", "GatewayLimiter"),
    identifier("Heart", "Pinger"),
    module("heart", "pinger"),
    identifier("Pulse", "PingState"),
    module("pulse", "ping"),
    identifier("Pressure", "WriteBacklog"),
    identifier("Retirement", "ConnectionLifetime"),
    identifier("Seldom", "LogThrottle"),
    module("seldom", "log_throttle"),
    identifier("Dam", "RateLimitLayer"),
    identifier("Floods", "CallSiteLimits"),
    module("floods", "call_site_limits"),
    module("fresh", "clock or entropy"),
    module("wake", "session_registry"),
    identifier("Mailbox", "SessionSlot"),
    identifier("News", "Wakeup"),
    identifier("Way", "Transport or Route"),
    identifier("Door", "AdminServer"),
    identifier("Gate", "AdminAuth"),
    identifier("Dialogue", "Connection"),
    identifier("dialogue", "connection"),
    identifier("Patience", "WaitMode"),
    identifier("Floor", "MinUrgency"),
    identifier("Ruling", "AcceptContext"),
    identifier("judge", "accept, validate or check"),
    identifier("Inside", "LoopbackClient"),
    identifier("Rewound", "PrefixedStream"),
    identifier("Aside", "SideConnection"),
    identifier("LogNames", "LogIds"),
    identifier("LogName", "LogId"),
    identifier("Obstacle", "SendError"),
    identifier("Unfit", "InvalidBroadcast"),
    identifier("obey_next", "run_next_command"),
    identifier("obey_at_once", "run_now"),
    identifier("take_in", "import_keys or add_keys"),
    module("keys_file", "sealing_keys"),
    identifier("owner_token", "admin_token"),
    identifier("OwnerToken", "AdminToken"),
];

/// Participles and pronouns, which must not name types.
pub(super) const NO_TYPE_NAMES: &[&str] = &[
    "Answered", "Appended", "Arrived", "Asked", "Counted", "Declared", "Dialed", "Ended", "Found", "Gauged",
    "Given", "Gone", "Held", "Heard", "Kept", "Known", "Left", "Lost", "Made", "Meant", "Measured", "Posted",
    "Printed", "Pushed", "Resolved", "Revoked", "Said", "Seen", "Sent", "Shown", "Spent", "Taken", "Told",
    "Watched", "What", "Who", "Woken", "Written",
];
