//! Recovery: what is to be done with everything that was begun and not finished.
//!
//! Tables over plain facts, with every combination written out. They are walked at each start and each
//! time the TA comes back; doing a row twice does nothing new. Before that, opening the TA's session
//! has taken into the journal whatever the TA was ahead, so that with the session open the journal
//! knows every payment, request and receipt that the TA ever signed.

mod movement;
#[cfg(test)]
mod tests;

pub use movement::{
    DeathFacts, DeathStep, DepositFacts, DepositStep, RetireFacts, RetireStep, WithdrawFacts,
    WithdrawStep, death, deposit, retire, withdraw,
};

/// Whether the TA's session is open, so that what is not in the journal has not happened in the TA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// It is: the journal is complete.
    Open,
    /// It is not: the TA may be ahead of the journal.
    Shut,
    /// The TA retired or is dead. What it may have signed beyond the journal has never left this device.
    Ended,
}

/// What the journal says of a payment by this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingFacts {
    /// It was approved.
    pub intent: bool,
    /// The TA signed P.
    pub signed: bool,
    /// The payee's receipt, or its word that it holds P, is here.
    pub answered: bool,
    /// The server said where the money is.
    pub settled: bool,
    /// Whether the TA could be ahead.
    pub session: Session,
}

/// What to do with a payment by this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingStep {
    /// There is no such payment.
    Nothing,
    /// Wait until the TA tells whether it paid.
    AwaitTa,
    /// The TA did not pay and is not asked again: record it.
    Abandon,
    /// Send (P, R) again, byte for byte, when the payee is met.
    Resume,
    /// Nothing is left to do but the server's word, which sync asks for.
    Done,
    /// The journal contradicts itself: show it.
    Contradiction,
}

/// Decides over a payment by this device.
#[must_use]
pub const fn outgoing(facts: OutgoingFacts) -> OutgoingStep {
    let OutgoingFacts {
        intent,
        signed,
        answered,
        settled,
        session,
    } = facts;
    match (intent, signed, answered, settled, session) {
        (false, false, false, false, Session::Open | Session::Shut | Session::Ended) => {
            OutgoingStep::Nothing
        }
        (true, false, false, false, Session::Open | Session::Ended) => OutgoingStep::Abandon,
        (true, false, false, false, Session::Shut) => OutgoingStep::AwaitTa,
        // only the TA remembered the intent: it paid, so it was asked
        (false | true, true, false, false, Session::Open | Session::Shut | Session::Ended) => {
            OutgoingStep::Resume
        }
        (
            false | true,
            true,
            true,
            false | true,
            Session::Open | Session::Shut | Session::Ended,
        ) => OutgoingStep::Done,
        (false | true, true, false, true, Session::Open | Session::Shut | Session::Ended) => {
            OutgoingStep::Done
        }
        // an answer, or the server's word, to a payment that nobody signed
        (
            false | true,
            false,
            true,
            false | true,
            Session::Open | Session::Shut | Session::Ended,
        ) => OutgoingStep::Contradiction,
        (false | true, false, false, true, Session::Open | Session::Shut | Session::Ended) => {
            OutgoingStep::Contradiction
        }
    }
}

/// Who credits a payment to this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creditor {
    /// The TA.
    Ta,
    /// The client key: durable is credited.
    Client,
}

/// What the journal says of a payment to this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncomingFacts {
    /// P and R are here.
    pub received: bool,
    /// It is credited, and the receipt signed.
    pub receipt: bool,
    /// The TA refused to credit it.
    pub refused: bool,
    /// Who credits it.
    pub creditor: Creditor,
    /// Whether the TA can be asked.
    pub session: Session,
}

/// What to do with a payment to this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingStep {
    /// There is no such payment.
    Nothing,
    /// Wait until the TA can be asked.
    AwaitTa,
    /// Ask the TA to credit it; a repeat returns the same receipt.
    Collect,
    /// Sign the receipt with the client key.
    Sign,
    /// The TA that it is for has ended: record that it will not credit it.
    GiveUp,
    /// The TA will not credit it: sync claims it online.
    Claim,
    /// Nothing is left to do but what sync does.
    Done,
    /// The journal contradicts itself: show it.
    Contradiction,
}

