//! Every statement, TA by TA: its signature, its place on the chain, and what the chain leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ops_proto::certificate::Kind;
use ops_proto::message::Status;
use ops_proto::signed::decode_canonical;
use ops_proto::statement::{ChainEnd, Statement};
use ops_proto::{PaymentPair, PublicKey};

use super::{AuditResult, Auditor, Overspent, key, number};
use crate::service::{Checked, Checker};
use crate::store::TaRow;
use crate::store::audit::{Pages, PaymentOfStatement, StatementAsItStands};

/// Histories of one TA that are followed beside each other; an honest TA has one.
const BRANCHES_MAX: usize = 8;

/// A TA's chain as far as it was walked.
struct Walk {
    ta: PublicKey,
    row: Option<TaRow>,
    /// Whether the end that the books know was passed.
    is_known_end_reached: bool,
    /// Where histories stood before the number at which statements are looked at.
    before: Vec<Branch>,
    /// Where they stand after it.
    after: Vec<Branch>,
}

/// One history of a TA.
#[derive(Clone)]
struct Branch {
    end: ChainEnd,
    granted: i128,
    collected: i128,
    /// The ids that the last status listed: the next one lists them again unless a token came between.
    listed: BTreeSet<u64>,
    paid: i128,
    withdrawn: i128,
}

impl Walk {
    fn begin(ta: PublicKey, row: Option<TaRow>) -> Self {
        let corrected = row.as_ref().map_or(0, |row| i128::from(row.corrected));
        let start = Branch {
            end: ChainEnd::START,
            // What was put right after a restore counts as granted.
            granted: corrected,
            collected: 0,
            listed: BTreeSet::new(),
            paid: 0,
            withdrawn: 0,
        };

        Self {
            ta,
            is_known_end_reached: row.as_ref().is_none_or(|row| row.chain == ChainEnd::START),
            row,
            before: Vec::new(),
            after: vec![start],
        }
    }

    /// Returns the histories that a statement goes on.
    fn branches(&mut self, statement: &Statement) -> Vec<Branch> {
        let n = statement.position().n;
        if self.after.iter().any(|branch| branch.end.n < n) {
            self.before = std::mem::take(&mut self.after);
        }
        let before = self.before.iter();
        let follow = before.filter_map(|branch| {
            let end = branch.end.follow(statement).ok()?;

            Some(Branch {
                end,
                ..branch.clone()
            })
        });

        follow.take(1).collect()
    }

    /// Returns the last number that is there without a gap.
    fn last(&self) -> u64 {
        let all = self.before.iter().chain(&self.after);

        all.map(|branch| branch.end.n).max().unwrap_or(0)
    }
}

impl Branch {
    const fn leaves(&self) -> i128 {
        self.granted
            .saturating_add(self.collected)
            .saturating_sub(self.paid)
            .saturating_sub(self.withdrawn)
    }
}

impl Auditor<'_, '_> {
    /// Walks the chain of every TA.
    pub(super) async fn check_chains(&mut self) -> AuditResult<()> {
        let mut tas: BTreeMap<PublicKey, TaRow> = BTreeMap::new();
        for ta in self.unit.tas().await? {
            tas.insert(ta.key, ta);
        }
        let checker = Checker::new(Arc::clone(&self.provider), self.unit).await?;
        let mut walk: Option<Walk> = None;
        let mut payments = 0_i64;
        let mut pages = Pages::<StatementAsItStands>::new();
        while let Some(page) = pages.next(self.unit).await? {
            let stored = self.payments_of(&page).await?;
            let statements = self.decode(&page);
            let verified = checker.check(statements).await;
            for (row, statement, checked) in verified {
                self.audit.statements = self.audit.statements.saturating_add(1);
                if checked == Checked::NotSigned {
                    self.fault(format!("statement {}: it is not signed by its TA", row.id));
                }
                let ta = statement.ta();
                if walk.as_ref().is_none_or(|walk| walk.ta != ta) {
                    self.end(walk.take());
                    walk = Some(Walk::begin(ta, tas.remove(&ta)));
                }
                if let (Statement::Payment(pair), Some(stored)) =
                    (&statement, stored.get(&row.hash))
                {
                    payments = payments.saturating_add(1);
                    self.check_payment(&row, pair, stored, checked);
                }
                if let Some(walk) = &mut walk {
                    self.step(walk, &statement).await?;
                }
            }
            let done = self.audit.statements;
            self.report("statements", done);
        }
        self.end(walk);
        for (key, row) in tas {
            self.end(Some(Walk::begin(key, Some(row))));
        }
        let stored = self.unit.payment_count().await?;
        if stored != payments {
            self.fault(format!(
                "there are {stored} payments, and statements for {payments}"
            ));
        }

        Ok(())
    }

