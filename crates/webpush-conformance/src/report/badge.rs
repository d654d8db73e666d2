//! A report as a badge: a small SVG for a README.

use super::Report;
use crate::requirement::Level;

/// Width of a character in the font of the badge, in pixels, rounded up.
const CHARACTER_WIDTH: usize = 7;
const PADDING: usize = 10;
const LABEL: &str = "web push";
const GREEN: &str = "#2e7d32";
const YELLOW: &str = "#9a6700";
const RED: &str = "#c62828";

/// Returns an SVG that says whether the subject conforms, with the number of fulfilled requirements.
#[must_use]
pub fn write(report: &Report) -> String {
    let all = report.tally(None);
    let must = report.tally(Some(Level::Must)).failed;
    let (text, colour) = match (must, all.failed) {
        (0, 0) => (format!("conforms: {}", all.passed), GREEN),
        (0, failed) => (format!("conforms: {} of {}", all.passed, all.passed + failed), YELLOW),
        (1, _) => ("1 MUST failed".to_owned(), RED),
        (failed, _) => (format!("{failed} MUSTs failed"), RED),
    };
    let left = LABEL.len() * CHARACTER_WIDTH + PADDING;
    let right = text.len() * CHARACTER_WIDTH + PADDING;
    let width = left + right;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"20\" role=\"img\" \
         aria-label=\"{LABEL}: {text}\"><title>{LABEL}: {text}</title>\
         <rect width=\"{left}\" height=\"20\" fill=\"#444\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\" text-anchor=\"middle\">\
         <text x=\"{}\" y=\"14\">{LABEL}</text><text x=\"{}\" y=\"14\">{text}</text></g></svg>\n",
        left / 2,
        left + right / 2,
    )
}
