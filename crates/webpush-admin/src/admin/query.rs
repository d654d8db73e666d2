//! Query parameters of lists.

use super::error::AdminError;
use percent_encoding::percent_decode_str;

/// Maximum number of rows in a response.
pub(super) const MAX_LIMIT: usize = 1000;
/// Number of rows unless the query has a limit.
const DEFAULT_LIMIT: usize = 100;

/// Parsed query parameters.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// The log ID after which the list continues.
    pub(super) after: Option<String>,
    /// The log ID of the agent whose rows are listed.
    pub(super) agent: Option<String>,
    pub(super) limit: Option<usize>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, AdminError> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy();
            match name {
                "after" => query.after = Some(value.into_owned()),
                "agent" => query.agent = Some(value.into_owned()),
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                    query.limit = Some(limit.ok_or_else(|| {
                        AdminError::bad_request(format_args!("limit must be between 1 and {MAX_LIMIT}"))
                    })?);
                }
                _ => {
                    return Err(AdminError::bad_request(
                        "unknown query parameter: use after, agent or limit",
                    ));
                }
            }
        }
        Ok(query)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_its_limit_bounded() {
        assert_eq!(Query::parse("").unwrap().limit(), DEFAULT_LIMIT);
        for after in ["ab/cd", "ab%2Fcd"] {
            let query = Query::parse(&format!("after={after}&limit=1000&agent=ef")).unwrap();
            assert_eq!(
                (query.limit(), query.after.as_deref(), query.agent.as_deref()),
                (1000, Some("ab/cd"), Some("ef"))
            );
        }
        for wrong in ["limit=0", "limit=1001", "limit=x", "limit", "order=1"] {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
    }
}
