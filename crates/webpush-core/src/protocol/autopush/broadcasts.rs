//! Broadcasts: versions of shared resources that many agents follow (autopush: "megaphone").

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Maximum number of broadcasts in the configuration, and again of those set at runtime.
pub const BROADCASTS: usize = 256;

/// Maximum number of broadcasts that one agent can follow.
const FOLLOWED_BROADCASTS: usize = 64;

/// Maximum length of the name of a broadcast, in characters.
pub const BROADCAST_NAME_CHARACTERS: usize = 128;

/// Maximum length of the version of a broadcast, in characters.
pub const BROADCAST_VERSION_CHARACTERS: usize = 256;

/// Versions of broadcasts, by name.
pub type Versions = BTreeMap<String, String>;

/// The member of replies that lists unknown broadcasts.
pub(super) const NOT_FOUND: &str = "errors";

/// A broadcast with a valid name and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    name: String,
    /// Opaque to the service.
    version: String,
}

/// The reason why a broadcast is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidBroadcast {
    /// The name has the wrong length or other than visible ASCII characters.
    Name,
    /// The name is reserved by the protocol.
    Reserved,
    /// The version has the wrong length or other than printable ASCII characters.
    Version,
}

/// The broadcasts that an agent follows, each with the version that the agent has.
#[derive(Debug)]
pub(super) struct BroadcastSubscriptions {
    current: Arc<Versions>,
    followed: Box<[(Box<str>, Box<str>)]>,
}

/// Changes of broadcasts, to be sent to an agent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BroadcastUpdate {
    /// Names and new versions.
    pub changed: Vec<(String, String)>,
    /// Names of broadcasts that do not exist. The agent is notified when one is created.
    pub unknown: Vec<String>,
}

impl Broadcast {
    /// Validates a name and a version.
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

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Inserts the broadcast into `versions`, replacing one with the same name.
    pub fn insert_into(self, versions: &mut Versions) {
        versions.insert(self.name, self.version);
    }
}

impl fmt::Display for InvalidBroadcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "the name of a broadcast must be 1 to {BROADCAST_NAME_CHARACTERS} visible ASCII characters without spaces"
            ),
            Self::Reserved => write!(f, "the name {NOT_FOUND} is reserved by the protocol"),
            Self::Version => write!(
                f,
                "the version of a broadcast must be 1 to {BROADCAST_VERSION_CHARACTERS} ASCII characters on one line"
            ),
        }
    }
}

impl Error for InvalidBroadcast {}

impl BroadcastUpdate {
    /// Returns true if there are no changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.unknown.is_empty()
    }
}

impl BroadcastSubscriptions {
    /// Creates an empty set of subscriptions.
    pub(super) fn new(current: Arc<Versions>) -> Self {
        Self { current, followed: Box::default() }
    }

    /// Follows broadcasts of which the agent has these versions, and returns the differences.
    pub(super) fn follow(&mut self, versions: Versions) -> BroadcastUpdate {
        let mut update = BroadcastUpdate::default();
        for (name, agent_version) in versions {
            match self.current.get(&name).cloned() {
                Some(version) => {
                    self.remember(&name, &version);
                    if version != agent_version {
                        update.changed.push((name, version));
                    }
                }
                None => {
                    // Untrusted, so its length is bounded.
                    let is_short = agent_version.len() <= BROADCAST_NAME_CHARACTERS;
                    let version = if is_short { &*agent_version } else { "" };
                    self.remember(&name, version);
                    update.unknown.push(name);
                }
            }
        }
        update
    }

    /// Replaces the current versions, and returns the changes of followed broadcasts.
    pub(super) fn update(&mut self, current: Arc<Versions>) -> BroadcastUpdate {
        self.current = current;
        let mut update = BroadcastUpdate::default();
        for (name, agent_version) in &mut self.followed {
            let version = self.current.get(&**name).filter(|version| ***version != **agent_version);
            if let Some(version) = version {
                *agent_version = version.as_str().into();
                update.changed.push((name.to_string(), version.clone()));
            }
        }
        update
    }

