//! Retire and the dead TA: how a TA ends, and where what it held goes.

use serde::{Deserialize, Serialize};

use super::{AnswerStamp, Status};
use crate::amount::Balance;
use crate::id::Digest;
use crate::key::PublicKey;
use crate::limits::CHAIN_STATEMENTS_MAX;
use crate::list::List;
use crate::signed::{Body, Signed};
use crate::statement::Statement;
use crate::time::Time;

/// A TA's last statement: what it held is paid to its owner at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retire {
    /// The final status, in the same terms; every id is closed.
    pub last: Status,
}

impl Body for Retire {
    const DOMAIN: &'static [u8] = b"blepay/ops/retire\0";
    const SIZE_MAX: usize = 64 * 1024;
}

/// What the device sends when a working TA retires: the last statement, and the chain before it.
///
/// The TA's own signature is enough: what it held goes to its owner, whoever sends this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireOrder {
    /// Every statement after the last token's status, oldest first, without `retire` itself.
    pub chain: List<Statement, CHAIN_STATEMENTS_MAX>,
    /// The TA's last statement.
    pub retire: Signed<Retire>,
}

/// The TA's end is booked; signed by the answer key. The same bytes whenever asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetireAnswer {
    /// The TA's key.
    pub ta: PublicKey,
    /// The hash of the Retire.
    pub retire: Digest,
    /// What the owner's online account got at once.
    pub paid: Balance,
    /// What waits in held(T): a suspended TA's, or what the books cannot know yet.
    pub held: Balance,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for RetireAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/retire-answer\0";
    const SIZE_MAX: usize = 256;
}

/// A client says that its TA is dead: lost, broken or rolled back. Signed by the client key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportDeath {
    /// The client.
    pub client: PublicKey,
    /// Its TA, which is listed as revoked from now on.
    pub ta: PublicKey,
    /// The server's challenge for the client key, single use.
    pub challenge: [u8; 32],
}

impl Body for ReportDeath {
    const DOMAIN: &'static [u8] = b"blepay/ops/report-death\0";
    const SIZE_MAX: usize = 256;
}

/// The death is booked; signed by the answer key. What the TA held waits in held(T).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeathAnswer {
    /// The client.
    pub client: PublicKey,
    /// Its TA.
    pub ta: PublicKey,
    /// What stands in held(T) now; payments of the TA that still turn up are paid from it first.
    pub held: Balance,
    /// What was paid to the owner from it so far.
    pub paid: Balance,
    /// From when on the rest is paid: the end of the TA's certificate plus the claim window.
    pub payable_from: Time,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for DeathAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/death-answer\0";
    const SIZE_MAX: usize = 256;
}
