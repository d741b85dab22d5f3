//! Requests, from the journal to the machine.

use ble_proto::payment::payee::{OpenRequest, OwnKey, WayIn};
use ble_proto::session::{NoiseSecret, UriSecret};

use super::ShownRequest;
use crate::clock;
use crate::journal::Book;
use crate::journal::book::{Request, RequestShown};
use crate::journal::fact::Entry;
use crate::recovery::{self, RequestFacts, RequestStep, Shown, Validity};

/// A request to serve again after a start.
#[derive(Debug)]
pub(super) struct Reopened {
    pub(super) open: OpenRequest,
    pub(super) standing: Standing,
}

/// How it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    Paid,
}

/// How long after its payment a request is shown again after a restart: a payer that was cut off when
/// this device lost power finds its receipt.
const PAID_JUST_NOW_MS: u64 = 10 * 60 * 1000;

/// Returns every key of this device and the requests to serve, oldest first.
pub(super) fn of_book(book: &Book) -> (Vec<OwnKey>, Vec<Reopened>) {
    let chains = [
        book.client().and_then(|client| client.chain.as_ref()),
        book.sender_chain(),
    ];
    let keys = chains
        .into_iter()
        .flatten()
        .map(|chain| OwnKey {
            key: chain.leaf.body().subject,
            provider: chain.provider.clone(),
        })
        .collect();
    let mut requests: Vec<_> = book.requests().collect();
    requests.sort_by_key(|request| request.at);
    let reopened = requests
        .into_iter()
        .filter_map(|request| reopen(book, request))
        .collect();

    (keys, reopened)
}

/// Returns the machine's form of a signed request.
pub(in crate::wallet) fn to_open(book: &Book, request: &Request) -> Option<OpenRequest> {
    let issued = request.issued.as_ref()?;
    let intent = &request.intent;
    let provider = book.provider_of(issued.body().payee.body())?;

    Some(OpenRequest {
        tag: intent.tag,
        request: issued.clone(),
        provider: provider.clone(),
        noise_secret: NoiseSecret::from_bytes(*intent.noise_secret.expose()),
        memo: intent.memo.clone(),
        salt: intent.salt,
        way_in: match &intent.entry {
            Entry::Heard => WayIn::Announced,
            Entry::Scanned(secret) => WayIn::Uri(UriSecret::from_bytes(*secret.expose())),
        },
    })
}

/// Returns what the driver remembers of a request.
pub(super) fn shown(open: &OpenRequest, standing: Standing) -> ShownRequest {
    let body = open.request.body();

    ShownRequest {
        tag: open.tag,
        id: body.request_id,
        until: body.issued.saturating_add_ms(body.validity.as_ms()),
        standing,
    }
}

fn reopen(book: &Book, request: &Request) -> Option<Reopened> {
    let standing = match recovery::request(facts(book, request)) {
        RequestStep::Nothing | RequestStep::Hide | RequestStep::Contradiction => return None,
        RequestStep::Serve => Standing::Open,
        RequestStep::ServePaid => Standing::Paid,
    };

    Some(Reopened {
        open: to_open(book, request)?,
        standing,
    })
}

fn facts(book: &Book, request: &Request) -> RequestFacts {
    let now = clock::now();
    let just_now = request
        .payments
        .iter()
        .filter_map(|payment| book.incoming_by_hash(payment))
        .any(|payment| now.ms_since(payment.at) < PAID_JUST_NOW_MS);
    let shown = match request.shown {
        RequestShown::Open => Shown::Open,
        RequestShown::Cancelled => Shown::Cancelled,
        RequestShown::Paid if just_now => Shown::PaidJustNow,
        RequestShown::Paid => Shown::Paid,
    };
    let validity = if request.is_expired(now) {
        Validity::Over
    } else {
        Validity::Running
    };

    RequestFacts {
        issued: request.issued.is_some(),
        shown,
        validity,
    }
}
