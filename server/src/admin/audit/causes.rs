//! Each reason's cause: which message an entry must name, and between which accounts it moves how much.
//!
//! The table is in docs/admin.md. What needs the order of entries is in [`replay`](super::replay), what needs
//! their sums in [`sums`](super::sums).

use ops_proto::PublicKey;

use super::Auditor;
use super::facts::{Cause, Entry, Facts};
use super::payments::{Here, Plain, Side, payment_of, place};
use super::tally::{Group, Place, Tally, What};
use crate::ledger::{Account, Reason};
use crate::store::audit::PaymentAsItStands;

/// Whether an entry is right, or one sentence that says what is wrong with it.
type Verdict = Result<(), String>;

const NOT_BETWEEN: &str = "money does not move between these accounts for this reason";
const NO_CAUSE: &str = "nothing that was signed or stored caused it";
const OTHER_INSTANT: &str = "its instant is not that of its cause";
const OTHER_AMOUNT: &str = "its amount is not that of its cause";
const NO_RESTORE: &str = "only a restore causes this, and there was none";

fn wrong<T>(what: &str) -> Result<T, String> {
    Err(what.to_owned())
}

fn demand(is_so: bool, or: &str) -> Verdict {
    if is_so { Ok(()) } else { wrong(or) }
}

/// Checks an entry by itself.
pub(super) fn check(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    demand(entry.row.amount > 0, "its amount is not above zero")?;
    demand(!entry.row.cause.is_empty(), "it has no cause")?;
    let about = about(entry);
    demand(
        entry.row.ta.as_deref() == about.as_ref().map(|ta| ta.0.as_slice()),
        "it names another TA than the one that it is an advance for",
    )?;
    match entry.reason {
        Reason::Issue => match (&entry.from, &entry.to) {
            (Account::Issued, Account::Online(_)) => Ok(()),
            _ => wrong(NOT_BETWEEN),
        },
        Reason::Grant | Reason::GrantByLoss | Reason::TakeGrant => grant(entry, facts, here),
        Reason::FromOlder => from_older(entry, facts, here),
        Reason::PassOn => passed_on(entry, facts, here),
        Reason::Hold if payment_of(entry, facts).is_none() => held(entry, facts),
        Reason::Credit
        | Reason::Transit
        | Reason::Collect
        | Reason::CollectForeign
        | Reason::CoverListed
        | Reason::Present
        | Reason::TakeBack
        | Reason::Accept
        | Reason::CoverForeign
        | Reason::Hold => payment(entry, facts, here),
        Reason::AdvanceByOwner | Reason::AdvanceByLoss => advance(entry, facts, here),
        Reason::RepayOwner | Reason::RepayLoss | Reason::RepayRestored | Reason::PayDebt => {
            repayment(entry, facts)
        }
        Reason::Withdraw => withdrawal(entry, facts),
        Reason::FromHeld | Reason::Release => from_held(entry, facts, here),
        Reason::Retire | Reason::RetireByLoss => retirement(entry, facts, here),
        Reason::RestoredShort | Reason::RestoredSurplus => restored(entry, facts, here),
        Reason::SettleOut => match (&entry.from, &entry.to) {
            (Account::Position(_), Account::Issued) => Ok(()),
            _ => wrong(NOT_BETWEEN),
        },
        Reason::SettleIn => match (&entry.from, &entry.to) {
            (Account::Issued, Account::Position(_)) => Ok(()),
            _ => wrong(NOT_BETWEEN),
        },
    }
}

/// Returns the TA that an entry is an advance or a debt for, or pays one back for.
pub(super) const fn about(entry: &Entry<'_>) -> Option<PublicKey> {
    match (entry.reason, &entry.from, &entry.to) {
        (Reason::AdvanceByOwner | Reason::AdvanceByLoss, _, Account::Shadow(ta))
        | (
            Reason::RepayOwner | Reason::RepayLoss | Reason::RepayRestored,
            Account::Shadow(ta),
            _,
        )
        | (Reason::GrantByLoss, _, Account::Open { ta, .. })
        | (Reason::RetireByLoss, Account::Loss, Account::Shadow(ta)) => Some(*ta),
        _ => None,
    }
}

