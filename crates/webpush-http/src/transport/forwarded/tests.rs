use super::*;
use proptest::prelude::*;

fn hops(header: ForwardedHeader, lines: &[&[u8]]) -> Vec<Option<IpAddr>> {
    let name = match header {
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => FORWARDED,
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(&name, HeaderValue::from_bytes(line).unwrap());
    }
    Hops::new(header, &headers).collect()
}

fn text(header: ForwardedHeader, lines: &[&str]) -> Vec<String> {
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    let shown = |hop: Option<IpAddr>| hop.map_or_else(|| "-".to_owned(), |address| address.to_string());
    hops(header, &lines).into_iter().map(shown).collect()
}

#[test]
fn x_forwarded_for_is_read_from_the_right_over_all_its_lines() {
    for (lines, expected) in [
        (&[][..], &[][..]),
        (&["192.0.2.1"], &["192.0.2.1"]),
        (&["192.0.2.1, 198.51.100.2", "2001:db8::3"], &["2001:db8::3", "198.51.100.2", "192.0.2.1"]),
        (&["192.0.2.1:80,[2001:db8::1]:443\t, [2001:db8::2]"], &["2001:db8::2", "2001:db8::1", "192.0.2.1"]),
        (&["192.0.2.1,, ,", ""], &["192.0.2.1"]),
        (&["a, unknown, 192.0.2.1:x, 192.0.2.1:, 192.0.2.01, fe80::1%eth0, [::1]x"], &["-"; 7]),
        (&["1.2.3.4 5.6.7.8"], &["-"]),
        (&["for=192.0.2.1"], &["-"]),
    ] {
        assert_eq!(text(ForwardedHeader::XForwardedFor, lines), expected, "{lines:?}");
    }
}

#[test]
fn r7239_4_forwarded_is_read_from_the_right_over_all_its_lines() {
    for (lines, expected) in [
        (&["for=192.0.2.60;proto=http;by=203.0.113.43"][..], &["192.0.2.60"][..]),
        (&["For=\"[2001:db8:cafe::17]:4711\""], &["2001:db8:cafe::17"]),
        (&["for=192.0.2.43, for=\"198.51.100.17:_hidden\""], &["198.51.100.17", "192.0.2.43"]),
        (&["for=192.0.2.43", "proto=https ; FOR=\"[::1]\";host=\"a,b;for=x\""], &["::1", "192.0.2.43"]),
        (&["for=_gazonk, for=unknown, for=\"_x:80\""], &["-"; 3]),
        (&["by=192.0.2.1", "for=192.0.2.1;for=192.0.2.2", "for", "for="], &["-"; 4]),
        (&["for=\"192.0.2.\\1\"", "for=\"192.0.2.1", "192.0.2.1"], &["-"; 3]),
    ] {
        assert_eq!(text(ForwardedHeader::Forwarded, lines), expected, "{lines:?}");
    }
}

/// Bytes that a client may send, those with a meaning more often.
fn made_up() -> impl Strategy<Value = Vec<u8>> {
    let meaning = prop::sample::select(b"\",;=\\[]:. for127".to_vec());
    let any = prop::sample::select((b' '..=b'~').chain(128..=255).collect::<Vec<u8>>());
    prop::collection::vec(prop_oneof![3 => meaning, 1 => any], 0..60)
}

fn written(address: IpAddr, port: Option<u16>) -> (String, String) {
    let bare = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let full = port.map_or_else(|| bare.clone(), |port| format!("{bare}:{port}"));
    (full.clone(), format!("by=_us;for=\"{full}\";proto=https"))
}

proptest! {
    /// The address added by the proxy is read first, on the client's line or on a line of its own.
    #[test]
    fn what_the_proxy_adds_comes_first(
        made_up in made_up(),
        address: IpAddr,
        port in proptest::option::of(any::<u16>()),
        same_line: bool,
    ) {
        let (plain, element) = written(address, port);
        for (header, added) in [(ForwardedHeader::XForwardedFor, plain), (ForwardedHeader::Forwarded, element)] {
            let joined = [&made_up[..], b", ", added.as_bytes()].concat();
            let lines: &[&[u8]] = if same_line { &[&joined] } else { &[&made_up, added.as_bytes()] };
            prop_assert_eq!(hops(header, lines).into_iter().next(), Some(Some(address)));
        }
    }

    /// There are no more hops than separators, and one more for each line.
    #[test]
    fn nothing_is_read_twice(lines in prop::collection::vec(made_up(), 0..4)) {
        let lines: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
        let commas = lines.iter().flat_map(|line| line.iter()).filter(|byte| **byte == b',').count();
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
            prop_assert!(hops(header, &lines).len() <= commas + lines.len());
        }
    }

    /// The addresses that a chain of proxies wrote are read back.
    #[test]
    fn a_chain_is_read_back(chain in prop::collection::vec((any::<IpAddr>(), proptest::option::of(any::<u16>())), 0..6)) {
        let expected: Vec<_> = chain.iter().rev().map(|(address, _)| Some(*address)).collect();
        let (plain, elements): (Vec<_>, Vec<_>) = chain.iter().map(|(address, port)| written(*address, *port)).unzip();
        prop_assert_eq!(&hops(ForwardedHeader::XForwardedFor, &[plain.join(",").as_bytes()]), &expected);
        prop_assert_eq!(&hops(ForwardedHeader::Forwarded, &[elements.join(", ").as_bytes()]), &expected);
    }
}
