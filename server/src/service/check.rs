//! Checks stored statements as they were checked when they came, for an audit.

use std::collections::BTreeMap;
use std::sync::Arc;

use ops_proto::Digest;
use ops_proto::certificate::Certificate;
use ops_proto::signed::Signed;
use ops_proto::statement::Statement;

use super::verify::{Issuers, PayVerify, StatementCheck, check_all, check_statement};
use crate::provider::Provider;
use crate::store::{StoreError, Unit};

/// What was found of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The TA did not sign it.
    NotSigned,
    /// The TA signed it, and `PayVerify` is not 1.
    NotVerified,
    /// All is as it should be.
    Passed,
}

/// Checks statements on all processors.
#[derive(Clone, Debug)]
pub(crate) struct Checker {
    issuers: Issuers,
}

impl Checker {
    /// Makes one that knows every provider whose certificate is stored.
    pub(crate) async fn new(
        provider: Arc<Provider>,
        unit: &mut Unit<'_>,
    ) -> Result<Self, StoreError> {
        let mut others: BTreeMap<Digest, Signed<Certificate>> = BTreeMap::new();
        for certificate in unit.foreign_certificates().await? {
            others.insert(certificate.hash(), certificate);
        }

        Ok(Self {
            issuers: Issuers::new(&provider, others.into_values().collect()),
        })
    }

    /// Checks the TA's signature on each statement, and `PayVerify` of each payment.
    pub(crate) async fn check<R: Clone + Send + 'static>(
        &self,
        statements: Vec<(R, Statement)>,
    ) -> Vec<(R, Statement, Checked)> {
        let issuers = self.issuers.clone();
        let only: Vec<Statement> = statements.iter().map(|(_, one)| one.clone()).collect();
        let checked = check_all(only, move |statement| {
            match check_statement(&issuers, statement) {
                StatementCheck::NotSigned => Checked::NotSigned,
                StatementCheck::Signed(PayVerify::Failed) => Checked::NotVerified,
                StatementCheck::Signed(PayVerify::Passed) => Checked::Passed,
            }
        })
        .await;
        // A thread that failed has checked nothing.
        let checked = checked.unwrap_or_else(|_| vec![Checked::NotSigned; statements.len()]);

        statements
            .into_iter()
            .zip(checked)
            .map(|((row, statement), checked)| (row, statement, checked))
            .collect()
    }
}
