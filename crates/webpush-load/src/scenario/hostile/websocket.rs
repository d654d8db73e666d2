//! Agents that misuse a WebSocket (RFC 6455), and agents that never read.

use super::end::End;
use super::victim::{Attack, Attacking, Victim};
use crate::autopush::Agent;
use crate::body::uuid;
use crate::dial::Stream;
use crate::post::{Http1, Push};
use crate::websocket::WebSocket;
use std::iter::{once, repeat, repeat_n};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf};
use tokio::time::timeout;

const CONNECTIONS: usize = 16;
const FRAMES: usize = 100_000;
const BATCH: usize = 500;
const MASK: [u8; 4] = [1, 2, 3, 4];
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT_STALL: &[&str] = &["--stall-timeout", "2s"];
const SHORT_HELLO: &[&str] = &["--hello-timeout", "2s"];
/// "Message Too Big", "Protocol error", "Policy Violation" (RFC 6455 §7.4.1).
const TOO_BIG: End = End::Code(1009);
const VIOLATION: End = End::Code(1002);
const POLICY: End = End::Code(1008);
/// Bits and opcodes of the first byte.
const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
/// Messages that wait for an agent that does not read: more than its socket has room for.
const WAITING: u32 = 200;
const MESSAGE: [u8; 4000] = [b'x'; 4000];

/// The attacks.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "ws-endless-fragments",
        about: "a message that never ends",
        ends: &[TOO_BIG, End::Closed],
        run: |victim| {
            flood(victim, || {
                let more = frame(CONTINUATION, &[b'x'; 1024]);
                Box::new(once(frame(TEXT, b"x")).chain(repeat(more)))
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "ws-empty-fragments",
        about: "a message of empty fragments, which no limit of bytes ends",
        server: SHORT_HELLO,
        // Some have not sent enough when the attack is over.
        ends: &[End::Survived, TOO_BIG, VIOLATION, POLICY, End::Closed],
        run: |victim| {
            flood(victim, || {
                let more = frame(CONTINUATION, &[]).repeat(BATCH);
                Box::new(once(frame(TEXT, b"x")).chain(repeat(more)))
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "ws-huge-frame",
        about: "a frame of 4 EiB",
        ends: &[TOO_BIG, End::Closed],
        run: |victim| {
            flood(victim, || {
                let head = [&[FIN | TEXT, 0x80 | 127][..], &(1_u64 << 62).to_be_bytes(), &MASK].concat();
                Box::new(once(head).chain(repeat(vec![0; 4096])))
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "ws-unmasked",
        about: "a frame without a mask",
        ends: &[VIOLATION, End::Closed],
        run: |victim| flood(victim, || Box::new(repeat(vec![FIN | TEXT, 1, b'x']))),
        ..Attack::USUAL
    },
    Attack {
        name: "ws-ping-flood",
        about: "pings that must be answered",
        server: SHORT_HELLO,
        ends: &[POLICY, VIOLATION, End::Closed],
        run: |victim| {
            flood(victim, || Box::new(repeat_n(frame(FIN | PING, b"ping").repeat(BATCH), FRAMES / BATCH)))
        },
        ..Attack::USUAL
    },
    Attack {
        name: "ws-ping-flood-unread",
        about: "the same by a client that reads no answer",
        server: SHORT_STALL,
        ends: &[End::Closed],
        run: |victim| {
            Box::pin(victim.repeat(CONNECTIONS, |victim, _| async move {
                let (_unread, mut write) =
                    tokio::io::split(WebSocket::open(&victim.dialer).await?.into_stream());
                let pings = frame(FIN | PING, &[b'p'; 125]).repeat(BATCH);
                let flood = async { while write.write_all(&pings).await.is_ok() {} };
                Ok(timeout(PATIENCE, flood).await.map_or(End::Survived, |()| End::Closed))
            }))
        },
        ..Attack::USUAL
    },
    Attack {
        name: "ws-json-depth",
        about: "JSON of great depth",
        ends: &[
            End::Survived,
            End::Closed,
            VIOLATION,
            POLICY,
            End::Code(1007),
            End::Code(1003),
            End::Code(4400),
        ],
        run: |victim| flood(victim, || Box::new(once(frame(FIN | TEXT, &[b'['; 60_000])))),
        ..Attack::USUAL
    },
    Attack {
        name: "ws-unread",
        about: "agents with many messages who never read",
        server: SHORT_STALL,
        ends: &[End::Closed],
        run: |victim| {
            Box::pin(
                victim.repeat(CONNECTIONS, |victim, number| async move { never_read(&victim, number).await }),
            )
        },
        ..Attack::USUAL
    },
];

/// Opens a WebSocket on [`CONNECTIONS`], writes chunks, and reads the close of the server.
fn flood(victim: Arc<Victim>, chunks: fn() -> Box<dyn Iterator<Item = Vec<u8>> + Send>) -> Attacking {
    Box::pin(victim.repeat(CONNECTIONS, move |victim, _| async move {
        let (read, mut write) = tokio::io::split(WebSocket::open(&victim.dialer).await?.into_stream());
        let writing = async {
            for chunk in chunks() {
                if write.write_all(&chunk).await.is_err() {
                    break;
                }
            }
            // The reader notices the end.
            std::future::pending::<()>().await;
        };
        let ended = timeout(PATIENCE, async {
            tokio::select! {
                end = end_of(read) => end,
                () = writing => End::Survived,
            }
        });
        Ok(ended.await.unwrap_or(End::Survived))
    }))
}

/// Reads until the connection ends; returns the code of the close frame, if there was one.
async fn end_of(mut read: ReadHalf<Stream>) -> End {
    loop {
        let mut head = [0; 2];
        if read.read_exact(&mut head).await.is_err() {
            return End::Closed;
        }
        // Nothing that the server sends here is longer.
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        if read.read_exact(&mut payload).await.is_err() {
            return End::Closed;
        }
        if head[0] == FIN | CLOSE {
            return match payload.get(..2) {
                Some(code) => End::Code(code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte))),
                None => End::Closed,
            };
        }
    }
}

/// Lets messages wait for an agent that says hello and then reads nothing, and waits for the end.
async fn never_read(victim: &Victim, number: usize) -> anyhow::Result<End> {
    let mut agent = Agent::hello(&victim.dialer, None).await?;
    let endpoint = agent.register(&uuid(number as u64)).await?;
    let path = endpoint.parse::<http::Uri>()?.path().to_owned();
    let (_unread, mut write) = tokio::io::split(agent.into_stream());
    let mut sender = Http1::connect(&victim.dialer).await?;
    for _ in 0..WAITING {
        sender.push(&Push { path: &path, authorization: None, ttl: 60, body: &MESSAGE }).await?;
    }
    // It goes on to send, and never reads the messages or their pings.
    let pings = frame(FIN | PING, b"ping").repeat(BATCH);
    let ended = timeout(PATIENCE, async { while write.write_all(&pings).await.is_ok() {} });
    Ok(ended.await.map_or(End::Survived, |()| End::Closed))
}

/// Returns a masked frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(0x80 | length as u8),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::websocket::{WebSocketMessage, WebSocketReader};

    #[test]
    fn frames_are_those_of_a_client() {
        for length in [0, 125, 126, 60_000] {
            let payload = "x".repeat(length);
            let mut reader = WebSocketReader::default();
            reader.feed(&frame(FIN | TEXT, payload.as_bytes()));
            assert!(matches!(reader.next(), Ok(Some(WebSocketMessage::Text(text))) if text == payload));
        }
    }
}
