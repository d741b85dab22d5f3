//! Withdrawals, and the ends of TAs: retired or dead.

use api_types::{
    EndState, Money, OUTCOME_UNKNOWN, Recovery, RecoveryOrder, Retirement, Withdrawal,
    WithdrawalOrder, WithdrawalState,
};
use axum::Json;
use axum::extract::State;
use journal::book::{self, RequestShown};
use ops_proto::{PublicKey, RequestId};
use wallet::WalletError;

use super::{Api, JsonAnswer};
use crate::api::error::{ApiError, order_refused};
use crate::api::extract::JsonBody;
use crate::api::state::ApiState;
use crate::api::views;

pub(super) async fn withdraw(
    State(api): Api,
    JsonBody(order): JsonBody<WithdrawalOrder>,
) -> JsonAnswer<Withdrawal> {
    let amount = match (&order.amount, order.all) {
        (Some(amount), false) => Some(api.amount(amount)?),
        (None, true) => None,
        (Some(_), true) | (None, false) => {
            return Err(ApiError::malformed(
                "give either an amount or all",
                "exactly one of \"amount\" and \"all\": true",
            ));
        }
    };
    if let Some(amount) = amount {
        api.wallet.check_withdrawal(amount).await?;
    }
    let withdrawn = api.sync.withdraw(amount).await.map_err(order_refused)?;
    let reason = withdrawn.pending.map(|error| error.to_string());

    Ok(Json(Withdrawal {
        reason,
        ..view(&api, &withdrawn.withdrawal)?
    }))
}

/// Every withdrawal that left the device, newest first.
pub(super) async fn list(State(api): Api) -> JsonAnswer<Vec<Withdrawal>> {
    let begun = api.wallet.journal().view(|book| {
        let begun = book.withdrawals().iter().rev();
        let debited = begun.filter(|withdrawal| withdrawal.withdraw().is_some());
        debited.cloned().collect::<Vec<_>>()
    });
    let views: Result<Vec<_>, _> = begun
        .iter()
        .map(|withdrawal| view(&api, withdrawal))
        .collect();

    Ok(Json(views?))
}

fn view(api: &ApiState, withdrawal: &book::Withdrawal) -> Result<Withdrawal, ApiError> {
    Ok(Withdrawal {
        amount: Money::of(withdrawal.amount, api.currency()?),
        state: match withdrawal.ack() {
            Some(_) => WithdrawalState::Booked,
            None => WithdrawalState::Open,
        },
        reason: None,
        i: withdrawal
            .withdraw()
            .map(|withdraw| withdraw.body().position.i),
    })
}

pub(super) async fn retire(State(api): Api) -> JsonAnswer<Retirement> {
    let currency = api.currency()?;
    let open = requests_open(&api);
    let ended = api.sync.retire().await.map_err(order_refused)?;
    hide(&api, open).await.map_err(ended_all_the_same)?;

    Ok(Json(Retirement {
        ta: ended.ta.to_string(),
        state: state(ended.held.is_some()),
        reason: ended.pending.map(|error| error.to_string()),
        paid: ended.held.map(|held| Money::rest(held.paid, currency)),
        held: ended.held.map(|held| Money::rest(held.held, currency)),
    }))
}

pub(super) async fn recover(
    State(api): Api,
    JsonBody(order): JsonBody<RecoveryOrder>,
) -> JsonAnswer<Recovery> {
    let currency = api.currency()?;
    let ta = key(&order.ta)?;
    let open = requests_open(&api);
    let ended = api.sync.recover(ta).await?;
    hide(&api, open).await.map_err(ended_all_the_same)?;

    Ok(Json(Recovery {
        ta: ended.ta.to_string(),
        state: state(ended.held.is_some()),
        reason: ended.pending.map(|error| error.to_string()),
        waiting: ended.held.map(|held| views::held(&held, currency)),
    }))
}

const fn state(is_booked: bool) -> EndState {
    if is_booked {
        EndState::Booked
    } else {
        EndState::Open
    }
}

fn key(text: &str) -> Result<PublicKey, ApiError> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key).map_err(|_| {
        ApiError::malformed(
            "a key is 64 hex digits",
            "give the TA's key as GET /v1/status shows it",
        )
    })?;

    Ok(PublicKey(key))
}

/// Returns the open requests of the TA in use.
fn requests_open(api: &ApiState) -> Vec<RequestId> {
    api.wallet.journal().view(|book| {
        let Some(ta) = book.ta() else {
            return Vec::new();
        };
        let issued = book.requests_unclosed(&ta.key).into_iter();
        let shown = issued.filter(|request| request.shown == RequestShown::Open);

        shown
            .filter_map(|request| request.key())
            .map(|(_, id)| id)
            .collect()
    })
}

/// The TA has ended, whatever became of its requests.
fn ended_all_the_same(error: ApiError) -> ApiError {
    ApiError::unavailable(
        OUTCOME_UNKNOWN,
        format!(
            "the trusted application has ended, and its requests are still shown: {}",
            error.body.message
        ),
        "do not repeat it; blepay status, then blepay request --cancel --all",
    )
}

/// Nobody is to begin to pay a request that the TA has closed.
async fn hide(api: &ApiState, requests: Vec<RequestId>) -> Result<(), ApiError> {
    for id in requests {
        match api.wallet.cancel_request(id).await {
            Ok(()) | Err(WalletError::RequestPaid) => {}
            Err(error) => return Err(error.into()),
        }
    }

    Ok(())
}
