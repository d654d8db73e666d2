use super::*;
use crate::gateway::error::GatewayError;
use crate::gateway::target::PUSHKEY_BYTES;
use crate::problem::VapidErrorStatus;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::matrix::GATEWAY_DEVICES;
use webpush_core::problem::LimitKind;
use webpush_core::publish::SMALLEST_BODY_LIMIT_BYTES;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::Setup;
use webpush_store::memory::MemoryStore;

/// Returns the deliveries of a notification of the greatest size to devices with these pushkeys.
fn deliveries_to(pushkeys: &[String], filling: &str) -> Vec<Delivery> {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let setup = Setup::new(MemoryStore::default(), keyring, "https://push.example");
    let devices: Vec<_> = pushkeys.iter().map(|pushkey| serde_json::json!({ "pushkey": pushkey })).collect();
    let devices = serde_json::Value::from(devices).to_string();
    let body = |filling: &str| format!(r#"{{"notification":{{"devices":{devices},"x":[{filling}0]}}}}"#);
    let body = body(&filling.repeat((GATEWAY_BODY_BYTES - body("").len()) / filling.len()));
    deliveries(&Service::new(setup), body.as_bytes()).unwrap().1
}

/// Returns the bytes held until the last delivery ends: pushkeys, push URLs and messages.
fn held_bytes(deliveries: &[Delivery]) -> usize {
    let bytes = |delivery: &Delivery| {
        let message = delivery.what.as_ref().map_or(0, |(_, message)| message.len() + delivery.pushkey.len());
        delivery.pushkey.capacity() + message
    };
    deliveries.iter().map(bytes).sum()
}

#[test]
fn only_the_messages_are_held_while_they_are_sent() {
    let short = |number| vec!["https://ntfy.example/x".to_owned(); number];
    for filling in [r#"{"":0},"#, "[],", r#"{"a":{"b":{}}},"#] {
        assert!(held_bytes(&deliveries_to(&short(1), filling)) < 200, "{filling}");
        assert!(
            held_bytes(&deliveries_to(&short(GATEWAY_DEVICES), filling)) < GATEWAY_DEVICES * 200,
            "{filling}"
        );
    }
    let junk = vec!["junk".to_owned(); GATEWAY_DEVICES];
    assert_eq!(
        held_bytes(&deliveries_to(&junk, "0,")),
        "junk".len() * GATEWAY_DEVICES,
        "no message for what is rejected"
    );
    let long = format!("https://ntfy.example/{}", "x".repeat(PUSHKEY_BYTES - 21));
    let deliveries = deliveries_to(&vec![long; GATEWAY_DEVICES], "0,");
    assert!(deliveries.iter().all(|delivery| delivery.what.is_some()));
    assert!(held_bytes(&deliveries) <= GATEWAY_DEVICES * (2 * PUSHKEY_BYTES + SMALLEST_BODY_LIMIT_BYTES));
}

#[test]
fn errors_have_the_members_of_matrix() {
    let style = ErrorStyle {
        origin: "https://push.example".into(),
        vapid_status: VapidErrorStatus::Rfc,
        refusals: Default::default(),
    };
    let limited = Problem::TooManyRequests { limit: LimitKind::Agent, retry_after_seconds: 7 };
    for (failure, status, errcode) in [
        (HttpError::from(Problem::NotificationMalformed { detail: "It is wrong" }), 400, "M_BAD_JSON"),
        (Problem::ForeignPushkey.into(), 403, "M_FORBIDDEN"),
        (Problem::NotFound.into(), 404, "M_UNRECOGNIZED"),
        (Problem::MethodNotAllowed { allow: "GET" }.into(), 405, "M_UNRECOGNIZED"),
        (Problem::BodyTooLarge { limit: 1 }.into(), 413, "M_TOO_LARGE"),
        (limited.into(), 429, "M_LIMIT_EXCEEDED"),
        (HttpError::Gateway(GatewayError::PushService), 502, "M_UNKNOWN"),
        (HttpError::Gateway(GatewayError::Busy), 503, "M_UNKNOWN"),
    ] {
        let answer = failed(failure.kind(), &style);
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!((answer.status().as_u16(), body["errcode"].as_str()), (status, Some(errcode)));
        assert_eq!((&body["error"], &body["status"]), (&body["detail"], &serde_json::json!(status)));
    }
}

#[test]
fn a_request_of_a_gateway_is_refused() {
    for (via, refused) in [
        (None, false),
        (Some("1.1 nginx"), false),
        (Some("1.1 webpush-server-matrix-gateway"), true),
        (Some("1.1 nginx, 1.1 webpush-server-matrix-gateway (x), 2 proxy"), true),
    ] {
        let headers = via.map(|via| (VIA, HeaderValue::from_static(via))).into_iter().collect();
        assert_eq!(refuse_loops(&headers).is_err(), refused, "{via:?}");
    }
}
