//! Dependencies between crates, dependencies of the pure crates, and reasons for dependencies.

use super::breach::{Breach, Rule};
use super::source::Source;

/// The crates of this workspace that each crate may use: only those of lower layers.
///
/// A crate that is not listed is refused.
const CRATES: &[(&str, &[&str])] = &[
    ("webpush-core", &[]),
    ("webpush-store", &["webpush-core"]),
    ("webpush-client", &["webpush-core"]),
    ("webpush-config", &["webpush-core"]),
    ("webpush-service", &["webpush-core", "webpush-store"]),
    ("webpush-http", &["webpush-core", "webpush-store", "webpush-client", "webpush-service"]),
    (
        "webpush-admin",
        &[
            "webpush-core",
            "webpush-store",
            "webpush-client",
            "webpush-config",
            "webpush-service",
            "webpush-http",
        ],
    ),
    ("webpush-conformance", &["webpush-core", "webpush-client"]),
    (
        "webpush-dev",
        &[
            "webpush-core",
            "webpush-store",
            "webpush-client",
            "webpush-conformance",
            "webpush-service",
            "webpush-http",
        ],
    ),
    ("webpush-server", SHIPPED),
    ("webpush-load", EVERYTHING),
    ("webpush-powercut", &["webpush-store"]),
    ("webpush-fuzz", EVERYTHING),
    ("webpush-sim", EVERYTHING),
    ("xtask", &[]),
];

/// Crates below the program.
const SHIPPED: &[&str] = &[
    "webpush-core",
    "webpush-store",
    "webpush-client",
    "webpush-config",
    "webpush-service",
    "webpush-http",
    "webpush-admin",
    "webpush-dev",
    "webpush-conformance",
];

/// For programs that use all of them and are never shipped.
const EVERYTHING: &[&str] = &[
    "webpush-core",
    "webpush-store",
    "webpush-client",
    "webpush-config",
    "webpush-service",
    "webpush-http",
    "webpush-admin",
    "webpush-dev",
    "webpush-conformance",
    "webpush-server",
];

/// External dependencies that the pure crates may use; those for tests do not count.
const PURE: &[(&str, &[&str])] = &[
    // Nothing with sockets, files, a clock, randomness, tasks, logs or metrics.
    ("webpush-core", &["base64", "bytes", "cidr", "http", "httpdate", "serde", "serde_json", "time"]),
    // An engine and a log, but no async runtime.
    (
        "webpush-store",
        &[
            "bytes",
            "fjall",
            "futures-util",
            "hashbrown",
            "lsm-tree",
            "rustix",
            "rustls",
            "rustls-native-certs",
            "shuttle",
            "tokio",
            "tokio-postgres",
            "tokio-postgres-rustls",
            "tracing",
            "xxhash-rust",
        ],
    ),
];

/// Checks a manifest; other files have no breach.
pub(super) fn check(source: &Source, breaches: &mut Vec<Breach>) {
    let Some(directory) = source.path.strip_suffix("Cargo.toml") else { return };
    let mut report = |line, advice| {
        breaches.push(Breach { rule: Rule::Dependency, path: source.path.clone(), line, advice })
    };
    if directory.is_empty() {
        for dependency in
            dependencies(&source.text).filter(|dependency| !dependency.is_ours() && !dependency.has_reason)
        {
            report(dependency.line, format!("{}: say in a comment what it is for", dependency.name));
        }
        return;
    }
    let package = directory.trim_end_matches('/').trim_start_matches("crates/");
    if package.contains('/') || package == "fuzz" {
        return;
    }
    let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == package) else {
        let advice = format!("the crate {package} has no place yet: add it to CRATES in {}", file!());
        return report(1, advice);
    };
    let pure = PURE.iter().find(|(name, _)| *name == package);
    for dependency in dependencies(&source.text) {
        let name = dependency.name;
        // Tests of the service verify tokens that a client signs.
        let is_of_tests = dependency.is_for_tests && name == "webpush-client";
        if dependency.is_ours() && !is_of_tests && !allowed.contains(&name) {
            report(
                dependency.line,
                format!("{package} must not use {name}, which is above it: move what both need down"),
            );
        }
        let is_foreign = !dependency.is_ours() && !dependency.is_for_tests;
        if let Some((_, pure)) = pure.filter(|(_, pure)| is_foreign && !pure.contains(&name)) {
            let advice =
                format!("{package} must not use {name}, only {}: pass in what it needs", pure.join(", "));
            report(dependency.line, advice);
        }
    }
}

