//! The last line of a text file of the server: a comment with a checksum of all lines before it.
//!
//! It shows that a file was changed by something else.

use aws_lc_rs::digest::{SHA256, digest};
use webpush_core::base64url;

pub(crate) const CHECK: &str = "# check ";

/// Adds the line to a text.
pub(crate) fn add(text: &str) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{end}");
    format!("{text}{CHECK}{}\n", checksum(&text))
}

/// A text that has the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Checked<'a> {
    /// The lines before it.
    pub(crate) before: &'a str,
    /// The lines after it, which somebody has added.
    pub(crate) added: &'a str,
    /// True if the lines before it are as they were written.
    pub(crate) is_intact: bool,
}

/// Splits a text at the line; `None` if it has none.
pub(crate) fn split(text: &str) -> Option<Checked<'_>> {
    let at = text.rfind(CHECK).filter(|at| *at == 0 || text[..*at].ends_with('\n'))?;
    let (before, rest) = text.split_at(at);
    let (check, added) = rest.split_once('\n').unwrap_or((rest, ""));
    let is_intact = check.trim_end() == format!("{CHECK}{}", checksum(before));
    Some(Checked { before, added, is_intact })
}

fn checksum(text: &str) -> String {
    base64url::encode(digest(&SHA256, text.as_bytes()))
}