    /// Decodes statements, and demands that the columns say what was signed.
    fn decode(&mut self, page: &[StatementAsItStands]) -> Vec<(StatementAsItStands, Statement)> {
        let mut statements = Vec::with_capacity(page.len());
        for row in page {
            let Ok(statement) = decode_canonical::<Statement>(&row.bytes) else {
                self.fault(format!("statement {}: it does not decode", row.id));
                continue;
            };
            let position = statement.position();
            let fits = key(&row.ta) == Some(statement.ta())
                && number(&row.n) == Some(position.n)
                && number(&row.i) == Some(position.i)
                && number(&row.j) == Some(position.j)
                && row.hash.as_slice() == statement.hash().0.as_slice()
                && row.kind == kind(&statement);
            if !fits {
                self.fault(format!(
                    "statement {}: its columns are not what was signed",
                    row.id
                ));
            }
            statements.push((row.clone(), statement));
        }

        statements
    }

    /// Returns the rows of the payments among statements, by hash.
    async fn payments_of(
        &mut self,
        page: &[StatementAsItStands],
    ) -> AuditResult<BTreeMap<Vec<u8>, PaymentOfStatement>> {
        let wanted = page.iter().filter(|row| row.kind == 2);
        let wanted = wanted.map(|row| [row.ta.as_slice(), row.j.as_slice(), row.hash.as_slice()]);
        let found: Vec<PaymentOfStatement> = self.unit.found(wanted).await?;

        Ok(found
            .into_iter()
            .map(|payment| (payment.hash.clone(), payment))
            .collect())
    }

    /// Compares a payment's row with what was signed.
    fn check_payment(
        &mut self,
        row: &StatementAsItStands,
        pair: &PaymentPair,
        stored: &PaymentOfStatement,
        checked: Checked,
    ) {
        let payment = pair.payment.body();
        let kind = match payment.receiver.kind {
            Kind::Provider => 0,
            Kind::Client => 1,
            Kind::Ta => 2,
        };
        let is_signed = u64::try_from(stored.amount) == Ok(payment.amount.minor_units())
            && stored.provider == payment.sender.body().provider.0
            && stored.receiver_kind == kind
            && stored.receiver == payment.receiver.key.0
            && stored.request_id == payment.request_id.0.to_be_bytes()
            && stored.elsewhere == (payment.receiver.provider != self.here.provider)
            && number(&stored.n) == Some(payment.position.n);
        if checked == Checked::NotVerified {
            self.fault(format!(
                "statement {}: it is booked, and PayVerify is not 1",
                row.id
            ));
        }
        if !is_signed {
            let fault = format!(
                "statement {}: its payment's row is not what was signed",
                row.id
            );
            self.fault(fault);
        }
    }

    /// Goes one statement on, if it follows.
    async fn step(&mut self, walk: &mut Walk, statement: &Statement) -> AuditResult<()> {
        let branches = walk.branches(statement);
        if branches.is_empty()
            && let Some(branch) = self.taken_up(statement).await?
        {
            walk.is_known_end_reached |=
                walk.row.as_ref().is_some_and(|row| row.chain == branch.end);
            if walk.after.len() < BRANCHES_MAX {
                walk.after.push(branch);
            }
        }
        for mut branch in branches {
            if walk.row.as_ref().is_some_and(|row| row.chain == branch.end) {
                walk.is_known_end_reached = true;
            }
            if walk.row.is_some() {
                self.weigh(walk.ta, &mut branch, statement).await?;
            }
            if walk.after.len() < BRANCHES_MAX {
                walk.after.push(branch);
            }
        }

        Ok(())
    }

