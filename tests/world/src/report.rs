//! What is told of many seeds.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use crate::fault::Fault;
use crate::play::Outcome;

/// A seed in which something was found.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) seed: u64,
    pub(crate) fault: Fault,
    /// The story that shows it, in lines; the first seed of each class has one.
    pub(crate) story: Option<String>,
}

/// The sums over seeds.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) seeds: u64,
    counted: BTreeMap<&'static str, u64>,
    asked: u64,
    simulated: Duration,
    worked: Duration,
    pub(crate) failed: Vec<Failed>,
}

impl Sums {
    /// Adds an outcome, whose seed was played so often.
    pub(crate) fn add(&mut self, outcome: &Outcome, worked: Duration) {
        self.seeds = self.seeds.saturating_add(1);
        for (what, many) in &outcome.counted {
            let sum = self.counted.entry(what).or_default();
            *sum = sum.saturating_add(*many);
        }
        self.asked = self.asked.saturating_add(outcome.asked);
        self.simulated = self.simulated.saturating_add(outcome.simulated);
        self.worked = self.worked.saturating_add(worked);
    }

    fn count(&self, what: &str) -> u64 {
        self.counted.get(what).copied().unwrap_or(0)
    }

    /// Returns the troubles that came, by kind.
    fn troubles(&self) -> Vec<String> {
        let troubles = self
            .counted
            .iter()
            .filter(|(what, _)| !matches!(**what, "steps" | "payments"));

        troubles
            .map(|(what, many)| format!("{many} {what}"))
            .collect()
    }

    /// Returns one line for while it goes on.
    pub(crate) fn progress(&self) -> String {
        format!(
            "{} seeds, {} steps, {} payments, {} found something",
            self.seeds,
            self.count("steps"),
            self.count("payments"),
            self.failed.len(),
        )
    }

    /// Returns the last line.
    pub(crate) fn last_line(&self) -> String {
        let failed: Vec<_> = self
            .failed
            .iter()
            .map(|failed| {
                let story = failed
                    .story
                    .as_ref()
                    .map(|story| story.trim().replace('\n', " / "));
                let story = story.map(|story| format!(": {story}"));
                format!(
                    "seed {} ({} {}{})",
                    failed.seed,
                    failed.fault.check,
                    failed.fault.shape,
                    story.unwrap_or_default()
                )
            })
            .collect();
        let end = if failed.is_empty() {
            "0 failed".to_owned()
        } else {
            format!("failed: {}", failed.join(", "))
        };

        format!(
            "{} seeds, {} steps, {} payments, {} messages, troubles: {}, {} simulated, {:.0} payments a second and core: {end}",
            self.seeds,
            self.count("steps"),
            self.count("payments"),
            self.asked,
            self.troubles().join(", "),
            in_words(self.simulated),
            self.payments_a_second(),
        )
    }

    /// Returns the same as JSON.
    pub(crate) fn json(&self) -> String {
        let failed: Vec<_> = self
            .failed
            .iter()
            .map(|failed| {
                json!({
                    "seed": failed.seed,
                    "check": failed.fault.check,
                    "shape": failed.fault.shape,
                    "text": failed.fault.text,
                    "story": failed.story,
                })
            })
            .collect();

        json!({
            "seeds": self.seeds,
            "messages": self.asked,
            "counted": self.counted,
            "simulated_seconds": self.simulated.as_secs(),
            "payments_a_second_and_core": self.payments_a_second(),
            "failed": failed,
        })
        .to_string()
    }

    /// Each payment is played twice, since each seed is.
    fn payments_a_second(&self) -> f64 {
        let payments = u32::try_from(self.count("payments").saturating_mul(2)).unwrap_or(u32::MAX);
        let seconds = self.worked.as_secs_f64();
        if seconds > 0.0 {
            return f64::from(payments) / seconds;
        }

        0.0
    }
}

/// Writes one line to the error output.
pub(crate) fn say(line: &str) {
    // whoever closed our error output does not want to hear more
    let _unheard = writeln!(io::stderr().lock(), "{line}");
}

/// Writes one line to the standard output.
pub(crate) fn show(line: &str) {
    // whoever closed our output does not want to read more
    let _unread = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a time as people say it.
pub(crate) fn in_words(time: Duration) -> String {
    let minutes = time.as_secs().div_euclid(60);
    let (days, hours) = (
        minutes.div_euclid(1440),
        minutes.rem_euclid(1440).div_euclid(60),
    );

    format!("{days} d {hours} h {} min", minutes.rem_euclid(60))
}
