//! Statements: what a TA signs that moves or states value, all on one chain.
//!
//! Each carries the TA key, its number n, the counters i (deposits and withdrawals) and j (payments)
//! as they are after it, and the hash of the statement before. So a TA has one history, and two
//! statements that cannot lie on one chain are [`Evidence`] that it was cloned or rolled back.

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::key::{PublicKey, SignatureInvalid};
use crate::message::{DepositOpen, Retire, Status, Withdraw};
use crate::pay_verify::PaymentPair;
use crate::signed::Signed;

/// Where a statement stands on its TA's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPosition {
    /// The statement's number, counted from 1.
    pub n: u64,
    /// Deposits and withdrawals up to and with this statement.
    pub i: u64,
    /// Payments up to and with this statement.
    pub j: u64,
    /// The hash of the statement before; 32 zero bytes for the first.
    pub previous: Digest,
}

/// Any statement of a TA, in the form in which chains and evidence travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Statement {
    /// Money is to move onto the device.
    DepositOpen(Signed<DepositOpen>) = 0,
    /// Money has left the device for the online account.
    Withdraw(Signed<Withdraw>) = 1,
    /// Money has left the device for a payee.
    Payment(PaymentPair) = 2,
    /// Where the TA stands.
    Status(Signed<Status>) = 3,
    /// The TA's end.
    Retire(Signed<Retire>) = 4,
}

impl Statement {
    /// Returns the key of the TA that must have signed.
    #[must_use]
    pub fn ta(&self) -> PublicKey {
        match self {
            Self::DepositOpen(signed) => signed.body().ta,
            Self::Withdraw(signed) => signed.body().ta,
            Self::Payment(pair) => pair.sender_key(),
            Self::Status(signed) => signed.body().ta,
            Self::Retire(signed) => signed.body().last.ta,
        }
    }

    /// Returns where on its chain the statement stands.
    #[must_use]
    pub fn position(&self) -> &ChainPosition {
        match self {
            Self::DepositOpen(signed) => &signed.body().position,
            Self::Withdraw(signed) => &signed.body().position,
            Self::Payment(pair) => &pair.payment.body().position,
            Self::Status(signed) => &signed.body().position,
            Self::Retire(signed) => &signed.body().last.position,
        }
    }

    /// Returns the hash of the statement, which the next one carries.
    #[must_use]
    pub fn hash(&self) -> Digest {
        match self {
            Self::DepositOpen(signed) => signed.hash(),
            Self::Withdraw(signed) => signed.hash(),
            Self::Payment(pair) => pair.hash(),
            Self::Status(signed) => signed.hash(),
            Self::Retire(signed) => signed.hash(),
        }
    }

    /// Checks the TA's signature.
    ///
    /// # Errors
    ///
    /// [`SignatureInvalid`] when the TA did not sign these bytes.
    pub fn verify(&self) -> Result<(), SignatureInvalid> {
        let ta = self.ta();
        match self {
            Self::DepositOpen(signed) => signed.verify(&ta).map(|_| ()),
            Self::Withdraw(signed) => signed.verify(&ta).map(|_| ()),
            Self::Payment(pair) => pair.payment.verify(&ta).map(|_| ()),
            Self::Status(signed) => signed.verify(&ta).map(|_| ()),
            Self::Retire(signed) => signed.verify(&ta).map(|_| ()),
        }
    }

    /// Returns where an encoded statement stands on its chain, from its first fields alone. It is for a
    /// statement that was decoded before it was stored: what follows these fields is not looked at.
    #[must_use]
    pub fn position_in(encoded: &[u8]) -> Option<ChainPosition> {
        #[derive(Deserialize)]
        struct OfPayment<'a> {
            _sender: &'a [u8],
            position: ChainPosition,
        }
        #[derive(Deserialize)]
        struct OfTa {
            _ta: PublicKey,
            position: ChainPosition,
        }
        let ((kind, signed), _): ((u8, &[u8]), _) = postcard::take_from_bytes(encoded).ok()?;
        let (_version, body) = signed.split_first()?;
        if kind == 2 {
            let (first, _): (OfPayment<'_>, _) = postcard::take_from_bytes(body).ok()?;
            return Some(first.position);
        }
        let (first, _): (OfTa, _) = postcard::take_from_bytes(body).ok()?;

        Some(first.position)
    }

    const fn moves(&self) -> Moves {
        match self {
            Self::DepositOpen(_) | Self::Withdraw(_) => Moves::I,
            Self::Payment(_) => Moves::J,
            Self::Status(_) | Self::Retire(_) => Moves::Neither,
        }
    }
}

