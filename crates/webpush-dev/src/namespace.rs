//! Namespaces, which keep parallel tests apart.

use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// The longest name, in bytes.
const NAME_BYTES: usize = 64;

/// The name of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Namespace(Arc<str>);

/// The part of the server that a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamespaceScope {
    /// Everything. New things go into the default namespace.
    All,
    /// One namespace.
    One(Namespace),
}

impl Namespace {
    /// Returns the namespace of requests without one.
    pub(crate) fn default_namespace() -> Self {
        Self("default".into())
    }

    /// Returns the namespace with this name.
    ///
    /// # Errors
    /// One sentence for the client.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain) {
            return Ok(Self(name.into()));
        }
        Err(format!("the name of a namespace has 1 to {NAME_BYTES} letters, digits, '.', '_' or '-'"))
    }
}

impl NamespaceScope {
    /// Returns true if the scope includes a namespace.
    pub(crate) fn includes(&self, namespace: &Namespace) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == namespace,
        }
    }

    /// Returns the namespace of things that are created in this scope.
    pub(crate) fn namespace(&self) -> Namespace {
        match self {
            Self::All => Namespace::default_namespace(),
            Self::One(one) => one.clone(),
        }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Namespace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_scopes_include_them() {
        let one = Namespace::parse("worker-1.a_B").unwrap();
        for name in ["", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(Namespace::parse(name).is_err(), "{name}");
        }
        let default = Namespace::default_namespace();
        assert!(NamespaceScope::All.includes(&one) && NamespaceScope::All.namespace() == default);
        let scope = NamespaceScope::One(one.clone());
        assert!(scope.includes(&one) && !scope.includes(&default) && scope.namespace() == one);
    }
}
