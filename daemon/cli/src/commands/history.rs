//! `blepay history`, `blepay show` and `blepay receipt`.

use api_types::client::{Client, ClientError};
use api_types::{Direction, Payment, PaymentState, Receipt, Request};

use super::{ask, columns, short};
use crate::args::{History as Args, Show};
use crate::failure::Failure;
use crate::terminal::Terminal;
use crate::when::utc;

pub(crate) async fn list(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let path = format!("/v1/payments?limit={}", args.limit);
    let payments: Vec<Payment> = ask(client, terminal, &path).await?;
    let text = match payments.as_slice() {
        [] => "No payments yet.".to_owned(),
        payments => payments.iter().map(line).collect(),
    };

    terminal.data(&payments, &text)
}

pub(crate) async fn show(
    client: &Client,
    terminal: &mut Terminal,
    args: Show,
) -> Result<(), Failure> {
    let id = &args.id;
    let path = format!("/v1/payments/{id}");
    let payment: Result<Payment, ClientError> = ask(client, terminal, &path).await;
    match payment {
        Ok(payment) => terminal.data(&payment, &details(&payment)),
        Err(ClientError::Refused(body)) if body.code == "not-found" => {
            let request: Result<Request, ClientError> =
                client.get(&format!("/v1/requests/{id}")).await;
            match request {
                Ok(request) => terminal.data(&request, &request_details(&request)),
                Err(ClientError::Refused(body)) if body.code == "not-found" => {
                    Err(Failure::refused(
                        "not-found",
                        format!("there is no payment or request with the id {id}"),
                        "see them: blepay history, blepay request --list",
                    ))
                }
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn receipt(
    client: &Client,
    terminal: &mut Terminal,
    args: Show,
) -> Result<(), Failure> {
    let path = format!("/v1/payments/{}/receipt", args.id);
    let receipt: Receipt = ask(client, terminal, &path).await?;
    let text = serde_json::to_string_pretty(&receipt).map_err(std::io::Error::from)?;

    terminal.data(&receipt, &text)
}

fn line(payment: &Payment) -> String {
    let sign = match payment.direction {
        Direction::Out => '-',
        Direction::In => '+',
    };
    let amount = payment
        .amount
        .as_ref()
        .map_or_else(String::new, |amount| format!("{sign}{amount}"));
    let peer = payment.peer.as_deref().unwrap_or("unknown");

    format!(
        "{}  {amount:>14}  {:<12}  {}  {peer}\n",
        short(&payment.id),
        outcome(payment),
        utc(payment.at_ms),
    )
}

/// Says in a word where a payment stands.
fn outcome(payment: &Payment) -> &str {
    if payment.settled {
        return payment.settlement.as_deref().unwrap_or("settled");
    }
    match (payment.state, payment.direction) {
        (PaymentState::Searching, _) => "searching",
        (PaymentState::AwaitsApproval, _) => "asks",
        (PaymentState::Paying, _) => "paying",
        (PaymentState::Resuming | PaymentState::Unconfirmed, _) => "unconfirmed",
        (PaymentState::Received, Direction::Out) => "paid",
        (PaymentState::Received, Direction::In) => "received",
        (PaymentState::Held, _) => "held",
        (PaymentState::Declined, _) => "declined",
        (PaymentState::Failed, _) => "failed",
    }
}

fn details(payment: &Payment) -> String {
    let direction = match payment.direction {
        Direction::Out => "To",
        Direction::In => "From",
    };
    let mut rows = vec![
        ("Payment", payment.id.clone()),
        ("State", outcome(payment).to_owned()),
    ];
    let amount = payment.amount.as_ref().map(ToString::to_string);
    let j = payment.j.map(|j| j.to_string());
    for (name, value) in [
        (direction, payment.peer.clone()),
        ("Key", payment.peer_key.clone()),
        ("Provider", payment.peer_provider.clone()),
        ("Amount", amount),
        ("For", payment.memo.clone().filter(|memo| !memo.is_empty())),
        ("Request", payment.request_id.clone()),
        ("j", j),
        ("Refund of", payment.refund_of.clone()),
        (
            "Refunded",
            payment.refunded.as_ref().map(ToString::to_string),
        ),
        ("Reason", payment.reason.clone()),
    ] {
        if let Some(value) = value {
            rows.push((name, value));
        }
    }
    let receipt = match (payment.receipt_verified, payment.settled) {
        (true, _) => "held and verified",
        (false, true) => "none; the provider's signed answer proves the payment: blepay receipt",
        (false, false) => "none yet",
    };
    rows.push(("Receipt", receipt.to_owned()));
    rows.push(("Server", settlement(payment)));
    rows.push(("Time", utc(payment.at_ms)));

    columns(&rows)
}

fn settlement(payment: &Payment) -> String {
    match (&payment.settlement, payment.reported) {
        (Some(settlement), _) if payment.settled => format!("{settlement}, final"),
        (Some(settlement), _) => settlement.clone(),
        (None, true) => "knows of it".to_owned(),
        (None, false) => "not told yet".to_owned(),
    }
}

fn request_details(request: &Request) -> String {
    let mut rows = vec![
        ("Request", request.id.clone()),
        ("State", format!("{:?}", request.state).to_lowercase()),
        ("Amount", request.amount.to_string()),
        ("Time", utc(request.issued_ms)),
    ];
    for (name, value) in [
        (
            "For",
            Some(request.memo.clone()).filter(|memo| !memo.is_empty()),
        ),
        ("URI", request.uri.clone()),
        ("Code", request.code.clone()),
        ("Payment", request.payment.clone()),
        ("Refund of", request.refund_of.clone()),
    ] {
        if let Some(value) = value {
            rows.push((name, value));
        }
    }

    columns(&rows)
}
