//! RFC 8030 on user agents.

use super::{RFC8030, table};

table! { RFC8030;
"AU-4-a" Must "4"
    "A subscription is created by POST to the push service."
    "Send POST, with an empty body or a VAPID key, to the subscribe URL."
"AU-4.1-a" May "4.1"
    "Further subscriptions of a user agent name the set that the first one returned."
    "Send the URL of the set in Link, with rel urn:ietf:params:push:set, when subscribing again."
"AU-5.3-a" Must "5.3"
    "The minimum urgency of a monitoring request, if any, is one of the four values, and there once."
    "Send Urgency: very-low, low, normal or high, or leave it out."
"AU-6-a" Must "6"
    "Messages are requested by GET of the subscription or its set, whose URL is used unchanged."
    "Send GET to the URL in Location, or to the one with rel urn:ietf:params:push:set."
"AU-6-b" Practice "6"
    "After the service has closed the connection, the user agent requests messages again."
    "Connect again after a pause, and repeat the GET."
"AU-6.2-a" Must "6.2"
    "Each message is acknowledged by DELETE of its URL."
    "Send DELETE to the URL of the promised request, or of the event, also if the message cannot be decrypted."
"AU-6.2-b" Must "6.2"
    "Only messages that have arrived are acknowledged."
    "Use the URL of the message unchanged, without the query or a trailing slash."
"AU-7.1-a" Practice "7.1"
    "After a response of 307, a subscribe request is sent again, to the URL in Location."
    "Follow redirects when subscribing, and keep method and body (RFC 9110 §15.4.8)."
}
