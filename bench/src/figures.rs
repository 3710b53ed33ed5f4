//! Samples of a duration, what is told of them, and the table. What is measured is not known here.

use std::time::Duration;

/// Durations of one thing, measured again and again.
#[derive(Debug, Default, Clone)]
pub(crate) struct Samples(Vec<Duration>);

impl Samples {
    /// One more.
    pub(crate) fn push(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The value that `percent` of the samples do not exceed, by nearest rank.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or_default()
    }
}

/// Rows of figures.
#[derive(Debug)]
pub(crate) struct Table(Vec<[String; 8]>);

impl Table {
    /// With its head.
    pub(crate) fn new() -> Self {
        Self(vec![
            ["figure", "n", "p50", "p99", "worst", "limit p50", "limit p99", "ratio"].map(str::to_owned),
        ])
    }

    /// A duration beside its limit.
    pub(crate) fn times(&mut self, figure: impl Into<String>, samples: &Samples, limit: Option<&Samples>) {
        let half = samples.at(50);
        let ratio = limit.map(|l| half.as_secs_f64() / l.at(50).as_secs_f64());
        self.row([
            figure.into(),
            samples.0.len().to_string(),
            ms(half),
            ms(samples.at(99)),
            ms(samples.at(100)),
            limit.map_or_else(|| "–".to_owned(), |l| ms(l.at(50))),
            limit.map_or_else(|| "–".to_owned(), |l| ms(l.at(99))),
            ratio.map_or_else(|| "–".to_owned(), |r| format!("{r:.1}")),
        ]);
    }

    /// One number beside its limit.
    pub(crate) fn number(&mut self, figure: &str, value: &str, limit: Option<(String, f64)>) {
        let (limit, ratio) = limit.map_or(("–".into(), "–".into()), |(l, r)| (l, format!("{r:.1}")));
        self.row([figure, "1", value, "–", "–", &limit, "–", &ratio].map(str::to_owned));
    }

    fn row(&mut self, row: [String; 8]) {
        println!("{}", row.join(" | "));
        self.0.push(row);
    }

    /// Writes it as Markdown.
    pub(crate) fn print(&self) {
        println!();
        for (number, row) in self.0.iter().enumerate() {
            println!("| {} |", row.join(" | "));
            if number == 0 {
                println!("|{}", "---|".repeat(row.len()));
            }
        }
    }
}

fn ms(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1e3;
    if ms < 10.0 { format!("{ms:.2} ms") } else { format!("{ms:.1} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let mut samples = Samples::default();
        (1..=200).rev().for_each(|ms| samples.push(Duration::from_millis(ms)));
        let at = |percent| samples.at(percent).as_millis();
        assert_eq!((at(0), at(50), at(99), at(100)), (1, 100, 198, 200));
    }
}
