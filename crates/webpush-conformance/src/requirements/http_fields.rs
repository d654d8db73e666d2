//! HTTP in general: methods, links and preferences.

use crate::requirement::{Level, Requirement};

pub(super) const TABLE: &[Requirement] = &[
    Requirement {
        id: "R9110-a",
        level: Level::Practice,
        specification: &super::RFC9110,
        section: "15.5",
        text: "A wrong method is 405 with Allow; a malformed or unknown path is 404.",
        advice: "Return 405 with Allow for methods that a resource lacks, and 404 for URLs that you did not hand out.",
    },
    Requirement {
        id: "R8288-a",
        level: Level::Practice,
        specification: &super::RFC8288,
        section: "3",
        text: "Links are parsed in every form: a list, several fields, an unquoted relation, any case, a relative target.",
        advice: "Use a parser for Link that follows RFC 8288, not a search for a string.",
    },
    Requirement {
        id: "R7240-a",
        level: Level::May,
        specification: &super::RFC7240,
        section: "3",
        text: "The response names the preferences that were applied.",
        advice: "Send Preference-Applied with respond-async and wait.",
    },
];
