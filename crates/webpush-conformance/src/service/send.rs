//! Sending (RFC 8030 §5): the response, TTL, urgency and topic.

use crate::check::checks;
use crate::delivered_message::texts;
use crate::exchange::Exchange;
use crate::feature::Feature;
use crate::probe::{MAX_TEXT_BYTES, Probe, TestEndpoint};
use crate::stop::Stop;
use bytes::Bytes;
use http::Method;

checks! {
    "a message is accepted, and has a URL" Sender ["R8030-5-a" "R8030-5-b"] [] accepted;
    "bodies are opaque" Sender ["R8030-5-c"] [Receiving] opaque;
    "a TTL is required, and has digits only" Sender ["R8030-5.2-a"] [] ttl_grammar;
    "a large TTL is no error" Sender ["R8030-5.2-b" "R8030-5.2-c"] [] ttl_range;
    "an urgency is one of four words" Sender ["R8030-5.3-a"] [] urgency_grammar;
    "a topic is one short word" Sender ["R8030-5.4-a"] [] topic_grammar;
    "urgency and topic stay with the service" Sender ["R8030-5.3-c" "R8030-5.4-f"] [Receiving] not_forwarded;
    "messages below the minimum urgency stay stored" UserAgent ["R8030-5.3-b"] [Receiving] minimum;
    "the largest body is accepted" Sender ["R8030-7.2-c" "R8291-4-a"] [] largest;
    "the URL of a message reads it until it is acknowledged" UserAgent
        ["R8030-8.3-b" "R8030-7.2-a" "R8030-6.2-a"] [MessageUrls] readable;
}

const TTL: (&str, &str) = ("ttl", "60");

async fn accepted(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let sent = probe.push(&endpoint, &[TTL], "accepted").await?;
    probe.verify_status("R8030-5-a", &sent, &[201]);
    if !sent.is_success() {
        return Err(Stop::skip(format!("the message was refused with {}", sent.status)));
    }
    let found = sent.field("location").unwrap_or("no Location").to_owned();
    probe.verify("R8030-5-b", sent.location().is_some(), "a URL in Location", found, &sent.transcript);
    let again = probe.push(&endpoint, &[TTL], "accepted").await?;
    if let (Some(first), Some(second)) = (sent.location(), again.location()) {
        let differ = first != second;
        probe.verify("R8030-5-b", differ, "a URL for each message", "the same URL twice", &again.transcript);
    }
    Ok(())
}

async fn opaque(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    // From the shortest to the longest.
    let bodies = [
        Bytes::new(),
        Bytes::from_static(b"{not json"),
        Bytes::from_static(b"\r\n\n: x\ndata: y\n\n"),
        Bytes::from_iter(0..=255),
    ];
    for body in &bodies {
        let sent = probe.push(&endpoint, &[TTL], body.clone()).await?;
        let found = sent.status.to_string();
        probe.verify("R8030-5-c", sent.is_success(), "201 for any body", found, &sent.transcript);
    }
    let received = probe.received(&endpoint).await?;
    let mut exact: Vec<&[u8]> = received.iter().map(|message| message.body.as_slice()).collect();
    exact.sort_by_key(|body| body.len());
    let is_exact = exact == bodies;
    let found =
        format!("bodies of {:?} bytes", received.iter().map(|one| one.body.len()).collect::<Vec<_>>());
    let shown: Vec<_> = received.iter().map(|message| message.transcript.clone()).collect();
    let shown = shown.join("\n\n");
    probe.verify("R8030-5-c", is_exact, "the bodies of 0, 9, 16 and 256 bytes", found, &shown);
    let is_untyped = received.iter().all(|message| !message.headers.contains_key("content-type"));
    let expected = "no Content-Type, as none was sent";
    probe.verify("R8030-5-c", is_untyped, expected, "the service has added one", &shown);
    Ok(())
}