/// The end of a chain that is known to have no gaps; where the next statement must begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEnd {
    /// The last statement's number, 0 before the first.
    pub n: u64,
    /// Its i.
    pub i: u64,
    /// Its j.
    pub j: u64,
    /// Its hash, 32 zero bytes before the first.
    pub hash: Digest,
}

impl ChainEnd {
    /// The end of an empty chain: counters belong to the TA key and start at 0.
    pub const START: Self = Self {
        n: 0,
        i: 0,
        j: 0,
        hash: Digest::ZERO,
    };

    /// Returns the position that the next statement must have, by what it moves.
    #[must_use]
    pub const fn next(&self, moves: Moves) -> ChainPosition {
        let (i_step, j_step) = match moves {
            Moves::I => (1, 0),
            Moves::J => (0, 1),
            Moves::Neither => (0, 0),
        };

        ChainPosition {
            n: self.n.saturating_add(1),
            i: self.i.saturating_add(i_step),
            j: self.j.saturating_add(j_step),
            previous: self.hash,
        }
    }

    /// Returns the end after `statement`. Signatures are the caller's to check.
    ///
    /// # Errors
    ///
    /// [`ChainBroken`] when the statement does not follow this end.
    pub fn follow(&self, statement: &Statement) -> Result<Self, ChainBroken> {
        let position = statement.position();
        if *position != self.next(statement.moves()) {
            return Err(ChainBroken {
                after: self.n,
                found: position.n,
            });
        }

        Ok(Self {
            n: position.n,
            i: position.i,
            j: position.j,
            hash: statement.hash(),
        })
    }
}

/// Which counter a statement moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// DepositOpen and Withdraw.
    I,
    /// Payment.
    J,
    /// Status and Retire.
    Neither,
}

/// A statement does not follow the end of a chain: a gap, or another history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("statement {found} does not follow statement {after}")]
pub struct ChainBroken {
    /// The number of the last statement that follows.
    pub after: u64,
    /// The number of the one that does not.
    pub found: u64,
}

/// Two statements of one TA that cannot lie on one chain. Anyone can verify it offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// One statement.
    pub first: Statement,
    /// The other.
    pub second: Statement,
}

impl Evidence {
    /// Checks both signatures and names the contradiction.
    ///
    /// # Errors
    ///
    /// [`EvidenceRefused`] when the statements convict nobody.
    pub fn verify(&self) -> Result<Contradiction, EvidenceRefused> {
        if self.first.ta() != self.second.ta() {
            return Err(EvidenceRefused::OtherTa);
        }
        self.first.verify()?;
        self.second.verify()?;

        self.contradiction().ok_or(EvidenceRefused::NoContradiction)
    }

    /// Names the contradiction between two statements of one TA whose signatures the caller has checked.
    #[must_use]
    pub fn contradiction(&self) -> Option<Contradiction> {
        let (early, late) = if self.first.position().n <= self.second.position().n {
            (&self.first, &self.second)
        } else {
            (&self.second, &self.first)
        };
        if early.hash() == late.hash() {
            return None;
        }
        let (a, b) = (early.position(), late.position());
        if a.n == b.n {
            return Some(Contradiction::SameNumber);
        }
        match (early.moves(), late.moves()) {
            (Moves::J, Moves::J) if a.j == b.j => return Some(Contradiction::SamePayment),
            (Moves::I, Moves::I) if a.i == b.i => return Some(Contradiction::SameDeposit),
            (Moves::I | Moves::J | Moves::Neither, _) => {}
        }
        if a.n.checked_add(1) == Some(b.n) && b.previous != early.hash() {
            return Some(Contradiction::OtherPast);
        }
        if b.i < a.i || b.j < a.j {
            return Some(Contradiction::CounterFell);
        }

        None
    }
}

/// How two statements contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// The same n with other content.
    SameNumber,
    /// Two payments with the same j.
    SamePayment,
    /// Two deposits or withdrawals with the same i.
    SameDeposit,
    /// n + 1 does not carry the hash of n.
    OtherPast,
    /// i or j is smaller in the later statement.
    CounterFell,
}

/// Two statements are no evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceRefused {
    /// They are of two TAs.
    #[error("the statements are of two TAs")]
    OtherTa,
    /// One is not signed by the TA.
    #[error("a statement is not signed by the TA")]
    Signature(#[from] SignatureInvalid),
    /// Both can lie on one chain.
    #[error("the statements do not contradict each other")]
    NoContradiction,
}
