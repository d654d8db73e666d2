//! The members of a JSON object, not parsed further.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The members of an object, each a slice of the text that was parsed.
///
/// A member takes at least six bytes of that text, which bounds their number.
pub(super) type Members<'t> = BTreeMap<String, &'t RawValue>;

/// Parses compact JSON that is an object. Of members with the same name the last one counts.
pub(super) fn members(json: &str) -> Option<Members<'_>> {
    serde_json::from_str(json).ok()
}
