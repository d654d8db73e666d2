//! One order (RFC 8555 §7.1.3): an account, a challenge for each domain, then a certificate.

use super::authority::Authority;
use super::cache::{self, Cache, StoredAccount};
use super::{AcmeConfig, challenge};
use anyhow::{Context as _, anyhow, bail, ensure};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, Problem, RetryPolicy,
};
use rustls::sign::CertifiedKey;
use serde::Deserialize as _;
use std::time::Duration;
use tokio::time::timeout;
use webpush_http::transport::certificate::Certificate;

/// The longest that an order may take.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// How often the authority is asked whether it has come to an end.
const RETRIES: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
/// The authority knows our account no more (RFC 8555 §6.7).
const ACCOUNT_GONE: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// So much of what an authority says goes into a sentence.
const MAX_SAID: usize = 500;

/// What an authority has issued.
pub struct Issued {
    /// The key and its certificates, as they are kept.
    pub pem: String,
    /// The same, for handshakes.
    pub certificate: CertifiedKey,
}

/// Orders a certificate for all domains.
///
/// # Errors
/// One sentence, with what the authority said.
pub async fn order(
    settings: &AcmeConfig,
    cache: &Cache,
    certificate: &Certificate,
) -> anyhow::Result<Issued> {
    let _answering = Answering(certificate);
    let ordered = timeout(PATIENCE, try_order(settings, cache, certificate)).await;
    ordered.unwrap_or_else(|_| Err(anyhow!("the order was not over within {} min", PATIENCE.as_secs() / 60)))
}

/// Challenges are answered until the order is over, however it ends.
struct Answering<'a>(&'a Certificate);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.forget_challenges();
    }
}

async fn try_order(
    settings: &AcmeConfig,
    cache: &Cache,
    certificate: &Certificate,
) -> anyhow::Result<Issued> {
    let mut order = new_order(settings, cache).await?;
    answer_challenges(&mut order, certificate).await?;
    until_ready(&mut order).await?;
    let key = order.finalize().await.map_err(said)?;
    let chain = order.poll_certificate(&RETRIES).await.map_err(said)?;
    let pem = format!("{key}{chain}");
    let certificate = cache::parse(&pem).context("what the authority issued can't be used")?;
    for domain in &settings.domains {
        ensure!(cache::covers(&certificate, domain), "what the authority issued is not for {domain}");
    }
    Ok(Issued { pem, certificate })
}

async fn new_order(settings: &AcmeConfig, cache: &Cache) -> anyhow::Result<Order> {
    let names: Vec<_> =
        settings.domains.iter().map(|domain| Identifier::Dns(domain.as_str().to_owned())).collect();
    let order = NewOrder::new(&names);
    match account(settings, cache).await?.new_order(&order).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(ACCOUNT_GONE) => {
            cache.forget_account();
            account(settings, cache).await?.new_order(&order).await.map_err(said)
        }
        ordered => ordered.map_err(said),
    }
}

async fn account(settings: &AcmeConfig, cache: &Cache) -> anyhow::Result<Account> {
    let kept = cache.account().unwrap_or_else(|error| {
        tracing::warn!("another account is made: {error:#}");
        None
    });
    let authority = Box::new(Authority::new(settings.directory_ca_file.as_deref()));
    let builder = Account::builder_with_http(authority);
    let contacts: Vec<_> = settings.contact.as_deref().into_iter().collect();
    let Some(kept) = kept else {
        // Who makes an account says that the terms of the authority are agreed to; the documentation says so.
        let new =
            NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) =
            builder.create(&new, settings.directory.clone(), None).await.map_err(said)?;
        let credentials = serde_json::to_value(credentials).context("the account can't be written down")?;
        keep(cache, StoredAccount { contact: settings.contact.clone(), credentials }).await?;
        return Ok(account);
    };
    let credentials = AccountCredentials::deserialize(&kept.credentials)
        .map_err(|_| anyhow!("the account that was kept can't be used: remove its file account.json"))?;
    let account = builder.from_credentials(credentials).await.map_err(said)?;
    if kept.contact != settings.contact {
        account.update_contacts(&contacts).await.map_err(said)?;
        keep(cache, StoredAccount { contact: settings.contact.clone(), ..kept }).await?;
    }
    Ok(account)
}

