//! Metrics as the text that Prometheus reads.

use std::fmt::{self, Write};

use gilprof_core::Profile;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::families::families;
use crate::family::{Family, Kind, Value};

/// The media type of the text, as HTTP's Content-Type says it.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of a profile as text in the OpenMetrics 1.0 format.
pub fn openmetrics(profile: &Profile) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families(profile))));
    let mut text = String::new();
    // A String takes all that is written to it.
    if let Err(_never) = encode(&mut GoNumbers(&mut text), &registry) {}
    text
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|one| write(one, &mut encoder))
    }
}

fn write(family: &Family, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let unit = family.unit.map(|unit| Unit::Other(unit.into()));
    // The encoder puts the unit behind the name.
    let bare = family.unit.and_then(|unit| family.name.strip_suffix(unit));
    let name = bare.map_or(family.name, |bare| bare.trim_end_matches('_'));
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    };
    let mut metric = encoder.encode_descriptor(name, family.help, unit.as_ref(), kind)?;
    for point in &family.points {
        if point.labels.is_empty() {
            sample(family.kind, &point.value, &mut metric)?;
        } else {
            let mut labelled = metric.encode_family(&point.labels)?;
            sample(family.kind, &point.value, &mut labelled)?;
        }
    }
    Ok(())
}

fn sample(kind: Kind, value: &Value, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    match (kind, value) {
        (_, Value::Histogram(histogram)) => {
            let buckets: Vec<(f64, u64)> = histogram.buckets().collect();
            let sum = histogram.sum_seconds();
            encoder.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
        }
        (Kind::Counter, Value::Count(count)) => counter(encoder, count),
        (Kind::Counter, Value::Seconds(seconds)) => counter(encoder, seconds),
        (_, Value::Count(count)) => encoder.encode_gauge(count),
        (_, Value::Seconds(seconds)) => encoder.encode_gauge(seconds),
    }
}

fn counter(encoder: &mut MetricEncoder<'_>, value: &impl EncodeCounterValue) -> fmt::Result {
    encoder.encode_counter::<NoLabelSet, _, f64>(value, None)
}

/// Writes small numbers as Go, and so Prometheus and its clients do: `1e-05`. The encoder
/// would write `0.00001`, which as the edge of a bucket is another label.
struct GoNumbers<'t>(&'t mut String);

impl Write for GoNumbers<'_> {
    /// The encoder writes each number in one piece.
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        match exponential(piece) {
            Some(number) => self.0.push_str(&number),
            None => self.0.push_str(piece),
        }
        Ok(())
    }
}

/// With an exponent of two digits, if it is a number below 1e-4.
fn exponential(piece: &str) -> Option<String> {
    let number: f64 = piece.starts_with("0.0000").then(|| piece.parse().ok())??;
    let written = format!("{number:e}");
    let (digits, exponent) = written.split_once("e-")?;
    Some(format!("{digits}e-{exponent:0>2}"))
}

#[cfg(test)]
mod tests {
    use gilprof_core::{Distribution, Gil, ProfileParts};

    use super::*;

    fn text() -> String {
        let mut wait = Distribution::empty();
        wait.record(20_000);
        wait.record(2_000_000_000);
        openmetrics(&Profile::assemble(ProfileParts {
            gils: vec![Gil {
                interpreter_id: Some(0),
                waiting_ns: 2_000_020_000,
                acquisitions: 3,
                wait,
                ..Gil::default()
            }],
            switch_interval_ns: 5_000_000,
            overhead_ns: Some(20_000),
            ..ProfileParts::default()
        }))
    }

    fn has(lines: &[&str]) {
        let text = text();
        let block = lines.join("\n");
        assert!(text.contains(&block), "{block}\n is not in\n{text}");
    }

    #[test]
    fn a_counter_of_seconds_names_its_unit_and_its_total() {
        has(&[
            "# HELP python_gil_wait_seconds Time that threads waited for the GIL, summed over the threads.",
            "# TYPE python_gil_wait_seconds counter",
            "# UNIT python_gil_wait_seconds seconds",
            "python_gil_wait_seconds_total{interpreter=\"0\"} 2.00002",
        ]);
    }

    #[test]
    fn a_counter_of_events_is_a_whole_number() {
        has(&[
            "# TYPE python_gil_acquisitions counter",
            "python_gil_acquisitions_total{interpreter=\"0\"} 3",
        ]);
    }

    #[test]
    fn a_gauge_has_its_own_name_and_no_label() {
        has(&[
            "# UNIT python_gil_switch_interval_seconds seconds",
            "python_gil_switch_interval_seconds 0.005",
        ]);
    }

    #[test]
    fn the_buckets_of_a_histogram_are_cumulative() {
        has(&[
            "python_gil_wait_duration_seconds_sum{interpreter=\"0\"} 2.00002",
            "python_gil_wait_duration_seconds_count{interpreter=\"0\"} 2",
            "python_gil_wait_duration_seconds_bucket{le=\"1e-05\",interpreter=\"0\"} 0",
            "python_gil_wait_duration_seconds_bucket{le=\"5e-05\",interpreter=\"0\"} 1",
            "python_gil_wait_duration_seconds_bucket{le=\"0.0001\",interpreter=\"0\"} 1",
        ]);
        has(&[
            "python_gil_wait_duration_seconds_bucket{le=\"1.0\",interpreter=\"0\"} 1",
            "python_gil_wait_duration_seconds_bucket{le=\"+Inf\",interpreter=\"0\"} 2",
        ]);
    }

    #[test]
    fn small_numbers_are_written_as_go_does() {
        has(&["gilprof_overhead_seconds_total 2e-05", "# EOF\n"]);
        assert_eq!(exponential("0.0000123").as_deref(), Some("1.23e-05"));
        assert_eq!(exponential("0.0001"), None);
        assert_eq!(exponential("0.0000 is no number"), None);
    }

    #[test]
    fn a_profile_of_nothing_ends_as_every_text_does() {
        assert!(openmetrics(&Profile::assemble(ProfileParts::default())).ends_with("\n# EOF\n"));
    }
}
