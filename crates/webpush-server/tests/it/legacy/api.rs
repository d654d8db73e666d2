//! Every successful request.

use super::{links, put, send, subscribe, with_device};
use crate::support::{Server, header, raw_http1, texts};
use http::{Method, StatusCode};

const REG: &str = "urn:ietf:params:push:reg";
const SUB: &str = "urn:ietf:params:push:sub";
const CONTENT: [(&str, &str); 4] = [
    ("content-type", "text/plain"),
    ("content-encoding", "aesgcm"),
    ("encryption", "salt=AAAA"),
    ("crypto-key", "dh=BBBB"),
];

#[tokio::test]
async fn d1_reg_a_b_c_a_registration_has_the_links_of_both_drafts_and_a_lifetime() {
    let server = Server::start();
    let mut peer = server.connect().await;
    let response = peer.post("/devices", &[("content-type", "application/json")], "{\"any\":1}").await;
    assert_eq!((response.status(), response.body().len()), (StatusCode::CREATED, 0));
    assert_eq!(header(&response, "cache-control"), "max-age=86400, private");
    let device = header(&response, "location");
    assert!(device.starts_with(&format!("{}/devices/", server.origin)), "{device}");
    let found = links(&response, &server.origin);
    assert_eq!((found[REG].as_str(), found[SUB].as_str()), (device, &*format!("{device}/channels")));
    assert_eq!(found["urn:ietf:params:push:monitor"], found[REG]);
    assert_eq!(found["urn:ietf:params:push:channel"], found[SUB]);
    assert!(header(&response, "link").starts_with("</devices/"), "relative, as they were");

    let answer = raw_http1(
        &server.address,
        "POST /devices HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("max-age=86400, private"), "{answer}");
}

#[tokio::test]
async fn d1_reg_c_the_lifetime_is_that_of_the_flags() {
    let server = Server::start_with(&["--expire-unused-after", "3h", "--expire-idle-after", "2h"]);
    let response = server.connect().await.post("/devices", &[], "").await;
    assert_eq!(header(&response, "cache-control"), "max-age=7200, private");
}

#[tokio::test]
async fn d1_sub_a_a_channel_has_a_url_for_the_agent_and_one_for_senders() {
    let (server, mut peer, device) = with_device().await;
    let response = peer.post(&device.links[SUB], &[], "").await;
    assert_eq!((response.status(), response.body().len()), (StatusCode::CREATED, 0));
    assert_eq!(header(&response, "cache-control"), "max-age=86400, private");
    let (update, channel) = (header(&response, "location"), header(&response, "link"));
    assert!(update.starts_with(&format!("{}/updates/", server.origin)), "{update}");
    let path = device.url.strip_prefix(&server.origin).unwrap();
    assert!(channel.starts_with(&format!("<{path}/channels/")), "{channel}");
    assert!(channel.ends_with(">; rel=\"urn:ietf:params:push\""), "{channel}");
}

#[tokio::test]
async fn d1_send_a_d_a_put_is_stored_and_says_for_how_long() {
    let (_server, mut peer, device) = with_device().await;
    let cases: [(&[(&str, &str)], u64); 3] =
        [(&[], 86_400), (&[("ttl", "60")], 60), (&[("ttl", "9999999999")], 2_592_000)];
    for (headers, kept) in cases {
        let response = put(&mut peer, &device.update, headers, "x").await;
        assert_eq!((response.status(), response.body().len()), (StatusCode::OK, 0));
        assert_eq!(header(&response, "cache-control"), format!("max-age={kept}"));
        assert_eq!(header(&response, "ttl"), kept.to_string());
        assert!(header(&response, "location").contains("/message/"));
    }
    assert_eq!(peer.drain(&device.url).await.0.len(), 3);
    let short = Server::start_with(&["--legacy-default-ttl", "90s"]);
    let mut peer = short.connect().await;
    let device = super::register(&short, &mut peer).await;
    let response = put(&mut peer, &device.update, &[], "x").await;
    assert_eq!(header(&response, "cache-control"), "max-age=90");
}

#[tokio::test]
async fn d1_send_e_ttl_zero_goes_to_whoever_listens_now() {
    let (server, mut peer, device) = with_device().await;
    let response = put(&mut peer, &device.update, &[("ttl", "0")], "to nobody").await;
    assert_eq!((response.status(), header(&response, "cache-control")), (StatusCode::OK, "max-age=0"));
    let mut agent = server.connect().await;
    let mut monitor = agent.monitor(&device.url, &[]).await;
    send(&mut peer, &device.update, "it listens").await;
    assert_eq!(monitor.next().await.text(), "it listens");
    put(&mut peer, &device.update, &[("ttl", "0")], "now").await;
    assert_eq!(monitor.next().await.text(), "now");
}

#[tokio::test]
async fn d1_monitor_a_a_held_get_is_pushed_each_message_under_its_channel() {
    let (server, mut peer, device) = with_device().await;
    let (second, to_second) = subscribe(&server, &mut peer, &device.links[SUB]).await;
    put(&mut peer, &device.update, &CONTENT, "stored").await;
    let mut agent = server.connect_as("http://agent.example").await;
    let path = |url: &str| url.strip_prefix(&server.origin).unwrap().to_owned();
    let mut monitor = agent.monitor(&path(&device.url), &[]).await;
    let pushed = monitor.next().await;
    assert_eq!(pushed.request.method(), Method::GET);
    assert_eq!(pushed.url(), format!("http://agent.example{}", path(&device.channel)));
    assert_eq!((pushed.response.status(), pushed.text()), (StatusCode::OK, "stored"));
    for (name, value) in CONTENT {
        assert_eq!(header(&pushed.response, name), value);
    }
    send(&mut peer, &to_second, "live").await;
    let pushed = monitor.next().await;
    assert_eq!((pushed.url(), pushed.text()), (format!("http://agent.example{}", path(&second)), "live"));
    assert_eq!(header(&pushed.response, "content-type"), "application/octet-stream");
}

#[tokio::test]
async fn d1_monitor_c_wait_pushes_what_is_stored_and_names_the_registration() {
    let (_server, mut peer, device) = with_device().await;
    let empty = peer.monitor(&device.url, &[("prefer", "wait=0")]).await.end().await;
    assert_eq!(
        (empty.status(), header(&empty, "cache-control")),
        (StatusCode::NO_CONTENT, "max-age=5184000, private")
    );
    send(&mut peer, &device.update, "one").await;
    for wait in ["wait=0", "wait=1"] {
        let mut monitor = peer.monitor(&device.url, &[("prefer", wait)]).await;
        if wait == "wait=0" {
            assert_eq!(monitor.next().await.text(), "one");
        }
        let end = monitor.end().await;
        let status = if wait == "wait=0" { StatusCode::OK } else { StatusCode::NO_CONTENT };
        assert_eq!((end.status(), header(&end, "preference-applied")), (status, wait));
        let path = header(&end, "link").split('>').next().unwrap().trim_start_matches('<').to_owned();
        assert!(device.url.ends_with(&path) && header(&end, "link").contains(REG), "{path}");
    }
}

#[tokio::test]
async fn d1_last_a_a_channel_shows_its_last_message_or_nothing() {
    let (server, mut peer, device) = with_device().await;
    let (other, to_other) = subscribe(&server, &mut peer, &device.links[SUB]).await;
    assert_eq!(peer.get(&device.channel, &[]).await.status(), StatusCode::NO_CONTENT);
    put(&mut peer, &device.update, &CONTENT, "first").await;
    put(&mut peer, &device.update, &CONTENT, "last").await;
    send(&mut peer, &to_other, "of another").await;
    let shown = peer.get(&device.channel, &[]).await;
    assert_eq!((shown.status(), &shown.body()[..]), (StatusCode::OK, &b"last"[..]));
    for (name, value) in CONTENT {
        assert_eq!(header(&shown, name), value);
    }
    assert_eq!((header(&shown, "content-length"), header(&shown, "cache-control")), ("4", "private"));
    assert_eq!(header(&shown, "content-security-policy"), "sandbox");
    assert_eq!(&peer.get(&other, &[]).await.body()[..], b"of another");
    let (pushes, _) = peer.drain(&device.url).await;
    assert_eq!(texts(&pushes), ["first", "last", "of another"], "looking acknowledges nothing");
    assert_eq!(peer.get(&device.channel, &[]).await.status(), StatusCode::NO_CONTENT, "they have arrived");
}

#[tokio::test]
async fn d1_delete_a_b_a_deleted_channel_or_device_is_gone() {
    let (server, mut peer, device) = with_device().await;
    let (kept, to_kept) = subscribe(&server, &mut peer, &device.links[SUB]).await;
    send(&mut peer, &device.update, "lost with its channel").await;
    assert_eq!(peer.delete(&device.channel).await, StatusCode::NO_CONTENT);
    for method in [Method::GET, Method::DELETE] {
        let again = peer.request(method, &device.channel, &[], "").await;
        assert_eq!(again.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(put(&mut peer, &device.update, &[], "late").await.status(), StatusCode::NOT_FOUND);
    send(&mut peer, &to_kept, "still there").await;
    assert_eq!(texts(&peer.drain(&device.url).await.0), ["still there"]);

    assert_eq!(peer.delete(&device.url).await, StatusCode::NO_CONTENT);
    assert_eq!(peer.delete(&device.url).await, StatusCode::NOT_FOUND);
    assert_eq!(peer.delete(&kept).await, StatusCode::NOT_FOUND);
    assert_eq!(put(&mut peer, &to_kept, &[], "late").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(peer.post(&device.links[SUB], &[], "").await.status(), StatusCode::NOT_FOUND);
}
