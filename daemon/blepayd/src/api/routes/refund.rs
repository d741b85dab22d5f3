//! Refunds.

use api_types::Request;
use api_types::protection::RefundOrder;
use axum::Json;
use axum::extract::{Path, State};
use wallet::Mode;

use super::{Api, JsonAnswer, payments, requests};
use crate::api::extract::JsonBody;

pub(super) async fn ask(
    State(api): Api,
    Path(id): Path<String>,
    JsonBody(order): JsonBody<RefundOrder>,
) -> JsonAnswer<Request> {
    let amount = order
        .amount
        .as_ref()
        .map(|amount| api.amount(amount))
        .transpose()?;
    api.wallet.radio_present().await?;
    let opened = api
        .wallet
        .ask_refund(wallet::RefundOrder {
            payment: payments::hash(&api, &id)?,
            amount,
            mode: if order.by_uri {
                Mode::Uri
            } else {
                Mode::Announced
            },
        })
        .await
        .map_err(requests::not_opened)?;

    requests::find(&api, opened.request_id).map(Json)
}
