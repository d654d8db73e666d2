//! Creates and deletes subscriptions (RFC 8030 §4, §7.3).

use crate::connection::{Connection, Connector, FullResponse, Protocols};
use crate::encryption::AgentKeys;
use crate::error::{ClientError, Operation, ProtocolError, StatusError};
use crate::state_file::AgentSubscription;
use crate::url::CapabilityUrl;
use bytes::Bytes;
use http::header::LOCATION;
use http::{Method, Request, StatusCode};
use webpush_core::header::links;

const PUSH: &str = "urn:ietf:params:push";
const SET: &str = "urn:ietf:params:push:set";

/// Maximum number of redirects, within an origin.
const MAX_REDIRECTS: usize = 5;

/// Creates a subscription with new keys at a push service.
///
/// ```no_run
/// use webpush_client::connection::{Connector, Protocols};
/// use webpush_client::subscribe::subscribe;
/// use webpush_client::url::CapabilityUrl;
///
/// # async fn example() -> Result<(), webpush_client::error::ClientError> {
/// let service = CapabilityUrl::parse("https://push.example.net")?;
/// let subscription = subscribe(&Connector::default(), &service, Protocols::Any).await?;
/// println!("{}", serde_json::to_string(&subscription.push_subscription().to_json()).unwrap_or_default());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ClientError`]. A 404 is not [`Fault::Gone`](crate::error::Fault::Gone) here: the URL is not that of a push service.
pub async fn subscribe(
    connector: &Connector,
    service: &CapabilityUrl,
    protocols: Protocols,
) -> Result<AgentSubscription, ClientError> {
    let keys = AgentKeys::generate()?;
    let mut url = service.below("subscribe")?;
    for _ in 0..=MAX_REDIRECTS {
        let mut connection = connector.connect(&url, protocols).await?;
        let answer = connection.exchange(request(Method::POST, &url)?).await?;
        match answer.status {
            StatusCode::CREATED => return read_subscription(&url, &answer, keys),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                url = redirected(&url, &answer)?;
            }
            _ => return Err(StatusError::new(&url.origin(), Operation::Subscribe, &answer).into()),
        }
    }
    Err(ClientError::protocol(service.origin(), ProtocolError::RedirectLoop))
}

/// Deletes a subscription and its stored messages. Succeeds if it does not exist.
///
/// # Errors
/// [`ClientError`].
pub async fn unsubscribe(
    connection: &mut Connection,
    subscription: &CapabilityUrl,
) -> Result<(), ClientError> {
    let answer = connection.exchange(request(Method::DELETE, subscription)?).await?;
    if answer.status.is_success() || matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Ok(());
    }
    Err(StatusError::new(connection.origin(), Operation::Unsubscribe, &answer).into())
}

/// Parses the response to a subscribe request to `url`.
///
/// # Errors
/// [`ClientError::Protocol`] if a required header is missing.
pub fn read_subscription(
    url: &CapabilityUrl,
    answer: &FullResponse,
    keys: AgentKeys,
) -> Result<AgentSubscription, ClientError> {
    let endpoint = linked(url, answer, PUSH)?.ok_or_else(|| lacks(url, "a link to the push resource"))?;
    Ok(AgentSubscription {
        subscription: location(url, answer)?,
        set: linked(url, answer, SET)?,
        endpoint,
        keys,
    })
}

/// Creates a request without a body.
///
/// # Errors
/// [`ClientError::Request`].
pub fn request(method: Method, url: &CapabilityUrl) -> Result<Request<Bytes>, ClientError> {
    Request::builder().method(method).uri(url.uri().clone()).body(Bytes::new()).map_err(ClientError::Request)
}

/// Returns the resource in `Location`, which belongs to the same origin.
pub(super) fn location(url: &CapabilityUrl, answer: &FullResponse) -> Result<CapabilityUrl, ClientError> {
    of_same_origin(url, target(url, answer)?, ProtocolError::ForeignUrl)
}

/// Returns the target of a redirect. One to another origin would decide whom to trust.
fn redirected(url: &CapabilityUrl, answer: &FullResponse) -> Result<CapabilityUrl, ClientError> {
    of_same_origin(url, target(url, answer)?, ProtocolError::ForeignRedirect)
}

fn target(url: &CapabilityUrl, answer: &FullResponse) -> Result<CapabilityUrl, ClientError> {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let resource = location.and_then(|location| url.join(location).ok());
    resource.ok_or_else(|| lacks(url, "a usable Location"))
}

