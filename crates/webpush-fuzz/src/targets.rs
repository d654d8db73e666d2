//! The list of all targets.

mod accept_header;
mod archive;
mod autopush;
mod base64url;
mod capability;
mod chromium;
mod configuration;
mod encryption;
mod event_stream;
mod forwarded;
mod legacy;
mod link;
mod matrix;
mod pem;
mod preface;
mod printable;
mod proxy_header;
mod publish;
mod push_subscription;
mod request;
mod restore;
mod sealing;
mod store;
mod url;
mod values;
mod vapid;
mod websocket;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its corpus.
    pub name: &'static str,
    /// Runs it on an input. Panics if a property does not hold.
    pub run: fn(&[u8]),
    /// Words that its inputs often contain.
    pub tokens: &'static [&'static [u8]],
    /// The files, below `crates/`, whose coverage says how good its corpus is.
    pub files: &'static [&'static str],
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "accept",
        run: accept_header::run,
        tokens: accept_header::TOKENS,
        files: &["webpush-core/src/header/accept.rs", "webpush-core/src/header/prefer.rs"],
    },
    Target {
        name: "archive",
        run: archive::run,
        tokens: archive::TOKENS,
        files: &[
            "webpush-admin/src/archive/line.rs",
            "webpush-admin/src/archive/read.rs",
            "webpush-admin/src/archive/record.rs",
            "webpush-admin/src/archive/values.rs",
        ],
    },
    Target {
        name: "autopush",
        run: autopush::run,
        tokens: autopush::TOKENS,
        files: &[
            "webpush-core/src/protocol/autopush/broadcasts.rs",
            "webpush-core/src/protocol/autopush/connection.rs",
            "webpush-core/src/protocol/autopush/names.rs",
            "webpush-core/src/protocol/autopush/reply.rs",
            "webpush-core/src/protocol/autopush/request.rs",
        ],
    },
    Target {
        name: "base64url",
        run: base64url::run,
        tokens: &[b"-_", b"+/", b"="],
        files: &["webpush-core/src/base64url.rs"],
    },
    Target {
        name: "capability",
        run: capability::run,
        tokens: capability::TOKENS,
        files: &[
            "webpush-core/src/capability.rs",
            "webpush-core/src/capability/below.rs",
            "webpush-http/src/gateway/target.rs",
        ],
    },
    Target {
        name: "checkin",
        run: chromium::checkin,
        tokens: &[],
        files: &[
            "webpush-core/src/protocol/chromium/checkin.rs",
            "webpush-core/src/protocol/chromium/device.rs",
        ],
    },
    Target {
        name: "configuration",
        run: configuration::run,
        tokens: configuration::TOKENS,
        files: &[
            "webpush-config/src/broadcasts.rs",
            "webpush-config/src/document.rs",
            "webpush-config/src/environment.rs",
            "webpush-config/src/file.rs",
            "webpush-config/src/layers.rs",
            "webpush-config/src/print.rs",
            "webpush-server/src/cli/args/values.rs",
        ],
    },
    Target {
        name: "encryption",
        run: encryption::run,
        tokens: &[],
        files: &["webpush-client/src/encryption/aes128gcm.rs"],
    },
    Target {
        name: "event-stream",
        run: event_stream::run,
        tokens: event_stream::TOKENS,
        files: &["webpush-client/src/event_stream.rs"],
    },
    Target {
        name: "forwarded",
        run: forwarded::run,
        tokens: forwarded::TOKENS,
        files: &["webpush-http/src/transport/forwarded.rs", "webpush-http/src/transport/proxies.rs"],
    },
    Target {
        name: "journal",
        run: webpush_store::fuzzing::journal,
        tokens: &[],
        files: &["webpush-store/src/embedded/salvage/journal.rs"],
    },
    Target {
        name: "legacy",
        run: legacy::run,
        tokens: legacy::TOKENS,
        files: &["webpush-core/src/protocol/legacy.rs"],
    },
    Target {
        name: "link",
        run: link::run,
        tokens: link::TOKENS,
        files: &["webpush-core/src/header/link.rs"],
    },
    Target {
        name: "log-segment",
        run: webpush_store::fuzzing::log_segment,
        tokens: &[],
        files: &["webpush-store/src/embedded/frame.rs", "webpush-store/src/embedded/segment.rs"],
    },
    Target {
        name: "matrix",
        run: matrix::run,
        tokens: matrix::TOKENS,
        files: &[
            "webpush-core/src/matrix/compact.rs",
            "webpush-core/src/matrix/message.rs",
            "webpush-core/src/matrix/notification.rs",
        ],
    },
    Target {
        name: "mcs",
        run: chromium::mcs,
        tokens: &[],
        files: &[
            "webpush-core/src/protocol/chromium/frame.rs",
            "webpush-core/src/protocol/chromium/protobuf.rs",
            "webpush-core/src/protocol/chromium/stanza.rs",
        ],
    },
    Target {
        name: "notice",
        run: webpush_store::fuzzing::notice,
        tokens: &[],
        files: &["webpush-store/src/postgres/notice_codec.rs"],
    },
    Target { name: "pem", run: pem::run, tokens: pem::TOKENS, files: &["webpush-client/src/pem.rs"] },
    Target {
        name: "preface",
        run: preface::run,
        tokens: preface::TOKENS,
        files: &["webpush-http/src/transport/preface.rs"],
    },
    Target {
        name: "printable",
        run: printable::run,
        tokens: printable::TOKENS,
        files: &["webpush-core/src/printable.rs"],
    },
    Target {
        name: "proxy-header",
        run: proxy_header::run,
        tokens: proxy_header::TOKENS,
        files: &["webpush-http/src/transport/proxy_header.rs"],
    },
    Target {
        name: "publish",
        run: publish::run,
        tokens: publish::TOKENS,
        files: &[
            "webpush-core/src/encoding.rs",
            "webpush-core/src/publish/accept.rs",
            "webpush-core/src/publish/request.rs",
        ],
    },
    Target {
        name: "push-subscription",
        run: push_subscription::run,
        tokens: push_subscription::TOKENS,
        files: &["webpush-client/src/state_file.rs", "webpush-client/src/subscription.rs"],
    },
    Target {
        name: "registration",
        run: chromium::registration,
        tokens: chromium::FORM_TOKENS,
        files: &["webpush-core/src/protocol/chromium/registration.rs"],
    },
    Target {
        name: "restore",
        run: restore::run,
        tokens: archive::TOKENS,
        files: &["webpush-store/src/embedded/restore.rs", "webpush-store/src/embedded/rows.rs"],
    },
    Target {
        name: "row",
        run: webpush_store::fuzzing::row,
        tokens: &[],
        files: &[
            "webpush-store/src/embedded/entry_row.rs",
            "webpush-store/src/embedded/fields.rs",
            "webpush-store/src/embedded/rows.rs",
        ],
    },
    Target {
        name: "store",
        run: store::run,
        tokens: &[],
        files: &[
            "webpush-store/src/embedded/apply.rs",
            "webpush-store/src/embedded/ending.rs",
            "webpush-store/src/embedded/full.rs",
            "webpush-store/src/embedded/log.rs",
            "webpush-store/src/embedded/memtables.rs",
            "webpush-store/src/embedded/recovery.rs",
            "webpush-store/src/embedded/writer.rs",
            "webpush-store/src/embedded/writer/outage.rs",
        ],
    },
    Target {
        name: "table-block",
        run: webpush_store::fuzzing::table_block,
        tokens: &[],
        files: &[
            "webpush-store/src/embedded/salvage/archive.rs",
            "webpush-store/src/embedded/salvage/block.rs",
        ],
    },
    Target {
        name: "url",
        run: url::run,
        tokens: url::TOKENS,
        files: &["webpush-client/src/url.rs", "webpush-core/src/origin.rs"],
    },
    Target {
        name: "values",
        run: values::run,
        tokens: values::TOKENS,
        files: &[
            "webpush-admin/src/admin/address.rs",
            "webpush-core/src/address.rs",
            "webpush-core/src/rate.rs",
            "webpush-http/src/transport/public_address.rs",
        ],
    },
    Target {
        name: "vapid",
        run: vapid::run,
        tokens: vapid::TOKENS,
        files: &[
            "webpush-core/src/sender/claim_check.rs",
            "webpush-core/src/sender/credentials.rs",
            "webpush-core/src/sender/examine.rs",
            "webpush-core/src/sender/options.rs",
            "webpush-core/src/sender/parameter.rs",
            "webpush-core/src/sender/token.rs",
        ],
    },
    Target {
        name: "websocket",
        run: websocket::run,
        tokens: websocket::TOKENS,
        files: &[
            "webpush-core/src/websocket/client.rs",
            "webpush-core/src/websocket/frame.rs",
            "webpush-core/src/websocket/message.rs",
            "webpush-core/src/websocket/reader.rs",
        ],
    },
];

/// Returns the target with a name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
