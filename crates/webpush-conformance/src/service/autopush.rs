//! The WebSocket protocol of Firefox.

use crate::autopush_agent::{AutopushAgent, channel};
use crate::check::checks;
use crate::exchange::Exchange;
use crate::probe::Probe;
use crate::signer::Signer;
use crate::stop::Stop;
use http::Method;
use serde_json::{Value, json};
use webpush_client::url::CapabilityUrl;
use webpush_core::base64url;

checks! {
    "hello" Autopush ["AP-hello-a" "AP-hello-b" "AP-hello-c"] [] hello;
    "registering a channel" Autopush ["AP-register-a" "AP-register-b" "AP-register-c"] [] register;
    "messages are notifications" Autopush
        ["AP-send-a" "AP-message-a" "AP-message-b" "AP-message-c"] [] messages;
    "only an acknowledged notification does not come again" Autopush ["AP-ack-a" "AP-ack-b"] [] acknowledged;
    "unregistering a channel" Autopush ["AP-unregister-a"] [] unregister;
    "pings are returned" Autopush ["AP-ping-a" "AP-ping-b"] [] pings;
    "text that is not JSON closes the connection" Autopush ["AP-frame-a"] [] not_json;
}

const HEADERS: [(&str, &str); 2] = [("ttl", "60"), ("content-encoding", "aes128gcm")];

async fn connect(probe: &Probe) -> Result<AutopushAgent, Stop> {
    connect_as(probe, None).await
}

async fn connect_as(probe: &Probe, uaid: Option<&str>) -> Result<AutopushAgent, Stop> {
    let client = probe.shared().autopush.as_ref();
    let client = client.ok_or_else(|| Stop::skip("the service offers no WebSocket"))?;
    AutopushAgent::hello(client, uaid).await
}

async fn send(probe: &mut Probe, url: &CapabilityUrl, text: &'static str) -> Result<Exchange, Stop> {
    let headers = if text.is_empty() { &HEADERS[..1] } else { &HEADERS };
    probe.send(Method::POST, url, headers, text).await
}

async fn hello(probe: &mut Probe) -> Result<(), Stop> {
    let mut agent = connect(probe).await?;
    let is_whole =
        agent.greeting["status"] == 200 && !agent.uaid.is_empty() && agent.greeting["use_webpush"] == true;
    let found = agent.greeting.to_string();
    let expected = "status 200, a uaid and use_webpush true";
    probe.verify("AP-hello-a", is_whole, expected, found, &agent.transcript);
    agent.register(1, None).await?;
    let uaid = agent.uaid.clone();
    let agent = agent.leave().again().await?;
    let is_kept = agent.uaid == uaid;
    probe.verify("AP-hello-b", is_kept, "the same uaid", agent.uaid.clone(), &agent.transcript);
    let unknown = "deadbeef00000000a000000000000000";
    let stranger = connect_as(probe, Some(unknown)).await?;
    let is_new = stranger.uaid.replace('-', "") != unknown && !stranger.uaid.is_empty();
    probe.verify("AP-hello-c", is_new, "a new uaid", stranger.uaid.clone(), &stranger.transcript);
    Ok(())
}

async fn register(probe: &mut Probe) -> Result<(), Stop> {
    let mut agent = connect(probe).await?;
    let reply = agent.ask_register(1, None).await?;
    let endpoint = reply["pushEndpoint"].as_str().and_then(|url| CapabilityUrl::parse(url).ok());
    let is_whole = reply["status"] == 200 && reply["channelID"] == channel(1) && endpoint.is_some();
    let found = reply.to_string();
    let expected = "status 200, the channelID and a pushEndpoint";
    probe.verify("AP-register-a", is_whole, expected, found, &agent.transcript);
    let signer = Signer::generate(probe)?;
    let restricted = agent.register(2, Some(&signer.public())).await?;
    let refused = send(probe, &restricted, "unsigned").await?;
    let is_refused = matches!(refused.status, 401 | 403);
    let found = refused.status.to_string();
    probe.verify("AP-register-b", is_refused, "401 or 403 without a token", found, &refused.transcript);
    let claims =
        json!({"aud": restricted.origin(), "exp": signer.seconds(3600), "sub": "mailto:a@example.net"});
    let authorization = signer.authorization(probe, &claims)?;
    let headers = [HEADERS[0], HEADERS[1], ("authorization", authorization.as_str())];
    let sent = probe.send(Method::POST, &restricted, &headers, "signed").await?;
    let found = sent.status.to_string();
    probe.verify("AP-register-b", sent.is_success(), "201 with a token", found, &sent.transcript);
    let wrong = json!({"messageType": "register", "channelID": "no UUID"});
    let reply = agent.ask(&wrong, "register").await;
    let is_refused = reply.as_ref().map_or(true, |reply| reply["status"] != 200);
    let found = reply.map_or_else(|stop| stop.to_string(), |reply| reply.to_string());
    probe.verify("AP-register-c", is_refused, "an error or the end", found, &agent.transcript);
    Ok(())
}

