//! `blepay status`.

use api_types::client::Client;
use api_types::{HeldBalance, Status, SyncStatus, TaCondition, TaStatus, Unsynced};

use super::init::unregistered;
use super::{ask, columns, short};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::when::{ago, now_ms, utc};

pub(crate) async fn run(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let status: Status = ask(client, terminal, "/v1/status").await?;

    terminal.data(&status, &text(&status))
}

fn text(status: &Status) -> String {
    let Some(identity) = &status.identity else {
        return "Not enrolled yet: blepay init FILE, with the enrolment file of your provider."
            .to_owned();
    };
    let registered = match unregistered(status).filter(|_| !identity.registered) {
        Some(error) => format!(" (not registered: {})", error.message),
        None if identity.registered => String::new(),
        None => " (not registered yet)".to_owned(),
    };
    let mut rows = vec![
        ("Wallet", format!("{}{registered}", identity.name)),
        (
            "Provider",
            format!("{} · {}", identity.provider, identity.server),
        ),
        ("On this device", device(&status.ta)),
    ];
    if let Some(account) = &status.account {
        let asked = ago(account.at_ms, now_ms());
        rows.push(("Online account", format!("{} ({asked})", account.online)));
    }
    for waiting in &status.waiting {
        rows.push(("Waiting", held(waiting)));
    }
    if let Some(pin) = status.ta.pin.as_ref().filter(|pin| pin.is_set) {
        rows.push(("PIN", super::pin::text(pin)));
    }
    for warning in &status.ta.warnings {
        rows.push(("Note", warning.message.clone()));
    }
    if let Some(limits) = limits(&status.ta) {
        rows.push(("Limits", limits));
    }
    if let Some(revoked) = &status.revoked {
        rows.push(("REVOKED", revoked.clone()));
    }
    if let Some(suspended) = suspended(&status.sync) {
        rows.push(("SUSPENDED", suspended.to_owned()));
    }
    if status.unconfirmed > 0 {
        rows.push(("Unconfirmed", unconfirmed(status.unconfirmed)));
    }
    rows.push(("Radio", radio(status)));
    rows.push(("Open requests", status.requests_open.to_string()));
    rows.push(("To be synced", unsynced(&status.unsynced)));
    rows.push(("Last sync", sync(&status.sync)));
    for item in &status.sync.poisoned {
        // the hash of a payment is long, what else there is has a name
        let is_hash = !item.item.contains(' ');
        let name = if is_hash {
            short(&item.item)
        } else {
            &item.item
        };
        rows.push(("  refused", format!("{name}: {}", item.reason)));
    }

    columns(&rows)
}

fn device(ta: &TaStatus) -> String {
    let reason = ta.reason.as_deref().unwrap_or("no reason is known");
    let balance = || {
        ta.balance
            .as_ref()
            .map_or_else(String::new, ToString::to_string)
    };
    let pending = ta
        .deposit_open
        .as_ref()
        .map(|amount| format!(", deposit of {amount} not finished"))
        .unwrap_or_default();
    let withdrawing = ta
        .withdraw_open
        .as_ref()
        .map(|amount| format!(", withdrawal of {amount} on its way"))
        .unwrap_or_default();
    match ta.state {
        TaCondition::None => "no trusted application: can be paid, cannot pay".to_owned(),
        TaCondition::Ready => format!("{}{pending}{withdrawing}", balance()),
        TaCondition::Unreachable => format!("unknown: {reason}"),
        TaCondition::Uncertified => "not certified yet: needs the network once".to_owned(),
        TaCondition::Dead => format!("stopped for ever: {reason}"),
        TaCondition::Retired => format!("nothing: {reason}"),
    }
}

/// Writes what the trusted application pays and holds at most.
fn limits(ta: &TaStatus) -> Option<String> {
    let payment = ta.payment_max.as_ref()?;
    let balance = ta.balance_max.as_ref()?;
    let count = ta.paid_count_max?;

    Some(format!(
        "{payment} a payment, {balance} on the device; {} of {count} payments since the last sync",
        ta.paid_count
    ))
}

/// Prints the balance of a previous TA, and when it is paid out.
pub(crate) fn held(waiting: &HeldBalance) -> String {
    let from = waiting
        .payable_from_ms
        .map(|at| format!(", paid from {} on", utc(at)))
        .unwrap_or_default();

    format!("{} of TA {}{from}", waiting.held, short(&waiting.ta))
}

fn radio(status: &Status) -> String {
    let radio = &status.radio;
    let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
    if let Some(reason) = &radio.hidden {
        let adapter = named(&radio.adapter);
        format!("{adapter}, cannot be seen by others, BlueZ says {reason:?}")
    } else if radio.present {
        named(&radio.adapter)
    } else {
        format!("none: {}", named(&radio.reason))
    }
}

/// Returns how the provider refuses a wallet that it has suspended.
fn suspended(sync: &SyncStatus) -> Option<&str> {
    let mut errors = sync.parts.iter().filter_map(|part| part.error.as_ref());
    let suspended = errors.find(|error| error.code == "suspended")?;

    Some(&suspended.message)
}

fn unconfirmed(payments: u64) -> String {
    let word = if payments == 1 { "payment" } else { "payments" };

    format!("{payments} {word}; do not pay again, see blepay history")
}

/// Writes what has not reached the server.
pub(crate) fn unsynced(unsynced: &Unsynced) -> String {
    let mut parts = Vec::new();
    for (count, one, more) in [
        (unsynced.reports, "report", "reports"),
        (unsynced.claims, "claim", "claims"),
        (unsynced.waiting, "settlement", "settlements"),
    ] {
        if count > 0 {
            let word = if count == 1 { one } else { more };
            parts.push(format!("{count} {word}"));
        }
    }
    if unsynced.withdrawals > 0 {
        parts.push("a withdrawal".to_owned());
    }
    if unsynced.deposit_open {
        parts.push("a deposit".to_owned());
    }
    if parts.is_empty() {
        return "nothing".to_owned();
    }

    parts.join(", ")
}

fn sync(sync: &SyncStatus) -> String {
    let now = now_ms();
    let last = match (sync.succeeded_at_ms, sync.ended_at_ms) {
        (Some(succeeded), Some(ended)) if succeeded >= ended => ago(succeeded, now),
        (Some(succeeded), _) => format!("{}; since then without success", ago(succeeded, now)),
        (None, Some(_)) => "without success so far".to_owned(),
        (None, None) => "none yet".to_owned(),
    };
    let offline = match sync.reachable {
        Some(false) => ", offline",
        Some(true) | None => "",
    };
    let running = if sync.running { ", running" } else { "" };
    let error = sync
        .parts
        .iter()
        .find_map(|part| {
            part.error
                .as_ref()
                .filter(|_| sync.reachable != Some(false))
        })
        .map(|error| format!(" ({})", error.message))
        .unwrap_or_default();

    format!("{last}{offline}{running}{error}")
}
