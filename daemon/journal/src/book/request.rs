//! Requests: what this device asked for. Once issued, never forgotten.

use ops_proto::id::CommandId;
use ops_proto::message::RequestPayment;
use ops_proto::{Digest, PublicKey, RequestId, Signed, Time};

use super::Book;
use crate::fact::RequestIntent;

/// One request of this device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// All that it takes to serve it.
    pub intent: RequestIntent,
    /// When the owner asked.
    pub at: Time,
    /// R, once signed. Without it nobody has seen the request.
    pub issued: Option<Signed<RequestPayment>>,
    /// What people see of it.
    pub shown: RequestShown,
    /// Hashes of the payments that came for it; more than one when two customers paid.
    pub payments: Vec<Digest>,
}

/// What people see of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestShown {
    Open,
    /// The owner no longer shows it; a payment for it is still taken.
    Cancelled,
    /// A payment came.
    Paid,
}

impl Request {
    /// Returns until when it may be paid.
    #[must_use]
    pub fn valid_until(&self) -> Time {
        let terms = &self.intent.terms;

        terms.issued.saturating_add_ms(terms.validity.as_ms())
    }

    /// Tells whether its validity is over by this device's clock.
    #[must_use]
    pub fn is_expired(&self, now: Time) -> bool {
        self.valid_until() < now
    }

    /// Returns the key under which it was issued, and its number.
    #[must_use]
    pub fn key(&self) -> Option<(PublicKey, RequestId)> {
        let body = self.issued.as_ref()?.body();

        Some((body.payee.body().subject, body.request_id))
    }
}

impl Book {
    /// Returns every request that was signed, in no particular order.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.requests
            .values()
            .filter(|request| request.issued.is_some())
    }

    /// Returns one request by the key it was issued under and its number.
    #[must_use]
    pub fn request(&self, payee: &PublicKey, id: RequestId) -> Option<&Request> {
        self.requests
            .values()
            .find(|request| request.key() == Some((*payee, id)))
    }

    /// Returns the request that an intent became.
    #[must_use]
    pub fn request_of(&self, command: CommandId) -> Option<&Request> {
        self.requests.get(&command)
    }

    pub(super) fn fold_request_intent(&mut self, intent: &RequestIntent, at: Time) -> Option<()> {
        if self.requests.contains_key(&intent.command) {
            return None;
        }
        let _none = self.requests.insert(
            intent.command,
            Request {
                intent: intent.clone(),
                at,
                issued: None,
                shown: RequestShown::Open,
                payments: Vec::new(),
            },
        );

        Some(())
    }

    pub(super) fn fold_request_issued(
        &mut self,
        command: CommandId,
        issued: &Signed<RequestPayment>,
    ) -> Option<()> {
        let request = self.requests.get_mut(&command)?;
        if let Some(held) = &request.issued {
            return (held == issued).then_some(());
        }
        request.issued = Some(issued.clone());

        Some(())
    }

    pub(super) fn fold_request_cancelled(
        &mut self,
        payee: &PublicKey,
        id: RequestId,
    ) -> Option<()> {
        let request = self.request_mut(payee, id)?;
        if request.shown == RequestShown::Open {
            request.shown = RequestShown::Cancelled;
        }

        Some(())
    }

    pub(super) fn request_paid(&mut self, payee: &PublicKey, id: RequestId, payment: Digest) {
        let Some(request) = self.request_mut(payee, id) else {
            return; // unknown here (a restored journal); the payment is kept all the same
        };
        if !request.payments.contains(&payment) {
            request.payments.push(payment);
        }
        request.shown = RequestShown::Paid;
    }

    fn request_mut(&mut self, payee: &PublicKey, id: RequestId) -> Option<&mut Request> {
        self.requests
            .values_mut()
            .find(|request| request.key() == Some((*payee, id)))
    }
}