fn grant(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    match (entry.reason, &entry.from, &entry.to) {
        (Reason::Grant, Account::Online(owner), Account::Open { ta, .. }) => {
            demand(facts.owns(owner, ta), NOT_BETWEEN)
        }
        (Reason::GrantByLoss, Account::Loss, Account::Open { .. }) => {
            demand(here.was_restored, NO_RESTORE)
        }
        (Reason::TakeGrant, Account::Open { ta, .. }, Account::Shadow(to)) if ta == to => {
            match facts.cause(entry.row, ta) {
                Cause::Payment(payment) => {
                    demand(payment.is_from(ta), NO_CAUSE)?;
                    demand(entry.row.at_ms >= payment.received_ms, OTHER_INSTANT)
                }
                // A grant of before that came when the TA was dead.
                Cause::PayOut(ta) => {
                    demand(here.was_restored, NO_RESTORE)?;
                    demand(is_after(entry, ta.died_ms), OTHER_INSTANT)
                }
                // A payment that is credited at once may be it: the order of entries says so.
                Cause::Nothing => Ok(()),
                cause @ (Cause::Status(_)
                | Cause::Withdrawal(_)
                | Cause::Retirement(_)
                | Cause::Death) => instant(entry, cause),
            }
        }
        _ => wrong(NOT_BETWEEN),
    }
}

/// Checks what waits for an older TA and pays for a newer one of the same owner.
fn from_older(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    let (Account::Held(older), Account::Open { ta, .. } | Account::Shadow(ta)) =
        (&entry.from, &entry.to)
    else {
        return wrong(NOT_BETWEEN);
    };
    demand(here.was_restored, NO_RESTORE)?;
    let owner = facts.ta(older).map(|ta| &ta.owner);
    let is_one_owners = older != ta && owner == facts.ta(ta).map(|ta| &ta.owner);
    demand(owner.is_some() && is_one_owners, NOT_BETWEEN)?;
    if matches!(entry.to, Account::Open { .. }) {
        return Ok(());
    }

    of_retirement(entry, facts, ta)
}

/// Checks what came to a TA that ended and goes on.
fn passed_on(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    let ta = match (&entry.from, &entry.to) {
        (Account::Shadow(ta), Account::Online(owner)) if facts.owns(owner, ta) => ta,
        (Account::Shadow(ta), Account::Held(to)) if ta == to => ta,
        _ => return wrong(NOT_BETWEEN),
    };
    demand(here.was_restored, NO_RESTORE)?;
    let found = facts.ta(ta).ok_or(NOT_BETWEEN)?;
    let has_ended = if matches!(entry.to, Account::Held(_)) {
        found.died_ms.is_some()
    } else {
        found.retire.is_some()
    };
    demand(has_ended, NOT_BETWEEN)?;
    match facts.cause(entry.row, ta) {
        Cause::Payment(payment) => {
            demand(payment.is_for(ta) && payment.is_collected(), NO_CAUSE)?;
            demand(entry.row.at_ms >= payment.received_ms, OTHER_INSTANT)
        }
        Cause::PayOut(ta) => demand(is_after(entry, ta.died_ms), OTHER_INSTANT),
        cause @ Cause::Retirement(_) => instant(entry, cause),
        Cause::Status(_) | Cause::Withdrawal(_) | Cause::Death | Cause::Nothing => wrong(NO_CAUSE),
    }
}

/// Whether an entry was not made before an instant.
fn is_after(entry: &Entry<'_>, at_ms: Option<i64>) -> bool {
    at_ms.is_some_and(|at| at <= entry.row.at_ms)
}

/// Demands the instant of the cause, where it has one.
fn instant(entry: &Entry<'_>, cause: Cause<'_>) -> Verdict {
    let at = match cause {
        Cause::Status(time) => Some(time.and_then(|time| i64::try_from(time.as_ms()).ok())),
        Cause::Retirement(ta) => Some(ta.retired_ms),
        Cause::Payment(_)
        | Cause::Withdrawal(_)
        | Cause::PayOut(_)
        | Cause::Death
        | Cause::Nothing => None,
    };

    demand(
        at.is_none_or(|at| at == Some(entry.row.at_ms)),
        OTHER_INSTANT,
    )
}

