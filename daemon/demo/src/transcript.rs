//! The protocol transcript: every process's `ops` events, in the order of time.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Follows the logs of all processes.
#[derive(Debug)]
pub(super) struct Transcript {
    is_full: bool,
    logs: Vec<Log>,
}

#[derive(Debug)]
struct Log {
    who: String,
    path: PathBuf,
    position: u64,
}

impl Transcript {
    pub(super) const fn new(is_full: bool) -> Self {
        Self {
            is_full,
            logs: Vec::new(),
        }
    }

    pub(super) fn follow(&mut self, who: &str, path: &Path) {
        if self.logs.iter().all(|log| log.path != path) {
            self.logs.push(Log {
                who: who.to_owned(),
                path: path.to_owned(),
                position: 0,
            });
        }
    }

    /// Returns the steps that were logged since the last call.
    pub(super) fn take(&mut self) -> Vec<String> {
        let is_full = self.is_full;
        let mut steps: Vec<(String, String)> = Vec::new();
        for log in &mut self.logs {
            let fresh = log.fresh();
            let who = &log.who;
            steps.extend(
                fresh
                    .lines()
                    .filter_map(|line| step(line, is_full))
                    .map(|(time, text)| (time, format!("     {who:<9} {text}"))),
            );
        }
        steps.sort();

        steps.into_iter().map(|(_, line)| line).collect()
    }
}

impl Log {
    /// Returns the whole lines that were written since the last call.
    fn fresh(&mut self) -> String {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.position))?;
            file.read_to_string(&mut text)
        });
        if read.is_err() {
            return String::new(); // half a character at the end; the next call has it whole
        }
        let end = text.rfind('\n').map_or(0, |end| end.saturating_add(1));
        text.truncate(end);
        self.position = self
            .position
            .saturating_add(u64::try_from(end).unwrap_or(u64::MAX));

        text
    }
}

/// Reads `TIME LEVEL ops: MESSAGE FIELDS` and returns the time and what to show.
fn step(line: &str, is_full: bool) -> Option<(String, String)> {
    let (time, rest) = line.split_once(' ')?;
    let (level, rest) = rest.trim_start().split_once(' ')?;
    let rest = rest.strip_prefix("ops: ")?;
    if !LEVELS.contains(&level) {
        return None;
    }
    let words: Vec<&str> = rest.split(' ').collect();
    let fields_from = words
        .iter()
        .position(|word| is_field(word))
        .unwrap_or(words.len());
    let (message, words) = words.split_at(fields_from);
    let message = shorten(&message.join(" "));
    if !is_full && NOISE.iter().any(|noise| message.starts_with(noise)) {
        return None;
    }
    let fields = fields(words);
    let fields = fields
        .iter()
        .filter(|field| is_full || SHOWN.iter().any(|shown| field.starts_with(shown)))
        .map(|field| shorten(field));
    let shown: Vec<String> = std::iter::once(message).chain(fields).collect();

    Some((time.to_owned(), shown.join("  ")))
}

/// Puts words together to fields: a sentence is one field.
fn fields(words: &[&str]) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for word in words {
        match fields.last_mut() {
            Some(field) if !is_field(word) => {
                field.push(' ');
                field.push_str(word);
            }
            _ => fields.push((*word).to_owned()),
        }
    }

    fields
}

/// Whether a word is a field of the log, as `n=3`.
fn is_field(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, value)| {
        !name.is_empty()
            && !value.is_empty()
            && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
    })
}

/// Cuts hashes and keys to what tells them apart.
fn shorten(text: &str) -> String {
    let mut short = String::new();
    let mut digits = 0_usize;
    for character in text.chars() {
        digits = if character.is_ascii_hexdigit() {
            digits.saturating_add(1)
        } else {
            if digits > HASH_DIGITS_SHOWN {
                short.push('…');
            }
            0
        };
        if digits <= HASH_DIGITS_SHOWN {
            short.push(character);
        }
    }
    if digits > HASH_DIGITS_SHOWN {
        short.push('…');
    }

    short
}

const HASH_DIGITS_SHOWN: usize = 16;
const LEVELS: [&str; 2] = ["INFO", "DEBUG"];
/// Shown beside the message; the rest with `--full`.
const SHOWN: [&str; 4] = ["x=", "bal=", "payment=", "reason="];
/// Shown with `--full` only: what the daemon says as well.
const NOISE: [&str; 3] = ["T forgets", "DepositOpen", "T: (pk_T"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_with_the_fields_that_people_need() {
        let line = "2026-11-22T17:59:19.616563Z DEBUG ops: T.bal ← T.bal + x x=5000 bal=5000 o=3";

        let (time, text) = step(line, false).expect("a step");
        assert_eq!(time, "2026-11-22T17:59:19.616563Z");
        assert_eq!(text, "T.bal ← T.bal + x  x=5000  bal=5000");
        let (_, full) = step(line, true).expect("a step");
        assert!(full.ends_with("o=3"), "{full}");
    }

    #[test]
    fn a_reason_is_a_whole_sentence() {
        let line =
            "2026-11-22T17:59:19Z  INFO ops: T refuses command=Pay reason=the list names it o=3";

        let (_, text) = step(line, false).expect("a step");
        assert_eq!(text, "T refuses  reason=the list names it");
    }

    #[test]
    fn other_lines_are_no_steps() {
        for line in [
            "",
            "2026-11-22T17:59:19Z  INFO blepayd::run: Started",
            "thread panicked at ops: nothing",
        ] {
            assert_eq!(step(line, true), None, "{line:?}");
        }
    }

    #[test]
    fn hashes_are_shortened_and_words_are_not() {
        let hash = "ab".repeat(32);

        assert_eq!(
            shorten(&format!("H(P) = {hash}.")),
            "H(P) = abababababababab…."
        );
        assert_eq!(shorten("Deposit: decade"), "Deposit: decade");
    }
}
