//! PIN and deny-lists.

use api_types::protection::{DenyList, PinOrder, PinStatus};
use axum::Json;
use axum::extract::State;
use wallet::PinChange;

use super::{Api, JsonAnswer};
use crate::api::error::ApiError;
use crate::api::extract::JsonBody;
use crate::api::views;

pub(super) async fn set_pin(
    State(api): Api,
    JsonBody(order): JsonBody<PinOrder>,
) -> JsonAnswer<PinStatus> {
    let currency = api.currency()?;
    let floor = order.floor.map(|floor| {
        if floor.currency == currency.as_str() {
            return Ok(floor.minor_units);
        }
        Err(ApiError::malformed(
            format!("the wallet's currency is {currency}"),
            format!("give the floor in {currency}"),
        ))
    });
    let change = PinChange {
        old: order.old,
        new: order.new,
        floor: floor.transpose()?,
    };
    let pin = api.wallet.set_pin(change).await?;

    Ok(Json(views::pin_status(pin, currency)))
}

pub(super) async fn lists(State(api): Api) -> Json<Vec<DenyList>> {
    let lists = api.wallet.lists().view();

    Json(lists.iter().map(views::deny_list).collect())
}
