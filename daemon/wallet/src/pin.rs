//! The PIN: on its way from the person to the TA, and kept nowhere.

use ops_proto::contract::{Command, Output, Pin, PinState, TaState};

use super::{Shared, WalletError};
use crate::ta::TaError;

/// A PIN to set, or to put in the place of another.
#[derive(Debug)]
pub struct PinChange {
    /// The PIN so far, where there is one.
    pub old: Option<Pin>,
    /// The PIN from now on: 4 to 12 digits.
    pub new: Pin,
    /// What may be paid after a PIN before the next is asked for, in minor units; `None` leaves it as
    /// it is.
    pub floor: Option<u64>,
}

/// Has the TA set or change the PIN.
pub(super) async fn set(shared: &Shared, change: PinChange) -> Result<PinState, WalletError> {
    let ta = shared.ta.as_ref().ok_or(TaError::Absent)?;
    let before = inspect(shared).await.ok_or(WalletError::NotReady)?;
    let command = Command::SetPin {
        old: change.old,
        new: change.new,
        floor: change.floor.unwrap_or(before.pin.floor),
    };
    match ta.invoke(command).await {
        Ok(Output::PinSet) => {}
        Ok(_) => return Err(TaError::OtherAnswer.into()),
        Err(TaError::Refused(refused)) => {
            let tries_left = inspect(shared).await.map(|state| state.pin.tries_left);
            return Err(WalletError::Pin {
                refused,
                tries_left,
            });
        }
        Err(error) => return Err(error.into()),
    }
    let after = inspect(shared).await.ok_or(WalletError::NotReady)?;

    Ok(after.pin)
}

/// Returns what the TA says of itself, if it answers.
pub(super) async fn inspect(shared: &Shared) -> Option<TaState> {
    ask(shared).await.ok()
}

/// Asks the TA what it says of itself.
pub(super) async fn ask(shared: &Shared) -> Result<TaState, TaError> {
    let ta = shared.ta.as_ref().ok_or(TaError::Absent)?;
    let Output::State(state) = ta.invoke(Command::Inspect).await? else {
        return Err(TaError::OtherAnswer);
    };

    Ok(*state)
}
