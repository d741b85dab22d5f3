//! A request of this device, as whoever opens it sees it.

use std::sync::Arc;

use ble_proto::gatt::RequestTag;
use ble_proto::limits::REQUESTS_MAX;
use ble_proto::message::Memo;
use ble_proto::session::{LinkEntropy, NoiseSecret, UriSecret};
use ble_proto::uri::{AmountHint, PaymentUri};
use journal::book::{Request, RequestShown};
use journal::{Entry, Fact, NoiseSecretBytes, RequestIntent, UriSecretBytes};
use ops_proto::certificate::Kind;
use ops_proto::contract::{Command, Output, RequestTerms};
use ops_proto::id::CommandId;
use ops_proto::message::{CertificateChain, ListsHeld, RequestPayment, memo_hash};
use ops_proto::time::Validity;
use ops_proto::{Amount, Currency, Digest, RequestId, Signed, Time};
use runtime::clock;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::bounds;
use super::limit::{self, Wanted};
use super::serve::{PayeeCommand, to_open};
use super::{Shared, WalletError, WalletEvent, fresh};
use crate::ta::TaError;

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOrder {
    pub amount: Amount,
    /// What it is for: at most 64 bytes that show as they are.
    pub memo: String,
    /// How long it may be paid; `None` for [`Self::VALIDITY_DEFAULT_MS`].
    pub validity: Option<Validity>,
    /// How payers find it.
    pub mode: Mode,
    /// The request that this one replaces: who paid that one cannot pay this one.
    pub replaces: Option<RequestId>,
    /// The payment that this would refund.
    pub refund_of: Option<Digest>,
}

impl RequestOrder {
    /// How long a request may be paid if nothing is said: a day.
    pub const VALIDITY_DEFAULT_MS: u64 = 24 * 3600 * 1000;
}

/// How payers find a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By its advertisement; both screens show a code.
    Announced,
    /// By its URI alone (QR code, NFC, typed).
    Uri,
}

/// A request that is open.
#[derive(Clone, Debug)]
pub struct OpenedRequest {
    pub request_id: RequestId,
    /// What is advertised.
    pub tag: RequestTag,
    /// The URI, for [`Mode::Uri`]. It contains a secret: show it, do not log it.
    pub uri: Option<Zeroizing<String>>,
    pub amount: Amount,
    pub currency: Currency,
}

/// A request as people see it.
#[derive(Clone, Debug)]
pub struct RequestView {
    pub request_id: RequestId,
    pub amount: Amount,
    pub currency: Currency,
    /// What it is for.
    pub memo: String,
    /// When it was opened.
    pub at: Time,
    /// Open, cancelled or paid.
    pub shown: RequestShown,
    /// Whether its validity is over by this device's clock.
    pub expired: bool,
    /// What is advertised.
    pub tag: RequestTag,
    /// The URI, for one opened by URI.
    pub uri: Option<Zeroizing<String>>,
    /// Hashes of the payments that came for it.
    pub payments: Vec<Digest>,
    /// The hash of the payment that it would refund.
    pub refund_of: Option<Digest>,
    /// The request that stands in its place, if there is one.
    pub replaced_by: Option<RequestId>,
    /// The code that payer and payee compare, while a payer has locked the request.
    pub code: Option<ble_proto::code::Code>,
}

/// Opens a request: intent, signature, record, advertisement, in this order.
pub(super) async fn open(
    shared: &Arc<Shared>,
    order: RequestOrder,
) -> Result<OpenedRequest, WalletError> {
    let memo: Memo = order.memo.parse()?;
    let replaced = order.replaces;
    let is_known = |id| {
        shared
            .journal
            .view(|book| book.request_numbered(id).is_some())
    };
    if replaced.is_some_and(|id| !is_known(id)) {
        return Err(WalletError::UnknownRequest);
    }
    let chain = shared
        .journal
        .view(|book| book.payee_chain().cloned())
        .ok_or(WalletError::NotRegistered)?;
    shared.check_not_revoked(&chain)?;
    bounds::in_time(&chain, clock::now())?;
    if count_open(shared) >= REQUESTS_MAX {
        return Err(WalletError::TooManyRequests);
    }
    let payee = chain.leaf.body();
    if payee.kind() == Kind::Ta {
        // one that is away is told as that, before anything is begun
        bounds::ta_answers(shared).await?;
    }
    let lists_held = shared.lists.held(Some(payee.provider));
    let intent = intend(&order, memo, lists_held, payee.kind())?;
    let command = intent.command;
    match intent.signer {
        Kind::Ta => prepare(shared, intent).await?,
        Kind::Client | Kind::Provider => sign(shared, intent, &chain).await?,
    }

    show(shared, command).await
}

