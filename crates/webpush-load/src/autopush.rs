//! Autopush agents.

use crate::body::{self, Stamp};
use crate::dial::{Dialer, Stream};
use crate::tally::Tally;
use crate::websocket::WebSocket;
use anyhow::{Context as _, ensure};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// An agent on its WebSocket.
pub struct Agent {
    socket: WebSocket,
    /// Its `uaid`.
    pub name: String,
}

/// The timing of an agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Pause after each message before the next read.
    pub rest: Duration,
    /// Delay from reading a message to its acknowledgement.
    pub delay: Duration,
}

impl Agent {
    /// Connects and says hello, as a new agent or as a returning one.
    ///
    /// # Errors
    /// If the response is unexpected.
    pub async fn hello(dialer: &Dialer, before: Option<&str>) -> anyhow::Result<Self> {
        let mut socket = WebSocket::open(dialer).await?;
        let name = before.map(|name| format!(r#""uaid":"{name}","#)).unwrap_or_default();
        socket
            .send(&format!(r#"{{"messageType":"hello",{name}"broadcasts":{{}},"use_webpush":true}}"#))
            .await?;
        let (said, name) = socket
            .next(|text| (text.contains(r#""messageType":"hello""#), member(text, "uaid").map(str::to_owned)))
            .await?;
        let name = name.filter(|_| said).context("hello was not answered by hello")?;
        ensure!(before.is_none_or(|before| before == name), "the server no longer knows an agent");
        Ok(Self { socket, name })
    }

    /// Registers a channel, and returns its push URL.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn register(&mut self, channel: &str) -> anyhow::Result<String> {
        self.registered(&format!(r#"{{"messageType":"register","channelID":"{channel}"}}"#)).await
    }

    /// Registers a channel for one sender only, whose public key is `key`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn register_for(&mut self, channel: &str, key: &str) -> anyhow::Result<String> {
        self.registered(&format!(r#"{{"messageType":"register","channelID":"{channel}","key":"{key}"}}"#))
            .await
    }

    async fn registered(&mut self, registration: &str) -> anyhow::Result<String> {
        self.socket.send(registration).await?;
        let endpoint = self.socket.next(|text| member(text, "pushEndpoint").map(str::to_owned)).await?;
        endpoint.filter(|endpoint| !endpoint.is_empty()).context("a channel was not registered")
    }

    /// Removes a channel.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn unregister(&mut self, channel: &str) -> anyhow::Result<()> {
        self.socket
            .send(&format!(r#"{{"messageType":"unregister","channelID":"{channel}","code":200}}"#))
            .await?;
        // Notifications that were on their way come first.
        while !self.socket.next(|text| text.contains(r#""messageType":"unregister""#)).await? {}
        Ok(())
    }

    /// Returns the next notification: its stamp, and the text that acknowledges it. Cancel safe.
    ///
    /// # Errors
    /// If the connection ends.
    pub async fn notification(&mut self) -> anyhow::Result<(Option<Stamp>, String)> {
        loop {
            if let Some(read) = self.socket.next(read).await? {
                return Ok(read);
            }
        }
    }

    /// Acknowledges a notification with the text that was returned with it.
    ///
    /// # Errors
    /// If the connection ends.
    pub async fn confirm(&mut self, acknowledgement: &str) -> anyhow::Result<()> {
        self.socket.send(acknowledgement).await
    }

    /// Receives messages endlessly, and acknowledges each in a frame and a write of its own, as clients do.
    ///
    /// # Errors
    /// If the connection ends.
    pub async fn listen(mut self, habits: Habits, tally: &Tally) -> anyhow::Result<()> {
        let mut late: VecDeque<(Instant, String)> = VecDeque::new();
        loop {
            let due = late.front().map(|(due, _)| *due);
            let acknowledgement = tokio::select! {
                acknowledgement = self.socket.next(|text| take(text, tally)) => acknowledgement?,
                () = until(due) => {
                    if let Some((_, acknowledgement)) = late.pop_front() {
                        self.acknowledge(&acknowledgement, tally).await?;
                    }
                    continue;
                }
            };
            let Some(acknowledgement) = acknowledgement else { continue };
            if habits.delay.is_zero() {
                self.acknowledge(&acknowledgement, tally).await?;
            } else {
                late.push_back((Instant::now() + habits.delay, acknowledgement));
            }
            if !habits.rest.is_zero() {
                tokio::time::sleep(habits.rest).await;
            }
        }
    }

    /// Stays connected until the server closes the connection.
    ///
    /// # Errors
    /// Always, in the end.
    pub async fn idle(mut self) -> anyhow::Result<()> {
        loop {
            self.socket.next(|_| ()).await?;
        }
    }

    /// Returns the connection itself, for an agent that misuses it.
    #[must_use]
    pub fn into_stream(self) -> Stream {
        self.socket.into_stream()
    }

    /// Disconnects cleanly.
    pub async fn leave(self) {
        self.socket.leave().await;
    }

    async fn acknowledge(&mut self, text: &str, tally: &Tally) -> anyhow::Result<()> {
        self.socket.send(text).await?;
        tally.acknowledged();
        Ok(())
    }
}

/// Counts a notification, and returns the acknowledgement. Ignores other messages.
fn take(text: &str, tally: &Tally) -> Option<String> {
    let (stamp, acknowledgement) = read(text)?;
    stamp.into_iter().for_each(|stamp| tally.received(stamp));
    Some(acknowledgement)
}

/// Returns the stamp of a notification, and its acknowledgement; `None` for other messages.
fn read(text: &str) -> Option<(Option<Stamp>, String)> {
    let (channel, version) = (member(text, "channelID")?, member(text, "version")?);
    let acknowledgement = format!(
        r#"{{"messageType":"ack","updates":[{{"channelID":"{channel}","version":"{version}","code":100}}]}}"#
    );
    Some((member(text, "data").and_then(body::stamp_of_base64), acknowledgement))
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Returns the text of a JSON member, written without spaces and escapes.
///
/// Parsing each message in full would cost the load more than the server.
pub(crate) fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let at = rest.find(name)?;
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        match after.strip_prefix("\":\"") {
            Some(value) if before.ends_with('"') => return value.split('"').next(),
            _ => rest = after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Beginning;

    #[test]
    fn members_are_found_by_their_whole_name() {
        let text =
            r#"{"messageType":"notification","channelID":"c","version":"v-1","data":"data","headers":{}}"#;
        assert_eq!(member(text, "channelID"), Some("c"));
        assert_eq!(member(text, "data"), Some("data"));
        assert_eq!(member(text, "ID"), None);
        assert_eq!(member(text, "headers"), None);
    }

    #[test]
    fn a_notification_is_counted_and_acknowledged() {
        let tally = Tally::new(Beginning::now());
        let mut body = Vec::new();
        body::write(&mut body, Stamp { number: 1, due: Duration::ZERO }, 16);
        let text = format!(r#"{{"channelID":"c","version":"v","data":"{}"}}"#, body::base64(&body));
        assert!(take(&text, &tally).unwrap().contains(r#"{"channelID":"c","version":"v","code":100}"#));
        assert_eq!(tally.latency().total(), 1);
        assert_eq!(take("{}", &tally), None);
    }
}
