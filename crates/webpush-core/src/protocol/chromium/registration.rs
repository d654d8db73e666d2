//! Registration: a device subscribes and unsubscribes with a form.

use crate::subscription::ChromiumApp;

/// Maximum length of a form; those of Chromium have about 600 bytes.
pub const REGISTRATION_BYTES: usize = 8 * 1024;

/// The prefix of subtypes of Web Push subscriptions.
///
/// The browser has registrations of its own, with other subtypes or none.
const WEB_PUSH: &str = "wp:";

/// A registration request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationRequest {
    /// Subscribe.
    Register {
        /// The names under which the browser finds the subscription again.
        app: ChromiumApp,
        /// The key of the only application server that may push, not validated.
        sender: String,
    },
    /// Unsubscribe.
    Unregister {
        /// The names of the subscription.
        app: ChromiumApp,
    },
    /// A registration of the browser itself, which this service has no messages for.
    Other,
    /// The removal of such a registration, with the name of the app, which the response repeats.
    RemoveOther(String),
}

/// The reason for refusing a registration, which Chromium reads in the body.
///
/// It tries again after [`AuthenticationFailed`](Self::AuthenticationFailed) and [`Internal`](Self::Internal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationError {
    /// The device is unknown.
    AuthenticationFailed,
    /// The sender is not a VAPID key.
    InvalidSender,
    /// The form is incomplete, or too long.
    InvalidParameters,
    /// The device has too many subscriptions.
    TooManyRegistrations,
    /// The client has created too many subscriptions lately.
    QuotaExceeded,
    /// The service is at fault.
    Internal,
}

impl RegistrationError {
    /// Returns the body of the response.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self {
            Self::AuthenticationFailed => "Error=AUTHENTICATION_FAILED",
            Self::InvalidSender => "Error=INVALID_SENDER",
            Self::InvalidParameters => "Error=INVALID_PARAMETERS",
            Self::TooManyRegistrations => "Error=TOO_MANY_REGISTRATIONS",
            Self::QuotaExceeded => "Error=QUOTA_EXCEEDED",
            Self::Internal => "Error=InternalServerError",
        }
    }
}

/// Returns the body of the response to a registration.
///
/// That to the removal of a subscription has a token as well.
#[must_use]
pub fn accepted(token: &str) -> String {
    format!("token={token}")
}

/// Returns the body of the response to the removal of a registration of the browser itself.
#[must_use]
pub fn removed(category: &str) -> String {
    format!("deleted={category}")
}

impl RegistrationRequest {
    /// Parses a form.
    ///
    /// # Errors
    /// [`RegistrationError::InvalidParameters`], [`RegistrationError::InvalidSender`].
    pub fn parse(form: &[u8]) -> Result<Self, RegistrationError> {
        let (mut category, mut subtype, mut sender, mut is_removal) = (None, None, None, false);
        for pair in form.split(|byte| *byte == b'&') {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            match name {
                b"app" => category = Some(decoded(value)?),
                b"X-subtype" => subtype = Some(decoded(value)?),
                b"sender" => sender = Some(decoded(value)?),
                b"delete" => is_removal = decoded(value)? == "true",
                _ => {}
            }
        }
        let category = category.ok_or(RegistrationError::InvalidParameters)?;
        let subtype = match subtype {
            Some(subtype) if subtype.starts_with(WEB_PUSH) => subtype,
            None if is_removal => return Ok(Self::RemoveOther(category)),
            Some(_) | None => return Ok(Self::Other),
        };
        let app = ChromiumApp::new(&category, &subtype).ok_or(RegistrationError::InvalidParameters)?;
        match (is_removal, sender) {
            (true, _) => Ok(Self::Unregister { app }),
            (false, Some(sender)) => Ok(Self::Register { app, sender }),
            (false, None) => Err(RegistrationError::InvalidSender),
        }
    }
}

/// Decodes a value of a form (URL standard, application/x-www-form-urlencoded).
fn decoded(value: &[u8]) -> Result<String, RegistrationError> {
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = after;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => *byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| RegistrationError::InvalidParameters)
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUBTYPE: &str = "wp:http://localhost:8000/#01234567-89ab-cdef-0123-456789abc-V2";

    fn app() -> ChromiumApp {
        ChromiumApp::new("org.chromium.linux", SUBTYPE).unwrap()
    }

    #[test]
    fn a_subscription_as_chromium_registers_it() {
        let form = b"app=org.chromium.linux&X-subtype=wp%3Ahttp%3A%2F%2Flocalhost%3A8000%2F%2301234567-89ab-cdef-0123-456789abc-V2\
            &device=4617&scope=GCM&X-scope=GCM&gmsv=156&appid=cD1&sender=BPk-_x";
        let expected = RegistrationRequest::Register { app: app(), sender: "BPk-_x".into() };
        assert_eq!(RegistrationRequest::parse(form), Ok(expected));
        let removal = [&form[..], b"&delete=true"].concat();
        assert_eq!(RegistrationRequest::parse(&removal), Ok(RegistrationRequest::Unregister { app: app() }));
    }

    #[test]
    fn registrations_of_the_browser_itself_are_others() {
        for form in [
            "app=com.google.android.gms&device=4617&sender=745476177629",
            "app=org.chromium.linux&X-subtype=com.google.chrome.fcm.invalidations&sender=8181035976",
        ] {
            assert_eq!(RegistrationRequest::parse(form.as_bytes()), Ok(RegistrationRequest::Other), "{form}");
        }
        let removal = RegistrationRequest::parse(b"app=com.google.android.gms&delete=true");
        assert_eq!(removal, Ok(RegistrationRequest::RemoveOther("com.google.android.gms".into())));
    }

    #[test]
    fn incomplete_forms_are_refused() {
        for (form, error) in [
            ("", RegistrationError::InvalidParameters),
            ("X-subtype=wp:x&sender=B", RegistrationError::InvalidParameters),
            ("app=%ff&X-subtype=wp:x&sender=B", RegistrationError::InvalidParameters),
            ("app=a&X-subtype=wp:x", RegistrationError::InvalidSender),
        ] {
            assert_eq!(RegistrationRequest::parse(form.as_bytes()), Err(error), "{form}");
        }
        let long = format!("app=a&sender=B&X-subtype=wp:{}", "x".repeat(4096));
        assert_eq!(RegistrationRequest::parse(long.as_bytes()), Err(RegistrationError::InvalidParameters));
    }

    #[test]
    fn plus_is_a_space_and_an_invalid_escape_stays() {
        let request = RegistrationRequest::parse(b"app=a+b%2B%2b%2x%&X-subtype=wp:&delete=true");
        let app = ChromiumApp::new("a b++%2x%", "wp:").unwrap();
        assert_eq!(request, Ok(RegistrationRequest::Unregister { app }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes: Vec<u8>, text in "[a-zX=&%+:-]{0,60}") {
            let _ = (RegistrationRequest::parse(&bytes), RegistrationRequest::parse(text.as_bytes()));
        }
    }
}
