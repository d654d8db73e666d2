//! Splits a JSON object into members without parsing their values.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The members of an object. The values borrow from the parsed text.
///
/// A member takes at least six bytes of the text, which bounds their number.
pub(super) type Members<'t> = BTreeMap<String, &'t RawValue>;

/// Parses a minified JSON object. The last of several members with the same name counts.
pub(super) fn members(json: &str) -> Option<Members<'_>> {
    serde_json::from_str(json).ok()
}
