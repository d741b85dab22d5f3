//! The fold: what all facts together say. Pure; every state shown to people comes from here.

mod deposit;
mod ended;
mod fold;
mod identity;
mod index;
mod indexed;
mod life;
mod payment;
mod policy;
mod provider;
mod request;
mod status;
mod withdraw;

use std::collections::BTreeMap;

use ops_proto::certificate::Certificate;
use ops_proto::contract::Mark;
use ops_proto::{Digest, PublicKey, Signed, Time};
use serde::{Deserialize, Serialize};

pub use deposit::{Deposit, DepositStage};
pub use ended::{EndedTa, Held, RetireStage, TaEnd};
pub use identity::{ClientStanding, TaStanding};
pub use index::PaymentRef;
pub use indexed::EitherPayment;
pub use life::{Lives, REMEMBER_MS};
pub use payment::{Incoming, IncomingStage, Outgoing, OutgoingStage, PaymentKey};
pub use policy::ApprovedPayee;
pub use request::{Request, RequestShown};
pub use status::StatusStanding;
pub use withdraw::{WithdrawStage, Withdrawal};

use super::entry::{Recorded, Seq};
use super::fact::Enrolled;
use index::BookIndex;
pub(crate) use index::{DiskIndex, TABLE_NAMES, TABLES};

/// Everything that the journal says, folded. Only the journal makes it grow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Book {
    newest: Seq,
    mark: Option<Mark>,
    enrolled: Option<Enrolled>,
    client: Option<ClientStanding>,
    ta: Option<TaStanding>,
    ended: Vec<EndedTa>,
    deposits: Vec<Deposit>,
    withdrawals: Vec<Withdrawal>,
    #[serde(skip)]
    index: BookIndex,
    status: StatusStanding,
    account: Option<(Time, ops_proto::message::AccountAnswer)>,
    approved: BTreeMap<PublicKey, ApprovedPayee>,
    providers: BTreeMap<Digest, Signed<Certificate>>,
    lives: Lives,
    mailboxes: BTreeMap<PublicKey, u64>,
    /// Up to where what was credited is known, and in which life of the server.
    credited: Option<(u32, u64)>,
    #[serde(skip)]
    contradictions: Vec<u64>,
}

impl Book {
    /// Takes the next fact into account. Never fails: a fact that contradicts the ones before is
    /// remembered in [`Self::contradictions`] and changes nothing else.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.newest = recorded.seq;
        if let Some(mark) = recorded.mark
            && self.mark.is_none_or(|held| held.o < mark.o)
        {
            self.mark = Some(mark);
        }
        // an index that is ahead already knows which facts did not fit
        if self.fold(recorded).is_none() && !self.index.is_frozen() {
            self.contradictions.push(recorded.seq.0);
            self.index.put_contradiction(recorded.seq.0);
        }
    }

    /// The same book, with its payments and requests on another index.
    pub(crate) fn on(mut self, index: DiskIndex) -> Self {
        self.index = BookIndex::Disk(index);

        self
    }

    pub(crate) fn know_contradictions(&mut self, facts: Vec<u64>) {
        self.contradictions = facts;
    }

    /// Returns the number of the newest fact: as long as it stays, nothing here has changed.
    #[must_use]
    pub const fn newest(&self) -> Seq {
        self.newest
    }

    /// Returns the highest mark of the TA: what `OperationsSince` shows it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.mark.unwrap_or(Mark::START)
    }

    /// Returns what the enrolment file said, once there is one.
    #[must_use]
    pub const fn enrolled(&self) -> Option<&Enrolled> {
        self.enrolled.as_ref()
    }

    /// Returns what the online account held when the server was last asked, and when that was.
    #[must_use]
    pub const fn account(&self) -> Option<&(Time, ops_proto::message::AccountAnswer)> {
        self.account.as_ref()
    }

    /// Returns where to go on asking the mailbox of a TA; 0 at first.
    #[must_use]
    pub fn mailbox_next(&self, ta: &PublicKey) -> u64 {
        self.mailboxes.get(ta).copied().unwrap_or(0)
    }

    /// Returns where to go on asking what the server credited in a life of it; 0 at first.
    #[must_use]
    pub fn credited_next(&self, incarnation: u32) -> u64 {
        self.credited
            .filter(|(read_in, _)| *read_in == incarnation)
            .map_or(0, |(_, next)| next)
    }

    /// Returns the numbers of facts that do not fit the facts before them; empty unless something is
    /// broken, in which case `doctor` shows them.
    #[must_use]
    pub fn contradictions(&self) -> &[u64] {
        &self.contradictions
    }
}

#[cfg(test)]
mod tests;
