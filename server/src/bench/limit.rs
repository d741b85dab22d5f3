//! The limit: how many claims a second there were if only signatures had to be verified.

use std::num::NonZero;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use ops_proto::PaymentPair;
use ops_proto::certificate::Certificate;
use ops_proto::signed::Signed;

use super::payers::Round;
use super::report::rate;

/// Returns how many processors take part.
pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Verifies P and R of each claim, and each certificate that the server has not seen, on all processors.
pub(super) fn per_second(round: &Round) -> anyhow::Result<f64> {
    let pairs: Vec<PaymentPair> = round.batches.iter().flatten().cloned().collect();
    let issuer = round.provider.body().subject;
    let share = pairs.len().div_ceil(processors()).max(1);
    let certificates = round.certificates.len().div_ceil(processors()).max(1);
    let begun = Instant::now();
    let is_good = thread::scope(|scope| {
        let of_pairs: Vec<_> = pairs
            .chunks(share)
            .map(|share| scope.spawn(|| share.iter().all(is_signed)))
            .collect();
        let of_certificates: Vec<_> = round
            .certificates
            .chunks(certificates)
            .map(|share| {
                let is_signed = |leaf: &Signed<Certificate>| leaf.verify(&issuer).is_ok();
                scope.spawn(move || share.iter().all(is_signed))
            })
            .collect();
        of_pairs
            .into_iter()
            .chain(of_certificates)
            .all(|part| part.join().unwrap_or(false))
    });
    let taken = begun.elapsed();
    ensure!(is_good, "a payment of the benchmark does not verify");

    rate(pairs.len(), taken).context("the limit was measured in no time")
}

fn is_signed(pair: &PaymentPair) -> bool {
    let payee = pair.request.body().payee.body().subject;

    pair.request.verify(&payee).is_ok() && pair.payment.verify(&pair.sender_key()).is_ok()
}
