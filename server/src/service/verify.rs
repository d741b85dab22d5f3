//! Signatures are checked before the transaction, off the event loop, on all processors.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use ops_proto::certificate::Certificate;
use ops_proto::id::KeyId;
use ops_proto::pay_verify::pay_verify_with;
use ops_proto::signed::Signed;
use ops_proto::statement::Statement;
use ops_proto::{PaymentPair, Time};

use super::seen::Seen;
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
    host::task::blocking(work)
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
            host::task::blocking(move || chunk.iter().map(check).collect::<Vec<O>>())
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

    fn of(&self, issuer: KeyId, at: Time) -> Option<&Signed<Certificate>> {
        let known = self.provider.certificates().iter().chain(&self.others);

        choose(known, issuer, at)
    }

    /// Runs `PayVerify` with the certificates of the providers that issued the pair's.
    pub(super) fn pay_verify(&self, pair: &PaymentPair) -> PayVerify {
        let issued = pair.request.body().issued;
        let sender = self.of(pair.payment.body().sender.body().issuer, issued);
        let payee = self.of(pair.request.body().payee.body().issuer, issued);
        let (Some(sender), Some(payee)) = (sender, payee) else {
            return PayVerify::Failed;
        };
        match pay_verify_with(&Seen, self.provider.root(), pair, sender, payee) {
            Ok(_) => PayVerify::Passed,
            Err(refused) => {
                tracing::debug!(payment = %pair.hash(), %refused, "PayVerify is not 1");
                PayVerify::Failed
            }
        }
    }
}

/// Returns the certificate of an issuer that was valid then: one that renews may keep its key.
fn choose<'a>(
    known: impl Iterator<Item = &'a Signed<Certificate>> + Clone,
    issuer: KeyId,
    at: Time,
) -> Option<&'a Signed<Certificate>> {
    let mut of_issuer = known.filter(|certificate| certificate.body().subject.id() == issuer);
    let first = of_issuer.clone().next();

    of_issuer
        .find(|certificate| certificate.body().is_valid_at(at))
        .or(first)
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

#[cfg(test)]
mod tests {
    use ops_proto::certificate::Role;
    use ops_proto::{ProviderId, SecretKey};

    use super::*;

    fn certificate(number: u64, not_before: u64, not_after: u64) -> Signed<Certificate> {
        let key = SecretKey::from_seed(&[1; 32]);
        let body = Certificate {
            number,
            provider: ProviderId([2; 16]),
            subject: key.public_key(),
            name: "Provider".parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            issuer: key.public_key().id(),
            not_before: Time::from_ms(not_before),
            not_after: Time::from_ms(not_after),
            role: Role::Client,
        };

        Signed::sign(body, &key)
    }

    #[test]
    fn of_two_certificates_with_one_key_the_one_that_was_valid_is_chosen() {
        let (new, old) = (certificate(2, 1000, 3000), certificate(1, 0, 2000));
        let known = [new, old];
        let issuer = SecretKey::from_seed(&[1; 32]).public_key().id();
        let number =
            |at| choose(known.iter(), issuer, Time::from_ms(at)).map(|chosen| chosen.body().number);

        assert_eq!(number(500), Some(1));
        assert_eq!(number(1500), Some(2));
        assert_eq!(number(2500), Some(2));
        assert_eq!(number(9000), Some(2));
    }
}
