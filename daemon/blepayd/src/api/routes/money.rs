//! Deposits and sync.

use api_types::{Deposit, DepositOrder, DepositState, Money, SyncReport};
use axum::Json;
use axum::extract::State;
use journal::book::DepositStage;
use ops_proto::message::DepositOutcome;

use super::{Api, JsonAnswer};
use crate::api::error::order_refused;
use crate::api::extract::JsonBody;
use crate::api::views;

pub(super) async fn deposit(
    State(api): Api,
    JsonBody(order): JsonBody<DepositOrder>,
) -> JsonAnswer<Deposit> {
    let amount = api.amount(&order.amount)?;
    let currency = api.currency()?;
    api.wallet.check_deposit(amount).await?;
    let deposited = api.sync.deposit(amount).await.map_err(order_refused)?;
    let (state, reason, balance) = match &deposited.deposit.stage {
        DepositStage::Intended | DepositStage::Open(_) | DepositStage::Answered(..) => {
            let pending = deposited.pending.map(|error| error.to_string());
            (DepositState::Open, pending, None)
        }
        DepositStage::Closed {
            answer, balance, ..
        } => {
            let balance = Some(Money::rest(*balance, currency));
            match answer.body().outcome {
                DepositOutcome::Granted => (DepositState::Granted, None, balance),
                DepositOutcome::Refused(refusal) => {
                    (DepositState::Refused, Some(refusal.to_string()), balance)
                }
            }
        }
    };

    Ok(Json(Deposit {
        amount: Money::of(amount, currency),
        state,
        reason,
        balance,
    }))
}

pub(super) async fn sync(State(api): Api) -> JsonAnswer<SyncReport> {
    let _enrolled = api.currency()?;
    let sync = views::sync_status(&api.sync.run().await?);
    let unsynced = api.wallet.journal().view(views::unsynced);

    Ok(Json(SyncReport { sync, unsynced }))
}
