//! `Link` (RFC 8288 §3): several headers or one list, `rel` quoted or not, one relation or several.

use crate::problem::Problem;
use http::HeaderMap;
use http::header::LINK;

/// Maximum number of links in one request; more are malformed.
const LIST_HEADER_MEMBERS: usize = 64;

/// A link with at least one relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The target as written: absolute or relative.
    pub target: String,
    rel: String,
}

impl Link {
    /// Returns true if the link has this relation. Relations are case-insensitive (RFC 8288 §2.1).
    #[must_use]
    pub fn has_rel(&self, rel: &str) -> bool {
        self.rel.split_ascii_whitespace().any(|name| name.eq_ignore_ascii_case(rel))
    }

    /// Returns the path of the target if the target is relative or on `origin`.
    #[must_use]
    pub fn path_on<'a>(&'a self, origin: &str) -> Option<&'a str> {
        let target = self.target.as_str();
        if target.starts_with('/') && !target.starts_with("//") {
            return Some(target);
        }
        let (head, rest) = (target.get(..origin.len())?, target.get(origin.len()..)?);
        (head.eq_ignore_ascii_case(origin) && rest.starts_with('/')).then_some(rest)
    }
}

/// Parses all links of a request.
///
/// # Errors
/// [`Problem::HeaderMalformed`] if one does not follow the grammar, or there are too many.
pub fn links(headers: &HeaderMap) -> Result<Vec<Link>, Problem> {
    let malformed = || Problem::HeaderMalformed { name: LINK };
    let mut links = Vec::new();
    for value in headers.get_all(LINK) {
        let mut rest = value.to_str().map_err(|_| malformed())?;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (link, after) = parse_link(rest).ok_or_else(malformed)?;
            if links.len() == LIST_HEADER_MEMBERS {
                return Err(malformed());
            }
            links.push(link);
            rest = after;
        }
    }
    Ok(links)
}

/// Parses one `<target>; name=value; …` and returns it with the rest of the text.
fn parse_link(text: &str) -> Option<(Link, &str)> {
    let (target, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    let mut rel = None;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.starts_with(',') {
            break;
        }
        rest = rest.strip_prefix(';')?.trim_start();
        let end = rest.find([';', ',', '=', ' ', '\t']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after.trim_start();
        let Some(value) = rest.strip_prefix('=') else { continue };
        let (value, after) = parameter_value(value.trim_start())?;
        // The first of several `rel` parameters counts (RFC 8288 §3.3).
        if name.eq_ignore_ascii_case("rel") && rel.is_none() {
            rel = Some(value);
        }
        rest = after;
    }
    Some((Link { target: target.trim().to_owned(), rel: rel? }, rest))
}

/// Parses a token or a quoted string (RFC 9110 §5.6.4) and returns it with the rest of the text.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn parse(values: &[&str]) -> Result<Vec<Link>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, HeaderValue::from_str(value).unwrap());
        }
        links(&headers)
    }

    const SET: &str = "urn:ietf:params:push:set";

    #[test]
    fn r8288_a_every_way_to_write_a_link() {
        for value in [
            r#"</set/1>;rel="urn:ietf:params:push:set""#,
            r"</set/1>; rel=urn:ietf:params:push:set",
            r#"</set/1> ; REL = "other URN:ietf:params:push:set" "#,
            r#"</set/1>; title="a, \"b\" ; c"; rel="urn:ietf:params:push:set"; rel="ignored"; flag"#,
            r#", , </set/1>; rel="urn:ietf:params:push:set","#,
        ] {
            let links = parse(&[value]).unwrap();
            assert_eq!(links.len(), 1, "{value}");
            assert_eq!(links[0].target, "/set/1");
            assert!(links[0].has_rel(SET), "{value}");
            assert!(!links[0].has_rel("ignored"));
        }
    }

    #[test]
    fn several_headers_and_lists_are_combined() {
        let links = parse(&[r"</a>; rel=x, </b>; rel=y", r"</c>; rel=z"]).unwrap();
        assert_eq!(links.iter().map(|link| link.target.as_str()).collect::<Vec<_>>(), ["/a", "/b", "/c"]);
    }

    #[test]
    fn malformed_links_are_refused() {
        for value in ["/a; rel=x", "</a", r#"</a>; rel="x"#, "</a> rel=x", "</a>", "<a>; rel=x y"] {
            assert!(parse(&[value]).is_err(), "{value}");
        }
        let many = vec!["</a>; rel=x"; LIST_HEADER_MEMBERS + 1];
        assert!(parse(&many).is_err());
    }

    #[test]
    fn targets_on_other_origins_have_no_path() {
        let path = |target: &str| {
            parse(&[&format!("<{target}>; rel=x")]).unwrap()[0]
                .path_on("https://push.example:8443")
                .map(ToOwned::to_owned)
        };
        assert_eq!(path("/set/1").as_deref(), Some("/set/1"));
        assert_eq!(path("https://PUSH.example:8443/set/1").as_deref(), Some("/set/1"));
        for other in
            ["https://push.example/set/1", "//push.example:8443/a", "https://push.example:84430/x", "x"]
        {
            assert_eq!(path(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_parsed_or_refused(value in "[ -~\\t]*", list in prop::collection::vec("[<>;,=\" a-z\\\\]{0,20}", 0..5)) {
            let _ = parse(&[&value]);
            let list: Vec<_> = list.iter().map(String::as_str).collect();
            let _ = parse(&list);
        }
    }
}
