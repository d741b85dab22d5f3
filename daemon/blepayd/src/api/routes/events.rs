//! Server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api_types::Event;
use axum::extract::{Path, State};
use axum::response::sse::{Event as SseEvent, KeepAlive, KeepAliveStream, Sse};
use futures::stream::{self, BoxStream, StreamExt as _};
use ops_proto::Digest;
use tokio_stream::wrappers::{BroadcastStream, WatchStream};
use wallet::WalletEvent;

use super::Api;
use super::payments::ongoing;
use crate::api::asked;
use crate::api::error::ApiError;
use crate::api::ongoing::Follower;
use crate::api::state::ApiState;
use crate::api::views;

type Events = Sse<KeepAliveStream<BoxStream<'static, Result<SseEvent, Infallible>>>>;

/// A line without content, so that a peer that is gone is noticed.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Sends everything that happens, from now on.
pub(super) async fn all(State(api): Api) -> Events {
    let wallet = BroadcastStream::new(api.wallet.subscribe());
    let syncs = WatchStream::from_changes(api.sync.status());
    let state = Arc::clone(&api);
    let wallet = wallet.filter_map(move |event| {
        let event = event.map_or(Some(Event::Lost), |event| of_wallet(&state, &event));
        std::future::ready(event)
    });
    let syncs = syncs
        .filter(|sync| std::future::ready(!sync.running))
        .map(|sync| Event::Sync {
            sync: views::sync_status(&sync),
        });

    sse(&api, stream::select(wallet, syncs).boxed())
}

/// Sends one payment, as it is and whenever it changes, until it ends. Whoever stops reading before it is approved declines it.
pub(super) async fn of_payment(
    State(api): Api,
    Path(id): Path<String>,
) -> Result<Events, ApiError> {
    let ongoing = ongoing(&api, &id)?;
    // only whoever reads the events follows: HEAD asks for none
    let followed = stream::once(async move { Follower::of(ongoing) });
    let payments = followed.flat_map(|follower| {
        let changes = WatchStream::new(follower.ongoing().watch());
        changes.map(move |progress| follower.ongoing().view(&progress))
    });
    let until_end = stream::unfold(Some(payments.boxed()), |changes| async {
        let mut changes = changes?;
        let payment = changes.next().await?;
        let goes_on = !payment.state.is_final();

        Some((payment, goes_on.then_some(changes)))
    });

    Ok(sse(
        &api,
        until_end.map(|payment| Event::Payment { payment }).boxed(),
    ))
}

fn sse(api: &ApiState, events: BoxStream<'static, Event>) -> Events {
    let stop = api.shutdown.stop();
    let lines = events
        .take_until(stop.cancelled_owned())
        .filter_map(|event| std::future::ready(line(&event)))
        .map(Ok)
        .boxed();

    Sse::new(lines).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL))
}

fn line(event: &Event) -> Option<SseEvent> {
    let name = match event {
        Event::Payment { .. } => "payment",
        Event::Request { .. } => "request",
        Event::Sync { .. } => "sync",
        Event::Radio { .. } => "radio",
        Event::Lost => "lost",
    };

    SseEvent::default().event(name).json_data(event).ok()
}

fn of_wallet(api: &ApiState, event: &WalletEvent) -> Option<Event> {
    match event {
        WalletEvent::RequestChanged(id) => {
            let request = asked::request(api, &api.wallet.request(*id)?);
            Some(Event::Request { request })
        }
        WalletEvent::PaymentReceived { payment, .. } | WalletEvent::PaymentChanged(payment) => {
            of_hash(api, payment)
        }
        WalletEvent::Radio(radio) => Some(Event::Radio {
            radio: views::radio(radio),
        }),
        WalletEvent::PaymentFailed
        | WalletEvent::DepositChanged
        | WalletEvent::WithdrawalChanged
        | WalletEvent::RegistrationChanged
        | WalletEvent::Synced
        | WalletEvent::Ta(_)
        | WalletEvent::Transcript(_) => None,
    }
}

fn of_hash(api: &ApiState, payment: &Digest) -> Option<Event> {
    let payment = views::payment(api, &api.wallet.payment(payment)?);

    Some(Event::Payment { payment })
}
