//! Deposits, withdrawals and the ends of TAs: what is to be done with each, whatever was the last step.

use super::Session;

/// What the journal says of a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepositFacts {
    /// The owner asked.
    pub intent: bool,
    /// The TA opened it.
    pub opened: bool,
    /// The server answered.
    pub answered: bool,
    /// The TA took the answer.
    pub closed: bool,
    /// Whether the TA could be ahead.
    pub session: Session,
}

/// What to do with a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepositStep {
    /// There is no such deposit.
    Nothing,
    /// Wait until the TA tells whether it opened it, or can take the answer.
    AwaitTa,
    /// The TA did not open it and is not asked again.
    Forget,
    /// Send it to the server, the same bytes as before.
    Send,
    /// Hand the answer to the TA.
    Take,
    /// Nothing is left to do; the server closes that of a TA that has ended.
    Done,
    /// The journal contradicts itself: show it.
    Contradiction,
}

/// Decides over a deposit.
#[must_use]
pub const fn deposit(facts: DepositFacts) -> DepositStep {
    let DepositFacts {
        intent,
        opened,
        answered,
        closed,
        session,
    } = facts;
    match (intent, opened, answered, closed, session) {
        (false, false, false, false, Session::Open | Session::Shut | Session::Ended) => {
            DepositStep::Nothing
        }
        (true, false, false, false, Session::Open | Session::Ended) => DepositStep::Forget,
        (true, false, false, false, Session::Shut) => DepositStep::AwaitTa,
        // only the TA remembered the intent: it opened it, so it was asked
        (false | true, true, false, false, Session::Open | Session::Shut) => DepositStep::Send,
        (false | true, true, true, false, Session::Open) => DepositStep::Take,
        (false | true, true, true, false, Session::Shut) => DepositStep::AwaitTa,
        (false | true, true, false | true, false, Session::Ended) => DepositStep::Done,
        (false | true, true, true, true, Session::Open | Session::Shut | Session::Ended) => {
            DepositStep::Done
        }
        // the TA takes no answer that was not recorded before
        (false | true, true, false, true, Session::Open | Session::Shut | Session::Ended) => {
            DepositStep::Contradiction
        }
        // an answer to what the TA never opened
        (
            false | true,
            false,
            true,
            false | true,
            Session::Open | Session::Shut | Session::Ended,
        ) => DepositStep::Contradiction,
        (false | true, false, false, true, Session::Open | Session::Shut | Session::Ended) => {
            DepositStep::Contradiction
        }
    }
}

/// What the journal says of a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WithdrawFacts {
    /// The owner asked.
    pub intent: bool,
    /// The TA debited itself and signed W.
    pub debited: bool,
    /// The server booked W.
    pub acknowledged: bool,
    /// The TA took the acknowledgement.
    pub closed: bool,
    /// Whether the TA could be ahead.
    pub session: Session,
}

/// What to do with a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawStep {
    /// There is no such withdrawal.
    Nothing,
    /// Wait until the TA tells whether it debited itself, or can take the acknowledgement.
    AwaitTa,
    /// The TA did not debit itself and is not asked again.
    Forget,
    /// Send W to the server, the same bytes as before, also when its TA has ended.
    Send,
    /// Hand the acknowledgement to the TA.
    Take,
    /// Nothing is left to do.
    Done,
    /// The journal contradicts itself: show it.
    Contradiction,
}