/// Returns `resource` if a server at `url` may name it: requests with secrets are sent there.
///
/// # Errors
/// [`ClientError::Protocol`] with `error` if it belongs to another origin.
pub fn of_same_origin(
    url: &CapabilityUrl,
    resource: CapabilityUrl,
    error: impl FnOnce(String) -> ProtocolError,
) -> Result<CapabilityUrl, ClientError> {
    if resource.origin() == url.origin() {
        return Ok(resource);
    }
    Err(ClientError::protocol(url.origin(), error(resource.origin())))
}

/// Returns the target of the link with this relation.
pub(super) fn linked(
    url: &CapabilityUrl,
    answer: &FullResponse,
    rel: &str,
) -> Result<Option<CapabilityUrl>, ClientError> {
    let links = links(&answer.headers).map_err(|_| lacks(url, "a well-formed Link"))?;
    let link = links.iter().find(|link| link.has_rel(rel));
    let target = link.map(|link| url.join(&link.target)).transpose();
    let target = target.map_err(|_| lacks(url, "a usable Link"))?;
    target.map(|target| of_same_origin(url, target, ProtocolError::ForeignUrl)).transpose()
}

fn lacks(url: &CapabilityUrl, what: &'static str) -> ClientError {
    ClientError::protocol(url.origin(), ProtocolError::Lacks(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::LINK;

    fn answer(headers: &[(http::HeaderName, &str)]) -> FullResponse {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        FullResponse { status: StatusCode::CREATED, headers: map, body: Bytes::new() }
    }

    fn read(headers: &[(http::HeaderName, &str)]) -> Result<AgentSubscription, ClientError> {
        let url = CapabilityUrl::parse("https://push.example/subscribe").unwrap();
        read_subscription(&url, &answer(headers), AgentKeys::generate().unwrap())
    }

    #[test]
    fn r8030_4_the_answer_names_every_resource() {
        let held = read(&[
            (LOCATION, "https://push.example/subscription/s"),
            (LINK, r#"</push/p>; rel="urn:ietf:params:push""#),
            (LINK, r#"</subscription-set/t>; rel="urn:ietf:params:push:set""#),
        ])
        .unwrap();
        assert_eq!(held.subscription.expose(), "https://push.example/subscription/s");
        assert_eq!(held.endpoint.expose(), "https://push.example/push/p");
        assert_eq!(held.set.unwrap().expose(), "https://push.example/subscription-set/t");
    }

    /// C7: a server could send its clients to another host.
    #[test]
    fn urls_at_another_origin_are_refused() {
        let push = r#"</push/p>; rel="urn:ietf:params:push""#;
        for (resource, link) in [
            ("https://evil.example/s", push),
            ("http://push.example/s", push),
            ("https://push.example:8443/s", push),
            ("//evil.example/s", push),
            ("/s", r#"<https://evil.example/p>; rel="urn:ietf:params:push""#),
        ] {
            let error = read(&[(LOCATION, resource), (LINK, link)]).unwrap_err();
            assert!(
                matches!(error, ClientError::Protocol { error: ProtocolError::ForeignUrl(_), .. }),
                "{error}"
            );
        }
        let url = CapabilityUrl::parse("https://push.example/subscribe").unwrap();
        let redirect = |to| redirected(&url, &answer(&[(LOCATION, to)]));
        assert_eq!(redirect("/t/x/subscribe").unwrap().origin(), "https://push.example");
        for to in ["https://other.example/subscribe", "http://push.example/subscribe"] {
            let error = redirect(to).unwrap_err();
            assert!(
                matches!(error, ClientError::Protocol { error: ProtocolError::ForeignRedirect(_), .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn r8030_4_answers_without_them_are_refused() {
        let push = r#"</push/p>; rel="urn:ietf:params:push""#;
        for (headers, said) in [
            (vec![(LINK, push)], "Location"),
            (vec![(LOCATION, "/s")], "push resource"),
            (vec![(LOCATION, "/s"), (LINK, "</push/p")], "Link"),
            (vec![(LOCATION, "ftp://x/s"), (LINK, push)], "Location"),
        ] {
            let error = read(&headers).unwrap_err();
            let ClientError::Protocol { error: ProtocolError::Lacks(what), .. } = error else {
                panic!("{error}")
            };
            assert!(what.contains(said), "{what}");
        }
        assert!(read(&[(LOCATION, "/s"), (LINK, push)]).unwrap().set.is_none(), "a set is optional");
    }
}