    /// Remembers the version that the agent has. Broadcasts above the limits are not followed.
    fn remember(&mut self, name: &str, version: &str) {
        if let Some(known) = self.followed.iter_mut().find(|(known, _)| **known == *name) {
            known.1 = version.into();
        } else if self.followed.len() < FOLLOWED_BROADCASTS && name.len() <= BROADCAST_NAME_CHARACTERS {
            // Usually one, for the whole connection: a boxed slice has no spare capacity.
            let mut followed = std::mem::take(&mut self.followed).into_vec();
            followed.push((name.into(), version.into()));
            self.followed = followed.into_boxed_slice();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(pairs: &[(&str, &str)]) -> Versions {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    fn changed(update: &BroadcastUpdate) -> Vec<(&str, &str)> {
        update.changed.iter().map(|(name, version)| (name.as_str(), version.as_str())).collect()
    }

    #[test]
    fn following_returns_changed_and_unknown_broadcasts() {
        let mut subscriptions =
            BroadcastSubscriptions::new(Arc::new(versions(&[("a", "2"), ("b", "1"), ("c", "9")])));
        let update = subscriptions.follow(versions(&[("a", "1"), ("b", "1"), ("x", "")]));
        assert_eq!((changed(&update), &update.unknown[..]), (vec![("a", "2")], &["x".to_owned()][..]));
        assert!(subscriptions.follow(versions(&[("a", "2")])).is_empty());
    }

    #[test]
    fn each_change_is_returned_once_including_new_broadcasts() {
        let mut subscriptions = BroadcastSubscriptions::new(Arc::new(versions(&[("a", "1")])));
        subscriptions.follow(versions(&[("a", "1"), ("x", "0")]));
        let now = Arc::new(versions(&[("a", "2"), ("x", "1"), ("other", "5")]));
        assert_eq!(changed(&subscriptions.update(Arc::clone(&now))), [("a", "2"), ("x", "1")]);
        assert!(subscriptions.update(now).is_empty());
        assert!(subscriptions.update(Arc::default()).is_empty(), "removals are not sent");
    }

    #[test]
    fn names_and_versions_are_validated() {
        let name = "x".repeat(BROADCAST_NAME_CHARACTERS);
        let version = "1".repeat(BROADCAST_VERSION_CHARACTERS);
        for (name, version) in
            [("remote-settings/monitor_changes", "\"1700\""), (&name, &version), ("a", "b c")]
        {
            let mut current = Versions::new();
            Broadcast::new(name, version).unwrap().insert_into(&mut current);
            assert_eq!(current, versions(&[(name, version)]));
            let update = BroadcastSubscriptions::new(Arc::new(current)).follow(versions(&[(name, "")]));
            assert_eq!(changed(&update), [(name, version)]);
        }
        for (name, version, error) in [
            ("", "1", InvalidBroadcast::Name),
            (&*format!("{name}x"), "1", InvalidBroadcast::Name),
            ("a b", "1", InvalidBroadcast::Name),
            ("ä", "1", InvalidBroadcast::Name),
            ("errors", "1", InvalidBroadcast::Reserved),
            ("a", "", InvalidBroadcast::Version),
            ("a", &*format!("{version}1"), InvalidBroadcast::Version),
            ("a", "1\n", InvalidBroadcast::Version),
        ] {
            assert_eq!(Broadcast::new(name, version), Err(error), "{name:?} {version:?}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut subscriptions = BroadcastSubscriptions::new(Arc::default());
        for number in 0..2 * FOLLOWED_BROADCASTS {
            let update = subscriptions.follow(versions(&[(&number.to_string(), "1")]));
            assert_eq!(update.unknown.len(), 1, "it is reported but not followed");
        }
        subscriptions.follow(versions(&[(&"x".repeat(BROADCAST_NAME_CHARACTERS + 1), "1")]));
        assert_eq!(subscriptions.followed.len(), FOLLOWED_BROADCASTS);
        subscriptions.follow(versions(&[("0", &"x".repeat(BROADCAST_NAME_CHARACTERS + 1))]));
        assert!(subscriptions.followed.iter().all(|(_, version)| version.len() <= BROADCAST_NAME_CHARACTERS));
        assert_eq!(changed(&subscriptions.update(Arc::new(versions(&[("0", "2")])))), [("0", "2")]);
    }
}
