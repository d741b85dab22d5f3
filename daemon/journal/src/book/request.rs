//! Requests: what this device asked for. Once issued, never forgotten.

use ops_proto::message::RequestPayment;
use ops_proto::{Digest, PublicKey, RequestId, Signed, Time};
use serde::{Deserialize, Serialize};

use crate::entry::Seq;
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
    /// Its TA has stated that it credits no payment for it any more.
    pub is_closed: bool,
    /// What it is made of.
    pub(in crate::book) facts: RequestFacts,
}

/// The facts that a request is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::book) struct RequestFacts {
    pub(in crate::book) intent: Seq,
    pub(in crate::book) issued: Option<Seq>,
}

/// What people see of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
