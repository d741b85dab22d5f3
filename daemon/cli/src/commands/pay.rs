//! `blepay pay`: shows who, how much and the code, then asks.

use std::io::{BufRead as _, Read as _};
use std::path::Path;

use api_types::OUTCOME_UNKNOWN;
use api_types::client::{Client, ClientError, Events};
use api_types::protection::ApproveOrder;
use api_types::{
    Event, MoneyOrder, NOT_FOUND, Nearby, Payment, PaymentOrder, PaymentState, RADIO_ABSENT,
};
use serde_json::json;

use super::{ASK_HISTORY, amount, currency, nearby, short, warn};
use crate::args::Pay as Args;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    mut args: Args,
) -> Result<(), Failure> {
    if args.payee.as_deref() == Some(STDIN) {
        args.payee = Some(uri_from_stdin(&args)?);
    }
    let expected = match &args.amount {
        Some(text) => Some(amount(text, currency(client, terminal).await?)?),
        None => None,
    };
    if !args.yes && !terminal.can_ask() {
        return Err(Failure::new(
            Exit::Refused,
            "no-input",
            "a payment needs approval and nobody can be asked",
            "give --yes and --amount with a blepay: URI, or --yes with a payee named by blepay trust, or run it on a terminal",
        ));
    }
    let pin = args.pin_file.as_deref().map(super::pin::read).transpose()?;
    let order = PaymentOrder {
        pin,
        ..target(client, terminal, &args, expected).await?
    };
    let starting = client.post("/v1/payments", &order);
    let started: Payment = terminal.patient("Beginning the payment…", starting).await?;
    if args.yes {
        terminal.acted(ASK_HISTORY);
    }
    let events = client
        .events(&format!("/v1/payments/{}/events", started.id))
        .await?;
    let payment = follow(client, terminal, events, &args, started).await?;
    warn(client, terminal).await;

    ended(terminal, &payment)
}

/// Reads the URI, which is a secret of payee and payer: what stands in a command line, every user of the machine can read.
fn uri_from_stdin(args: &Args) -> Result<String, Failure> {
    if args.pin_file.as_deref() == Some(Path::new(STDIN)) {
        return Err(Failure::usage(
            "URI and PIN cannot both come from stdin",
            "give the PIN in a file: --pin-file FILE",
        ));
    }
    let mut line = String::new();
    let stdin = std::io::stdin().lock();
    let _size = stdin.take(URI_LINE_SIZE_MAX).read_line(&mut line)?;
    let uri = line.trim();
    if !is_uri(uri) {
        return Err(Failure::usage(
            "stdin holds no blepay: URI",
            "scan or type it again, as one line",
        ));
    }

    Ok(uri.to_owned())
}

/// Finds out whom to pay: a URI, somebody near, or whom the person chooses.
async fn target(
    client: &Client,
    terminal: &mut Terminal,
    args: &Args,
    amount: Option<MoneyOrder>,
) -> Result<PaymentOrder, Failure> {
    let order = PaymentOrder {
        amount,
        approve: args.yes,
        timeout_s: Some(args.timeout),
        ..PaymentOrder::default()
    };
    let wanted = args.payee.as_deref();
    if let Some(uri) = wanted.filter(|text| is_uri(text)) {
        return Ok(PaymentOrder {
            uri: Some(uri.to_owned()),
            ..order
        });
    }
    // nothing to choose: the daemon looks for this payee alone
    if let Some(key) = wanted.filter(|text| args.yes && order.amount.is_none() && is_key(text)) {
        return Ok(PaymentOrder {
            payee_key: Some(key.to_ascii_lowercase()),
            ..order
        });
    }
    let mut left = args.timeout;
    loop {
        terminal.waiting("Looking for payees near here…");
        let seconds = left.min(LISTEN_S);
        let heard = nearby::listen(client, seconds).await?;
        let mut fitting = heard
            .into_iter()
            .filter(|nearby| fits(nearby, wanted, order.amount.as_ref()));
        let found: Vec<Nearby> = fitting.by_ref().collect();
        if !found.is_empty() {
            let tag = choose(terminal, wanted, found)?;
            return Ok(PaymentOrder {
                tag: Some(tag),
                ..order
            });
        }
        left = left.saturating_sub(seconds);
        if left == 0 {
            return Err(Failure::nobody(
                match wanted {
                    Some(payee) => format!("{payee:?} is not asking for a payment near here"),
                    None => "nobody near here is asking for a payment".to_owned(),
                },
                "ask the payee to open the request again, or look with blepay nearby",
            ));
        }
    }
}

