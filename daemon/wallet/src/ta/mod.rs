//! The way to the trusted application (TA): off the async loop, one command at a time, journalled
//! before anyone sees the answer.
//!
//! A thread of its own holds the session. For each command:
//!
//! ```text
//! session open? ─no─► connect (never to a TA that has ended), OperationsSince(journal's mark),
//!      │              append all of it, Acknowledge
//!      │yes
//! invoke ──► append (fact, mark) ──► answer the caller ──► Acknowledge when idle
//!      └─ no answer: open a session again, which tells whether it took effect; then the same command,
//!                    unless a PIN goes with it: the caller asks again, without
//! ```

mod access;
mod actor;

pub use access::{AnyTa, TaConnector, TaUnreachable};

use journal::unfinished::TaSession;
use journal::{Journal, JournalError};
use ops_proto::contract::{Command, Output, TaRefused};
use tokio::sync::{mpsc, oneshot, watch};

use actor::TaCall;

/// Commands that wait for the TA; beyond that the daemon is busy.
pub const CALLS_QUEUED_MAX: usize = 64;

/// The way to the TA. Cloning it is cheap; its thread ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct TaHandle {
    calls: mpsc::Sender<TaCall>,
    access: watch::Receiver<TaAccess>,
}

impl TaHandle {
    /// Starts the TA's thread, which opens a session at once and records the operations of the TA
    /// that the journal lacks.
    ///
    /// # Errors
    ///
    /// [`TaError::Unreachable`] when the system gives no thread.
    pub fn start(connector: TaConnector, journal: Journal) -> Result<Self, TaError> {
        let (calls, queue) = mpsc::channel(CALLS_QUEUED_MAX);
        let (access_in, access) = watch::channel(TaAccess::Opening);
        actor::start(connector, journal, queue, access_in)
            .map_err(|error| TaError::Unreachable(error.to_string()))?;

        Ok(Self { calls, access })
    }

    /// Invokes one command; its fact is in the journal before this returns.
    ///
    /// # Errors
    ///
    /// [`TaError`] says whether the TA refused, cannot be reached, or must never be used again.
    pub async fn invoke(&self, command: Command) -> Result<Output, TaError> {
        let (done, outcome) = oneshot::channel();
        self.calls
            .try_send(TaCall { command, done })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => TaError::Busy,
                mpsc::error::TrySendError::Closed(_) => TaError::Stopped,
            })?;

        outcome.await.map_err(|_gone| TaError::Stopped)?
    }

    /// Returns how the TA can be reached; a watch, for `status` and for who waits.
    #[must_use]
    pub fn access(&self) -> watch::Receiver<TaAccess> {
        self.access.clone()
    }
}

/// Whether the TA can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaAccess {
    /// The first session is being opened.
    Opening,
    /// A session is open, and the journal holds everything that the TA did.
    Open,
    /// The TA does not answer; it is tried again.
    Unreachable(String),
    /// The TA does not belong to this journal: rolled back, restored or another. It never signs again
    /// with this journal; see `blepay doctor`.
    Halted(TaRefused),
    /// The TA that answers is one that retired or was reported dead. This heals when a new one answers
    /// in its place.
    Ended,
}

impl TaAccess {
    /// Returns what the journal has to know of it, to decide over what is unfinished.
    #[must_use]
    pub const fn session(&self) -> TaSession {
        match self {
            Self::Open => TaSession::Open,
            Self::Opening | Self::Unreachable(_) | Self::Halted(_) => TaSession::Shut,
            Self::Ended => TaSession::Ended,
        }
    }
}

/// A command to the TA failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaError {
    /// The TA refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] TaRefused),
    /// The TA does not answer; whether the command took effect is found out when it does. Ask again
    /// without the PIN: what was done is returned, and a wrong PIN costs one try.
    #[error("the trusted application does not answer: {0}")]
    Unreachable(String),
    /// The TA does not belong to this journal.
    #[error("the trusted application cannot be used with this journal: {0}")]
    Halted(TaRefused),
    /// The TA retired or was reported dead; it is not asked.
    #[error("the trusted application has ended; put a new one in its place")]
    Ended,
    /// The TA answered, and the journal could not record it; it is recorded when a session opens again.
    #[error("the journal could not record the answer: {0}")]
    Journal(#[from] JournalError),
    /// The TA answered with something else than what was asked.
    #[error("the trusted application answered something else")]
    OtherAnswer,
    /// Too many commands wait.
    #[error("the trusted application is busy")]
    Busy,
    /// This device has no TA.
    #[error("this device has no trusted application")]
    Absent,
    #[error("the daemon is stopping")]
    Stopped,
}

impl TaError {
    /// Tells whether the TA may have taken the step that it was asked for, all the same.
    #[must_use]
    pub const fn may_have_acted(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Journal(_) | Self::OtherAnswer | Self::Stopped => true,
            Self::Refused(_) | Self::Halted(_) | Self::Ended | Self::Busy | Self::Absent => false,
        }
    }
}
