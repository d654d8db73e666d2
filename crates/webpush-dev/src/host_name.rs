//! Host names of the server.

use std::net::IpAddr;

/// Checks a host name: labels of ASCII letters, digits and hyphens (RFC 1123 §2.1).
///
/// # Errors
/// One sentence for the user.
pub fn check(name: &str) -> Result<(), String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number =
        name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() <= 253 && name.split('.').all(is_label) && !is_number && name.parse::<IpAddr>().is_err() {
        return Ok(());
    }
    Err(format!("'{}' is not a host name such as push or push.test", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_checked() {
        for name in ["push", "push.test", "a-1.b2", "xn--4ca"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in
            ["", ".", "a.", "*", "a b", "push:80", "it's", "\u{e4}", "127.0.0.1", "fd00::1", "-a", "1"]
        {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
