//! Methods, paths and links (RFC 9110, RFC 8288).

use crate::check::checks;
use crate::probe::{Probe, SET};
use crate::stop::Stop;
use http::Method;

checks! {
    "wrong methods are 405, and unknown paths 404" UserAgent ["R9110-a"] [Subscribing] methods;
    "links are read in every form" UserAgent ["R8288-a"] [Sets] links;
}

async fn methods(probe: &mut Probe) -> Result<(), Stop> {
    let endpoint = probe.subscribe().await?;
    for (method, url) in [(Method::PATCH, &endpoint.push), (Method::PATCH, endpoint.subscription()?)] {
        let refused = probe.send(method, url, &[("ttl", "60")], "").await?;
        let is_right = refused.status == 405 && refused.headers.contains_key("allow");
        let found = refused.status.to_string();
        probe.verify("R9110-a", is_right, "405 with Allow", found, &refused.transcript);
    }
    let directory = endpoint.push.path().rsplit_once('/').map_or("", |(directory, _)| directory);
    for path in [format!("{directory}/AAAA"), format!("{directory}/%ff")] {
        let Ok(url) = endpoint.push.join(&path) else { continue };
        let unknown = probe.send(Method::POST, &url, &[("ttl", "60")], "nowhere").await?;
        probe.verify_status("R9110-a", &unknown, &[404]);
    }
    Ok(())
}

async fn links(probe: &mut Probe) -> Result<(), Stop> {
    let first = probe.subscribe().await?;
    let set = first.set()?.clone();
    let url = set.expose();
    let reused = probe.subscribe_with(&[("link", &format!("<{url}>; rel=\"{SET}\""))], "").await?;
    if !reused.links(SET).contains(&set) {
        return Err(Stop::skip("the service gives each subscription a set of its own"));
    }
    let other = "<https://example.net/a,b>; rel=\"help\"; title=\"a, b; c\"";
    let forms = [
        format!("<{}>; rel=\"{SET}\"", set.path()),
        format!("<{url}>;rel={SET}"),
        format!("{other}, <{url}>; rel=\"{SET}\""),
        format!("<{url}>; title=\"x\"; rel=\"next {}\"", SET.to_ascii_uppercase()),
    ];
    for form in &forms {
        let made = probe.subscribe_with(&[("link", form)], "").await?;
        let is_same = made.links(SET).contains(&set);
        probe.verify("R8288-a", is_same, "the set of the request", "another set, or none", &made.transcript);
    }
    let made = probe.subscribe_with(&[("link", other), ("link", &forms[0])], "").await?;
    let is_same = made.links(SET).contains(&set);
    probe.verify("R8288-a", is_same, "the set of the second field", "another set, or none", &made.transcript);
    Ok(())
}
