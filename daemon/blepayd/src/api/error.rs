//! What the API answers when it does not do what was asked.

use api_types::{ErrorBody, MALFORMED, OUTCOME_UNKNOWN};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use journal::JournalError;
use ops_proto::contract::TaRefused;
use sync::SyncError;
use wallet::WalletError;
use wallet::ta::TaError;

/// A refusal: its HTTP status, a stable code, a sentence, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", body.message)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: ErrorBody,
}

impl ApiError {
    /// Makes a refusal.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &str,
        message: impl ToString,
        hint: impl ToString,
    ) -> Self {
        Self {
            status,
            body: ErrorBody {
                code: code.to_owned(),
                message: message.to_string(),
                hint: hint.to_string(),
            },
        }
    }

    /// The caller asked for something that cannot be meant.
    #[must_use]
    pub fn malformed(message: impl ToString, hint: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, MALFORMED, message, hint)
    }

    /// There is no such thing.
    #[must_use]
    pub fn not_found(message: impl ToString, hint: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message, hint)
    }

    /// It cannot be done as things stand.
    #[must_use]
    pub fn conflict(code: &str, message: impl ToString, hint: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, code, message, hint)
    }

    /// Something that the daemon needs is not there at present.
    #[must_use]
    pub fn unavailable(code: &str, message: impl ToString, hint: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message, hint)
    }

    /// There is no provider yet.
    #[must_use]
    pub fn not_enrolled() -> Self {
        Self::conflict(
            "not-enrolled",
            "this wallet is not enrolled with a provider yet",
            "blepay init FILE, with the enrolment file of your provider",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

impl From<SyncError> for ApiError {
    fn from(error: SyncError) -> Self {
        let status = match &error {
            SyncError::Unreachable(_)
            | SyncError::ServerFailed(_)
            | SyncError::Busy
            | SyncError::NewLife
            | SyncError::OldLife
            | SyncError::Ta(_)
            | SyncError::TaUnknown(_)
            | SyncError::Stopped
            | SyncError::Interrupted => StatusCode::SERVICE_UNAVAILABLE,
            SyncError::Refused(_)
            | SyncError::NotBelieved(_)
            | SyncError::Clock { .. }
            | SyncError::NotRegistered
            | SyncError::NotCertified
            | SyncError::DepositPending
            | SyncError::WithdrawPending
            | SyncError::NothingHeld
            | SyncError::TaWorks
            | SyncError::OtherTa
            | SyncError::Enrolment(_) => StatusCode::CONFLICT,
            SyncError::Journal(_) | SyncError::Randomness => StatusCode::INTERNAL_SERVER_ERROR,
        };

        Self {
            status,
            body: sync_error(&error),
        }
    }
}

/// Tells why a sync, or a part of it, failed.
pub fn sync_error(error: &SyncError) -> ErrorBody {
    let (code, hint) = match error {
        SyncError::Unreachable(_) => (
            "offline",
            "nothing is lost: the daemon tries again by itself when the network is back",
        ),
        SyncError::Refused(refusal) => {
            return ErrorBody {
                code: refusal.code.clone(),
                message: refusal.message.clone(),
                hint: refusal.hint.clone(),
            };
        }
        SyncError::Busy => ("server-busy", "the daemon tries again by itself"),
        SyncError::ServerFailed(_) => ("server-failed", "the daemon tries again by itself"),
        SyncError::NotBelieved(_) => (
            "answer-refused",
            "check the network and the enrolment with the provider; nothing was changed",
        ),
        SyncError::Clock { .. } => ("clock", CLOCK_HINT),
        SyncError::Ta(error) => ta_code(error),
        SyncError::Journal(_) => ("journal", "free some space; see blepay doctor"),
        SyncError::NotRegistered => (
            "not-registered",
            "blepay sync while online says what keeps it back",
        ),
        SyncError::DepositPending => (
            "deposit-pending",
            "it is finished by itself when the server can be reached; see blepay status",
        ),
        SyncError::WithdrawPending => (
            "withdraw-pending",
            "it is finished by itself when the server can be reached; see blepay status",
        ),
        SyncError::NothingHeld => ("nothing-held", "see blepay status"),
        SyncError::NewLife => ("server-restored", "it goes on by itself; nothing is lost"),
        SyncError::OldLife => (
            "answer-refused",
            "the provider runs a copy of its server that it must not; nothing was changed",
        ),
        SyncError::TaWorks => (
            "ta-works",
            "blepay retire ends it and pays what it holds at once",
        ),
        SyncError::OtherTa => ("other-ta", "see blepay status"),
        SyncError::Randomness => ("randomness", "see the kernel's log"),
        SyncError::Enrolment(_) => ("enrolment", "ask the provider for a new enrolment file"),
        SyncError::NotCertified => ("not-certified", "blepay sync while online"),
        SyncError::TaUnknown(_) | SyncError::Interrupted => (OUTCOME_UNKNOWN, ASK_HINT),
        SyncError::Stopped => (STOPPING, "try again when the daemon runs"),
    };

    ErrorBody {
        code: code.to_owned(),
        message: error.to_string(),
        hint: hint.to_owned(),
    }
}

/// Tells why an order that needs the server was not begun. Unlike a sync, nobody keeps it: it is to be given again.
pub(super) fn order_refused(error: SyncError) -> ApiError {
    let is_kept_by_nobody = match &error {
        SyncError::Unreachable(_)
        | SyncError::ServerFailed(_)
        | SyncError::Busy
        | SyncError::NewLife => true,
        SyncError::Refused(_)
        | SyncError::NotBelieved(_)
        | SyncError::Clock { .. }
        | SyncError::Ta(_)
        | SyncError::TaUnknown(_)
        | SyncError::Journal(_)
        | SyncError::NotCertified
        | SyncError::NotRegistered
        | SyncError::DepositPending
        | SyncError::WithdrawPending
        | SyncError::NothingHeld
        | SyncError::OldLife
        | SyncError::TaWorks
        | SyncError::OtherTa
        | SyncError::Randomness
        | SyncError::Enrolment(_)
        | SyncError::Stopped
        | SyncError::Interrupted => false,
    };
    let mut refused = ApiError::from(error);
    if is_kept_by_nobody {
        NOT_BEGUN_HINT.clone_into(&mut refused.body.hint);
    }

    refused
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        SyncError::Journal(error).into()
    }
}

impl From<WalletError> for ApiError {
    fn from(error: WalletError) -> Self {
        let status = status_of(&error);
        let (code, hint) = match error {
            WalletError::Ta(error) => return SyncError::Ta(error).into(),
            WalletError::Journal(error) => return error.into(),
            WalletError::NotEnrolled => return Self::not_enrolled(),
            WalletError::NotRegistered => return SyncError::NotRegistered.into(),
            WalletError::NotCertified => return SyncError::NotCertified.into(),
            WalletError::Clock { .. } => ("clock", OWN_CLOCK_HINT),
            WalletError::OwnRequest => ("own-request", "nothing has moved; another wallet pays it"),
            WalletError::OtherCurrency { .. } => (
                "other-currency",
                "nothing has moved; the payee asks for another currency than this wallet holds",
            ),
            WalletError::Pin { refused, .. } => ("pin", pin_hint(refused)),
            WalletError::RequestUnknown(_) => (
                OUTCOME_UNKNOWN,
                "blepay request --list says whether it is open, once the trusted application answers",
            ),
            WalletError::Refund(_) => ("refund", REFUND_HINT),
            WalletError::Limit { .. } => ("limit", LIMIT_HINT),
            WalletError::Revoked(_) => ("revoked", REVOKED_HINT),
            WalletError::Memo(_) => (
                "memo",
                "write at most 64 bytes without invisible characters",
            ),
            WalletError::RadioAbsent(_) => ("radio-absent", RADIO_HINT),
            WalletError::Radio(_) => ("radio-failed", "blepay doctor says more; try again"),
            WalletError::UnknownRequest => ("not-found", "see them: blepay request --list"),
            WalletError::UnknownPayment => ("not-found", "see them: blepay history"),
            WalletError::RequestPaid => ("request-paid", "see the payment: blepay history"),
            WalletError::Open(_) => ("request-not-served", "open another request"),
            WalletError::NotReady => (
                "not-ready",
                "blepay status says what the trusted application waits for; try again",
            ),
            WalletError::TooManyRequests => (
                "too-many-requests",
                "blepay request --list; blepay request --cancel ID, or --cancel --all",
            ),
            WalletError::TooManyPayments => (
                "payment-under-way",
                "finish or decline it first: blepay history",
            ),
            WalletError::Randomness(_) => ("randomness", "see the kernel's log"),
            WalletError::Stopped => (STOPPING, "try again when the daemon runs"),
        };

        Self::new(status, code, &error, hint)
    }
}

/// Returns what a refusal of the wallet is to HTTP.
const fn status_of(error: &WalletError) -> StatusCode {
    match error {
        WalletError::Memo(_) => StatusCode::BAD_REQUEST,
        WalletError::UnknownRequest | WalletError::UnknownPayment => StatusCode::NOT_FOUND,
        WalletError::RadioAbsent(_)
        | WalletError::Radio(_)
        | WalletError::NotReady
        | WalletError::RequestUnknown(_)
        | WalletError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        WalletError::Randomness(_) => StatusCode::INTERNAL_SERVER_ERROR,
        WalletError::Ta(_)
        | WalletError::Journal(_)
        | WalletError::NotEnrolled
        | WalletError::NotRegistered
        | WalletError::NotCertified
        | WalletError::Clock { .. }
        | WalletError::OwnRequest
        | WalletError::OtherCurrency { .. }
        | WalletError::Pin { .. }
        | WalletError::Refund(_)
        | WalletError::Limit { .. }
        | WalletError::Revoked(_)
        | WalletError::RequestPaid
        | WalletError::Open(_)
        | WalletError::TooManyRequests
        | WalletError::TooManyPayments => StatusCode::CONFLICT,
    }
}

/// What to do where an order was not begun, and is not kept either.
const NOT_BEGUN_HINT: &str = "nothing was begun and nothing has moved: ask again when the server answers, blepay sync tries it";
/// What to do where it is not known whether something has moved.
const ASK_HINT: &str = "do not repeat it: blepay status and blepay history say how far it came";
/// The code of what comes too late for this run of the daemon.
pub(super) const STOPPING: &str = "stopping";
/// What to do where this device's clock and the provider's certificates disagree.
pub(super) const CLOCK_HINT: &str =
    "set this device's clock: timedatectl; if it is right, ask the provider. Nothing was changed";
/// What to do where this device's clock and its own certificate disagree.
const OWN_CLOCK_HINT: &str = "nothing has moved; set this device's clock: timedatectl. If it is right, blepay sync while online renews the certificate";
/// What to do where this device has no radio.
pub(super) const RADIO_HINT: &str = "bluetoothctl show; systemctl status bluetooth; rfkill list. It goes on by itself when the radio is there";
const REFUND_HINT: &str = "see the payment and what was refunded: blepay show";
const LIMIT_HINT: &str = "nothing has moved; blepay status shows the limits";
const REVOKED_HINT: &str =
    "blepay sync while online, then ask the provider; withdraw what the device holds";

fn pin_hint(refused: TaRefused) -> &'static str {
    if refused == TaRefused::PinBlocked {
        return "blepay withdraw --all, blepay retire; blepay recover --help says how to put a new one in its place";
    }
    if refused == TaRefused::PinForm {
        return "choose 4 to 12 digits";
    }

    "nothing has moved; blepay status shows the tries that are left"
}

