//! The last stage of the Containerfile: what a container engine does with the file tree.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

pub(super) struct Containerfile {
    /// Name and value.
    pub(super) environment: Vec<(String, String)>,
    /// `uid:gid`.
    pub(super) user: String,
    pub(super) working_directory: String,
    pub(super) entry_point: Vec<String>,
    pub(super) health_check: Vec<String>,
    pub(super) volumes: Vec<String>,
}

impl Containerfile {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not understood", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let last = lines.iter().rposition(|line| line.starts_with("FROM ")).context("no FROM")?;
        let mut stages = lines.split_at(last);
        ensure!(stages.1[0] == "FROM scratch", "the image must begin empty");
        stages.1 = &stages.1[1..];
        let mut copies = Vec::new();
        let mut file = Self {
            environment: Vec::new(),
            user: String::new(),
            working_directory: String::new(),
            entry_point: Vec::new(),
            health_check: Vec::new(),
            volumes: Vec::new(),
        };
        for line in stages.1 {
            let (instruction, rest) = line.split_once(' ').context("an instruction without arguments")?;
            match instruction {
                "COPY" => copies.push(rest),
                "ENV" => {
                    let (name, value) = rest.split_once('=').context("ENV is NAME=VALUE")?;
                    file.environment.push((name.to_owned(), value.to_owned()));
                }
                "USER" => file.user = rest.to_owned(),
                "WORKDIR" => file.working_directory = rest.to_owned(),
                "ENTRYPOINT" => file.entry_point = words(rest)?,
                "HEALTHCHECK" => {
                    let (_, command) = rest.split_once("CMD ").context("HEALTHCHECK has no CMD")?;
                    file.health_check = words(command)?;
                }
                "VOLUME" => file.volumes = words(rest)?,
                "LABEL" | "EXPOSE" | "STOPSIGNAL" => {}
                other => bail!("this task does not know what {other} does to the image"),
            }
        }
        // One script makes both trees, so that the tree that is tested is the tree that is shipped.
        ensure!(copies == ["--from=build /tree /"], "the image must be the tree alone, not {copies:?}");
        for script in [
            "contrib/container/build /build/webpush-server",
            "contrib/container/tree /build/webpush-server /tree",
        ] {
            ensure!(stages.0.iter().any(|line| line.ends_with(script)), "the first stage must run {script}");
        }
        ensure!(
            !file.entry_point.is_empty() && !file.health_check.is_empty(),
            "ENTRYPOINT or HEALTHCHECK is missing"
        );
        ensure!(!file.user.is_empty() && !file.user.starts_with("0"), "USER must not be root");
        Ok(file)
    }
}

/// The words of a list such as `["/webpush-server", "health"]`.
fn words(list: &str) -> Result<Vec<String>> {
    let inside = list.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inside =
        inside.with_context(|| format!("{list} is not a list: an image from scratch has no shell"))?;
    let quoted = inside.split(',').map(str::trim);
    let bare = quoted.map(|word| word.strip_prefix('"').and_then(|word| word.strip_suffix('"')));
    bare.map(|word| word.map(str::to_owned).context("a word without quotes")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "FROM x AS build\nRUN A=b contrib/container/build /build/webpush-server
RUN contrib/container/tree /build/webpush-server /tree\nFROM scratch\n";
    const LAST: &str =
        "COPY --from=build /tree /\nENV A=b\nUSER 1:1\nWORKDIR /w\nVOLUME [\"/w\"]\nENTRYPOINT [\"/p\"]
HEALTHCHECK --timeout=5s CMD [\"/p\", \"health\"]\n";

    #[test]
    fn the_last_stage_is_read() {
        let file = Containerfile::parse(&format!("{FIRST}{LAST}")).unwrap();
        assert_eq!(file.health_check, ["/p", "health"]);
        assert_eq!((file.user.as_str(), file.working_directory.as_str()), ("1:1", "/w"));
        assert_eq!(file.environment, [("A".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn another_way_into_the_image_is_refused() {
        for more in ["COPY x /x\n", "USER 0\n", "RUN x y\n", "ENTRYPOINT /p x\n"] {
            assert!(Containerfile::parse(&format!("{FIRST}{LAST}{more}")).is_err(), "{more}");
        }
        assert!(Containerfile::parse(&format!("FROM scratch\n{LAST}")).is_err());
    }
}
