//! Tables, and agents and subscriptions by the log IDs that tables show, by URL, or by uaid.

use crate::cli::admin_client::AdminClient;
use anyhow::{Context as _, bail};
use http::Method;
use serde_json::Value;
use webpush_core::printable;
use webpush_service::log_ids::LogId;
use webpush_service::system;

/// Options of a list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListOptions {
    /// Start after this ID, the last one of the previous page
    #[arg(long, value_name = "ID")]
    after: Option<String>,

    /// Maximum number of rows, at most 1000
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u16,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ListOptions {
    /// Returns the query of the request.
    pub(crate) fn query(&self) -> String {
        let after = self.after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        format!("limit={}{after}", self.limit)
    }
}

/// Returns true for a log ID: 32 hexadecimal digits.
pub(crate) fn is_log_id(text: &str) -> bool {
    text.parse::<LogId>().is_ok()
}

/// Returns the log ID of an agent. Only the server can tell a log ID from a uaid of 32 digits.
pub(crate) async fn agent(client: &AdminClient, which: &str) -> anyhow::Result<String> {
    if let Some((agent, _)) = which.split_once('/')
        && is_log_id(agent)
    {
        return Ok(agent.to_owned());
    }
    let found = find(client, which).await?;
    found["agent"].as_str().map(str::to_owned).context("the server sent an invalid answer")
}

/// Returns the log IDs of a subscription, `AGENT/SUBSCRIPTION`.
pub(crate) async fn subscription(client: &AdminClient, which: &str) -> anyhow::Result<String> {
    if which.split_once('/').is_some_and(|(agent, id)| is_log_id(agent) && is_log_id(id)) {
        return Ok(which.to_owned());
    }
    let found = find(client, which).await?;
    match (&found["agent"], &found["subscription"]) {
        (Value::String(agent), Value::String(id)) => Ok(format!("{agent}/{id}")),
        _ => bail!(
            "this is a URL of an agent, not of a subscription; list its subscriptions with 'agents show'"
        ),
    }
}

/// Sends the text in the body, which is not logged.
async fn find(client: &AdminClient, which: &str) -> anyhow::Result<Value> {
    client.demand_json(Method::POST, "/admin/find", which.trim().to_owned()).await
}

/// Renders the time since a moment: `3d`, `5h`, `12m` or `7s`.
pub(crate) fn ago(millis: &Value) -> String {
    let Some(then) = millis.as_u64() else { return "never".to_owned() };
    let seconds = system::env().now().as_millis().saturating_sub(then) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Renders rows in columns under a heading.
pub(crate) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let all: Vec<&[String; N]> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Renders a JSON value as a cell.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => printable::one_line(text).into_owned(),
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}

/// Returns the elements of a JSON array.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "12345".to_owned()], ["abcdef".to_owned(), "1".to_owned()]];
        assert_eq!(table(["ONE", "TWO"], &rows), "ONE     TWO\na       12345\nabcdef  1");
        assert!(is_log_id("0123456789abcdef0123456789abcdef") && !is_log_id("0123456789abcdef"));
        assert_eq!(ago(&Value::Null), "never");
        assert_eq!(ago(&(system::env().now().as_millis() - 3 * 3_600_000).into()), "3h");
    }
}
