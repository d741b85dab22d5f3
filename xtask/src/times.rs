//! What the time of a `cargo verify` went into: steps, scenarios, and apart from them what was only fetched or
//! made once for this machine.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use crate::machine::Speed;

/// What a stretch of time was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A step of `cargo verify`.
    Step,
    /// A part of a step that is timed by itself, such as a scenario of the boards.
    Part,
    /// Fetched from a registry, or made once for this machine: a second run does without it.
    Download,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Part => "part",
            Self::Download => "download",
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    name: String,
    seconds: f64,
}

/// The times of one run, in the order in which they ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times(Vec<Entry>);

impl Times {
    /// Adds what took `time`.
    pub(crate) fn add(&mut self, kind: Kind, name: &str, time: Duration) {
        self.0.push(Entry {
            kind,
            name: name.to_owned(),
            seconds: time.as_secs_f64(),
        });
    }

    /// Adds the parts that a step wrote into `file`, as `[{"name", "seconds", "kind"}]`; a step that failed may have
    /// written none.
    pub(crate) fn add_parts(&mut self, step: &str, file: &Path) {
        let text = fs::read_to_string(file).unwrap_or_default();
        let parts: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        for part in parts {
            let (Some(name), Some(seconds)) = (
                part.get("name").and_then(Value::as_str),
                part.get("seconds").and_then(Value::as_f64),
            ) else {
                continue;
            };
            let kind = match part.get("kind").and_then(Value::as_str) {
                Some("download") => Kind::Download,
                _ => Kind::Part,
            };
            self.0.push(Entry {
                kind,
                name: format!("{step}: {name}"),
                seconds,
            });
        }
    }

    /// Returns the step that took longest, and its seconds.
    pub(crate) fn slowest_step(&self) -> Option<(&str, f64)> {
        self.0
            .iter()
            .filter(|entry| entry.kind == Kind::Step)
            .map(|entry| (entry.name.as_str(), entry.seconds))
            .max_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// Returns the sum of all downloads.
    pub(crate) fn downloads(&self) -> Duration {
        let seconds = self.0.iter().filter(|entry| entry.kind == Kind::Download);

        Duration::from_secs_f64(seconds.map(|entry| entry.seconds).sum())
    }

    /// Returns the table for people: one line each, a step's parts below it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |entry: &Entry| {
            let indent = if entry.kind == Kind::Part { "  " } else { "" };
            format!(
                "{:>8.1} s  {:<8} {indent}{}",
                entry.seconds,
                entry.kind.name(),
                entry.name
            )
        };

        self.0.iter().map(line).collect()
    }

    /// Writes everything for programs into `file`.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(crate) fn write(&self, file: &Path, speed: Speed, total: Duration) -> anyhow::Result<()> {
        let entries: Vec<Value> = self
            .0
            .iter()
            .map(|entry| json!({"kind": entry.kind.name(), "name": entry.name, "seconds": tenths(entry.seconds)}))
            .collect();
        let all = json!({
            "processors": speed.processors,
            "slowness": tenths(speed.slowness()),
            "seconds": tenths(total.as_secs_f64()),
            "seconds_downloads": tenths(self.downloads().as_secs_f64()),
            "times": entries,
        });

        fs::write(file, format!("{all:#}\n"))
            .with_context(|| format!("cannot write {}", file.display()))
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_below_their_step_and_downloads_apart() {
        let file = std::env::temp_dir().join(format!("xtask-times-{}", std::process::id()));
        fs::write(
            &file,
            r#"[{"name":"cut","seconds":7.5,"kind":"scenario"},{"name":"image","seconds":90,"kind":"download"}]"#,
        )
        .expect("the temporary folder is writable");

        let mut times = Times::default();
        times.add(Kind::Step, "fmt", Duration::from_secs(1));
        times.add(Kind::Step, "boards", Duration::from_secs(100));
        times.add_parts("boards", &file);
        fs::remove_file(&file).expect("the file is ours");
        times.add_parts("boards", &file);

        assert_eq!(times.slowest_step(), Some(("boards", 100.0)));
        assert_eq!(times.downloads(), Duration::from_secs(90));
        assert_eq!(
            times.lines(),
            [
                "     1.0 s  step     fmt",
                "   100.0 s  step     boards",
                "     7.5 s  part       boards: cut",
                "    90.0 s  download boards: image",
            ]
        );
    }
}
