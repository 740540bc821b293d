//! A metric with its points.

use crate::histogram::Histogram;

/// How the numbers of a metric behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only go up, as long as the recording lasts.
    Counter,
    /// They go up and down.
    Gauge,
    /// Durations, counted by their size.
    Histogram,
}

impl Kind {
    /// The word for it, as OpenMetrics has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// A number, or what a histogram has of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// How many.
    Count(u64),
    /// For how long, in seconds.
    Seconds(f64),
    /// How often for how long.
    Histogram(Histogram),
}

impl Value {
    /// From nanoseconds.
    pub fn from_ns(ns: u64) -> Self {
        Value::Seconds(ns as f64 / 1e9)
    }

    /// Both together. A profile has no two kinds of numbers under one name; if they were, the
    /// first would stay.
    fn add(&mut self, more: Value) {
        match (self, more) {
            (Value::Count(own), Value::Count(more)) => *own = own.saturating_add(more),
            (Value::Seconds(own), Value::Seconds(more)) => *own += more,
            (Value::Histogram(own), Value::Histogram(more)) => own.add(&more),
            _ => (),
        }
    }
}

/// One value of a metric, and what it is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What it is of: names with their values. Empty where there is one point only.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
}

/// A metric with its points.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name, with the unit and without what the samples add to it: those of a counter
    /// end in `_total`.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What its numbers count; `None` where they are just counts. It ends the name.
    pub unit: Option<&'static str>,
    /// How its numbers behave.
    pub kind: Kind,
    /// Its points, no two of them with the same labels.
    pub points: Vec<Point>,
}

impl Family {
    /// A metric without points.
    pub(crate) fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        let unit = name.ends_with("_seconds").then_some("seconds");
        Family {
            name,
            help,
            unit,
            kind,
            points: Vec::new(),
        }
    }

    /// With another point. To one that has the same labels, its value is added.
    pub(crate) fn with(mut self, labels: Vec<(&'static str, String)>, value: Value) -> Self {
        match self.points.iter_mut().find(|one| one.labels == labels) {
            Some(point) => point.value.add(value),
            None => self.points.push(Point { labels, value }),
        }
        self
    }
}
