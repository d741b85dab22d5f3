//! After a restore of the server: a device hands in what the server had answered before.

use serde::{Deserialize, Serialize};

use super::{
    AnswerStamp, CertificateChain, DenyListPiece, DepositAnswer, DepositOrder, Retire,
    RetireAnswer, Status, SyncToken, Withdraw, WithdrawAck,
};
use crate::key::PublicKey;
use crate::limits::REMEMBERED_ITEMS_MAX;
use crate::list::List;
use crate::signed::{Body, Signed};

/// What a device kept since the last answer of the old incarnation; signed by the client key.
///
/// Pairs are handed in as reports and claims, as ever; this carries the server's own answers, each
/// with what it answered. Certificates come first: the rest may depend on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The client.
    pub client: PublicKey,
    /// What was answered, oldest first.
    pub items: List<RememberedItem, REMEMBERED_ITEMS_MAX>,
    /// The server's challenge for the client key, single use.
    pub challenge: [u8; 32],
}

impl Body for Remembered {
    const DOMAIN: &'static [u8] = b"blepay/ops/remembered\0";
    const SIZE_MAX: usize = 512 * 1024;
}

/// One answer of the server's earlier life, with what it answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum RememberedItem {
    /// A client or TA was certified.
    Certificate(CertificateChain) = 0,
    /// A deposit was granted or refused.
    Deposit(DepositOrder, Signed<DepositAnswer>) = 1,
    /// A withdrawal was booked.
    Withdraw(Signed<Withdraw>, Signed<WithdrawAck>) = 2,
    /// A status was answered with a token.
    Token(Signed<Status>, Signed<SyncToken>) = 3,
    /// A TA's end was booked.
    Retire(Signed<Retire>, Signed<RetireAnswer>) = 4,
    /// Keys were revoked; signed by the provider's list key.
    DenyList(Signed<DenyListPiece>) = 5,
}

/// The server took note; signed by the answer key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedAnswer {
    /// The client.
    pub client: PublicKey,
    /// How many of the items the server knows now, those included that it knew before.
    pub known: u64,
    /// When in the server's life.
    pub stamp: AnswerStamp,
}

impl Body for RememberedAnswer {
    const DOMAIN: &'static [u8] = b"blepay/ops/remembered-answer\0";
    const SIZE_MAX: usize = 256;
}
