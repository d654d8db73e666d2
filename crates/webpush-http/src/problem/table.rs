//! The table of errors: status, number, name, title and text of each.

use super::{ErrorKind, FULL_RETRY_SECONDS, ServiceError, UNAVAILABLE_RETRY_SECONDS, VapidErrorStatus};
use crate::gateway::error::GatewayError;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, HeaderName};
use webpush_core::encoding::{CRYPTO_KEY, ENCRYPTION};
use webpush_core::problem::{LimitKind, Problem};
use webpush_store::StoreError;

/// One row.
pub(super) struct Description {
    pub(super) status: StatusCode,
    /// The error number of autopush-rs, which senders may know; `None` if it has none.
    pub(super) errno: Option<u16>,
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) detail: String,
}

impl Description {
    fn new(
        status: StatusCode,
        errno: Option<u16>,
        name: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, errno, name, title, detail: detail.into() }
    }
}

/// Returns the row of an error.
pub(super) fn describe(error: ErrorKind<'_>, vapid_status: VapidErrorStatus) -> Description {
    match error {
        ErrorKind::Service(ServiceError::Problem(problem)) => of_problem(problem, vapid_status),
        ErrorKind::Service(ServiceError::Store(
            StoreError::Unavailable | StoreError::Busy | StoreError::Moved | StoreError::Unreadable,
        )) => Description::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Some(201),
            "store-unavailable",
            "The message store is not available",
            format!(
                "It is unknown whether the request was carried out. Try again in {UNAVAILABLE_RETRY_SECONDS} seconds."
            ),
        ),
        ErrorKind::Service(ServiceError::Store(StoreError::Full)) => Description::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Some(201),
            "store-full",
            "The message store is full",
            format!(
                "Its volume is almost full, so nothing new is stored; messages can still be received, acknowledged and \
                 deleted. Try again in {FULL_RETRY_SECONDS} seconds."
            ),
        ),
        ErrorKind::Service(ServiceError::MemoryLow) => Description::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Some(201),
            "memory-low",
            "The server is low on memory",
            format!(
                "The request was not carried out. Messages can still be acknowledged and deleted. Try again in \
                 {UNAVAILABLE_RETRY_SECONDS} seconds."
            ),
        ),
        // Number 201 would make senders retry, which does not help here.
        ErrorKind::Service(ServiceError::Store(StoreError::Corrupt)) => Description::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            None,
            "store-corrupt",
            "A stored record is damaged",
            "The server's log names the file.",
        ),
        ErrorKind::Service(ServiceError::Internal(error)) => Description::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            None,
            "internal",
            "Internal error",
            format!("This is a fault of the server: {error}."),
        ),
        ErrorKind::Gateway(GatewayError::PushService) => Description::new(
            StatusCode::BAD_GATEWAY,
            None,
            "push-service",
            "Another push service did not accept the notification",
            "The push service of a device could not be reached, or asked to try again. Send the notification again; \
             devices that already have it get it twice.",
        ),
        ErrorKind::Gateway(GatewayError::Busy) => Description::new(
            StatusCode::SERVICE_UNAVAILABLE,
            None,
            "gateway-busy",
            "Too many notifications wait for other push services",
            format!(
                "Send the notification again in {UNAVAILABLE_RETRY_SECONDS} seconds; devices that already have it get it twice."
            ),
        ),
    }
}

