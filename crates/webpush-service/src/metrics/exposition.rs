//! Encodes metrics as OpenMetrics text with `prometheus-client`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_store::statistics::Distribution;

/// Prefix of all metric names.
const PREFIX: &str = "webpush";

/// Counters by one label with `N` known values, which are addressed by index.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Counters<N> {
    pub(crate) fn add(&self, index: usize, more: u64) {
        self.0[index].fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, index: usize, less: u64) {
        self.0[index].fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }

    /// Returns each counter with its label value.
    pub(super) fn labeled(&self, names: [&'static str; N]) -> impl Iterator<Item = (&'static str, u64)> {
        names.into_iter().zip(&self.0).map(|(name, number)| (name, number.load(Ordering::Relaxed)))
    }

    /// Returns each counter with two label values, of which the first is `row`.
    pub(super) fn row(
        &self,
        row: &'static str,
        names: [&'static str; N],
    ) -> impl Iterator<Item = ([&'static str; 2], u64)> {
        self.labeled(names).map(move |(name, number)| ([row, name], number))
    }
}

/// The encoder of metrics. Names have no prefix and no unit.
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

    /// Encodes a counter in bytes.
    pub(super) fn byte_counter(&mut self, name: &str, help: &str, bytes: u64) -> fmt::Result {
        let mut metric = self.begin(name, help, Some(&Unit::Bytes), MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&bytes, None)
    }

    pub(super) fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        numbers: impl Iterator<Item = (impl AsRef<str>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, None, MetricType::Counter)?;
        for (value, number) in numbers {
            let set = [(label, value.as_ref())];
            metric.encode_family(&set)?.encode_counter::<NoLabelSet, _, u64>(&number, None)?;
        }
        Ok(())
    }

    /// Encodes counters by two labels.
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

    /// Encodes a gauge that is 0 or 1.
    pub(super) fn flag(&mut self, name: &str, help: &str, is_set: bool) -> fmt::Result {
        self.gauge(name, help, u64::from(is_set))
    }

    pub(super) fn bytes(&mut self, name: &str, help: &str, bytes: u64) -> fmt::Result {
        self.begin(name, help, Some(&Unit::Bytes), MetricType::Gauge)?.encode_gauge(&signed(bytes))
    }

    pub(super) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        numbers: impl Iterator<Item = (impl AsRef<str>, u64)>,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, None, MetricType::Gauge)?;
        for (value, number) in numbers {
            metric.encode_family(&[(label, value.as_ref())])?.encode_gauge(&signed(number))?;
        }
        Ok(())
    }

    /// Encodes a Unix timestamp.
    pub(super) fn timestamp(&mut self, name: &str, help: &str, seconds: f64) -> fmt::Result {
        self.begin(name, help, Some(&Unit::Seconds), MetricType::Gauge)?.encode_gauge(&seconds)
    }

    /// Encodes a histogram of times, recorded in units of 1/`per_second` s.
    pub(super) fn times(
        &mut self,
        name: &str,
        help: &str,
        times: &Distribution,
        per_second: f64,
    ) -> fmt::Result {
        let metric = self.begin(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        histogram(metric, times, per_second)
    }

    /// Encodes histograms of times by one label.
    pub(super) fn times_by<'t>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        times: impl Iterator<Item = (&'t str, &'t Distribution)>,
        per_second: f64,
    ) -> fmt::Result {
        let mut metric = self.begin(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (value, times) in times {
            histogram(metric.encode_family(&[(label, value)])?, times, per_second)?;
        }
        Ok(())
    }

    /// Encodes a histogram of numbers without a unit.
    pub(super) fn sizes(&mut self, name: &str, help: &str, sizes: &Distribution) -> fmt::Result {
        histogram(self.begin(name, help, None, MetricType::Histogram)?, sizes, 1.0)
    }

    pub(super) fn info(
        &mut self,
        name: &str,
        help: &str,
        labels: &[(&'static str, &'static str)],
    ) -> fmt::Result {
        self.begin(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}

fn histogram(mut metric: MetricEncoder<'_>, values: &Distribution, divisor: f64) -> fmt::Result {
    let bounds = values.bounds.iter().map(|bound| *bound as f64 / divisor).chain([f64::INFINITY]);
    let buckets: Vec<_> = bounds.zip(values.counts.iter().copied()).collect();
    let count = values.counts.iter().sum();
    metric.encode_histogram::<NoLabelSet>(values.sum as f64 / divisor, count, &buckets, None)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns the text of the metrics that a function encodes.
pub(super) fn encode(
    metrics: impl Fn(&mut Exposition<'_>) -> fmt::Result + Send + Sync + 'static,
) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(FnCollector(metrics)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

struct FnCollector<F>(F);

impl<F> fmt::Debug for FnCollector<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnCollector").finish_non_exhaustive()
    }
}

impl<F> Collector for FnCollector<F>
where
    F: Fn(&mut Exposition<'_>) -> fmt::Result + Send + Sync + 'static,
{
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        (self.0)(&mut Exposition(encoder))
    }
}
