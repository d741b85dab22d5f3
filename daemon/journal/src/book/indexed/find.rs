//! Payments, found by what names them.

use std::sync::Arc;

use ble_proto::gatt::RequestTag;
use ops_proto::message::{BatchAnswer, RequestPayment};
use ops_proto::{Digest, PublicKey, RequestId, Signed, Time};

use super::{KEY_FIRST, KEY_LAST};
use crate::book::Book;
use crate::book::index::{IndexPlace, PaymentRef};
use crate::book::payment::{Incoming, Outgoing, PaymentKey};

/// A payment, either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EitherPayment {
    Sent(Arc<Outgoing>),
    Received(Digest, Arc<Incoming>),
}

impl EitherPayment {
    /// Returns when it was approved, or came.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Sent(payment) => payment.at,
            Self::Received(_, payment) => payment.at,
        }
    }
}

impl Book {
    /// Returns payments, newest first: at most `limit` of those that come after `after`, which is the last one of the
    /// page before.
    #[must_use]
    pub fn payments_page(
        &self,
        after: Option<(Time, PaymentRef)>,
        limit: usize,
    ) -> Vec<(PaymentRef, EitherPayment)> {
        let last = IndexPlace::Payment(Time::from_ms(u64::MAX), PaymentRef::LAST);
        let end = after.map_or(last, |(at, payment)| IndexPlace::Payment(at, payment));
        let range = IndexPlace::Payment(Time::from_ms(0), PaymentRef::FIRST)..=end;
        let limit_with_last = limit.saturating_add(usize::from(after.is_some()));
        let places = self.index.last(range, limit_with_last);

        places
            .into_iter()
            .filter_map(IndexPlace::payment)
            .filter(|payment| after.is_none_or(|(_, last)| last != *payment))
            .filter_map(|payment| Some((payment, self.payment(payment)?)))
            .collect()
    }

    /// Returns the payments that came since an instant, newest first, of at most `limit` either way.
    pub fn received_since(&self, since: Time, limit: usize) -> impl Iterator<Item = Arc<Incoming>> {
        let first = IndexPlace::Payment(since, PaymentRef::FIRST);
        let last = IndexPlace::Payment(Time::from_ms(u64::MAX), PaymentRef::LAST);
        let places = self.index.last(first..=last, limit);

        places
            .into_iter()
            .filter_map(|place| match place.payment()? {
                PaymentRef::Received(hash) => self.index.received(&hash),
                PaymentRef::Sent(_) => None,
            })
    }

    /// Returns one payment.
    #[must_use]
    pub fn payment(&self, payment: PaymentRef) -> Option<EitherPayment> {
        match payment {
            PaymentRef::Sent(key) => self.index.sent(&key).map(EitherPayment::Sent),
            PaymentRef::Received(hash) => {
                let payment = self.index.received(&hash)?;

                Some(EitherPayment::Received(hash, payment))
            }
        }
    }

    /// Returns every payment by this device. What this reads grows with the years.
    pub fn outgoing(&self) -> impl Iterator<Item = (PaymentKey, Arc<Outgoing>)> {
        self.all_payments().filter_map(|payment| match payment {
            PaymentRef::Sent(key) => Some((key, self.index.sent(&key)?)),
            PaymentRef::Received(_) => None,
        })
    }

    /// Returns one payment by this device.
    #[must_use]
    pub fn outgoing_of(&self, key: &PaymentKey) -> Option<Arc<Outgoing>> {
        self.index.sent(key)
    }

    /// Returns one payment by this device, by the hash of P.
    #[must_use]
    pub fn outgoing_by_hash(&self, payment: &Digest) -> Option<Arc<Outgoing>> {
        self.index.sent(&self.sent_key(payment)?)
    }

    /// Returns the payments by this device of requests that were found by a tag.
    pub fn outgoing_tagged(&self, tag: RequestTag) -> impl Iterator<Item = Arc<Outgoing>> {
        let keys =
            self.sent_at(IndexPlace::SentTag(tag, KEY_FIRST)..=IndexPlace::SentTag(tag, KEY_LAST));

        keys.into_iter().filter_map(|key| self.index.sent(&key))
    }

    /// Tells whether this payee asked for something else under the same number before.
    ///
    /// A number stands for one request, for ever; ask before a request is approved or paid.
    #[must_use]
    pub fn knows_otherwise(&self, request: &Signed<RequestPayment>) -> bool {
        self.outgoing_of(&PaymentKey::of(request.body()))
            .is_some_and(|held| held.request != *request)
    }

