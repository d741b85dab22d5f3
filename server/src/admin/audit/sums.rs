//! Sums of entries, compared with what stands beside each TA, and with the messages that they book.

use std::collections::BTreeMap;

use ops_proto::PublicKey;

use super::causes::{about, grant_name};
use super::facts::{Cause, Entry, Facts, account};
use super::tally::{Group, Place, Tally, What, parts_closer_max};
use super::{AuditResult, Auditor, key, number};
use crate::ledger::{Account, Reason};
use crate::store::audit::{CreditAsItStands, DepositAsItStands, Pages, TaAsItStands};

/// What entries make of one TA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OfTa {
    advanced_by_owner: i128,
    advanced_by_loss: i128,
    restored_by_loss: i128,
    corrected: i128,
    withdrawn: i128,
    /// With its Retire as the cause, from what it held.
    retired: i128,
    /// With its Retire as the cause, from what waited.
    released: i128,
    /// When it was payable, after it came late, or for a newer TA of the owner.
    paid_out: i128,
    /// What its owner gave for it.
    given: i128,
}

/// What entries make of TAs.
#[derive(Debug, Default)]
pub(super) struct Sums(BTreeMap<PublicKey, OfTa>);

impl Sums {
    /// Adds an entry.
    pub(super) fn add(&mut self, entry: &Entry<'_>, facts: &Facts) {
        let amount = i128::from(entry.row.amount);
        let minus = amount.saturating_neg();
        self.add_given(entry, amount);
        let Some(ta) = entry.ta() else { return };
        let by: fn(&mut OfTa) -> &mut i128 = match (entry.reason, &entry.from) {
            (Reason::AdvanceByOwner | Reason::RepayOwner, _) => |of| &mut of.advanced_by_owner,
            (Reason::AdvanceByLoss | Reason::RepayLoss, _) => |of| &mut of.advanced_by_loss,
            (Reason::RetireByLoss, Account::Shadow(_)) | (Reason::Retire, _) => {
                |of| &mut of.retired
            }
            (Reason::GrantByLoss | Reason::RetireByLoss | Reason::RepayRestored, _) => {
                |of| &mut of.restored_by_loss
            }
            (Reason::RestoredShort | Reason::RestoredSurplus, _) => |of| &mut of.corrected,
            (Reason::Withdraw, _) => |of| &mut of.withdrawn,
            (Reason::FromOlder, _) => |of| &mut of.paid_out,
            (Reason::PassOn, _) if matches!(entry.to, Account::Online(_)) => |of| &mut of.paid_out,
            (Reason::Release, _) => match facts.cause(entry.row, &ta) {
                Cause::PayOut(_) => |of| &mut of.paid_out,
                Cause::Retirement(_) => |of| &mut of.released,
                Cause::Payment(_)
                | Cause::Status(_)
                | Cause::Withdrawal(_)
                | Cause::Death
                | Cause::Nothing => return,
            },
            _ => return,
        };
        let is_back = matches!(
            entry.reason,
            Reason::RepayOwner
                | Reason::RepayLoss
                | Reason::RepayRestored
                | Reason::RestoredSurplus
        );
        let sum = by(self.0.entry(ta).or_default());
        *sum = sum.saturating_add(if is_back { minus } else { amount });
    }

    /// Adds what an owner gives for its TA.
    fn add_given(&mut self, entry: &Entry<'_>, amount: i128) {
        let (Reason::AdvanceByOwner | Reason::PayDebt | Reason::FromOlder, Account::Shadow(ta)) =
            (entry.reason, &entry.to)
        else {
            return;
        };
        let of = self.0.entry(*ta).or_default();
        of.given = of.given.saturating_add(amount);
    }

    /// Returns what is still owed, after an entry that pays some of it back.
    pub(super) fn owed(&self, entry: &Entry<'_>) -> i128 {
        let of = about(entry).and_then(|ta| self.0.get(&ta));
        let of = of.copied().unwrap_or_default();
        if entry.reason == Reason::RepayOwner {
            of.advanced_by_owner
        } else if entry.reason == Reason::RepayLoss {
            of.advanced_by_loss
        } else if entry.reason == Reason::RepayRestored {
            of.restored_by_loss
        } else {
            0
        }
    }
}

