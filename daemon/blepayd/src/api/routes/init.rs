//! `POST /v1/init`: enrols, and registers as far as the server can be reached.

use api_types::{InitOrder, Status};
use axum::Json;
use axum::extract::State;
use journal::{Enrolled, Fact};
use ops_proto::Name;
use ops_proto::contract::{Command, TaRefused};
use sync::{EnrolmentFault, check_enrolment};
use wallet::ta::TaError;

use super::{Api, JsonAnswer};
use crate::api::error::{ApiError, CLOCK_HINT};
use crate::api::extract::JsonBody;
use crate::api::state::ApiState;
use crate::api::views;

pub(super) async fn init(
    State(api): Api,
    JsonBody(order): JsonBody<InitOrder>,
) -> JsonAnswer<Status> {
    let name: Name = order
        .name
        .parse()
        .map_err(|error| ApiError::malformed(error, "give another name: --name \"Ferry Café\""))?;
    let enrolled = check_enrolment(&order.enrolment)
        .map_err(|error| match error {
            EnrolmentFault::Clock { .. } => ApiError::conflict("clock", error, CLOCK_HINT),
            EnrolmentFault::Malformed(_)
            | EnrolmentFault::Provider(_)
            | EnrolmentFault::Url
            | EnrolmentFault::Anchor(_) => ApiError::malformed(
                error,
                "ask the provider for a new file: blepay-server enrol",
            ),
        })?
        .into_enrolled();
    check_first(&api, &enrolled, &name)?;
    check_ta(&api, order.with_ta)?;
    // Nothing is kept of an enrolment whose root the TA does not take: it pins one root for ever.
    if order.with_ta {
        pin(&api, &enrolled).await?;
    } else {
        api.ta_use.renounce().map_err(|error| {
            ApiError::unavailable("state", error, "see blepay doctor for the state directory")
        })?;
    }
    record(&api, enrolled, name).await?;
    let _shown_in_status = api.sync.run().await?;

    Ok(Json(views::status(&api).await))
}

/// A wallet has one provider, and its name stands in its certificate.
fn check_first(api: &ApiState, enrolled: &Enrolled, name: &Name) -> Result<(), ApiError> {
    api.wallet.journal().view(|book| {
        let same = book.enrolled().is_none_or(|held| {
            held.root == enrolled.root
                && held.provider.body().provider == enrolled.provider.body().provider
        });
        if !same {
            return Err(ApiError::conflict(
                "enrolled",
                "this wallet is enrolled with another provider",
                "another provider needs another wallet: another state directory",
            ));
        }
        let registered_as = book
            .client()
            .filter(|client| client.chain.is_some())
            .map(|client| client.name.clone());
        match registered_as {
            Some(held) if held != *name => Err(ApiError::conflict(
                "registered",
                format!("this wallet is registered as {held}"),
                format!("give the same name: --name {:?}", held.as_str()),
            )),
            Some(_) | None => Ok(()),
        }
    })
}

fn check_ta(api: &ApiState, with_ta: bool) -> Result<(), ApiError> {
    let has_key = api.wallet.journal().view(|book| book.ta().is_some());
    if !with_ta && has_key {
        return Err(ApiError::conflict(
            "has-ta",
            "this wallet has a trusted application already",
            "leave --payee-without-ta out",
        ));
    }
    if with_ta && (!api.ta_use.is_used() || api.wallet.ta().is_none()) {
        return Err(ApiError::conflict(
            "without-ta",
            "this wallet was made without a trusted application",
            "give --payee-without-ta, or make another wallet: another state directory",
        ));
    }

    Ok(())
}

async fn pin(api: &ApiState, enrolled: &Enrolled) -> Result<(), ApiError> {
    let Some(ta) = api.wallet.ta() else {
        return Ok(());
    };
    let command = Command::Init {
        root: enrolled.root,
    };
    match ta.invoke(command).await {
        // One that does not answer at present is initialised by sync when it does.
        Ok(_) | Err(TaError::Unreachable(_) | TaError::Busy) => Ok(()),
        Err(TaError::Refused(TaRefused::NotInitialised)) => Err(ApiError::conflict(
            "other-root",
            "the trusted application belongs to another root",
            "enrol with a provider of that root, or give this wallet a new blepay-ta",
        )),
        Err(error) => Err(sync::SyncError::Ta(error).into()),
    }
}

async fn record(api: &ApiState, enrolled: Enrolled, name: Name) -> Result<(), ApiError> {
    let (same, known) = api.wallet.journal().view(|book| {
        let same = book.enrolled() == Some(&enrolled);
        let known = book.client().is_some_and(|client| client.name == name);

        (same, known)
    });
    let client = api.wallet.identity().public_key();
    let mut facts = Vec::new();
    if !same {
        facts.push(Fact::Enrolled(Box::new(enrolled)));
    }
    if !known {
        facts.push(Fact::ClientKeyMade { client, name });
    }
    if !facts.is_empty() {
        let _seq = api.wallet.journal().append(facts).await?;
    }

    Ok(())
}