    /// Returns every payment to this device, by the hash of P. What this reads grows with the years.
    pub fn incoming(&self) -> impl Iterator<Item = (Digest, Arc<Incoming>)> {
        self.all_payments().filter_map(|payment| match payment {
            PaymentRef::Received(hash) => Some((hash, self.index.received(&hash)?)),
            PaymentRef::Sent(_) => None,
        })
    }

    /// Returns one payment to this device, by the hash of P.
    #[must_use]
    pub fn incoming_by_hash(&self, payment: &Digest) -> Option<Arc<Incoming>> {
        self.index.received(payment)
    }

    /// Returns the refunds of a payment that came to this device, and those that it paid or is about to pay.
    #[must_use]
    pub fn refunds_of(&self, payment: &Digest) -> Vec<(PaymentRef, EitherPayment)> {
        let range = IndexPlace::Refund(*payment, PaymentRef::FIRST)
            ..=IndexPlace::Refund(*payment, PaymentRef::LAST);
        let places = self.index.first(range, usize::MAX);

        places
            .into_iter()
            .filter_map(|place| {
                let payment = place.payment()?;

                Some((payment, self.payment(payment)?))
            })
            .collect()
    }

    /// Returns the payments that the server will never honour.
    #[must_use]
    pub fn refused(&self) -> Vec<EitherPayment> {
        let range = IndexPlace::Refused(PaymentRef::FIRST)..=IndexPlace::Refused(PaymentRef::LAST);
        let places = self.index.first(range, usize::MAX);

        places
            .into_iter()
            .filter_map(|place| self.payment(place.payment()?))
            .collect()
    }

    /// Returns the server's signed word that holds the last state of a payment: anyone can verify it
    /// with the provider's answer key.
    #[must_use]
    pub fn settlement_of(&self, payment: &Digest) -> Option<Signed<BatchAnswer>> {
        let said = self.index.server_word(payment)?;

        Some(said.answer)
    }

    /// Returns payments whose id begins so, at most `limit`: the hash of P in hex, or `payee:number` before there is one.
    #[must_use]
    pub fn payments_beginning(&self, id: &str, limit: usize) -> Vec<EitherPayment> {
        let Some((first, last)) = between(id.split(':').next().unwrap_or_default()) else {
            return Vec::new();
        };
        let came = IndexPlace::Received(Digest(first))..=IndexPlace::Received(Digest(last));
        let left = IndexPlace::SentHash(Digest(first), KEY_FIRST)
            ..=IndexPlace::SentHash(Digest(last), KEY_LAST);
        let unsigned = IndexPlace::Unsigned(PaymentKey::new(PublicKey(first), RequestId(0)))
            ..=IndexPlace::Unsigned(PaymentKey::new(PublicKey(last), RequestId(u64::MAX)));
        let signed = if id.contains(':') {
            Vec::new()
        } else {
            let came = self.index.first(came, limit);
            let left = self.index.first(left, limit).into_iter();
            // one that went from this device to itself is shown as it came
            let is_new = |place: &IndexPlace| {
                let IndexPlace::SentHash(hash, _) = place else {
                    return true;
                };
                !came.contains(&IndexPlace::Received(*hash))
            };
            let left: Vec<_> = left.filter(is_new).collect();
            [came, left].concat()
        };
        let begins = |place: &IndexPlace| match place.payment() {
            Some(PaymentRef::Sent(key)) => {
                format!("{}:{}", key.payee, key.request_id).starts_with(id)
            }
            Some(PaymentRef::Received(_)) | None => false,
        };
        let unsigned = self.index.first(unsigned, usize::MAX);

        signed
            .into_iter()
            .chain(unsigned.into_iter().filter(begins))
            .take(limit)
            .filter_map(|place| self.payment(place.payment()?))
            .collect()
    }

    fn all_payments(&self) -> impl Iterator<Item = PaymentRef> {
        let first = IndexPlace::Payment(Time::from_ms(0), PaymentRef::FIRST);
        let last = IndexPlace::Payment(Time::from_ms(u64::MAX), PaymentRef::LAST);
        let places = self.index.first(first..=last, usize::MAX);

        places.into_iter().filter_map(IndexPlace::payment)
    }
}

/// The first and the last 32 bytes that begin with these hex digits.
fn between(digits: &str) -> Option<([u8; 32], [u8; 32])> {
    let padded = |fill: char| {
        let mut bytes = [0; 32];
        let text: String = digits
            .chars()
            .chain(std::iter::repeat(fill))
            .take(64)
            .collect();
        hex::decode_to_slice(text, &mut bytes).ok()?;

        Some(bytes)
    };
    if digits.len() > 64 {
        return None;
    }

    Some((padded('0')?, padded('f')?))
}
