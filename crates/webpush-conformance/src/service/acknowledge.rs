//! Acknowledging messages (RFC 8030 §6.2).

use crate::check::checks;
use crate::probe::Probe;
use crate::stop::Stop;
use http::Method;

checks! {
    "only an acknowledged message does not come again" UserAgent
        ["R8030-6.2-a" "R8030-6.2-c"] [Subscribing Receiving MessageUrls] acknowledged;
}

async fn acknowledged(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    let subscription = endpoint.subscription()?.clone();
    probe.accepted(&endpoint, &[("ttl", "60")], "first").await?;
    let sent = probe.accepted(&endpoint, &[("ttl", "60")], "acknowledged").await?;
    probe.accepted(&endpoint, &[("ttl", "60")], "last").await?;
    let first = probe.drain(&subscription, &[]).await?;
    let again = probe.drain(&subscription, &[]).await?;
    let urls = |messages: &[crate::delivered_message::DeliveredMessage]| -> Vec<String> {
        messages.iter().map(|message| message.url.clone()).collect()
    };
    let is_same = !first.messages.is_empty() && urls(&first.messages) == urls(&again.messages);
    let found = format!("{:?}, then {:?}", first.texts(), again.texts());
    let expected = "the same messages again while none is acknowledged";
    probe.verify("R8030-6.2-c", is_same, expected, found, &again.transcript);
    if !is_same {
        return Err(Stop::skip("the message did not come again"));
    }
    let Some(url) = sent.location() else { return Err(Stop::skip("the message has no URL")) };
    let deleted = probe.send(Method::DELETE, &url, &[], "").await?;
    let found = format!("{} for DELETE of the message", deleted.status);
    probe.verify("R8030-6.2-a", deleted.is_success(), "204 for DELETE", found, &deleted.transcript);
    let rest = probe.drain(&subscription, &[]).await?;
    let is_settled = !rest.texts().contains(&"acknowledged".to_owned());
    let expected = "no acknowledged message";
    probe.verify("R8030-6.2-a", is_settled, expected, "it was delivered again", &rest.transcript);
    let is_kept = ["first", "last"].iter().all(|text| rest.texts().iter().any(|one| one == text));
    let found = format!("{:?}", rest.texts());
    let expected = "the messages that were not acknowledged";
    probe.verify("R8030-6.2-c", is_kept, expected, found, &rest.transcript);
    Ok(())
}