/// On a thread that may wait for a disk.
async fn keep(cache: &Cache, kept: StoredAccount) -> anyhow::Result<()> {
    let cache = cache.clone();
    tokio::task::spawn_blocking(move || cache.keep_account(&kept)).await?
}

async fn answer_challenges(order: &mut Order, certificate: &Certificate) -> anyhow::Result<()> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(said)?;
        let domain = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => bail!("{domain}: its authorization is {status:?}"),
        }
        let mut challenge = authorization
            .challenge(ChallengeType::TlsAlpn01)
            .with_context(|| format!("{domain}: the authority does not offer TLS-ALPN-01"))?;
        let digest = challenge.key_authorization().digest();
        let digest = digest.as_ref().try_into().context("a digest of another length")?;
        certificate
            .answer(domain, challenge::certificate(challenge.identifier().to_string().as_str(), digest)?);
        challenge.set_ready().await.map_err(said)?;
    }
    Ok(())
}

async fn until_ready(order: &mut Order) -> anyhow::Result<()> {
    let status = match order.poll_ready(&RETRIES).await {
        Ok(OrderStatus::Ready) => return Ok(()),
        Ok(status) => anyhow!("the order is {status:?}"),
        Err(error) => said(error),
    };
    // What the order says is that a challenge failed; the challenge says why.
    Err(failed_challenge(order).await.unwrap_or(status))
}

async fn failed_challenge(order: &mut Order) -> Option<anyhow::Error> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Some(anyhow!("{}: {}", state.identifier(), in_words(problem)));
        }
    }
    None
}

/// As a sentence for the operator.
fn said(error: Error) -> anyhow::Error {
    match error {
        Error::Api(problem) => anyhow!(in_words(&problem)),
        Error::Json(_) => anyhow!("what the authority answered is no ACME: is --acme-directory right?"),
        Error::Timeout(_) => anyhow!("the authority did not come to an end in time"),
        Error::Other(error) => anyhow!(bounded(&error.to_string())),
        other => anyhow!(bounded(&other.to_string())),
    }
}

/// What the authority said, and what kind of problem that is.
fn in_words(problem: &Problem) -> String {
    let all = problem.subproblems.iter().map(|one| (&one.detail, &one.r#type));
    let all = [(&problem.detail, &problem.r#type)].into_iter().chain(all);
    let words = all.map(|(detail, kind)| {
        let kind = kind.as_deref().unwrap_or("about:blank");
        let kind = kind.strip_prefix("urn:ietf:params:acme:error:").unwrap_or(kind);
        format!("{} ({kind})", detail.as_deref().unwrap_or("the authority refuses"))
    });
    bounded(&words.collect::<Vec<_>>().join("; "))
}

/// One line of the log, whatever an authority has to say.
fn bounded(text: &str) -> String {
    text.chars().take(MAX_SAID).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_says_is_one_line_with_an_end() {
        let text = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many\ncertificates",
            "subproblems":[{"type":"urn:ietf:params:acme:error:caa","detail":"CAA forbids"}]}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        assert_eq!(
            said(problem.into()).to_string(),
            "too many certificates (rateLimited); CAA forbids (caa)"
        );
        let detail = "x".repeat(10_000);
        let problem = Problem { r#type: None, detail: Some(detail), status: None, subproblems: Vec::new() };
        assert_eq!(in_words(&problem).len(), MAX_SAID);
        let silent = Problem { r#type: None, detail: None, status: None, subproblems: Vec::new() };
        assert_eq!(in_words(&silent), "the authority refuses (about:blank)");
    }
}
