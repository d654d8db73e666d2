//! Application servers that read their receipts.

use crate::agent::{EventReader, Monitor, Next};
use crate::executor::TaskOwner;
use crate::history::Event;
use crate::network::{Events, path_of};
use crate::shared::Shared;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use webpush_core::urgency::Urgency;
use webpush_store::simulation::Random;

/// Reads the receipts of a receipt subscription until it is killed.
pub fn start(shared: &Rc<Shared>, inbox: String, seed: u64) {
    let (shared_state, mut random) = (Rc::clone(shared), Random::new(seed));
    shared.executor.spawn(TaskOwner::Monitor, async move {
        let mut last = None;
        loop {
            let is_settling = shared_state.is_settling.get();
            let (away, stays) = if is_settling { (1000, 100_000_000) } else { (60_000, 600_000) };
            sleep(Duration::from_millis(1 + random.below(away))).await;
            let Some(node) = shared_state.node(&mut random) else { continue };
            let end = Instant::now() + Duration::from_millis(1 + random.below(stays));
            // Each ends by itself if the connection is lost.
            let _ = if random.one_in(2) {
                timeout_at(end, read_events(&shared_state, node, &inbox, &mut last)).await
            } else {
                timeout_at(end, read_pushes(&shared_state, node, &inbox)).await
            };
        }
    });
}

async fn read_events(shared: &Shared, node: usize, inbox: &str, last: &mut Option<String>) -> Option<()> {
    let mut headers = HeaderMap::new();
    if let Some(last) = last {
        headers.insert(HeaderName::from_static("last-event-id"), HeaderValue::try_from(&**last).ok()?);
    }
    let Events::Stream(parts) = shared.network.events(node, inbox, headers).await? else { return None };
    let mut stream = EventReader::new(parts);
    while let Some(event) = stream.next().await {
        let status = u16::try_from(event.data["status"].as_u64()?).ok()?;
        let own = event.id?;
        let r = {
            let mut urls = shared.receipt_urls.borrow_mut();
            let next = u32::try_from(urls.len()).ok()? + 1;
            *urls.entry(own.clone()).or_insert(next)
        };
        record(shared, path_of(event.data["url"].as_str()?), status, Some(r));
        *last = Some(own);
    }
    Some(())
}

async fn read_pushes(shared: &Shared, node: usize, inbox: &str) -> Option<()> {
    let mut monitor = Monitor::start(shared, TaskOwner::Monitor, node, inbox, Urgency::VeryLow).await?;
    while let Next::Push { path, response, .. } = monitor.next().await {
        record(shared, &path, response.status().as_u16(), None);
    }
    Some(())
}

fn record(shared: &Shared, message_url: &str, status: u16, r: Option<u32>) {
    match shared.message_urls.borrow().get(message_url) {
        Some(m) => shared.record(&Event::Receipt { m: *m, status, r }),
        None => shared.early_receipts.borrow_mut().push((message_url.to_owned(), status, r)),
    }
}

/// Records the receipts of a message that arrived before its sender knew its URL.
pub fn record_early(shared: &Shared, message_url: &str) {
    let all = std::mem::take(&mut *shared.early_receipts.borrow_mut());
    let (its, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(url, ..)| url == message_url);
    *shared.early_receipts.borrow_mut() = others;
    for (url, status, r) in its {
        record(shared, &url, status, r);
    }
}
