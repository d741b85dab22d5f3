//! Evidence: what convicts a TA, for whoever wants to see it, with or without a server.

use ops_proto::certificate::Certificate;
use ops_proto::evidence::{Conviction, EvidenceFile};
use ops_proto::signed::{Signed, decode_canonical};
use ops_proto::statement::{Contradiction, Evidence, Statement};
use serde::Serialize;

use super::{AdminError, FindingView, Office};
use crate::provider::{FileError, Layout};
use crate::store::{StoreError, Unit};

/// Findings read at a time.
const PAGE: u16 = 100;

/// One statement, in words. Amounts are minor units.
#[derive(Clone, Debug, Serialize)]
pub struct StatementView {
    /// DepositOpen, Withdraw, Payment, Status or Retire.
    pub kind: &'static str,
    /// The TA's key.
    pub ta: String,
    /// Its number.
    pub n: u64,
    /// Deposits and withdrawals up to and with it.
    pub i: u64,
    /// Payments up to and with it.
    pub j: u64,
    /// The hash of the statement before.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
    /// What it moves, or what the TA holds.
    pub amount: u64,
    /// Whom a payment pays.
    pub receiver: Option<String>,
    /// Which request a payment pays.
    pub request: Option<u64>,
}

/// Whom evidence convicts, and of what.
#[derive(Clone, Debug, Serialize)]
pub struct ConvictionView {
    /// Whether it convicts: true.
    pub convicts: bool,
    /// The TA's key.
    pub ta: String,
    /// The name in its certificate.
    pub name: String,
    /// The provider that certified it.
    pub provider: String,
    /// The provider's name.
    pub provider_name: String,
    /// The contradiction in one sentence.
    pub contradiction: &'static str,
    /// One statement.
    pub first: StatementView,
    /// The other.
    pub second: StatementView,
}

impl Office {
    /// Returns every finding, oldest first.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] when the books cannot be read.
    pub async fn findings(&mut self) -> Result<Vec<FindingView>, EvidenceError> {
        let mut findings = Vec::new();
        let mut after = 0;
        loop {
            let page = self.finding_page(after, PAGE).await?;
            findings.extend(page.findings);
            match page.next {
                Some(next) => after = next,
                None => return Ok(findings),
            }
        }
    }

    /// Returns the file that proves a finding to anybody.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] when there is no such finding, or it is no contradiction between statements.
    pub async fn evidence(&mut self, id: i64) -> Result<EvidenceFile, EvidenceError> {
        let before = id.saturating_sub(1);
        let page = self.finding_page(before, 1).await?;
        let finding = page
            .findings
            .into_iter()
            .find(|finding| finding.id == id)
            .ok_or(EvidenceError::Unknown(id))?;
        let bytes = finding.evidence.ok_or(EvidenceError::NoStatements(id))?;
        let bytes = hex::decode(bytes).map_err(|_| EvidenceError::Damaged(id))?;
        let evidence: Evidence =
            decode_canonical(&bytes).map_err(|_| EvidenceError::Damaged(id))?;
        let layout = self.layout.clone();
        let mut unit = self.store.begin_reading().await?;
        let (provider, certificate) = certificates(&mut unit, &layout, &evidence)
            .await?
            .ok_or(EvidenceError::NoCertificate(id))?;

        Ok(EvidenceFile::new(&provider, &certificate, &evidence))
    }
}

