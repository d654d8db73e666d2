//! Scenarios of agent and service.

mod any_order;

use super::*;
use crate::capability::KeyId;
use crate::capability::testing::RustCrypto;
use crate::id::{EntryRef, MessageId, Position};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const CHANNEL: &str = "c0ffee00-0123-4567-89ab-cdef01234567";

fn agent() -> InboxId {
    names::new_agent([7; 16])
}

fn keyring() -> Keyring {
    Keyring::new::<RustCrypto>(&[(KeyId(1), [1; 32])]).unwrap()
}

fn versions() -> Arc<Versions> {
    Arc::new(Versions::from([("news".to_owned(), "2".to_owned())]))
}

fn open() -> AutopushConnection {
    AutopushConnection::new(&AutopushTimeouts::default(), versions(), NOW)
}

fn live() -> AutopushConnection {
    let mut connection = open();
    say(&mut connection, r#"{"messageType":"hello"}"#);
    connection.handle(AutopushInput::Identified(agent()), NOW);
    commands(&mut connection);
    connection.handle(AutopushInput::Session(session::Input::Fetched(session::Page::default())), NOW);
    assert_eq!(commands(&mut connection), []);
    connection
}

fn say(connection: &mut AutopushConnection, text: &str) -> Vec<AutopushCommand> {
    connection.handle(AutopushInput::Text(text, &keyring()), NOW);
    commands(connection)
}

fn commands(connection: &mut AutopushConnection) -> Vec<AutopushCommand> {
    std::iter::from_fn(|| connection.next_command()).collect()
}

fn send(text: impl Into<String>) -> AutopushCommand {
    AutopushCommand::Action(Action::Send(Cow::Owned(text.into())))
}

fn entry(position: u64) -> EntryRef {
    EntryRef { inbox: agent(), position: Position::new(position), message: MessageId::from_bytes([9; 16]) }
}

fn ack(entry: EntryRef) -> String {
    let version = names::version(entry, KeyId(1), &keyring()).unwrap();
    format!(
        r#"{{"messageType":"ack","updates":[{{"channelID":"{CHANNEL}","version":"{version}","code":100}}]}}"#
    )
}

fn settle(entries: Vec<EntryRef>, durable: bool) -> AutopushCommand {
    AutopushCommand::Session(session::Command::Settle { entries, durable })
}

#[test]
fn the_reply_to_hello_precedes_the_inbox() {
    let mut connection = open();
    let hello = r#"{"messageType":"hello","uaid":"","broadcasts":{"news":"1","old":"1"},"use_webpush":true}"#;
    assert_eq!(say(&mut connection, hello), [AutopushCommand::Action(Action::Identify(None))]);
    connection.handle(AutopushInput::Identified(agent()), NOW);
    let uaid = names::uaid(agent());
    let reply = format!(
        r#"{{"messageType":"hello","uaid":"{uaid}","status":200,"use_webpush":true,"broadcasts":{{"errors":{{"old":"Broadcast not found"}},"news":"2"}}}}"#
    );
    let fetch = session::Command::Fetch { after: Position::START };
    assert_eq!(commands(&mut connection), [send(reply), AutopushCommand::Session(fetch)]);
}

#[test]
fn a_known_agent_is_identified_by_its_uaid() {
    let hello = format!(r#"{{"messageType":"hello","uaid":"{}"}}"#, names::uaid(agent()));
    assert_eq!(say(&mut open(), &hello), [AutopushCommand::Action(Action::Identify(Some(agent())))]);
}

#[test]
fn hello_must_be_the_first_message_and_the_only_one() {
    for text in [r#"{"messageType":"register","channelID":"x"}"#, r#"{"messageType":"ack","updates":[]}"#] {
        let close = Close::policy("hello must be the first message");
        assert_eq!(say(&mut open(), text), [AutopushCommand::Action(Action::Close(close))], "{text}");
    }
    assert_eq!(say(&mut open(), "{}"), [AutopushCommand::Action(Action::Send("{}".into()))]);
    let close = Close::policy("hello was already sent");
    assert_eq!(
        say(&mut live(), r#"{"messageType":"hello"}"#),
        [AutopushCommand::Action(Action::Close(close))]
    );
}

#[test]
fn malformed_messages_close_the_connection() {
    for text in ["", "[]", "nonsense", r#"{"messageType":"register"}"#] {
        let commands = say(&mut live(), text);
        assert!(
            matches!(&commands[..], [AutopushCommand::Action(Action::Close(Close { code: 1007, .. }))]),
            "{commands:?}"
        );
    }
}

#[test]
fn acknowledgements_settle_messages_in_any_order() {
    let mut connection = live();
    assert_eq!(say(&mut connection, &ack(entry(3))), [settle(vec![entry(3)], true)], "it may owe a receipt");
    let other = EntryRef { inbox: names::new_agent([8; 16]), ..entry(4) };
    assert_eq!(say(&mut connection, &ack(other)), [], "another agent");
    assert_eq!(say(&mut connection, &ack(entry(0))), [], "never stored");
    let unknown = r#"{"messageType":"ack","updates":[{"channelID":"x","version":"unknown"}]}"#;
    assert_eq!(say(&mut connection, unknown), []);
}

#[test]
fn acknowledgements_during_the_close_count() {
    let mut connection = live();
    connection.handle(AutopushInput::Superseded, NOW);
    assert!(matches!(
        &commands(&mut connection)[..],
        [AutopushCommand::Action(Action::Close(Close { code: 1000, .. }))]
    ));
    assert_eq!(say(&mut connection, &ack(entry(3))), [settle(vec![entry(3)], true)]);
    assert_eq!(say(&mut connection, "{}"), []);
    assert_eq!(connection.next_deadline(), None);
}

#[test]
fn replies_to_register_repeat_the_channel_id() {
    let mut connection = live();
    let text = CHANNEL.to_uppercase();
    let channel = ChannelName::parse(text.clone()).unwrap();
    let registered =
        say(&mut connection, &format!(r#"{{"messageType":"register","channelID":"{text}","key":"BN="}}"#));
    let command = AutopushCommand::Action(Action::Register {
        agent: agent(),
        channel: channel.clone(),
        key: Some("BN=".into()),
    });
    assert_eq!(registered, [command]);
    let endpoint = Registration::Endpoint("https://push.example/push/x".into());
    connection.handle(AutopushInput::Registered(channel.clone(), endpoint), NOW);
    let reply = format!(
        r#"{{"messageType":"register","channelID":"{text}","status":200,"pushEndpoint":"https://push.example/push/x"}}"#
    );
    assert_eq!(commands(&mut connection), [send(reply)]);
    let refused = Registration::Refused { status: 429, reason: "Too many".into() };
    connection.handle(AutopushInput::Registered(channel, refused), NOW);
    let reply = format!(
        r#"{{"messageType":"register","channelID":"{text}","status":429,"pushEndpoint":"","error":"Too many"}}"#
    );
    assert_eq!(commands(&mut connection), [send(reply)]);
    let bad = r#"{"messageType":"register","channelID":"\"é"}"#;
    let reply = r#"{"messageType":"register","channelID":"\"é","status":400,"pushEndpoint":"","error":"channelID must be a UUID"}"#;
    assert_eq!(say(&mut connection, bad), [send(reply)]);
}

#[test]
fn unregister_succeeds_for_unknown_channels() {
    let mut connection = live();
    let channel = ChannelName::parse(CHANNEL.to_owned()).unwrap();
    let text = format!(r#"{{"messageType":"unregister","channelID":"{CHANNEL}","code":200}}"#);
    let command = AutopushCommand::Action(Action::Unregister { agent: agent(), channel: channel.clone() });
    assert_eq!(say(&mut connection, &text), [command]);
    connection.handle(AutopushInput::Unregistered(channel, 200), NOW);
    let reply = format!(r#"{{"messageType":"unregister","channelID":"{CHANNEL}","status":200}}"#);
    assert_eq!(commands(&mut connection), [send(reply)]);
    let reply = r#"{"messageType":"unregister","channelID":"x","status":200}"#;
    assert_eq!(say(&mut connection, r#"{"messageType":"unregister","channelID":"x"}"#), [send(reply)]);
}

#[test]
fn broadcasts_are_sent_when_they_change() {
    let mut connection = live();
    let subscribe = r#"{"messageType":"broadcast_subscribe","broadcasts":{"news":"1"}}"#;
    let update =
        |version: u8| send(format!(r#"{{"messageType":"broadcast","broadcasts":{{"news":"{version}"}}}}"#));
    assert_eq!(say(&mut connection, subscribe), [update(2)]);
    let changed = Arc::new(Versions::from([("news".to_owned(), "3".to_owned())]));
    connection.handle(AutopushInput::Broadcasts(Arc::clone(&changed)), NOW);
    assert_eq!(commands(&mut connection), [update(3)]);
    connection.handle(AutopushInput::Broadcasts(changed), NOW);
    assert_eq!(commands(&mut connection), []);
}

#[test]
fn an_agent_raises_and_lowers_its_minimum_urgency() {
    let mut connection = live();
    let urgency = |min| format!(r#"{{"messageType":"urgency","min":"{min}"}}"#);
    let reply = |status: u16| send(format!(r#"{{"messageType":"urgency","status":{status}}}"#));
    assert_eq!(say(&mut connection, &urgency("high")), [reply(200)]);
    assert_eq!(connection.scope().unwrap().min_urgency, Urgency::High);
    let fetch = AutopushCommand::Session(session::Command::Fetch { after: Position::START });
    assert_eq!(say(&mut connection, &urgency("low")), [reply(200), fetch], "excluded messages are fetched");
    assert_eq!(say(&mut connection, &urgency("loud")), [reply(400)]);
}

#[test]
fn a_connection_without_hello_is_closed() {
    let mut connection = open();
    let until = connection.next_deadline().unwrap();
    assert_eq!(until, NOW.after(AutopushTimeouts::default().hello));
    connection.handle(AutopushInput::Deadline, until);
    assert_eq!(
        commands(&mut connection),
        [AutopushCommand::Action(Action::Close(Close::policy("hello was not received in time")))]
    );
}

#[test]
fn a_silent_agent_is_pinged_and_closed() {
    let mut connection = live();
    let ping = connection.next_deadline().unwrap();
    connection.handle(AutopushInput::Deadline, ping);
    assert_eq!(commands(&mut connection), [AutopushCommand::Action(Action::Ping)]);
    let timeout = connection.next_deadline().unwrap();
    connection.handle(AutopushInput::Deadline, timeout);
    assert_eq!(
        commands(&mut connection),
        [AutopushCommand::Action(Action::Close(Close::policy("the ping was not answered in time")))]
    );
}

#[test]
fn draining_closes_at_the_given_time() {
    let mut connection = live();
    let at = NOW.after(Duration::from_secs(3));
    connection.handle(AutopushInput::Draining(at), NOW);
    assert_eq!((commands(&mut connection), connection.next_deadline()), (vec![], Some(at)));
    connection.handle(AutopushInput::Deadline, at);
    assert!(matches!(
        &commands(&mut connection)[..],
        [AutopushCommand::Action(Action::Close(Close { code: 1001, .. }))]
    ));
}

/// A service may have very many idle connections. Sizes are for 64-bit targets.
#[test]
fn an_idle_connection_is_small() {
    let (connection, session) = (size_of_val(&live()), size_of::<Session>());
    assert!(connection <= 104 && session <= 224, "{connection} and {session} bytes");
}
