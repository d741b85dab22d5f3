//! Entries in their order: balances, what follows what, and how much there was to move.
//!
//! Whoever moves an account waits for whoever moved it before, in one process or in several, so the order of
//! numbers is the order in which an account was moved.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};

use ops_proto::PublicKey;

use super::causes::of_status;
use super::facts::{Cause, Entry, Facts};
use super::payments::payment_of;
use super::sums::Sums;
use super::tally::Tally;
use super::{AuditResult, Auditor, causes};
use crate::ledger::{Account, Reason};
use crate::limits::CLOCK_BEHIND_MS_MAX;
use crate::store::audit::{AccountAsItStands, EntryAsItStands, Pages};

/// Accounts whose entries are summed up at a time. Entries are read once for each so many accounts.
const WINDOW: i64 = 1 << 20;

/// By how much the clocks of processes that write beside each other, or one that is set, may differ: entries'
/// instants fall by no more.
const INSTANTS_FALL_MS_MAX: i64 = 600_000;

const _: () = assert!(INSTANTS_FALL_MS_MAX.unsigned_abs() == CLOCK_BEHIND_MS_MAX);

/// An account as far as its entries were read.
#[derive(Clone, Copy, Default)]
struct Running {
    /// Whether there is such an account.
    is_there: bool,
    balance: i64,
    /// What brought the last credit, hashed.
    brought_by: u64,
}

/// What must follow before anything else moves a TA's shadow.
#[derive(Clone, Debug)]
enum Pending {
    /// Somebody stood in for what this payment lacked: it takes all there is.
    Payment(Vec<u8>),
    /// Grants were taken for this payment, which is credited to a client at once.
    Plain(Vec<u8>),
    /// What came goes on at once, whole.
    On {
        cause: Vec<u8>,
        amount: i64,
        reason: Reason,
        /// The account that it came from.
        payer: i64,
    },
}

/// The accounts with numbers from `first` on, and what is under way.
struct Window {
    first: i64,
    accounts: Vec<Running>,
    pending: BTreeMap<i64, Pending>,
    causes: RandomState,
    /// The TAs whose shadow went to wait for their owners.
    held: BTreeSet<PublicKey>,
    sums: Sums,
    last_ms: Option<i64>,
}

impl Window {
    fn new(first: i64, last: i64) -> Self {
        let size = last.saturating_sub(first).saturating_add(1);
        let size = usize::try_from(size).unwrap_or(0);

        Self {
            first,
            accounts: vec![Running::default(); size],
            pending: BTreeMap::new(),
            causes: RandomState::new(),
            held: BTreeSet::new(),
            sums: Sums::default(),
            last_ms: None,
        }
    }

    fn place(&mut self, id: i64) -> Option<&mut Running> {
        let place = usize::try_from(id.checked_sub(self.first)?).ok()?;

        self.accounts.get_mut(place)
    }

    /// Returns what an account of the window holds now.
    fn balance(&mut self, id: i64) -> Option<i64> {
        self.place(id).map(|account| account.balance)
    }

    fn is_empty(&mut self, id: i64) -> bool {
        self.balance(id).is_none_or(|balance| balance == 0)
    }
}

impl Auditor<'_, '_> {
    /// Reads every entry in its order, and compares what they make with the accounts.
    pub(super) async fn replay_entries(&mut self, tally: &mut Tally) -> AuditResult<Sums> {
        let last = self.unit.last_account().await?;
        let mut first: i64 = 1;
        let mut sums = None;
        loop {
            let end = first.saturating_add(WINDOW.saturating_sub(1)).min(last);
            let of_window = self.replay_window(first, end, tally).await?;
            sums = sums.or(Some(of_window));
            if end >= last {
                break;
            }
            first = end.saturating_add(1);
        }

        Ok(sums.unwrap_or_default())
    }