fn of_problem(problem: &Problem, vapid_status: VapidErrorStatus) -> Description {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    match problem {
        Problem::TtlMissing => Description::new(
            BAD,
            Some(111),
            "ttl-missing",
            "The TTL header is missing",
            "Every push needs a TTL header with a number of seconds (RFC 8030 section 5.2); \
             0 means deliver now or never.",
        ),
        Problem::TtlMalformed { negative } => Description::new(
            BAD,
            Some(if *negative { 114 } else { 111 }),
            "ttl-malformed",
            "The TTL header is malformed",
            "TTL must occur once and be a whole number of seconds, digits only (RFC 8030 section 5.2).",
        ),
        Problem::UrgencyMalformed => Description::new(
            BAD,
            None,
            "urgency-malformed",
            "The Urgency header is malformed",
            "Urgency must occur once and be one of very-low, low, normal and high (RFC 8030 section 5.3).",
        ),
        Problem::TopicMalformed => Description::new(
            BAD,
            Some(113),
            "topic-malformed",
            "The Topic header is malformed",
            "Topic must occur once and have 1 to 32 characters of A-Z a-z 0-9 - _ (RFC 8030 section 5.4).",
        ),
        Problem::HeaderMalformed { name } => Description::new(
            BAD,
            of_header(name),
            "header-malformed",
            "A header is malformed",
            format!("The header {name} does not follow its grammar."),
        ),
        Problem::HeaderTooLarge { name, limit } => Description::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            of_header(name),
            "header-too-large",
            "A header is too large",
            format!("The header {name} exceeds the limit of {limit} bytes."),
        ),
        Problem::EncodingUnreadable { detail } => Description::new(
            BAD,
            Some(110),
            "encoding-unreadable",
            "No agent can read this encoding",
            format!("{detail}. Without a Content-Encoding the body is passed on as it is."),
        ),
        Problem::HostNotUnique => Description::new(
            BAD,
            None,
            "host-not-unique",
            "There is not exactly one Host header",
            "An HTTP/1.1 request must have exactly one Host header (RFC 9112 section 3.2).",
        ),
        Problem::TransferCoding => Description::new(
            StatusCode::NOT_IMPLEMENTED,
            None,
            "transfer-coding",
            "The transfer coding is not supported",
            "The only supported Transfer-Encoding is chunked (RFC 9112 section 6.1). Send the body without compression.",
        ),
        Problem::BodyTooLarge { limit } => Description::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Some(104),
            "body-too-large",
            "The body is too large",
            format!("The body exceeds the limit of {limit} bytes."),
        ),
        Problem::BodyIncomplete => Description::new(
            BAD,
            None,
            "body-incomplete",
            "The body did not arrive",
            "The body is incomplete, or took too long.",
        ),
        Problem::SetUnknown => Description::new(
            BAD,
            None,
            "set-unknown",
            "The subscription set is unknown",
            "The Link header names a subscription set that does not exist. Omit it to get a new one.",
        ),
        Problem::ReceiptSubscriptionUnknown => Description::new(
            BAD,
            None,
            "receipt-subscription-unknown",
            "The receipt subscription is unknown",
            "The Link header names a receipt subscription that does not exist. Omit it to get a new one.",
        ),
        Problem::OptionsMalformed { detail } => Description::new(
            BAD,
            None,
            "options-malformed",
            "The subscription options are invalid",
            format!("{detail} (RFC 8292 section 4.1)"),
        ),
        Problem::VapidRequired => Description::new(
            StatusCode::UNAUTHORIZED,
            Some(109),
            "vapid-required",
            "The subscription is for one sender",
            "Identify the sender with Authorization: vapid t=..., k=... (RFC 8292 section 3), signed with the key that \
             the subscription was created for.",
        ),
        Problem::VapidInvalid { claim, expected, found } => Description::new(
            match vapid_status {
                VapidErrorStatus::Rfc => StatusCode::FORBIDDEN,
                VapidErrorStatus::Autopush => StatusCode::UNAUTHORIZED,
            },
            Some(109),
            "vapid-invalid",
            "The sender's credentials are not valid",
            format!("{claim}: expected {expected}, found {found} (RFC 8292 section 4.2)."),
        ),
        Problem::SameKey => Description::new(
            BAD,
            Some(110),
            "same-key",
            "The message is encrypted with the sender's own key",
            "Encrypt every message with a new key pair; the VAPID key is only for signing (RFC 8292 section 3.2).",
        ),
        Problem::TooManyRequests { limit, retry_after_seconds } => Description::new(
            StatusCode::TOO_MANY_REQUESTS,
            None,
            "too-many-requests",
            "Too many requests for now",
            format!("There are too many {}. Try again in {retry_after_seconds} seconds.", of_what(*limit)),
        ),
        Problem::TokenRequired { wrong } => Description::new(
            StatusCode::UNAUTHORIZED,
            Some(109),
            "token-required",
            "Only holders of a token may subscribe here",
            if *wrong {
                "The token is invalid. Ask the operator of the server for one."
            } else {
                "Send Authorization: Bearer and a token, or put /t/ and the token in front of the path. The operator of \
                 the server issues tokens."
            },
        ),
        Problem::NotFound => Description::new(
            StatusCode::NOT_FOUND,
            Some(102),
            "not-found",
            "Not found",
            "The URL is not one of this server's, or its resource has expired or was deleted.",
        ),
        Problem::Gone => Description::new(
            StatusCode::GONE,
            Some(106),
            "gone",
            "The subscription was removed",
            "Its user agent removed it, or did not connect for a long time. Delete its URL.",
        ),
        Problem::MethodNotAllowed { allow } => Description::new(
            StatusCode::METHOD_NOT_ALLOWED,
            None,
            "method-not-allowed",
            "The method is not supported",
            format!("This resource supports {allow}."),
        ),
        Problem::NotificationMalformed { detail } => Description::new(
            StatusCode::BAD_REQUEST,
            None,
            "notification-malformed",
            "The body is not a notification",
            format!(
                "{detail}. Expected: {{\"notification\": {{\"devices\": [{{\"pushkey\": \"https://...\"}}]}}}} as \
                 in the Matrix Push Gateway API."
            ),
        ),
        Problem::ForeignPushkey => Description::new(
            StatusCode::FORBIDDEN,
            None,
            "pushkey-elsewhere",
            "The gateway is for push URLs of this server",
            "The pushkey of a device is a push URL of another server. Its client should name a gateway of that server, or \
             the operator of this one may set --matrix-gateway all.",
        ),
        Problem::WebSocketVersion => Description::new(
            StatusCode::UPGRADE_REQUIRED,
            None,
            "websocket-version",
            "The WebSocket version is not supported",
            "Only version 13 of the WebSocket protocol is supported (RFC 6455).",
        ),
        Problem::UpgradeMalformed { detail } => Description::new(
            StatusCode::BAD_REQUEST,
            None,
            "upgrade-malformed",
            "The WebSocket handshake is malformed",
            format!("{detail} (RFC 6455 section 4.2.1)."),
        ),
        Problem::PushUnsupported { events_available } => Description::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            None,
            "push-unsupported",
            "Messages are delivered by HTTP/2 server push or as events",
            if *events_available {
                "Ask over HTTP/2 with server push enabled (SETTINGS_ENABLE_PUSH 1, the default), \
                 or send Accept: text/event-stream to get them as server-sent events over any version."
            } else {
                "This client does not support HTTP/2 server push: ask over HTTP/2 with server push enabled \
                 (SETTINGS_ENABLE_PUSH 1, the default). A device gets no events."
            },
        ),
    }
}

const fn of_what(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::Subscription => "messages to this subscription",
        LimitKind::Agent => "messages to this user agent",
        LimitKind::Sender => "messages of this application server (its VAPID key)",
        LimitKind::Registration => "new subscriptions from this address",
        LimitKind::Receipts => {
            "new receipt subscriptions from this address (name one that you have with a Link header)"
        }
        LimitKind::Elsewhere => "messages to other push services from this address",
        LimitKind::Scans => "reads from this address that look through an inbox (acknowledge its messages)",
        LimitKind::Notifications => "notifications from this address that wait for other push services",
        LimitKind::Sessions => "requests that wait for messages of this agent (close some)",
        LimitKind::SubscriptionSet => "subscriptions in this set (remove some)",
    }
}

/// Returns the error number of a malformed header; encryption headers have their own.
fn of_header(name: &HeaderName) -> Option<u16> {
    [CONTENT_ENCODING, ENCRYPTION, CRYPTO_KEY].contains(name).then_some(110)
}
