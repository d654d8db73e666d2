//! Check-in, registration, and the URLs that senders get.

use super::device::{Device, SUBTYPE, check_in, check_in_at, form, push, vapid};
use super::start;
use crate::support::{Server, header};
use http::StatusCode;
use webpush_client::vapid::VapidKey;

#[tokio::test]
async fn a_device_keeps_its_credentials() {
    let server = start(&[]);
    let mut peer = server.connect().await;
    let device = Device::new(&mut peer).await;
    assert_ne!(Device::new(&mut peer).await, device);
    let again = check_in(&mut peer, device.android_id, device.security_token).await;
    assert_eq!((again.status(), Device::from_response(&again)), (StatusCode::OK, device));
    let wrong = check_in(&mut peer, device.android_id, device.security_token + 1).await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "Chromium starts again");
    assert_eq!(check_in(&mut peer, device.android_id, 0).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_subscription_is_registered_once_and_removed_for_good() {
    let server = start(&[]);
    let mut peer = server.connect().await;
    let (device, key) = (Device::new(&mut peer).await, VapidKey::generate().unwrap());
    let token = device.subscribe(&mut peer, &key).await;
    assert_eq!(device.subscribe(&mut peer, &key).await, token, "the same subscription");
    let (_, other) = device.post(&mut peer, form("wp:http://other/#x", &key.public())).await;
    assert_ne!(other, format!("token={token}"));
    let other_device = Device::new(&mut peer).await;
    assert_ne!(other_device.subscribe(&mut peer, &key).await, token);

    assert_eq!(push(&mut peer, &token, &key, "x").await, StatusCode::CREATED);
    let removal = format!("{}&delete=true", form(SUBTYPE, &key.public()));
    for _ in 0..2 {
        let (status, body) = device.post(&mut peer, removal.clone()).await;
        assert!(status == StatusCode::OK && body.starts_with("token="), "{status} {body}");
    }
    assert_eq!(push(&mut peer, &token, &key, "x").await, StatusCode::GONE);
    assert_ne!(device.subscribe(&mut peer, &key).await, token);
}

#[tokio::test]
async fn registrations_of_the_browser_itself_get_a_token_that_opens_nothing() {
    let server = start(&[]);
    let mut peer = server.connect().await;
    let (device, key) = (Device::new(&mut peer).await, VapidKey::generate().unwrap());
    let form = "app=com.google.android.gms&device=1&sender=745476177629".to_owned();
    let (status, body) = device.post(&mut peer, form).await;
    assert_eq!(status, StatusCode::OK);
    let token = body.strip_prefix("token=").unwrap();
    assert_eq!(push(&mut peer, token, &key, "x").await, StatusCode::NOT_FOUND);
    let removal = "app=com.google.android.gms&device=1&delete=true".to_owned();
    let removed = device.post(&mut peer, removal).await;
    assert_eq!(removed, (StatusCode::OK, "deleted=com.google.android.gms".to_owned()));
}

#[tokio::test]
async fn registrations_that_fail_have_an_error_that_chromium_knows() {
    let server = start(&["--rate-limit-loopback", "--register-rate", "1/h:2"]);
    let mut peer = server.connect().await;
    let (device, key) = (Device::new(&mut peer).await, VapidKey::generate().unwrap());
    let nobody = Device { android_id: 1, security_token: 1 };
    for (device, form, status, error) in [
        (nobody, form(SUBTYPE, &key.public()), StatusCode::UNAUTHORIZED, "AUTHENTICATION_FAILED"),
        (device, form(SUBTYPE, "745476177629"), StatusCode::BAD_REQUEST, "INVALID_SENDER"),
        (device, format!("X-subtype={SUBTYPE}"), StatusCode::BAD_REQUEST, "INVALID_PARAMETERS"),
        (device, "x".repeat(20_000), StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETERS"),
    ] {
        let got = device.post(&mut peer, form).await;
        assert_eq!(got, (status, format!("Error={error}")));
    }
    device.subscribe(&mut peer, &key).await;
    let (status, body) = device.post(&mut peer, form("wp:http://other/#x", &key.public())).await;
    assert_eq!((status, &*body), (StatusCode::TOO_MANY_REQUESTS, "Error=QUOTA_EXCEEDED"));
    assert_eq!(check_in(&mut peer, 0, 0).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn subscribe_tokens_are_required_in_the_path() {
    let tokens = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(tokens.path(), "0123456789abcdef\n").unwrap();
    let server = start(&["--subscribe-token-file", tokens.path().to_str().unwrap()]);
    let mut peer = server.connect().await;
    assert_eq!(check_in(&mut peer, 0, 0).await.status(), StatusCode::UNAUTHORIZED);
    let response = check_in_at(&mut peer, "/t/0123456789abcdef/chromium/checkin", 0, 0).await;
    let (device, key) = (Device::from_response(&response), VapidKey::generate().unwrap());
    let form = || form(SUBTYPE, &key.public());
    let refused = device.post(&mut peer, form()).await;
    assert_eq!(refused, (StatusCode::UNAUTHORIZED, "Error=AUTHENTICATION_FAILED".to_owned()));
    let (status, _) = device.post_to(&mut peer, "/t/0123456789abcdef/chromium/register", form()).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn google_is_an_audience_at_its_own_paths_and_for_chromium_only() {
    let server = start(&["--origin", "https://push.example"]);
    let mut peer = server.connect().await;
    let (device, key) = (Device::new(&mut peer).await, VapidKey::generate().unwrap());
    let token = device.subscribe(&mut peer, &key).await;
    let autopush = peer.subscribe().await.push.rsplit('/').next().unwrap().to_owned();
    let (google, own, other) = ("https://fcm.googleapis.com", "https://push.example", "https://evil.example");
    for (prefix, token, audience, status) in [
        ("/fcm/send/", &token, google, StatusCode::CREATED),
        ("/wp/", &token, google, StatusCode::CREATED),
        ("/preprod/wp/", &token, "https://jmt17.google.com", StatusCode::CREATED),
        ("/fcm/send/", &token, own, StatusCode::CREATED),
        ("/push/", &token, own, StatusCode::CREATED),
        ("/fcm/send/", &token, other, StatusCode::FORBIDDEN),
        ("/push/", &token, google, StatusCode::FORBIDDEN),
        ("/wpush/v2/", &token, google, StatusCode::FORBIDDEN),
        ("/fcm/send/", &autopush, google, StatusCode::FORBIDDEN),
        ("/fcm/send/", &autopush, own, StatusCode::CREATED),
    ] {
        let authorization = vapid(&key, audience);
        let headers = [("ttl", "60"), ("authorization", &*authorization)];
        let response = peer.post(&format!("{prefix}{token}"), &headers, "x").await;
        assert_eq!(response.status(), status, "{prefix} {audience}");
    }
    let unsigned = peer.post(&format!("/fcm/send/{token}"), &[("ttl", "60")], "x").await;
    assert_eq!(unsigned.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn it_is_off_by_default() {
    let server = Server::start();
    let mut peer = server.connect().await;
    for path in ["/chromium/checkin", "/chromium/register"] {
        assert_eq!(peer.post(path, &[], "").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(server.mcs, "");
}

#[tokio::test]
async fn only_post_is_allowed() {
    let server = start(&[]);
    let mut peer = server.connect().await;
    for path in ["/chromium/checkin", "/chromium/register"] {
        let response = peer.get(path, &[]).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(header(&response, "allow"), "POST");
    }
}
