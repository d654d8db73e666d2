//! One pushed entry: the promised request and its response.

use super::ServerPush;
use super::confirmation::DeliveryOutcome;
use crate::answer::Answer;
use crate::h2::flow::Flow;
use crate::h2::write_backlog::PushPermit;
use crate::server::HttpServer;
use http::Request;
use http::header::LINK;
use std::ops::ControlFlow;
use webpush_core::protocol::server_push;
use webpush_service::queued_entry::QueuedEntry;

/// A promised entry.
pub(super) struct Push<'a> {
    pub(super) entry: QueuedEntry,
    pub(super) flow: Flow,
    /// The outcome once the response is sent.
    pub(super) outcome: DeliveryOutcome<'a>,
    _permit: PushPermit<'a>,
}

impl<'a> ServerPush<'a> {
    /// Promises an entry and begins its response.
    ///
    /// Returns `None` if the entry is no longer wanted, or cannot be promised.
    /// Breaks with the response to the request if the store fails, or the peer accepts no more pushes.
    pub(super) async fn promise(
        &mut self,
        entry: QueuedEntry,
        permit: PushPermit<'a>,
        server: &HttpServer,
    ) -> ControlFlow<Option<Answer>, Option<Push<'a>>> {
        let service = &*server.service;
        let rendered = entry.render(service, |entry, subscription| {
            let now = service.now();
            server_push::push_promise(entry, subscription, &service.keyring, &service.origin, now)
        });
        let pushed = match rendered.await {
            Ok(Some(pushed)) => pushed,
            Ok(None) => return ControlFlow::Continue(None),
            // Skipping it would lose it for this session.
            Err(error) => return ControlFlow::Break(Some(self.request.ending(Err(error), server))),
        };
        let site = self.request.origin.as_deref().unwrap_or_else(|| service.site());
        let Ok(mut request) = Request::get([site, service.base_path(), &*pushed.path].concat()).body(())
        else {
            return ControlFlow::Continue(None);
        };
        request.headers_mut().extend(pushed.link.map(|link| (LINK, link)));
        let promised = match self.respond.push_request(request) {
            Ok(promised) => promised,
            Err(_) if self.connection.inbound.accepts_pushes() => return ControlFlow::Continue(None),
            Err(_) => return ControlFlow::Break(Some(self.request.unsupported(server))),
        };
        let stream = promised.stream_id().as_u32();
        self.connection.lifetime.record_promise(stream);
        let resets = &self.connection.inbound.resets;
        let outcome = DeliveryOutcome::for_promise(pushed.acknowledgement, resets, stream);
        let flow = Flow::begin(promised, pushed.response, service.limits.load().timeouts.stall);
        ControlFlow::Continue(flow.map(|flow| Push { entry, flow, outcome, _permit: permit }))
    }
}