/// Returns the certificates that say whose TA it is: from the register, or from a payment of it.
async fn certificates(
    unit: &mut Unit<'_>,
    layout: &Layout,
    evidence: &Evidence,
) -> Result<Option<(Signed<Certificate>, Signed<Certificate>)>, EvidenceError> {
    let certificate = match unit.ta(&evidence.first.ta()).await? {
        Some(ta) => Some(ta.certificate),
        None => [&evidence.first, &evidence.second]
            .into_iter()
            .find_map(sender_certificate),
    };
    let Some(certificate) = certificate else {
        return Ok(None);
    };
    let issuer = certificate.body().issuer;
    let begun = certificate.body().not_before;
    let mut known = layout.provider_certificates()?;
    known.extend(unit.issuer_certificates(&issuer).await?);
    let mut of_issuer: Vec<Signed<Certificate>> = known
        .into_iter()
        .filter(|known| known.body().subject.id() == issuer)
        .collect();
    of_issuer.sort_by_key(|known| !known.body().is_valid_at(begun));

    Ok(of_issuer
        .into_iter()
        .next()
        .map(|provider| (provider, certificate)))
}

fn sender_certificate(statement: &Statement) -> Option<Signed<Certificate>> {
    match statement {
        Statement::Payment(pair) => Some(pair.payment.body().sender.clone()),
        Statement::DepositOpen(_)
        | Statement::Withdraw(_)
        | Statement::Status(_)
        | Statement::Retire(_) => None,
    }
}

/// Says in words whom evidence convicts of what.
#[must_use]
pub fn conviction_view(conviction: &Conviction) -> ConvictionView {
    ConvictionView {
        convicts: true,
        ta: conviction.certificate.subject.to_string(),
        name: conviction.certificate.name.to_string(),
        provider: conviction.provider.provider.to_string(),
        provider_name: conviction.provider.name.to_string(),
        contradiction: sentence(conviction.contradiction),
        first: statement_view(&conviction.evidence.first),
        second: statement_view(&conviction.evidence.second),
    }
}

const fn sentence(contradiction: Contradiction) -> &'static str {
    match contradiction {
        Contradiction::SameNumber => "it signed two different statements with the same number n",
        Contradiction::SamePayment => "it signed two different payments with the same counter j",
        Contradiction::SameDeposit => {
            "it signed two different deposits or withdrawals with the same counter i"
        }
        Contradiction::OtherPast => {
            "the later statement does not carry the hash of the one right before it"
        }
        Contradiction::CounterFell => "a counter is smaller in the later statement",
    }
}

fn statement_view(statement: &Statement) -> StatementView {
    let position = statement.position();
    let (kind, amount) = match statement {
        Statement::DepositOpen(signed) => ("DepositOpen", signed.body().amount.minor_units()),
        Statement::Withdraw(signed) => ("Withdraw", signed.body().amount.minor_units()),
        Statement::Payment(pair) => ("Payment", pair.payment.body().amount.minor_units()),
        Statement::Status(signed) => ("Status", signed.body().balance.minor_units()),
        Statement::Retire(signed) => ("Retire", signed.body().last.balance.minor_units()),
    };
    let payment = match statement {
        Statement::Payment(pair) => Some(pair.payment.body()),
        Statement::DepositOpen(_)
        | Statement::Withdraw(_)
        | Statement::Status(_)
        | Statement::Retire(_) => None,
    };

    StatementView {
        kind,
        ta: statement.ta().to_string(),
        n: position.n,
        i: position.i,
        j: position.j,
        previous: position.previous.to_string(),
        hash: statement.hash().to_string(),
        amount,
        receiver: payment.map(|payment| payment.receiver.key.to_string()),
        request: payment.map(|payment| payment.request_id.0),
    }
}

/// Evidence cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// A file of the data directory cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The books cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The books cannot be opened.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// No finding has this number.
    #[error("there is no finding {0}: see `blepay-server evidence list`")]
    Unknown(i64),
    /// The finding is a comparison with the books.
    #[error(
        "finding {0} is a comparison with the books, not two statements that contradict each other: it convinces only who trusts the books"
    )]
    NoStatements(i64),
    /// The finding does not decode.
    #[error("finding {0} is damaged: run `blepay-server audit`")]
    Damaged(i64),
    /// Nobody knows whose TA it is.
    #[error("no certificate of the TA of finding {0} is known here")]
    NoCertificate(i64),
}
