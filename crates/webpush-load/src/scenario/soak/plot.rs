//! A plot of figures over time, as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const PANEL: f64 = 150.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 22.0;
/// Height of the title above the panels.
const TITLE: f64 = 34.0;
const COLORS: [&str; 3] = ["#1f6fb2", "#c8501e", "#3a8a4d"];

/// One diagram of a plot.
pub(super) struct Panel {
    pub(super) title: &'static str,
    /// Values are drawn by their magnitude, so that outliers leave the rest readable.
    pub(super) is_logarithmic: bool,
    pub(super) series: Vec<Series>,
}

/// A line of a diagram.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// Minutes and values.
    pub(super) points: Vec<(f64, f64)>,
}

/// Draws panels below each other, with the same time axis.
pub(super) fn svg(title: &str, panels: &[Panel]) -> String {
    let height = TITLE + panels.len() as f64 * (PANEL + TOP + BOTTOM);
    let minutes = panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
    let end = minutes.map(|(minute, _)| *minute).fold(1.0_f64, f64::max);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"22\" \
         font-size=\"15\">{}</text>\n",
        escape(title)
    );
    for (number, panel) in panels.iter().enumerate() {
        let top = TITLE + number as f64 * (PANEL + TOP + BOTTOM) + TOP;
        panel.draw(&mut out, top, end);
    }
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self, out: &mut String, top: f64, end: f64) {
        let scale = Scale::new(self);
        let right = WIDTH - RIGHT;
        put(out, &format!("<text x=\"{LEFT}\" y=\"{}\">{}</text>", top - 8.0, escape(self.title)));
        for value in scale.grid() {
            let y = top + PANEL * (1.0 - scale.share(value));
            put(out, &format!("<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>"));
            let (x, y) = (LEFT - 6.0, y + 4.0);
            put(out, &format!("<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", short(value)));
        }
        let step = round_step(end / 8.0);
        for minute in (0..).map(|number| f64::from(number) * step).take_while(|minute| *minute <= end) {
            let (x, y) = (x_of(minute, end), top + PANEL + 16.0);
            put(
                out,
                &format!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{} min</text>", short(minute)),
            );
        }
        for (number, (series, color)) in self.series.iter().zip(COLORS).enumerate() {
            let place = |(minute, value): &(f64, f64)| {
                format!("{:.1},{:.1}", x_of(*minute, end), top + PANEL * (1.0 - scale.share(*value)))
            };
            let points = series.points.iter().map(place).collect::<Vec<_>>().join(" ");
            put(
                out,
                &format!(
                    "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.3\"/>"
                ),
            );
            let (x, y) = (right - 110.0 * (self.series.len() - number) as f64 + 110.0, top - 8.0);
            let name = escape(series.name);
            put(
                out,
                &format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" fill=\"{color}\">{name}</text>"),
            );
        }
    }
}

/// The vertical axis of a panel.
struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
}

impl Scale {
    fn new(panel: &Panel) -> Self {
        let values = || panel.series.iter().flat_map(|series| &series.points).map(|(_, value)| *value);
        let high = values().fold(f64::MIN_POSITIVE, f64::max);
        if panel.is_logarithmic {
            let low = values().filter(|value| *value > 0.0).fold(high, f64::min);
            let (low, high) = (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()));
            return Self { low, high: high.max(low * 10.0), is_logarithmic: true };
        }
        let step = round_step(high / 4.0);
        Self { low: 0.0, high: (high / step).ceil().max(1.0) * step, is_logarithmic: false }
    }

    /// Returns the values with a line.
    fn grid(&self) -> Vec<f64> {
        if self.is_logarithmic {
            let powers = std::iter::successors(Some(self.low), |value| Some(value * 10.0));
            return powers.take_while(|value| *value <= self.high * 1.01).collect();
        }
        let step = round_step(self.high / 4.0);
        (0..).map(|number| f64::from(number) * step).take_while(|value| *value <= self.high * 1.01).collect()
    }

    /// Returns the height of a value, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let share = if self.is_logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

fn x_of(minute: f64, end: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * minute / end
}

/// Returns 1, 2 or 5 times a power of ten, not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|times| times * power)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(power)
}

/// Formats a number of an axis.
fn short(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value}") }
}

fn put(out: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{line}");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.9, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 5.0), (7.0, 10.0), (130.0, 200.0)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn every_point_is_inside_its_panel() {
        for is_logarithmic in [false, true] {
            let series = Series { name: "a<b", points: vec![(0.0, 3.0), (1.0, 900.0), (2.0, 40.0)] };
            let panel = Panel { title: "t", is_logarithmic, series: vec![series] };
            let scale = Scale::new(&panel);
            let shares = [3.0, 40.0, 900.0].map(|value| scale.share(value));
            assert!(shares.is_sorted() && shares[0] >= 0.0 && shares[2] <= 1.0, "{shares:?}");
            assert!(scale.grid().len() >= 2);
            let drawn = svg("x & y", &[panel]);
            assert!(drawn.contains("a&lt;b") && drawn.contains("x &amp; y") && drawn.contains("<polyline"));
        }
    }
}