/// Stops showing a request.
pub(super) async fn cancel(shared: &Shared, id: RequestId) -> Result<(), WalletError> {
    let (key, tag, shown) = shared
        .journal
        .view(|book| {
            let request = book.request_numbered(id)?;
            Some((request.key()?.0, request.intent.tag, request.shown))
        })
        .ok_or(WalletError::UnknownRequest)?;
    match shown {
        RequestShown::Paid => return Err(WalletError::RequestPaid),
        // hidden with the TA that it was for, perhaps: it may still be served
        RequestShown::Cancelled => {}
        RequestShown::Open => {
            let cancelled = Fact::RequestCancelled {
                payee: key,
                request_id: id,
            };
            shared.journal.append(vec![cancelled]).await?;
        }
    }
    shared
        .payee
        .send(PayeeCommand::Close(tag))
        .await
        .map_err(|_closed| WalletError::Stopped)?;
    shared.tell(WalletEvent::RequestChanged(id));

    Ok(())
}

/// Returns the number of the newest request that replaces this one.
pub(super) fn replaced_by(book: &journal::Book, request: &Request) -> Option<RequestId> {
    let (_, by) = book.replacement_of(request)?.key()?;

    Some(by)
}

/// Returns a request as people see it.
pub(super) fn view(
    shared: &Shared,
    book: &journal::Book,
    request: &Request,
) -> Option<RequestView> {
    let issued = request.issued.as_ref()?.body();

    Some(RequestView {
        request_id: issued.request_id,
        amount: issued.amount,
        currency: issued.currency,
        memo: request.intent.memo.as_str().to_owned(),
        at: request.at,
        shown: request.shown,
        // its TA credits no payment for it any more, whatever the clock says
        expired: request.is_closed || request.is_expired(clock::now()),
        tag: request.intent.tag,
        uri: uri(request),
        payments: request.payments.clone(),
        refund_of: issued.refund_of,
        replaced_by: replaced_by(book, request),
        code: shared.screen().get(&request.intent.tag).copied(),
    })
}

pub(super) fn count_open(shared: &Shared) -> usize {
    let now = clock::now();

    shared.journal.view(|book| book.requests_open_count(now))
}

fn intend(
    order: &RequestOrder,
    memo: Memo,
    lists_held: ListsHeld,
    signer: Kind,
) -> Result<RequestIntent, WalletError> {
    let mut entropy = LinkEntropy::new(fresh()?);
    let noise_secret = NoiseSecret::generate(&mut entropy);
    let salt: [u8; 16] = entropy.take();
    let validity = order.validity.unwrap_or_else(validity_default);
    let terms = RequestTerms {
        amount: order.amount,
        memo_hash: memo_hash(&salt, memo.as_str()),
        noise_key: noise_secret.public(),
        issued: clock::now(),
        validity,
        lists_held,
        replaces: order.replaces,
        refund_of: order.refund_of,
    };

    Ok(RequestIntent {
        command: CommandId(entropy.take()),
        signer,
        terms,
        tag: RequestTag(entropy.take()),
        noise_secret: NoiseSecretBytes::new(*noise_secret.to_bytes()),
        entry: match order.mode {
            Mode::Announced => Entry::Heard,
            Mode::Uri => {
                let secret = UriSecret::generate(&mut entropy);
                Entry::Scanned(UriSecretBytes::new(*secret.to_bytes()))
            }
        },
        memo,
        salt,
    })
}

fn validity_default() -> Validity {
    Validity::try_from(RequestOrder::VALIDITY_DEFAULT_MS)
        .expect("a day lies within the largest validity")
}

