//! `blepayd check`: the journal read and folded anew.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use journal::check::{Checked, check, forget_index};
use serde_json::json;
use tokio::time::Instant;

/// How often a person is told how far it is.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// Checks the journal of a state directory and says what was found.
pub(crate) fn run(state_directory: &Path, is_json: bool, rebuild: bool) -> anyhow::Result<()> {
    let mut told = Instant::now();
    let shows_progress = io::stderr().is_terminal();
    let checked = check(state_directory, |done, of| {
        if shows_progress && told.elapsed() >= TELL_INTERVAL {
            told = Instant::now();
            // The error output may be gone; the check goes on.
            drop(writeln!(io::stderr(), "{done} of {of} facts are read"));
        }

        true
    });
    if rebuild {
        forget_index(state_directory).context("the index stays as it is")?;
    }
    let checked = checked.context("the journal is not sound")?;
    let mut output = io::stdout().lock();
    if is_json {
        let object = json!({
            "facts": checked.facts,
            "differences": checked.differences,
            "rebuilt_at_next_start": rebuild,
        });
        writeln!(output, "{object}")?;
    } else {
        writeln!(output, "{}", text(&checked, rebuild))?;
    }
    if !checked.differences.is_empty() && !rebuild {
        bail!(
            "stop the daemon, then blepayd check --rebuild: the next start makes the index again"
        );
    }

    Ok(())
}

fn text(checked: &Checked, rebuild: bool) -> String {
    let facts = checked.facts;
    let found = if checked.differences.is_empty() {
        format!(
            "All {facts} facts are as they were written, and what the daemon uses follows from them."
        )
    } else {
        format!(
            "All {facts} facts are as they were written. What the daemon uses does not follow from them: {}.",
            checked.differences.join(", ")
        )
    };
    if rebuild {
        return format!("{found} The next start makes the index again.");
    }

    found
}
