use super::*;
use bytes::Bytes;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, Position, SubscriptionId};
use webpush_core::subscription::ProtocolKind;
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;

/// Returns an ID that differs by `number`, but always belongs to the same set.
fn id(number: u8) -> MessageId {
    let mut bytes = [7; 16];
    (bytes[0], bytes[8]) = (number, number);
    MessageId::from_bytes(bytes)
}

fn message(number: u8) -> Draft {
    Draft {
        id: id(number),
        agent: InboxId::from_bytes([number; 16]),
        subscription: SubscriptionId::from_bytes([2; 16]),
        accepted: Timestamp::from_millis(1000),
        expires: Timestamp::from_millis(61_000),
        urgency: Urgency::Low,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::new(),
    }
}

fn traces(messages: usize) -> Traces {
    Traces::new(TraceConfig { messages, ..TraceConfig::default() }, system::env())
}

#[test]
fn every_stage_is_recorded_and_the_first_time_counts() {
    let traces = traces(64);
    traces.begin(&message(1), ProtocolKind::Autopush);
    traces.record_stored(&message(1).into_message(Position::new(9)));
    for stage in [Stage::Notified, Stage::Written, Stage::Written, Stage::Acknowledged] {
        traces.record(id(1), stage);
    }
    let first = traces.find(id(1)).unwrap().at(Stage::Written);
    traces.record(id(1), Stage::Written);
    traces.record_nack(id(1), 301);
    traces.record_end(id(1), Outcome::Delivered);
    traces.record_end(id(1), Outcome::Expired);
    let trace = traces.find(id(1)).unwrap();
    let times: Vec<_> = STAGES.into_iter().filter_map(|stage| trace.at(stage)).collect();
    assert!(times.is_sorted() && times.len() == STAGES.len() - 1 && trace.at(Stage::Offered).is_none());
    assert_eq!(trace.at(Stage::Written), first);
    assert_eq!((trace.written, trace.code, trace.outcome), (3, Some(301), Some(Outcome::Delivered)));
    assert_eq!(trace.accepted_at, Timestamp::from_millis(1000));
    assert_eq!(
        (trace.protocol, trace.urgency, trace.is_now_or_never),
        (ProtocolKind::Autopush, Urgency::Low, false)
    );
    assert_eq!(trace.entry, message(1).into_message(Position::new(9)).entry_ref());
}

#[test]
fn the_oldest_trace_is_replaced_and_later_stages_of_it_are_ignored() {
    let traces = traces(8);
    (0..9).for_each(|number| traces.begin(&message(number), ProtocolKind::Rfc8030));
    assert!(traces.find(id(0)).is_none());
    traces.record(id(0), Stage::Written);
    traces.record_end(id(0), Outcome::Dropped);
    let kept: Vec<_> = traces.iter().collect();
    assert_eq!(kept.len(), 8);
    assert!(kept.iter().all(|trace| trace.written == 0 && trace.outcome.is_none()));
    // A new trace inherits nothing from the one it replaces.
    traces.record(id(1), Stage::Written);
    traces.begin(&message(9), ProtocolKind::Rfc8030);
    let trace = traces.find(id(9)).unwrap();
    assert_eq!((trace.at(Stage::Written), trace.written), (None, 0));
}

#[test]
fn disabled_and_expired_traces_are_not_found() {
    for config in [
        TraceConfig { keep: Duration::ZERO, ..TraceConfig::default() },
        TraceConfig { messages: 0, ..TraceConfig::default() },
        TraceConfig { keep: Duration::from_nanos(1), ..TraceConfig::default() },
    ] {
        let traces = Traces::new(config, system::env());
        traces.begin(&message(1), ProtocolKind::Rfc8030);
        traces.record(id(1), Stage::Notified);
        assert!(traces.find(id(1)).is_none() && traces.iter().next().is_none(), "{config:?}");
    }
    assert!(Traces::disabled().keep().is_none());
}

#[test]
fn the_slowest_agents_come_first_and_unacknowledged_messages_count() {
    let traces = traces(64);
    for number in [1, 2, 3] {
        traces.begin(&message(number), ProtocolKind::Rfc8030);
        traces.record(id(number), Stage::Written);
    }
    traces.record(id(2), Stage::Acknowledged);
    // An expired message says nothing about its agent.
    traces.record_end(id(3), Outcome::Expired);
    let slowest = traces.slowest(8);
    let agents: Vec<_> =
        slowest.iter().map(|(agent, latency)| (agent.as_bytes()[0], latency.waiting)).collect();
    assert_eq!(agents, [(1, 1), (2, 0)]);
    assert_eq!(traces.slowest(1).len(), 1);
}

#[test]
fn concurrent_writers_leave_consistent_traces() {
    let traces = traces(16);
    std::thread::scope(|threads| {
        for thread in 0..4_u8 {
            let traces = &traces;
            threads.spawn(move || {
                for round in 0..2_000_u16 {
                    let number = thread * 60 + u8::try_from(round % 60).unwrap();
                    traces.begin(&message(number), ProtocolKind::Rfc8030);
                    traces.record(id(number), Stage::Written);
                    for trace in traces.iter() {
                        assert_eq!(trace.entry.inbox.as_bytes()[0], trace.entry.message.as_bytes()[0]);
                    }
                }
            });
        }
    });
    assert!(traces.iter().count() > 0);
}
