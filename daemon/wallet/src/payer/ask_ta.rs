//! What the TA says when it is asked to pay.

use std::time::Duration;

use journal::book::PaymentKey;
use journal::{Fact, JournalError};
use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::message::Payment;
use ops_proto::{Amount, Signed};

use crate::Shared;
use crate::limit::{self, Wanted};
use crate::ta::TaError;

/// How often a TA that does not answer is asked to pay before the outcome is called unknown.
const PAY_ATTEMPTS_MAX: u32 = 20;

/// The time between two attempts.
const PAY_ATTEMPT_INTERVAL: Duration = Duration::from_millis(500);

/// What the TA said when it was asked to pay.
#[derive(Debug)]
pub(super) enum TaWord {
    /// It debited itself and signed; the journal holds it.
    Paid(Box<Signed<Payment>>),
    /// It refused, for this reason; nothing left.
    Refused(String),
    /// It did not answer: whether it paid is found out when it does.
    Unknown,
}

/// Asks the TA until it says what became of the payment. The PIN goes along once: a payment that was
/// signed is returned without it, and a wrong PIN whose answer is lost must not cost a second try.
pub(super) async fn ask_to_pay(
    shared: &Shared,
    mut command: Command,
    key: PaymentKey,
    amount: Amount,
) -> TaWord {
    let Some(ta) = &shared.ta else {
        return TaWord::Refused(TaRefused::NotInitialised.to_string());
    };
    let mut pin = PinGiven::Kept;
    for _ in 0..PAY_ATTEMPTS_MAX {
        match ta.invoke(command.clone()).await {
            Ok(Output::Paid(pair)) => return TaWord::Paid(Box::new(pair.payment)),
            Ok(_) => return TaWord::Unknown,
            Err(TaError::Refused(refused) | TaError::Halted(refused)) => {
                let abandoned = Fact::PayAbandoned {
                    payee: key.payee,
                    request_id: key.request_id,
                    refused: Some(refused),
                };
                shared.append_surely(abandoned).await;
                if (refused, pin) == (TaRefused::Pin, PinGiven::Lost) {
                    return TaWord::Refused(PIN_LOST.to_owned());
                }
                let state = crate::pin::inspect(shared).await;
                let wanted = Wanted::Pay(amount);
                return TaWord::Refused(limit::refusal(refused, state.as_ref(), wanted));
            }
            Err(
                TaError::Absent
                | TaError::Ended
                | TaError::Stopped
                | TaError::OtherAnswer
                | TaError::Journal(JournalError::Closed),
            ) => return TaWord::Unknown,
            Err(TaError::Unreachable(_)) => {
                if command.carries_pin() {
                    pin = PinGiven::Lost;
                }
                command = command.without_pin();
                tokio::time::sleep(PAY_ATTEMPT_INTERVAL).await;
            }
            Err(TaError::Journal(_) | TaError::Busy) => {
                tokio::time::sleep(PAY_ATTEMPT_INTERVAL).await;
            }
        }
    }

    TaWord::Unknown
}

/// What became of the PIN of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PinGiven {
    /// There was none, or its answer came.
    Kept,
    /// It went to the TA, and the answer did not come.
    Lost,
}

const PIN_LOST: &str = "the trusted application did not answer; nothing was paid, and a wrong PIN has \
                        cost one try; try again";
