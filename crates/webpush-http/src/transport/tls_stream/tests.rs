use super::*;
use crate::transport::certificate::Certificate;
use crate::transport::tls;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use std::task::Waker;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex, join, split};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;

const PIPE_BYTES: usize = 64 * 1024;
const SIZES: [usize; 5] = [1, 100, 16 * 1024, 16 * 1024 + 1, 100_000];

type Server = TlsStream<DuplexStream>;
type Client = ClientStream<DuplexStream>;

struct Ends {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

impl Ends {
    fn new(versions: &[&'static rustls::SupportedProtocolVersion]) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let certified = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut client = client.with_root_certificates(roots).with_no_client_auth();
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            acceptor: tls::acceptor(Certificate::new(certified)).unwrap(),
            connector: TlsConnector::from(Arc::new(client)),
        }
    }

    /// Connects over a pipe of this many bytes in each direction.
    async fn connect(&self, pipe: usize) -> (Server, Client) {
        let (near, far) = duplex(pipe);
        let name = ServerName::try_from("localhost").unwrap();
        let (server, client) = tokio::join!(self.acceptor.accept(near), self.connector.connect(name, far));
        (server.unwrap(), client.unwrap())
    }
}

async fn connect() -> (Server, Client) {
    Ends::new(rustls::DEFAULT_VERSIONS).connect(PIPE_BYTES).await
}

/// Polls once, without a waker.
fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn both_versions_carry_data_of_any_size_over_pipes_of_any_size() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let ends = Ends::new(&[version]);
        for pipe in [5, 1000, PIPE_BYTES] {
            let (near, far) = duplex(pipe);
            let server = async {
                let mut server = ends.acceptor.accept(near).await.unwrap();
                assert_eq!(server.protocol(), Some(&b"http/1.1"[..]));
                for size in SIZES {
                    let mut data = vec![0; size];
                    server.read_exact(&mut data).await.unwrap();
                    server.write_all(&data).await.unwrap();
                    server.flush().await.unwrap();
                }
            };
            let client = async {
                let name = ServerName::try_from("localhost").unwrap();
                let mut client = ends.connector.connect(name, far).await.unwrap();
                for size in SIZES {
                    let sent: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
                    client.write_all(&sent).await.unwrap();
                    client.flush().await.unwrap();
                    let mut data = vec![0; size];
                    client.read_exact(&mut data).await.unwrap();
                    assert!(data == sent, "{size} bytes over {pipe}");
                }
            };
            tokio::join!(server, client);
        }
    }
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffers() {
    let (mut server, mut client) = connect().await;
    client.write_all(&[1; 3000]).await.unwrap();
    server.read_exact(&mut [0; 3000]).await.unwrap();
    server.write_all(&[2; 3000]).await.unwrap();
    client.read_exact(&mut [0; 3000]).await.unwrap();
    assert!(poll(server.read_u8()).is_pending());
    assert_eq!(server.records.held_bytes(), 0);
    assert!(size_of::<TlsStream<()>>() <= 1400, "{}", size_of::<TlsStream<()>>());
}

#[tokio::test]
async fn a_reader_with_little_room_gets_the_rest_later() {
    let (mut server, mut client) = connect().await;
    client.write_all(b"one record").await.unwrap();
    for expected in b"one record" {
        assert_eq!(server.read_u8().await.unwrap(), *expected);
    }
    assert_eq!(server.records.held_bytes(), 0);
}

#[tokio::test]
async fn a_writer_waits_for_a_peer_that_does_not_read() {
    let (mut server, mut client) = Ends::new(rustls::DEFAULT_VERSIONS).connect(1000).await;
    let data = vec![7; 10 * MOST_PLAINTEXT];
    let mut accepted = 0;
    while let Poll::Ready(written) = poll(server.write(&data[accepted..])) {
        accepted += written.unwrap();
    }
    assert!(accepted <= MOST_PLAINTEXT, "{accepted}");
    assert!(server.records.held_bytes() <= 2 * MOST_PLAINTEXT, "{}", server.records.held_bytes());
    let mut received = vec![0; data.len()];
    let write = async {
        server.write_all(&data[accepted..]).await?;
        server.flush().await
    };
    tokio::try_join!(write, async { client.read_exact(&mut received).await.map(drop) }).unwrap();
    assert!(received == data);
}