/// Checks an entry that moves a payment's own money.
fn payment(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    let Some(payment) = payment_of(entry, facts) else {
        return match (entry.reason, &entry.from, &entry.to) {
            // Compared with the payment's row by its hash.
            (Reason::Credit, Account::Shadow(_), Account::Online(_)) => Ok(()),
            _ => wrong(NO_CAUSE),
        };
    };
    let from = place(payment, entry, Side::From, here);
    let to = place(payment, entry, Side::To, here);
    let (Some(from), Some(to)) = (from, to) else {
        return wrong(NOT_BETWEEN);
    };
    let is_held = matches!(entry.to, Account::Held(_));
    let is_ours = payment.provider == here.provider.0;
    let fits = match (entry.reason, from, to) {
        (Reason::Credit, Place::Sender | Place::Transit, Place::Paid) => !is_held,
        (Reason::Hold, Place::Sender | Place::Transit, Place::Paid) => {
            let receiver = super::key(&payment.receiver);
            let receiver = receiver.and_then(|receiver| facts.ta(&receiver));
            is_held && receiver.is_some_and(|ta| ta.died_ms.is_some())
        }
        (Reason::Transit, Place::Sender, Place::Transit)
        | (Reason::Collect, Place::Sender, Place::Position) => is_ours,
        (
            Reason::Collect,
            Place::Sender | Place::SenderOrPosition | Place::Transit,
            Place::Receiver,
        )
        | (Reason::CollectForeign, Place::Position | Place::SenderOrPosition, Place::Receiver)
        | (Reason::CoverListed, Place::Cover, Place::Receiver) => true,
        (Reason::Present, Place::Position, Place::Transit)
        | (Reason::TakeBack, Place::Transit, Place::Position)
        | (Reason::CoverForeign, Place::Loss, Place::Position | Place::Receiver) => !is_ours,
        (Reason::Accept, Place::Transit, Place::Creditor) => {
            demand(payment.accepted_ms == Some(entry.row.at_ms), OTHER_INSTANT)?;
            is_ours && payment.elsewhere
        }
        _ => false,
    };
    demand(fits, NOT_BETWEEN)?;
    let is_part = entry.reason == Reason::CoverListed && entry.row.amount <= payment.amount;
    demand(is_part || entry.row.amount == payment.amount, OTHER_AMOUNT)?;

    demand(entry.row.at_ms >= payment.received_ms, OTHER_INSTANT)
}

fn advance(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    let ta = match (entry.reason, &entry.from, &entry.to) {
        (Reason::AdvanceByOwner, Account::Online(owner), Account::Shadow(ta))
            if facts.owns(owner, ta) =>
        {
            ta
        }
        (Reason::AdvanceByLoss, Account::Loss, Account::Shadow(ta)) => ta,
        _ => return wrong(NOT_BETWEEN),
    };

    stands_in(entry, facts.payment(&entry.row.cause), ta, here)
}

/// Demands that a payment of a TA wanted what somebody stood in for.
fn stands_in(
    entry: &Entry<'_>,
    payment: Option<&PaymentAsItStands>,
    ta: &PublicKey,
    here: Here,
) -> Verdict {
    let payment = payment
        .filter(|payment| payment.is_from(ta) && payment.may_be_stood_in_for(here))
        .ok_or(NO_CAUSE)?;
    demand(entry.row.amount <= payment.amount, OTHER_AMOUNT)?;

    demand(entry.row.at_ms >= payment.received_ms, OTHER_INSTANT)
}

