//! Entries against accounts and advances.

use std::collections::BTreeMap;

use ops_proto::{Digest, PublicKey};

use super::{Auditor, PAGE, key};
use crate::admin::AdminError;
use crate::ledger::Reason;
use crate::store::{AccountAsItStands, EntryAsItStands};

/// Accounts whose entries are summed up at a time. Entries are read once for each so many accounts.
const WINDOW: i64 = 1 << 20;

/// What entries credit an online account with.
const PAID_IN: &str = "paid in";
const CREDITED: &str = "of payments credited";

const ISSUED: i64 = 0;
const ONLINE: i64 = 1;
const SHADOW: i64 = 2;
const OPEN: i64 = 3;
const TRANSIT: i64 = 4;
const HELD: i64 = 5;
const POSITION: i64 = 6;
const LOSS: i64 = 7;

/// What the entries make of the accounts with numbers from `first` on.
struct Window {
    first: i64,
    /// Kind and balance by the place in the window; no kind: there is no such account.
    accounts: Vec<(Option<i64>, i128)>,
}

impl Window {
    fn new(first: i64, last: i64) -> Self {
        let size = last.saturating_sub(first).saturating_add(1);
        let size = usize::try_from(size).unwrap_or(0);

        Self {
            first,
            accounts: vec![(None, 0); size],
        }
    }

    fn place(&mut self, id: i64) -> Option<&mut (Option<i64>, i128)> {
        let place = usize::try_from(id.checked_sub(self.first)?).ok()?;

        self.accounts.get_mut(place)
    }
}

impl Auditor<'_, '_> {
    /// Sums the entries of every account up, and compares.
    pub(super) async fn replay_entries(&mut self) -> Result<(), AdminError> {
        let last = self.unit.last_account().await?;
        let mut first: i64 = 1;
        loop {
            let end = first.saturating_add(WINDOW.saturating_sub(1)).min(last);
            self.replay_window(first, end).await?;
            if end >= last {
                break;
            }
            first = end.saturating_add(1);
        }

        Ok(())
    }

