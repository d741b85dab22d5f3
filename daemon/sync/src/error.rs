//! Why a part of sync did not succeed.

use journal::JournalError;
use ops_proto::Time;
use ops_proto::certificate::Certificate;
use runtime::clock;
use serde::Deserialize;
use wallet::ta::TaError;

/// A part of sync failed. What it had to do stays in the journal for the next run.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    /// The server was not reached; everything else would fail as well.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server refused.
    #[error("the server refused: {}", .0.message)]
    Refused(ServerRefusal),
    /// The server failed.
    #[error("the server failed ({0})")]
    ServerFailed(String),
    /// The server has too much to do; what was sent is not to blame.
    #[error("the server is busy")]
    Busy,
    /// The answer is not what this provider would say: nothing was believed.
    #[error("the server's answer was not believed: {0}")]
    NotBelieved(&'static str),
    /// A certificate from the server is not valid by this device's clock.
    #[error(
        "the certificates are not valid at this device's time: its clock says {here}, and they are valid from {from} to {until}"
    )]
    Clock { here: Time, from: Time, until: Time },
    /// The TA refused or cannot be reached.
    #[error(transparent)]
    Ta(#[from] TaError),
    /// The TA was asked for a step that it may have taken, and its answer did not come: what it did is in the journal once
    /// it answers.
    #[error("what the trusted application did is known once it answers: {0}")]
    TaUnknown(TaError),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The client is certified, and its TA is not.
    #[error("the trusted application has no certificate yet")]
    NotCertified,
    /// This wallet is not enrolled, or not registered yet.
    #[error("this wallet is not registered with its provider yet")]
    NotRegistered,
    /// A deposit is open already.
    #[error("a deposit is open already")]
    DepositPending,
    /// A withdrawal is open already.
    #[error("a withdrawal is on its way already")]
    WithdrawPending,
    /// The device holds nothing.
    #[error("the device holds nothing")]
    NothingHeld,
    /// The server was restored and is told first what it had answered.
    #[error("the server was restored; it is told first what it had answered")]
    NewLife,
    /// The answer is of a life of the server before its restore.
    #[error("the answer is of the server's life before its restore")]
    OldLife,
    /// The TA works; what is for a dead one was asked.
    #[error("the trusted application works")]
    TaWorks,
    /// There is no such TA in use.
    #[error("this is not the trusted application that this wallet uses")]
    OtherTa,
    /// The system has no randomness.
    #[error("the system has no random numbers to give")]
    Randomness,
    /// The enrolment cannot be used to reach the server.
    #[error("the enrolment cannot be used: {0}")]
    Enrolment(String),
    #[error("the daemon is stopping")]
    Stopped,
    /// The daemon stopped with the order under way: the journal says how far it came.
    #[error("the daemon stopped while it was carried out")]
    Interrupted,
}

/// Why the server refused, as it says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerRefusal {
    /// Stable, for programs.
    pub code: String,
    /// One sentence, for people.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl SyncError {
    /// Tells that a certificate is not valid now.
    pub(super) fn not_valid(certificate: &Certificate) -> Self {
        Self::Clock {
            here: clock::now(),
            from: certificate.not_before,
            until: certificate.not_after,
        }
    }

    /// Returns whether the server was not reached.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Tells what is known when a TA did not do a step that was recorded before: that nothing moved, or that it may have.
    #[must_use]
    pub const fn of_step(error: TaError) -> Self {
        if error.may_have_acted() {
            return Self::TaUnknown(error);
        }

        Self::Ta(error)
    }

    /// Returns whether particular items may be the cause, so that a smaller batch may succeed.
    pub(super) fn is_of_items(&self) -> bool {
        match self {
            // a path that a server lacks, or a challenge that ran out, is no item's fault
            Self::Refused(refusal) => !NOT_OF_ITEMS.contains(&refusal.code.as_str()),
            Self::ServerFailed(_) | Self::NotBelieved(_) | Self::OldLife => true,
            Self::Unreachable(_)
            | Self::Busy
            | Self::Clock { .. }
            | Self::Ta(_)
            | Self::TaUnknown(_)
            | Self::Journal(_)
            | Self::NotCertified
            | Self::NotRegistered
            | Self::DepositPending
            | Self::WithdrawPending
            | Self::NothingHeld
            | Self::NewLife
            | Self::TaWorks
            | Self::OtherTa
            | Self::Randomness
            | Self::Enrolment(_)
            | Self::Stopped
            | Self::Interrupted => false,
        }
    }
}

/// Codes of a server's refusals that are of the request as a whole.
const NOT_OF_ITEMS: [&str; 4] = ["not-found", "method", "challenge", "server-refused"];
