use super::*;
use crate::sealing_cipher::Aes256GcmSiv;
use proptest::prelude::*;
use webpush_core::capability::KeyId;

fn names(keys: &[(KeyId, [u8; 32])]) -> LogIds {
    LogIds::new(&Keyring::new::<Aes256GcmSiv>(keys).unwrap())
}

fn parsed(log_id: LogId) -> LogId {
    log_id.to_string().parse().unwrap()
}

proptest! {
    #[test]
    fn a_log_id_decrypts_to_its_id(bytes: [u8; 16], key: [u8; 32]) {
        let names = names(&[(KeyId(1), key)]);
        let inbox = InboxId::from_bytes(bytes);
        prop_assert_eq!(names.inbox_id(parsed(names.inbox(inbox))), inbox);
        let subscription = SubscriptionId::from_bytes(bytes);
        prop_assert_eq!(names.subscription_id(parsed(names.subscription(subscription))), subscription);
        let message = MessageId::from_bytes(bytes);
        prop_assert_eq!(names.message_id(parsed(names.message(message))), message);
    }

    #[test]
    fn every_log_id_belongs_to_one_id(bytes: [u8; 16]) {
        let (names, log_id) = (names(&[(KeyId(1), [1; 32])]), LogId(bytes));
        prop_assert_eq!(names.inbox(names.inbox_id(log_id)), log_id);
    }
}

#[test]
fn a_log_id_survives_a_rotation_and_differs_with_other_keys() {
    let (old, new) = ((KeyId(1), [1; 32]), (KeyId(2), [2; 32]));
    let id = InboxId::from_bytes([7; 16]);
    let log_id = names(&[old]).inbox(id);
    assert_eq!(names(&[old, new]).inbox(id), log_id);
    assert_eq!(names(&[old, new]).inbox_id(log_id), id);
    assert_ne!(names(&[new]).inbox(id), log_id);
    assert_ne!(names(&[new]).inbox_id(log_id), id);
    assert_ne!(names(&[old]).inbox(InboxId::from_bytes([8; 16])), log_id);
}

#[test]
fn a_log_id_hides_the_id_and_differs_by_kind() {
    let (names, bytes) = (names(&[(KeyId(1), [1; 32])]), [7; 16]);
    let inbox = names.inbox(InboxId::from_bytes(bytes));
    let text = inbox.to_string();
    assert!(text.len() == 32 && !text.contains("0707"), "{text}");
    assert_ne!(names.message(MessageId::from_bytes(bytes)), inbox);
    assert_ne!(names.subscription(SubscriptionId::from_bytes(bytes)), inbox);
    assert_ne!(names.message_id(inbox).as_bytes(), &bytes);
    assert_ne!(names.subscription_id(inbox).as_bytes(), &bytes);
}

#[test]
fn only_32_hexadecimal_digits_are_a_log_id() {
    let text = "0123456789abcdef0123456789abcdef";
    let log_id: LogId = text.parse().unwrap();
    assert_eq!(log_id.to_string(), text);
    assert_eq!(text.to_uppercase().parse(), Ok(log_id));
    for wrong in ["", "0123456789abcdef", &text[1..], &format!("{text}0"), &format!("+{}", &text[1..]), "ä"]
    {
        assert_eq!(wrong.parse::<LogId>(), Err(InvalidLogId), "{wrong}");
    }
}
