//! What the spectator sees: numbered steps, the transcript under each.

use std::path::{Path, PathBuf};

use blepay::failure::Failure;
use blepay::terminal::Terminal;

use super::transcript::Transcript;

/// The way to the spectator.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    terminal: &'a mut Terminal,
    folder: PathBuf,
    transcript: Transcript,
    number: u32,
    step: String,
}

impl<'a> Stage<'a> {
    pub(super) fn new(terminal: &'a mut Terminal, folder: &Path, is_full: bool) -> Self {
        Self {
            terminal,
            folder: folder.to_owned(),
            transcript: Transcript::new(is_full),
            number: 0,
            step: "the start".to_owned(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the name of the step that is played.
    pub(super) fn step(&self) -> &str {
        &self.step
    }

    /// Follows a process's log under a name.
    pub(super) fn follow(&mut self, who: &str, log: &Path) {
        self.transcript.follow(who, log);
    }

    /// Begins a step; shows what the one before wrote.
    pub(super) fn begin(&mut self, step: &str) -> Result<(), Failure> {
        self.catch_up()?;
        self.number = self.number.saturating_add(1);
        step.clone_into(&mut self.step);

        self.tell(&format!("\n{}. {step}", self.number))
    }

    /// Tells the spectator something.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.catch_up()?;

        self.tell(&format!("   {text}"))
    }

    /// Shows the lines that were written since the last time.
    pub(super) fn catch_up(&mut self) -> Result<(), Failure> {
        for line in self.transcript.take() {
            self.tell(&line)?;
        }

        Ok(())
    }

    /// With `--json`, stdout belongs to the outcome.
    fn tell(&mut self, text: &str) -> Result<(), Failure> {
        if self.terminal.is_json() {
            self.terminal.note(text);
            return Ok(());
        }

        self.terminal.line(text)
    }
}