/// Decides over a payment to this device.
#[must_use]
pub const fn incoming(facts: IncomingFacts) -> IncomingStep {
    let IncomingFacts {
        received,
        receipt,
        refused,
        creditor,
        session,
    } = facts;
    match (received, receipt, refused, creditor, session) {
        (
            false,
            false,
            false,
            Creditor::Ta | Creditor::Client,
            Session::Open | Session::Shut | Session::Ended,
        ) => IncomingStep::Nothing,
        (true, false, false, Creditor::Ta, Session::Open) => IncomingStep::Collect,
        (true, false, false, Creditor::Ta, Session::Shut) => IncomingStep::AwaitTa,
        (true, false, false, Creditor::Ta, Session::Ended) => IncomingStep::GiveUp,
        (true, false, false, Creditor::Client, Session::Open | Session::Shut | Session::Ended) => {
            IncomingStep::Sign
        }
        (true, false, true, Creditor::Ta, Session::Open | Session::Shut | Session::Ended) => {
            IncomingStep::Claim
        }
        // a refusal that a later success overtook: the money is in the TA
        (
            true,
            true,
            false | true,
            Creditor::Ta,
            Session::Open | Session::Shut | Session::Ended,
        ) => IncomingStep::Done,
        (true, true, false, Creditor::Client, Session::Open | Session::Shut | Session::Ended) => {
            IncomingStep::Done
        }
        // the client key refuses nothing
        (
            true,
            false | true,
            true,
            Creditor::Client,
            Session::Open | Session::Shut | Session::Ended,
        ) => IncomingStep::Contradiction,
        // a receipt, or a refusal, for a payment that is not here
        (
            false,
            true,
            false | true,
            Creditor::Ta | Creditor::Client,
            Session::Open | Session::Shut | Session::Ended,
        ) => IncomingStep::Contradiction,
        (
            false,
            false,
            true,
            Creditor::Ta | Creditor::Client,
            Session::Open | Session::Shut | Session::Ended,
        ) => IncomingStep::Contradiction,
    }
}

/// How a request was last shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Open.
    Open,
    /// Cancelled by the owner.
    Cancelled,
    /// Paid a short while ago: the payer may lack the receipt.
    PaidJustNow,
    /// Paid.
    Paid,
}

/// Whether a request may still be paid by this device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It may.
    Running,
    /// It is over.
    Over,
}

/// What the journal says of a request of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts {
    /// R is signed.
    pub issued: bool,
    /// How it was last shown.
    pub shown: Shown,
    /// Whether it may still be paid.
    pub validity: Validity,
}

/// What to do with a request of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStep {
    /// Nobody saw it: it is not issued any more, and what the TA may have issued comes with its session.
    Nothing,
    /// Advertise it.
    Serve,
    /// Advertise it for a while as paid, so that the payer finds its receipt.
    ServePaid,
    /// Not shown; a payment for it is taken all the same.
    Hide,
    /// The journal contradicts itself: show it.
    Contradiction,
}

/// Decides over a request of this device.
#[must_use]
pub const fn request(facts: RequestFacts) -> RequestStep {
    let RequestFacts {
        issued,
        shown,
        validity,
    } = facts;
    match (issued, shown, validity) {
        (false, Shown::Open, Validity::Running | Validity::Over) => RequestStep::Nothing,
        (true, Shown::Open, Validity::Running) => RequestStep::Serve,
        (true, Shown::Open, Validity::Over) => RequestStep::Hide,
        (true, Shown::Cancelled, Validity::Running | Validity::Over) => RequestStep::Hide,
        (true, Shown::PaidJustNow, Validity::Running | Validity::Over) => RequestStep::ServePaid,
        (true, Shown::Paid, Validity::Running | Validity::Over) => RequestStep::Hide,
        (
            false,
            Shown::Cancelled | Shown::PaidJustNow | Shown::Paid,
            Validity::Running | Validity::Over,
        ) => RequestStep::Contradiction,
    }
}
