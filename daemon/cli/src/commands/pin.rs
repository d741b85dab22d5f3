//! `blepay pin`: sets or changes the PIN, without ever showing it.

use std::io::Read as _;
use std::path::Path;

use api_types::client::Client;
use api_types::protection::{FloorOrder, PinOrder, PinStatus};
use api_types::{Status, TaCondition};
use ops_proto::contract::Pin;
use zeroize::Zeroizing;

use super::{ASK_STATUS, amount, ask, currency};
use crate::failure::Failure;
use crate::protection_args::{Pin as Args, PinChange, PinOptions};
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let status: Status = ask(client, terminal, "/v1/status").await?;
    let ta = status.ta;
    let reason = ta.reason;
    let pin = ta.pin.ok_or_else(|| match ta.state {
        TaCondition::None => Failure::refused(
            "no-ta",
            "this wallet has no trusted application, so it needs no PIN",
            "blepay status",
        ),
        TaCondition::Unreachable
        | TaCondition::Uncertified
        | TaCondition::Ready
        | TaCondition::Dead
        | TaCondition::Retired => Failure::refused(
            "ta-unreachable",
            format!(
                "the trusted application does not say whether there is a PIN: {}",
                reason.as_deref().unwrap_or("no reason is known")
            ),
            "blepay doctor",
        ),
    })?;
    let (options, is_change) = match (&args.change, pin.is_set) {
        (PinChange::Set(options), false) => (options, false),
        (PinChange::Change(options), true) => (options, true),
        (PinChange::Set(_), true) => {
            return Err(Failure::refused(
                "pin",
                "there is a PIN already",
                "blepay pin change",
            ));
        }
        (PinChange::Change(_), false) => {
            return Err(Failure::refused(
                "pin",
                "there is no PIN yet",
                "blepay pin set",
            ));
        }
    };
    let floor = floor(client, terminal, options).await?;
    let (old, new) = match &options.pin_file {
        Some(path) => from_file(path, is_change)?,
        None => from_person(terminal, is_change)?,
    };
    let order = PinOrder { old, new, floor };
    let pin: PinStatus = client.put("/v1/pin", &order).await?;
    terminal.acted(ASK_STATUS);

    terminal.data(&pin, &text(&pin))
}

/// Reads one PIN from a file, for a payment.
pub(super) fn read(path: &Path) -> Result<Pin, Failure> {
    from_file(path, false).map(|(_, pin)| pin)
}

/// Writes when the PIN is asked for.
pub(super) fn text(pin: &PinStatus) -> String {
    if !pin.is_set {
        return "none".to_owned();
    }
    let when = if pin.floor.minor_units == 0 {
        "asked for every payment".to_owned()
    } else {
        format!("asked for above {} since the last one", pin.floor)
    };

    format!("set, {when}; {} tries left", pin.tries_left)
}

async fn floor(
    client: &Client,
    terminal: &mut Terminal,
    options: &PinOptions,
) -> Result<Option<FloorOrder>, Failure> {
    let Some(text) = &options.ask_above else {
        return Ok(None);
    };
    let currency = currency(client, terminal).await?;
    let is_zero = text.trim_matches(['0', '.']).is_empty();
    let minor_units = if is_zero {
        0
    } else {
        amount(text, currency)?.minor_units
    };

    Ok(Some(FloorOrder {
        minor_units,
        currency: currency.to_string(),
    }))
}

fn from_person(terminal: &mut Terminal, is_change: bool) -> Result<(Option<Pin>, Pin), Failure> {
    let old = is_change
        .then(|| terminal.ask_hidden("PIN so far:"))
        .transpose()?;
    let new = terminal.ask_hidden("New PIN, 4 to 12 digits:")?;
    let again = terminal.ask_hidden("The same once more:")?;
    if new != again {
        return Err(Failure::refused(
            "pin",
            "the two are not the same",
            "nothing has changed; run it again",
        ));
    }

    Ok((old, new))
}

/// Reads a PIN, after the old one where it changes, a line each.
fn from_file(path: &Path, is_change: bool) -> Result<(Option<Pin>, Pin), Failure> {
    let mut text = Zeroizing::new(String::with_capacity(PIN_FILE_SIZE_MAX));
    let limit = u64::try_from(PIN_FILE_SIZE_MAX).unwrap_or(u64::MAX);
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?
            .take(limit)
            .read_to_string(&mut text)?;
    }
    let mut lines = text.lines().map(|line| Pin::new(line.trim().to_owned()));
    let missing = || {
        Failure::usage(
            "the PIN file is too short",
            "one line with the PIN; for `pin change` the old one in a line before it",
        )
    };
    let old = is_change
        .then(|| lines.next().ok_or_else(missing))
        .transpose()?;

    Ok((old, lines.next().ok_or_else(missing)?))
}

const PIN_FILE_SIZE_MAX: usize = 128;
