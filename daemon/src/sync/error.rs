//! Why a part of sync did not succeed.

use ops_proto::contract::TaRefused;

use crate::api::types::ErrorBody;
use crate::journal::JournalError;
use crate::ta::TaError;

/// A part of sync did not succeed. What it had to do stays in the journal for the next run.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    /// The server was not reached; everything else would fail as well.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// The server refused.
    #[error("the server refused: {}", .0.message)]
    Refused(ErrorBody),
    /// The server failed.
    #[error("the server failed ({0})")]
    ServerFailed(String),
    /// The server has too much to do; what was sent is not to blame.
    #[error("the server is busy")]
    Busy,
    /// The answer is not what this provider would say: nothing was believed.
    #[error("the server's answer was not believed: {0}")]
    NotBelieved(&'static str),
    /// The TA refused or cannot be reached.
    #[error(transparent)]
    Ta(#[from] TaError),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
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
    #[error("the system gives no randomness")]
    Randomness,
    /// The enrolment cannot be used to reach the server.
    #[error("the enrolment cannot be used: {0}")]
    Enrolment(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopped,
}

impl SyncError {
    /// Returns whether the server was not reached.
    #[must_use]
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Returns whether it lies in what was sent, or in what the server makes of it: less may pass.
    pub(super) fn is_of_items(&self) -> bool {
        match self {
            // a path that a server lacks, or a challenge that ran out, is no item's fault
            Self::Refused(body) => !NOT_OF_ITEMS.contains(&body.code.as_str()),
            Self::ServerFailed(_) | Self::NotBelieved(_) | Self::OldLife => true,
            Self::Unreachable(_)
            | Self::Busy
            | Self::Ta(_)
            | Self::Journal(_)
            | Self::NotRegistered
            | Self::DepositPending
            | Self::WithdrawPending
            | Self::NothingHeld
            | Self::NewLife
            | Self::TaWorks
            | Self::OtherTa
            | Self::Randomness
            | Self::Enrolment(_)
            | Self::Stopped => false,
        }
    }

    /// Returns the error as the API writes it.
    #[must_use]
    pub fn body(&self) -> ErrorBody {
        let (code, hint) = match self {
            Self::Unreachable(_) => (
                "offline",
                "nothing is lost: the daemon tries again by itself when the network is back",
            ),
            Self::Refused(body) => return body.clone(),
            Self::Busy => ("server-busy", "the daemon tries again by itself"),
            Self::ServerFailed(_) => ("server-failed", "the daemon tries again by itself"),
            Self::NotBelieved(_) => (
                "answer-refused",
                "check the network and the enrolment with the provider; nothing was changed",
            ),
            Self::Ta(TaError::Refused(refused)) => ("ta-refused", ta_hint(*refused)),
            Self::Ta(TaError::Halted(_)) => (
                "ta-halted",
                "this TA never signs with this journal again: blepay recover",
            ),
            Self::Ta(TaError::Ended) => (
                "ta-ended",
                "blepay recover --help says how to put a new one in its place",
            ),
            Self::Ta(TaError::Absent) => (
                "no-ta",
                "this wallet can be paid; only one with a trusted application can hold money",
            ),
            Self::Ta(
                TaError::Unreachable(_)
                | TaError::Journal(_)
                | TaError::OtherAnswer
                | TaError::Busy
                | TaError::Stopped,
            ) => (
                "ta-unreachable",
                "see whether blepay-ta runs: systemctl status blepay-ta",
            ),
            Self::Journal(_) => ("journal", "free some space; see blepay doctor"),
            Self::NotRegistered => (
                "not-registered",
                "blepay init FILE, then blepay sync while online",
            ),
            Self::DepositPending => (
                "deposit-pending",
                "it is finished by itself when the server can be reached; see blepay status",
            ),
            Self::WithdrawPending => (
                "withdraw-pending",
                "it is finished by itself when the server can be reached; see blepay status",
            ),
            Self::NothingHeld => ("nothing-held", "see blepay status"),
            Self::NewLife => ("server-restored", "it goes on by itself; nothing is lost"),
            Self::OldLife => (
                "answer-refused",
                "the provider runs a copy of its server that it must not; nothing was changed",
            ),
            Self::TaWorks => (
                "ta-works",
                "blepay retire ends it and pays what it holds at once",
            ),
            Self::OtherTa => ("other-ta", "see blepay status"),
            Self::Randomness => ("randomness", "see the kernel's log"),
            Self::Enrolment(_) => ("enrolment", "ask the provider for a new enrolment file"),
            Self::Stopped => ("stopping", "try again when the daemon runs"),
        };

        ErrorBody {
            code: code.to_owned(),
            message: self.to_string(),
            hint: hint.to_owned(),
        }
    }
}

/// Codes of a server's refusals that are of the request as a whole.
const NOT_OF_ITEMS: [&str; 4] = ["not-found", "method", "challenge", "server-refused"];

fn ta_hint(refused: TaRefused) -> &'static str {
    if refused == TaRefused::BalanceLimit {
        return "deposit less, or pay first";
    }
    if refused == TaRefused::DepositPending {
        return "blepay sync finishes the open deposit";
    }
    if refused == TaRefused::WithdrawPending {
        return "blepay sync finishes the withdrawal";
    }
    if refused == TaRefused::Balance {
        return "blepay withdraw --all takes what is there";
    }
    if refused == TaRefused::OfflineLimit {
        return "blepay sync while online";
    }

    "nothing has moved; see blepay status"
}
