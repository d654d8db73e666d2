//! Connections that misuse MCS, the protocol of Chromium.

use super::end::End;
use super::victim::{Attack, Attacking, Victim};
use crate::chromium::{Device, frame};
use crate::h2_client::Client;
use crate::tokens::{Tokens, Vapid};
use anyhow::Context as _;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const CONNECTIONS: usize = 32;
const BATCH: usize = 500;
const WINDOW: u32 = 65_535;
const DRIP: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: &[&str] = &["--hello-timeout", "2s", "--stall-timeout", "2s"];
const CLOSED: &[End] = &[End::Closed];
const VERSION: u8 = 41;
const HEARTBEAT: u8 = 0;
const LOGIN: u8 = 2;
/// Messages that wait for a browser that does not read.
const WAITING: usize = 200;
const MESSAGE: [u8; 4000] = [b'x'; 4000];

/// The attacks.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "mcs-silent",
        about: "a connection that sends nothing",
        server: SHORT,
        ends: CLOSED,
        run: |victim| {
            Box::pin(victim.repeat(CONNECTIONS, |victim, _| async move {
                let stream = TcpStream::connect(victim.mcs).await?;
                Ok(until_closed(stream, &[], DRIP).await)
            }))
        },
        ..Attack::USUAL
    },
    Attack {
        name: "mcs-slow-login",
        about: "a login, a byte at a time",
        server: SHORT,
        ends: CLOSED,
        run: |victim| {
            Box::pin(victim.repeat(CONNECTIONS, |victim, _| async move {
                let mut stream = TcpStream::connect(victim.mcs).await?;
                stream.write_all(&[VERSION, LOGIN, 0xff, 0x7f]).await?;
                Ok(until_closed(stream, b"x", DRIP).await)
            }))
        },
        ..Attack::USUAL
    },
    Attack {
        name: "mcs-huge-frame",
        about: "a login of 2 GiB",
        server: SHORT,
        ends: CLOSED,
        run: |victim| start(victim, &[VERSION, LOGIN, 0xff, 0xff, 0xff, 0xff, 7]),
        ..Attack::USUAL
    },
    Attack {
        name: "mcs-endless-length",
        about: "a length that never ends",
        server: SHORT,
        ends: CLOSED,
        run: |victim| start(victim, &[VERSION, LOGIN]),
        ..Attack::USUAL
    },
    Attack {
        name: "mcs-other-protocol",
        about: "HTTP on the port of MCS",
        server: SHORT,
        ends: CLOSED,
        run: |victim| start(victim, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ..Attack::USUAL
    },
    Attack {
        name: "mcs-heartbeats-unread",
        about: "heartbeats whose answers are not read",
        server: SHORT,
        ends: CLOSED,
        run: |victim| {
            Box::pin(victim.repeat(CONNECTIONS, |victim, _| async move {
                let client = Client::connect(&victim.dialer, WINDOW).await?;
                let device = Device::check_in(&client).await?;
                flood_unread(&victim, device).await
            }))
        },
        ..Attack::USUAL
    },
    Attack {
        name: "mcs-unread",
        about: "browsers with many messages that never read",
        server: SHORT,
        ends: CLOSED,
        run: |victim| {
            Box::pin(victim.repeat(CONNECTIONS, |victim, _| async move {
                let client = Client::connect(&victim.dialer, WINDOW).await?;
                let device = Device::check_in(&client).await?;
                fill(&victim, &client, device).await?;
                flood_unread(&victim, device).await
            }))
        },
        ..Attack::USUAL
    },
];

/// Sends a beginning, and then bytes that are part of anything.
fn start(victim: Arc<Victim>, beginning: &'static [u8]) -> Attacking {
    Box::pin(victim.repeat(CONNECTIONS, move |victim, _| async move {
        let mut stream = TcpStream::connect(victim.mcs).await?;
        stream.write_all(beginning).await?;
        Ok(until_closed(stream, &[0xff; 1024], Duration::from_millis(1)).await)
    }))
}

/// Sends bytes at intervals until the server closes the connection.
async fn until_closed(mut stream: TcpStream, bytes: &[u8], pause: Duration) -> End {
    let (mut read, mut write) = stream.split();
    let ended = timeout(PATIENCE, async {
        let mut answer = Vec::new();
        let sending = async {
            while write.write_all(bytes).await.is_ok() {
                sleep(pause).await;
            }
            // The reader notices the end.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            // An error is an end as well.
            _ = read.read_to_end(&mut answer) => {}
            () = sending => {}
        }
    });
    ended.await.map_or(End::Survived, |()| End::Closed)
}

/// Lets messages wait for a browser.
async fn fill(victim: &Victim, client: &Client, device: Device) -> anyhow::Result<()> {
    let tokens = Tokens::prepare(Vapid::Repeated, &victim.dialer.origin(), 1)?;
    let authorization = tokens.next().ok().flatten().context("no token was signed")?;
    let (_, key) = authorization.split_once("k=").context("a token without its key")?;
    let token = device.register(client, "http%3A%2F%2Flocalhost%2F%23a", key).await?;
    let headers = [("ttl", "60"), ("content-encoding", "aes128gcm"), ("authorization", authorization)];
    for _ in 0..WAITING {
        client.must("POST", &format!("/push/{token}"), &headers, Bytes::from_static(&MESSAGE)).await?;
    }
    Ok(())
}

/// Logs in, and sends heartbeats without reading anything.
async fn flood_unread(victim: &Victim, device: Device) -> anyhow::Result<End> {
    let mut stream = TcpStream::connect(victim.mcs).await?;
    stream.write_all(&device.login()).await?;
    let heartbeats = frame(HEARTBEAT, &[]).repeat(BATCH);
    let flood = timeout(PATIENCE, async { while stream.write_all(&heartbeats).await.is_ok() {} });
    Ok(flood.await.map_or(End::Survived, |()| End::Closed))
}
