//! Push requests with VAPID credentials, for the tests of presets.
#![cfg(test)]

use super::Vendor;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use webpush_core::base64url;
use webpush_core::time::Timestamp;
use webpush_http::answer::Answer;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
pub(super) const NOW_SECONDS: u64 = 1_800_000_000;

/// A request that is acceptable until a test changes it.
pub(super) struct SampleRequest {
    pub(super) claims: Value,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    /// The scheme and parameters, in which `TOKEN` and `KEY` are replaced; `None` for no header.
    pub(super) authorization: Option<&'static str>,
    pub(super) key: Option<String>,
    pub(super) is_forged: bool,
    vendor: Vendor,
}

impl SampleRequest {
    pub(super) fn new(vendor: Vendor) -> Self {
        let endpoint = vendor.endpoint("token");
        let host = endpoint.split('/').nth(2).unwrap();
        Self {
            claims: json!({
                "aud": format!("https://{host}"), "exp": NOW_SECONDS + 3_600, "sub": "mailto:me@example.com",
            }),
            headers: vec![
                ("host", host.to_owned()),
                ("ttl", "60".to_owned()),
                ("content-encoding", "aes128gcm".to_owned()),
            ],
            body: vec![7; 100],
            authorization: Some("vapid t=TOKEN, k=KEY"),
            key: None,
            is_forged: false,
            vendor,
        }
    }

    /// Replaces a header; `None` removes it.
    pub(super) fn header(&mut self, name: &'static str, value: Option<&str>) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.extend(value.map(|value| (name, value.to_owned())));
    }

    fn head(&self) -> Parts {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let encode = |json: Value| base64url::encode(json.to_string());
        let signed = format!("{}.{}", encode(json!({ "alg": "ES256" })), encode(self.claims.clone()));
        let mut signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec();
        if self.is_forged {
            signature[0] ^= 1;
        }
        let key = self.key.clone().unwrap_or_else(|| base64url::encode(pair.public_key()));
        let token = format!("{signed}.{}", base64url::encode(signature));
        // The key first: a random token contains "KEY" now and then.
        let fill = |template: &str| template.replace("KEY", &key).replace("TOKEN", &token);
        let mut request = Request::post(self.vendor.endpoint("token"));
        for (name, value) in &self.headers {
            request = request.header(*name, fill(value));
        }
        if let Some(authorization) = self.authorization {
            request = request.header("authorization", fill(authorization));
        }
        request.body(()).unwrap().into_parts().0
    }

    fn refusal(&self) -> Option<Answer> {
        self.vendor.refuse(&self.head(), &Bytes::from(self.body.clone()), NOW)
    }
}

/// A case of a table: a change of a request, and the status and text of the response to it.
pub(super) type Case = (fn(&mut SampleRequest), u16, &'static str);

/// Checks that the preset refuses each request as expected, and accepts it without the change.
pub(super) fn assert_refusals(vendor: Vendor, cases: &[Case], text: impl Fn(&Answer) -> String) {
    assert!(SampleRequest::new(vendor).refusal().is_none(), "the request without changes is refused");
    for (number, (change, status, expected)) in cases.iter().enumerate() {
        let mut sample = SampleRequest::new(vendor);
        change(&mut sample);
        let answer = sample.refusal().unwrap_or_else(|| panic!("case {number} is accepted: {expected}"));
        assert_eq!((answer.status().as_u16(), text(&answer).as_str()), (*status, *expected), "case {number}");
    }
}

/// Checks that the preset accepts each request.
pub(super) fn assert_accepted(vendor: Vendor, cases: &[fn(&mut SampleRequest)]) {
    for (number, change) in cases.iter().enumerate() {
        let mut sample = SampleRequest::new(vendor);
        change(&mut sample);
        assert!(sample.refusal().is_none(), "case {number} is refused");
    }
}

/// Returns the translation of a response of our server.
pub(super) fn translate(vendor: Vendor, status: u16, problem: &str, errno: Option<u16>) -> Answer {
    let body = json!({
        "type": format!("/errors#{problem}"), "detail": "A sentence.", "errno": errno, "status": status,
    });
    let mut answer = Answer::new(Bytes::from(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    if matches!(status, 429 | 503) {
        answer.headers_mut().insert("retry-after", "7".parse().unwrap());
    }
    vendor.translate(&SampleRequest::new(vendor).head(), answer)
}

/// Returns the translation of an accepted message.
pub(super) fn accept(vendor: Vendor, headers: &[(&'static str, &str)]) -> Answer {
    let mut sample = SampleRequest::new(vendor);
    for (name, value) in headers {
        sample.header(name, Some(value));
    }
    let answer = super::response(
        StatusCode::CREATED,
        &[("location", "https://localhost:1/message/TOKEN"), ("ttl", "60"), ("link", "<x>")],
        "",
    );
    vendor.translate(&sample.head(), answer)
}

pub(super) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

pub(super) fn body(answer: &Answer) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}