/// Sends a message with each of these header fields; all must be refused with 400, and not be stored.
async fn refused(
    probe: &mut Probe,
    id: &'static str,
    endpoint: &TestEndpoint,
    requests: &[&[(&str, &str)]],
) -> Result<(), Stop> {
    for headers in requests {
        let sent = probe.push(endpoint, headers, "malformed").await?;
        probe.verify_status(id, &sent, &[400]);
    }
    if probe.offers(Feature::Receiving) {
        let received = texts(&probe.received(endpoint).await?);
        let is_refused = !received.iter().any(|text| text == "malformed");
        probe.verify(id, is_refused, "no refused message", "one of them was delivered", "");
    }
    Ok(())
}

fn valid(probe: &mut Probe, id: &'static str, sent: &Exchange) {
    let found = sent.status.to_string();
    probe.verify(id, sent.is_success(), "201", found, &sent.transcript);
}

async fn ttl_grammar(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let wrong: [&[(&str, &str)]; 8] = [
        &[],
        &[("ttl", "")],
        &[("ttl", "-1")],
        &[("ttl", "1.5")],
        &[("ttl", "soon")],
        &[("ttl", "60, 60")],
        &[("ttl", "60"), ("ttl", "60")],
        &[("ttl", "60"), ("ttl", "61")],
    ];
    refused(probe, "R8030-5.2-a", &endpoint, &wrong).await
}

async fn ttl_range(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    for ttl in ["0", "60", "2147483647", "2147483648", "99999999999", "99999999999999999999999999"] {
        let sent = probe.push(&endpoint, &[("ttl", ttl)], "a TTL").await?;
        let found = sent.status.to_string();
        probe.verify("R8030-5.2-b", sent.is_success(), "201", found, &sent.transcript);
        let granted: Option<u128> = sent.field("ttl").and_then(|text| text.parse().ok());
        let asked: u128 = ttl.parse().unwrap_or(u128::MAX);
        let is_at_most = granted.is_none_or(|granted| granted <= asked);
        let found = format!("{} granted for {ttl}", sent.field("ttl").unwrap_or_default());
        probe.verify("R8030-5.2-c", is_at_most, "no more than was requested", found, &sent.transcript);
    }
    Ok(())
}

async fn urgency_grammar(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    for urgency in ["very-low", "low", "normal", "high"] {
        let sent = probe.push(&endpoint, &[TTL, ("urgency", urgency)], "urgency").await?;
        valid(probe, "R8030-5.3-a", &sent);
    }
    let wrong: [&[(&str, &str)]; 5] = [
        &[TTL, ("urgency", "urgent")],
        &[TTL, ("urgency", "")],
        &[TTL, ("urgency", "low, high")],
        &[TTL, ("urgency", "low"), ("urgency", "low")],
        &[TTL, ("urgency", "low"), ("urgency", "high")],
    ];
    refused(probe, "R8030-5.3-a", &endpoint, &wrong).await
}

async fn topic_grammar(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let (longest, too_long) = ("-_0Az".repeat(6) + "xy", "x".repeat(33));
    for topic in ["a", &longest] {
        let sent = probe.push(&endpoint, &[TTL, ("topic", topic)], "topic").await?;
        valid(probe, "R8030-5.4-a", &sent);
    }
    let wrong: [&[(&str, &str)]; 6] = [
        &[TTL, ("topic", &too_long)],
        &[TTL, ("topic", "")],
        &[TTL, ("topic", "a b")],
        &[TTL, ("topic", "a.b")],
        &[TTL, ("topic", "a,b")],
        &[TTL, ("topic", "a"), ("topic", "b")],
    ];
    refused(probe, "R8030-5.4-a", &endpoint, &wrong).await
}

async fn not_forwarded(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let headers = [TTL, ("urgency", "high"), ("topic", "conformance")];
    probe.accepted(&endpoint, &headers, "with attributes").await?;
    let received = probe.received(&endpoint).await?;
    let Some(message) = received.first() else { return Err(Stop::skip("the message did not arrive")) };
    for (id, name) in [("R8030-5.3-c", "urgency"), ("R8030-5.4-f", "topic")] {
        let is_there = [&message.headers, &message.request_headers].iter().any(|all| all.contains_key(name));
        let expected = format!("no {name} in the delivered message");
        probe.verify(id, !is_there, &expected, "it was forwarded", &message.transcript);
    }
    Ok(())
}

