//! Subscriptions in the format of browsers, and the state file of a listener.

use webpush_client::state_file::AgentSubscription;
use webpush_client::subscription::PushSubscription;
use webpush_client::url::CapabilityUrl;
use webpush_core::base64url;

pub(super) const TOKENS: &[&[u8]] = &[
    b"{\"endpoint\":\"https://push.example/push/x\",\"keys\":{\"p256dh\":\"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\",\"auth\":\"BTBZMqHH6r4Tts7J_aSIgg\"}}",
    b"\"expirationTime\":null,", b"{\"subscription\":", b"\xef\xbb\xbf", b"\"subscriptionUrl\":\"https://push.example/s\",", b"\"setUrl\":null,", b"\"privateKey\":\"q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94\",",
];

pub(super) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(subscription) = PushSubscription::read(text) {
        let json = serde_json::to_string(&subscription.to_json()).unwrap();
        assert_eq!(PushSubscription::read(&json).as_ref(), Ok(&subscription));
        let wrapped = format!(r#"{{"subscription":{json}}} and more"#);
        assert_eq!(PushSubscription::read(&wrapped), Ok(subscription));
    }
    if let Some(state) = AgentSubscription::parse(text) {
        let text = written(&state);
        let again = AgentSubscription::parse(&text).expect("a saved state is a state");
        assert_eq!(
            (&again.subscription, &again.set, &again.endpoint),
            (&state.subscription, &state.set, &state.endpoint)
        );
        assert_eq!(again.push_subscription(), state.push_subscription());
        assert_eq!(
            PushSubscription::read(&text),
            Ok(state.push_subscription()),
            "a sender cannot read the file"
        );
    }
}

/// Returns the file of a state, as the client writes it.
fn written(state: &AgentSubscription) -> String {
    let mut json = serde_json::to_value(state.push_subscription().to_json()).unwrap();
    json["subscriptionUrl"] = state.subscription.expose().into();
    json["setUrl"] = state.set.as_ref().map(CapabilityUrl::expose).into();
    json["privateKey"] = base64url::encode(state.keys.expose_private().unwrap()).into();
    json.to_string()
}
