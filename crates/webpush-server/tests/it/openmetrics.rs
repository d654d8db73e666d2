//! A strict parser of OpenMetrics text.

use std::collections::{BTreeMap, BTreeSet};

/// The label set of a sample.
pub(crate) type Labels = BTreeMap<String, String>;

/// All metrics of one scrape.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) families: Vec<Family>,
}

/// One metric with all its samples.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    unit: Option<String>,
    pub(crate) samples: Vec<(String, Labels, f64)>,
}

impl Exposition {
    /// Parses a text, which must follow every rule of the standard.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lines: Vec<_> = text.strip_suffix("\n").expect("lines end").split('\n').collect();
        assert_eq!(lines.pop(), Some("# EOF"));
        let mut read = Self::default();
        for line in lines {
            match line.strip_prefix("# ") {
                Some(descriptor) => read.descriptor(descriptor),
                None => read.sample(line),
            }
        }
        let names: BTreeSet<_> = read.families.iter().map(|family| &family.name).collect();
        assert_eq!(names.len(), read.families.len(), "each stands together");
        read.families.iter().for_each(Family::check);
        read
    }

    fn descriptor(&mut self, line: &str) {
        let [keyword, name, rest] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("'{line}'") };
        if keyword == "HELP" {
            let (name, help) = (name.to_owned(), rest.to_owned());
            let (kind, unit, samples) = (String::new(), None, Vec::new());
            return self.families.push(Family { name, kind, help, unit, samples });
        }
        let family = self.families.last_mut().expect("HELP comes first");
        assert!(family.name == name && family.samples.is_empty(), "'{line}' is about {}", family.name);
        match keyword {
            "TYPE" if family.kind.is_empty() => rest.clone_into(&mut family.kind),
            "UNIT" if family.unit.is_none() => family.unit = Some(rest.to_owned()),
            _ => panic!("'{line}'"),
        }
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("'{line}'"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, read_labels(labels.strip_suffix('}').expect("a brace"))),
            None => (series, Labels::new()),
        };
        let value = if value == "+Inf" { f64::INFINITY } else { value.parse().expect("a number") };
        let family = self.families.last_mut().expect("HELP comes first");
        let suffix = name.strip_prefix(&*family.name).unwrap_or_else(|| panic!("{name} in {}", family.name));
        let is_new = family.samples.iter().all(|(other, set, _)| other != suffix || *set != labels);
        assert!(is_new, "twice: '{series}'");
        family.samples.push((suffix.to_owned(), labels, value));
    }

    /// Returns the value of the sample with exactly this name.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("there is no {name} {labels:?}"))
    }

    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let wanted: Labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let found = self.families.iter().find_map(|family| {
            let suffix = name.strip_prefix(&*family.name)?;
            family.samples.iter().find(|(other, set, _)| other == suffix && *set == wanted)
        });
        found.map(|(_, _, value)| *value)
    }

    /// The names of the samples.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let of = |family: &Family| {
            let named = |(suffix, _, _): &(String, Labels, f64)| format!("{}{suffix}", family.name);
            family.samples.iter().map(named).collect::<Vec<_>>()
        };
        self.families.iter().flat_map(of).collect()
    }
}

impl Family {
    fn check(&self) {
        let name = &self.name;
        let is_named = name.chars().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_');
        assert!(is_named && name.starts_with("webpush_"), "{name}");
        assert!(self.help.ends_with('.') && !self.help.contains('\\'), "{name}: {}", self.help);
        if let Some(unit) = &self.unit {
            assert!(["seconds", "bytes"].contains(&&**unit) && name.ends_with(&format!("_{unit}")), "{name}");
        }
        let is_timed = name.ends_with("_seconds") || name.ends_with("_bytes");
        assert_eq!(is_timed, self.unit.is_some(), "{name} has a unit if it says so");
        assert!(!self.samples.is_empty(), "{name}");
        let label_names =
            |labels: &Labels| labels.keys().filter(|name| *name != "le").cloned().collect::<Vec<_>>();
        let of_first = label_names(&self.samples[0].1);
        assert!(self.samples.iter().all(|(_, labels, _)| label_names(labels) == of_first), "{name}");
        let suffixes: &[&str] = match &*self.kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => return self.check_histogram(),
            other => panic!("{name} is a {other}"),
        };
        for (suffix, _, value) in &self.samples {
            assert!(suffixes.contains(&&**suffix) && *value >= 0.0, "{name}{suffix} {value}");
        }
    }

    fn check_histogram(&self) {
        let of = |suffix: &str| self.samples.iter().filter(|one| one.0 == suffix).collect::<Vec<_>>();
        let ([(_, _, sum)], [(_, _, count)]) = (&of("_sum")[..], &of("_count")[..]) else {
            panic!("{self:?}")
        };
        let bucket = |(_, labels, count): &&(String, Labels, f64)| {
            let le = &*labels["le"];
            (if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() }, *count)
        };
        let buckets: Vec<(f64, f64)> = of("_bucket").iter().map(bucket).collect();
        assert_eq!(buckets.len() + 2, self.samples.len(), "{}", self.name);
        assert!(
            buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1),
            "{}: {buckets:?}",
            self.name
        );
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{}", self.name);
        assert!(*sum >= 0.0);
    }
}

/// `name="value",…`; no value here needs an escape.
fn read_labels(text: &str) -> Labels {
    let mut labels = Labels::new();
    for label in text.split(',') {
        let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("'{text}'"));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).expect("quotes");
        assert!(!value.contains(['"', '\\']) && !value.is_empty(), "'{text}'");
        assert!(labels.insert(name.to_owned(), value.to_owned()).is_none(), "'{text}'");
    }
    labels
}
