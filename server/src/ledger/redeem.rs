//! Where a payment is redeemed: each has exactly one place at any time.

use ops_proto::PublicKey;

use super::account::{Account, Reason};

/// What the books say of the receiver of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// A client of this provider.
    Client(PublicKey),
    /// A TA of this provider.
    Ta {
        /// The TA.
        ta: PublicKey,
        /// Its owner.
        owner: PublicKey,
        /// The request id, as the TA's last status has it.
        id: IdState,
    },
    /// A TA of this provider that was reported dead.
    DeadTa {
        /// The TA.
        ta: PublicKey,
    },
    /// Of another provider.
    Elsewhere,
}

/// A request id of a TA, as far as its accepted statuses say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdState {
    /// Open, or not below the mark: the TA may still collect.
    Open,
    /// Collected with this payment.
    CollectedThis,
    /// Collected with another payment: this one the TA never collects.
    CollectedOther,
    /// Below the mark, not open, never collected.
    Closed,
}

/// Where the money of a payment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// To this online account.
    Credit(Account),
    /// Onto the receiver's TA.
    Collect(Account),
    /// To what waits for the owner of a dead TA.
    Hold(Account),
    /// Nowhere yet.
    Wait,
}

impl Redeem {
    /// Returns the receiver's side of the transfer for a payment of (`sender`, `j`).
    #[must_use]
    pub const fn target(self, sender: PublicKey, j: u64) -> (Account, Reason) {
        match self {
            Self::Credit(account) => (account, Reason::Credit),
            Self::Collect(account) => (account, Reason::Collect),
            Self::Hold(account) => (account, Reason::Hold),
            Self::Wait => (Account::Transit { sender, j }, Reason::Transit),
        }
    }
}

/// Returns where a payment for this receiver is redeemed.
#[must_use]
pub const fn redeem(receiver: &Receiver) -> Redeem {
    match receiver {
        Receiver::Client(client) => Redeem::Credit(Account::Online(*client)),
        Receiver::Ta { ta, owner, id } => match id {
            IdState::Open => Redeem::Wait,
            IdState::CollectedThis => Redeem::Collect(Account::Shadow(*ta)),
            IdState::CollectedOther | IdState::Closed => Redeem::Credit(Account::Online(*owner)),
        },
        Receiver::DeadTa { ta } => Redeem::Hold(Account::Held(*ta)),
        Receiver::Elsewhere => Redeem::Wait,
    }
}