struct Dependency<'a> {
    name: &'a str,
    line: usize,
    is_for_tests: bool,
    /// A comment above it or after it.
    has_reason: bool,
}

impl Dependency<'_> {
    fn is_ours(&self) -> bool {
        self.name.starts_with("webpush-") || self.name == "xtask"
    }
}

/// The dependencies of a manifest, of all its sections.
fn dependencies(manifest: &str) -> impl Iterator<Item = Dependency<'_>> {
    let mut section = "";
    let mut is_commented = false;
    let mut depth = 0;
    manifest.lines().enumerate().filter_map(move |(number, line)| {
        let line = line.trim();
        let was_commented = std::mem::replace(&mut is_commented, line.starts_with('#'));
        let is_inner = depth > 0;
        depth += line.matches(['[', '{']).count();
        depth -= line.matches([']', '}']).count().min(depth);
        if is_inner || line.starts_with('#') || line.is_empty() {
            return None;
        }
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            // [dependencies.name]
            let (kind, name) = section.rsplit_once('.')?;
            let is_entry = kind.ends_with("dependencies");
            return is_entry.then(|| Dependency {
                name,
                line: number + 1,
                is_for_tests: kind.contains("dev-dependencies"),
                has_reason: was_commented || line.contains('#'),
            });
        }
        section.ends_with("dependencies").then(|| Dependency {
            name: line.split(['.', '=', ' ']).next().unwrap_or_default(),
            line: number + 1,
            is_for_tests: section.contains("dev-dependencies"),
            has_reason: was_commented || line.contains('#'),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(path: &str, manifest: &str) -> Vec<String> {
        let mut breaches = Vec::new();
        check(&Source::new(path, manifest), &mut breaches);
        breaches.into_iter().map(|breach| format!("{}: {}", breach.line, breach.advice)).collect()
    }

    #[test]
    fn arrows_point_down() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nwebpush-core.workspace = true\ntokio = { version = \"1\" }\n";
        assert_eq!(advice("crates/webpush-service/Cargo.toml", manifest), Vec::<String>::new());
        for section in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let manifest = format!("[{section}]\nwebpush-http.workspace = true\n");
            assert_eq!(
                advice("crates/webpush-service/Cargo.toml", &manifest),
                ["2: webpush-service must not use webpush-http, which is above it: move what both need down"]
            );
        }
        assert_eq!(
            advice("crates/webpush-core/Cargo.toml", "[dependencies.webpush-store]\npath = \"x\"\n").len(),
            1
        );
        assert_eq!(
            advice("crates/webpush-server/Cargo.toml", "[dependencies]\nwebpush-load = \"1\"\n").len(),
            1
        );
    }

    #[test]
    fn an_unknown_crate_is_refused() {
        let advice = advice("crates/webpush-new/Cargo.toml", "[dependencies]\n");
        assert!(
            advice[0].starts_with("1: the crate webpush-new has no place yet: add it to CRATES"),
            "{advice:?}"
        );
    }

    #[test]
    fn the_pure_crates_use_what_is_listed() {
        let manifest =
            "[dependencies]\nbytes.workspace = true\n\n[dev-dependencies]\nproptest.workspace = true\n";
        assert_eq!(advice("crates/webpush-core/Cargo.toml", manifest), Vec::<String>::new());
        let advice = advice("crates/webpush-store/Cargo.toml", "[dependencies]\nhyper.workspace = true\n");
        assert!(
            advice[0].starts_with("2: webpush-store must not use hyper, only bytes, fjall"),
            "{advice:?}"
        );
    }

    #[test]
    fn each_dependency_of_the_workspace_has_a_reason() {
        let with = "[workspace.dependencies]\nwebpush-core = { path = \"x\" }\n# Buffers.\nbytes = \"1\"\nhttp = \"1\" # Types.\n";
        assert_eq!(advice("Cargo.toml", with), Vec::<String>::new());
        let without = "[workspace.dependencies]\n# Buffers.\nbytes = \"1\"\nhttp = { version = \"1\", features = [\n    \"std\",\n] }\n";
        assert_eq!(advice("Cargo.toml", without), ["4: http: say in a comment what it is for"]);
    }
}
