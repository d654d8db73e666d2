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
        _ => "no user agent connected",
    }
}