/// Decides over a withdrawal.
#[must_use]
pub const fn withdraw(facts: WithdrawFacts) -> WithdrawStep {
    let WithdrawFacts {
        intent,
        debited,
        acknowledged,
        closed,
        session,
    } = facts;
    match (intent, debited, acknowledged, closed, session) {
        (false, false, false, false, Session::Open | Session::Shut | Session::Ended) => {
            WithdrawStep::Nothing
        }
        // of a dead TA: a W that it may have signed never left, and its sum is paid with the rest
        (true, false, false, false, Session::Open | Session::Ended) => WithdrawStep::Forget,
        (true, false, false, false, Session::Shut) => WithdrawStep::AwaitTa,
        // only the TA remembered the intent: it is debited, so it was asked
        (false | true, true, false, false, Session::Open | Session::Shut | Session::Ended) => {
            WithdrawStep::Send
        }
        (false | true, true, true, false, Session::Open) => WithdrawStep::Take,
        (false | true, true, true, false, Session::Shut) => WithdrawStep::AwaitTa,
        (false | true, true, true, false, Session::Ended) => WithdrawStep::Done,
        (false | true, true, true, true, Session::Open | Session::Shut | Session::Ended) => {
            WithdrawStep::Done
        }
        // the TA takes no acknowledgement that was not recorded before
        (false | true, true, false, true, Session::Open | Session::Shut | Session::Ended) => {
            WithdrawStep::Contradiction
        }
        // an acknowledgement of what the TA never signed
        (
            false | true,
            false,
            true,
            false | true,
            Session::Open | Session::Shut | Session::Ended,
        ) => WithdrawStep::Contradiction,
        (false | true, false, false, true, Session::Open | Session::Shut | Session::Ended) => {
            WithdrawStep::Contradiction
        }
    }
}

/// What the journal says of a TA's retirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetireFacts {
    /// The owner asked.
    pub intent: bool,
    /// The TA signed its last statement.
    pub retired: bool,
    /// The server booked its end.
    pub answered: bool,
    /// Whether the TA could be ahead.
    pub session: Session,
}

/// What to do with a TA's retirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetireStep {
    /// Nobody asked for it.
    Nothing,
    /// Wait until the TA tells whether it retired.
    AwaitTa,
    /// The TA did not retire and is not asked again.
    Forget,
    /// Send its last statement to the server, the same bytes as before.
    Send,
    /// Nothing is left to do.
    Done,
    /// The journal contradicts itself: show it.
    Contradiction,
}

/// Decides over a TA's retirement.
#[must_use]
pub const fn retire(facts: RetireFacts) -> RetireStep {
    let RetireFacts {
        intent,
        retired,
        answered,
        session,
    } = facts;
    match (intent, retired, answered, session) {
        (false, false, false, Session::Open | Session::Shut | Session::Ended) => {
            RetireStep::Nothing
        }
        (true, false, false, Session::Open | Session::Ended) => RetireStep::Forget,
        (true, false, false, Session::Shut) => RetireStep::AwaitTa,
        // only the TA remembered the intent
        (false | true, true, false, Session::Open | Session::Shut | Session::Ended) => {
            RetireStep::Send
        }
        (false | true, true, true, Session::Open | Session::Shut | Session::Ended) => {
            RetireStep::Done
        }
        // an answer to what the TA never signed
        (false | true, false, true, Session::Open | Session::Shut | Session::Ended) => {
            RetireStep::Contradiction
        }
    }
}

/// What the journal says of a TA's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeathFacts {
    /// The owner said so.
    pub intent: bool,
    /// The server booked it.
    pub answered: bool,
    /// A sum still waits, as the server said last.
    pub waits: bool,
}

/// What to do about a TA's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathStep {
    /// It is not dead.
    Nothing,
    /// Report it.
    Report,
    /// Ask again now and then what of the sum is paid.
    AskAgain,
    /// Nothing is left to do.
    Done,
    /// The journal contradicts itself: show it.
    Contradiction,
}

/// Decides over a TA's death.
#[must_use]
pub const fn death(facts: DeathFacts) -> DeathStep {
    let DeathFacts {
        intent,
        answered,
        waits,
    } = facts;
    match (intent, answered, waits) {
        (false, false, false) => DeathStep::Nothing,
        (true, false, false) => DeathStep::Report,
        (true, true, true) => DeathStep::AskAgain,
        (true, true, false) => DeathStep::Done,
        // what nobody said, or a sum that the server never named
        (false, true, false | true) | (false, false, true) | (true, false, true) => {
            DeathStep::Contradiction
        }
    }
}
