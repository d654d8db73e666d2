use super::*;
use crate::requirements::find;

fn report() -> Report {
    let mut report = Report::new(Subject::new(SubjectKind::Service, "https://push.example"));
    report.facts.push(("HTTP versions".to_owned(), "1.1, 2".to_owned()));
    let failed = CheckOutcome::failed("201", "200", "POST /push/x\n\n200\nx: \"<&>\"");
    report.add(find("R8030-5-a").unwrap(), "accepted", CheckOutcome::Passed);
    report.add(find("R8030-4-a").unwrap(), "subscribing", CheckOutcome::Passed);
    report.add(find("R8030-5-a").unwrap(), "again", failed);
    report.add(find("R8030-5-a").unwrap(), "accepted", CheckOutcome::skipped("it is late"));
    report.add(
        find("R8030-5.1-a").unwrap(),
        "receipts",
        CheckOutcome::skipped("the service offers no receipts"),
    );
    report.sort();
    report
}

#[test]
fn a_failure_counts_before_a_pass_before_a_skip() {
    let report = report();
    let found: Vec<_> =
        report.results.iter().map(|result| (result.requirement.id, result.outcome.as_str())).collect();
    let expected = [("R8030-4-a", "passed"), ("R8030-5-a", "failed"), ("R8030-5.1-a", "skipped")];
    assert_eq!(found, expected);
    assert_eq!(report.results[1].check, "accepted; again");
    assert_eq!(report.tally(None), Tally { passed: 1, failed: 1, skipped: 1 });
    assert!(!report.conforms(false));
}

#[test]
fn only_a_must_counts_unless_strict() {
    let mut report = Report::new(Subject::new(SubjectKind::Agent, "an agent"));
    report.add(find("R8030-6-c").unwrap(), "link", CheckOutcome::failed("a link", "none", ""));
    assert!(report.conforms(false) && !report.conforms(true));
    assert!(!junit::write(&report, false).contains("<failure"));
    assert!(junit::write(&report, true).contains("<failure message=\"expected a link, found none\">"));
    assert!(badge::write(&report).contains("conforms: 0 of 1"));
}

#[test]
fn the_text_has_the_exchange_and_the_advice() {
    let text = text::write(&report(), text::TextDetail::Everything);
    for part in [
        "push service https://push.example",
        "FAIL R8030-5-a MUST (RFC 8030 §5)",
        "expected: 201",
        "found:    200",
        "    | POST /push/x",
        "  change:   ",
        "[the service offers no receipts]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let last = text.lines().last().unwrap();
    assert_eq!(last, "https://push.example does not conform: 1 passed, 1 failed (1 MUST), 1 skipped");
    assert!(!text::write(&report(), text::TextDetail::Failures).contains("R8030-4-a"));
}

#[test]
fn the_other_forms_are_well_formed() {
    let json: serde_json::Value = serde_json::from_str(&json::write(&report()).unwrap()).unwrap();
    assert_eq!(json["results"][1]["findings"][0]["expected"], "201");
    assert_eq!(json["results"][2]["reason"], "the service offers no receipts");
    assert_eq!((&json["conforms"], &json["tally"]["failed"]), (&false.into(), &1.into()));
    let xml = junit::write(&report(), false);
    assert!(xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""), "{xml}");
    assert!(xml.contains("x: &quot;&lt;&amp;&gt;&quot;"), "{xml}");
    assert!(badge::write(&report()).contains("1 MUST failed"));
}
