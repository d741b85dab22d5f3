//! Claims and reports: each item has its own outcome.

use std::fmt;
use std::sync::Arc;

use ops_proto::certificate::Certificate;
use ops_proto::limits::{BATCH_PAIRS_MAX, LISTS_HELD_MAX};
use ops_proto::list::List;
use ops_proto::message::BatchAnswer;
use ops_proto::signed::{Malformed, Signed, decode_canonical, encode};
use ops_proto::statement::Statement;
use ops_proto::{Digest, PaymentPair};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bulk::PlainBooked;
use super::verify::{Issuers, PayVerify, check_all, off_the_loop};
use super::{Desk, Stop, forward, malformed, payment, refuse};
use crate::provider::Provider;
use crate::refusal::{Code, Refusal};
use crate::store::AnswerKind;

/// Pairs, each with the result of `PayVerify`.
#[derive(Debug)]
pub(crate) struct Batch {
    providers: Vec<Signed<Certificate>>,
    items: Vec<Item>,
}

/// A pair with all that can be known of it before the transaction.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) pair: PaymentPair,
    pub(super) hash: Digest,
    /// The pair as statements are stored.
    pub(super) statement: Vec<u8>,
    pub(super) verified: PayVerify,
}

/// The largest body that is checked where it arrived, in bytes: a pair or two are done sooner than they are
/// handed to another thread.
const HERE_MAX: usize = 2048;

pub(super) async fn prepare(body: Vec<u8>, provider: &Arc<Provider>) -> Result<Batch, Refusal> {
    if body.len() <= HERE_MAX {
        return prepare_here(&body, provider).map_err(malformed);
    }
    let batch: Wire = off_the_loop(move || decode_canonical(&body))
        .await?
        .map_err(malformed)?;
    let providers = batch.providers.into_vec();
    let issuers = Issuers::new(provider, providers.clone());
    let items = check_all(batch.pairs.into_vec(), move |pair| pair.item(&issuers)).await?;
    let items: Result<Vec<Item>, Malformed> = items.into_iter().collect();

    Ok(Batch {
        providers,
        items: items.map_err(malformed)?,
    })
}

fn prepare_here(body: &[u8], provider: &Arc<Provider>) -> Result<Batch, Malformed> {
    let batch: Wire = decode_canonical(body)?;
    let providers = batch.providers.into_vec();
    let issuers = Issuers::new(provider, providers.clone());
    let pairs = batch.pairs.into_vec();
    let items: Result<Vec<Item>, Malformed> =
        pairs.iter().map(|pair| pair.item(&issuers)).collect();

    Ok(Batch {
        providers,
        items: items?,
    })
}

impl Batch {
    pub(super) fn providers(&self) -> &[Signed<Certificate>] {
        &self.providers
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Books what was not booked together with other messages.
    pub(super) async fn apply(
        &self,
        at: &mut Desk<'_, '_>,
        booked: &mut PlainBooked,
    ) -> Result<Vec<u8>, Stop> {
        forward::note_providers(at, &self.providers).await?;
        let mut items = Vec::with_capacity(self.items.len());
        let mut is_noted = false;
        for item in &self.items {
            let outcome = match booked.outcome(&item.hash) {
                Some(outcome) => outcome,
                None => {
                    let booked = payment::book(at, &item.pair, item.verified).await?;
                    is_noted |= booked.is_noted();
                    booked.outcome()
                }
            };
            items.push((item.hash, outcome));
        }
        is_noted |= booked.answer_first(&items);
        let items = List::try_from(items).map_err(|error| refuse(Code::Malformed, error))?;
        let stamp = at.unit.next_stamp().await?;
        let answer = at
            .provider
            .sign_among(&self.providers, BatchAnswer { items, stamp });
        // What tells nothing new costs no disk: anybody may ask.
        if is_noted {
            at.unit
                .put_answer(AnswerKind::Batch, stamp, &answer)
                .await?;
        }

        Ok(answer.to_wire())
    }
}

/// A batch whose pairs are not decoded yet: that is done on all processors, as signatures are checked.
/// Its encoding is that of [`ops_proto::message::Batch`].
#[derive(Serialize, Deserialize)]
struct Wire {
    providers: List<Signed<Certificate>, LISTS_HELD_MAX>,
    pairs: List<WirePair, BATCH_PAIRS_MAX>,
}

#[derive(Clone, Serialize, Deserialize)]
struct WirePair {
    payment: WireBytes,
    request: WireBytes,
}

impl WirePair {
    fn item(&self, issuers: &Issuers) -> Result<Item, Malformed> {
        let pair = PaymentPair {
            payment: Signed::decode(&self.payment.0)?,
            request: Signed::decode(&self.request.0)?,
        };

        Ok(Item {
            hash: pair.hash(),
            verified: issuers.pay_verify(&pair),
            statement: encode(&Statement::Payment(pair.clone())),
            pair,
        })
    }
}

/// The bytes of a message, cheap to clone.
#[derive(Clone)]
struct WireBytes(Arc<[u8]>);

impl Serialize for WireBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for WireBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(WireBytesVisitor)
    }
}

struct WireBytesVisitor;

impl Visitor<'_> for WireBytesVisitor {
    type Value = WireBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a signed message")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<WireBytes, E> {
        Ok(WireBytes(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use ops_proto::message;

    use super::*;

    #[test]
    fn a_batch_has_one_encoding_whether_its_pairs_are_decoded_or_not() {
        let batch = message::Batch {
            providers: List::empty(),
            pairs: List::empty(),
        };
        let wire: Wire = decode_canonical(&encode(&batch)).unwrap();

        assert_eq!(encode(&wire), encode(&batch));
    }
}