fn is_uri(text: &str) -> bool {
    text.get(..URI_SCHEME_SIZE)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(api_types::URI_SCHEME))
}

fn is_key(text: &str) -> bool {
    text.len() == KEY_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn fits(nearby: &Nearby, wanted: Option<&str>, amount: Option<&MoneyOrder>) -> bool {
    let named = wanted.is_none_or(|wanted| {
        nearby.payee.to_lowercase() == wanted.to_lowercase()
            || nearby.payee_key.eq_ignore_ascii_case(wanted)
            || nearby.tag.eq_ignore_ascii_case(wanted)
    });
    let priced = amount.is_none_or(|amount| {
        nearby.amount.minor_units == amount.minor_units && nearby.amount.currency == amount.currency
    });

    named && priced
}

fn choose(
    terminal: &mut Terminal,
    wanted: Option<&str>,
    found: Vec<Nearby>,
) -> Result<String, Failure> {
    if let ([only], Some(_)) = (found.as_slice(), wanted) {
        return Ok(only.tag.clone());
    }
    if !terminal.can_ask() {
        return Err(Failure::refused(
            "ambiguous",
            format!("{} requests near here fit", found.len()),
            "name the tag that blepay nearby --json shows",
        ));
    }
    terminal.note(&nearby::text(&found));
    for _ in 0..QUESTIONS_MAX {
        let answer = terminal.ask(&format!("Which one? [1-{}, empty for none]", found.len()))?;
        if answer.is_empty() {
            return Err(declined());
        }
        if let Some(chosen) = numbered(&answer, &found) {
            return Ok(chosen.tag.clone());
        }
        terminal.note(&format!("{answer:?} is not one of the numbers."));
    }

    Err(declined())
}

/// Returns the entry that the user selected by number.
fn numbered<'a>(answer: &str, found: &'a [Nearby]) -> Option<&'a Nearby> {
    let number = answer.parse::<usize>().ok()?;

    found.get(number.checked_sub(1)?)
}

/// Goes along with the payment until its last state.
async fn follow(
    client: &Client,
    terminal: &mut Terminal,
    mut events: Events,
    args: &Args,
    started: Payment,
) -> Result<Payment, Failure> {
    let mut payment = started;
    let mut asked = false;
    let mut told = None;
    loop {
        if payment.state.is_final() {
            return Ok(payment);
        }
        let state = Some((payment.state, payment.reason.clone()));
        if told != state {
            told = state;
            tell(terminal, &payment);
        }
        match payment.state {
            PaymentState::AwaitsApproval if !asked && !args.yes => {
                asked = true;
                payment = decide(client, terminal, &payment).await?;
                continue;
            }
            PaymentState::Searching
            | PaymentState::AwaitsApproval
            | PaymentState::Paying
            | PaymentState::Resuming
            | PaymentState::Unconfirmed
            | PaymentState::Received
            | PaymentState::Held
            | PaymentState::Declined
            | PaymentState::Failed => {}
        }
        payment = match events.next().await? {
            Some(Event::Payment { payment }) => payment,
            Some(
                Event::Request { .. } | Event::Sync { .. } | Event::Radio { .. } | Event::Lost,
            ) => client.get(&format!("/v1/payments/{}", payment.id)).await?,
            None => return Err(unknown(&payment)),
        };
    }
}

