//! The URLs of subscriptions.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

/// The URLs of a new subscription.
pub(crate) struct Subscription {
    pub(crate) subscription: String,
    pub(crate) push: String,
    pub(crate) set: String,
}

impl Subscription {
    pub(crate) fn from_response(response: &Response<Bytes>) -> Self {
        assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
        Self {
            subscription: header(response, "location").to_owned(),
            push: link(response.headers(), "urn:ietf:params:push"),
            set: link(response.headers(), "urn:ietf:params:push:set"),
        }
    }
}

pub(crate) fn header<'a, B>(response: &'a Response<B>, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// Returns the target of the link with this relation, in the syntax that clients of 2015 expect.
pub(crate) fn link(headers: &HeaderMap, rel: &str) -> String {
    let end = format!(">; rel=\"{rel}\"");
    let links = headers.get_all("link").iter().map(|value| value.to_str().unwrap());
    let mut found = links.filter_map(|link| link.strip_prefix('<')?.strip_suffix(&end));
    found.next().unwrap_or_else(|| panic!("no link {rel}")).to_owned()
}
