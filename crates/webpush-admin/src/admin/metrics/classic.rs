//! The text format of Prometheus before OpenMetrics (version 0.0.4).

use http::HeaderMap;
use http::header::ACCEPT;

const OPEN_METRICS: &str = "application/openmetrics-text";
const CLASSIC: &str = "text/plain";

/// Returns true if a client prefers the classic format (RFC 9110 §12.5.1).
pub(super) fn is_preferred(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = accepted.flat_map(|value| value.split(',')).map(Range::parse).collect();
    quality(&ranges, CLASSIC) > quality(&ranges, OPEN_METRICS)
}

/// A media range with its weight.
struct Range<'a> {
    name: &'a str,
    /// From 0 to 1; an unreadable one counts as 1.
    quality: f32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        Self { name, quality: quality.and_then(|quality| quality.parse().ok()).unwrap_or(1.0) }
    }
}

/// Returns the weight of a media type: that of the most specific range.
fn quality(ranges: &[Range<'_>], media_type: &str) -> f32 {
    let (kind, _) = media_type.split_once('/').unwrap_or_default();
    let of = |name: &str| {
        let same = ranges.iter().filter(|range| range.name.eq_ignore_ascii_case(name));
        same.map(|range| range.quality).reduce(f32::max)
    };
    of(media_type).or_else(|| of(&format!("{kind}/*"))).or_else(|| of("*/*")).unwrap_or(0.0)
}

/// Translates OpenMetrics text.
///
/// There, the name of a counter and of an information has no suffix in the lines that describe it.
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help: Option<(&str, &str)> = None;
    for line in text.lines() {
        let descriptor = line.strip_prefix("# ").map(|rest| rest.splitn(3, ' ').collect::<Vec<_>>());
        match descriptor.as_deref() {
            Some(["HELP", name, text]) => help = Some((name, text)),
            Some(["TYPE", name, kind]) => {
                let (suffix, kind) = match *kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    "unknown" => ("", "untyped"),
                    other => ("", other),
                };
                if let Some((_, text)) = help.take().filter(|(of, _)| of == name) {
                    out.push_str(&format!("# HELP {name}{suffix} {text}\n"));
                }
                out.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            }
            // UNIT and EOF.
            Some(_) => {}
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_the_format_that_they_prefer() {
        for (accept, is_classic) in [
            (None, false),
            (Some("*/*"), false),
            (Some("text/plain"), true),
            (Some("text/*;q=0.5"), true),
            (Some("text/plain;version=0.0.4;q=1,*/*;q=0.1"), true),
            (Some("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"), false),
            (Some("application/openmetrics-text;q=0.3, text/plain;q=0.5"), true),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.extend(accept.map(|accept| (ACCEPT, accept.parse().unwrap())));
            assert_eq!(is_preferred(&headers), is_classic, "{accept:?}");
        }
    }

    #[test]
    fn names_of_counters_have_their_suffix_where_they_are_described() {
        let text = "# HELP a_b Some text.\n# TYPE a_b counter\na_b_total{x=\"y\"} 1\n\
            # HELP s_bytes Size.\n# TYPE s_bytes gauge\n# UNIT s_bytes bytes\ns_bytes 2\n\
            # HELP i Information.\n# TYPE i info\ni_info{v=\"1\"} 1\n# EOF\n";
        assert_eq!(
            from_open_metrics(text),
            "# HELP a_b_total Some text.\n# TYPE a_b_total counter\na_b_total{x=\"y\"} 1\n\
             # HELP s_bytes Size.\n# TYPE s_bytes gauge\ns_bytes 2\n\
             # HELP i_info Information.\n# TYPE i_info gauge\ni_info{v=\"1\"} 1\n"
        );
    }
}
