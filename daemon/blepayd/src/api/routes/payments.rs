//! Payments, both ways.

use std::time::Duration;

use api_types::protection::ApproveOrder;
use api_types::{Nearby, Payment, PaymentOrder, Receipt};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use ble_proto::gatt::RequestTag;
use ble_proto::uri::PaymentUri;
use ops_proto::{Digest, PublicKey};
use serde::Deserialize;
use wallet::{Asks, PaymentView, Target};

use super::{Api, JsonAnswer};
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, Params};
use crate::api::ongoing::{ApprovalOutcome, OngoingPayment};
use crate::api::state::ApiState;
use crate::api::views;

/// How long one may listen, in seconds.
const LISTEN_S_MAX: u64 = 60;
const LISTEN_S_DEFAULT: u64 = 5;

/// How long one may look for a payee, in seconds.
const SEARCH_S_MAX: u64 = 3600;

/// Payments that are listed at once.
const LIST_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NearbyParams {
    seconds: Option<u64>,
}

pub(super) async fn nearby(
    State(api): Api,
    Params(params): Params<NearbyParams>,
) -> JsonAnswer<Vec<Nearby>> {
    let seconds = params.seconds.unwrap_or(LISTEN_S_DEFAULT);
    if seconds == 0 || seconds > LISTEN_S_MAX {
        return Err(ApiError::malformed(
            "`seconds` must be between 1 and 60",
            "give seconds=5",
        ));
    }
    let offers = api.wallet.nearby(Duration::from_secs(seconds)).await?;

    Ok(Json(offers.iter().map(views::nearby).collect()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    limit: Option<usize>,
}

pub(super) async fn list(
    State(api): Api,
    Params(params): Params<ListParams>,
) -> Json<Vec<Payment>> {
    let limit = params.limit.unwrap_or(LIST_MAX).min(LIST_MAX);
    let history = api.wallet.history(None, limit);

    Json(
        history
            .iter()
            .map(|view| views::payment(&api, view))
            .collect(),
    )
}

pub(super) async fn start(
    State(api): Api,
    JsonBody(order): JsonBody<PaymentOrder>,
) -> JsonAnswer<Payment> {
    let target = target(&order)?;
    let expected = order
        .amount
        .as_ref()
        .map(|amount| api.amount(amount))
        .transpose()?;
    let asks = if order.approve {
        Asks::Never
    } else {
        Asks::Always
    };
    let handle = api
        .wallet
        .start_payment(wallet::PaymentOrder {
            target,
            expected,
            asks,
            search: order
                .timeout_s
                .map_or(wallet::PaymentOrder::SEARCH_DEFAULT, |seconds| {
                    Duration::from_secs(seconds.min(SEARCH_S_MAX))
                }),
            pin: order.pin,
        })
        .await?;

    Ok(Json(api.ongoing.begin(handle, &api.shutdown)))
}

pub(super) async fn show(State(api): Api, Path(id): Path<String>) -> JsonAnswer<Payment> {
    let mut payment = find(&api, &id)?;
    if let Some(view) = payment
        .hash
        .as_ref()
        .and_then(|hash| durable(&api, hash).ok())
    {
        payment.refunded = views::refunded(&api, &view);
    }

    Ok(Json(payment))
}

pub(super) async fn approve(
    State(api): Api,
    Path(id): Path<String>,
    body: Bytes,
) -> JsonAnswer<Payment> {
    let order: ApproveOrder = match body.as_ref() {
        [] => ApproveOrder::default(),
        // what was sent is not repeated: there may be a PIN in it
        body => serde_json::from_slice(body).map_err(|_| {
            ApiError::malformed(
                "the approval is not understood",
                "send {} or {\"pin\": \"…\"}",
            )
        })?,
    };
    let ongoing = ongoing(&api, &id)?;
    match ongoing.approve(order.pin) {
        ApprovalOutcome::Taken => Ok(Json(ongoing.payment())),
        ApprovalOutcome::NotYet => Err(ApiError::conflict(
            "not-yet",
            "nothing is shown yet that could be approved",
            "wait until the payment awaits approval: GET /v1/payments/ID/events",
        )),
        ApprovalOutcome::NoPin => Err(ApiError::conflict(
            "pin",
            "the trusted application asks for the PIN before it pays this",
            "approve with the PIN: {\"pin\": \"…\"}",
        )),
        ApprovalOutcome::TooLate => Err(decided()),
    }
}

pub(super) async fn decline(State(api): Api, Path(id): Path<String>) -> JsonAnswer<Payment> {
    let ongoing = ongoing(&api, &id)?;
    if !ongoing.decline() {
        return Err(decided());
    }

    Ok(Json(ongoing.payment()))
}

pub(super) async fn receipt(State(api): Api, Path(id): Path<String>) -> JsonAnswer<Receipt> {
    let view = durable(&api, &id)?;
    let pair = view.pair.as_ref().ok_or_else(|| {
        ApiError::conflict(
            "not-paid",
            "nothing was paid, so there is nothing to prove",
            "see it: blepay show",
        )
    })?;
    let (sender, payee) = (&pair.payment.body().sender, &pair.request.body().payee);
    let certificate =
        |leaf| views::provider_of(&api, leaf).map(|provider| hex::encode(provider.to_wire()));
    let root = api
        .wallet
        .journal()
        .view(|book| book.enrolled().map(|enrolled| enrolled.root));

    let proof = api.wallet.journal().view(|book| {
        let (word, provider) = book.settlement_proof(&pair.hash())?;

        Some((hex::encode(word.to_wire()), hex::encode(provider.to_wire())))
    });

    Ok(Json(Receipt {
        payment: views::payment(&api, &view),
        p: hex::encode(pair.payment.to_wire()),
        r: hex::encode(pair.request.to_wire()),
        receipt: view
            .receipt
            .as_ref()
            .map(|receipt| hex::encode(receipt.to_wire())),
        sender_provider: certificate(sender),
        payee_provider: certificate(payee),
        settlement: proof.as_ref().map(|(word, _)| word.clone()),
        settlement_provider: proof.map(|(_, provider)| provider),
        root: root.map(|root| root.to_string()),
    }))
}

/// Returns a payment by the id it began with, or by the beginning of its hash.
pub(super) fn find(api: &ApiState, id: &str) -> Result<Payment, ApiError> {
    if let Some(ongoing) = api.ongoing.find(id) {
        let live = ongoing.payment();
        let Some(hash) = live.hash.clone().filter(|_| live.state.is_final()) else {
            return Ok(live);
        };
        let code = live.code.clone();
        return durable(api, &hash).map_or(Ok(live), |view| {
            Ok(Payment {
                code,
                ..views::payment(api, &view)
            })
        });
    }

    durable(api, id).map(|view| views::payment(api, &view))
}

/// Returns the hash of the one payment whose id begins so.
pub(super) fn hash(api: &ApiState, id: &str) -> Result<Digest, ApiError> {
    durable(api, id)?.id.ok_or_else(|| {
        ApiError::conflict(
            "not-paid",
            "nothing was paid, so there is nothing to refund",
            "see it: blepay show",
        )
    })
}

/// Returns the payment that began with this id and is still known under it.
pub(super) fn ongoing(
    api: &ApiState,
    id: &str,
) -> Result<std::sync::Arc<OngoingPayment>, ApiError> {
    api.ongoing.find(id).ok_or_else(|| unknown(id))
}

fn durable(api: &ApiState, id: &str) -> Result<PaymentView, ApiError> {
    let wanted = id.to_ascii_lowercase();
    let mut found = api.wallet.payments_beginning(&wanted, LIST_MAX);
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (Some(_), more) => Err(ApiError::conflict(
            "ambiguous",
            format!("{} payments begin with {id}", more.saturating_add(1)),
            "give more of the id",
        )),
        (None, _) => Err(unknown(id)),
    }
}

fn target(order: &PaymentOrder) -> Result<Target, ApiError> {
    match (&order.uri, &order.tag, &order.payee_key) {
        (Some(uri), None, None) => {
            let uri: PaymentUri = uri
                .parse()
                .map_err(|error| ApiError::malformed(error, "scan or type it again"))?;
            Ok(Target::Uri(Box::new(uri)))
        }
        (None, Some(tag), None) => bytes(tag)
            .map(|tag| Target::Tag(RequestTag(tag)))
            .ok_or_else(|| {
                ApiError::malformed("a tag is 12 hex digits", "see blepay nearby --json")
            }),
        (None, None, Some(key)) => public_key(key).map(Target::Payee),
        (_, _, _) => Err(ApiError::malformed(
            "whom to pay is not clear",
            "give exactly one of uri, tag and payee_key",
        )),
    }
}

/// Reads a key as the API writes it.
pub(super) fn public_key(text: &str) -> Result<PublicKey, ApiError> {
    bytes(text).map(PublicKey).ok_or_else(|| {
        ApiError::malformed(
            "a key is 64 hex digits",
            "copy payee_key from blepay nearby --json, or peer_key from blepay history --json",
        )
    })
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;

    Some(bytes)
}

fn decided() -> ApiError {
    ApiError::conflict(
        "nothing-to-decide",
        "this payment has ended or was decided already",
        "see it: blepay show",
    )
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(
        format!("there is no payment {id}"),
        "see them: blepay history",
    )
}
