//! One order (RFC 8555 §7.1.3): an account, a challenge for each domain, then a certificate.

use super::authority::Authority;
use super::cache::{self, Cache, StoredAccount};
use super::http_challenge::HttpChallenges;
use super::{AcmeConfig, ExternalAccount, challenge};
use anyhow::{Context as _, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, ExternalAccountKey, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use rustls::sign::CertifiedKey;
use serde::Deserialize as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use webpush_core::printable;
use webpush_http::transport::certificate::Certificate;

/// Time limit of an order.
const ORDER_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Polling of the order.
const POLLING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
/// The account does not exist at the CA (RFC 8555 §6.7).
const ACCOUNT_DOES_NOT_EXIST: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// Maximum length of an error from the CA, in characters.
const MAX_ERROR: usize = 500;

/// A certificate that was issued.
pub struct IssuedCertificate {
    /// The key and the chain as PEM.
    pub pem: String,
    /// The same for handshakes.
    pub certificate: CertifiedKey,
}

/// Orders a certificate for all domains.
///
/// # Errors
/// Fails with one line that includes the error of the CA.
pub async fn order(
    settings: &AcmeConfig,
    cache: &Cache,
    challenges: &Challenges,
) -> anyhow::Result<IssuedCertificate> {
    let _guard = ChallengeGuard(challenges);
    let ordered = timeout(ORDER_TIMEOUT, try_order(settings, cache, challenges)).await;
    ordered.unwrap_or_else(|_| {
        Err(anyhow!("the order did not complete within {} min", ORDER_TIMEOUT.as_secs() / 60))
    })
}

/// Where the CA looks for the answers to its challenges.
pub enum Challenges {
    /// In the TLS handshake (RFC 8737).
    TlsAlpn(Arc<Certificate>),
    /// At a path of the domain, over plain HTTP (RFC 8555 §8.3).
    Http(HttpChallenges),
}

/// Removes the challenges when the order ends, successfully or not.
struct ChallengeGuard<'a>(&'a Challenges);

impl Drop for ChallengeGuard<'_> {
    fn drop(&mut self) {
        match self.0 {
            Challenges::TlsAlpn(certificate) => certificate.forget_challenges(),
            Challenges::Http(challenges) => challenges.clear(),
        }
    }
}

async fn try_order(
    settings: &AcmeConfig,
    cache: &Cache,
    challenges: &Challenges,
) -> anyhow::Result<IssuedCertificate> {
    let mut order = new_order(settings, cache).await?;
    answer_challenges(&mut order, challenges).await?;
    until_ready(&mut order).await?;
    let key = order.finalize().await.map_err(describe)?;
    let chain = order.poll_certificate(&POLLING).await.map_err(describe)?;
    let pem = format!("{key}{chain}");
    let certificate = cache::parse(&pem).context("cannot use the issued certificate")?;
    for domain in &settings.domains {
        ensure!(cache::covers(&certificate, domain), "the issued certificate is not for {domain}");
    }
    Ok(IssuedCertificate { pem, certificate })
}

async fn new_order(settings: &AcmeConfig, cache: &Cache) -> anyhow::Result<Order> {
    let names: Vec<_> =
        settings.domains.iter().map(|domain| Identifier::Dns(domain.as_str().to_owned())).collect();
    let order = NewOrder::new(&names);
    match account(settings, cache).await?.new_order(&order).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(ACCOUNT_DOES_NOT_EXIST) => {
            cache.remove_account();
            account(settings, cache).await?.new_order(&order).await.map_err(describe)
        }
        ordered => ordered.map_err(describe),
    }
}

async fn account(settings: &AcmeConfig, cache: &Cache) -> anyhow::Result<Account> {
    let stored = cache.account().unwrap_or_else(|error| {
        tracing::warn!("creating a new ACME account: {error:#}");
        None
    });
    let authority = Box::new(Authority::new(settings.directory_ca_file.as_deref()));
    let builder = Account::builder_with_http(authority);
    let contacts: Vec<_> = settings.contact.as_deref().into_iter().collect();
    let Some(stored) = stored else {
        // The documentation of --acme-domains says that using it means agreeing to the terms.
        let new =
            NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
        let binding = settings.binding.as_ref().map(read_binding).transpose()?;
        let (account, credentials) =
            builder.create(&new, settings.directory.clone(), binding.as_ref()).await.map_err(describe)?;
        let credentials = serde_json::to_value(credentials).context("cannot serialize the account")?;
        store(cache, StoredAccount { contact: settings.contact.clone(), credentials }).await?;
        return Ok(account);
    };
    let credentials = AccountCredentials::deserialize(&stored.credentials)
        .map_err(|_| anyhow!("cannot use the stored account; remove its account.json"))?;
    let account = builder.from_credentials(credentials).await.map_err(describe)?;
    if stored.contact != settings.contact {
        account.update_contacts(&contacts).await.map_err(describe)?;
        store(cache, StoredAccount { contact: settings.contact.clone(), ..stored }).await?;
    }
    Ok(account)
}

