//! Metric families made by hand, so that a series exists only while its subject does.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

/// One family under construction.
pub(super) struct Family(MetricFamily);

impl Family {
    pub(super) fn gauge(name: &str, help: &str) -> Self {
        Self::of(name, help, MetricType::GAUGE)
    }

    pub(super) fn counter(name: &str, help: &str) -> Self {
        Self::of(name, help, MetricType::COUNTER)
    }

    pub(super) fn histogram(name: &str, help: &str) -> Self {
        Self::of(name, help, MetricType::HISTOGRAM)
    }

    fn of(name: &str, help: &str, kind: MetricType) -> Self {
        let mut family = MetricFamily::default();
        family.set_name(format!("resumeguard_{name}"));
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Self(family)
    }

    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let mut metric = Metric::from_label(pairs(labels));
        if self.0.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.0.mut_metric().push(metric);
    }

    /// Adds the value if it is known: what is not known has no series.
    pub(super) fn add_known(&mut self, labels: &[(&str, &str)], value: Option<f64>) {
        if let Some(value) = value {
            self.add(labels, value);
        }
    }

    pub(super) fn add_histogram(&mut self, labels: &[(&str, &str)], histogram: &prometheus::Histogram) {
        use prometheus::core::Metric as _;
        let mut metric = histogram.metric();
        metric.set_label(pairs(labels));
        self.0.mut_metric().push(metric);
    }
}

fn pairs(labels: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

/// Prometheus' text format 0.0.4; families without a series are left out.
pub(super) fn encode(families: Vec<Family>) -> Vec<u8> {
    let families: Vec<MetricFamily> = families
        .into_iter()
        .map(|family| family.0)
        .filter(|family| !family.get_metric().is_empty())
        .collect();
    let mut page = Vec::new();
    // Fails only for a family without series or of a kind that none of ours has.
    if let Err(error) = TextEncoder::new().encode(&families, &mut page) {
        tracing::error!(%error, "the metrics could not be encoded");
    }
    page
}
