//! Values of settings and of headers: blocks of addresses, rates, addresses, log IDs, topics.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use webpush_admin::admin::address::{Address, Listen};
use webpush_core::address::{CidrBlock, is_public};
use webpush_core::rate::{Bucket, RateLimit};
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_http::transport::public_address::PublicAddress;
use webpush_service::log_ids::LogId;

use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"10.0.0.0/8",
    b"fd00::/8",
    b"::ffff:10.0.0.0/104",
    b"/32",
    b"/0",
    b"/128",
    b"1000/s:10000",
    b"/d:",
    b"off",
    b"http://127.0.0.1:8081",
    b"https://[::1]:8443",
    b"unix:/run/x",
    b"0123456789abcdef0123456789abcdef",
    b"very-low",
    b"info,h2=error",
];

pub(super) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    assert_block(text, Input::new(input));
    assert_rate(text);
    assert_addresses(text);
    if let Ok(id) = text.parse::<LogId>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
    if let Some(urgency) = Urgency::parse(input) {
        assert_eq!(urgency.as_str(), text.to_ascii_lowercase());
    }
    let is_topic = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    assert_eq!(Topic::parse(input).is_some_and(|topic| topic.as_bytes() == input), is_topic);
}

/// A block is an address with a length and only zeros behind. It contains what begins like it.
fn assert_block(text: &str, mut input: Input<'_>) {
    let model = Block::parse(text);
    let block = text.parse::<CidrBlock>().ok();
    assert_eq!(block.is_some(), model.is_some(), "{text}");
    let (Some(block), Some(model)) = (block, model) else { return };
    let flip = 1_u128.checked_shl(input.byte().into()).unwrap_or(0);
    for bits in
        [model.bits, model.bits ^ flip, model.bits | !model.mask(), u128::from_le_bytes(input.array())]
    {
        let address = model.address(bits);
        let is_within = model.bits_of(address) & model.mask() == model.bits;
        assert_eq!(block.contains(address), is_within, "{text} {address}");
        if let IpAddr::V6(v6) = address
            && let Some(v4) = v6.to_ipv4_mapped()
            && block.canonical() != block
        {
            assert_eq!(block.canonical().contains(v4.into()), is_within, "{text} {address}");
            assert!(!is_public(address));
        }
    }
}

struct Block {
    is_v4: bool,
    /// The address, from the highest bit on.
    bits: u128,
    length: u32,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) =
            text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(length) => length.parse::<u8>().ok()?.into(),
        };
        let block = Self { is_v4: address.is_ipv4(), bits: 0, length };
        let bits = block.bits_of(address);
        let block = Self { bits, ..block };
        (length <= most && bits & !block.mask() == 0).then_some(block)
    }

    fn mask(&self) -> u128 {
        u128::MAX.checked_shl(128 - self.length.min(128)).unwrap_or(0)
    }

    fn bits_of(&self, address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn address(&self, bits: u128) -> IpAddr {
        if self.is_v4 {
            Ipv4Addr::from_bits((bits >> 96) as u32).into()
        } else {
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

/// A rate lets its burst pass at once, and no more.
fn assert_rate(text: &str) {
    let Ok(RateLimit::At(rate)) = text.parse() else { return };
    let mut bucket = Bucket::FULL;
    for _ in 0..rate.burst().min(100) {
        assert_eq!(bucket.take(rate, 5), Ok(()), "{text}");
    }
    if rate.burst() <= 100 {
        let wait = bucket.take(rate, 5).expect_err("the burst is used up");
        let later = 5 + u64::try_from(wait.as_nanos()).unwrap();
        assert_eq!(bucket.take(rate, later), Ok(()), "{text}");
    }
}

/// An address is read again as it is shown.
fn assert_addresses(text: &str) {
    if let Ok(address) = text.parse::<PublicAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address), "{text}");
    }
    match text.parse::<Listen>() {
        Ok(Listen::On(address)) => assert_eq!(text.parse::<Address>(), Ok(address)),
        Ok(Listen::Off) => assert_eq!(text, "off"),
        Err(_) => assert!(text.parse::<Address>().is_err()),
    }
}
