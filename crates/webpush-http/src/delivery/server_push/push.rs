//! One pushed entry: the promised request and its response.

use super::super::confirmation::Confirmation;
use super::super::entry::QueuedEntry;
use super::ServerPush;
use crate::h2::flow::Flow;
use crate::h2::write_backlog::PushPermit;
use http::Request;
use http::header::LINK;
use webpush_core::protocol::server_push;
use webpush_service::service::{SentMessage, Service};
use webpush_store::StoreError;

/// A promised entry.
pub(super) struct Push<'a> {
    pub(super) flow: Flow,
    /// What to record once it was handed over.
    pub(super) sent: Option<SentMessage>,
    /// Makes room for another push on the connection when it is dropped.
    pub(super) _permit: PushPermit<'a>,
    pub(super) confirmation: Option<Confirmation<'a>>,
}

/// The result of an attempt to promise an entry.
pub(super) enum Promise<'a> {
    Made(Flow, Option<Confirmation<'a>>),
    /// This entry cannot be promised, and stays in the inbox.
    Skipped,
    /// The peer accepts no pushes any more.
    Impossible,
}

impl<'a> ServerPush<'a> {
    /// Promises an entry and begins its response.
    pub(super) async fn promise(
        &mut self,
        entry: &QueuedEntry,
        service: &Service,
    ) -> Result<Promise<'a>, StoreError> {
        let subscription = entry.subscription(service).await?;
        let (subscription, entry) = (subscription.as_ref(), &entry.entry);
        let pushed =
            server_push::push_promise(entry, subscription, &service.keyring, &service.origin, service.now());
        let Some(pushed) = pushed else { return Ok(Promise::Skipped) };
        let origin = self.monitor.origin.as_deref().unwrap_or(&service.origin);
        let Ok(mut request) = Request::get(format!("{origin}{}", pushed.path)).body(()) else {
            return Ok(Promise::Skipped);
        };
        if let Some(link) = &pushed.link {
            request.headers_mut().insert(LINK, link.clone());
        }
        let inbound = self.connection.inbound;
        Ok(match self.respond.push_request(request) {
            Ok(promised) => {
                let stream = promised.stream_id().as_u32();
                self.connection.lifetime.record_promise(stream);
                let confirmation = Confirmation::new(pushed.acknowledgement, &inbound.resets, stream);
                let patience = service.limits.load().timeouts.stall;
                Flow::begin(promised, pushed.response, patience)
                    .map_or(Promise::Skipped, |flow| Promise::Made(flow, confirmation))
            }
            Err(_) if inbound.accepts_pushes() => Promise::Skipped,
            Err(_) => Promise::Impossible,
        })
    }
}
