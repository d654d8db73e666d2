//! Senders whose requests are refused, and who send them again and again.
//!
//! Each request must have the right status, and cost little.

use super::victim::{Attack, Victim};
use crate::audience::registered;
use crate::autopush::Agent;
use crate::body::uuid;
use crate::dial::Dialer;
use crate::post::{Http1, Push};
use anyhow::{Context as _, ensure};
use std::sync::Arc;
use tokio::task::JoinSet;
use webpush_core::base64url;

mod credentials;

use credentials::{ALL, Forger};

const CONNECTIONS: usize = 16;
/// Requests on a connection of each kind.
const REQUESTS: usize = 20;

/// The attacks.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "dead-endpoints",
        about: "messages to a subscription that is gone, or never was: 404 and 410",
        run: |victim| Box::pin(dead_endpoints(victim)),
        ..Attack::USUAL
    },
    Attack {
        name: "wrong-credentials",
        about: "every wrong form of VAPID: 401 and 403",
        run: |victim| Box::pin(wrong_credentials(victim)),
        ..Attack::USUAL
    },
];

/// A request that is refused.
struct Refusal {
    name: &'static str,
    path: String,
    authorization: Option<String>,
    status: u16,
}

async fn dead_endpoints(victim: Arc<Victim>) -> anyhow::Result<()> {
    let (mut agent, endpoint) = registered(victim.dialer.clone(), 7).await?;
    agent.unregister(&uuid(7)).await?;
    let path = endpoint.parse::<http::Uri>()?.path().to_owned();
    let token = path.rsplit('/').next().context("a push URL has no token")?.to_owned();
    let mut forged = base64url::decode(&token).context("a token is base64url")?;
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let refusal = |name, path: String, status| Refusal { name, path, authorization: None, status };
    let refusals = vec![
        refusal("autopush", format!("/wpush/v1/{token}"), 410),
        refusal("autopush v2", format!("/wpush/v2/{token}"), 410),
        refusal("RFC 8030", format!("/push/{token}"), 404),
        refusal("forged", format!("/push/{}", base64url::encode(&forged)), 404),
        refusal("forged autopush", format!("/wpush/v1/{}", base64url::encode(&forged)), 404),
        refusal("no token", "/push/x".to_owned(), 404),
        refusal("no resource", "/nowhere".to_owned(), 404),
    ];
    hammer(&victim, refusals).await
}

async fn wrong_credentials(victim: Arc<Victim>) -> anyhow::Result<()> {
    let forger = Forger::new(&victim.dialer.origin())?;
    let restricted = restricted(&victim.dialer, &forger.key()).await?;
    let open = registered(victim.dialer.clone(), 8).await?.1.parse::<http::Uri>()?.path().to_owned();
    let mut refusals = Vec::new();
    for credentials in ALL {
        let authorization = (credentials.authorization)(&forger)?;
        for path in [&open, &restricted] {
            let (name, path) = (credentials.name, path.clone());
            refusals.push(Refusal { name, path, authorization: Some(authorization.clone()), status: 403 });
        }
    }
    refusals.push(Refusal { name: "none", path: restricted, authorization: None, status: 401 });
    hammer(&victim, refusals).await
}

/// Registers a channel for one sender only; returns the path of its push URL.
async fn restricted(dialer: &Dialer, key: &str) -> anyhow::Result<String> {
    let mut agent = Agent::hello(dialer, None).await?;
    let endpoint = agent.register_for(&uuid(9), key).await?;
    Ok(endpoint.parse::<http::Uri>()?.path().to_owned())
}

/// Sends all requests on [`CONNECTIONS`], each [`REQUESTS`] times.
///
/// Repeats them while the honest client is being served.
async fn hammer(victim: &Arc<Victim>, refusals: Vec<Refusal>) -> anyhow::Result<()> {
    let (refusals, mut working) = (Arc::new(refusals), JoinSet::new());
    for _ in 0..CONNECTIONS {
        let (victim, refusals) = (Arc::clone(victim), Arc::clone(&refusals));
        working.spawn(async move {
            let mut connection = Http1::connect(&victim.dialer).await?;
            loop {
                for refusal in refusals.iter() {
                    for _ in 0..REQUESTS {
                        refusal.send(&mut connection).await.with_context(|| refusal.name)?;
                        victim.count_refusal();
                    }
                }
                if !victim.is_under_attack() {
                    return anyhow::Ok(());
                }
            }
        });
    }
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    Ok(())
}

impl Refusal {
    async fn send(&self, connection: &mut Http1) -> anyhow::Result<()> {
        let Self { path, authorization, status, .. } = self;
        let push = Push { path, authorization: authorization.as_deref(), ttl: 60, body: b"x" };
        let found = connection.push(&push).await?;
        ensure!(found == *status, "it returned {found}, not {status}");
        Ok(())
    }
}
