//! Why a scenario, or the bench below it, failed.

use std::fmt;
use std::io;
use std::time::Duration;

/// What a step of the bench returns.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// What went wrong, with enough of it to act on without reading the bench's code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The host's operating system refused something.
    Host {
        /// What was attempted.
        doing: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A command on the host or on a board ended with an error.
    Command {
        /// Where it ran.
        place: String,
        /// The command as given.
        command: String,
        /// How it ended.
        ended: String,
        /// What it printed, both streams.
        printed: String,
    },
    /// Something took longer than its limit.
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// Somebody answered, but not what the scenario promises.
    Unexpected(String),
}

impl Failure {
    /// Wraps an operating system error with what was attempted.
    pub(crate) fn host(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Host { doing, source }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { doing, source } => write!(f, "{doing}: {source}"),
            Self::Command {
                place,
                command,
                ended,
                printed,
            } => {
                write!(f, "{place}: `{command}` {ended}")?;
                if printed.trim().is_empty() {
                    return Ok(());
                }
                write!(f, "\n{}", printed.trim_end())
            }
            Self::Late { what, limit } => {
                write!(f, "{what}: not within {:.1} s", limit.as_secs_f64())
            }
            Self::Unexpected(what) => f.write_str(what),
        }
    }
}

/// Fails with the sentence unless the condition holds.
pub(crate) fn expect_that(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome<()> {
    if holds {
        return Ok(());
    }

    Err(Failure::Unexpected(otherwise()))
}
