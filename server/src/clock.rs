//! The clock of this machine, held against what the books know.

use ops_proto::Time;

use crate::run::StartError;
use crate::store::{AcceptedClock, Store};

/// What becomes of a clock that lies before what the books know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTrust {
    /// The server does not start by it.
    Checked,
    /// The operator says that it is right: it is noted in the books.
    Accepted,
}

/// Checks that a server may start by this clock: entries that are dated before those that are there look like
/// changed ones, and what was signed later seems to come from the future.
pub(crate) async fn check(
    store: &mut Store,
    trust: ClockTrust,
    now: Time,
) -> Result<(), StartError> {
    let mut unit = store.begin_reading().await?;
    let written = unit.written_after(now).await?;
    unit.abandon().await?;
    let Some(newest) = written else {
        return Ok(());
    };
    match trust {
        ClockTrust::Checked => return Err(StartError::ClockBehind { now, newest }),
        ClockTrust::Accepted => {}
    }
    let mut unit = store.begin().await?;
    unit.accept_clock(AcceptedClock { at: now, newest }).await?;
    unit.commit().await?;
    tracing::warn!(%now, %newest, "The operator accepts a clock that lies before what the books know");

    Ok(())
}
