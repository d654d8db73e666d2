//! The report of a run: a name and a value per line, for people and for `cargo xtask bench`.

use crate::histogram::Histogram;
use crate::process::CpuUsage;

/// Figures in the order in which they were recorded.
#[derive(Default)]
pub struct Figures(Vec<(String, f64)>);

impl Figures {
    /// Records a figure. The name ends with the unit.
    pub fn note(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value));
    }

    /// Records the usual percentiles of a latency.
    pub fn note_latency(&mut self, of: &str, latency: &Histogram) {
        for (name, share) in [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)] {
            self.note(format!("{of}_{name}_us"), micros(latency.per_mille(share)));
        }
        self.note(format!("{of}_max_us"), micros(latency.largest()));
    }

    /// Records processor time in microseconds per item, in total and by thread.
    pub fn note_cpu(&mut self, spent: &CpuUsage, each: &str, count: u64) {
        let divisor = count.max(1) as f64;
        self.note(format!("server_cpu_us_per_{each}"), micros(spent.total) / divisor);
        self.note(format!("server_system_share_of_{each}"), spent.system_share());
        for (thread, time) in &spent.by_thread {
            let per_thread = micros(*time) / divisor;
            if per_thread >= 0.05 {
                self.note(format!("thread_{thread}_us_per_{each}"), per_thread);
            }
        }
    }

    /// Returns the lines.
    #[must_use]
    pub fn lines(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name:<44} {}\n", shown(*value))).collect()
    }
}

/// Formats a value with four significant digits, or as an integer.
fn shown(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 1000.0 || value.fract() == 0.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// Returns a time in microseconds.
#[must_use]
pub fn micros(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_line_with_a_name_and_a_number() {
        let mut figures = Figures::default();
        figures.note("messages", 12_345.0);
        figures.note("server_cpu_us_per_message", 34.567);
        let lines = figures.lines();
        let words: Vec<Vec<_>> = lines.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words, [["messages", "12345"], ["server_cpu_us_per_message", "34.57"]]);
    }

    #[test]
    fn four_digits_are_enough() {
        for (value, text) in
            [(0.0, "0"), (0.12345, "0.123"), (9.8765, "9.877"), (123.45, "123.5"), (12345.6, "12346")]
        {
            assert_eq!(shown(value), text);
        }
    }
}
