//! Everything but monitoring: subscribing, sending, reading and removing.

use super::Mutant;
use super::delivery::fields_of;
use super::http::{ToyRequest, ToyResponse, status};
use super::state::{Inner, Toy, ToyMessage, ToySubscription, token};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use bytes::Bytes;
use http::{HeaderMap, Method};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::{Duration, Instant};
use webpush_core::encoding::Encoding;
use webpush_core::header::links;
use webpush_core::sender::{Credentials, Curve, Expected, parse_restriction, shares_message_key, verify};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

/// The urgencies, the lowest first.
pub(crate) const URGENCIES: [&str; 4] = ["very-low", "low", "normal", "high"];
const FORWARDED: [&str; 4] = ["content-type", "content-encoding", "encryption", "crypto-key"];
const SET: &str = "urn:ietf:params:push:set";
const RECEIPT: &str = "urn:ietf:params:push:receipt";
/// Characters of a token that was handed out.
const TOKEN_CHARACTERS: usize = 43;
const MAX_TTL: u64 = 30 * 24 * 3600;

struct P256;

impl Curve for P256 {
    fn contains(&self, point: &[u8; 65]) -> bool {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
    }

    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0).verify(message, signature).is_ok()
    }
}

pub(crate) fn respond(request: &ToyRequest, toy: &Toy) -> ToyResponse {
    let Some((kind, token)) =
        request.path.strip_prefix('/').map(|path| path.split_once('/').unwrap_or((path, "")))
    else {
        return status(404);
    };
    let method = &request.method;
    match kind {
        "subscribe" if *method == Method::POST => subscribe(request, toy),
        "p" if toy.lock().of_push(token).is_none() => {
            let is_token = token.len() == TOKEN_CHARACTERS;
            status(if toy.has(Mutant::RemovedIs410) && is_token { 410 } else { 404 })
        }
        "p" if *method == Method::POST => send(request, token, toy).unwrap_or_else(|code| match code {
            401 => (401, vec![("www-authenticate", "vapid".to_owned())], Bytes::new()),
            code => status(code),
        }),
        "m" if *method == Method::GET => read(token, toy),
        "m" | "s" | "set" | "r" if *method == Method::DELETE => remove(kind, token, toy),
        "subscribe" | "p" | "m" | "s" | "set" | "r" => {
            (405, vec![("allow", "GET, POST, DELETE".to_owned())], Bytes::new())
        }
        _ => status(404),
    }
}

/// Returns the token in a link of the request; an error if it is no resource of this kind.
fn linked(request: &ToyRequest, rel: &str, kind: &str, toy: &Toy) -> Result<Option<String>, u16> {
    let links = links(&request.headers).map_err(|_| 400_u16)?;
    let Some(link) = links.iter().find(|link| link.has_rel(rel)) else { return Ok(None) };
    let prefix = format!("/{kind}/");
    let token = link.path_on(&toy.origin).and_then(|path| path.strip_prefix(&prefix));
    token.map(|token| Some(token.to_owned())).ok_or(400)
}

fn subscribe(request: &ToyRequest, toy: &Toy) -> ToyResponse {
    let Ok(restricted_to) = parse_restriction(&request.headers, &request.body, &P256) else {
        return status(400);
    };
    let known = linked(request, SET, "set", toy).and_then(|set| {
        let inner = toy.lock();
        let is_known = |set: &String| inner.subscriptions.values().any(|one| one.set == *set);
        match set {
            Some(set) if !is_known(&set) => Err(400),
            set => Ok(set),
        }
    });
    let set = match known {
        Ok(set) => set.unwrap_or_else(token),
        Err(_) if toy.has(Mutant::UnknownSetIsIgnored) => token(),
        Err(code) => return status(code),
    };
    let own = if toy.has(Mutant::UrlsAreShort) { toy.lock().number().to_string() } else { token() };
    let push = match toy.mutant {
        Mutant::UrlsShareTheAgent => format!("{}{}", &token()[..22], &hash(&set)),
        Mutant::UrlsAreShort => toy.lock().number().to_string(),
        _ => token(),
    };
    let origin = &toy.origin;
    let base = if toy.has(Mutant::SubscribingHasRelativeLocation) { "" } else { origin.as_str() };
    let mut fields = vec![("location", format!("{base}/s/{own}"))];
    if !toy.has(Mutant::SubscribingHasNoPushLink) {
        fields.push(("link", format!("<{origin}/p/{push}>; rel=\"urn:ietf:params:push\"")));
    }
    fields.push(("link", format!("<{origin}/set/{set}>; rel=\"{SET}\"")));
    toy.lock().subscriptions.insert(own, ToySubscription { push, set, restricted_to });
    (if toy.has(Mutant::SubscribingReturns200) { 200 } else { 201 }, fields, Bytes::new())
}

