//! Capability URLs (RFC 8030 §8.2, §8.3).

use super::sets::join;
use crate::check::checks;
use crate::probe::{Probe, TestEndpoint};
use crate::stop::Stop;
use webpush_client::url::CapabilityUrl;

checks! {
    "URLs do not say what belongs together" UserAgent
        ["R8030-8.2-a" "R8030-8.2-b" "R8030-8.2-c"] [Subscribing] unlinkable;
    "capability URLs cannot be guessed" UserAgent ["R8030-8.3-a"] [Subscribing] random;
}

/// Length of a common text that does not occur by chance.
const TELLING_CHARACTERS: usize = 8;
/// Demanded randomness.
const MIN_BITS: f64 = 120.0;

async fn unlinkable(probe: &mut Probe) -> Result<(), Stop> {
    let one = probe.subscribe().await?;
    let two = match one.set {
        Some(_) => join(probe, &one).await?,
        None => probe.subscribe().await?,
    };
    let stranger = probe.subscribe().await?;
    let common = common_text(one.push.path(), two.push.path(), stranger.push.path());
    verify(probe, "R8030-8.2-a", common.as_deref());
    let mut messages = Vec::new();
    for endpoint in [&one, &two, &stranger] {
        let sent = probe.accepted(endpoint, &[("ttl", "60")], "whose").await?;
        messages.extend(sent.location().map(|url| url.path().to_owned()));
    }
    match &messages[..] {
        [first, second, other] => verify(probe, "R8030-8.2-b", common_text(first, second, other).as_deref()),
        _ => probe.skip("R8030-8.2-b", "the service gives messages no URL"),
    }
    for endpoint in [&one, &two] {
        let shown = [endpoint.push.path(), messages.first().map_or("", String::as_str)];
        let leaked = private_tokens(endpoint)
            .into_iter()
            .find_map(|token| shown.iter().find_map(|path| common_text(&token, path, stranger.push.path())));
        verify(probe, "R8030-8.2-c", leaked.as_deref());
    }
    Ok(())
}

fn verify(probe: &mut Probe, id: &'static str, common: Option<&str>) {
    let found = format!("the text \"{}\"", common.unwrap_or_default());
    probe.verify(id, common.is_none(), "no common text in the two URLs", found, "");
}

/// Returns the tokens that only the user agent may know.
fn private_tokens(endpoint: &TestEndpoint) -> Vec<String> {
    let private = endpoint.subscription.iter().chain(&endpoint.set);
    private
        .flat_map(|url| segments(url.path()).map(str::to_owned).collect::<Vec<_>>())
        .filter(|segment| is_token(segment))
        .collect()
}

fn is_token(segment: &str) -> bool {
    segment.len() >= TELLING_CHARACTERS && segment.bytes().any(|byte| byte.is_ascii_digit())
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split(['/', '?', '&', '=']).filter(|segment| !segment.is_empty())
}

/// Returns a text that two paths share, in parts that they do not share with the path of a stranger.
fn common_text(one: &str, two: &str, stranger: &str) -> Option<String> {
    for mine in segments(one) {
        for theirs in segments(two) {
            for start in 0..mine.len().saturating_sub(TELLING_CHARACTERS - 1) {
                let Some(text) = mine.get(start..start + TELLING_CHARACTERS) else { continue };
                if theirs.contains(text) && !stranger.contains(text) {
                    return Some(text.to_owned());
                }
            }
        }
    }
    None
}

async fn random(probe: &mut Probe) -> Result<(), Stop> {
    let (one, two) = (probe.subscribe().await?, probe.subscribe().await?);
    let pairs = [
        ("push", Some(&one.push), Some(&two.push)),
        ("subscription", one.subscription.as_ref(), two.subscription.as_ref()),
        ("set", one.set.as_ref(), two.set.as_ref()),
    ];
    for (kind, first, second) in pairs {
        let (Some(first), Some(second)) = (first, second) else { continue };
        let bits = bits(first, second);
        let found = format!("at most {bits:.0} bits in the {kind} URL");
        probe.verify("R8030-8.3-a", bits >= MIN_BITS, "120 bits of randomness", found, &first.expose());
    }
    Ok(())
}

/// Returns an upper bound of the randomness of a URL.
///
/// It is that of the segments that differ from those of another URL.
fn bits(url: &CapabilityUrl, other: &CapabilityUrl) -> f64 {
    let others: Vec<&str> = segments(other.path()).collect();
    segments(url.path()).filter(|segment| !others.contains(segment)).map(segment_bits).sum()
}

fn segment_bits(segment: &str) -> f64 {
    let characters = segment.chars().filter(|character| *character != '-');
    let is_within = |test: fn(char) -> bool| characters.clone().all(test);
    let alphabet: f64 = if is_within(|character| character.is_ascii_digit()) {
        10.0
    } else if is_within(|character| character.is_ascii_digit() || matches!(character, 'a'..='f')) {
        16.0
    } else if is_within(|character| character.is_ascii_digit() || character.is_ascii_lowercase()) {
        36.0
    } else {
        64.0
    };
    f64::from(u32::try_from(characters.count()).unwrap_or(u32::MAX)) * alphabet.log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_links_two_urls_is_found() {
        let common = |one: &str, two: &str, other: &str| common_text(one, two, other);
        assert_eq!(common("/push/aaaaaaaa1", "/push/bbbbbbbb2", "/push/cccccccc3"), None);
        assert_eq!(
            common("/u/agent-0001/x", "/u/agent-0001/y", "/u/agent-0002/z"),
            Some("ent-0001".to_owned())
        );
        assert_eq!(common("/wpush/v2/gAAAAABnX", "/wpush/v2/gAAAAABnY", "/wpush/v2/gAAAAABnZ"), None);
    }

    #[test]
    fn randomness_is_that_of_the_parts_that_differ() {
        let bits = |one: &str, two: &str| {
            bits(&CapabilityUrl::parse(one).unwrap(), &CapabilityUrl::parse(two).unwrap())
        };
        assert!(bits("https://x/push/0123456789abcdef0123456789abcdef", "https://x/push/z") >= 120.0);
        assert!(bits("https://x/push/17", "https://x/push/18") < 10.0);
        assert!(
            bits("https://x/same-long-text-for-everybody/1", "https://x/same-long-text-for-everybody/2")
                < 10.0
        );
    }
}
