//! Entries without acknowledgements are settled once the transport confirms them.

use super::*;
use crate::receipt::{Receipt, ReceiptStatus};

#[test]
fn r8030_6_3_c_receipts_are_settled_when_they_were_taken_and_only_then() {
    let receipt = |position| Receipt {
        inbox: inbox(),
        position: Position::new(position),
        about: entry(7).entry_ref(),
        key: KeyId(1),
        status: ReceiptStatus::Acknowledged,
    };
    let mut session = Session::new(scope(), WaitMode::UntilEmpty, None);
    commands(&mut session);
    let entries = [1, 2, 3].map(|position| Entry::Receipt(receipt(position))).to_vec();
    session.handle(Input::Fetched(Page { entries, scanned: Position::new(3), more: false }), NOW);
    assert_eq!(commands(&mut session).len(), 3);
    session.handle(Input::Sent { confirmed: true }, NOW);
    session.handle(Input::Sent { confirmed: false }, NOW);
    assert_eq!(commands(&mut session), []);
    session.handle(Input::Sent { confirmed: true }, NOW);
    let settled = vec![receipt(1).entry_ref(), receipt(3).entry_ref()];
    assert_eq!(
        commands(&mut session),
        [Command::Settle { entries: settled, durable: true }, Command::Finish(End::Complete)]
    );
}

#[test]
fn d1_ack_a_a_message_that_was_read_is_settled_and_others_of_the_inbox_are_not() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Fetched(page(&[1, 2, 3], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[1, 2, 3]));
    for confirmed in [true, false, true] {
        session.handle(Input::Sent { confirmed }, NOW);
    }
    let settled = [1, 3].map(|position| entry(position).entry_ref()).to_vec();
    assert_eq!(commands(&mut session), [Command::Settle { entries: settled, durable: true }]);
    let live = live();
    session.handle(Input::Update(InboxUpdate { live: vec![live.clone()], ..InboxUpdate::default() }), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(live)]);
    session.handle(Input::Sent { confirmed: true }, NOW);
    assert_eq!(commands(&mut session), [], "a message that was never stored cannot be settled");
}