/// Says what is waited for.
fn tell(terminal: &mut Terminal, payment: &Payment) {
    match payment.state {
        PaymentState::Searching => {
            let waits = payment.reason.as_deref();
            terminal.waiting(waits.unwrap_or("Connecting to the payee…"));
        }
        PaymentState::Paying => terminal.waiting("Paying…"),
        PaymentState::Resuming => {
            terminal.waiting("The link broke; sending the same payment again…");
        }
        PaymentState::AwaitsApproval
        | PaymentState::Unconfirmed
        | PaymentState::Received
        | PaymentState::Held
        | PaymentState::Declined
        | PaymentState::Failed => {}
    }
}

/// Asks the person: who, how much, code.
async fn decide(
    client: &Client,
    terminal: &mut Terminal,
    payment: &Payment,
) -> Result<Payment, Failure> {
    terminal.note(&question(payment));
    let answer = terminal.ask("Pay? [y/N]")?;
    let yes = ["y", "yes"].contains(&answer.to_lowercase().as_str());
    if !yes {
        let path = format!("/v1/payments/{}/decline", payment.id);
        return said(client, payment, client.post(&path, &json!({})).await).await;
    }
    let pin = match payment.pin_tries_left {
        Some(left) => Some(terminal.ask_hidden(&format!("PIN ({left} tries left):"))?),
        None => None,
    };
    let path = format!("/v1/payments/{}/approve", payment.id);
    terminal.acted(ASK_HISTORY);

    said(
        client,
        payment,
        client.post(&path, &ApproveOrder { pin }).await,
    )
    .await
}

/// Returns the payment after a decision. One that came too late decides nothing: how the payment stands says why.
async fn said(
    client: &Client,
    payment: &Payment,
    answer: Result<Payment, ClientError>,
) -> Result<Payment, Failure> {
    match answer {
        Err(ClientError::Refused(body)) if body.code == TOO_LATE => {
            Ok(client.get(&format!("/v1/payments/{}", payment.id)).await?)
        }
        answer => Ok(answer?),
    }
}

fn question(payment: &Payment) -> String {
    let or =
        |value: &Option<String>, absent: &str| value.clone().unwrap_or_else(|| absent.to_owned());
    let mut rows = vec![
        ("To", or(&payment.peer, "unknown")),
        ("Provider", or(&payment.peer_provider, "unknown")),
        (
            "Amount",
            payment
                .amount
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
        ),
    ];
    if let Some(of) = &payment.refund_of {
        rows.push(("Refund of", format!("payment {}", short(of))));
    }
    if let Some(memo) = payment.memo.as_ref().filter(|memo| !memo.is_empty()) {
        rows.push(("For", memo.clone()));
    }
    if let Some(code) = &payment.code {
        rows.push((
            "Code",
            format!("{code}   must be the same on the payee's screen"),
        ));
    }

    super::columns(&rows)
}

fn ended(terminal: &mut Terminal, payment: &Payment) -> Result<(), Failure> {
    let reason = payment.reason.as_deref().unwrap_or("no reason was given");
    let amount = payment
        .amount
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let peer = payment.peer.as_deref().unwrap_or("the payee");
    match payment.state {
        PaymentState::Received if !payment.receipt_verified => terminal.data(
            payment,
            &format!(
                "Paid {amount} to {peer}: the provider says that the money has arrived; {peer} has not confirmed. Payment {}.",
                short(&payment.id)
            ),
        ),
        PaymentState::Received => terminal.data(
            payment,
            &format!(
                "Paid {amount} to {peer}; the receipt is verified. Payment {}.",
                short(&payment.id)
            ),
        ),
        PaymentState::Declined => Err(declined()),
        PaymentState::Failed if payment.failure.as_deref() == Some(NOT_FOUND) => Err(
            Failure::nobody(reason, "nothing has moved; look with blepay nearby"),
        ),
        PaymentState::Failed if payment.failure.as_deref() == Some(RADIO_ABSENT) => {
            Err(Failure::refused(
                "radio-absent",
                reason,
                "nothing has moved; blepay doctor says what to do",
            ))
        }
        PaymentState::Failed => Err(Failure::refused(
            "not-paid",
            format!("nothing was paid: {reason}"),
            what_next(payment.failure.as_deref()),
        )),
        PaymentState::Held => Err(Failure::new(
            Exit::OutcomeUnknown,
            OUTCOME_UNKNOWN,
            format!("{amount} is paid and {peer} keeps it; it is credited online"),
            format!("do not pay again; blepay show {} tells", short(&payment.id)),
        )),
        PaymentState::Searching
        | PaymentState::AwaitsApproval
        | PaymentState::Paying
        | PaymentState::Resuming
        | PaymentState::Unconfirmed => Err(unknown(payment)),
    }
}

