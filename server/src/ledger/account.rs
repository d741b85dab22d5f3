//! Where money can be, and how it moves.

use ops_proto::{Amount, ProviderId, PublicKey};

/// A place where money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Where money comes from: its balance is minus all that was ever issued.
    Issued,
    /// The online account of a client.
    Online(PublicKey),
    /// What the books know to be on a TA.
    Shadow(PublicKey),
    /// A deposit that was granted and that the TA is not known to have taken.
    Open {
        /// The TA.
        ta: PublicKey,
        /// Its counter.
        i: u64,
    },
    /// A payment that is known here and not yet redeemed.
    Transit {
        /// The sender's TA.
        sender: PublicKey,
        /// Its counter.
        j: u64,
    },
    /// What waits for the owner of a dead or suspended TA.
    Held(PublicKey),
    /// What another provider owes us, as a negative balance.
    Position(ProviderId),
    /// What the provider paid itself, as a negative balance.
    Loss,
}

/// Money moves between two accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The account that has less afterwards.
    pub from: Account,
    /// The account that has more afterwards.
    pub to: Account,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub reason: Reason,
}

/// Why money moves. The numbers stand in the entries and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `credit`: money was paid in (1).
    Issue,
    /// A deposit was granted (2).
    Grant,
    /// The TA is known to have taken a grant (3).
    TakeGrant,
    /// A payment reached the receiver's online account (4).
    Credit,
    /// A payment is known and waits (5).
    Transit,
    /// The receiver's TA collected a payment (6).
    Collect,
    /// The receiver's TA collected a payment of another provider's TA (7).
    CollectForeign,
    /// The owner stands in for its TA (8).
    AdvanceByOwner,
    /// The provider stands in for a TA (9).
    AdvanceByLoss,
    /// What the owner stood in for is paid back (10).
    RepayOwner,
    /// What the provider stood in for is paid back (11).
    RepayLoss,
    /// The TA gave money back (12).
    Withdraw,
    /// What a dead or suspended TA held waits for its owner (13).
    Hold,
    /// A payment of a TA that ended is paid from what waits (14).
    FromHeld,
    /// What waited is paid to the owner (15).
    Release,
    /// A TA retired: what it held is its owner's (16).
    Retire,
    /// After a restore: the books lacked what the TA shows to have (17).
    RestoredShort,
    /// After a restore: the books had more than the TA shows to have (18).
    RestoredSurplus,
    /// After a restore: a grant of before that the owner's account cannot pay again (19).
    GrantByLoss,
    /// After a restore: what an earlier life paid the owner of a retired TA (20).
    RetireByLoss,
    /// The receiver's TA collected from a TA that the request's own deny-list named (21).
    CoverListed,
    /// What an owner gets pays for its TA what the provider bore (22).
    PayDebt,
    /// After a restore: what the provider bore for a TA is paid back (23).
    RepayRestored,
    /// After a restore: what waits for an older TA pays for a newer one of its owner (24).
    FromOlder,
    /// After a restore: what comes to a TA that ended goes on to its owner, or waits for it (25).
    PassOn,
    /// A payment of another provider's TA is presented to that provider (30).
    Present,
    /// That provider does not honour it (31).
    TakeBack,
    /// A payment that the receiver's provider presented is accepted (32).
    Accept,
    /// A TA here collected what the sender's provider does not honour (33).
    CoverForeign,
    /// What was owed to another provider was paid outside the books (34).
    SettleOut,
    /// What another provider owed was paid outside the books (35).
    SettleIn,
}

impl Reason {
    /// Returns the number that stands in entries.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Issue => 1,
            Self::Grant => 2,
            Self::TakeGrant => 3,
            Self::Credit => 4,
            Self::Transit => 5,
            Self::Collect => 6,
            Self::CollectForeign => 7,
            Self::AdvanceByOwner => 8,
            Self::AdvanceByLoss => 9,
            Self::RepayOwner => 10,
            Self::RepayLoss => 11,
            Self::Withdraw => 12,
            Self::Hold => 13,
            Self::FromHeld => 14,
            Self::Release => 15,
            Self::Retire => 16,
            Self::RestoredShort => 17,
            Self::RestoredSurplus => 18,
            Self::GrantByLoss => 19,
            Self::RetireByLoss => 20,
            Self::CoverListed => 21,
            Self::PayDebt => 22,
            Self::RepayRestored => 23,
            Self::FromOlder => 24,
            Self::PassOn => 25,
            Self::Present => 30,
            Self::TakeBack => 31,
            Self::Accept => 32,
            Self::CoverForeign => 33,
            Self::SettleOut => 34,
            Self::SettleIn => 35,
        }
    }

    /// Returns the reason that a number in an entry means.
    #[must_use]
    pub fn back(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    const ALL: [Self; 31] = [
        Self::Issue,
        Self::Grant,
        Self::TakeGrant,
        Self::Credit,
        Self::Transit,
        Self::Collect,
        Self::CollectForeign,
        Self::AdvanceByOwner,
        Self::AdvanceByLoss,
        Self::RepayOwner,
        Self::RepayLoss,
        Self::Withdraw,
        Self::Hold,
        Self::FromHeld,
        Self::Release,
        Self::Retire,
        Self::RestoredShort,
        Self::RestoredSurplus,
        Self::GrantByLoss,
        Self::RetireByLoss,
        Self::CoverListed,
        Self::PayDebt,
        Self::RepayRestored,
        Self::FromOlder,
        Self::PassOn,
        Self::Present,
        Self::TakeBack,
        Self::Accept,
        Self::CoverForeign,
        Self::SettleOut,
        Self::SettleIn,
    ];
}
