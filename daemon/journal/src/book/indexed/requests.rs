//! Requests, read and changed by way of the index.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ble_proto::gatt::RequestTag;
use ops_proto::id::CommandId;
use ops_proto::message::{RequestPayment, Status};
use ops_proto::{Digest, PublicKey, RequestId, Signed, Time};

use crate::book::Book;
use crate::book::index::IndexPlace;
use crate::book::request::{Request, RequestFacts, RequestShown};
use crate::entry::Seq;
use crate::fact::RequestIntent;

impl Book {
    /// Returns requests, newest first: at most `limit` of those that come after `after`, which is the last one of
    /// the page before.
    #[must_use]
    pub fn requests_page(&self, after: Option<&Request>, limit: usize) -> Vec<Arc<Request>> {
        let end = after.map_or(
            IndexPlace::Request(Time::from_ms(u64::MAX), COMMAND_LAST),
            |last| IndexPlace::Request(last.at, last.intent.command),
        );
        let range = IndexPlace::Request(Time::from_ms(0), COMMAND_FIRST)..=end;
        let limit_with_last = limit.saturating_add(usize::from(after.is_some()));
        let places = self.index.last(range, limit_with_last);

        self.requests_at(places)
            .filter(|request| {
                after.is_none_or(|last| last.intent.command != request.intent.command)
            })
            .collect()
    }

    /// Returns every request that was signed, oldest first. What this reads grows with the years.
    pub fn requests(&self) -> impl Iterator<Item = Arc<Request>> {
        let first = IndexPlace::Request(Time::from_ms(0), COMMAND_FIRST);
        let last = IndexPlace::Request(Time::from_ms(u64::MAX), COMMAND_LAST);

        self.requests_at(self.index.first(first..=last, usize::MAX))
    }

    /// Returns the requests that are shown and that may be paid at an instant, oldest first.
    #[must_use]
    pub fn requests_open(&self, now: Time) -> Vec<Arc<Request>> {
        let first = IndexPlace::OpenUntil(now, COMMAND_FIRST);
        let last = IndexPlace::OpenUntil(Time::from_ms(u64::MAX), COMMAND_LAST);
        let places = self.index.first(first..=last, usize::MAX);
        let mut open: Vec<_> = self.requests_at(places).collect();
        open.sort_by_key(|request| request.at);

        open
    }

    /// Counts the requests that are shown and that may be paid at an instant.
    #[must_use]
    pub fn requests_open_count(&self, now: Time) -> usize {
        let first = IndexPlace::OpenUntil(now, COMMAND_FIRST);
        let last = IndexPlace::OpenUntil(Time::from_ms(u64::MAX), COMMAND_LAST);

        self.index.first(first..=last, usize::MAX).len()
    }

    /// Returns the requests that a TA issued and that it keeps open, as far as its statuses say: nobody has paid them.
    #[must_use]
    pub fn requests_unclosed(&self, ta: &PublicKey) -> Vec<Arc<Request>> {
        let places = self
            .index
            .first(unclosed(ta, RequestId(u64::MAX)), usize::MAX);

        self.requests_at(places).collect()
    }

    /// Returns one request by the key it was issued under and its number.
    #[must_use]
    pub fn request(&self, payee: &PublicKey, id: RequestId) -> Option<Arc<Request>> {
        let first = IndexPlace::RequestKey(*payee, id, COMMAND_FIRST);
        let last = IndexPlace::RequestKey(*payee, id, COMMAND_LAST);

        self.newest_at(first, last)
    }

    /// Returns the request with this number; the newest, should a client's random number repeat a TA's.
    #[must_use]
    pub fn request_numbered(&self, id: RequestId) -> Option<Arc<Request>> {
        let first = IndexPlace::RequestNumber(id, Time::from_ms(0), COMMAND_FIRST);
        let last = IndexPlace::RequestNumber(id, Time::from_ms(u64::MAX), COMMAND_LAST);

        self.newest_at(first, last)
    }

    /// Returns the request that is advertised by a tag.
    #[must_use]
    pub fn request_tagged(&self, tag: RequestTag) -> Option<Arc<Request>> {
        let first = IndexPlace::RequestTag(tag, COMMAND_FIRST);
        let last = IndexPlace::RequestTag(tag, COMMAND_LAST);

        self.newest_at(first, last)
    }

