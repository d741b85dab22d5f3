//! Requests, from the journal to the machine.

use std::sync::Arc;

use ble_proto::gatt::RequestTag;
use ble_proto::payment::payee::{OpenRequest, OwnKey};
use journal::Book;
use journal::book::{Request, RequestShown};
use ops_proto::Time;
use runtime::clock;

use super::super::serve::to_open;
use super::ShownRequest;

/// A request to serve, from the journal.
#[derive(Debug)]
pub(super) struct Reopened {
    pub(super) open: OpenRequest,
    pub(super) standing: ShownStanding,
}

/// How it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownStanding {
    Open,
    Paid,
}

/// How long after its payment a request is shown again after a restart: a payer that was cut off when
/// this device lost power finds its receipt.
const PAID_JUST_NOW_MS: u64 = 10 * 60 * 1000;

/// How many payments are looked at for it: to a clock that is behind, every payment ever received looks recent.
const PAYMENTS_LOOKED_AT: usize = 1000;

/// Returns every key of this device that payments may come for.
pub(super) fn keys(book: &Book) -> Vec<OwnKey> {
    let chains = [
        book.client().and_then(|client| client.chain.as_ref()),
        book.sender_chain(),
    ];

    chains
        .into_iter()
        .flatten()
        .map(|chain| OwnKey {
            key: chain.leaf.body().subject,
            provider: chain.provider.clone(),
        })
        .collect()
}

/// Returns the requests that were paid last and just now, oldest first and no more than there is room for.
pub(super) fn paid_just_now(book: &Book, room: usize) -> Vec<Reopened> {
    let now = clock::now();
    let mut paid: Vec<Arc<Request>> = Vec::new();
    let just_now = now.saturating_sub_ms(PAID_JUST_NOW_MS);
    for payment in book.received_since(just_now, PAYMENTS_LOOKED_AT) {
        if paid.len() >= room {
            break;
        }
        let body = payment.pair.payment.body();
        let request = book.request(&body.receiver.key, body.request_id);
        let is_known = |command| paid.iter().any(|held| held.intent.command == command);
        if let Some(request) = request
            && !is_known(request.intent.command)
            && stands(book, &request, now) == Some(ShownStanding::Paid)
        {
            paid.push(request);
        }
    }
    paid.sort_by_key(|request| request.at);

    paid.iter()
        .filter_map(|request| reopened(book, request, ShownStanding::Paid))
        .collect()
}

/// How the book differs from what is served.
#[derive(Debug, Default)]
pub(super) struct Differences {
    /// Open, and not served; oldest first.
    pub(super) missing: Vec<Reopened>,
    /// Served as open, and paid: perhaps the machine is about to learn it, perhaps it was paid another way.
    pub(super) paid: Vec<RequestTag>,
    /// Served, and cancelled, expired, or paid long ago.
    pub(super) over: Vec<RequestTag>,
}

/// Compares the book with what is served.
pub(super) fn differences(book: &Book, served: &[ShownRequest]) -> Differences {
    let now = clock::now();
    let mut found = Differences::default();
    for shown in served {
        let Some(request) = book.request_tagged(shown.tag) else {
            continue; // it is opened before its record can be read
        };
        match (shown.standing, stands(book, &request, now)) {
            (ShownStanding::Open, Some(ShownStanding::Paid)) => found.paid.push(shown.tag),
            (_, None) => found.over.push(shown.tag),
            (ShownStanding::Paid, Some(_)) | (ShownStanding::Open, Some(ShownStanding::Open)) => {}
        }
    }
    let is_served = |tag| served.iter().any(|shown| shown.tag == tag);
    found.missing = book
        .requests_open(now)
        .into_iter()
        .filter(|request| !is_served(request.intent.tag))
        .filter_map(|request| reopened(book, &request, ShownStanding::Open))
        .collect();

    found
}

/// Returns what the driver remembers of a request.
pub(super) fn shown(open: &OpenRequest, standing: ShownStanding) -> ShownRequest {
    let body = open.request.body();

    ShownRequest {
        tag: open.tag,
        id: body.request_id,
        until: body.issued.saturating_add_ms(body.validity.as_ms()),
        standing,
    }
}

fn reopened(book: &Book, request: &Request, standing: ShownStanding) -> Option<Reopened> {
    let open = to_open(book, request)?;

    Some(Reopened { open, standing })
}

fn stands(book: &Book, request: &Request, now: Time) -> Option<ShownStanding> {
    let paid_at = request
        .payments
        .iter()
        .filter_map(|payment| Some(book.incoming_by_hash(payment)?.at))
        .max();

    stand_again(request.shown, request.valid_until(), paid_at, now)
}

/// Decides how a request is served. A payment for one that is not served is taken all the same.
fn stand_again(
    shown: RequestShown,
    valid_until: Time,
    paid_at: Option<Time>,
    now: Time,
) -> Option<ShownStanding> {
    let is_paid_just_now = paid_at.is_some_and(|at| now.ms_since(at) < PAID_JUST_NOW_MS);

    match shown {
        RequestShown::Open => (now <= valid_until).then_some(ShownStanding::Open),
        RequestShown::Cancelled => None,
        RequestShown::Paid => is_paid_just_now.then_some(ShownStanding::Paid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_served_again_while_it_may_be_paid_or_its_payer_may_lack_the_receipt() {
        let (now, over) = (Time::from_ms(PAID_JUST_NOW_MS), Time::from_ms(0));
        let stand = |shown, valid_until, paid_at| stand_again(shown, valid_until, paid_at, now);

        assert_eq!(
            stand(RequestShown::Open, now, None),
            Some(ShownStanding::Open)
        );
        assert_eq!(stand(RequestShown::Open, over, None), None);
        assert_eq!(stand(RequestShown::Cancelled, now, None), None);
        for valid_until in [now, over] {
            let paid = |at| stand(RequestShown::Paid, valid_until, Some(Time::from_ms(at)));
            assert_eq!(paid(0), None);
            assert_eq!(paid(1), Some(ShownStanding::Paid));
        }
    }
}