/// Reads the key of an account at the CA.
fn read_binding(account: &ExternalAccount) -> anyhow::Result<ExternalAccountKey> {
    let file = account.key_file.display();
    let text = std::fs::read_to_string(&account.key_file)
        .with_context(|| format!("cannot read {file} (--acme-eab-key-file)"))?;
    // CAs print it with and without padding.
    let key = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
    let key = key.ok().filter(|key| !key.is_empty()).with_context(|| {
        format!("{file} (--acme-eab-key-file) has no key: expected base64url, as the CA shows it")
    })?;
    Ok(ExternalAccountKey::new(account.key_id.clone(), &key))
}

async fn store(cache: &Cache, account: StoredAccount) -> anyhow::Result<()> {
    let cache = cache.clone();
    tokio::task::spawn_blocking(move || cache.store_account(&account)).await?
}

async fn answer_challenges(order: &mut Order, challenges: &Challenges) -> anyhow::Result<()> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(describe)?;
        let domain = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => bail!("{domain}: the authorization is {status:?}"),
        }
        let (kind, name) = match challenges {
            Challenges::TlsAlpn(_) => (ChallengeType::TlsAlpn01, "TLS-ALPN-01"),
            Challenges::Http(_) => (ChallengeType::Http01, "HTTP-01"),
        };
        let mut challenge = authorization
            .challenge(kind)
            .with_context(|| format!("{domain}: the CA does not offer {name}"))?;
        match challenges {
            Challenges::TlsAlpn(certificate) => {
                let digest = challenge.key_authorization().digest();
                let digest = digest.as_ref().try_into();
                let digest = digest.context("the digest of the key authorization is not 32 bytes long")?;
                let name = challenge.identifier().to_string();
                certificate.answer(domain, challenge::certificate(&name, digest)?);
            }
            Challenges::Http(challenges) => {
                challenges.answer(&challenge.token, challenge.key_authorization().as_str());
            }
        }
        challenge.set_ready().await.map_err(describe)?;
    }
    Ok(())
}

async fn until_ready(order: &mut Order) -> anyhow::Result<()> {
    let status = match order.poll_ready(&POLLING).await {
        Ok(OrderStatus::Ready) => return Ok(()),
        Ok(status) => anyhow!("the order is {status:?}"),
        Err(error) => describe(error),
    };
    // The order only says that a challenge failed; the challenge says why.
    Err(failed_challenge(order).await.unwrap_or(status))
}

async fn failed_challenge(order: &mut Order) -> Option<anyhow::Error> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Some(anyhow!("{}: {}", state.identifier(), describe_problem(problem)));
        }
    }
    None
}

/// Returns the error as one line.
fn describe(error: Error) -> anyhow::Error {
    match error {
        Error::Api(problem) => anyhow!(describe_problem(&problem)),
        Error::Json(_) => anyhow!("the response is not ACME; check --acme-directory"),
        Error::Timeout(_) => anyhow!("the CA did not complete the order in time"),
        Error::Other(error) => anyhow!(one_line(&error.to_string())),
        other => anyhow!(one_line(&other.to_string())),
    }
}

/// Returns the details and types of a problem.
fn describe_problem(problem: &Problem) -> String {
    let all = problem.subproblems.iter().map(|one| (&one.detail, &one.r#type));
    let all = [(&problem.detail, &problem.r#type)].into_iter().chain(all);
    let words = all.map(|(detail, kind)| {
        let kind = kind.as_deref().unwrap_or("about:blank");
        let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
        format!("{} ({kind})", detail.as_deref().unwrap_or("refused"))
    });
    one_line(&words.collect::<Vec<_>>().join("; "))
}

/// Returns text of the CA as one line of limited length.
fn one_line(text: &str) -> String {
    printable::one_line(&text.chars().take(MAX_ERROR).collect::<String>()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D: authorities that bind ACME accounts.
    #[test]
    fn the_key_of_an_external_account_is_base64url() {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join("key");
        let account = ExternalAccount { key_id: "id".to_owned(), key_file: key_file.clone() };
        let missing = read_binding(&account).err().unwrap();
        assert!(missing.to_string().starts_with("cannot read "), "{missing}");
        for (text, is_key) in [("c2VjcmV0\n", true), ("c2VjcmV0LQ==", true), ("", false), ("+ /", false)] {
            std::fs::write(&key_file, text).unwrap();
            assert_eq!(read_binding(&account).is_ok(), is_key, "{text:?}");
        }
    }

    #[test]
    fn errors_of_the_ca_are_one_line_of_limited_length() {
        let text = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many\ncertificates",
            "subproblems":[{"type":"urn:ietf:params:acme:error:caa","detail":"CAA forbids"}]}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!(
            describe(problem.into()).to_string(),
            "too many\\ncertificates (rateLimited); CAA forbids (caa)"
        );
        let detail = "x".repeat(10_000);
        let problem = Problem { r#type: None, detail: Some(detail), status: None, subproblems: Vec::new() };
        assert_eq!(describe_problem(&problem).len(), MAX_ERROR);
        let silent = Problem { r#type: None, detail: None, status: None, subproblems: Vec::new() };
        assert_eq!(describe_problem(&silent), "refused (about:blank)");
    }
}