    /// Returns a history that goes on where an earlier life of the server had accepted it, although a
    /// restore lost what lies before: the signature of that life stands for it.
    async fn taken_up(&mut self, statement: &Statement) -> AuditResult<Option<Branch>> {
        let status = match statement {
            Statement::Status(status) => {
                let token = self.unit.token(&statement.hash()).await?;
                let raised = self.unit.raised().await?;
                let is_earlier = token
                    .zip(raised)
                    .is_some_and(|(token, raised)| token.body().time < raised);
                if !is_earlier {
                    return Ok(None);
                }
                status.body()
            }
            Statement::Retire(retire) => {
                let retired = self.unit.retirement(&statement.ta()).await?;
                if retired.is_none_or(|row| row.hash != statement.hash()) {
                    return Ok(None);
                }
                &retire.body().last
            }
            Statement::DepositOpen(_) | Statement::Withdraw(_) | Statement::Payment(_) => {
                return Ok(None);
            }
        };
        let position = status.position;

        Ok(Some(Branch {
            end: ChainEnd {
                n: position.n,
                i: position.i,
                j: position.j,
                hash: statement.hash(),
            },
            granted: i128::from(status.balance.minor_units()),
            collected: 0,
            listed: status.collected.iter().map(|(id, _)| id.0).collect(),
            paid: 0,
            withdrawn: 0,
        }))
    }

    /// Does what a statement does to what the TA has.
    async fn weigh(
        &mut self,
        ta: PublicKey,
        branch: &mut Branch,
        statement: &Statement,
    ) -> AuditResult<()> {
        match statement {
            Statement::DepositOpen(open) => {
                let i = open.body().position.i;
                let granted = self.unit.granted(&ta, i).await?;
                let Some((_, amount)) =
                    granted.filter(|(hash, _)| hash.as_slice() == open.hash().0.as_slice())
                else {
                    return Ok(());
                };
                branch.granted = branch.granted.saturating_add(i128::from(amount));
                if u64::try_from(amount).ok() != Some(open.body().amount.minor_units()) {
                    self.fault(format!(
                        "deposit {i} of TA {ta}: its amount is not what was signed"
                    ));
                }
            }
            Statement::Withdraw(withdraw) => {
                let amount = i128::from(withdraw.body().amount.minor_units());
                branch.withdrawn = branch.withdrawn.saturating_add(amount);
            }
            Statement::Payment(pair) => {
                let amount = i128::from(pair.payment.body().amount.minor_units());
                branch.paid = branch.paid.saturating_add(amount);
            }
            Statement::Status(status) => self.compare_status(branch, status.body()).await?,
            Statement::Retire(retire) => {
                self.compare_status(branch, &retire.body().last).await?;
            }
        }

        Ok(())
    }

    /// Compares what a status states with what the chain leaves.
    async fn compare_status(&mut self, branch: &mut Branch, status: &Status) -> AuditResult<()> {
        let mut listed = BTreeSet::new();
        for (id, hash) in status.collected.iter() {
            listed.insert(id.0);
            if branch.listed.contains(&id.0) {
                continue;
            }
            if let Some(payment) = self.unit.payment(hash).await? {
                let amount = i128::from(payment.amount.minor_units());
                branch.collected = branch.collected.saturating_add(amount);
            }
        }
        branch.listed = listed;
        let stated = i128::from(status.balance.minor_units());
        let leaves = branch.leaves();
        if stated > leaves {
            self.audit.overspent.push(Overspent {
                ta: status.ta.to_string(),
                n: status.position.n,
                granted: branch.granted,
                collected: branch.collected,
                paid: branch.paid,
                withdrawn: branch.withdrawn,
                leaves,
                stated,
            });
        }

        Ok(())
    }

    fn end(&mut self, walk: Option<Walk>) {
        let Some(walk) = walk else { return };
        if let (false, Some(row)) = (walk.is_known_end_reached, &walk.row) {
            self.fault(format!(
                "TA {}: its chain is known up to statement {}, and is there without a gap only up to {}",
                walk.ta,
                row.chain.n,
                walk.last()
            ));
        }
    }
}

const fn kind(statement: &Statement) -> i64 {
    match statement {
        Statement::DepositOpen(_) => 0,
        Statement::Withdraw(_) => 1,
        Statement::Payment(_) => 2,
        Statement::Status(_) => 3,
        Statement::Retire(_) => 4,
    }
}
