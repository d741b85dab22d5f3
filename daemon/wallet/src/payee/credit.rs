//! Crediting a payment that is on disk: the TA collects it, or the client key signs for it.

use std::time::Duration;

use ble_proto::payment::payee::{CreditAnswer, NotCredited};
use journal::Fact;
use journal::book::Incoming;
use journal::unfinished::{self, IncomingStep, TaSession};
use ops_proto::certificate::Kind;
use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::message::ReceivedPayment;
use ops_proto::{Digest, Signed};

use super::Shared;
use crate::ta::TaError;

/// How often a TA that does not answer is asked before the payer hears `Held`.
const ATTEMPTS_MAX: u32 = 8;

/// The time between two attempts; all of them fit into what a payer waits.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(1);

/// Credits one payment; a repeat answers with the same receipt.
pub(super) async fn credit(shared: &Shared, payment: &Digest) -> CreditAnswer {
    for _ in 0..ATTEMPTS_MAX {
        match try_credit(shared, payment).await {
            Ok(receipt) => return Ok(receipt),
            Err(NotYet::Never) => return Err(NotCredited),
            Err(NotYet::Later) => tokio::time::sleep(ATTEMPT_INTERVAL).await,
        }
    }

    Err(NotCredited)
}

/// Credits what is on disk and not credited yet; at a start, and when the TA comes back.
pub(crate) async fn collect_pending(shared: &Shared, session: TaSession) {
    let pending: Vec<Digest> = shared.journal.view(|book| {
        book.to_credit()
            .filter(|(_, incoming)| is_pending(incoming, session))
            .map(|(payment, _)| payment)
            .collect()
    });
    for payment in pending {
        match try_credit(shared, &payment).await {
            Ok(receipt) => record(shared, payment, receipt).await,
            Err(NotYet::Never | NotYet::Later) => {}
        }
    }
}

/// The TA's answer is in the journal already; the client key's is not.
async fn record(shared: &Shared, payment: Digest, receipt: Signed<ReceivedPayment>) {
    let known = shared.journal.view(|book| {
        book.incoming_by_hash(&payment)
            .is_some_and(|held| held.receipt.is_some())
    });
    if !known {
        shared
            .append_surely(Fact::Collected { payment, receipt })
            .await;
    }
}

/// Why a payment is not credited.
enum NotYet {
    /// The TA does not answer; it is asked again.
    Later,
    /// The TA refused; it is claimed online.
    Never,
}

fn is_pending(incoming: &Incoming, session: TaSession) -> bool {
    match unfinished::incoming(incoming.stage(), incoming.receiver(), session) {
        IncomingStep::Collect | IncomingStep::Sign => true,
        IncomingStep::AwaitTa | IncomingStep::GiveUp | IncomingStep::Claim | IncomingStep::Done => {
            false
        }
    }
}

async fn try_credit(shared: &Shared, payment: &Digest) -> Result<Signed<ReceivedPayment>, NotYet> {
    let incoming = shared
        .journal
        .view(|book| book.incoming_by_hash(payment))
        .ok_or(NotYet::Never)?;
    if let Some(receipt) = &incoming.receipt {
        return Ok(receipt.clone());
    }
    let receiver = incoming.pair.payment.body().receiver;
    match receiver.kind {
        Kind::Client if receiver.key == shared.identity.public_key() => {
            Ok(shared.identity.sign(ReceivedPayment { payment: *payment }))
        }
        Kind::Client | Kind::Provider => Err(NotYet::Never),
        Kind::Ta => collect(shared, *payment, &incoming).await,
    }
}

async fn collect(
    shared: &Shared,
    payment: Digest,
    incoming: &Incoming,
) -> Result<Signed<ReceivedPayment>, NotYet> {
    let ta = shared.ta.as_ref().ok_or(NotYet::Never)?;
    let command = Command::Collect {
        pair: incoming.pair.clone(),
        sender_provider: incoming.sender_provider.clone(),
    };
    match ta.invoke(command).await {
        Ok(Output::Collected(receipt)) => Ok(receipt),
        Ok(_) => Err(NotYet::Never),
        Err(TaError::Refused(refused)) => {
            refuse(shared, payment, refused).await;
            Err(NotYet::Never)
        }
        Err(TaError::Halted(refused)) => {
            refuse(shared, payment, refused).await;
            Err(NotYet::Never)
        }
        Err(TaError::Absent | TaError::Ended | TaError::OtherAnswer) => Err(NotYet::Never),
        Err(TaError::Unreachable(_) | TaError::Journal(_) | TaError::Busy | TaError::Stopped) => {
            Err(NotYet::Later)
        }
    }
}

async fn refuse(shared: &Shared, payment: Digest, refused: TaRefused) {
    tracing::warn!(%payment, %refused, "The TA does not credit a payment; it is claimed online");
    shared
        .append_surely(Fact::CollectRefused { payment, refused })
        .await;
}
