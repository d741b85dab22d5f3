//! `audit`: replays every entry and every signature from the first.

use std::collections::BTreeMap;
use std::path::Path;

use ops_proto::PublicKey;
use ops_proto::message::{
    AccountAnswer, BatchAnswer, DeathAnswer, DepositAnswer, RememberedAnswer, RetireAnswer, SyncToken,
    WithdrawAck,
};
use ops_proto::signed::{Body, Signed, decode_canonical};
use ops_proto::statement::Statement;
use serde::Serialize;

use super::AdminError;
use crate::ledger::Account;
use crate::provider::Provider;
use crate::store::{Store, Unit};

/// Rows read at a time.
const PAGE: i64 = 1000;

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Audit {
    /// Whether nothing is wrong.
    pub balanced: bool,
    /// Entries replayed.
    pub entries: u64,
    /// Accounts compared.
    pub accounts: u64,
    /// Answers of this server whose signatures were checked.
    pub answers: u64,
    /// Statements of TAs whose signatures were checked.
    pub statements: u64,
    /// What is wrong, and where.
    pub faults: Vec<String>,
}

/// Replays the books of a data directory. It reads one state; the server may run meanwhile.
///
/// # Errors
///
/// [`AdminError`] when the books cannot be read; what is wrong with them is in [`Audit::faults`].
pub async fn audit(data: &Path) -> Result<Audit, AdminError> {
    let provider = Provider::load(data)?;
    let layout = crate::provider::Layout::new(data);
    let mut store = Store::open(&layout.store_address()?).await?;
    let mut unit = store.begin_reading().await?;
    let mut audit = Audit::default();
    let replayed = replay(&mut unit, &mut audit).await?;
    compare_balances(&mut unit, &mut audit, &replayed).await?;
    compare_advances(&mut unit, &mut audit, &replayed).await?;
    check_answers(&mut unit, &mut audit, &provider.answer_key()).await?;
    check_statements(&mut unit, &mut audit).await?;
    audit.balanced = audit.faults.is_empty();

    Ok(audit)
}

/// What the entries say.
#[derive(Default)]
struct Replayed {
    balances: BTreeMap<i64, i128>,
    advances: BTreeMap<PublicKey, (i128, i128)>,
}

async fn replay(unit: &mut Unit<'_>, audit: &mut Audit) -> Result<Replayed, AdminError> {
    let mut replayed = Replayed::default();
    let mut after = 0;
    loop {
        let entries = unit.entries(after, PAGE).await?;
        let Some(last) = entries.last() else { break };
        after = last.id;
        for entry in &entries {
            let amount = i128::from(entry.amount.minor_units());
            add(
                &mut replayed.balances,
                entry.debited,
                amount.saturating_neg(),
            );
            add(&mut replayed.balances, entry.credited, amount);
            if let Some((ta, by_owner, by_loss)) = entry.advance {
                let sums = replayed.advances.entry(ta).or_default();
                sums.0 = sums.0.saturating_add(i128::from(by_owner));
                sums.1 = sums.1.saturating_add(i128::from(by_loss));
            }
            audit.entries = audit.entries.saturating_add(1);
        }
    }

    Ok(replayed)
}

fn add(balances: &mut BTreeMap<i64, i128>, account: i64, by: i128) {
    let balance = balances.entry(account).or_default();
    *balance = balance.saturating_add(by);
}

async fn compare_balances(
    unit: &mut Unit<'_>,
    audit: &mut Audit,
    replayed: &Replayed,
) -> Result<(), AdminError> {
    let mut after = 0;
    loop {
        let accounts = unit.accounts(after, PAGE).await?;
        let Some(last) = accounts.last() else { break };
        after = last.id;
        for row in &accounts {
            let entries = replayed.balances.get(&row.id).copied().unwrap_or(0);
            if i128::from(row.balance) != entries {
                audit.faults.push(format!(
                    "account {} ({:?}): its balance is {}, its entries make {entries}",
                    row.id, row.account, row.balance
                ));
            }
            if entries < 0 && !may_be_below_zero(&row.account) {
                audit.faults.push(format!(
                    "account {} ({:?}): its entries make {entries}, below zero",
                    row.id, row.account
                ));
            }
            audit.accounts = audit.accounts.saturating_add(1);
        }
    }

    Ok(())
}

const fn may_be_below_zero(account: &Account) -> bool {
    match account {
        Account::Issued | Account::Position(_) | Account::Loss => true,
        Account::Online(_)
        | Account::Shadow(_)
        | Account::Open { .. }
        | Account::Transit { .. }
        | Account::Held(_) => false,
    }
}

async fn compare_advances(
    unit: &mut Unit<'_>,
    audit: &mut Audit,
    replayed: &Replayed,
) -> Result<(), AdminError> {
    for ta in unit.tas().await? {
        let stands = (
            i128::from(ta.advanced_by_owner),
            i128::from(ta.advanced_by_loss),
        );
        let entries = replayed.advances.get(&ta.key).copied().unwrap_or_default();
        if stands != entries {
            audit.faults.push(format!(
                "TA {}: its advances are {stands:?}, its entries make {entries:?}",
                ta.key
            ));
        }
    }

    Ok(())
}

async fn check_answers(
    unit: &mut Unit<'_>,
    audit: &mut Audit,
    key: &PublicKey,
) -> Result<(), AdminError> {
    let mut after = 0;
    loop {
        let answers = unit.answers(after, PAGE).await?;
        let Some((last, _, _)) = answers.last() else {
            break;
        };
        after = *last;
        for (id, kind, bytes) in &answers {
            let is_signed = match kind {
                0 => is_signed::<DepositAnswer>(bytes, key),
                1 => is_signed::<BatchAnswer>(bytes, key),
                2 => is_signed::<SyncToken>(bytes, key),
                3 => is_signed::<AccountAnswer>(bytes, key),
                4 => is_signed::<WithdrawAck>(bytes, key),
                5 => is_signed::<RetireAnswer>(bytes, key),
                6 => is_signed::<DeathAnswer>(bytes, key),
                7 => is_signed::<RememberedAnswer>(bytes, key),
                _ => false,
            };
            if !is_signed {
                let fault = format!("answer {id}: it is not signed by this provider");
                audit.faults.push(fault);
            }
            audit.answers = audit.answers.saturating_add(1);
        }
    }

    Ok(())
}

fn is_signed<T: Body>(bytes: &[u8], key: &PublicKey) -> bool {
    Signed::<T>::decode(bytes).is_ok_and(|answer| answer.verify(key).is_ok())
}

async fn check_statements(unit: &mut Unit<'_>, audit: &mut Audit) -> Result<(), AdminError> {
    let mut after = 0;
    loop {
        let statements = unit.statements(after, PAGE).await?;
        let Some((last, _)) = statements.last() else {
            break;
        };
        after = *last;
        for (id, bytes) in &statements {
            let is_signed = decode_canonical::<Statement>(bytes)
                .is_ok_and(|statement| statement.verify().is_ok());
            if !is_signed {
                let fault = format!("statement {id}: it is not signed by its TA");
                audit.faults.push(fault);
            }
            audit.statements = audit.statements.saturating_add(1);
        }
    }

    Ok(())
}