    async fn replay_window(&mut self, first: i64, last: i64) -> Result<(), AdminError> {
        let mut window = Window::new(first, last);
        let mut after = first.saturating_sub(1);
        loop {
            let page = self.unit.accounts_as_they_stand(after, last, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = end.id;
            for account in &page {
                if let Some(place) = window.place(account.id) {
                    place.0 = Some(account.kind);
                }
            }
        }
        self.sum_up(&mut window, first == 1).await?;

        self.compare(&mut window, first, last).await
    }

    async fn sum_up(&mut self, window: &mut Window, is_first: bool) -> Result<(), AdminError> {
        let mut after = 0;
        loop {
            let page = self.unit.entries_as_they_stand(after, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = end.id;
            for entry in &page {
                if is_first {
                    self.audit.entries = self.audit.entries.saturating_add(1);
                    self.check_entry(entry);
                }
                self.move_one(window, entry, Side::Debit);
                self.move_one(window, entry, Side::Credit);
            }
            let done = self.audit.entries;
            self.report("entries", done);
        }

        Ok(())
    }

    /// Compares what was paid in, and what payments brought, with whose accounts the entries name.
    pub(super) async fn check_credits(&mut self) -> Result<(), AdminError> {
        let mut made: BTreeMap<(i64, &'static str), i128> = BTreeMap::new();
        let mut held: BTreeMap<Vec<u8>, i128> = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = self.unit.entries_as_they_stand(after, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = end.id;
            for entry in &page {
                let what = match Reason::back(entry.reason) {
                    Some(Reason::Issue) => PAID_IN,
                    Some(Reason::Credit) => CREDITED,
                    Some(Reason::Hold) => {
                        if let Some(owner) = self.owner_of_held(entry).await? {
                            let sum = held.entry(owner).or_default();
                            *sum = sum.saturating_add(i128::from(entry.amount));
                        }
                        continue;
                    }
                    Some(_) | None => continue,
                };
                let sum = made.entry((entry.credited, what)).or_default();
                *sum = sum.saturating_add(i128::from(entry.amount));
            }
        }
        let ours = self.provider.id();
        for (what, sums) in [
            (PAID_IN, self.unit.sums_paid_in().await?),
            (CREDITED, self.unit.sums_credited(&ours).await?),
        ] {
            for (client, sum) in sums {
                let account = self.unit.online_account(&client).await?;
                let entries = account.and_then(|account| made.remove(&(account, what)));
                let mut entries = entries.unwrap_or(0);
                if what == CREDITED {
                    entries = entries.saturating_add(held.remove(&client).unwrap_or(0));
                }
                if entries != i128::from(sum) {
                    self.fault(format!(
                        "client {}: {sum} {what}, its entries make {entries}",
                        hex::encode(&client)
                    ));
                }
            }
        }
        for ((account, what), sum) in made {
            self.fault(format!(
                "account {account}: its entries make {sum} {what}, nothing else says so"
            ));
        }

        Ok(())
    }

    /// Returns for whom an entry makes a payment wait: the owner of the dead TA that it paid.
    async fn owner_of_held(
        &mut self,
        entry: &EntryAsItStands,
    ) -> Result<Option<Vec<u8>>, AdminError> {
        let Ok(hash) = <[u8; 32]>::try_from(entry.cause.as_slice()) else {
            return Ok(None);
        };
        let Some(payment) = self.unit.payment(&Digest(hash)).await? else {
            return Ok(None);
        };
        let receiver = self.unit.ta(&payment.receiver).await?;

        Ok(receiver.map(|ta| ta.owner.0.to_vec()))
    }

    fn check_entry(&mut self, entry: &EntryAsItStands) {
        if entry.amount <= 0 {
            self.fault(format!(
                "entry {}: its amount is {}",
                entry.id, entry.amount
            ));
        }
        if Reason::back(entry.reason).is_none() {
            self.fault(format!(
                "entry {}: its reason {} is none",
                entry.id, entry.reason
            ));
        }
        if entry.cause.is_empty() {
            self.fault(format!("entry {}: it has no cause", entry.id));
        }
    }

    fn move_one(&mut self, window: &mut Window, entry: &EntryAsItStands, side: Side) {
        let (id, by) = match side {
            Side::Debit => (entry.debited, i128::from(entry.amount).saturating_neg()),
            Side::Credit => (entry.credited, i128::from(entry.amount)),
        };
        let Some(place) = window.place(id) else {
            return;
        };
        place.1 = place.1.saturating_add(by);
        let (kind, balance) = *place;
        let Some(kind) = kind else {
            let fault = format!("entry {}: account {id} is missing", entry.id);
            return self.fault(fault);
        };
        if balance < 0 && !matches!(kind, ISSUED | POSITION | LOSS) {
            self.fault(format!(
                "entry {}: account {id} is at {balance} after it, below zero",
                entry.id
            ));
        }
        let fits = Reason::back(entry.reason).is_none_or(|reason| fits(reason, side, kind));
        if !fits {
            self.fault(format!(
                "entry {}: reason {} does not fit account {id} of kind {kind}",
                entry.id, entry.reason
            ));
        }
    }

    async fn compare(
        &mut self,
        window: &mut Window,
        first: i64,
        last: i64,
    ) -> Result<(), AdminError> {
        let mut after = first.saturating_sub(1);
        loop {
            let page = self.unit.accounts_as_they_stand(after, last, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = end.id;
            for account in &page {
                self.audit.accounts = self.audit.accounts.saturating_add(1);
                let made = window.place(account.id).map_or(0, |place| place.1);
                if made != i128::from(account.balance) {
                    let fault = format!(
                        "account {} ({}): its balance is {}, its entries make {made}",
                        account.id,
                        name(account),
                        account.balance
                    );
                    self.fault(fault);
                }
            }
            let done = self.audit.accounts;
            self.report("accounts", done);
        }

        Ok(())
    }

    /// Compares what stands beside each TA with what its entries make.
    pub(super) async fn check_advances(&mut self) -> Result<(), AdminError> {
        let mut sums: BTreeMap<PublicKey, (i128, i128, i128)> = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = self.unit.entries_as_they_stand(after, PAGE).await?;
            let Some(end) = page.last() else { break };
            after = end.id;
            for entry in &page {
                let Some(ta) = entry.ta.as_deref().and_then(key) else {
                    continue;
                };
                let sum = sums.entry(ta).or_default();
                let amount = i128::from(entry.amount);
                match Reason::back(entry.reason) {
                    Some(Reason::AdvanceByOwner) => sum.0 = sum.0.saturating_add(amount),
                    Some(Reason::RepayOwner) => sum.0 = sum.0.saturating_sub(amount),
                    Some(Reason::AdvanceByLoss) => sum.1 = sum.1.saturating_add(amount),
                    Some(Reason::RepayLoss) => sum.1 = sum.1.saturating_sub(amount),
                    Some(Reason::GrantByLoss | Reason::RetireByLoss) => {
                        sum.2 = sum.2.saturating_add(amount);
                    }
                    Some(Reason::RepayRestored) => sum.2 = sum.2.saturating_sub(amount),
                    Some(_) | None => {
                        self.audit.faults.push(format!(
                            "entry {}: it names a TA and is no advance",
                            entry.id
                        ));
                    }
                }
            }
        }
        for ta in self.unit.tas().await? {
            let stands = (
                i128::from(ta.advanced_by_owner),
                i128::from(ta.advanced_by_loss),
                i128::from(ta.restored_by_loss),
            );
            let made = sums.remove(&ta.key).unwrap_or_default();
            if stands != made {
                self.fault(format!(
                    "TA {}: its advances are {stands:?}, its entries make {made:?}",
                    ta.key
                ));
            }
        }

        Ok(())
    }
}

/// A side of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Debit,
    Credit,
}

/// Returns whether an account of this kind can stand on this side of an entry for this reason.
const fn fits(reason: Reason, side: Side, kind: i64) -> bool {
    match (reason, side) {
        (Reason::Issue, Side::Debit) => kind == ISSUED,
        (Reason::Issue, Side::Credit) => kind == ONLINE,
        (Reason::Grant | Reason::GrantByLoss, Side::Credit) => kind == OPEN,
        (Reason::Grant, Side::Debit) => kind == ONLINE,
        (Reason::TakeGrant, Side::Debit) => kind == OPEN,
        (Reason::TakeGrant, Side::Credit) => matches!(kind, SHADOW | HELD),
        (Reason::Credit, Side::Credit) => kind == ONLINE,
        (Reason::Transit | Reason::Present, Side::Credit) => kind == TRANSIT,
        (Reason::Present | Reason::CollectForeign, Side::Debit) => kind == POSITION,
        // A position of our own: what a TA collected before the books knew its sender again.
        (Reason::Collect, Side::Credit) => matches!(kind, SHADOW | POSITION),
        (Reason::CollectForeign | Reason::CoverListed, Side::Credit) => kind == SHADOW,
        (Reason::AdvanceByOwner, Side::Debit) => kind == ONLINE,
        (Reason::AdvanceByLoss | Reason::CoverForeign, Side::Debit) => kind == LOSS,
        (Reason::AdvanceByOwner | Reason::AdvanceByLoss, Side::Credit) => kind == SHADOW,
        (Reason::RepayOwner | Reason::RepayLoss | Reason::RepayRestored, Side::Debit)
        | (Reason::PayDebt, Side::Credit) => kind == SHADOW,
        (Reason::PayDebt, Side::Debit) => kind == ONLINE,
        (Reason::RepayOwner, Side::Credit) => kind == ONLINE,
        (Reason::RepayLoss | Reason::RepayRestored, Side::Credit) => kind == LOSS,
        (Reason::TakeBack | Reason::Accept, Side::Debit) => kind == TRANSIT,
        (Reason::TakeBack | Reason::Accept | Reason::SettleIn, Side::Credit) => kind == POSITION,
        (Reason::CoverForeign, Side::Credit) => matches!(kind, POSITION | SHADOW),
        (Reason::SettleOut, Side::Debit) => kind == POSITION,
        (Reason::SettleOut, Side::Credit) | (Reason::SettleIn, Side::Debit) => kind == ISSUED,
        (Reason::Hold, Side::Credit) | (Reason::FromHeld | Reason::Release, Side::Debit) => {
            kind == HELD
        }
        (Reason::Release | Reason::Retire, Side::Credit) => kind == ONLINE,
        (Reason::RetireByLoss, Side::Credit) => matches!(kind, SHADOW | ONLINE),
        (Reason::RetireByLoss, Side::Debit) => matches!(kind, LOSS | SHADOW),
        (Reason::GrantByLoss, Side::Debit) => kind == LOSS,
        (
            Reason::Credit
            | Reason::Transit
            | Reason::Collect
            | Reason::CoverListed
            | Reason::Withdraw
            | Reason::Hold
            | Reason::Retire
            | Reason::RestoredShort
            | Reason::RestoredSurplus,
            Side::Debit,
        )
        | (
            Reason::Withdraw | Reason::FromHeld | Reason::RestoredShort | Reason::RestoredSurplus,
            Side::Credit,
        ) => kind != ISSUED,
    }
}

fn name(account: &AccountAsItStands) -> String {
    let kind = match account.kind {
        ISSUED => "issued",
        ONLINE => "online",
        SHADOW => "shadow",
        OPEN => "open",
        TRANSIT => "transit",
        HELD => "held",
        POSITION => "position",
        LOSS => "loss",
        _ => "of no kind",
    };

    format!(
        "{kind} {} {}",
        hex::encode(&account.owner),
        hex::encode(&account.number)
    )
}
