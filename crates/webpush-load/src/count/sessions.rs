//! A message and its agent, from the wakeup of the session to the settlement, without a socket.

use super::samples::{self, CHANNEL, KEY, MASK, NOW, ORIGIN, SCOPE};
use anyhow::{Context as _, bail, ensure};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use webpush_core::capability::Capability;
use webpush_core::protocol::autopush::{
    Action, AutopushCommand, AutopushConnection, AutopushInput, AutopushTimeouts, Versions, names, reply,
};
use webpush_core::protocol::server_push;
use webpush_core::session::{self, Page, Session, WaitMode};
use webpush_core::subscription::Protocol;
use webpush_core::websocket::{WebSocketMessage, WebSocketReader, client, write};

const PATIENCE: Duration = Duration::from_secs(60);

/// Wakes the session, promises and pushes the message, and reads the message of its DELETE.
///
/// # Errors
/// If the session issues an unexpected command.
pub fn rfc8030(times: u32) -> anyhow::Result<()> {
    let keyring = samples::keyring()?;
    let subscription = samples::subscription(Protocol::Rfc8030);
    let mut session = Session::new(SCOPE, WaitMode::Indefinite, Some(PATIENCE));
    ensure!(matches!(session.next_command(), Some(session::Command::Fetch { .. })), "it begins with a fetch");
    session.handle(session::Input::Fetched(Page::default()), NOW);
    for number in 1..=times {
        session.handle(session::Input::Update(samples::woken(number)), NOW);
        let Some(session::Command::Deliver(entry)) = session.next_command() else {
            bail!("message {number} is not delivered");
        };
        let pushed = server_push::push_promise(&entry, Some(&subscription), &keyring, ORIGIN, NOW)
            .context("no promise")?;
        let pushed = black_box(pushed);
        session.handle(session::Input::Sent { confirmed: false }, NOW);
        ensure!(session.next_command().is_none(), "it is for its agent to acknowledge");
        let acknowledged = keyring.open(&pushed.path);
        ensure!(acknowledged == Some(Capability::Message(entry.entry_ref())), "it is another message");
    }
    Ok(())
}

/// Wakes the session, frames the message, and reads its acknowledgement from a frame.
///
/// # Errors
/// If the session issues an unexpected command.
pub fn autopush(times: u32) -> anyhow::Result<()> {
    let keyring = samples::keyring()?;
    let mut connection =
        AutopushConnection::new(&AutopushTimeouts::default(), Arc::new(Versions::default()), NOW);
    connection.handle(AutopushInput::Text(r#"{"messageType":"hello","use_webpush":true}"#, &keyring), NOW);
    ensure!(
        matches!(connection.next_command(), Some(AutopushCommand::Action(Action::Identify(None)))),
        "it asks who that is"
    );
    connection.handle(AutopushInput::Identified(SCOPE.inbox), NOW);
    ensure!(
        matches!(connection.next_command(), Some(AutopushCommand::Action(Action::Send(_)))),
        "it says hello"
    );
    let fetch = connection.next_command();
    ensure!(
        matches!(fetch, Some(AutopushCommand::Session(session::Command::Fetch { .. }))),
        "it begins with a fetch"
    );
    connection.handle(AutopushInput::Session(session::Input::Fetched(Page::default())), NOW);

    let (mut reader, mut acknowledgement, mut frame) =
        (WebSocketReader::default(), String::new(), Vec::new());
    for number in 1..=times {
        connection.handle(AutopushInput::Session(session::Input::Update(samples::woken(number))), NOW);
        let deliver = connection.next_command();
        let Some(AutopushCommand::Session(session::Command::Deliver(entry))) = deliver else {
            bail!("message {number} is not delivered");
        };
        let message = entry.message().context("it is no message")?;
        let version = names::version(entry.entry_ref(), KEY, &keyring).context("it has no version")?;
        let mut out = Vec::new();
        write::text(&mut out, &reply::notification(message, CHANNEL, &version));
        black_box(&out);
        connection.handle(AutopushInput::Session(session::Input::Sent { confirmed: false }), NOW);
        ensure!(connection.next_command().is_none(), "it is for its agent to acknowledge");

        // The agent's part, which allocates only the first time.
        acknowledgement.clear();
        frame.clear();
        let begin = r#"{"messageType":"ack","updates":[{"channelID":"#;
        let channel = "c4c4c4c4-c4c4-c4c4-c4c4-c4c4c4c4c4c4";
        write!(acknowledgement, r#"{begin}"{channel}","version":"{version}"}}]}}"#)?;
        client::text(&mut frame, &acknowledgement, MASK);

        reader.feed(&frame);
        let Ok(Some(WebSocketMessage::Text(text))) = reader.next() else { bail!("no message in the frame") };
        connection.handle(AutopushInput::Text(text, &keyring), NOW);
        let settle = connection.next_command();
        let Some(AutopushCommand::Session(session::Command::Settle { entries, .. })) = settle else {
            bail!("message {number} is not settled");
        };
        ensure!(entries == [entry.entry_ref()], "it is another message");
    }
    Ok(())
}
