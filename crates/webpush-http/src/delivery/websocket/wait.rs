//! What an agent's task waits for, all at once. Most agents wait most of the time, so this is kept small: one timer, and
//! nothing for what does not happen.

use super::Agent;
use super::socket::Io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};
use webpush_service::drain::Draining;
use webpush_service::session_registry::{SessionHandle, Wakeup};

/// So much later than asked for a deadline may be met: times come from a clock of milliseconds, and setting the timer anew
/// each time would cost more than it is worth.
const SLACK: Duration = Duration::from_millis(10);

/// What ends a wait.
pub(super) enum Event {
    Io(Io),
    Wakeup(Wakeup),
    /// The service stops.
    Draining,
    /// The time has come that the dialogue asked for.
    Deadline,
    /// The agent has not answered a close in time.
    Over,
}

/// What is kept from one wait to the next.
#[derive(Default)]
pub(super) struct Wait {
    timer: Option<Pin<Box<Sleep>>>,
    /// Ends when the service stops. InboxRecord while the agent does not listen: after that it hears of it from the registry.
    stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// It has heard that the service stops.
    told_to_stop: bool,
    /// Frames and news take turns, so that a flood of one does not keep the other from being looked at.
    news_first: bool,
}

impl Wait {
    /// Ready once, when the service has begun to stop.
    fn poll_stop(&mut self, draining: &Draining, listens: bool, cx: &mut Context<'_>) -> Poll<()> {
        if self.told_to_stop {
            return Poll::Pending;
        }
        if listens {
            self.stop = None;
            self.told_to_stop = draining.has_begun();
        } else {
            let begun = |mut draining: Draining| async move { draining.begun().await };
            let stop = self.stop.get_or_insert_with(|| Box::pin(begun(draining.clone())));
            self.told_to_stop = stop.as_mut().poll(cx).is_ready();
        }
        if !self.told_to_stop {
            return Poll::Pending;
        }
        self.stop = None;
        Poll::Ready(())
    }

    /// Ready when that time has come. The timer is set anew only to be earlier: most of the time the deadline has moved on
    /// when it fires, with what was heard of the agent since, and is looked at again.
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        loop {
            if timer.deadline() > at + SLACK {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            timer.as_mut().reset(at);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Agent<S> {
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.poll_closing(cx).is_ready() {
            return Poll::Ready(Event::Over);
        }
        self.wait.news_first = !self.wait.news_first;
        for news_now in [self.wait.news_first, !self.wait.news_first] {
            let poll = if news_now { self.poll_news(cx) } else { self.socket.poll_io(cx).map(Event::Io) };
            if poll.is_ready() {
                return poll;
            }
        }
        self.poll_time(cx)
    }

    /// Ready when the answer to a close has been waited for long enough.
    pub(super) fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.closing.as_mut().map_or(Poll::Pending, |closing| closing.as_mut().poll(cx))
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Some(at) = self.dialogue.next_deadline() else { return Poll::Pending };
        let left = self.server.service.now().until(at);
        self.wait.poll_until(Instant::now() + left, cx).map(|()| Event::Deadline)
    }

    /// Whoever is told looks at everything again: told is that there may be news, and not which.
    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if self.wait.poll_stop(&self.draining, self.listener.is_some(), cx).is_ready() {
                return Poll::Ready(Event::Draining);
            }
            let Some(listener) = &self.listener else { return Poll::Pending };
            let knows_broadcasts = self.server.service.broadcasts.generation() == self.generation;
            if let Some(news) = news(listener, !self.queue.is_empty(), knows_broadcasts) {
                return Poll::Ready(Event::Wakeup(news));
            }
            ready!(listener.poll_notified(cx));
        }
    }
}

/// Wakeup, if there is any. While something is on its way only an end counts; the rest is taken when there is room for it. So
/// it is looked for whenever this is asked: what has come meanwhile, or before the agent was listening, is not told again.
fn news(listener: &SessionHandle, busy: bool, knows_broadcasts: bool) -> Option<Wakeup> {
    if busy && !listener.is_removed() && !listener.is_superseded() {
        return None;
    }
    let news = listener.take();
    (news.update.is_some() || news.removed || news.superseded || !knows_broadcasts).then_some(news)
}

#[cfg(test)]
mod tests {
    use super::super::scope;
    use super::*;
    use std::sync::Arc;
    use webpush_core::id::InboxId;
    use webpush_service::session_registry::{SessionRegistry, Transport};

    #[test]
    fn news_that_came_while_nothing_could_be_taken_are_not_lost() {
        let registry: Arc<SessionRegistry> = Arc::default();
        let listener = registry.register(&scope(InboxId::from_bytes([1; 16])), Transport::Autopush);
        let told = |busy, is_outdated: bool| news(&listener, busy, !is_outdated).is_some();
        assert!(!told(false, false));
        assert!(told(false, true), "broadcasts changed before it listened");
        registry.announce_gap();
        assert!(!told(true, true));
        assert!(told(false, false));
        assert!(!told(false, false), "they were taken");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_is_met_when_it_comes() {
        let mut wait = Wait::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let now = |wait: &mut Wait, seconds| {
            wait.poll_until(at(seconds), &mut Context::from_waker(std::task::Waker::noop())).is_ready()
        };
        assert!(!now(&mut wait, 10) && !now(&mut wait, 20) && !now(&mut wait, 5));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(!now(&mut wait, 30), "it has moved on");
        assert!(now(&mut wait, 6));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(now(&mut wait, 30) && now(&mut wait, 0));
    }
}
