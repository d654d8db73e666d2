//! Broadcasts: versions of things that many agents follow, told without a message to each (autopush: "megaphone").

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Broadcasts that a configuration may name, and as many again that may be set while the service runs.
pub const BROADCASTS: usize = 256;

/// Broadcasts that one agent may follow, and the most characters that a name of one may have, or a version.
const FOLLOWED_BROADCASTS: usize = 64;

/// Maximum length of the name of a broadcast, in characters.
pub const BROADCAST_NAME_CHARACTERS: usize = 128;

/// The most characters that the version of a broadcast may have.
pub const BROADCAST_VERSION_CHARACTERS: usize = 256;

/// The version of each broadcast that the service knows.
pub type Versions = BTreeMap<String, String>;

/// The member of what agents are told that lists the broadcasts which are not there.
pub(super) const NOT_FOUND: &str = "errors";

/// A broadcast that agents can follow and be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// What it is called.
    name: String,
    /// Its version, which means something to agents only.
    version: String,
}

/// Why there can be no such broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidBroadcast {
    /// The name is too long, or can't be written everywhere.
    Name,
    /// The name has another meaning in what agents are told.
    Reserved,
    /// The version is too long, or can't be written everywhere.
    Version,
}

/// What one agent follows, and what it was told last.
#[derive(Debug)]
pub(super) struct BroadcastSubscriptions {
    current: Arc<Versions>,
    told: Box<[(Box<str>, Box<str>)]>,
}

/// What an agent is to be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BroadcastUpdate {
    /// Those whose version is another than the agent has.
    pub changed: Vec<(String, String)>,
    /// Those that are not there. If they come to be, the agent is told.
    pub unknown: Vec<String>,
}

impl Broadcast {
    /// Checks an operator's words.
    ///
    /// # Errors
    /// [`InvalidBroadcast`].
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Result<Self, InvalidBroadcast> {
        let (name, version) = (name.into(), version.into());
        if name == NOT_FOUND {
            return Err(InvalidBroadcast::Reserved);
        }
        let is_visible = |byte: u8| byte.is_ascii_graphic();
        if !(1..=BROADCAST_NAME_CHARACTERS).contains(&name.len()) || !name.bytes().all(is_visible) {
            return Err(InvalidBroadcast::Name);
        }
        let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if !(1..=BROADCAST_VERSION_CHARACTERS).contains(&version.len()) || !version.bytes().all(is_printable)
        {
            return Err(InvalidBroadcast::Version);
        }
        Ok(Self { name, version })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts it among others, in the place of one with the same name.
    pub fn put_into(self, versions: &mut Versions) {
        versions.insert(self.name, self.version);
    }
}

impl fmt::Display for InvalidBroadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "the name of a broadcast has 1 to {BROADCAST_NAME_CHARACTERS} visible ASCII characters, no spaces"
            ),
            Self::Reserved => write!(
                f,
                "no broadcast can be called {NOT_FOUND}, where agents are told which ones are not there"
            ),
            Self::Version => write!(
                f,
                "the version of a broadcast has 1 to {BROADCAST_VERSION_CHARACTERS} ASCII characters in one line"
            ),
        }
    }
}

/// The fault of the operator who set the broadcast.
impl Error for InvalidBroadcast {}

impl BroadcastUpdate {
    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.unknown.is_empty()
    }
}

impl BroadcastSubscriptions {
    /// Nothing yet.
    pub(super) fn new(current: Arc<Versions>) -> Self {
        Self { current, told: Box::default() }
    }

    /// The agent follows these from now on, and has these versions of them.
    pub(super) fn follow(&mut self, named: Versions) -> BroadcastUpdate {
        let mut told = BroadcastUpdate::default();
        for (name, has) in named {
            match self.current.get(&name).cloned() {
                Some(version) => {
                    self.note(&name, &version);
                    if version != has {
                        told.changed.push((name, version));
                    }
                }
                None => {
                    // What the agent makes up must not be kept at any length.
                    let has = if has.len() <= BROADCAST_NAME_CHARACTERS { &*has } else { "" };
                    self.note(&name, has);
                    told.unknown.push(name);
                }
            }
        }
        told
    }