    async fn replay_window(
        &mut self,
        first: i64,
        last: i64,
        tally: &mut Tally,
    ) -> AuditResult<Sums> {
        let mut window = Window::new(first, last);
        let mut pages = Pages::<AccountAsItStands>::after(first.saturating_sub(1));
        'there: while let Some(page) = pages.next(self.unit).await? {
            for account in &page {
                if account.id > last {
                    break 'there;
                }
                if let Some(place) = window.place(account.id) {
                    place.is_there = true;
                }
            }
        }
        let mut pages = Pages::<EntryAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            let facts = self.facts(&page).await?;
            for row in &page {
                self.replay(&mut window, row, &facts, first == 1, tally);
            }
            let done = self.audit.entries;
            self.report("entries", done);
        }
        for (account, pending) in std::mem::take(&mut window.pending) {
            self.fault(format!("account {account}: {}", left(&pending)));
        }
        self.compare(&mut window, last).await?;

        Ok(window.sums)
    }

    fn replay(
        &mut self,
        window: &mut Window,
        row: &EntryAsItStands,
        facts: &Facts,
        is_first: bool,
        tally: &mut Tally,
    ) {
        if is_first {
            self.audit.entries = self.audit.entries.saturating_add(1);
            self.check_instant(window, row);
        }
        self.move_balance(window, row, row.debited, row.amount.saturating_neg());
        self.move_balance(window, row, row.credited, row.amount);
        let entry = match Entry::read(row) {
            Ok(entry) => entry,
            Err(wrong) if is_first => {
                return self.fault(format!("entry {}: {wrong}", row.id));
            }
            Err(_) => return,
        };
        if is_first {
            self.check_entry(&entry, facts);
            causes::note(&entry, facts, self.here, tally);
        }
        window.sums.add(&entry, facts);
        if let Err(wrong) = follow(window, &entry, facts, self.here.was_restored) {
            self.fault(format!(
                "entry {} ({:?}, {}): {wrong}",
                row.id, entry.reason, row.amount
            ));
        }
    }

    /// Notes what entries book, of what did not fit.
    pub(super) async fn note_entries(&mut self, tally: &mut Tally) -> AuditResult<()> {
        let mut pages = Pages::<EntryAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            let facts = self.facts(&page).await?;
            for entry in page.iter().filter_map(|row| Entry::read(row).ok()) {
                causes::note(&entry, &facts, self.here, tally);
            }
        }

        Ok(())
    }

    fn check_instant(&mut self, window: &mut Window, row: &EntryAsItStands) {
        let earliest = window.last_ms.unwrap_or(row.at_ms);
        if row.at_ms < earliest.saturating_sub(INSTANTS_FALL_MS_MAX) {
            self.clock_fault(format!(
                "entry {}: its instant {} is before that of the entry before it, {earliest}",
                row.id, row.at_ms
            ));
        }
        let latest = self.now_ms.saturating_add(INSTANTS_FALL_MS_MAX);
        if row.at_ms > latest {
            self.clock_fault(format!(
                "entry {}: its instant {} has not been yet",
                row.id, row.at_ms
            ));
        }
        if row.at_ms < 0 {
            self.fault(format!(
                "entry {}: its instant {} is none that has been",
                row.id, row.at_ms
            ));
        }
        window.last_ms = Some(row.at_ms);
    }

    fn move_balance(&mut self, window: &mut Window, row: &EntryAsItStands, id: i64, by: i64) {
        let brought_by = window.causes.hash_one(&row.cause);
        let Some(account) = window.place(id) else {
            return;
        };
        let Some(balance) = account.balance.checked_add(by) else {
            let fault = format!("entry {}: account {id} is beyond all there can be", row.id);
            return self.fault(fault);
        };
        account.balance = balance;
        if by > 0 {
            account.brought_by = brought_by;
        }
        let may_be_below = match row.debited == id {
            true => row.from_kind,
            false => row.to_kind,
        };
        if balance < 0 && !matches!(may_be_below, Some(0 | 6 | 7)) {
            self.fault(format!(
                "entry {}: account {id} is at {balance} after it, below zero",
                row.id
            ));
        }
    }

    async fn compare(&mut self, window: &mut Window, last: i64) -> AuditResult<()> {
        let mut pages = Pages::<AccountAsItStands>::after(window.first.saturating_sub(1));
        while let Some(page) = pages.next(self.unit).await? {
            for account in &page {
                if account.id > last {
                    return Ok(());
                }
                self.audit.accounts = self.audit.accounts.saturating_add(1);
                let made = window.balance(account.id).unwrap_or(0);
                if made != account.balance {
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
}

/// Says what is wrong when something that was under way is still under way.
fn left(pending: &Pending) -> String {
    match pending {
        Pending::Payment(payment) => format!(
            "somebody stood in for payment {}, and it took nothing",
            hex::encode(payment)
        ),
        Pending::Plain(cause) => format!(
            "a grant was taken because of {}, and nothing that was signed or stored is called that",
            hex::encode(cause)
        ),
        Pending::On { amount, .. } => format!("{amount} came to go on at once, and stayed"),
    }
}

/// Checks what needs the entries before: nothing comes between what belongs together, and what moves is all
/// there is or all that is owed.
fn follow(
    window: &mut Window,
    entry: &Entry<'_>,
    facts: &Facts,
    was_restored: bool,
) -> Result<(), String> {
    let row = entry.row;
    let paid_on = close(window, entry, facts)?;
    open(window, entry, facts)?;
    owner_first(window, entry, facts)?;
    let all = match (entry.reason, &entry.from) {
        (Reason::Hold, Account::Shadow(ta)) if payment_of(entry, facts).is_none() => {
            if window.place(row.debited).is_some() && !window.held.insert(*ta) {
                return Err("its TA was buried before".to_owned());
            }
            true
        }
        (Reason::PassOn, Account::Shadow(_)) => matches!(entry.to, Account::Held(_)),
        // What a restore forgot is paid from as much of it as is needed.
        (Reason::Release | Reason::Retire, Account::Shadow(ta) | Account::Held(ta)) => {
            !was_restored || !matches!(facts.cause(row, ta), Cause::Retirement(_))
        }
        _ => false,
    };
    if all && !window.is_empty(row.debited) {
        return Err("it moves less than all there is".to_owned());
    }
    if paid_on || window.place(row.debited).is_none() {
        return Ok(());
    }

    repaid(window, entry, facts)
}

/// Demands that what was under way on the debited account is what moves it; returns whether it was.
fn close(window: &mut Window, entry: &Entry<'_>, facts: &Facts) -> Result<bool, String> {
    let row = entry.row;
    match window.pending.remove(&row.debited) {
        None => Ok(false),
        Some(Pending::Payment(payment)) => {
            if payment != row.cause || payment_of(entry, facts).is_none() {
                return Err(left(&Pending::Payment(payment)));
            }
            if !window.is_empty(row.debited) {
                return Err("more was stood in for it than it lacked".to_owned());
            }
            Ok(false)
        }
        Some(Pending::Plain(payment)) => {
            if payment != row.cause || entry.reason != Reason::Credit {
                return Err(left(&Pending::Plain(payment)));
            }
            Ok(false)
        }
        Some(Pending::On {
            cause,
            amount,
            reason,
            payer,
        }) => {
            let is_it = cause == row.cause
                && amount == row.amount
                && (reason == entry.reason
                    || (reason, entry.reason) == (Reason::RepayLoss, Reason::RepayRestored));
            if !is_it {
                return Err(format!(
                    "{amount} came to go on at once, and this went instead"
                ));
            }
            let owed = window.sums.owed(entry);
            if reason == Reason::RepayLoss && owed > 0 && !window.is_empty(payer) {
                return Err("less was paid back than there was to pay it with".to_owned());
            }
            Ok(true)
        }
    }
}

/// Notes what must follow on the credited account.
fn open(window: &mut Window, entry: &Entry<'_>, facts: &Facts) -> Result<(), String> {
    let row = entry.row;
    if window.place(row.credited).is_none() {
        return Ok(());
    }
    let on = |reason| Pending::On {
        cause: row.cause.clone(),
        amount: row.amount,
        reason,
        payer: row.debited,
    };
    let is_for_payment = facts.payment(&row.cause).is_some();
    let next = match (entry.reason, &entry.from) {
        (Reason::AdvanceByOwner | Reason::AdvanceByLoss, _) => {
            Some(Pending::Payment(row.cause.clone()))
        }
        (Reason::FromHeld | Reason::RestoredShort, _) if is_for_payment => {
            Some(Pending::Payment(row.cause.clone()))
        }
        (Reason::FromHeld, _) => Some(on(Reason::RepayLoss)),
        (Reason::PayDebt, _) => {
            let hash = window.causes.hash_one(&row.cause);
            let brought = window.place(row.debited).map(|owner| owner.brought_by);
            if brought.is_some_and(|brought| brought != hash) {
                return Err("nothing came to the owner that pays it".to_owned());
            }
            Some(on(Reason::RepayLoss))
        }
        (Reason::RetireByLoss, Account::Loss) => Some(on(Reason::RetireByLoss)),
        (Reason::TakeGrant, Account::Open { ta, .. })
            if matches!(facts.cause(row, ta), Cause::Nothing) =>
        {
            Some(Pending::Plain(row.cause.clone()))
        }
        _ => None,
    };
    let before = match next {
        Some(next) => window.pending.insert(row.credited, next),
        None => window.pending.remove(&row.credited),
    };
    match before {
        Some(Pending::Payment(cause) | Pending::Plain(cause)) if cause == row.cause => Ok(()),
        Some(before) => Err(left(&before)),
        None => Ok(()),
    }
}

/// Demands that the provider stands in only for what the owner has not.
fn owner_first(window: &mut Window, entry: &Entry<'_>, facts: &Facts) -> Result<(), String> {
    let ta = match (entry.reason, &entry.from, &entry.to) {
        // What was collected is paid although the owner's share is limited.
        (Reason::AdvanceByLoss, ..)
            if facts
                .payment(&entry.row.cause)
                .is_some_and(|payment| payment.is_collected()) =>
        {
            return Ok(());
        }
        (Reason::AdvanceByLoss | Reason::CoverListed, Account::Loss, Account::Shadow(ta))
        | (Reason::GrantByLoss, Account::Loss, Account::Open { ta, .. }) => ta,
        _ => return Ok(()),
    };
    let online = facts.ta(ta).and_then(|ta| ta.online);
    if online.is_some_and(|online| !window.is_empty(online)) {
        return Err("the provider bears it, and the owner had money".to_owned());
    }

    Ok(())
}

/// Checks what a TA's shadow pays back with what it has.
fn repaid(window: &mut Window, entry: &Entry<'_>, facts: &Facts) -> Result<(), String> {
    let row = entry.row;
    let Account::Shadow(ta) = &entry.from else {
        return Ok(());
    };
    let is_collected_after_its_end = || {
        let payment = facts.payment(&row.cause);
        let has_ended = facts
            .ta(ta)
            .is_some_and(|ta| ta.died_ms.is_some() || ta.retire.is_some());

        has_ended && payment.is_some_and(|payment| payment.is_for(ta) && payment.is_collected())
    };
    let pays = [Reason::RepayLoss, Reason::RepayRestored];
    if entry.reason == Reason::RetireByLoss {
        return Err("nothing was borne that pays it".to_owned());
    }
    if pays.contains(&entry.reason) && !is_collected_after_its_end() {
        // A status says that the TA has what it pays with, and of a restore says nothing.
        if entry.reason == Reason::RepayRestored {
            return Err("nothing came that pays it".to_owned());
        }
        of_status(entry, facts, ta)?;
    }
    if !pays.contains(&entry.reason) && entry.reason != Reason::RepayOwner {
        return Ok(());
    }
    let owed = window.sums.owed(entry);
    if owed < 0 {
        return Err("more was paid back than was stood in for".to_owned());
    }
    if owed > 0 && !window.is_empty(row.debited) {
        return Err("less was paid back than there was to pay it with".to_owned());
    }

    Ok(())
}

fn name(account: &AccountAsItStands) -> String {
    let kind = match account.kind {
        0 => "issued",
        1 => "online",
        2 => "shadow",
        3 => "open",
        4 => "transit",
        5 => "held",
        6 => "position",
        7 => "loss",
        _ => "of no kind",
    };

    format!(
        "{kind} {} {}",
        hex::encode(&account.owner),
        hex::encode(&account.number)
    )
}
