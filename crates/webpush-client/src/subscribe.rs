//! Subscribing (RFC 8030 §4), and ending a subscription (§7.3).

use super::connection::{Answer, Connection, Connector, Protocols};
use super::encryption::AgentKeys;
use super::error::ClientError;
use super::problem;
use super::state_file::HeldSubscription;
use super::url::CapabilityUrl;
use bytes::Bytes;
use http::header::LOCATION;
use http::{Method, Request, StatusCode};
use webpush_core::header::links;

const PUSH: &str = "urn:ietf:params:push";
const SET: &str = "urn:ietf:params:push:set";

/// A service may move a new agent to another host (RFC 8030 §7.1), but not for ever.
const MAX_REDIRECTS: usize = 5;

/// Makes a subscription with new keys at a push service.
///
/// # Errors
/// Any [`ClientError`] but `Gone`: where nothing is found, there is no push service.
pub async fn subscribe(
    connector: &Connector,
    service: &CapabilityUrl,
    protocols: Protocols,
) -> Result<HeldSubscription, ClientError> {
    let keys = AgentKeys::generate().map_err(|error| ClientError::Local(error.to_string()))?;
    let mut url = service.below("subscribe")?;
    for _ in 0..=MAX_REDIRECTS {
        let mut connection = connector.connect(&url, protocols).await?;
        let answer = connection.exchange(request(Method::POST, &url)?).await?;
        match answer.status {
            StatusCode::CREATED => return held(&url, &answer, keys),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                url = location(&url, &answer)?;
            }
            StatusCode::NOT_FOUND => {
                let sentence = problem::sentence(&url.origin(), "subscribe", &answer);
                return Err(ClientError::Refused(format!(
                    "{sentence}; is it the URL of a push service (RFC 8030)?"
                )));
            }
            _ => return Err(problem::failure(&url.origin(), "subscribe", &answer)),
        }
    }
    Err(ClientError::Refused(format!("{} redirects to subscribe in circles", service.origin())))
}

/// Deletes a subscription: its senders learn that it is gone, and what is stored for it is dropped.
///
/// # Errors
/// Any [`ClientError`]; a subscription that is gone already is no error.
pub async fn unsubscribe(
    connection: &mut Connection,
    subscription: &CapabilityUrl,
) -> Result<(), ClientError> {
    let answer = connection.exchange(request(Method::DELETE, subscription)?).await?;
    if answer.status.is_success() || matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        return Ok(());
    }
    Err(problem::failure(connection.origin(), "delete the subscription", &answer))
}

/// The subscription that an answer speaks of.
///
/// # Errors
/// [`ClientError::Refused`] when it does not.
pub fn held(url: &CapabilityUrl, answer: &Answer, keys: AgentKeys) -> Result<HeldSubscription, ClientError> {
    let endpoint = linked(url, answer, PUSH)?.ok_or_else(|| lacks(url, "a link to the push resource"))?;
    Ok(HeldSubscription {
        subscription: location(url, answer)?,
        set: linked(url, answer, SET)?,
        endpoint,
        keys,
    })
}

/// Creates a request without a body.
///
/// # Errors
/// [`ClientError::Local`] if the method and the URL make no request.
pub fn request(method: Method, url: &CapabilityUrl) -> Result<Request<Bytes>, ClientError> {
    Request::builder()
        .method(method)
        .uri(url.uri().clone())
        .body(Bytes::new())
        .map_err(|error| ClientError::Local(format!("the request cannot be made: {error}")))
}

/// The resource that an answer points to.
pub(super) fn location(url: &CapabilityUrl, answer: &Answer) -> Result<CapabilityUrl, ClientError> {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let resource = location.and_then(|location| url.join(location).ok());
    resource.ok_or_else(|| lacks(url, "a usable Location"))
}

/// The resource that an answer links to with a relation.
pub(super) fn linked(
    url: &CapabilityUrl,
    answer: &Answer,
    rel: &str,
) -> Result<Option<CapabilityUrl>, ClientError> {
    let links = links(&answer.headers).map_err(|_| lacks(url, "a well-formed Link"))?;
    let link = links.iter().find(|link| link.has_rel(rel));
    link.map(|link| url.join(&link.target)).transpose().map_err(|_| lacks(url, "a usable Link"))
}

fn lacks(url: &CapabilityUrl, what: &str) -> ClientError {
    ClientError::Refused(format!(
        "{} answered without {what}; is it the URL of a push service (RFC 8030)?",
        url.origin()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::LINK;

    fn answer(headers: &[(http::HeaderName, &str)]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        Answer { status: StatusCode::CREATED, headers: map, body: Bytes::new() }
    }

    fn read(headers: &[(http::HeaderName, &str)]) -> Result<HeldSubscription, ClientError> {
        let url = CapabilityUrl::parse("https://push.example/subscribe").unwrap();
        held(&url, &answer(headers), AgentKeys::generate().unwrap())
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
            assert!(error.sentence().contains(said), "{error}");
        }
        assert!(read(&[(LOCATION, "/s"), (LINK, push)]).unwrap().set.is_none(), "a set is optional");
    }
}