/// Returns the code of a TA's failure, and what to do.
fn ta_code(error: &TaError) -> (&'static str, &'static str) {
    match error {
        TaError::Refused(refused) => ("ta-refused", ta_hint(*refused)),
        TaError::Halted(_) => (
            "ta-halted",
            "this TA never signs with this journal again: blepay recover",
        ),
        TaError::Ended => (
            "ta-ended",
            "blepay recover --help says how to put a new one in its place",
        ),
        TaError::Absent => (
            "no-ta",
            "this wallet can be paid; only one with a trusted application can hold money",
        ),
        TaError::Journal(_) => ("journal", "free some space; see blepay doctor"),
        TaError::Unreachable(_) | TaError::OtherAnswer | TaError::Busy | TaError::Stopped => (
            "ta-unreachable",
            "see whether blepay-ta runs: systemctl status blepay-ta",
        ),
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_nobody_keeps_is_not_promised_to_be_tried_again() {
        let offline = || SyncError::Unreachable("Connection refused".to_owned());
        for error in [offline(), SyncError::Busy, SyncError::NewLife] {
            let refused = order_refused(error);

            assert!(
                refused.body.hint.contains("ask again"),
                "{}",
                refused.body.hint
            );
        }
        let synced = sync_error(&offline());
        assert!(synced.hint.contains("tries again by itself"), "{synced:?}");
    }

    #[test]
    fn a_step_that_the_ta_may_have_taken_is_an_unknown_outcome() {
        let away = || TaError::Unreachable("Connection refused".to_owned());

        let may_have = order_refused(SyncError::of_step(away()));
        let has_not = order_refused(SyncError::of_step(TaError::Refused(TaRefused::Balance)));

        assert_eq!(may_have.body.code, OUTCOME_UNKNOWN);
        assert_eq!(sync_error(&SyncError::Interrupted).code, OUTCOME_UNKNOWN);
        let request = WalletError::RequestUnknown(away());
        assert_eq!(ApiError::from(request).body.code, OUTCOME_UNKNOWN);
        assert_eq!(has_not.body.code, "ta-refused");
        assert_eq!(
            ApiError::from(SyncError::Ta(away())).body.code,
            "ta-unreachable"
        );
    }
}
