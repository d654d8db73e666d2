//! The import graph of the modules of a crate.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// A path in the code, by its names.
type Path = Vec<String>;

/// A file that is a module.
pub(super) struct Module {
    /// Of the file.
    pub(super) path: String,
    /// Names from the root of the crate; empty for the root.
    pub(super) names: Path,
    children: BTreeMap<String, usize>,
    /// Names that `use` brings in, with the paths they stand for.
    imports: BTreeMap<String, Path>,
    /// Other paths in its code.
    mentions: Vec<Path>,
}

/// The modules of one crate, without tests.
pub(super) struct Modules(pub(super) Vec<Module>);

impl Modules {
    /// Reads the files of `source_directory`, such as `crates/webpush-core/src/`.
    pub(super) fn read(source_directory: &str, sources: &[Source]) -> Self {
        let mut modules = Vec::new();
        for source in sources {
            let Some(relative) = source.path.strip_prefix(source_directory) else { continue };
            let Some((names, code)) = names(relative).zip(source.shipped_code()) else { continue };
            let (imports, mentions) = paths(&code);
            modules.push(Module {
                path: source.path.clone(),
                names,
                children: BTreeMap::new(),
                imports,
                mentions,
            });
        }
        // Parents before their children.
        modules.sort_by(|a: &Module, b| a.names.cmp(&b.names));
        for child in 0..modules.len() {
            let Some((name, parent)) = modules[child].names.split_last() else { continue };
            let Some(parent) = modules.iter().position(|module| module.names == parent) else { continue };
            let name = name.clone();
            modules[parent].children.insert(name, child);
        }
        Self(modules)
    }

    /// Returns the modules that `user` uses, except itself.
    pub(super) fn used_by(&self, user: usize) -> BTreeSet<usize> {
        let module = &self.0[user];
        let paths = module.imports.values().chain(&module.mentions);
        paths.filter_map(|path| self.resolve(user, path, 0)).filter(|used| *used != user).collect()
    }

    /// Returns true if one is the parent of the other, over any number of generations.
    pub(super) fn is_above(&self, above: usize, below: usize) -> bool {
        above != below && self.0[below].names.starts_with(&self.0[above].names)
    }

    /// Returns the module that declares the item `path`, as written in `user`. Follows re-exports.
    fn resolve(&self, user: usize, path: &[String], depth: usize) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        let mut names = &self.0[user].names[..];
        match first.as_str() {
            "crate" => self.descend(self.root()?, rest, depth),
            "self" => self.descend(user, rest, depth),
            "super" => {
                let mut rest = path;
                while let Some((_, below)) = rest.split_first().filter(|(first, _)| *first == "super") {
                    names = names.split_last()?.1;
                    rest = below;
                }
                self.descend(self.find(names)?, rest, depth)
            }
            name => self.0[user].children.contains_key(name).then(|| self.descend(user, path, depth))?,
        }
    }

    fn descend(&self, mut at: usize, path: &[String], depth: usize) -> Option<usize> {
        for (number, name) in path.iter().enumerate() {
            let module = &self.0[at];
            if let Some(child) = module.children.get(name) {
                at = *child;
            } else if let Some(import) = module.imports.get(name).filter(|_| depth < 8) {
                let path: Path = import.iter().chain(&path[number + 1..]).cloned().collect();
                return self.resolve(at, &path, depth + 1).or(Some(at));
            } else {
                return Some(at);
            }
        }
        Some(at)
    }

    fn root(&self) -> Option<usize> {
        self.find(&[])
    }

    fn find(&self, names: &[String]) -> Option<usize> {
        self.0.iter().position(|module| module.names == names)
    }
}

/// The module of a file below `src/`; programs beside a library have no module.
fn names(relative: &str) -> Option<Path> {
    let relative = relative.strip_suffix(".rs")?;
    if relative.starts_with("bin/") || relative == "main" {
        return None;
    }
    let mut names: Path = relative.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|last| last == "mod") || names == ["lib"] {
        names.pop();
    }
    Some(names)
}

/// Reads the imports and the other paths of code without comments.
fn paths(code: &str) -> (BTreeMap<String, Path>, Vec<Path>) {
    let tokens = tokens(code);
    let mut imports = BTreeMap::new();
    let mut mentions = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at = import(&tokens, at + 1, &[], &mut imports);
        } else if is_name(tokens[at])
            && tokens.get(at + 1) == Some(&"::")
            && (at == 0 || tokens[at - 1] != "::")
        {
            let mut path = vec![tokens[at].to_owned()];
            while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|next| is_name(next)) {
                path.push(tokens[at + 2].to_owned());
                at += 2;
            }
            mentions.push(path);
        }
        at += 1;
    }
    (imports, mentions)
}

/// Reads one tree of a `use` from `at`; returns where it ends.
fn import(tokens: &[&str], mut at: usize, prefix: &[String], imports: &mut BTreeMap<String, Path>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match *token {
            "::" => {}
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = import(tokens, at, &path, imports);
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                return at + 1;
            }
            // A glob import has no name; only its path counts.
            "*" => {
                imports.insert(format!("* of {}", path.join("::")), path);
                return at + 1;
            }
            "as" => {
                let alias = tokens.get(at + 1).copied().unwrap_or("_");
                let name = if alias == "_" { format!("_ for {}", path.join("::")) } else { alias.to_owned() };
                imports.insert(name, path);
                return at + 2;
            }
            // `a::{self}` is `a`.
            "self" if !path.is_empty() => {}
            token if is_name(token) => path.push(token.to_owned()),
            _ => break,
        }
        at += 1;
    }
    if let Some(name) = path.last().cloned() {
        imports.insert(name, path);
    }
    at
}

/// Names and punctuation.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_alphanumeric() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(user: &str, files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> =
            files.iter().map(|(path, text)| Source::new(format!("src/{path}"), *text)).collect();
        let modules = Modules::read("src/", &sources);
        let user = modules.0.iter().position(|module| module.path == format!("src/{user}")).unwrap();
        modules.used_by(user).into_iter().map(|used| modules.0[used].names.join("::")).collect()
    }

    #[test]
    fn imports_and_paths_lead_to_files() {
        let a = "use crate::{b::{self, B}, c::d::D as E};\nuse super::e::*;\nfn f() { crate::f::g(self::h::H, std::mem::take) }\n// crate::i\n";
        let files = [
            ("lib.rs", ""),
            ("a.rs", a),
            ("a/h.rs", ""),
            ("b.rs", ""),
            ("c.rs", ""),
            ("c/d.rs", ""),
            ("e.rs", ""),
            ("f.rs", ""),
            ("i.rs", ""),
        ];
        assert_eq!(used("a.rs", &files), ["a::h", "b", "c::d", "e", "f"]);
    }

    #[test]
    fn re_exports_are_followed() {
        let files = [
            ("lib.rs", "pub use b::c::{C, D as E};"),
            ("a.rs", "use crate::{C, E};\nuse crate::b::F;"),
            ("b/mod.rs", "pub use c::F;"),
            ("b/c.rs", "use super::c;"),
        ];
        assert_eq!(used("a.rs", &files), ["b::c"]);
    }

    #[test]
    fn tests_and_programs_have_no_part() {
        let files = [
            ("lib.rs", ""),
            ("a.rs", "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n"),
            ("b.rs", ""),
            ("main.rs", "use crate::a;"),
        ];
        assert_eq!(used("a.rs", &files), Vec::<String>::new());
    }
}
