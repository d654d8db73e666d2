use super::*;
use clap::Parser;
use webpush_client::vapid::VapidKey;
use webpush_core::base64url;

const ENDPOINT: &str = "https://push.example/push/secret";
const NOW: u64 = 1_700_000_000;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ExplainArgs,
}

fn parse(words: &[&str]) -> Result<ExplainArgs, String> {
    Command::try_parse_from([&["explain"], words].concat())
        .map(|command| command.args)
        .map_err(|error| error.to_string())
}

fn ask(header: &str, more: &[&str]) -> Explanation {
    ask_at(NOW, header, more)
}

fn ask_at(now: u64, header: &str, more: &[&str]) -> Explanation {
    let args = parse(&[&[header, "--endpoint", ENDPOINT, "--now", &now.to_string()], more].concat()).unwrap();
    explanation(&args, &headers(&args).unwrap())
}

fn signed(key: &VapidKey, origin: &str) -> String {
    key.authorization(origin, None, Timestamp::from_millis(NOW * 1000)).unwrap()
}

fn failing(explanation: &Explanation) -> Vec<&'static str> {
    explanation.findings.iter().filter(|row| !row.holds).map(|row| row.claim).collect()
}

#[test]
fn a_valid_header_passes_with_and_without_its_name() {
    let key = VapidKey::generate().unwrap();
    let header = signed(&key, "https://push.example");
    for header in [header.clone(), format!("authorization : {header} \n")] {
        let explanation = ask(&header, &["--key", &key.public()]);
        assert!(explanation.pass && failing(&explanation).is_empty(), "{explanation:?}");
        let claims: Vec<_> = explanation.findings.iter().map(|row| row.claim).collect();
        assert_eq!(claims, ["Authorization", "k", "alg", "aud", "exp", "sub", "signature", "k"]);
        assert!(explanation.detail.contains("2023-11-15T10:13:20"), "{}", explanation.detail);
    }
    let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    let crypto_key = format!("Crypto-Key: dh=x;p256ecdsa={key}");
    assert!(ask(&format!("WebPush {token}"), &["--crypto-key", &crypto_key]).pass);
}

#[test]
fn errors_are_reported_claim_by_claim() {
    let (key, other) = (VapidKey::generate().unwrap(), VapidKey::generate().unwrap());
    let header = signed(&key, "https://push.example/push");
    let explanation = ask_at(NOW + 100_000, &header, &["--key", &other.public()]);
    assert_eq!(failing(&explanation), ["aud", "exp", "k"]);
    assert_eq!(explanation.status, Some(403));
    for expected in [r#""https://push.example""#, r#""https://push.example/push""#] {
        assert!(explanation.detail.contains(expected), "{}", explanation.detail);
    }
    for never in [&key.public(), &other.public(), "/push/secret"] {
        assert!(!format!("{explanation:?}").contains(never));
    }
    assert_eq!(failing(&ask("vapid t=x", &[])), ["k"]);
    assert_eq!(failing(&ask("vapid t=x, k=y", &[])), ["k", "t"]);
}

/// E5: a header without its scheme passed.
#[test]
fn other_headers_are_errors() {
    let key = VapidKey::generate().unwrap().public();
    let other = ask("Basic dDpr", &[]);
    assert_eq!((other.pass, other.status), (false, None));
    for (header, missing) in [
        ("t=a.b.c, k=d", "the scheme is missing"),
        ("k=d,t=a.b.c", "the scheme is missing"),
        ("eyJ0.eyJh.c2ln", "the scheme and the key are missing"),
        ("", "not a VAPID header"),
    ] {
        let explanation = ask(header, &[]);
        assert!(!explanation.pass && explanation.detail.starts_with(missing), "{}", explanation.detail);
    }
    let explanation = ask("Basic dDpr", &["--key", &key]);
    assert_eq!((explanation.pass, explanation.status), (false, Some(401)));
}

#[test]
fn wrong_arguments_are_explained() {
    let off_curve = base64url::encode([4; 65]);
    for (words, expected) in [
        (&["vapid"][..], "--endpoint"),
        (&["vapid", "--endpoint", "push.example"], "https://"),
        (&["vapid", "--endpoint", ENDPOINT, "--key", "AAAA"], "65"),
        (&["vapid", "--endpoint", ENDPOINT, "--key", &off_curve], "not on the curve"),
        (&["vapid", "--endpoint", ENDPOINT, "--now", "noon"], "--now"),
    ] {
        let error = parse(words).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let args = parse(&["vapid t=a\nb", "--endpoint", ENDPOINT]).unwrap();
    assert!(headers(&args).is_err());
}