/// Returns a text that is the same for each use of a set.
fn hash(set: &str) -> String {
    let sum = set.bytes().fold(17_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("{sum:016x}")
}

fn authenticate(request: &ToyRequest, subscription: &ToySubscription, toy: &Toy) -> Result<(), u16> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| 500_u16)?;
    let now = Timestamp::from_millis(now.as_secs() * 1000);
    let leeway = if toy.has(Mutant::ExpiredTokenIsAccepted) { 24 * 3600 } else { 60 };
    let leeway = Duration::from_secs(leeway);
    let expected = Expected { audience: &toy.origin, also: &[], google_as_well: false, now, leeway };
    let sender = match Credentials::parse(&request.headers) {
        Ok(Some(credentials)) => Some(verify(&credentials, expected, &P256).map_err(|_| 403_u16)?),
        Ok(None) => None,
        Err(_) => return Err(403),
    };
    if let Some(sender) = &sender {
        let encoding = Encoding::parse(&request.headers).map_err(|_| 400_u16)?;
        if shares_message_key(sender.key(), &encoding, &request.body) {
            return Err(400);
        }
    }
    match (&subscription.restricted_to, sender) {
        (Some(key), Some(sender)) if sender.key() != key => Err(403),
        (Some(_), None) if !toy.has(Mutant::UnsignedIsAccepted) => Err(401),
        _ => Ok(()),
    }
}

fn ttl(request: &ToyRequest, toy: &Toy) -> Result<u64, u16> {
    let text = match (request.count("ttl"), request.field("ttl")) {
        (1, Some(text)) => text,
        (0, _) if toy.has(Mutant::MissingTtlIsZero) => "0",
        _ => return Err(400),
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(400);
    }
    match text.parse::<u64>() {
        Ok(ttl) if ttl <= 1 << 31 || !toy.has(Mutant::HugeTtlIsRefused) => Ok(ttl.min(MAX_TTL)),
        Err(_) if !toy.has(Mutant::HugeTtlIsRefused) => Ok(MAX_TTL),
        _ => Err(400),
    }
}

fn urgency(request: &ToyRequest, toy: &Toy) -> Result<usize, u16> {
    let text = match (request.count("urgency"), request.field("urgency")) {
        (0, _) => return Ok(2),
        (1, Some(text)) => text,
        (_, Some(text)) if toy.has(Mutant::TwoUrgenciesAreAccepted) => text,
        _ => return Err(400),
    };
    URGENCIES.iter().position(|word| *word == text).ok_or(400)
}

