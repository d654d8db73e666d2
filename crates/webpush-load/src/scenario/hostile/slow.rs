//! Slow clients: heads, bodies and handshakes that arrive byte by byte; silent connections.

use super::end::End;
use super::http2::{
    CALM, CONTINUATION, END_HEADERS, HEADERS, RawConnection, Reading, frame, literal, streams,
};
use super::victim::{Attack, Attacking, Victim};
use anyhow::ensure;
use std::iter::{once, repeat};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const CONNECTIONS: usize = 200;
/// Pause between two bytes.
const DRIP: Duration = Duration::from_millis(100);
/// How long the server may take to give a slow client up. Its own timeouts are 10 s at most.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: &[&str] = &["--head-timeout", "2s", "--body-timeout", "2s", "--keepalive", "2s"];
/// Descriptors are few, and clients of this machine are limited as those of others.
const FEW: &[&str] =
    &["--max-connections", "800", "--rate-limit-loopback", "--push-rate", "off", "--agent-rate", "off"];
const LIMIT: usize = 800;
/// Connections that one address may have: a quarter.
const SHARE: usize = LIMIT / 4;
/// Descriptors of the server's files, and of the honest client.
const SPARE: usize = 64;
/// Other addresses, which have more connections together than the server allows.
const ADDRESSES: u8 = 8;

/// The attacks.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "slow-heads",
        about: "the head of a request, a byte at a time (Slowloris)",
        server: SHORT,
        ends: &[End::Closed, End::Status(408)],
        run: |victim| drip(victim, || (b"GET / HTTP/1.1\r\nHost: x\r\nX: ".to_vec(), b"y")),
        ..Attack::USUAL
    },
    Attack {
        name: "slow-bodies",
        about: "the body of a message, a byte at a time",
        server: SHORT,
        ends: &[End::Status(400), End::Closed],
        run: |victim| {
            drip(victim, || {
                let head = b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Type: application/webpush-options+json\r\n\
                         Content-Length: 4000\r\n\r\n";
                (head.to_vec(), b" ")
            })
        },
        ..Attack::USUAL
    },
    Attack {
        name: "slow-preface",
        about: "a preface of HTTP/2 that does not go on",
        server: SHORT,
        ends: &[End::Closed],
        run: |victim| drip(victim, || (b"PRI * HTTP/2.0\r\n\r\nS".to_vec(), b"")),
        ..Attack::USUAL
    },
    Attack {
        name: "slow-tls",
        about: "the handshake of TLS, a byte at a time",
        server: &["--tls"],
        ends: &[End::Closed],
        // The start of a handshake record of 512 bytes.
        run: |victim| drip(victim, || (vec![22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], b"\0")),
        ..Attack::USUAL
    },
    Attack {
        name: "slow-heads-http2",
        about: "a head whose frames arrive slowly, so that no PING gets a response",
        server: SHORT,
        ends: &[End::Closed, CALM, End::Code(0)],
        run: |victim| {
            Box::pin(victim.repeat(CONNECTIONS, |victim, _| async move {
                let mut stream = victim.dialer.connect_tcp().await?;
                let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
                stream.write_all(preface).await?;
                stream.write_all(&frame(HEADERS, 0, 1, &literal(0, "x", "y"))).await?;
                Ok(drip_on(stream, &frame(CONTINUATION, 0, 1, &[])).await)
            }))
        },
        ..Attack::USUAL
    },
    Attack {
        name: "slow-bodies-http2",
        about: "256 bodies that never arrive on each connection",
        server: SHORT,
        // Each of 12,800 open requests takes about 20 KiB.
        memory_mib: 384.0,
        ends: &[End::Survived, End::Closed],
        run: |victim| {
            Box::pin(victim.repeat(CONNECTIONS / 4, |victim, _| async move {
                let connection = RawConnection::connect(&victim.dialer, &[]).await?;
                let request = connection.requests().block("POST", "/subscribe");
                let heads =
                    streams().take(256).map(move |stream| frame(HEADERS, END_HEADERS, stream, &request));
                Ok(connection.flood(heads, Reading::Yes).await)
            }))
        },
        ..Attack::USUAL
    },
    Attack {
        name: "half-open",
        about: "connections that send nothing, from one address: it has its share, and no more",
        server: FEW,
        ends: &[End::Survived, End::Closed],
        run: |victim| Box::pin(half_open(victim, 1)),
        ..Attack::USUAL
    },
    Attack {
        name: "half-open-many",
        about: "the same from several addresses, more than the server has room for",
        server: FEW,
        ends: &[End::Survived, End::Closed],
        refuses: true,
        run: |victim| Box::pin(half_open(victim, ADDRESSES)),
        ..Attack::USUAL
    },
];

/// Sends a beginning and then the same bytes again and again, on [`CONNECTIONS`].
fn drip(victim: Arc<Victim>, bytes: fn() -> (Vec<u8>, &'static [u8])) -> Attacking {
    Box::pin(victim.repeat(CONNECTIONS, move |victim, _| async move {
        let (beginning, more) = bytes();
        let mut stream = victim.dialer.connect_tcp().await?;
        stream.write_all(&beginning).await?;
        Ok(drip_on(stream, more).await)
    }))
}

/// Sends the same bytes at intervals until the server closes the connection, and returns its end.
async fn drip_on(stream: TcpStream, bytes: &[u8]) -> End {
    let (mut read, mut write) = stream.into_split();
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, async {
        let dripping = async {
            for bytes in once(bytes).chain(repeat(bytes)) {
                sleep(DRIP).await;
                if write.write_all(bytes).await.is_err() {
                    // The reader notices the end.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            // An error is an end as well.
            _ = read.read_to_end(&mut answer) => {}
            () = dripping => {}
        }
    });
    if ended.await.is_err() {
        return End::Survived;
    }
    status(&answer).map_or(End::Closed, End::Status)
}

/// Returns the status of a response over HTTP/1.1.
fn status(answer: &[u8]) -> Option<u16> {
    let digits = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Opens more connections than the server allows, and counts those that it closes at once.
async fn half_open(victim: Arc<Victim>, addresses: u8) -> anyhow::Result<()> {
    const EACH: usize = 400;
    let mut opening = JoinSet::new();
    for address in 0..addresses {
        for _ in 0..EACH {
            let dialer = victim.dialer.with_source(Ipv4Addr::new(127, 0, 1, address + 1));
            opening.spawn(async move { dialer.connect_tcp().await });
        }
    }
    let mut open = Vec::new();
    while let Some(stream) = opening.join_next().await {
        open.push(stream??);
    }
    let mut waiting = JoinSet::new();
    for mut stream in open {
        let victim = Arc::clone(&victim);
        waiting.spawn(async move {
            // Those that stay end when the server has waited for their first byte for ten seconds.
            let closed = timeout(Duration::from_secs(3), stream.read(&mut [0; 1])).await.is_ok();
            victim.ends.record(if closed { End::Closed } else { End::Survived });
            (stream, closed)
        });
    }
    let all = waiting.join_all().await;
    let stayed = all.iter().filter(|(_, closed)| !closed).count();
    ensure!(stayed > 0, "no connection was accepted");
    // Not the connections that the client takes for open: the kernel drops some that it has no room to queue.
    let (held, most) = (victim.process.descriptors()?, (SHARE * usize::from(addresses)).min(LIMIT) + SPARE);
    ensure!(held <= most, "the server has {held} descriptors for {addresses} addresses, more than {most}");
    Ok(())
}