/// Returns what to do after a payment that ended before the debit, by the class of its failure.
fn what_next(failure: Option<&str>) -> &'static str {
    match failure {
        Some("already_paid") => {
            "nothing more has moved; blepay history shows who was paid, the payee opens a new request for more"
        }
        Some("busy") => "nothing has moved; try again in a moment",
        Some("not_as_expected") => "nothing has moved; ask the payee which sum is right",
        Some("untrusted") => "nothing has moved; do not pay this payee before you know why",
        Some("refused_by_payee") => "nothing has moved; ask the payee to open another request",
        Some("refused_by_ta" | "forbidden" | "declined") => "nothing has moved",
        Some(NOT_FOUND | RADIO_ABSENT | "internal") | None => {
            "nothing has moved; it is safe to try again"
        }
        // of a daemon that is newer than this program
        Some(_) => "nothing has moved; look at blepay history before you try again",
    }
}

fn unknown(payment: &Payment) -> Failure {
    let reason = payment.reason.as_deref().unwrap_or("the link has ended");

    Failure::new(
        Exit::OutcomeUnknown,
        OUTCOME_UNKNOWN,
        format!("the payee has not confirmed: {reason}"),
        format!(
            "do not pay again: it is sent again when the payee is near, and settles online; blepay show {}",
            short(&payment.id)
        ),
    )
}

fn declined() -> Failure {
    Failure::new(Exit::Declined, "declined", "not paid", "nothing has moved")
}

/// The code of the refusal of a decision that came too late.
const TOO_LATE: &str = "nothing-to-decide";
/// What names stdin in place of a file.
const STDIN: &str = "-";
/// The longest line that is read for a URI.
const URI_LINE_SIZE_MAX: u64 = 1024;
const URI_SCHEME_SIZE: usize = api_types::URI_SCHEME.len();
const LISTEN_S: u64 = 4;
/// Hex digits of a payee's key.
const KEY_DIGITS: usize = 64;
/// How often somebody who mistypes is asked.
const QUESTIONS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::Money;

    #[test]
    fn only_a_number_of_the_list_chooses() {
        let money = Money {
            minor_units: 1,
            currency: "EUR".to_owned(),
            text: String::new(),
        };
        let nearby = |tag: &str| Nearby {
            tag: tag.to_owned(),
            payee: String::new(),
            payee_key: String::new(),
            provider: String::new(),
            amount: money.clone(),
            refund_of: None,
            signal_dbm: None,
        };
        let found = [nearby("a"), nearby("b")];

        assert_eq!(numbered("2", &found).map(|it| it.tag.as_str()), Some("b"));
        for wrong in ["0", "3", "-1", "b", "1 2", "99999999999999999999"] {
            assert_eq!(numbered(wrong, &found), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_is_told_from_a_name() {
        assert!(is_key(&"aB".repeat(32)));
        assert!(!is_key("Ferry") && !is_key(&"zz".repeat(32)) && !is_key(&"a".repeat(63)));
    }
}
