//! Decides how everything that was begun is finished or undone.
//!
//! One function for each kind of thing, over the stage that the journal knows and the session of the TA, with every row
//! written out. They are asked at each start and each time the TA comes back; doing a row twice does nothing new.
//! Before that, opening the TA's session has taken into the journal whatever the TA was ahead, so that with the session
//! open the journal knows every payment, request and receipt that the TA ever signed.

#[cfg(test)]
mod tests;

use ops_proto::Signed;
use ops_proto::certificate::Kind;
use ops_proto::message::{DepositAnswer, DepositOpen, Withdraw, WithdrawAck};

use crate::book::{DepositStage, IncomingStage, WithdrawStage};

/// Whether the TA's session is open, so that what is not in the journal has not happened in the TA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaSession {
    /// It is: the journal is complete.
    Open,
    /// It is not: the TA may be ahead of the journal.
    Shut,
    /// The TA retired or is dead. What it may have signed beyond the journal has never left this device.
    Ended,
}

/// What to do with an order that the TA signs and whose answer it takes: a deposit or a withdrawal.
#[derive(Debug, PartialEq, Eq)]
pub enum OrderStep<'a, Order, Answer> {
    /// Wait until the TA tells whether it signed the order, or can take the answer.
    AwaitTa,
    /// The TA did not sign the order and is not asked again.
    Forget,
    /// Send the order to the server, the same bytes as before.
    Send(&'a Order),
    /// Hand the answer to the TA.
    Take(&'a Answer),
    /// Nothing is left to do.
    Done,
}

/// Decides over a deposit. The server itself closes that of a TA that has ended.
#[must_use]
pub const fn deposit(
    stage: &DepositStage,
    session: TaSession,
) -> OrderStep<'_, Signed<DepositOpen>, Signed<DepositAnswer>> {
    match (stage, session) {
        (DepositStage::Intended, TaSession::Open | TaSession::Ended) => OrderStep::Forget,
        (DepositStage::Intended, TaSession::Shut) => OrderStep::AwaitTa,
        (DepositStage::Open(open), TaSession::Open | TaSession::Shut) => OrderStep::Send(open),
        (DepositStage::Answered(_, answer), TaSession::Open) => OrderStep::Take(answer),
        (DepositStage::Answered(..), TaSession::Shut) => OrderStep::AwaitTa,
        (DepositStage::Open(_) | DepositStage::Answered(..), TaSession::Ended) => OrderStep::Done,
        (DepositStage::Closed { .. }, _) => OrderStep::Done,
    }
}

/// Decides over a withdrawal. A signed one is sent even when its TA has ended; one that a dead TA may have signed
/// beyond the journal never left, and its sum is paid with the rest.
#[must_use]
pub const fn withdraw(
    stage: &WithdrawStage,
    session: TaSession,
) -> OrderStep<'_, Signed<Withdraw>, Signed<WithdrawAck>> {
    match (stage, session) {
        (WithdrawStage::Intended, TaSession::Open | TaSession::Ended) => OrderStep::Forget,
        (WithdrawStage::Intended, TaSession::Shut) => OrderStep::AwaitTa,
        (WithdrawStage::Debited(withdraw), _) => OrderStep::Send(withdraw),
        (WithdrawStage::Acknowledged(_, ack), TaSession::Open) => OrderStep::Take(ack),
        (WithdrawStage::Acknowledged(..), TaSession::Shut) => OrderStep::AwaitTa,
        (WithdrawStage::Acknowledged(..), TaSession::Ended) => OrderStep::Done,
        (WithdrawStage::Closed { .. }, _) => OrderStep::Done,
    }
}

/// What to do with a payment to this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingStep {
    /// Wait until the TA can be asked.
    AwaitTa,
    /// Ask the TA to credit it; a repeat returns the same receipt.
    Collect,
    /// Sign the receipt with the client key: durable is credited.
    Sign,
    /// The TA that it is for has ended: record that it will not credit it.
    GiveUp,
    /// The TA will not credit it: sync claims it online.
    Claim,
    /// Nothing is left to do but what sync does.
    Done,
}

/// Decides over a payment to this device's TA or to its client key.
#[must_use]
pub const fn incoming(stage: IncomingStage, receiver: Kind, session: TaSession) -> IncomingStep {
    match (stage, receiver, session) {
        (IncomingStage::Received, Kind::Client | Kind::Provider, _) => IncomingStep::Sign,
        (IncomingStage::Received, Kind::Ta, TaSession::Open) => IncomingStep::Collect,
        (IncomingStage::Received, Kind::Ta, TaSession::Shut) => IncomingStep::AwaitTa,
        (IncomingStage::Received, Kind::Ta, TaSession::Ended) => IncomingStep::GiveUp,
        (IncomingStage::Refused, _, _) => IncomingStep::Claim,
        (IncomingStage::Credited, _, _) => IncomingStep::Done,
    }
}
