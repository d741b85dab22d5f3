//! What happens in a wallet, for who watches.

use std::sync::Arc;

use journal::{Fact, Recorded};
use ops_proto::{Amount, Digest, RequestId};
use radio::RadioState;
use tokio::sync::broadcast::error::RecvError;

use super::Shared;
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
        payment: Digest,
        amount: Amount,
    },
    /// A payment, either way, moved on: signed, receipt, reported, claimed.
    PaymentChanged(Digest),
    /// A payment failed before the TA paid.
    PaymentFailed,
    DepositChanged,
    WithdrawalChanged,
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

/// Tells watchers of what reaches the journal, and of radio and TA, until the stop.
pub(super) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.stop();
    let mut facts = shared.journal.subscribe();
    let mut radio = shared.radio.state();
    let mut ta = shared.ta.as_ref().map(crate::ta::TaHandle::access);
    loop {
        // Every branch is cancel safe: they are queues and watches.
        tokio::select! {
            biased; // a stop is never starved
            () = stop.cancelled() => return,
            recorded = facts.recv() => match recorded {
                Ok(recorded) => of_fact(&shared, &recorded),
                Err(RecvError::Lagged(_)) => shared.tell(WalletEvent::Synced),
                Err(RecvError::Closed) => return,
            },
            Ok(()) = radio.changed() => {
                let state = radio.borrow_and_update().clone();
                shared.tell(WalletEvent::Radio(state));
            }
            access = access_changed(&mut ta) => shared.tell(WalletEvent::Ta(access)),
        }
    }
}

async fn access_changed(ta: &mut Option<tokio::sync::watch::Receiver<TaAccess>>) -> TaAccess {
    if let Some(access) = ta
        && access.changed().await.is_ok()
    {
        return access.borrow_and_update().clone();
    }

    std::future::pending().await
}

fn of_fact(shared: &Shared, recorded: &Recorded) {
    if let Some(line) = super::transcript::line(&recorded.fact) {
        tracing::debug!(target: "ops", "{line}");
        shared.tell(WalletEvent::Transcript(line));
    }
    let event = match &recorded.fact {
        Fact::Enrolled(_)
        | Fact::ClientKeyMade { .. }
        | Fact::ClientRegistered(_)
        | Fact::TaInitialised { .. }
        | Fact::TaRegistered(_)
        | Fact::TaCertified(_)
        | Fact::Retired(_)
        | Fact::RetireAnswered(_)
        | Fact::DeathIntent { .. }
        | Fact::DeathAnswered(_) => WalletEvent::RegistrationChanged,
        Fact::DepositIntent { .. }
        | Fact::DepositOpened { .. }
        | Fact::DepositAnswered(_)
        | Fact::DepositClosed { .. } => WalletEvent::DepositChanged,
        Fact::WithdrawIntent { .. }
        | Fact::Withdrawn { .. }
        | Fact::WithdrawAcknowledged(_)
        | Fact::WithdrawClosed { .. } => WalletEvent::WithdrawalChanged,
        Fact::PaymentSigned { pair, .. } => WalletEvent::PaymentChanged(pair.hash()),
        Fact::ReceiptReceived(receipt) => WalletEvent::PaymentChanged(receipt.body().payment),
        Fact::HeldByPayee { payment }
        | Fact::CollectRefused { payment, .. }
        | Fact::Reported { payment, .. }
        | Fact::HandedIn { payment, .. }
        | Fact::Claimed { payment, .. } => WalletEvent::PaymentChanged(*payment),
        Fact::Collected { payment, .. } => {
            let amount = shared.journal.view(|book| {
                let incoming = book.incoming_by_hash(payment)?;
                Some(incoming.pair.payment.body().amount)
            });
            match amount {
                Some(amount) => WalletEvent::PaymentReceived {
                    payment: *payment,
                    amount,
                },
                None => WalletEvent::PaymentChanged(*payment),
            }
        }
        Fact::PaymentReceived { pair, .. } => WalletEvent::PaymentChanged(pair.hash()),
        Fact::TokenTaken { .. } | Fact::AccountAnswered(_) => WalletEvent::Synced,
        // told by who did them, or of no interest to who watches
        Fact::RequestIntent(_)
        | Fact::RequestIssued { .. }
        | Fact::RequestCancelled { .. }
        | Fact::PayIntent(_)
        | Fact::PayAbandoned { .. }
        | Fact::StatusOpened(_)
        | Fact::TokenReceived(_)
        | Fact::RetireIntent { .. }
        | Fact::MailboxRead { .. }
        | Fact::CreditedRead { .. }
        | Fact::ProviderSeen(_)
        | Fact::LifeSeen { .. }
        | Fact::LifeRemembered { .. }
        | Fact::Settled(_)
        | Fact::PayeeApproved { .. }
        | Fact::PayeeApprovalEnded { .. }
        | Fact::TaMoved => return,
    };
    shared.tell(event);
}
