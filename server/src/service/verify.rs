//! Signatures are checked before the transaction, off the event loop, on all processors.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use ops_proto::certificate::Certificate;
use ops_proto::id::KeyId;
use ops_proto::signed::Signed;
use ops_proto::statement::Statement;
use ops_proto::{PaymentPair, pay_verify};

use crate::provider::Provider;
use crate::refusal::{Code, Refusal};

/// Items below which a second thread does not pay.
const CHUNK_MIN: usize = 8;

/// Whether `PayVerify` = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayVerify {
    Passed,
    Failed,
}

/// Runs work that takes the processor on a thread where it may.
pub(super) async fn off_the_loop<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refusal::new(Code::Internal, "the server failed on this message"))
}

/// Checks each item on all processors and returns the results in their order.
pub(super) async fn check_all<I, O>(
    items: Vec<I>,
    check: impl Fn(&I) -> O + Clone + Send + 'static,
) -> Result<Vec<O>, Refusal>
where
    I: Clone + Send + 'static,
    O: Send + 'static,
{
    let processors = available_parallelism().map_or(1, NonZero::get);
    let chunk = items.len().div_ceil(processors).max(CHUNK_MIN);
    let threads: Vec<_> = items
        .chunks(chunk)
        .map(|chunk| {
            let (chunk, check) = (chunk.to_vec(), check.clone());
            tokio::task::spawn_blocking(move || chunk.iter().map(check).collect::<Vec<O>>())
        })
        .collect();
    let mut results = Vec::with_capacity(items.len());
    for thread in threads {
        let part = thread
            .await
            .map_err(|_| Refusal::new(Code::Internal, "the server failed on this message"))?;
        results.extend(part);
    }

    Ok(results)
}

/// Providers whose certificates may stand behind a pair: ours first.
#[derive(Clone, Debug)]
pub(super) struct Issuers {
    provider: Arc<Provider>,
    others: Vec<Signed<Certificate>>,
}

impl Issuers {
    pub(super) fn new(provider: &Arc<Provider>, others: Vec<Signed<Certificate>>) -> Self {
        Self {
            provider: Arc::clone(provider),
            others,
        }
    }

    fn of(&self, issuer: KeyId) -> Option<&Signed<Certificate>> {
        std::iter::once(self.provider.certificate())
            .chain(&self.others)
            .find(|certificate| certificate.body().subject.id() == issuer)
    }

    /// Runs `PayVerify` with the certificates of the providers that issued the pair's.
    pub(super) fn pay_verify(&self, pair: &PaymentPair) -> PayVerify {
        let sender = self.of(pair.payment.body().sender.body().issuer);
        let payee = self.of(pair.request.body().payee.body().issuer);
        let (Some(sender), Some(payee)) = (sender, payee) else {
            return PayVerify::Failed;
        };
        match pay_verify(self.provider.root(), pair, sender, payee) {
            Ok(_) => PayVerify::Passed,
            Err(refused) => {
                tracing::debug!(payment = %pair.hash(), %refused, "PayVerify is not 1");
                PayVerify::Failed
            }
        }
    }
}

/// What was checked of one statement of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatementCheck {
    /// The TA signed it; a payment's `PayVerify` stands beside.
    Signed(PayVerify),
    /// The TA did not sign it.
    NotSigned,
}

/// Checks the TA's signature on a statement, and `PayVerify` of a payment.
pub(super) fn check_statement(issuers: &Issuers, statement: &Statement) -> StatementCheck {
    if statement.verify().is_err() {
        return StatementCheck::NotSigned;
    }
    match statement {
        Statement::Payment(pair) => StatementCheck::Signed(issuers.pay_verify(pair)),
        Statement::DepositOpen(_)
        | Statement::Withdraw(_)
        | Statement::Status(_)
        | Statement::Retire(_) => StatementCheck::Signed(PayVerify::Passed),
    }
}