    /// The versions are these now; what the agent is to be told of it.
    pub(super) fn update(&mut self, current: Arc<Versions>) -> BroadcastUpdate {
        self.current = current;
        let mut told = BroadcastUpdate::default();
        for (name, has) in &mut self.told {
            if let Some(version) = self.current.get(&**name).filter(|version| ***version != **has) {
                *has = version.as_str().into();
                told.changed.push((name.to_string(), version.clone()));
            }
        }
        told
    }

    /// Remembers what the agent has, within bounds; beyond them it is answered once and not told later.
    fn note(&mut self, name: &str, version: &str) {
        if let Some(known) = self.told.iter_mut().find(|(known, _)| **known == *name) {
            known.1 = version.into();
        } else if self.told.len() < FOLLOWED_BROADCASTS && name.len() <= BROADCAST_NAME_CHARACTERS {
            // LogThrottle more than one, and kept as long as the agent is there: no room for others.
            let mut told = std::mem::take(&mut self.told).into_vec();
            told.push((name.into(), version.into()));
            self.told = told.into_boxed_slice();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(pairs: &[(&str, &str)]) -> Versions {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    fn changed(told: &BroadcastUpdate) -> Vec<(&str, &str)> {
        told.changed.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect()
    }

    #[test]
    fn an_agent_is_told_what_differs_and_what_is_not_there() {
        let mut followed =
            BroadcastSubscriptions::new(Arc::new(versions(&[("a", "2"), ("b", "1"), ("c", "9")])));
        let told = followed.follow(versions(&[("a", "1"), ("b", "1"), ("x", "")]));
        assert_eq!((changed(&told), &told.unknown[..]), (vec![("a", "2")], &["x".to_owned()][..]));
        assert!(followed.follow(versions(&[("a", "2")])).is_empty());
    }

    #[test]
    fn later_changes_are_told_once_also_of_what_was_not_there() {
        let mut followed = BroadcastSubscriptions::new(Arc::new(versions(&[("a", "1")])));
        followed.follow(versions(&[("a", "1"), ("x", "0")]));
        let now = Arc::new(versions(&[("a", "2"), ("x", "1"), ("other", "5")]));
        assert_eq!(changed(&followed.update(Arc::clone(&now))), [("a", "2"), ("x", "1")]);
        assert!(followed.update(now).is_empty());
        assert!(followed.update(Arc::default()).is_empty(), "one that is gone is no news");
    }

    #[test]
    fn a_broadcast_can_be_followed_and_told() {
        let name = "x".repeat(BROADCAST_NAME_CHARACTERS);
        let version = "1".repeat(BROADCAST_VERSION_CHARACTERS);
        for (name, version) in
            [("remote-settings/monitor_changes", "\"1700\""), (&name, &version), ("a", "b c")]
        {
            let mut made = Versions::new();
            Broadcast::new(name, version).unwrap().put_into(&mut made);
            assert_eq!(made, versions(&[(name, version)]));
            let told = BroadcastSubscriptions::new(Arc::new(made)).follow(versions(&[(name, "")]));
            assert_eq!(changed(&told), [(name, version)]);
        }
        for (name, version, unfit) in [
            ("", "1", InvalidBroadcast::Name),
            (&*format!("{name}x"), "1", InvalidBroadcast::Name),
            ("a b", "1", InvalidBroadcast::Name),
            ("ä", "1", InvalidBroadcast::Name),
            ("errors", "1", InvalidBroadcast::Reserved),
            ("a", "", InvalidBroadcast::Version),
            ("a", &*format!("{version}1"), InvalidBroadcast::Version),
            ("a", "1\n", InvalidBroadcast::Version),
        ] {
            assert_eq!(Broadcast::new(name, version), Err(unfit), "{name:?} {version:?}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut followed = BroadcastSubscriptions::new(Arc::default());
        for number in 0..2 * FOLLOWED_BROADCASTS {
            let told = followed.follow(versions(&[(&number.to_string(), "1")]));
            assert_eq!(told.unknown.len(), 1, "it is answered all the same");
        }
        followed.follow(versions(&[(&"x".repeat(BROADCAST_NAME_CHARACTERS + 1), "1")]));
        assert_eq!(followed.told.len(), FOLLOWED_BROADCASTS);
        followed.follow(versions(&[("0", &"x".repeat(BROADCAST_NAME_CHARACTERS + 1))]));
        assert!(followed.told.iter().all(|(_, version)| version.len() <= BROADCAST_NAME_CHARACTERS));
        assert_eq!(changed(&followed.update(Arc::new(versions(&[("0", "2")])))), [("0", "2")]);
    }
}
