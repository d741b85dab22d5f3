//! NetworkManager over D-Bus: its state is a hint.

use std::num::NonZeroUsize;
use std::time::Duration;

use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

use super::HintSender;

const SERVICE: &str = "org.freedesktop.NetworkManager";
const PATH: &str = "/org/freedesktop/NetworkManager";
/// `NM_STATE_CONNECTED_LOCAL`: from here on a server on the same link may be reached.
const CONNECTED_LOCAL: u32 = 50;
/// Signals that may wait for us; more are lost, and say nothing new.
const SIGNALS_QUEUED_MAX: usize = 16;
/// How long a bus that is not there is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Gives a hint whenever NetworkManager says that there is a network.
pub(super) async fn watch(hints: HintSender, stop: CancellationToken) {
    loop {
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            ended = follow(&hints) => ended,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "NetworkManager is not there; syncing by route changes and the timer");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_INTERVAL) => {}
        }
    }
}

/// Follows the signals until the bus goes. A NetworkManager that starts later is heard all the same.
async fn follow(hints: &HintSender) -> zbus::Result<()> {
    let bus = Connection::system().await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(SERVICE)
        .path(PATH)
        .interface(SERVICE)
        .member("StateChanged")
        .build()?;
    let mut signals =
        MessageStream::for_match_rule(rule, &bus, NonZeroUsize::new(SIGNALS_QUEUED_MAX)).await?;
    while let Some(signal) = signals.next().await {
        let state: u32 = signal?.body().deserialize()?;
        if state >= CONNECTED_LOCAL {
            hints.give("NetworkManager");
        }
    }

    Ok(())
}
