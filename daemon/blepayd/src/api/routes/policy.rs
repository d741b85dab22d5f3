//! The policy: which payments need no confirmation.

use api_types::{ApprovedPayee, Money, PayeeOrder, Policy, ScannedAllowance};
use axum::Json;
use axum::extract::{Path, State};
use ops_proto::{Balance, Name};
use runtime::clock;

use super::payments::public_key;
use super::{Api, JsonAnswer};
use crate::api::error::ApiError;
use crate::api::extract::JsonBody;
use crate::api::state::ApiState;

pub(super) async fn show(State(api): Api) -> JsonAnswer<Policy> {
    policy(&api).map(Json)
}

pub(super) async fn approve(
    State(api): Api,
    Path(key): Path<String>,
    JsonBody(order): JsonBody<PayeeOrder>,
) -> JsonAnswer<Policy> {
    let key = public_key(&key)?;
    let name: Name = order
        .name
        .parse()
        .map_err(|error| ApiError::malformed(error, "give another name"))?;
    let daily_max = api.amount(&order.daily_max)?;
    api.wallet.approve_payee(key, name, daily_max).await?;

    policy(&api).map(Json)
}

pub(super) async fn end(State(api): Api, Path(key): Path<String>) -> JsonAnswer<Policy> {
    let key = public_key(&key)?;
    let named = api
        .wallet
        .journal()
        .view(|book| book.approved_payees().any(|(named, _)| *named == key));
    if named {
        api.wallet.end_payee_approval(key).await?;
    }

    policy(&api).map(Json)
}

fn policy(api: &ApiState) -> Result<Policy, ApiError> {
    let currency = api.currency()?;
    let now = clock::now();
    let daily_max = api.wallet.scan_daily_max();

    Ok(api.wallet.journal().view(|book| Policy {
        payees: book
            .approved_payees()
            .map(|(key, payee)| ApprovedPayee {
                key: key.to_string(),
                name: payee.name.to_string(),
                daily_max: Money::of(payee.daily_max, currency),
                spent_today: Money::rest(
                    Balance::from_minor_units(book.spent_on(key, now)),
                    currency,
                ),
            })
            .collect(),
        scanned: daily_max.map(|daily_max| ScannedAllowance {
            daily_max: Money::of(daily_max, currency),
            spent_today: Money::rest(
                Balance::from_minor_units(book.spent_on_scans(now)),
                currency,
            ),
        }),
    }))
}