async fn minimum(probe: &mut Probe) -> Result<(), Stop> {
    let words = ["high", "low", "normal", "very-low"];
    for (minimum, expected) in
        [("high", &["high"][..]), ("normal", &["high", "normal"]), ("very-low", &words)]
    {
        let endpoint = probe.subscribe().await?;
        let subscription = endpoint.subscription()?.clone();
        for urgency in words {
            probe.accepted(&endpoint, &[TTL, ("urgency", urgency)], urgency).await?;
        }
        let delivery = probe.drain(&subscription, &[("urgency", minimum)]).await?;
        let mut texts = delivery.texts();
        texts.sort_unstable();
        let found = format!("{texts:?} with Urgency: {minimum}");
        probe.verify("R8030-5.3-b", texts == expected, &format!("{expected:?}"), found, &delivery.transcript);
        let all = probe.drain(&subscription, &[]).await?;
        let texts = all.texts();
        let mut rest = words.iter().filter(|word| !expected.contains(word));
        let is_kept = rest.all(|word| texts.iter().any(|text| text == word));
        let found = format!("{texts:?} without Urgency");
        probe.verify("R8030-5.3-b", is_kept, "the rest, still stored", found, &all.transcript);
    }
    Ok(())
}

async fn largest(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let coding = ("content-encoding", "aes128gcm");
    let is_encrypted = probe.has_given_subscription();
    let sent = match is_encrypted {
        true => probe.push(&endpoint, &[TTL], vec![b'x'; MAX_TEXT_BYTES]).await?,
        false => probe.push(&endpoint, &[TTL, coding], vec![b'x'; 4096]).await?,
    };
    let found = sent.status.to_string();
    let is_accepted = sent.is_success();
    probe.verify("R8030-7.2-c", is_accepted, "201 for 4096 bytes", found.clone(), &sent.transcript);
    probe.verify("R8291-4-a", is_accepted, "201 for 4096 bytes", found, &sent.transcript);
    // Encryption makes no larger body.
    if !is_encrypted {
        let larger = probe.push(&endpoint, &[TTL, coding], vec![b'y'; 4097]).await?;
        let is_clear = larger.is_success() || larger.status == 413;
        let found = larger.status.to_string();
        probe.verify("R8030-7.2-c", is_clear, "413 or 201 for 4097 bytes", found, &larger.transcript);
    }
    if is_accepted && probe.offers(Feature::Receiving) {
        let received = probe.received(&endpoint).await?;
        let is_whole = received.iter().any(|message| message.body == vec![b'x'; 4096]);
        probe.verify(
            "R8291-4-a",
            is_whole,
            "the whole body",
            format!("{:?}", lengths(&texts(&received))),
            "",
        );
    }
    Ok(())
}

fn lengths(texts: &[String]) -> Vec<usize> {
    texts.iter().map(String::len).collect()
}

async fn readable(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.endpoint().await?;
    let sent = probe.accepted(&endpoint, &[TTL], "readable").await?;
    let Some(url) = sent.location() else { return Err(Stop::skip("the message has no URL")) };
    let read = probe.send(Method::GET, &url, &[], "").await?;
    if matches!(read.status, 404 | 405) {
        return Err(Stop::skip(format!(
            "GET of a message returns {}, an option of the service",
            read.status
        )));
    }
    let is_whole = read.status == 200 && read.body == "readable";
    let found = format!("{} with {} bytes", read.status, read.body.len());
    probe.verify("R8030-8.3-b", is_whole, "200 with the message", found, &read.transcript);
    let found = read.field("last-modified").unwrap_or("none").to_owned();
    let is_dated = found.ends_with(" GMT");
    probe.verify("R8030-7.2-a", is_dated, "Last-Modified with a date", found, &read.transcript);
    let deleted = probe.send(Method::DELETE, &url, &[], "").await?;
    if !deleted.is_success() {
        return Err(Stop::skip(format!("DELETE of the message returned {}", deleted.status)));
    }
    let again = probe.send(Method::GET, &url, &[], "").await?;
    probe.verify_status("R8030-6.2-a", &again, &[404]);
    Ok(())
}