    /// Returns the newest request that replaces one.
    #[must_use]
    pub fn replacement_of(&self, request: &Request) -> Option<Arc<Request>> {
        let (payee, id) = request.key()?;
        let first = IndexPlace::Replacement(payee, id, Time::from_ms(0), COMMAND_FIRST);
        let last = IndexPlace::Replacement(payee, id, Time::from_ms(u64::MAX), COMMAND_LAST);

        self.newest_at(first, last)
    }

    /// Returns the request that an intent became.
    #[must_use]
    pub fn request_of(&self, command: CommandId) -> Option<Arc<Request>> {
        self.index.request(command)
    }

    pub(in crate::book) fn fold_request_intent(
        &mut self,
        intent: &RequestIntent,
        (at, fact): (Time, Seq),
    ) -> Option<()> {
        if self.index.request(intent.command).is_some() {
            return None;
        }
        let request = Request {
            intent: intent.clone(),
            at,
            issued: None,
            shown: RequestShown::Open,
            payments: Vec::new(),
            is_closed: false,
            facts: RequestFacts {
                intent: fact,
                issued: None,
            },
        };
        self.index.put_request(None, request);

        Some(())
    }

    pub(in crate::book) fn fold_request_issued(
        &mut self,
        command: CommandId,
        issued: &Signed<RequestPayment>,
        fact: Seq,
    ) -> Option<()> {
        let held = self.index.request(command)?;
        if let Some(held) = &held.issued {
            return (held == issued).then_some(());
        }
        self.change_request(&held, |request| {
            request.issued = Some(issued.clone());
            request.facts.issued = Some(fact);
        });

        Some(())
    }

    pub(in crate::book) fn fold_request_cancelled(
        &mut self,
        payee: &PublicKey,
        id: RequestId,
    ) -> Option<()> {
        let request = self.request(payee, id)?;
        self.hide_request(&request);

        Some(())
    }

    pub(in crate::book) fn request_paid(
        &mut self,
        payee: &PublicKey,
        id: RequestId,
        payment: Digest,
    ) {
        let Some(request) = self.request(payee, id) else {
            return; // unknown here (a restored journal); the payment is kept all the same
        };
        self.change_request(&request, |request| {
            if !request.payments.contains(&payment) {
                request.payments.push(payment);
            }
            request.shown = RequestShown::Paid;
        });
    }

    /// Nobody is to pay what a TA issued once it has ended.
    pub(in crate::book) fn hide_requests(&mut self, ta: &PublicKey) {
        for request in self.requests_unclosed(ta) {
            self.hide_request(&request);
        }
    }

    /// A TA's status names what it keeps open of the requests that it issued before.
    pub(in crate::book) fn close_requests(&mut self, status: &Status) {
        let before_mark = RequestId(status.mark.0.saturating_sub(1));
        let places = self
            .index
            .first(unclosed(&status.ta, before_mark), usize::MAX);
        let closed: Vec<_> = self
            .requests_at(places)
            .filter(|request| {
                let id = request.key().map(|(_, id)| id);
                !status.open.iter().any(|open| Some(*open) == id)
            })
            .collect();
        for request in closed {
            self.change_request(&request, |request| request.is_closed = true);
        }
    }

    fn hide_request(&mut self, request: &Request) {
        if request.shown == RequestShown::Open {
            self.change_request(request, |request| request.shown = RequestShown::Cancelled);
        }
    }

    fn change_request(&mut self, held: &Request, change: impl FnOnce(&mut Request)) {
        let mut request = held.clone();
        change(&mut request);
        self.index.put_request(Some(held), request);
    }

    fn newest_at(&self, first: IndexPlace, last: IndexPlace) -> Option<Arc<Request>> {
        let places = self.index.last(first..=last, 1);

        self.requests_at(places).next()
    }

    fn requests_at(&self, places: Vec<IndexPlace>) -> impl Iterator<Item = Arc<Request>> {
        places
            .into_iter()
            .filter_map(|place| self.index.request(place.command()?))
    }
}

const COMMAND_FIRST: CommandId = CommandId([0; 16]);
const COMMAND_LAST: CommandId = CommandId([u8::MAX; 16]);

const fn unclosed(ta: &PublicKey, until: RequestId) -> RangeInclusive<IndexPlace> {
    IndexPlace::Unclosed(*ta, RequestId(0), COMMAND_FIRST)
        ..=IndexPlace::Unclosed(*ta, until, COMMAND_LAST)
}
