//! Claims and reports: each item has its own outcome.

use std::sync::Arc;

use ops_proto::PaymentPair;
use ops_proto::certificate::Certificate;
use ops_proto::list::List;
use ops_proto::message::{self, BatchAnswer};
use ops_proto::signed::{Signed, decode_canonical};

use super::verify::{Issuers, PayVerify, check_all, off_the_loop};
use super::{Desk, Stop, forward, malformed, payment, refuse};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::AnswerKind;

/// Pairs, each with the result of `PayVerify`.
#[derive(Debug)]
pub(crate) struct Batch {
    providers: Vec<Signed<Certificate>>,
    items: Vec<(PaymentPair, PayVerify)>,
}

pub(super) async fn prepare(body: Vec<u8>, provider: &Arc<Provider>) -> Result<Batch, Refusal> {
    let batch: message::Batch = off_the_loop(move || decode_canonical(&body))
        .await?
        .map_err(malformed)?;
    let pairs = batch.pairs.into_vec();
    let providers = batch.providers.into_vec();
    let issuers = Issuers::new(provider, providers.clone());
    let verified = check_all(pairs.clone(), move |pair| issuers.pay_verify(pair)).await?;

    Ok(Batch {
        providers,
        items: pairs.into_iter().zip(verified).collect(),
    })
}

impl Batch {
    pub(super) async fn apply(&self, at: &mut Desk<'_, '_>) -> Result<Vec<u8>, Stop> {
        forward::note_providers(at, &self.providers).await?;
        let mut items = Vec::with_capacity(self.items.len());
        for (pair, verified) in &self.items {
            let outcome = payment::book(at, pair, *verified).await?;
            items.push((pair.hash(), outcome));
        }
        let items = List::try_from(items).map_err(|error| refuse(Code::Malformed, error))?;
        let stamp = at.unit.next_stamp().await?;
        let answer = at.provider.sign(BatchAnswer { items, stamp });
        at.unit
            .put_answer(AnswerKind::Batch, stamp, &answer)
            .await?;

        Ok(answer.to_wire())
    }
}
