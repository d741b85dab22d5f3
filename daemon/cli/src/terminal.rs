//! What people and programs see: data on stdout, everything else on stderr.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use ops_proto::contract::Pin;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde::Serialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::failure::{Exit, Failure};

/// The way to whoever called.
#[derive(Debug)]
pub struct Terminal {
    program: &'static str,
    json: bool,
    no_input: bool,
    spinner: Option<ProgressBar>,
    /// What to ask, once an order was given that must not be repeated.
    acted: Option<&'static str>,
}

impl Terminal {
    pub(crate) const fn new(json: bool, no_input: bool) -> Self {
        Self::of("blepay", json, no_input)
    }

    /// Returns the way to whoever called a program; errors begin with its name.
    #[must_use]
    pub const fn of(program: &'static str, json: bool, no_input: bool) -> Self {
        Self {
            program,
            json,
            no_input,
            spinner: None,
            acted: None,
        }
    }

    /// Takes note that an order was given: whatever breaks from here on does not mean that nothing has moved. `ask` says what
    /// tells how far it came.
    pub(crate) const fn acted(&mut self, ask: &'static str) {
        self.acted = Some(ask);
    }

    /// Tells what a failure means after what was done before it.
    pub(crate) fn outcome(&self, failure: Failure) -> Failure {
        match self.acted {
            Some(ask) => failure.after_act(ask),
            None => failure,
        }
    }

    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && !self.no_input && io::stdin().is_terminal()
    }

    /// Whether stdout shows pictures made of characters to a person.
    pub(crate) fn shows_pictures(&self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// Writes the outcome: `value` as one line of JSON, or `text` for people.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written to.
    pub fn data(&mut self, value: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.json {
            return self.line(&serde_json::to_string(value).map_err(io::Error::from)?);
        }

        let text = text.trim_end();

        self.line(text).map_err(|failure| {
            let first = text.lines().next().unwrap_or_default();
            let message = format!("{}; not written: {first}", failure.body.message);

            Failure::new(failure.exit, &failure.body.code, message, failure.body.hint)
        })
    }

    /// Writes a line to stdout.
    ///
    /// # Errors
    ///
    /// When stdout is closed or cannot be written to.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Writes to stdout as it is.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.done();
        let mut out = io::stdout().lock();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        match written {
            // Whoever reads has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(Failure::from),
        }
    }

    /// Tells a person what happens meanwhile.
    pub fn note(&mut self, text: &str) {
        self.done();
        let _nobody_reads = writeln!(io::stderr().lock(), "{text}");
    }

    /// Tells a person what is waited for, until the next output.
    pub(crate) fn waiting(&mut self, text: &str) {
        self.done();
        if self.json || !io::stderr().is_terminal() {
            return self.note(text);
        }
        let spinner = ProgressBar::new_spinner().with_message(text.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(120));
        self.spinner = Some(spinner);
    }

    /// Waits for `work`; says what for where it takes longer than people like to look at nothing.
    pub(crate) async fn patient<T>(&mut self, text: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(SILENCE_MAX, &mut work).await {
            return done;
        }
        self.waiting(text);
        let done = work.await;
        self.done();

        done
    }

    /// Ends what was waited for.
    pub(crate) fn done(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    /// Asks a person for a line.
    ///
    /// # Errors
    ///
    /// Where nobody can be asked.
    pub(crate) fn ask(&mut self, question: &str) -> Result<String, Failure> {
        self.done();
        if !self.can_ask() {
            return Err(Failure::new(
                Exit::Refused,
                "no-input",
                format!("this needs an answer and nobody can be asked: {question}"),
                "run it on a terminal without --json and --no-input, or give what it asks for",
            ));
        }
        let mut err = io::stderr().lock();
        write!(err, "{question} ").and_then(|()| err.flush())?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;

        Ok(answer.trim().to_owned())
    }

    /// Asks a person for a PIN, which the terminal does not show.
    ///
    /// # Errors
    ///
    /// Where nobody can be asked.
    pub(crate) fn ask_hidden(&mut self, question: &str) -> Result<Pin, Failure> {
        self.done();
        if !self.can_ask() {
            return Err(Failure::new(
                Exit::Refused,
                "no-input",
                format!("this needs an answer and nobody can be asked: {question}"),
                "give --pin-file, or run it on a terminal without --json and --no-input",
            ));
        }
        let mut err = io::stderr().lock();
        write!(err, "{question} ").and_then(|()| err.flush())?;
        let mut answer = Zeroizing::new(String::with_capacity(PIN_LINE_SIZE));
        let stdin = io::stdin().lock();
        let shown = tcgetattr(&stdin).map_err(io::Error::from)?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(io::Error::from)?;
        let limit = u64::try_from(PIN_LINE_SIZE).unwrap_or(u64::MAX);
        let mut line = io::BufReader::with_capacity(1, stdin).take(limit);
        let read = line.read_line(&mut answer);
        tcsetattr(io::stdin(), OptionalActions::Now, &shown).map_err(io::Error::from)?;
        writeln!(err)?;
        read?;

        Ok(Pin::new(answer.trim().to_owned()))
    }

    /// Says why the command ends.
    pub fn failure(&mut self, failure: &Failure) {
        self.done();
        if self.json && failure.is_told {
            return;
        }
        if self.json {
            let line = json!({ "error": failure.body }).to_string();
            if self.line(&line).is_err() {
                self.note(&line);
            }
            return;
        }
        self.note(&format!("{}: {}", self.program, failure.body.message));
        if !failure.body.hint.is_empty() {
            self.note(&format!("  → {}", failure.body.hint));
        }
    }
}

/// How long nothing is said.
const SILENCE_MAX: Duration = Duration::from_millis(1500);

/// What is said while a question to the daemon has no answer.
pub(crate) const ASKING: &str = "Asking the daemon…";

/// The longest line that is read for a PIN.
const PIN_LINE_SIZE: usize = 64;