impl Auditor<'_, '_> {
    /// Compares what entries make with what stands beside each TA.
    pub(super) async fn compare_tas(&mut self, mut sums: Sums) -> AuditResult<()> {
        let mut pages = Pages::<TaAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for row in &page {
                let made = key(&row.key).and_then(|ta| sums.0.remove(&ta));
                self.compare_ta(row, made.unwrap_or_default());
            }
        }
        for ta in sums.0.into_keys() {
            self.fault(format!("TA {ta}: entries are for it, and there is none"));
        }

        Ok(())
    }

    fn compare_ta(&mut self, row: &TaAsItStands, made: OfTa) {
        let ta = hex::encode(&row.key);
        let stands = (
            row.advanced_by_owner,
            row.advanced_by_loss,
            row.restored_by_loss,
        );
        let advances = (
            made.advanced_by_owner,
            made.advanced_by_loss,
            made.restored_by_loss,
        );
        if (
            i128::from(stands.0),
            i128::from(stands.1),
            i128::from(stands.2),
        ) != advances
        {
            self.fault(format!(
                "TA {ta}: its advances are {stands:?}, its entries make {advances:?}"
            ));
        }
        let withdrawn = i128::from(row.withdrawn.unwrap_or(0));
        let moved = withdrawn.saturating_add(i128::from(row.unbacked));
        // What an earlier life moved for a withdrawal the books may have lost.
        let is_less = self.here.was_restored && made.withdrawn < moved;
        if made.withdrawn != moved && !is_less {
            self.fault(format!(
                "TA {ta}: it withdrew {withdrawn}, of which {} is not moved, and entries move {}",
                row.unbacked.saturating_neg(),
                made.withdrawn
            ));
        }
        if made.corrected != i128::from(row.corrected) {
            self.fault(format!(
                "TA {ta}: {} was put right after a restore, its entries make {}",
                row.corrected, made.corrected
            ));
        }
        self.compare_end(row, made);
    }

    /// Compares how a TA ended with what its entries make.
    fn compare_end(&mut self, row: &TaAsItStands, made: OfTa) {
        let ta = hex::encode(&row.key);
        let retired = i128::from(row.retired_paid.unwrap_or(0));
        let with_held = made.retired.saturating_add(made.released);
        let returned = i128::from(row.returned.unwrap_or(0));
        // After a restore only what was missing to it is paid.
        let is_retired = retired == made.retired
            || (self.here.was_restored && with_held <= retired.saturating_add(returned));
        if !is_retired {
            self.fault(format!(
                "TA {ta}: its owner got {retired} when it retired, its entries make {}",
                made.retired
            ));
        }
        // What was released with its Retire may have waited for the live TA's next word.
        let paid = i128::from(row.paid.unwrap_or(0));
        let without = made.retired.saturating_add(made.paid_out);
        if paid != without && paid != without.saturating_add(made.released) {
            self.fault(format!(
                "TA {ta}: its owner got {paid} at its end, its entries make {without}"
            ));
        }
        let borne = row.borne.unwrap_or(0);
        if returned > made.given || borne > row.restored_by_loss || returned < 0 || borne < 0 {
            self.fault(format!(
                "TA {ta}: its owner returned {returned} and the provider bears {borne} of its end, and its entries make less"
            ));
        }
        let has_ended = match row.standing {
            2 => row.retired_paid.is_some() && row.died_ms.is_none(),
            3 => row.died_ms.is_some(),
            _ => row.retired_paid.is_none() && row.died_ms.is_none(),
        };
        if !has_ended || (row.standing >= 2) != row.paid.is_some() {
            self.fault(format!("TA {ta}: its standing is not how it ended"));
        }
        let is_told = row.retired_paid.is_some()
            || self.here.was_restored
            || key(&row.key).is_some_and(|ta| self.told_dead.contains(&ta));
        if row.died_ms.is_some() && !is_told {
            self.fault(format!(
                "TA {ta}: it is buried, and no answer of ours says that anybody reported it"
            ));
        }
    }

    /// Notes what messages other than payments say that entries must do.
    pub(super) async fn note_messages(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let mut pages = Pages::<CreditAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for credit in &page {
                let account = account(Some(1), Some(&credit.client), Some(&Vec::new()));
                let reference = credit.reference.as_bytes();
                minus(tally, Group::Credit, reference, account, credit.amount);
            }
        }
        let mut pages = Pages::<DepositAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            for deposit in page.iter().filter(|deposit| deposit.outcome == 0) {
                let (Some(ta), Some(i)) = (key(&deposit.ta), number(&deposit.i)) else {
                    continue;
                };
                let open = Some(Account::Open { ta, i });
                minus(tally, Group::Deposit, &deposit.hash, open, deposit.amount);
                if deposit.taken {
                    let amount = i128::from(deposit.amount).saturating_neg();
                    tally.note(Group::Taken, &grant_name(&ta, i), What::Often, amount);
                }
            }
        }
        let ours = self.here.provider;
        for row in self.unit.settlements().await? {
            let body = row.settlement.body();
            let hash = row.settlement.hash();
            let units = i128::from(body.amount.minor_units());
            let (peer, amount) = match body.debtor == ours {
                true => (body.creditor, units),
                false if row.answer.is_some() => (body.debtor, units.saturating_neg()),
                false => continue,
            };
            let what = What::Account(Account::Position(peer));
            tally.note(Group::Settlement, &hash.0, what, amount);
        }

        Ok(())
    }

    /// Reads again what did not fit, and names it.
    pub(super) async fn name_unfit(&mut self, mut tally: Tally) -> AuditResult<()> {
        let parts = tally.look_closer();
        if parts == 0 {
            return Ok(());
        }
        if parts > parts_closer_max() {
            self.fault(format!(
                "messages and entries do not fit in {parts} parts of 65536: those of {} are named",
                parts_closer_max()
            ));
        }
        self.note_entries(&mut tally).await?;
        self.note_payments(&mut tally).await?;
        self.note_messages(&mut tally).await?;
        self.note_answers(&mut tally).await?;
        for ((group, name), of_name) in tally.unfit() {
            for (what, more) in of_name {
                let fault = unfit(group, &name, what, more);
                self.fault(fault);
            }
        }

        Ok(())
    }
}

