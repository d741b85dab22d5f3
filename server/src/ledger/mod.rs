//! What a message does to the books: pure rules, without SQL and without HTTP.
//!
//! Each unit of money is in exactly one [`Account`]; a [`Transfer`] moves it between two; every
//! transfer becomes one entry, and entries are only ever added. The rules here take what the books say
//! and return the transfers; the store writes them down.
//!
//! | message | from → to | reason |
//! | --- | --- | --- |
//! | `credit` | issued → online(client) | `Issue` |
//! | Deposit granted | online(owner) → open(T, i) | `Grant` |
//! | something shows that T took the grant: a later deposit or withdrawal, a status whose balance contains it, or a payment that needs it | open(T, i) → shadow(T) | `TakeGrant` |
//! | P of T, first seen; receiver is a client here | shadow(T) → online(client) | `Credit` |
//! | P of T, first seen; receiver is a TA here, id not known to be closed | shadow(T) → transit(T, j) | `Transit` |
//! | P of T, first seen; receiver is a TA here, id closed | shadow(T) → online(owner of receiver) | `Credit` |
//! | P of T, first seen; receiver is elsewhere | shadow(T) → transit(T, j) | `Transit` |
//! | a status of R lists P as collected | transit(T, j) → shadow(R) | `Collect` |
//! | the same, P from a TA of provider B | position(B) → shadow(R) | `CollectForeign` |
//! | a status of R shows that P's id is closed | transit(T, j) → online(owner of R) | `Credit` |
//! | the same, P forged by T or beyond its limit | shadow(T), then owner of T, then loss → shadow(R) | `Collect` |
//! | shadow(T) is too small for P | online(owner), then loss → shadow(T) | `AdvanceByOwner`, `AdvanceByLoss` |
//! | a status of T, once everything in it is booked | shadow(T) → loss, then online(owner) | `RepayLoss`, `RepayOwner` |
//! | Withdraw, when it arrives or in T's chain | shadow(T) → online(owner); held(T) while T is suspended or withdraws more than its shadow | `Withdraw` |
//! | a status of T that fits the books | held(T) → online(owner) | `Release` |
//! | Retire, once it fits the books | shadow(T) → online(owner) | `Retire` |
//! | ReportDeath, or the Retire of a suspended TA | shadow(T) → held(T); what waits for T goes there too | `Hold` |
//! | P of a TA that ended or is suspended | held(T) → shadow(T), before the owner stands in | `FromHeld` |
//! | the dead TA's certificate has ended, and the claim window | held(T) → loss (advances), then online(owner) | `RepayLoss`, `Release` |
//! | P of a TA that the request's own deny-list named was collected all the same | online(owner of R), then loss → shadow(R) | `CoverListed` |
//! | after a restore, a status differs from the books | loss → shadow(T), or back | `RestoredShort`, `RestoredSurplus` |
//! | after a restore, a grant or a retirement of before, while an older TA's money waits | held(older) → open(T, i), held(older) → shadow(T) → online(owner) | `FromOlder`, `Retire` |
//! | after a restore, a grant or a retirement of before that cannot be paid again | loss → open(T, i), loss → shadow(T) → online(owner) | `GrantByLoss`, `RetireByLoss`, `Retire` |
//! | anything reaches the owner afterwards, or a P is collected onto a TA that ended | online(owner) → shadow(T) → loss | `PayDebt`, `RepayRestored` |
//! | after a restore, a P comes for a TA that ended, or a grant of before | shadow(T) → online(owner), held(T) | `PassOn` |
//! | P of a TA that ended with less than the books had | loss → shadow(T), before what waits and the owner | `RestoredShort` |
//! | anything reaches the owner of a TA that ended and whose P the provider paid | online(owner) → shadow(T) → loss | `PayDebt`, `RepayLoss` |
//!
//! An honest TA may spend what it collected before anybody reported it. Such a P is honoured at once by
//! an **advance**, which is paid back when T's status lists what it collected. So for an honest TA
//! `T.bal = shadow − advanced + P collected, unreported − P signed, unreported (+ open, if T took the
//! grant)`, and at a status, when nothing is unreported, the balance it states is exactly that. Advances
//! that are outstanding for P that wait or are credited never exceed the TA's upper offline limit; a P
//! beyond waits, and is honoured when a status of T brings the money. What an honest TA has collected is
//! always backed: the loss of a forged P lies with the provider of who forged it.

mod account;
mod debt;
mod ending;
mod honour;
mod judge;
mod redeem;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails"
)]
mod tests;

pub use account::{Account, Reason, Transfer};
pub use debt::{Debt, EndRepaid, Repaid, repay};
pub use ending::{End, TaBooks, Trust, Withdrawn, hold, release, retire, withdraw};
pub use honour::{Grant, Honour, SenderBooks, back, grant, honour};
pub use judge::{BooksDiffer, GrantPlace, Judged, LastGrant, StatusBooks, judge};
pub use redeem::{IdState, Receiver, Redeem, redeem};
