//! Metrics as text: OpenMetrics, by way of `prometheus-client`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_store::statistics::Distribution;

/// What the names of all metrics begin with.
const PREFIX: &str = "webpush";

/// Numbers by one label, whose values are a closed set: each has its place, so that nothing is looked up to count.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Counters<N> {
    pub(crate) fn add(&self, place: usize, more: u64) {
        self.0[place].fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, place: usize, less: u64) {
        self.0[place].fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, place: usize) -> u64 {
        self.0[place].load(Ordering::Relaxed)
    }

    /// With what each is called.
    pub(super) fn named(&self, names: [&'static str; N]) -> impl Iterator<Item = (&'static str, u64)> {
        names.into_iter().zip(&self.0).map(|(name, number)| (name, number.load(Ordering::Relaxed)))
    }

    /// The same as one row of a table.
    pub(super) fn row(
        &self,
        row: &'static str,
        names: [&'static str; N],
    ) -> impl Iterator<Item = ([&'static str; 2], u64)> {
        self.named(names).map(move |(name, number)| ([row, name], number))
    }
}

/// Where metrics are written. Each is declared by being written: name without prefix and unit, and what it means.
pub(super) struct Exposition<'a>(DescriptorEncoder<'a>);

impl Exposition<'_> {
    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        unit: Option<&'s Unit>,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, unit, kind)
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, number: u64) -> fmt::Result {
        self.begin(name, help, None, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&number, None)
    }

    /// In bytes.
    pub(super) fn byte_counter(&mut self, name: &str, help: &str, bytes: u64) -> fmt::Result {
        let mut metric = self.begin(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&bytes, None)
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        numbers: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, None, MetricType::Counter)?;
        for (value, number) in numbers {
            metric.encode_family(&[(label, value)])?.encode_counter::<NoLabelSet, _, u64>(&number, None)?;
        }
        Ok(())
    }

    /// Counters by two labels.
    pub(super) fn table(
        &mut self,
        name: &str,
        help: &str,
        labels: [&'static str; 2],
        numbers: impl Iterator<Item = ([&'static str; 2], u64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, None, MetricType::Counter)?;
        for ([first, second], number) in numbers {
            let set = [(labels[0], first), (labels[1], second)];
            metric.encode_family(&set)?.encode_counter::<NoLabelSet, _, u64>(&number, None)?;
        }
        Ok(())
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, number: u64) -> fmt::Result {
        self.begin(name, help, None, MetricType::Gauge)?.encode_gauge(&signed(number))
    }

    /// 1 if so, 0 if not.
    pub(super) fn flag(&mut self, name: &str, help: &str, is_so: bool) -> fmt::Result {
        self.gauge(name, help, u64::from(is_so))
    }

    pub(super) fn bytes(&mut self, name: &str, help: &str, bytes: u64) -> fmt::Result {
        self.begin(name, help, Some(&Unit::Bytes), MetricType::Gauge)?.encode_gauge(&signed(bytes))
    }

    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        numbers: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, None, MetricType::Gauge)?;
        for (value, number) in numbers {
            metric.encode_family(&[(label, value)])?.encode_gauge(&signed(number))?;
        }
        Ok(())
    }

    /// A point in time, in seconds since 1970-01-01 UTC.
    pub(super) fn timestamp(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        self.begin(name, help, Some(&Unit::Seconds), MetricType::Gauge)?.encode_gauge(&seconds)
    }

    /// Of so many parts of a second each.
    pub(super) fn times(&mut self, name: &str, help: &str, of: &Distribution, parts: f64) -> fmt::Result {
        let metric = self.begin(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        histogram(metric, of, parts)
    }

    /// Of numbers without a unit.
    pub(super) fn sizes(&mut self, name: &str, help: &str, of: &Distribution) -> fmt::Result {
        histogram(self.begin(name, help, None, MetricType::Histogram)?, of, 1.0)
    }

    pub(super) fn info(
        &mut self,
        name: &str,
        help: &str,
        of: &[(&'static str, &'static str)],
    ) -> fmt::Result {
        self.begin(name, help, None, MetricType::Info)?.encode_info(&of)
    }
}

fn histogram(mut metric: MetricEncoder<'_>, of: &Distribution, parts: f64) -> fmt::Result {
    let bounds = of.bounds.iter().map(|bound| *bound as f64 / parts).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(of.counts.iter().copied()).collect();
    let count = of.counts.iter().sum();
    metric.encode_histogram::<NoLabelSet>(of.sum as f64 / parts, count, &buckets, None)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The whole text of what a function writes.
pub(super) fn write(
    show: impl Fn(&mut Exposition<'_>) -> fmt::Result + Send + Sync + 'static,
) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Shown(show)));
    let mut written = String::new();
    text::encode(&mut written, &registry)?;
    Ok(written)
}

struct Shown<F>(F);

impl<F> fmt::Debug for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl<F> Collector for Shown<F>
where
    F: Fn(&mut Exposition<'_>) -> fmt::Result + Send + Sync + 'static,
{
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Exposition(encoder))
    }
}