fn repayment(entry: &Entry<'_>, facts: &Facts) -> Verdict {
    match (entry.reason, &entry.from, &entry.to) {
        (Reason::RepayOwner, Account::Shadow(ta), Account::Online(owner))
            if facts.owns(owner, ta) =>
        {
            of_status(entry, facts, ta)
        }
        // With what these are paid, and for what, says the order of entries.
        (Reason::RepayLoss | Reason::RepayRestored, Account::Shadow(_), Account::Loss) => Ok(()),
        (Reason::PayDebt, Account::Online(owner), Account::Shadow(ta)) => {
            demand(facts.owns(owner, ta), NOT_BETWEEN)
        }
        _ => wrong(NOT_BETWEEN),
    }
}

/// Demands a status of the TA that was accepted, or its retirement.
pub(super) fn of_status(entry: &Entry<'_>, facts: &Facts, ta: &PublicKey) -> Verdict {
    match facts.cause(entry.row, ta) {
        cause @ (Cause::Status(_) | Cause::Retirement(_)) => instant(entry, cause),
        Cause::Payment(_)
        | Cause::Withdrawal(_)
        | Cause::PayOut(_)
        | Cause::Death
        | Cause::Nothing => wrong(NO_CAUSE),
    }
}

fn withdrawal(entry: &Entry<'_>, facts: &Facts) -> Verdict {
    let (ta, is_whole) = match (&entry.from, &entry.to) {
        (Account::Shadow(ta), Account::Online(owner)) if facts.owns(owner, ta) => (ta, true),
        (Account::Shadow(ta), Account::Held(to)) if ta == to => (ta, false),
        _ => return wrong(NOT_BETWEEN),
    };
    match facts.cause(entry.row, ta) {
        Cause::Withdrawal(order) if is_whole => {
            demand(entry.row.amount == order.amount, OTHER_AMOUNT)
        }
        Cause::Withdrawal(order) => demand(entry.row.amount <= order.amount, OTHER_AMOUNT),
        cause @ (Cause::Status(_) | Cause::Retirement(_)) if is_whole => instant(entry, cause),
        Cause::Status(_)
        | Cause::Retirement(_)
        | Cause::Payment(_)
        | Cause::PayOut(_)
        | Cause::Death
        | Cause::Nothing => wrong(NO_CAUSE),
    }
}

fn held(entry: &Entry<'_>, facts: &Facts) -> Verdict {
    let (Account::Shadow(ta), Account::Held(to)) = (&entry.from, &entry.to) else {
        return wrong(NOT_BETWEEN);
    };
    demand(ta == to, NOT_BETWEEN)?;
    let died = facts.ta(ta).and_then(|ta| ta.died_ms);
    let died = died.ok_or("its TA neither was reported dead nor retired while suspended")?;

    demand(died == entry.row.at_ms, OTHER_INSTANT)
}

fn from_held(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    let ta = match (entry.reason, &entry.from, &entry.to) {
        (Reason::FromHeld, Account::Held(ta), Account::Shadow(to)) if ta == to => ta,
        (Reason::Release, Account::Held(ta), Account::Online(owner)) if facts.owns(owner, ta) => ta,
        _ => return wrong(NOT_BETWEEN),
    };
    match facts.cause(entry.row, ta) {
        Cause::Payment(payment) if entry.reason == Reason::FromHeld => {
            stands_in(entry, Some(payment), ta, here)
        }
        cause @ (Cause::Status(_) | Cause::Retirement(_)) => instant(entry, cause),
        Cause::PayOut(ta) => demand(
            ta.payable_from_ms
                .is_some_and(|from| from <= entry.row.at_ms),
            "it was paid before its time",
        ),
        Cause::Payment(_) | Cause::Withdrawal(_) | Cause::Death | Cause::Nothing => wrong(NO_CAUSE),
    }
}

fn retirement(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    let ta = match (entry.reason, &entry.from, &entry.to) {
        (_, Account::Shadow(ta), Account::Online(owner)) if facts.owns(owner, ta) => ta,
        (Reason::RetireByLoss, Account::Loss, Account::Shadow(ta)) => ta,
        _ => return wrong(NOT_BETWEEN),
    };
    let is_kept = entry.reason == Reason::Retire || here.was_restored;
    demand(is_kept, NO_RESTORE)?;

    of_retirement(entry, facts, ta)
}

