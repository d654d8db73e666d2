//! Client addresses from headers of trusted proxies.

use crate::agent::{channel, open};
use crate::support::{Http2Client, Server, refused, soon};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A rate of one registration per address.
const ONE_EACH: [&str; 2] = ["--register-rate", "1/h:1"];
const THIS_MACHINE: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8"];

const CREATED: u16 = 201;
const TOO_MANY: u16 = 429;

fn start(args: &[&str]) -> Server {
    Server::start_with(&[&ONE_EACH[..], args].concat())
}

async fn subscribe(peer: &mut Http2Client, headers: &[(&str, &str)]) -> u16 {
    peer.post("/subscribe", headers, "").await.status().as_u16()
}

#[tokio::test]
async fn each_request_counts_by_the_client_address_from_the_proxy() {
    let server = start(&THIS_MACHINE);
    let mut proxy = server.connect().await;
    for (lines, status) in [
        (&["192.0.2.1"][..], CREATED),
        (&["192.0.2.1"], TOO_MANY),
        (&["192.0.2.2"], CREATED),
        // Forged addresses are to the left of the one that the proxy appends.
        (&["192.0.2.3, 192.0.2.1"], TOO_MANY),
        (&["192.0.2.3", "192.0.2.1"], TOO_MANY),
        (&["127.0.0.1, 192.0.2.1"], TOO_MANY),
        (&["\"192.0.2.3, 192.0.2.1"], TOO_MANY),
        // More local proxies.
        (&["192.0.2.3, 127.0.0.2", "127.0.0.3"], CREATED),
        (&["192.0.2.3:4711"], TOO_MANY),
        (&["2001:db8::1"], CREATED),
        (&["[2001:db8::2]:4711"], TOO_MANY),
        (&["2001:db8:0:1::1"], CREATED),
        // An unknown client behind a local proxy is not local.
        (&["unknown"], CREATED),
        (&["unknown"], TOO_MANY),
        (&["192.0.2.4, garbage"], TOO_MANY),
    ] {
        let headers: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(subscribe(&mut proxy, &headers).await, status, "{lines:?}");
    }
    for _ in 0..2 {
        assert_eq!(subscribe(&mut proxy, &[]).await, CREATED, "a peer of this machine itself");
    }
}

#[tokio::test]
async fn each_request_of_an_http1_connection_counts() {
    let server = start(&THIS_MACHINE);
    let mut proxy = BufReader::new(TcpStream::connect(&server.address).await.unwrap());
    for (client, status) in [("192.0.2.1", CREATED), ("192.0.2.1", TOO_MANY), ("192.0.2.2", CREATED)] {
        let head = format!(
            "POST /subscribe HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nContent-Length: 0\r\n\r\n"
        );
        proxy.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(soon("an answer", answer(&mut proxy)).await, status, "{client}");
    }
}

/// Reads the whole response; returns the status.
async fn answer(stream: &mut BufReader<TcpStream>) -> u16 {
    let (mut status, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        status = status.or_else(|| line.split(' ').nth(1)?.parse().ok());
    }
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    status.unwrap()
}

#[tokio::test]
async fn a_websocket_counts_by_the_client_address_from_the_proxy() {
    let server = start(&THIS_MACHINE);
    let register = async |client: &str| {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let mut agent = open(stream, "/", &format!("X-Forwarded-For: {client}\r\n")).await.1.unwrap();
        agent.hello(None).await;
        agent.try_register(&channel(0), None).await["status"].as_u64().unwrap()
    };
    assert_eq!(register("192.0.2.1").await, 200);
    assert_eq!(register("192.0.2.1").await, 429);
    assert_eq!(register("192.0.2.2").await, 200);
}

#[tokio::test]
async fn only_trusted_proxies_can_set_the_client_address() {
    let server = start(&["--rate-limit-loopback", "--trusted-proxies", "192.0.2.0/24,2001:db8::/32"]);
    let mut peer = server.connect().await;
    assert_eq!(subscribe(&mut peer, &[("x-forwarded-for", "192.0.2.1")]).await, CREATED);
    for header in [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=198.51.100.1")] {
        assert_eq!(subscribe(&mut peer, &[header]).await, TOO_MANY, "{header:?}");
    }
}

#[tokio::test]
async fn r7239_4_one_header_is_believed_and_the_other_one_may_be_of_the_client() {
    for (args, believed, made_up) in [
        (&[][..], ("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.9")),
        (
            &["--forwarded-header", "forwarded"],
            ("forwarded", "for=\"192.0.2.1:80\";proto=https"),
            ("x-forwarded-for", "192.0.2.9"),
        ),
    ] {
        let server = start(&[&THIS_MACHINE, args].concat());
        let mut proxy = server.connect().await;
        assert_eq!(subscribe(&mut proxy, &[believed]).await, CREATED);
        assert_eq!(subscribe(&mut proxy, &[made_up, believed]).await, TOO_MANY);
        assert_eq!(subscribe(&mut proxy, &[believed, made_up]).await, TOO_MANY);
    }
}

#[tokio::test]
async fn the_ipv6_prefix_can_be_set() {
    let server = start(&[&THIS_MACHINE[..], &["--ipv6-prefix", "56"]].concat());
    let mut proxy = server.connect().await;
    for (client, status) in
        [("2001:db8::1", CREATED), ("2001:db8:0:ff::1", TOO_MANY), ("2001:db8:0:100::1", CREATED)]
    {
        assert_eq!(subscribe(&mut proxy, &[("x-forwarded-for", client)]).await, status, "{client}");
    }
}

#[tokio::test]
async fn proxies_change_on_sighup_for_new_connections() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let write = |trusted: &str| {
        let text = format!(
            "[listen]\ntrusted_proxies = [{trusted}]\n[rates]\nlimit_loopback = true\nregister = '1/h:1'\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    write("");
    let server = Server::start_with_log(&["--config", file.to_str().unwrap()]);
    let mut before = server.connect().await;
    assert_eq!(subscribe(&mut before, &[]).await, CREATED);
    write("'127.0.0.1'");
    server.signal("HUP");
    server.logged(&["INFO", "configuration reloaded"]).await;
    let named = [("x-forwarded-for", "192.0.2.1")];
    assert_eq!(subscribe(&mut server.connect().await, &named).await, CREATED);
    assert_eq!(subscribe(&mut server.connect().await, &named).await, TOO_MANY);
    assert_eq!(subscribe(&mut before, &[("x-forwarded-for", "192.0.2.2")]).await, TOO_MANY);
}

#[test]
fn wrong_settings_of_proxies_are_one_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    for (args, expected) in [
        (&["--trusted-proxies", "proxy.example"][..], "\"proxy.example\" is not a block of addresses"),
        (&["--trusted-proxies", "10.0.0.1/8"], "\"10.0.0.1/8\" is not a block of addresses"),
        (&["--forwarded-header", "via"], "x-forwarded-for, forwarded"),
        (&["--proxy-protocol"], "listen.proxy_protocol also needs listen.trusted_proxies (--trusted-proxies"),
        (&["--ipv6-prefix", "0"], "0"),
    ] {
        let output = refused(dir.path(), args);
        assert!(output.contains(expected) && output.contains(args[0]), "{args:?}: {output}");
    }
}
