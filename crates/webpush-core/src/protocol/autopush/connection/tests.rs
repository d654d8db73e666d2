//! Dialogues as the agent and the service have them.

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

fn opened() -> AutopushConnection {
    AutopushConnection::new(&AutopushTimeouts::default(), versions(), NOW)
}

fn live() -> AutopushConnection {
    let mut dialogue = opened();
    say(&mut dialogue, r#"{"messageType":"hello"}"#);
    dialogue.handle(Input::Identified(agent()), NOW);
    commands(&mut dialogue);
    dialogue.handle(Input::Session(session::Input::Fetched(session::Page::default())), NOW);
    assert_eq!(commands(&mut dialogue), []);
    dialogue
}

fn say(dialogue: &mut AutopushConnection, text: &str) -> Vec<Command> {
    dialogue.handle(Input::Text(text, &keyring()), NOW);
    commands(dialogue)
}

fn commands(dialogue: &mut AutopushConnection) -> Vec<Command> {
    std::iter::from_fn(|| dialogue.next_command()).collect()
}

fn send(text: impl Into<String>) -> Command {
    Command::Action(Action::Send(Cow::Owned(text.into())))
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

fn settle(entries: Vec<EntryRef>, durable: bool) -> Command {
    Command::Session(session::Command::Settle { entries, durable })
}

#[test]
fn hello_is_answered_before_the_inbox_is_read() {
    let mut dialogue = opened();
    let hello = r#"{"messageType":"hello","uaid":"","broadcasts":{"news":"1","old":"1"},"use_webpush":true}"#;
    assert_eq!(say(&mut dialogue, hello), [Command::Action(Action::Identify(None))]);
    dialogue.handle(Input::Identified(agent()), NOW);
    let uaid = names::uaid(agent());
    let reply = format!(
        r#"{{"messageType":"hello","uaid":"{uaid}","status":200,"use_webpush":true,"broadcasts":{{"errors":{{"old":"Broadcast not found"}},"news":"2"}}}}"#
    );
    let fetch = session::Command::Fetch { after: Position::START };
    assert_eq!(commands(&mut dialogue), [send(reply), Command::Session(fetch)]);
}

#[test]
fn a_known_agent_says_who_it_is() {
    let hello = format!(r#"{{"messageType":"hello","uaid":"{}"}}"#, names::uaid(agent()));
    assert_eq!(say(&mut opened(), &hello), [Command::Action(Action::Identify(Some(agent())))]);
}

#[test]
fn anything_but_hello_first_is_refused_and_said_why() {
    for text in [r#"{"messageType":"register","channelID":"x"}"#, r#"{"messageType":"ack","updates":[]}"#] {
        let close = Close::policy("hello must be the first message");
        assert_eq!(say(&mut opened(), text), [Command::Action(Action::Close(close))], "{text}");
    }
    assert_eq!(say(&mut opened(), "{}"), [Command::Action(Action::Send("{}".into()))]);
    let close = Close::policy("hello has been said before");
    assert_eq!(say(&mut live(), r#"{"messageType":"hello"}"#), [Command::Action(Action::Close(close))]);
}

#[test]
fn what_is_not_json_closes_with_the_reason() {
    for text in ["", "[]", "nonsense", r#"{"messageType":"register"}"#] {
        let commands = say(&mut live(), text);
        assert!(
            matches!(&commands[..], [Command::Action(Action::Close(Close { code: 1007, .. }))]),
            "{commands:?}"
        );
    }
}

#[test]
fn acknowledgements_settle_one_by_one_in_any_order() {
    let mut dialogue = live();
    assert_eq!(say(&mut dialogue, &ack(entry(3))), [settle(vec![entry(3)], true)], "it may owe a receipt");
    let other = EntryRef { inbox: names::new_agent([8; 16]), ..entry(4) };
    assert_eq!(say(&mut dialogue, &ack(other)), [], "of another agent");
    assert_eq!(say(&mut dialogue, &ack(entry(0))), [], "never stored");
    let unknown = r#"{"messageType":"ack","updates":[{"channelID":"x","version":"unknown"}]}"#;
    assert_eq!(say(&mut dialogue, unknown), []);
}

#[test]
fn what_is_acknowledged_on_the_way_out_still_counts() {
    let mut dialogue = live();
    dialogue.handle(Input::Superseded, NOW);
    assert!(matches!(
        &commands(&mut dialogue)[..],
        [Command::Action(Action::Close(Close { code: 1000, .. }))]
    ));
    assert_eq!(say(&mut dialogue, &ack(entry(3))), [settle(vec![entry(3)], true)]);
    assert_eq!(say(&mut dialogue, "{}"), []);
    assert_eq!(dialogue.next_deadline(), None);
}

#[test]
fn a_registration_is_answered_under_the_name_it_was_asked_for() {
    let mut dialogue = live();
    let text = CHANNEL.to_uppercase();
    let channel = ChannelName::parse(text.clone()).unwrap();
    let asked =
        say(&mut dialogue, &format!(r#"{{"messageType":"register","channelID":"{text}","key":"BN="}}"#));
    let command = Command::Action(Action::Register {
        agent: agent(),
        channel: channel.clone(),
        key: Some("BN=".into()),
    });
    assert_eq!(asked, [command]);
    let endpoint = Registration::Endpoint("https://push.example/push/x".into());
    dialogue.handle(Input::Registered(channel.clone(), endpoint), NOW);
    let reply = format!(
        r#"{{"messageType":"register","channelID":"{text}","status":200,"pushEndpoint":"https://push.example/push/x"}}"#
    );
    assert_eq!(commands(&mut dialogue), [send(reply)]);
    let refused = Registration::Refused { status: 429, why: "Too many".into() };
    dialogue.handle(Input::Registered(channel, refused), NOW);
    let reply = format!(
        r#"{{"messageType":"register","channelID":"{text}","status":429,"pushEndpoint":"","error":"Too many"}}"#
    );
    assert_eq!(commands(&mut dialogue), [send(reply)]);
    let bad = r#"{"messageType":"register","channelID":"\"é"}"#;
    let reply = r#"{"messageType":"register","channelID":"\"é","status":400,"pushEndpoint":"","error":"channelID must be a UUID"}"#;
    assert_eq!(say(&mut dialogue, bad), [send(reply)]);
}

#[test]
fn unregistering_is_answered_also_for_what_is_not_there() {
    let mut dialogue = live();
    let channel = ChannelName::parse(CHANNEL.to_owned()).unwrap();
    let text = format!(r#"{{"messageType":"unregister","channelID":"{CHANNEL}","code":200}}"#);
    let command = Command::Action(Action::Unregister { agent: agent(), channel: channel.clone() });
    assert_eq!(say(&mut dialogue, &text), [command]);
    dialogue.handle(Input::Unregistered(channel, 200), NOW);
    let reply = format!(r#"{{"messageType":"unregister","channelID":"{CHANNEL}","status":200}}"#);
    assert_eq!(commands(&mut dialogue), [send(reply)]);
    let reply = r#"{"messageType":"unregister","channelID":"x","status":200}"#;
    assert_eq!(say(&mut dialogue, r#"{"messageType":"unregister","channelID":"x"}"#), [send(reply)]);
}

#[test]
fn broadcasts_are_told_when_they_change() {
    let mut dialogue = live();
    let subscribe = r#"{"messageType":"broadcast_subscribe","broadcasts":{"news":"1"}}"#;
    let told =
        |version: u8| send(format!(r#"{{"messageType":"broadcast","broadcasts":{{"news":"{version}"}}}}"#));
    assert_eq!(say(&mut dialogue, subscribe), [told(2)]);
    let changed = Arc::new(Versions::from([("news".to_owned(), "3".to_owned())]));
    dialogue.handle(Input::Broadcasts(Arc::clone(&changed)), NOW);
    assert_eq!(commands(&mut dialogue), [told(3)]);
    dialogue.handle(Input::Broadcasts(changed), NOW);
    assert_eq!(commands(&mut dialogue), []);
}

#[test]
fn an_agent_raises_and_lowers_what_it_takes() {
    let mut dialogue = live();
    let urgency = |min| format!(r#"{{"messageType":"urgency","min":"{min}"}}"#);
    let reply = |status: u16| send(format!(r#"{{"messageType":"urgency","status":{status}}}"#));
    assert_eq!(say(&mut dialogue, &urgency("high")), [reply(200)]);
    assert_eq!(dialogue.scope().unwrap().min_urgency, Urgency::High);
    let fetch = Command::Session(session::Command::Fetch { after: Position::START });
    assert_eq!(
        say(&mut dialogue, &urgency("low")),
        [reply(200), fetch],
        "what was passed over is looked for"
    );
    assert_eq!(say(&mut dialogue, &urgency("loud")), [reply(400)]);
}

#[test]
fn an_agent_that_says_no_hello_is_sent_away() {
    let mut dialogue = opened();
    let until = dialogue.next_deadline().unwrap();
    assert_eq!(until, NOW.after(AutopushTimeouts::default().hello));
    dialogue.handle(Input::Deadline, until);
    assert_eq!(
        commands(&mut dialogue),
        [Command::Action(Action::Close(Close::policy("no hello came in time")))]
    );
}

#[test]
fn a_silent_agent_is_pinged_and_given_up() {
    let mut dialogue = live();
    let ping = dialogue.next_deadline().unwrap();
    dialogue.handle(Input::Deadline, ping);
    assert_eq!(commands(&mut dialogue), [Command::Action(Action::Ping)]);
    let given_up = dialogue.next_deadline().unwrap();
    dialogue.handle(Input::Deadline, given_up);
    assert_eq!(
        commands(&mut dialogue),
        [Command::Action(Action::Close(Close::policy("no answer to a ping came in time")))]
    );
}

#[test]
fn a_stop_closes_at_the_given_time() {
    let mut dialogue = live();
    let at = NOW.after(Duration::from_secs(3));
    dialogue.handle(Input::Draining(at), NOW);
    assert_eq!((commands(&mut dialogue), dialogue.next_deadline()), (vec![], Some(at)));
    dialogue.handle(Input::Deadline, at);
    assert!(matches!(
        &commands(&mut dialogue)[..],
        [Command::Action(Action::Close(Close { code: 1001, .. }))]
    ));
}

/// There may be very many of them. On machines with 64 bits.
#[test]
fn an_idle_agent_takes_little() {
    let (dialogue, session) = (size_of_val(&live()), size_of::<Session>());
    assert!(dialogue <= 104 && session <= 240, "{dialogue} and {session} bytes");
}
