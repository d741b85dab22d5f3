//! What was measured, as ratios.

use std::time::Duration;

use serde::Serialize;

use super::load::Load;
use super::payers::Shape;

/// What a run measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where the books were.
    pub store: String,
    /// How many processors took part: server and load together, and the limit.
    pub processors: usize,
    /// Claims in batches.
    pub batches: Option<Figures>,
    /// One claim for each request.
    pub singles: Option<Figures>,
    /// The most memory that the server ever held, in KiB.
    pub server_rss_high_water_kib: u64,
}

/// What a run on books with many claims measured, beside one on books with few.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Claims in the books with few.
    pub few_claims: usize,
    /// On books with few.
    pub few: Figures,
    /// On books with many.
    pub many: Figures,
    /// What many claims leave of the rate with few.
    pub ratio: f64,
    /// The most memory that the server with many ever held, in KiB.
    pub server_rss_high_water_kib: u64,
}

/// Claims that were put into books.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seeded {
    /// How many.
    pub claims: usize,
    /// How long it took.
    pub seconds: u64,
    /// How many a second.
    pub per_second: f64,
}

/// Rates of one load, in claims a second.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Claims in a request.
    pub batch: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Claims that were credited, of all rounds.
    pub claims: usize,
    /// Answers that told to come back later, of all rounds.
    pub told_to_wait: usize,
    /// If only signatures were verified, round by round.
    pub limits: Vec<f64>,
    /// End to end, round by round.
    pub loads: Vec<f64>,
    /// The median of `limits`.
    pub limit: f64,
    /// The median of `loads`.
    pub load: f64,
    /// The median of what each round reached of its limit.
    pub ratio: f64,
    /// Of all processor time of server and load, the part that the limit's signatures take, round by
    /// round: what a machine without other work would reach, if nothing but processors bounds it.
    pub cpu_ratios: Vec<f64>,
    /// The median of `cpu_ratios`.
    pub cpu_ratio: f64,
}

impl Figures {
    pub(super) fn new(shape: &Shape) -> Self {
        Self {
            batch: shape.batch,
            connections: shape.connections,
            claims: 0,
            told_to_wait: 0,
            limits: Vec::new(),
            loads: Vec::new(),
            limit: 0.0,
            load: 0.0,
            ratio: 0.0,
            cpu_ratios: Vec::new(),
            cpu_ratio: 0.0,
        }
    }

    pub(super) fn add_cpu(&mut self, signed: usize, of_limit: u32, claims: usize, of_load: u32) {
        let each = |ticks: u32, count: usize| {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            f64::from(ticks) / f64::from(count)
        };
        let ratio = each(of_limit, signed) / each(of_load, claims);
        if ratio.is_finite() {
            self.cpu_ratios.push(ratio);
            self.cpu_ratio = median(&self.cpu_ratios);
        }
    }

    pub(super) fn add(&mut self, limit: f64, load: &Load) {
        self.claims = self.claims.saturating_add(load.claims);
        self.told_to_wait = self.told_to_wait.saturating_add(load.told_to_wait);
        self.limits.push(limit);
        self.loads.push(load.per_second);
        self.limit = median(&self.limits);
        self.load = median(&self.loads);
        let ratios: Vec<f64> = self
            .loads
            .iter()
            .zip(&self.limits)
            .map(|(load, limit)| load / limit)
            .collect();
        self.ratio = median(&ratios);
    }
}

/// Returns the middle of the values, 0 of none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.len() / 2;
    let lower = sorted.len().saturating_sub(1) / 2;
    let middle = [sorted.get(lower), sorted.get(upper)];

    middle.into_iter().flatten().sum::<f64>() / 2.0
}

/// Returns how many a second, if any time passed.
pub(super) fn rate(count: usize, taken: Duration) -> Option<f64> {
    let count = u32::try_from(count).ok()?;
    let seconds = taken.as_secs_f64();

    (seconds > 0.0).then(|| f64::from(count) / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_odd_and_even_many() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&[]).abs() < f64::EPSILON);
    }
}
