//! Now and then the whole journal is read again, so that what a disk does to a fact of years ago is told while there is still a
//! backup.

use std::path::Path;
use std::time::Duration;

use journal::JournalError;
use journal::check::{Checked, check};
use ops_proto::Time;
use runtime::clock;
use runtime::shutdown::Shutdown;
use tokio::sync::watch;

/// A device that was just switched on has other things to do.
const FIRST_AFTER: Duration = Duration::from_secs(10 * 60);

const INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// What the last look at the whole journal found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scrubbed {
    /// There was none since the start.
    NotYet,
    Sound {
        facts: u64,
        at: Time,
    },
    /// What is wrong.
    Damaged(String),
}

/// Looks at the journal of a state directory ten minutes after the start, and once a day.
#[must_use]
pub fn start(state_directory: &Path, shutdown: &Shutdown) -> watch::Receiver<Scrubbed> {
    let (tell, scrubbed) = watch::channel(Scrubbed::NotYet);
    let (directory, stop) = (state_directory.to_owned(), shutdown.stop());
    shutdown.spawn(async move {
        let mut pause = FIRST_AFTER;
        loop {
            // Both branches are cancel safe.
            tokio::select! {
                biased; // a stop is never starved
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = INTERVAL;
            let (place, stopped) = (directory.clone(), stop.clone());
            let goes_on = move |_, _| !stopped.is_cancelled();
            let outcome = host::task::blocking(move || check(&place, goes_on)).await;
            if let Ok(outcome) = outcome
                && let Some(found) = found(outcome)
            {
                tell.send_replace(found);
            }
        }
    });

    scrubbed
}

/// Returns what to tell; `None` when the journal could not be looked at, which says nothing about it.
fn found(outcome: Result<Checked, JournalError>) -> Option<Scrubbed> {
    let wrong = match outcome {
        Ok(checked) if checked.differences.is_empty() => {
            tracing::debug!(facts = checked.facts, "The journal is as it was written");
            return Some(Scrubbed::Sound {
                facts: checked.facts,
                at: clock::now(),
            });
        }
        Ok(checked) => format!(
            "what this daemon uses does not follow from the journal: {}",
            checked.differences.join(", ")
        ),
        Err(error @ JournalError::Damaged(_)) => error.to_string(),
        Err(error) => {
            tracing::info!(%error, "The journal was not looked at as a whole");
            return None;
        }
    };
    tracing::error!(wrong, "The journal is not sound");

    Some(Scrubbed::Damaged(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_and_what_does_not_is_dated() {
        let sound = Checked {
            facts: 7,
            differences: Vec::new(),
        };
        assert!(matches!(
            found(Ok(sound)),
            Some(Scrubbed::Sound { facts: 7, .. })
        ));

        let differs = Checked {
            facts: 7,
            differences: vec!["1 rows of sent".to_owned()],
        };
        let told = found(Ok(differs));
        assert!(matches!(&told, Some(Scrubbed::Damaged(what)) if what.contains("1 rows of sent")));

        let told = found(Err(JournalError::Damaged(3)));
        assert!(matches!(&told, Some(Scrubbed::Damaged(what)) if what.contains("fact 3")));

        assert_eq!(found(Err(JournalError::Full)), None, "it says nothing");
    }
}
