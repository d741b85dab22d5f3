//! Where the time of a run went, for who wants to make it shorter.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::failure::{Failure, Outcome};

/// What time was spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// On a promise.
    Scenario,
    /// On what every run does before.
    Prepare,
    /// On what is kept between runs.
    Download,
}

#[derive(Clone, Debug, Serialize)]
struct Time {
    name: String,
    seconds: f64,
    kind: Kind,
}

/// All that was measured so far, in its order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    all: Vec<Time>,
}

impl Times {
    /// Adds what took so long.
    pub(crate) fn add(&mut self, name: &str, kind: Kind, took: Duration) {
        self.all.push(Time {
            name: name.to_owned(),
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
            kind,
        });
    }

    /// Adds what another pair of boards took.
    pub(crate) fn extend(&mut self, other: Self) {
        self.all.extend(other.all);
    }

    /// Returns how long all of a kind took.
    pub(crate) fn of(&self, kind: Kind) -> Duration {
        let some = self.all.iter().filter(|time| time.kind == kind);

        Duration::from_secs_f64(some.map(|time| time.seconds).sum())
    }

    /// Returns one line for people.
    pub(crate) fn line(&self) -> String {
        let parts: Vec<String> = self
            .all
            .iter()
            .map(|time| format!("{} {:.1} s", time.name, time.seconds))
            .collect();

        parts.join(", ")
    }

    /// Writes all as JSON.
    pub(crate) fn write(&self, file: &Path) -> Outcome<()> {
        let text = serde_json::to_string(&self.all)
            .map_err(|error| Failure::Unexpected(format!("the times are no JSON: {error}")))?;

        std::fs::write(file, text).map_err(Failure::host(format!("write {}", file.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_by_their_kind() {
        let mut times = Times::default();
        times.add("image", Kind::Download, Duration::from_secs(60));
        times.add("boards", Kind::Prepare, Duration::from_millis(1500));
        times.add("install", Kind::Prepare, Duration::from_millis(2500));
        times.add("payment", Kind::Scenario, Duration::from_secs(9));

        assert_eq!(times.of(Kind::Prepare), Duration::from_secs(4));
        assert_eq!(
            times.line(),
            "image 60.0 s, boards 1.5 s, install 2.5 s, payment 9.0 s"
        );
    }
}
