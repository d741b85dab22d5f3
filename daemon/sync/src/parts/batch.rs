//! Batches of (P, R): sent together, halved when the server does not take them together.

use std::collections::BTreeMap;

use journal::Fact;
use ops_proto::certificate::Certificate;
use ops_proto::limits::LISTS_HELD_MAX;
use ops_proto::list::List;
use ops_proto::message::{Batch, BatchAnswer, ItemOutcome};
use ops_proto::signed::encode;
use ops_proto::{Digest, PaymentPair, ProviderId, Signed};

use crate::context::Context;
use crate::error::SyncError;

/// Batches that one run may send for one purpose; what is left waits for the next run.
const BATCHES_MAX: usize = 64;

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchPurpose {
    Report,
    Claim,
    HandIn,
}

impl BatchPurpose {
    const fn path(self) -> &'static str {
        match self {
            Self::Report => "/v1/reports",
            Self::Claim | Self::HandIn => "/v1/claims",
        }
    }

    const fn fact(self, payment: Digest, outcome: ItemOutcome) -> Fact {
        match self {
            Self::Report => Fact::Reported { payment, outcome },
            Self::Claim => Fact::Claimed { payment, outcome },
            Self::HandIn => Fact::HandedIn { payment, outcome },
        }
    }
}

/// Carries pairs; those that fail alone are set aside, every other one gets its outcome.
pub(super) async fn carry(
    cx: &mut Context,
    purpose: BatchPurpose,
    pairs: Vec<PaymentPair>,
) -> Result<u64, SyncError> {
    let mut carried = 0_u64;
    let mut left = split_by_providers(cx, pairs);
    for _ in 0..BATCHES_MAX {
        let Some(pairs) = left.pop() else {
            return Ok(carried);
        };
        match send(cx, purpose, &pairs).await {
            Ok(count) => carried = carried.saturating_add(count),
            Err(error) if error.is_of_items() => match pairs.as_slice() {
                [only] => cx.set_pair_aside(only.hash(), &error),
                more => {
                    let (first, second) = more.split_at(more.len() / 2);
                    left.extend([second.to_vec(), first.to_vec()]);
                }
            },
            Err(error) => return Err(error),
        }
    }

    Ok(carried)
}

async fn send(
    cx: &Context,
    purpose: BatchPurpose,
    pairs: &[PaymentPair],
) -> Result<u64, SyncError> {
    if pairs.is_empty() {
        return Ok(0);
    }
    let too_many = |_| SyncError::NotBelieved("the batch is too long");
    let batch = Batch {
        providers: List::try_from(providers(cx, pairs)).map_err(too_many)?,
        pairs: List::try_from(pairs.to_vec()).map_err(too_many)?,
    };
    for pair in pairs {
        let hash = pair.hash();
        match purpose {
            BatchPurpose::Report => {
                tracing::info!(target: "ops", payment = %hash, "C → S: Report(P, R)");
            }
            BatchPurpose::Claim => {
                tracing::info!(target: "ops", payment = %hash, "C → S: Claim(P, R)");
            }
            BatchPurpose::HandIn => {
                tracing::info!(target: "ops", payment = %hash, "C → S: Claim(P, R), for the payee");
            }
        }
    }
    let answer: Signed<BatchAnswer> = cx.server.ask(purpose.path(), encode(&batch)).await?;
    let items = &answer.body().items;
    let fits = items.len() == pairs.len()
        && items
            .iter()
            .zip(pairs)
            .all(|((payment, _), pair)| *payment == pair.hash());
    if !fits {
        return Err(SyncError::NotBelieved("it is for other payments"));
    }
    let mut facts: Vec<Fact> = items
        .iter()
        .filter(|(payment, outcome)| is_news(cx, purpose, payment, *outcome))
        .map(|(payment, outcome)| purpose.fact(*payment, *outcome))
        .collect();
    if !facts.is_empty() {
        facts.push(Fact::Settled(Box::new(answer.clone())));
        cx.record(facts).await?;
    }

    Ok(u64::try_from(pairs.len()).unwrap_or(u64::MAX))
}

/// Whether the journal does not know this yet: what waits is asked for again and again.
fn is_news(cx: &Context, purpose: BatchPurpose, payment: &Digest, outcome: ItemOutcome) -> bool {
    cx.journal().view(|book| {
        let incoming = book.incoming_by_hash(payment);
        let outgoing = book.outgoing_by_hash(payment);
        let known = match purpose {
            BatchPurpose::Claim if !book.is_claimed(payment) => None,
            BatchPurpose::Claim => incoming.map(|payment| payment.claim),
            BatchPurpose::Report if !book.is_reported(payment) => None,
            BatchPurpose::Report => incoming
                .map(|payment| payment.report)
                .or_else(|| outgoing.map(|payment| payment.report)),
            BatchPurpose::HandIn => None,
        };

        known != Some(Some(outcome))
    })
}

/// A batch names few providers; pairs that name more travel in batches of their own.
fn split_by_providers(cx: &Context, pairs: Vec<PaymentPair>) -> Vec<Vec<PaymentPair>> {
    if providers(cx, &pairs).len() <= LISTS_HELD_MAX {
        return vec![pairs];
    }
    let mut batches: BTreeMap<(ProviderId, ProviderId), Vec<PaymentPair>> = BTreeMap::new();
    for pair in pairs {
        let sender = pair.payment.body().sender.body().provider;
        let payee = pair.request.body().payee.body().provider;
        batches.entry((sender, payee)).or_default().push(pair);
    }

    batches.into_values().collect()
}

/// Returns the certificates of the providers that pairs name, each once.
fn providers(cx: &Context, pairs: &[PaymentPair]) -> Vec<Signed<Certificate>> {
    cx.journal().view(|book| {
        let named = pairs.iter().flat_map(|pair| {
            let request = pair.request.body();
            let sender = pair.payment.body().sender.body();
            let payee = request.payee.body();
            [(sender, request.issued), (payee, request.issued)]
        });
        let found: BTreeMap<Digest, Signed<Certificate>> = named
            .filter_map(|(leaf, issued)| book.provider_of_at(leaf, issued))
            .map(|provider| (provider.hash(), provider.clone()))
            .collect();

        found.into_values().collect()
    })
}
