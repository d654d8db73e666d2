//! Agents and subscriptions as people name them: by the names that lists show, or by a URL or uaid.

use super::admin_client::AdminClient;
use anyhow::{Context as _, bail};
use http::Method;
use serde_json::Value;
use webpush_service::fresh;

/// How much of a list is shown, and how.
#[derive(Debug, clap::Args)]
pub(super) struct Shown {
    /// List only what comes after the one of this name
    #[arg(long, value_name = "NAME")]
    after: Option<String>,

    /// The most to list, up to 1000
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u16,

    /// Print JSON as the service says it
    #[arg(long)]
    pub(super) json: bool,
}

impl Shown {
    /// As the service is asked for it.
    pub(super) fn query(&self) -> String {
        let after = self.after.as_ref().map(|after| format!("&after={after}")).unwrap_or_default();
        format!("limit={}{after}", self.limit)
    }
}

/// The name of an agent: 16 hexadecimal digits.
fn is_name(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The agent that is meant.
pub(super) async fn agent(client: &AdminClient, which: &str) -> anyhow::Result<String> {
    let name = which.split_once('/').map_or(which, |(agent, _)| agent);
    if is_name(name) {
        return Ok(name.to_owned());
    }
    let found = find(client, which).await?;
    found["agent"].as_str().map(str::to_owned).context("the service does not say which agent that is")
}

/// The subscription that is meant: `AGENT/SUBSCRIPTION`.
pub(super) async fn subscription(client: &AdminClient, which: &str) -> anyhow::Result<String> {
    if which.split_once('/').is_some_and(|(agent, name)| is_name(agent) && is_name(name)) {
        return Ok(which.to_owned());
    }
    let found = find(client, which).await?;
    match (&found["agent"], &found["subscription"]) {
        (Value::String(agent), Value::String(name)) => Ok(format!("{agent}/{name}")),
        _ => bail!("that is the URL of an agent, not of one of its subscriptions; see «agents show»"),
    }
}

/// Asks in a body, which nobody writes into a log.
async fn find(client: &AdminClient, which: &str) -> anyhow::Result<Value> {
    client.demand_json(Method::POST, "/admin/find", which.trim().to_owned()).await
}

/// How long ago a time was: `3d`, `5h`, `12m` or `7s`.
pub(super) fn ago(millis: &Value) -> String {
    let Some(then) = millis.as_u64() else { return "never".to_owned() };
    let seconds = fresh::now().as_millis().saturating_sub(then) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Rows under a heading, in columns.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
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

/// A member of JSON as a cell.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        value => value.to_string(),
    }
}

/// A list in JSON.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = [["a".to_owned(), "12345".to_owned()], ["abcdef".to_owned(), "1".to_owned()]];
        assert_eq!(table(["ONE", "TWO"], &rows), "ONE     TWO\na       12345\nabcdef  1");
        assert!(is_name("0123456789abcdef") && !is_name("0123456789abcdeg") && !is_name("0123"));
        assert_eq!(ago(&Value::Null), "never");
        assert_eq!(ago(&(fresh::now().as_millis() - 3 * 3_600_000).into()), "3h");
    }
}
