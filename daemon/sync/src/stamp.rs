//! When in the server's life an answer was given.

use ops_proto::message::{
    AccountAnswer, AnswerStamp, BatchAnswer, CreditedAnswer, DeathAnswer, DepositAnswer,
    MailboxAnswer, RememberedAnswer, RetireAnswer, SyncToken, WithdrawAck,
};
use ops_proto::signed::Body;

/// An answer of a server, with its stamp.
pub(super) trait Stamped: Body {
    /// Whether the server gives the same bytes again whenever it is asked the same, so that they may
    /// come from an earlier life without anything being wrong.
    const KEPT: bool;

    fn stamp(&self) -> AnswerStamp;
}

macro_rules! stamped {
    ($($name:ident: $kept:literal),*) => {$(
        impl Stamped for $name {
            const KEPT: bool = $kept;

            fn stamp(&self) -> AnswerStamp {
                self.stamp
            }
        }
    )*};
}

stamped! {
    AccountAnswer: false,
    BatchAnswer: false,
    CreditedAnswer: false,
    MailboxAnswer: false,
    RememberedAnswer: false,
    DepositAnswer: true,
    WithdrawAck: true,
    SyncToken: true,
    RetireAnswer: true,
    DeathAnswer: true
}
