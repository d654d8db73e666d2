use super::*;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// Version 2: command, family with transport, addresses with any extensions.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [PROTOCOL_PREFIX, &[0x20 | command, family], &length, rest].concat()
}

fn said(header: &[u8]) -> Option<ProxyHeader> {
    match header_length(header)? {
        HeaderLength::Exactly(length) if length == header.len() => parse(header),
        HeaderLength::Exactly(_) | HeaderLength::Longer => {
            panic!("{header:?} is not whole, or more than that")
        }
    }
}

#[test]
fn what_a_header_says() {
    let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0, 80, 1, 187];
    let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &Ipv6Addr::UNSPECIFIED.octets(), &[0, 80, 1, 187]].concat();
    let tlv = [&v4[..], &[4, 0, 3, 0, 0, 0]].concat();
    let (one, six) = (
        ProxyHeader::Client(Ipv4Addr::new(192, 0, 2, 1).into()),
        ProxyHeader::Client(Ipv6Addr::LOCALHOST.into()),
    );
    for (header, expected) in [
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(), one),
        (b"PROXY TCP6 ::1 2001:db8::2 56324 443\r\n".to_vec(), six),
        (b"PROXY UNKNOWN\r\n".to_vec(), ProxyHeader::Local),
        (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), ProxyHeader::Local),
        (binary(1, 0x11, &v4), one),
        (binary(1, 0x11, &tlv), one),
        (binary(1, 0x21, &v6), six),
        // A connection of the proxy itself, whatever the rest of the header says.
        (binary(0, 0x00, &[]), ProxyHeader::Local),
        (binary(0, 0x11, &v4), ProxyHeader::Local),
        (binary(1, 0x00, &[]), ProxyHeader::Local),
        (binary(1, 0x31, &[b'/'; 216]), ProxyHeader::Local),
    ] {
        assert_eq!(said(&header), Some(expected), "{}", header.escape_ascii());
    }
}

#[test]
fn what_is_no_header() {
    for header in [
        &b"PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n"[..],
        b"PROXY TCP4 2001:db8::1 198.51.100.1 56324 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 65536\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.1 56324 443\r\n",
        b"PROXY \r\n",
        &binary(2, 0x11, &[0; 12]),
        &binary(1, 0x11, &[0; 11]),
        &binary(1, 0x41, &[0; 12]),
        &[PROTOCOL_PREFIX, &[0x11, 0x11, 0, 0]].concat(),
    ] {
        assert_eq!(said(header), None, "{}", header.escape_ascii());
    }
    for begun in
        [&b"GET / HTTP/1.1\r\n"[..], b"PRI * HTTP/2.0\r\n", b"\x16\x03\x01", b"PROXI", b"\r\n\r\nGET"]
    {
        assert_eq!(header_length(begun), None, "{}", begun.escape_ascii());
    }
}

#[test]
fn a_header_has_a_length_that_it_may_not_exceed() {
    let text = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16)).into_bytes();
    assert_eq!(header_length(&text(107)), Some(HeaderLength::Exactly(107)));
    assert_eq!(header_length(&text(108)), None);
    assert_eq!(header_length(&text(120)[..106]), Some(HeaderLength::Longer));
    assert_eq!(header_length(&text(120)[..107]), None);
    assert_eq!(header_length(&binary(1, 0, &[0; LONGEST - 16])), Some(HeaderLength::Exactly(LONGEST)));
    assert_eq!(header_length(&binary(1, 0, &[0; LONGEST - 15])[..16]), None);
}

fn unix_pair() -> (Box<dyn AsyncWrite + Unpin>, PublicStream) {
    let (client, stream) = UnixStream::pair().unwrap();
    (Box::new(client), PublicStream::Unix(Box::new(stream)))
}

async fn tcp_pair() -> (Box<dyn AsyncWrite + Unpin>, PublicStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.set_nodelay(true).unwrap();
    (Box::new(client), PublicStream::Tcp(listener.accept().await.unwrap().0))
}

fn headers() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec()),
        Just(b"PROXY UNKNOWN\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 12..80).prop_map(|rest| binary(1, 0x11, &rest)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However it is split, the whole header is read, and nothing after it.
    #[test]
    fn the_header_is_taken_and_no_more(
        header in headers(),
        pieces in prop::collection::vec(1..60_usize, 1..6),
        unix in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (read, rest) = runtime.block_on(async {
            let (mut client, mut stream) = if unix { unix_pair() } else { tcp_pair().await };
            let sent = [&header[..], b"\r\nbehind"].concat();
            let sending = async {
                let mut left = &sent[..];
                for piece in pieces {
                    let (now, later) = left.split_at(piece.min(left.len()));
                    client.write_all(now).await.unwrap();
                    tokio::task::yield_now().await;
                    left = later;
                }
                client.write_all(left).await.unwrap();
                drop(client);
            };
            let reading = async {
                let read = read_bytes(&mut stream).await;
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await.unwrap();
                (read, rest)
            };
            tokio::join!(sending, reading).1
        });
        prop_assert_eq!(read, Some(header));
        prop_assert_eq!(rest, b"\r\nbehind");
    }

    #[test]
    fn no_bytes_are_too_strange(begun in prop::collection::vec(any::<u8>(), 0..300)) {
        for bytes in [begun.clone(), [PROTOCOL_PREFIX, &begun].concat(), [&b"PROXY "[..], &begun].concat()] {
            if let Some(HeaderLength::Exactly(length)) = header_length(&bytes) && length <= bytes.len() {
                let _ = parse(&bytes[..length]);
            }
        }
    }
}

/// The clock advances only when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_come_is_not_waited_for() {
    for begun in [&b""[..], b"PROXY TCP4 ", &PROTOCOL_PREFIX[..7]] {
        let (mut client, mut stream) = tcp_pair().await;
        client.write_all(begun).await.unwrap();
        let proxy = ClientAddr::new(Ipv4Addr::LOCALHOST.into());
        assert!(read(&mut stream, proxy, &Proxies::default()).await.is_none());
    }
}
