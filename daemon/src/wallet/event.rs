//! What happens in a wallet, for who watches.

use ops_proto::{Amount, Digest, RequestId};

use crate::radio::RadioState;
use crate::ta::TaAccess;

/// Events that a slow watcher may be behind before it loses the oldest.
pub const WALLET_EVENTS_MAX: usize = 256;

/// Something happened. Read the state anew from the wallet; events say only where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalletEvent {
    /// A request was issued, cancelled or paid.
    RequestChanged(RequestId),
    /// A payment to this device is durable and credited (or held, to be claimed).
    PaymentReceived {
        /// The hash of P.
        payment: Digest,
        /// How much.
        amount: Amount,
    },
    /// A payment, either way, moved on: signed, receipt, reported, claimed.
    PaymentChanged(Digest),
    /// A payment failed before the TA paid.
    PaymentFailed,
    /// A deposit moved on.
    DepositChanged,
    /// The registration moved on.
    RegistrationChanged,
    /// The server's word on the account or a token came.
    Synced,
    /// The radio came or went.
    Radio(RadioState),
    /// The TA came or went.
    Ta(TaAccess),
    /// One step in the paper's notation, as `T.bal ← T.bal − 1250`.
    Transcript(String),
}
