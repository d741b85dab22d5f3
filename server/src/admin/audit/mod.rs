//! `audit`: replays every entry and every signature from the first.
//!
//! Everything is read in pages and in one state of the books, so that memory is bounded and the server
//! may run meanwhile. Every entry has to be caused by something that was signed or stored, and every such
//! thing has to have its entries: what that is for each reason, and what cannot be found, stands in
//! docs/admin.md.

mod causes;
mod chains;
mod facts;
mod foreign;
mod messages;
mod payments;
mod replay;
mod sums;
mod tally;

use std::collections::BTreeSet;
use std::path::Path;

use ops_proto::PublicKey;
use serde::Serialize;

use super::AdminError;
use crate::provider::{Layout, Provider};
use crate::store::{AcceptedClock, Store, Unit};
use crate::writer::now;

use payments::Here;
use tally::Tally;

/// What a step of an audit returns: what is wrong with the books is no error.
type AuditResult<T> = Result<T, AdminError>;

/// Faults that are kept; the others are counted.
const FAULTS_MAX: usize = 10_000;

/// Faults of clocks that are kept: each entry of a day may be one.
const CLOCK_FAULTS_MAX: usize = 100;

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
    /// Certificates of clients and TAs that were checked.
    pub certificates: u64,
    /// Answers and settlements of other providers whose signatures were checked.
    pub foreign: u64,
    /// What is wrong, and where.
    pub faults: Vec<String>,
    /// Faults beyond those that are listed.
    pub more_faults: u64,
    /// Where a clock was wrong, and which ones the operator accepted. Nothing is out of balance by it.
    pub clock_faults: Vec<String>,
    /// Faults of clocks beyond those that are listed.
    pub more_clock_faults: u64,
    /// TAs that hold or spent more than they can have had, on a chain without gaps.
    pub overspent: Vec<Overspent>,
}

/// A TA that cannot have what it states. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overspent {
    /// The TA's key.
    pub ta: String,
    /// The number of the status that shows it.
    pub n: u64,
    /// Deposits granted up to there.
    pub granted: i128,
    /// Payments collected.
    pub collected: i128,
    /// Payments made.
    pub paid: i128,
    /// Withdrawn.
    pub withdrawn: i128,
    /// What that leaves: granted + collected − paid − withdrawn.
    pub leaves: i128,
    /// What the status states.
    pub stated: i128,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// What is replayed.
    pub part: &'static str,
    /// How many of it so far.
    pub done: u64,
}

/// Replays the books of a data directory. It reads one state; the server may run meanwhile.
///
/// # Errors
///
/// [`AdminError`] when the books cannot be read; what is wrong with them is in [`Audit::faults`].
pub async fn audit(data: &Path) -> Result<Audit, AdminError> {
    audit_with(data, &mut |_| {}).await
}

/// Replays the books of a data directory, and says how far it is after each page.
///
/// # Errors
///
/// [`AdminError`] when the books cannot be read; what is wrong with them is in [`Audit::faults`].
pub async fn audit_with(
    data: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Audit, AdminError> {
    let provider = Provider::load(data)?;
    let mut store = Store::open(&Layout::new(data).store_address()?).await?;
    let mut unit = store.begin_reading().await?;
    let here = Here {
        provider: provider.id(),
        was_restored: unit.raised().await?.is_some(),
    };
    let mut auditor = Auditor {
        unit: &mut unit,
        provider: std::sync::Arc::new(provider),
        here,
        now_ms: i64::try_from(now().as_ms()).unwrap_or(i64::MAX),
        told_dead: BTreeSet::new(),
        audit: Audit::default(),
        progress,
    };
    auditor.run().await?;
    let mut audit = auditor.audit;
    audit.balanced = audit.faults.is_empty();

    Ok(audit)
}

/// One audit under way.
struct Auditor<'a, 's> {
    unit: &'a mut Unit<'s>,
    provider: std::sync::Arc<Provider>,
    here: Here,
    now_ms: i64,
    /// The TAs of which we answered that they are dead.
    told_dead: BTreeSet<PublicKey>,
    audit: Audit,
    progress: &'a mut (dyn FnMut(Progress) + Send),
}

impl Auditor<'_, '_> {
    async fn run(&mut self) -> AuditResult<()> {
        let mut tally = Tally::new();
        self.name_accepted_clocks().await?;
        let sums = self.replay_entries(&mut tally).await?;
        self.note_payments(&mut tally).await?;
        self.note_messages(&mut tally).await?;
        self.note_answers(&mut tally).await?;
        self.compare_tas(sums).await?;
        self.name_unfit(tally).await?;
        self.check_certificates().await?;
        self.check_chains().await?;

        self.check_foreign().await
    }

    fn fault(&mut self, fault: String) {
        if self.audit.faults.len() >= FAULTS_MAX {
            self.audit.more_faults = self.audit.more_faults.saturating_add(1);
            return;
        }
        self.audit.faults.push(fault);
    }

    fn clock_fault(&mut self, fault: String) {
        if self.audit.clock_faults.len() >= CLOCK_FAULTS_MAX {
            self.audit.more_clock_faults = self.audit.more_clock_faults.saturating_add(1);
            return;
        }
        self.audit.clock_faults.push(fault);
    }

    async fn name_accepted_clocks(&mut self) -> AuditResult<()> {
        for AcceptedClock { at, newest } in self.unit.accepted_clocks().await? {
            self.clock_fault(format!(
                "at {at} the operator accepted the clock, when the books were last written to at {newest}"
            ));
        }

        Ok(())
    }

    fn report(&mut self, part: &'static str, done: u64) {
        (self.progress)(Progress { part, done });
    }

    fn answer_keys(&self) -> Vec<PublicKey> {
        self.provider.answer_keys()
    }
}

/// Returns a key that stands in a column.
fn key(bytes: &[u8]) -> Option<PublicKey> {
    bytes.try_into().ok().map(PublicKey)
}

/// Returns a counter that stands in a column.
fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}