/// The TA issues; its answer is in the journal when it returns.
async fn prepare(shared: &Shared, intent: RequestIntent) -> Result<(), WalletError> {
    let ta = shared.ta.as_ref().ok_or(TaError::Absent)?;
    let amount = intent.terms.amount;
    let command = Command::PrepareRequest {
        command: intent.command,
        terms: intent.terms.clone(),
    };
    shared
        .journal
        .append(vec![Fact::RequestIntent(Box::new(intent))])
        .await?;
    let answer = match ta.invoke(command).await {
        Err(TaError::Refused(refused)) => {
            let state = super::pin::inspect(shared).await;
            let sentence = limit::refusal(refused, state.as_ref(), Wanted::Ask(amount));
            return Err(WalletError::Limit { refused, sentence });
        }
        Err(error) if error.may_have_acted() => return Err(WalletError::RequestUnknown(error)),
        answer => answer?,
    };
    if !matches!(answer, Output::RequestPrepared(_)) {
        return Err(WalletError::RequestUnknown(TaError::OtherAnswer));
    }

    Ok(())
}

/// The client key issues; intent and request reach the disk together.
async fn sign(
    shared: &Shared,
    intent: RequestIntent,
    chain: &CertificateChain,
) -> Result<(), WalletError> {
    let terms = intent.terms.clone();
    let command = intent.command;
    let request: Signed<RequestPayment> = shared.identity.sign(RequestPayment {
        payee: chain.leaf.clone(),
        request_id: random_id()?,
        amount: terms.amount,
        currency: chain.leaf.body().currency,
        noise_key: terms.noise_key,
        memo_hash: terms.memo_hash,
        issued: terms.issued,
        validity: terms.validity,
        lists_held: terms.lists_held,
        replaces: terms.replaces,
        refund_of: terms.refund_of,
    });
    let facts = vec![
        Fact::RequestIntent(Box::new(intent)),
        Fact::RequestIssued { command, request },
    ];
    shared.journal.append(facts).await?;

    Ok(())
}

/// A client draws its numbers: 53 bits, so that every JSON reader keeps them exact.
fn random_id() -> Result<RequestId, WalletError> {
    let mut entropy = LinkEntropy::new(fresh()?);
    let number = u64::from_be_bytes(entropy.take()) >> 11_u32;

    Ok(RequestId(number.max(1)))
}

async fn show(shared: &Shared, command: CommandId) -> Result<OpenedRequest, WalletError> {
    let (open, payee, opened) = shared
        .journal
        .view(|book| {
            let request = book.request_of(command)?;
            let (payee, _) = request.key()?;
            let issued = request.issued.as_ref()?.body();
            let opened = OpenedRequest {
                request_id: issued.request_id,
                tag: request.intent.tag,
                uri: uri(&request),
                amount: issued.amount,
                currency: issued.currency,
            };
            Some((to_open(book, &request)?, payee, opened))
        })
        .ok_or(WalletError::NotRegistered)?;
    let (done, shown) = oneshot::channel();
    shared
        .payee
        .send(PayeeCommand::Open(Box::new(open), done))
        .await
        .map_err(|_closed| WalletError::Stopped)?;
    let served = shown.await.map_err(|_closed| WalletError::Stopped)?;
    if let Err(refused) = served {
        // nobody can pay it, as when the clock was wrong: it is not open
        let cancelled = Fact::RequestCancelled {
            payee,
            request_id: opened.request_id,
        };
        shared.append_surely(cancelled).await;
        return Err(refused.into());
    }
    shared.tell(WalletEvent::RequestChanged(opened.request_id));

    Ok(opened)
}

fn uri(request: &Request) -> Option<Zeroizing<String>> {
    let Entry::Scanned(secret) = &request.intent.entry else {
        return None;
    };
    let issued = request.issued.as_ref()?.body();
    let uri = PaymentUri {
        tag: request.intent.tag,
        payee: issued.noise_key,
        secret: UriSecret::from_bytes(*secret.expose()),
        hint: Some(AmountHint {
            amount: issued.amount,
            currency: issued.currency,
        }),
    };

    Some(uri.to_text())
}
