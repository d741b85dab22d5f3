//! One file for each command.

pub(super) mod deposit;
pub(super) mod doctor;
pub(super) mod ending;
pub(super) mod history;
pub(super) mod init;
pub(super) mod lists;
pub(super) mod man;
pub(super) mod nearby;
pub(super) mod pay;
pub(super) mod pin;
pub(super) mod policy;
pub(super) mod radio;
pub(super) mod refund;
pub(super) mod request;
pub(super) mod status;
pub(super) mod sync;
pub(super) mod watch;
pub(super) mod withdraw;

use api_types::client::{Client, ClientError};
use api_types::{MoneyOrder, Status};
use ops_proto::amount::AmountTextRefused;
use ops_proto::limits::AMOUNT_MAX;
use ops_proto::money;
use ops_proto::{Amount, Currency};
use serde::de::DeserializeOwned;

use super::failure::{Exit, Failure};
use super::terminal::{ASKING, Terminal};

/// What to ask where an order that moves money to or from the device was given, and the command broke then.
const ASK_STATUS: &str = "do not repeat it: blepay status says how far it came";

/// The same of payments.
const ASK_HISTORY: &str = "do not pay again: blepay history says what became of it";

/// The same of requests.
const ASK_REQUESTS: &str =
    "blepay request --list says whether it is open, blepay history whether it is paid";

/// Asks the daemon for something that changes nothing, and says so where it takes long.
async fn ask<T: DeserializeOwned>(
    client: &Client,
    terminal: &mut Terminal,
    path: &str,
) -> Result<T, ClientError> {
    terminal.patient(ASKING, client.get(path)).await
}

/// Asks the daemon for the wallet's currency.
async fn currency(client: &Client, terminal: &mut Terminal) -> Result<Currency, Failure> {
    let status: Status = ask(client, terminal, "/v1/status").await?;
    let identity = status.identity.ok_or_else(|| {
        Failure::refused(
            "not-enrolled",
            "this wallet is not enrolled with a provider yet",
            "blepay init FILE, with the enrolment file of your provider",
        )
    })?;

    identity.currency.parse().map_err(|error| {
        Failure::refused(
            "broken-answer",
            error,
            "see the daemon's log: journalctl -u blepayd",
        )
    })
}

/// Reads an amount as a person wrote it, in a currency.
fn amount(text: &str, currency: Currency) -> Result<MoneyOrder, Failure> {
    let amount = Amount::parse(text, money::exponent(currency))
        .map_err(|refused| no_amount(text, refused, currency))?;

    Ok(MoneyOrder {
        minor_units: amount.minor_units(),
        currency: currency.to_string(),
        text: None,
    })
}

/// Tells why a text is no amount, and how one of this currency is written.
fn no_amount(text: &str, refused: AmountTextRefused, currency: Currency) -> Failure {
    let message = format!("{text:?} is not an amount: {refused}");
    let hint = match refused {
        AmountTextRefused::OutOfRange => {
            let least = money::text(1, currency);
            let most = money::words(AMOUNT_MAX, currency);
            format!("write an amount from {least} to {most}")
        }
        AmountTextRefused::NotANumber
        | AmountTextRefused::LeadingZero
        | AmountTextRefused::TooPrecise { .. } => {
            format!("write it as {} for {currency}", money::example(currency))
        }
    };

    Failure::new(Exit::Usage, "amount", message, hint)
}

/// Prints a warning for each limit that is nearly reached, before the trusted application refuses.
async fn warn(client: &Client, terminal: &mut Terminal) {
    let status: Result<Status, _> = ask(client, terminal, "/v1/status").await;
    for warning in status.map(|status| status.ta.warnings).unwrap_or_default() {
        terminal.note(&format!("Note: {}", warning.message));
    }
}

/// Writes rows as aligned columns.
fn columns(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows
        .iter()
        .map(|(name, value)| format!("{name:width$}   {value}\n"));

    lines.collect()
}

/// Writes the beginning of an id, enough to name it.
fn short(id: &str) -> &str {
    id.get(..SHORT_ID_SIZE).unwrap_or(id)
}

const SHORT_ID_SIZE: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_an_amount_is_written_is_shown_in_its_own_currency() {
        for (code, wrong, right) in [
            ("EUR", "12,50", "write it as 12.50 for EUR"),
            ("JPY", "12.50", "write it as 1250 for JPY"),
            ("KWD", "0.0001", "write it as 12.500 for KWD"),
            (
                "KWD",
                "0",
                "write an amount from 0.001 to 1000000000000.000 KWD",
            ),
        ] {
            let currency = code.parse().expect("a code");
            let refused = amount(wrong, currency).expect_err("no amount");

            assert_eq!(refused.exit, Exit::Usage);
            assert_eq!(refused.body.hint, right, "{wrong}");
            assert!(refused.body.message.contains(wrong), "{refused:?}");
        }
    }
}