async fn messages(probe: &mut Probe) -> Result<(), Stop> {
    let mut agent = connect(probe).await?;
    let endpoint = agent.register(1, None).await?;
    let sent = send(probe, &endpoint, "live").await?;
    let is_accepted = sent.status == 201 && sent.location().is_some();
    let found = sent.status.to_string();
    probe.verify("AP-send-a", is_accepted, "201 with Location", found, &sent.transcript);
    let live = agent.reply("notification").await?;
    let is_whole = live["channelID"] == channel(1)
        && live["version"].is_string()
        && text(&live) == "live"
        && live["headers"]["encoding"] == "aes128gcm";
    let expected = "channelID, version, data and headers.encoding";
    probe.verify("AP-message-a", is_whole, expected, live.to_string(), &agent.transcript);
    agent.ack(&live).await?;
    send(probe, &endpoint, "").await?;
    let empty = agent.reply("notification").await?;
    let has_none = empty["data"].as_str().is_none_or(str::is_empty);
    probe.verify("AP-message-b", has_none, "no data", empty.to_string(), &agent.transcript);
    agent.ack(&empty).await?;
    agent.ping_text().await?;
    let absent = agent.leave();
    // No reply tells when the service has noticed; a message that was sent to the old connection comes again.
    send(probe, &endpoint, "stored").await?;
    let mut agent = absent.again().await?;
    let stored: Vec<String> = agent.notifications().await?.iter().map(text).collect();
    let found = format!("{stored:?}");
    probe.verify(
        "AP-message-c",
        stored == ["stored"],
        "the stored message after hello",
        found,
        &agent.transcript,
    );
    Ok(())
}

fn text(message: &Value) -> String {
    let data = message["data"].as_str().and_then(base64url::decode_lenient).unwrap_or_default();
    String::from_utf8_lossy(&data).into_owned()
}

async fn acknowledged(probe: &mut Probe) -> Result<(), Stop> {
    let mut agent = connect(probe).await?;
    let endpoint = agent.register(1, None).await?;
    send(probe, &endpoint, "acknowledged").await?;
    send(probe, &endpoint, "ignored").await?;
    for _ in 0..2 {
        let message = agent.reply("notification").await?;
        if text(&message) == "acknowledged" {
            agent.ack(&message).await?;
        }
    }
    agent.ping_text().await?;
    let mut agent = agent.leave().again().await?;
    let rest: Vec<String> = agent.notifications().await?.iter().map(text).collect();
    let found = format!("{rest:?}");
    let is_settled = !rest.contains(&"acknowledged".to_owned());
    probe.verify("AP-ack-a", is_settled, "no acknowledged message", found.clone(), &agent.transcript);
    let is_kept = rest.contains(&"ignored".to_owned());
    probe.verify("AP-ack-b", is_kept, "the message that was not acknowledged", found, &agent.transcript);
    Ok(())
}

async fn unregister(probe: &mut Probe) -> Result<(), Stop> {
    let mut agent = connect(probe).await?;
    let endpoint = agent.register(1, None).await?;
    let reply = agent.unregister(1).await?;
    let sent = send(probe, &endpoint, "too late").await?;
    let is_gone = reply["status"] == 200 && matches!(sent.status, 404 | 410);
    let found = format!("status {}, then {} for a message", reply["status"], sent.status);
    probe.verify("AP-unregister-a", is_gone, "status 200, then 404 or 410", found, &agent.transcript);
    Ok(())
}

async fn pings(probe: &mut Probe) -> Result<(), Stop> {
    let mut agent = connect(probe).await?;
    let frame = agent.ping_frame().await?;
    probe.verify("AP-ping-b", frame, "a pong frame", "none for 5 s", &agent.transcript);
    let text = agent.ping_text().await?;
    probe.verify("AP-ping-a", text, "the text {}", "none for 5 s", &agent.transcript);
    Ok(())
}

async fn not_json(probe: &mut Probe) -> Result<(), Stop> {
    let (mut agent, mut other) = (connect(probe).await?, connect(probe).await?);
    agent.tell_text("{no json").await?;
    let is_closed = agent.is_closed().await;
    let is_alive = other.ping_text().await.unwrap_or(false);
    let found = format!("closed: {is_closed}; the other connection works: {is_alive}");
    probe.verify(
        "AP-frame-a",
        is_closed && is_alive,
        "the end of this connection only",
        found,
        &agent.transcript,
    );
    Ok(())
}
