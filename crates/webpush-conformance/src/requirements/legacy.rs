//! draft-thomson-webpush-http2: the legacy (2015) API.

use super::{LEGACY, table};

table! { LEGACY;
"D1-reg-a" Must "4"
    "POST to the service registers a user agent: 201 with Location and links."
    "Return 201 with Location and the links of the draft."
"D1-sub-a" Must "5"
    "POST to the sub link makes a subscription: 201 with Location."
    "Return 201 with Location, the URL for senders."
"D1-send-a" Must "6"
    "PUT sends a message: 200 with Cache-Control: max-age."
    "Return 200, and say how long the message is kept."
"D1-monitor-a" Must "7"
    "GET of the registration is pushed the messages of all its subscriptions."
    "Promise GET of the subscription for each message."
"D1-last-a" Must "7"
    "GET of a subscription returns its last message, or 204."
    "Return 200 with the last message, or 204."
"D1-delete-a" Must "8"
    "DELETE of a subscription ends it, for its senders too."
    "Return 4xx to senders of a removed subscription."
}
