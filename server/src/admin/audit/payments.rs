//! Payments against their entries: where the row of each says that its money is, and where entries put it.

use ops_proto::{ProviderId, PublicKey};

use super::facts::{Entry, Facts};
use super::tally::{Group, Place, Tally, What};
use super::{AuditResult, Auditor, key, number};
use crate::ledger::{Account, Reason};
use crate::store::audit::{Pages, PaymentAsItStands};

const HONOURED: i64 = 0;
const CONFLICT: i64 = 1;
const FOREIGN: i64 = 3;
const LISTED: i64 = 4;

const CREDITED: i64 = 0;
const COLLECTED: i64 = 1;
const WAITING: i64 = 2;

const CLIENT: i64 = 1;

/// The books in which a payment stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Here {
    pub(super) provider: ProviderId,
    /// Whether the books were restored: they may have forgotten the sender for a while.
    pub(super) was_restored: bool,
}

impl PaymentAsItStands {
    fn is_ours(&self, here: Here) -> bool {
        self.provider == here.provider.0
    }

    /// Whether a TA here collected it, although its sender signed two of them.
    const fn is_conflict_collected(&self) -> bool {
        self.standing == CONFLICT && self.state == COLLECTED
    }

    /// Whether its sender's owner, or the provider, may have stood in for it.
    pub(super) fn may_be_stood_in_for(&self, here: Here) -> bool {
        self.is_ours(here) && (self.standing == HONOURED || self.is_conflict_collected())
    }

    /// Whether a TA here collected it.
    pub(super) const fn is_collected(&self) -> bool {
        self.state == COLLECTED
    }

    pub(super) fn is_from(&self, ta: &PublicKey) -> bool {
        self.sender == ta.0
    }

    pub(super) fn is_for(&self, ta: &PublicKey) -> bool {
        self.receiver == ta.0 && !self.elsewhere
    }
}

/// Returns whether money moves for this reason from or to a payment itself.
const fn is_of_payment(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Credit
            | Reason::Transit
            | Reason::Collect
            | Reason::CollectForeign
            | Reason::CoverListed
            | Reason::Present
            | Reason::TakeBack
            | Reason::Accept
            | Reason::CoverForeign
            | Reason::Hold
    )
}

/// Returns the payment whose own money an entry moves.
pub(super) fn payment_of<'f>(entry: &Entry<'_>, facts: &'f Facts) -> Option<&'f PaymentAsItStands> {
    facts
        .payment(&entry.row.cause)
        .filter(|_| is_of_payment(entry.reason))
}

/// A side of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    From,
    To,
}

/// Returns which place of a payment's own an account is.
pub(super) fn place(
    payment: &PaymentAsItStands,
    entry: &Entry<'_>,
    side: Side,
    here: Here,
) -> Option<Place> {
    let account = match side {
        Side::From => &entry.from,
        Side::To => &entry.to,
    };
    let is_covered = entry.reason == Reason::CoverListed;
    match account {
        Account::Shadow(ta) if side == Side::From && payment.is_from(ta) => Some(Place::Sender),
        Account::Shadow(ta) if side == Side::To && payment.is_for(ta) => Some(Place::Receiver),
        Account::Online(owner) if is_covered && side == Side::From => {
            let is_owner = payment.owner.as_deref() == Some(owner.0.as_slice());
            Some(Place::Cover).filter(|_| is_owner)
        }
        Account::Online(client) if side == Side::To => {
            let receiver = match payment.receiver_kind {
                CLIENT => Some(payment.receiver.as_slice()),
                _ => payment.owner.as_deref(),
            };
            let is_receiver = receiver == Some(client.0.as_slice()) && !payment.elsewhere;
            Some(Place::Paid).filter(|_| is_receiver)
        }
        Account::Held(ta) if side == Side::To && payment.is_for(ta) => Some(Place::Paid),
        Account::Transit { sender, j } if payment.is_from(sender) => {
            Some(Place::Transit).filter(|_| number(&payment.j) == Some(*j))
        }
        Account::Position(provider) if entry.reason == Reason::Accept => {
            let is_creditor = payment.creditor.as_deref() == Some(provider.0.as_slice());
            Some(Place::Creditor).filter(|_| is_creditor)
        }
        Account::Position(provider) if payment.provider == provider.0 => Some(Place::Position),
        Account::Loss if is_covered => Some(Place::Cover),
        Account::Loss => Some(Place::Loss),
        Account::Issued
        | Account::Online(_)
        | Account::Shadow(_)
        | Account::Open { .. }
        | Account::Transit { .. }
        | Account::Held(_)
        | Account::Position(_) => None,
    }
    .map(|place| merged(place, payment, here))
}