#[tokio::test]
async fn parts_are_written_together_and_in_order() {
    let (mut server, mut client) = connect().await;
    let large = vec![3; MOST_PLAINTEXT];
    for (parts, expected) in [
        (&[&b""[..], b"head", b"", b"body"][..], 8),
        (&[&b"only"[..]], 4),
        (&[&b""[..]], 0),
        (&[&large[..], b"later"], MOST_PLAINTEXT),
        (&[&b"head"[..], &large], MOST_PLAINTEXT),
    ] {
        let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let (written, received) = tokio::join!(server.write_vectored(&slices), async {
            let mut received = vec![0; expected];
            client.read_exact(&mut received).await.unwrap();
            received
        });
        assert_eq!(written.unwrap(), expected);
        assert_eq!(received, parts.concat()[..expected]);
    }
}

#[tokio::test]
async fn an_orderly_end_differs_from_one_that_may_be_an_attackers() {
    let (mut server, mut client) = connect().await;
    client.write_all(b"last").await.unwrap();
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"last");
    server.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);

    let (mut server, client) = connect().await;
    drop(client.into_inner().0);
    assert_eq!(server.read_u8().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_peer_that_violates_tls_gets_an_alert() {
    let ends = Ends::new(rustls::DEFAULT_VERSIONS);
    let (near, mut far) = duplex(PIPE_BYTES);
    far.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = ends.acceptor.accept(near).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(far.read_u8().await.unwrap(), 21, "the type of an alert");

    let (mut server, client) = connect().await;
    let (mut raw, _) = client.into_inner();
    raw.write_all(&[23, 3, 3, 0, 20]).await.unwrap();
    raw.write_all(&[0; 20]).await.unwrap();
    assert_eq!(server.read_u8().await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(server.write_all(b"too late").await.is_err());
}

#[tokio::test]
async fn an_endless_handshake_message_is_refused() {
    let ends = Ends::new(rustls::DEFAULT_VERSIONS);
    let (near, mut far) = duplex(PIPE_BYTES);
    let accepting = tokio::spawn(async move { ends.acceptor.accept(near).await.map(drop) });
    // A ClientHello of 16 MiB - 1, in records of 16 KiB.
    let mut record = vec![22, 3, 1, 0x40, 0];
    record.extend([1, 0xff, 0xff, 0xff]);
    record.resize(5 + 0x4000, 0);
    let mut sent = 0;
    while far.write_all(&record).await.is_ok() {
        sent += record.len();
        record.truncate(5);
        record.resize(5 + 0x4000, 0);
    }
    assert!(sent <= 3 * MOST_PLAINTEXT + 2 * PIPE_BYTES, "{sent}");
    assert_eq!(accepting.await.unwrap().unwrap_err().kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn keys_may_be_updated_by_the_client() {
    let (mut server, mut client) = Ends::new(&[&rustls::version::TLS13]).connect(PIPE_BYTES).await;
    for round in 0..3 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round]).await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), round);
        server.write_all(&[round]).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), round);
    }
}

#[tokio::test]
async fn halves_work_at_the_same_time() {
    let (server, client) = Ends::new(rustls::DEFAULT_VERSIONS).connect(1000).await;
    let (mut server_reads, mut server_writes) = split(server);
    let (mut client_reads, mut client_writes) = split(client);
    let data = vec![9; 200_000];
    let (mut up, mut down) = (vec![0; data.len()], vec![0; data.len()]);
    tokio::try_join!(
        async {
            server_writes.write_all(&data).await?;
            server_writes.flush().await
        },
        async {
            client_writes.write_all(&data).await?;
            client_writes.flush().await
        },
        async { server_reads.read_exact(&mut up).await.map(drop) },
        async { client_reads.read_exact(&mut down).await.map(drop) },
    )
    .unwrap();
    assert!(up == data && down == data);
    // Both halves of one stream again.
    drop(join(server_reads, server_writes));
}
