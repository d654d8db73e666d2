use super::*;

const RECEIPTS: usize = 0;

fn spec(topic: Option<&str>) -> MessageSpec {
    MessageSpec {
        inbox: 0,
        push: "/push/p".to_owned(),
        topic: topic.map(str::to_owned),
        ttl: None,
        receipts: Some(RECEIPTS),
        length: 40,
    }
}

fn path(number: usize) -> String {
    format!("/message/{number}")
}

fn send(history: &mut History, topic: Option<&str>) -> usize {
    let number = history.send(spec(topic));
    history.accepted(number, path(number));
    number
}

fn delivery(number: usize) -> Delivery {
    Delivery { path: path(number), body: body(number, 40) }
}

fn read(history: &mut History, numbers: &[usize]) {
    let began = history.begin_read();
    let deliveries: Vec<_> = numbers.iter().map(|number| delivery(*number)).collect();
    history.read(0, began, &deliveries, ReadKind::Quiet);
}

fn promises(history: &History) -> Vec<Promise> {
    history.violations.iter().map(|violation| violation.0).collect()
}

#[test]
fn an_accepted_message_must_be_there() {
    let mut history = History::default();
    let [first, second] = [send(&mut history, None), send(&mut history, None)];
    read(&mut history, &[first, second]);
    assert_eq!(promises(&history), []);
    read(&mut history, &[second]);
    assert_eq!(promises(&history), [Promise::Lost]);
}

#[test]
fn a_message_without_a_response_may_be_there_but_not_come_and_go() {
    let mut history = History::default();
    let [stored, other] = [history.send(spec(None)), history.send(spec(None))];
    read(&mut history, &[stored]);
    read(&mut history, &[stored]);
    assert_eq!(promises(&history), []);
    read(&mut history, &[other]);
    assert_eq!(promises(&history), [Promise::Returned, Promise::Lost]);
}

#[test]
fn an_acknowledged_message_must_not_come_back() {
    let mut history = History::default();
    let message = send(&mut history, None);
    history.acknowledge(&path(message));
    history.acknowledged(&path(message), 204);
    read(&mut history, &[]);
    assert_eq!(promises(&history), []);
    read(&mut history, &[message]);
    assert_eq!(promises(&history), [Promise::Returned]);
}

#[test]
fn an_acknowledgement_without_a_response_is_settled_by_a_read() {
    for is_there in [true, false] {
        let mut history = History::default();
        let message = send(&mut history, None);
        history.acknowledge(&path(message));
        let content: &[usize] = if is_there { &[message] } else { &[] };
        let other: &[usize] = if is_there { &[] } else { &[message] };
        read(&mut history, content);
        assert_eq!(promises(&history), []);
        read(&mut history, other);
        assert_eq!(promises(&history), [if is_there { Promise::Lost } else { Promise::Returned }]);
    }
}

#[test]
fn a_topic_replaces_the_earlier_message() {
    let mut history = History::default();
    let old = send(&mut history, Some("t"));
    let new = send(&mut history, Some("t"));
    read(&mut history, &[new]);
    assert_eq!(promises(&history), []);
    read(&mut history, &[old, new]);
    assert_eq!(promises(&history), [Promise::Returned]);
}

#[test]
fn a_replacement_without_a_response_leaves_one_of_both() {
    for survivor in [0, 1] {
        let mut history = History::default();
        send(&mut history, Some("t"));
        history.send(spec(Some("t")));
        read(&mut history, &[survivor]);
        assert_eq!(promises(&history), []);
        read(&mut history, &[]);
        assert_eq!(promises(&history), [Promise::Lost]);
    }
}

#[test]
fn order_is_that_of_acceptance() {
    let mut history = History::default();
    let first = send(&mut history, None);
    let [second, third] = [history.send(spec(None)), history.send(spec(None))];
    history.accepted(third, path(third));
    history.accepted(second, path(second));
    read(&mut history, &[first, third, second]);
    read(&mut history, &[first, second, third]);
    assert_eq!(promises(&history), [], "these two were under way at the same time");
    read(&mut history, &[second, first, third]);
    assert_eq!(promises(&history), [Promise::Order]);
}

#[test]
fn a_changed_body_is_noticed() {
    let mut history = History::default();
    let message = send(&mut history, None);
    let began = history.begin_read();
    let mut changed = delivery(message);
    changed.body[20] ^= 1;
    history.read(0, began, &[changed], ReadKind::Complete);
    assert_eq!(promises(&history), [Promise::Body, Promise::Lost]);
}

#[test]
fn a_refusal_for_a_subscription_that_exists_is_a_loss() {
    let mut history = History::default();
    let message = history.send(spec(None));
    history.refused(message, 404);
    assert_eq!(promises(&history), [Promise::Lost]);
}

#[test]
fn receipts_follow_acknowledgements_until_they_are_acknowledged() {
    let mut history = History::default();
    let [settled, pending] = [send(&mut history, None), send(&mut history, None)];
    let receipt = |number| ReceiptEvent { path: "/r".to_owned(), message: path(number), status: 204 };
    history.acknowledge(&path(settled));
    history.acknowledged(&path(settled), 204);
    history.read_receipts(RECEIPTS, &[receipt(settled)], true);
    assert_eq!(promises(&history), []);
    history.read_receipts(RECEIPTS, &[receipt(settled), receipt(pending)], true);
    assert_eq!(promises(&history), [Promise::Receipt], "one is not acknowledged");
    history.acknowledge_receipt(&receipt(settled), None);
    history.acknowledge_receipt(&receipt(settled), Some(204));
    history.read_receipts(RECEIPTS, &[receipt(settled)], true);
    assert_eq!(promises(&history), [Promise::Receipt; 2], "it came back");
}

#[test]
fn a_missing_receipt_is_noticed() {
    let mut history = History::default();
    let message = send(&mut history, None);
    history.acknowledge(&path(message));
    read(&mut history, &[]);
    history.read_receipts(RECEIPTS, &[], true);
    assert_eq!(promises(&history), [Promise::Receipt]);
}

#[test]
fn a_partial_read_proves_no_loss() {
    let mut history = History::default();
    send(&mut history, None);
    let began = history.begin_read();
    history.read(0, began, &[], ReadKind::Partial);
    assert_eq!(promises(&history), []);
    history.read(0, began, &[], ReadKind::Complete);
    assert_eq!(promises(&history), [Promise::Lost]);
}