/// What was collected of a sender that a restore had forgotten may come from either place.
fn merged(place: Place, payment: &PaymentAsItStands, here: Here) -> Place {
    let is_either = here.was_restored && payment.is_ours(here) && payment.is_conflict_collected();
    match place {
        Place::Sender | Place::Position if is_either => Place::SenderOrPosition,
        Place::Sender
        | Place::Position
        | Place::SenderOrPosition
        | Place::Transit
        | Place::Paid
        | Place::Receiver
        | Place::Creditor
        | Place::Cover
        | Place::Loss => place,
    }
}

/// Returns from where to where the row of a payment says that its money went; nothing when it did not.
fn moved(payment: &PaymentAsItStands, here: Here) -> Result<Option<(Place, Place)>, &'static str> {
    let to = match payment.state {
        WAITING => Place::Transit,
        COLLECTED => Place::Receiver,
        CREDITED if payment.elsewhere => Place::Creditor,
        CREDITED => Place::Paid,
        _ => return Err("its state is none"),
    };
    if to == Place::Creditor && payment.creditor.is_none() {
        return Err("it is credited elsewhere, and nobody presented it");
    }
    if payment.is_ours(here) {
        return match (payment.standing, payment.state) {
            (HONOURED, _) => Ok(Some((Place::Sender, to))),
            (CONFLICT, COLLECTED) => Ok(Some((merged(Place::Sender, payment, here), to))),
            (LISTED, COLLECTED) => Ok(Some((Place::Cover, to))),
            (FOREIGN, COLLECTED) => Ok(Some((Place::Position, to))),
            (_, WAITING) => Ok(None),
            _ => Err("nothing is behind it, and somebody has it"),
        };
    }
    match (payment.booked, payment.standing, payment.state) {
        (Some(true), _, _) => Ok(Some((Place::Position, to))),
        (Some(false), CONFLICT, COLLECTED) => Ok(Some((Place::Loss, to))),
        (Some(false), LISTED, COLLECTED) => Ok(Some((Place::Cover, to))),
        (Some(false), HONOURED, _) => Err("its provider accepted it, and does not owe it"),
        (Some(false), _, WAITING) => Ok(None),
        (None, _, _) => Err("another provider's TA signed it, and nothing says what that one owes"),
        _ => Err("nothing is behind it, and somebody has it"),
    }
}

impl Auditor<'_, '_> {
    /// Notes where every payment's money is, as its row says.
    pub(super) async fn note_payments(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let mut pages = Pages::<PaymentAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for payment in &page {
                let noted = if payment.named {
                    note_payment(payment, self.here, tally)
                } else {
                    note_plain(payment, self.here, tally)
                };
                if let (Err(wrong), true) = (noted, tally.is_first()) {
                    let hash = hex::encode(&payment.hash);
                    self.fault(format!("payment {hash}: {wrong}"));
                }
            }
        }

        Ok(())
    }
}

fn note_payment(
    payment: &PaymentAsItStands,
    here: Here,
    tally: &mut Tally,
) -> Result<(), &'static str> {
    let Some((from, to)) = moved(payment, here)? else {
        return Ok(());
    };
    let amount = i128::from(payment.amount);
    let (group, name) = (Group::Payment, payment.hash.as_slice());
    tally.note(group, name, What::Place(from), amount);
    tally.note(group, name, What::Place(to), amount.saturating_neg());
    if payment.state == CREDITED {
        tally.note(group, name, What::Often, -1);
    }

    Ok(())
}

/// One that is credited to a client at once has one entry, of the same instant.
fn note_plain(
    payment: &PaymentAsItStands,
    here: Here,
    tally: &mut Tally,
) -> Result<(), &'static str> {
    let is_plain = (payment.standing, payment.state, payment.receiver_kind)
        == (HONOURED, CREDITED, CLIENT)
        && payment.is_ours(here)
        && !payment.elsewhere;
    let (Some(sender), Some(receiver), true) =
        (key(&payment.sender), key(&payment.receiver), is_plain)
    else {
        return Err("it is stored like one that was credited at once, and was not");
    };
    let credit = Plain {
        hash: &payment.hash,
        from: Account::Shadow(sender),
        to: Account::Online(receiver),
        amount: payment.amount,
        at_ms: payment.received_ms,
    };
    credit.note(tally, -1);

    Ok(())
}

/// A payment that is credited to a client at once, as its entry or its row has it.
pub(super) struct Plain<'a> {
    pub(super) hash: &'a [u8],
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) amount: i64,
    pub(super) at_ms: i64,
}

impl Plain<'_> {
    pub(super) fn note(&self, tally: &mut Tally, sign: i128) {
        let amount = i128::from(self.amount).saturating_mul(sign);
        let instant = i128::from(self.at_ms).saturating_mul(sign);
        let (group, name) = (Group::Plain, self.hash);
        tally.note(
            group,
            name,
            What::Account(self.from),
            amount.saturating_neg(),
        );
        tally.note(group, name, What::Account(self.to), amount);
        tally.note(group, name, What::Instant, instant);
        tally.note(group, name, What::Often, sign);
    }
}
