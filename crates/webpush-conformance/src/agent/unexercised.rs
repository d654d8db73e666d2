//! Why a requirement on user agents was not checked.

/// Returns the reason, as the rest of a sentence.
pub(super) fn reason(id: &str) -> &'static str {
    match id {
        "AG-hello-b" => "the user agent did not come back",
        "AG-register-a" => "nothing was registered",
        "AG-register-b" => "nothing was registered with a key",
        "AG-unregister-a" => "nothing was unregistered",
        "AG-ack-a" | "AG-ack-b" => "no notification was sent, because nothing was registered",
        "AG-ping-a" => "fewer than two pings arrived",
        "AU-4.1-a" => "there were fewer than two subscriptions",
        "AU-5.3-a" => "no request had a minimum urgency",
        "AU-6-a" | "AU-6.2-a" => "no messages were requested",
        "AU-6-b" => "the connections were not closed, because not all messages were acknowledged",
        "AU-6.2-b" => "nothing was acknowledged",
        "AU-4-a" | "AU-7.1-a" => "nothing was subscribed",
        _ => "no user agent connected",
    }
}