fn topic(request: &ToyRequest, toy: &Toy) -> Result<Option<String>, u16> {
    let Some(text) = request.field("topic") else { return Ok(None) };
    let longest = if toy.has(Mutant::LongTopicIsAccepted) { 64 } else { 32 };
    let is_valid = request.count("topic") == 1
        && (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_valid { Ok(Some(text.to_owned())) } else { Err(400) }
}

fn send(request: &ToyRequest, push: &str, toy: &Toy) -> Result<ToyResponse, u16> {
    let (subscription, known) = toy.lock().of_push(push).ok_or(404_u16)?;
    authenticate(request, &known, toy)?;
    let largest = if toy.has(Mutant::LargestBodyIsRefused) { 4095 } else { 4096 };
    if request.body.len() > largest {
        return Err(413);
    }
    let (ttl, urgency, topic) = (ttl(request, toy)?, urgency(request, toy)?, topic(request, toy)?);
    let receipt = receipt(request, toy)?;
    let mut inner = toy.lock();
    let replaced = topic.as_deref().filter(|_| ttl > 0 || !toy.has(Mutant::TtlZeroDoesNotReplace));
    let urgency = replace(&mut inner, toy, &subscription, replaced).unwrap_or(urgency);
    let owes_receipt = topic.is_none() || !toy.has(Mutant::ReplacementHasNoReceipt);
    let (own, number) = (token(), inner.number());
    let life = if ttl == 0 { Duration::from_millis(500) } else { Duration::from_secs(ttl) };
    let is_stored = toy.has(Mutant::TtlZeroIsStored);
    let life = if is_stored && ttl == 0 { Duration::from_secs(60) } else { life };
    let message = ToyMessage {
        number,
        subscription,
        body: body(request, toy),
        headers: forwarded(request, toy),
        urgency,
        topic,
        expires: Instant::now() + life,
        only_live: ttl == 0 && !is_stored,
        receipt: receipt.clone().filter(|_| owes_receipt),
    };
    inner.messages.insert(own.clone(), message);
    drop(inner);
    toy.changed();
    let granted = if toy.has(Mutant::TtlIsRaised) { ttl + 60 } else { ttl };
    let mut fields = vec![("ttl", granted.to_string())];
    if !toy.has(Mutant::SendingHasNoLocation) || receipt.is_some() {
        fields.push(("location", format!("{}/m/{own}", toy.origin)));
    }
    let code = match &receipt {
        Some(receipt) => {
            fields.push(("link", format!("<{}/r/{receipt}>; rel=\"{RECEIPT}\"", toy.origin)));
            202
        }
        None if toy.has(Mutant::SendingReturns200) => 200,
        None => 201,
    };
    Ok((code, fields, Bytes::new()))
}

/// Returns the receipt subscription of a message that asks for a receipt.
fn receipt(request: &ToyRequest, toy: &Toy) -> Result<Option<String>, u16> {
    if !request.prefers("respond-async") {
        return Ok(None);
    }
    let named = linked(request, RECEIPT, "r", toy);
    let mut inner = toy.lock();
    match named {
        Ok(Some(token))
            if inner.receipts.contains_key(&token) && !toy.has(Mutant::ReceiptSubscriptionIsNew) =>
        {
            return Ok(Some(token));
        }
        Ok(Some(token)) if inner.receipts.contains_key(&token) => {}
        Ok(None) => {}
        Ok(Some(_)) | Err(_) if toy.has(Mutant::UnknownReceiptSubscriptionIsIgnored) => {}
        Ok(Some(_)) | Err(_) => return Err(400),
    }
    let own = token();
    inner.receipts.insert(own.clone(), Vec::new());
    Ok(Some(own))
}

/// Removes the message that is replaced; returns its urgency if a bug keeps it.
fn replace(inner: &mut Inner, toy: &Toy, subscription: &str, topic: Option<&str>) -> Option<usize> {
    let topic = topic.filter(|_| !toy.has(Mutant::TopicDoesNotReplace))?;
    let is_same = |message: &ToyMessage| {
        let is_here = message.subscription == subscription || toy.has(Mutant::TopicsAreGlobal);
        is_here && message.topic.as_deref() == Some(topic)
    };
    let old = inner.messages.iter().find(|(_, message)| is_same(message)).map(|(token, _)| token.clone())?;
    let message = inner.messages.remove(&old)?;
    toy.has(Mutant::ReplacementKeepsUrgency).then_some(message.urgency)
}

fn body(request: &ToyRequest, toy: &Toy) -> Bytes {
    if toy.has(Mutant::BodyIsTrimmed) {
        let text = request.body.iter().position(|byte| *byte == 0).map_or(request.body.len(), |at| at);
        return request.body.slice(..text);
    }
    request.body.clone()
}

fn forwarded(request: &ToyRequest, toy: &Toy) -> HeaderMap {
    let mut names: Vec<&str> = FORWARDED.to_vec();
    match toy.mutant {
        Mutant::UrgencyIsForwarded => names.push("urgency"),
        Mutant::TopicIsForwarded => names.push("topic"),
        Mutant::TokenIsForwarded => names.push("authorization"),
        Mutant::CodingIsDropped => names.retain(|name| *name != "content-encoding"),
        _ => {}
    }
    let mut fields = HeaderMap::new();
    for name in names {
        for value in request.headers.get_all(name) {
            let text = value.to_str().unwrap_or_default();
            // The key of the sender stays here.
            let kept: Vec<&str> =
                text.split(';').filter(|one| !one.trim().starts_with("p256ecdsa=")).collect();
            let value = if name == "crypto-key" { kept.join(";") } else { text.to_owned() };
            fields.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
    }
    if toy.has(Mutant::ContentTypeIsAdded) && !fields.contains_key("content-type") {
        fields.insert("content-type", http::HeaderValue::from_static("application/octet-stream"));
    }
    fields
}

fn read(token: &str, toy: &Toy) -> ToyResponse {
    let Some(message) = toy.lock().messages.get(token).cloned() else { return status(404) };
    let fields = fields_of(toy, &message);
    let field = |name: &'static str| {
        fields.get(name).map(|value| (name, value.to_str().unwrap_or_default().to_owned()))
    };
    let shown = ["content-encoding", "last-modified"].into_iter().filter_map(field).collect();
    (200, shown, message.body)
}

fn remove(kind: &str, token: &str, toy: &Toy) -> ToyResponse {
    let mut inner = toy.lock();
    match kind {
        "m" if inner.messages.contains_key(token) => {
            let kept = inner.messages.get(token).cloned();
            let receipt = (!toy.has(Mutant::ReceiptIsLost)).then_some(204);
            toy.end(&mut inner, token, receipt);
            if let (Some(message), true) = (kept, toy.has(Mutant::AcknowledgedComesAgain)) {
                inner.messages.insert(token.to_owned(), ToyMessage { receipt: None, ..message });
            }
        }
        "s" if inner.subscriptions.contains_key(token) => toy.remove(&mut inner, token),
        "set" if inner.subscriptions.values().any(|one| one.set == token) => {
            let members = inner.subscriptions.iter().filter(|(_, one)| one.set == token);
            let mut members: Vec<String> = members.map(|(token, _)| token.clone()).collect();
            if toy.has(Mutant::SetLeavesMembers) {
                members.truncate(1);
            }
            members.iter().for_each(|member| toy.remove(&mut inner, member));
        }
        "r" if inner.receipts.remove(token).is_some() => toy.changed(),
        _ => return status(404),
    }
    status(204)
}