/// Demands the Retire of a TA.
fn of_retirement(entry: &Entry<'_>, facts: &Facts, ta: &PublicKey) -> Verdict {
    match facts.cause(entry.row, ta) {
        cause @ Cause::Retirement(_) => instant(entry, cause),
        Cause::Payment(_)
        | Cause::Status(_)
        | Cause::Withdrawal(_)
        | Cause::PayOut(_)
        | Cause::Death
        | Cause::Nothing => wrong(NO_CAUSE),
    }
}

fn restored(entry: &Entry<'_>, facts: &Facts, here: Here) -> Verdict {
    let ((Reason::RestoredShort, Account::Loss, Account::Shadow(ta))
    | (Reason::RestoredSurplus, Account::Shadow(ta), Account::Loss)) =
        (entry.reason, &entry.from, &entry.to)
    else {
        return wrong(NOT_BETWEEN);
    };
    demand(here.was_restored, NO_RESTORE)?;
    if let Some(payment) = facts.payment(&entry.row.cause) {
        // It explains why the TA had another sum than the books.
        let is_it = if entry.reason == Reason::RestoredShort {
            payment.is_from(ta) && payment.may_be_stood_in_for(here)
        } else {
            payment.is_for(ta) && payment.is_collected()
        };
        demand(is_it, NO_CAUSE)?;
        demand(entry.row.amount <= payment.amount, OTHER_AMOUNT)?;
        return demand(entry.row.at_ms >= payment.received_ms, OTHER_INSTANT);
    }

    of_status(entry, facts, ta)
}

/// Notes what an entry does for the message that it books.
pub(super) fn note(entry: &Entry<'_>, facts: &Facts, here: Here, tally: &mut Tally) {
    let amount = i128::from(entry.row.amount);
    let cause = entry.row.cause.as_slice();
    if let Some(payment) = payment_of(entry, facts) {
        for (side, amount) in [(Side::From, amount.saturating_neg()), (Side::To, amount)] {
            if let Some(place) = place(payment, entry, side, here) {
                tally.note(Group::Payment, cause, What::Place(place), amount);
            }
        }
        if matches!(entry.reason, Reason::Credit | Reason::Hold | Reason::Accept) {
            tally.note(Group::Payment, cause, What::Often, 1);
        }
        return;
    }
    match (entry.reason, &entry.from, &entry.to) {
        (Reason::Issue, _, to) => tally.note(Group::Credit, cause, What::Account(*to), amount),
        (Reason::Grant | Reason::GrantByLoss, _, to)
        | (Reason::FromOlder, _, to @ Account::Open { .. }) => {
            tally.note(Group::Deposit, cause, What::Account(*to), amount);
        }
        (Reason::TakeGrant, Account::Open { ta, i }, _) => {
            tally.note(Group::Taken, &grant_name(ta, *i), What::Often, amount);
        }
        (Reason::Credit, from, to) => {
            let plain = Plain {
                hash: cause,
                from: *from,
                to: *to,
                amount: entry.row.amount,
                at_ms: entry.row.at_ms,
            };
            plain.note(tally, 1);
        }
        (Reason::SettleOut, from, _) => {
            let amount = amount.saturating_neg();
            tally.note(Group::Settlement, cause, What::Account(*from), amount);
        }
        (Reason::SettleIn, _, to) => {
            tally.note(Group::Settlement, cause, What::Account(*to), amount);
        }
        _ => {}
    }
}

/// Returns the name of a grant: its TA and i.
pub(super) fn grant_name(ta: &PublicKey, i: u64) -> Vec<u8> {
    [ta.0.as_slice(), &i.to_be_bytes()].concat()
}

impl Auditor<'_, '_> {
    /// Checks an entry by itself, and says which one is wrong.
    pub(super) fn check_entry(&mut self, entry: &Entry<'_>, facts: &Facts) {
        if let Err(wrong) = check(entry, facts, self.here) {
            self.fault(format!(
                "entry {} ({:?}, {}): {wrong}",
                entry.row.id, entry.reason, entry.row.amount
            ));
        }
    }
}
