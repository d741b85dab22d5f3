//! What is wrong, and what to do.

use api_types::{Check, Doctor, ErrorBody, Status, TaCondition};
use axum::Json;
use axum::extract::State;
use runtime::clock;

use super::Api;
use super::checks::{self, check};
use crate::api::error::RADIO_HINT;
use crate::api::views;
use crate::scrub::Scrubbed;

pub(super) async fn doctor(State(api): Api) -> Json<Doctor> {
    let status = views::status(&api).await;
    let now = clock::now();
    let (contradictions, clock, certificates) = api.wallet.journal().view(|book| {
        (
            book.contradictions().to_vec(),
            checks::clock(&status, book, now),
            checks::certificates(book, now),
        )
    });
    let checks = vec![
        checks::disk(api.ta_use.directory()),
        clock,
        enrolment(&status),
        certificates,
        journal(
            api.wallet.journal().trouble(),
            &contradictions,
            &api.scrubbed.borrow(),
        ),
        ta(&status),
        limits(&status),
        standing(&status),
        radio(&status),
        server(&status),
        items(&status),
        unconfirmed(&status),
    ];

    Json(Doctor { checks })
}

fn enrolment(status: &Status) -> Check {
    let found = match &status.identity {
        Some(identity) if identity.registered => {
            Ok(format!("{} at {}", identity.name, identity.provider))
        }
        Some(identity) => Err((
            match unregistered(status) {
                Some(error) => format!("{} is not registered: {}", identity.name, error.message),
                None => format!("{} is not registered yet", identity.name),
            },
            "blepay sync while online; if the name is refused, blepay init again with --name",
        )),
        None => Err((
            "not enrolled".to_owned(),
            "blepay init FILE, with the enrolment file of your provider",
        )),
    };

    check("enrolment", found)
}

/// Returns why the provider has not registered this wallet, as it said last.
fn unregistered(status: &Status) -> Option<&ErrorBody> {
    let mut parts = status.sync.parts.iter();
    let part = parts.find(|part| part.part == "register_client")?;

    part.error.as_ref()
}

fn journal(trouble: Option<String>, contradictions: &[u64], scrubbed: &Scrubbed) -> Check {
    let found = match scrubbed {
        Scrubbed::NotYet | Scrubbed::Sound { .. } if trouble.is_some() => Err((
            format!(
                "it could not be read: {}; no payment begins",
                trouble.unwrap_or_default()
            ),
            "keep a copy of the state directory, restart blepayd; blepayd check tells more",
        )),
        Scrubbed::Damaged(what) => Err((
            what.clone(),
            "keep a copy of the state directory; blepayd check tells more",
        )),
        Scrubbed::NotYet | Scrubbed::Sound { .. } if !contradictions.is_empty() => Err((
            format!("facts {contradictions:?} contradict earlier ones"),
            "keep the state directory as it is and ask the provider",
        )),
        Scrubbed::NotYet => Ok("its facts fit together".to_owned()),
        Scrubbed::Sound { facts, at } => Ok(format!(
            "all {facts} facts were as they were written at {at}, and fit together"
        )),
    };

    check("journal", found)
}

fn ta(status: &Status) -> Check {
    let reason = status
        .ta
        .reason
        .clone()
        .unwrap_or_else(|| "no reason is known".to_owned());
    let found = match status.ta.state {
        TaCondition::None => Ok("none: this wallet is receive-only".to_owned()),
        TaCondition::Ready => Ok("ready".to_owned()),
        TaCondition::Uncertified => Err((reason, "blepay sync while online")),
        TaCondition::Unreachable => Err((reason, "systemctl status blepay-ta blepay-ta.socket")),
        TaCondition::Dead => Err((
            reason,
            "it never signs with this journal again: blepay recover reports it dead, and says what waits",
        )),
        TaCondition::Retired => Err((
            reason,
            "blepay recover --help says how to put a new one in its place",
        )),
    };

    check("ta", found)
}

fn limits(status: &Status) -> Check {
    let found = match (&status.revoked, status.ta.warnings.as_slice()) {
        (Some(revoked), _) => Err((
            revoked.clone(),
            "blepay sync while online; ask the provider",
        )),
        (None, []) => Ok("none is near".to_owned()),
        (None, [first, ..]) => Err((first.message.clone(), "blepay sync while online")),
    };

    check("limits", found)
}

/// What the provider says of this wallet: it tells by refusing.
fn standing(status: &Status) -> Check {
    let mut errors = status
        .sync
        .parts
        .iter()
        .filter_map(|part| part.error.as_ref());
    let suspended = errors.find(|error| error.code == SUSPENDED);
    let found = match suspended {
        Some(error) => Err((
            error.message.clone(),
            "ask the provider why; what the device holds stays on it",
        )),
        None => Ok("not suspended".to_owned()),
    };

    check("standing", found)
}

/// Payments that may have arrived, and that nobody has confirmed.
fn unconfirmed(status: &Status) -> Check {
    let found = match status.unconfirmed {
        0 => Ok("none".to_owned()),
        many => Err((
            format!("{many} sent and confirmed by nobody yet"),
            "do not pay again: blepay history. It is sent again when the payee is near, and settles online",
        )),
    };

    check("unconfirmed", found)
}

fn radio(status: &Status) -> Check {
    let radio = &status.radio;
    let adapter = radio.adapter.clone().unwrap_or_default();
    let found = if let Some(reason) = &radio.hidden {
        Err((
            format!("{adapter} cannot be seen by others, BlueZ says {reason:?}"),
            "another adapter, named in [radio] adapter; journalctl -u bluetooth",
        ))
    } else if radio.present {
        Ok(adapter)
    } else {
        let reason = radio.reason.clone().unwrap_or_default();
        Err((reason, RADIO_HINT))
    };

    check("radio", found)
}

fn server(status: &Status) -> Check {
    let failed = status
        .sync
        .parts
        .iter()
        .find_map(|part| part.error.as_ref());
    let found = match (status.sync.reachable, failed) {
        (Some(true), None) => Ok("it answers".to_owned()),
        (Some(true), Some(error)) => Err((error.message.clone(), "blepay sync shows more")),
        (Some(false), _) => Err((
            "it cannot be reached; payments go on offline".to_owned(),
            "check the network; the daemon syncs by itself when it is back",
        )),
        (None, _) => Err(("it was not asked yet".to_owned(), "blepay sync")),
    };

    check("server", found)
}

fn items(status: &Status) -> Check {
    let poisoned = &status.sync.poisoned;
    let found = match poisoned.as_slice() {
        [] => Ok("nothing is refused".to_owned()),
        [first, ..] => Err((
            format!(
                "{} refused, first {}: {}",
                poisoned.len(),
                first.item,
                first.reason
            ),
            "the rest is synced all the same; take blepay receipt ID to the provider",
        )),
    };

    check("payments", found)
}

/// The code with which a provider refuses whom it has suspended.
const SUSPENDED: &str = "suspended";