fn minus(tally: &mut Tally, group: Group, name: &[u8], account: Option<Account>, amount: i64) {
    if let Some(account) = account {
        let amount = i128::from(amount).saturating_neg();
        tally.note(group, name, What::Account(account), amount);
    }
}

/// Says in words what does not fit.
fn unfit(group: Group, name: &[u8], what: What, more: i128) -> String {
    let hash = hex::encode(name);
    let message = match group {
        Group::Credit => format!("credit {:?}", String::from_utf8_lossy(name)),
        Group::Plain | Group::Payment => format!("payment {hash}"),
        Group::Deposit => format!("deposit {hash}"),
        Group::Taken => {
            let (ta, i) = name.split_at_checked(32).unwrap_or((name, &[]));
            format!("grant {} of TA {}", number(i).unwrap_or(0), hex::encode(ta))
        }
        Group::Settlement => format!("settlement {hash}"),
        Group::Answer => {
            let number = name.try_into().map_or(0, i64::from_be_bytes);
            return match more > 0 {
                true => format!("answer {number}: what it answers is not in the books"),
                false => format!("answer {number}: rows refer to it, and it is missing"),
            };
        }
    };
    let much = more.unsigned_abs();
    let more = if more > 0 { "more" } else { "less" };

    match what {
        What::Account(account) => {
            format!("{message}: entries bring {much} {more} to {account:?} than it says")
        }
        What::Place(place) => format!(
            "{message}: entries bring {much} {more} to {} than its row says",
            place_name(place)
        ),
        What::Instant => format!("{message}: its entry's instant is not when it came"),
        What::Often if group == Group::Taken => {
            format!("{message}: entries take {much} {more} of it than is known")
        }
        What::Often => format!("{message}: it is paid out {much} times {more} than once or never"),
    }
}

const fn place_name(place: Place) -> &'static str {
    match place {
        Place::Sender => "its sender's TA",
        Place::Position => "the position of its sender's provider",
        Place::SenderOrPosition => "its sender's TA or a position",
        Place::Transit => "where it waits",
        Place::Paid => "who is paid",
        Place::Receiver => "its receiver's TA",
        Place::Creditor => "the position of its receiver's provider",
        Place::Cover => "who covers it",
        Place::Loss => "the loss account",
    }
}
