//! `blepay refund`: asks for money of a payment back.

use api_types::Request;
use api_types::client::Client;
use api_types::protection::RefundOrder;

use super::{ASK_REQUESTS, amount, currency, request};
use crate::failure::Failure;
use crate::protection_args::Refund as Args;
use crate::terminal::Terminal;

pub(crate) async fn run(
    client: &Client,
    terminal: &mut Terminal,
    args: Args,
) -> Result<(), Failure> {
    let amount = match &args.amount {
        Some(text) => Some(amount(text, currency(client, terminal).await?)?),
        None => None,
    };
    let order = RefundOrder {
        amount,
        by_uri: args.uri,
    };
    let waiting = match args.wait {
        true => Some(request::RequestWait::begin(client).await?),
        false => None,
    };
    let path = format!("/v1/payments/{}/refund", args.payment);
    let opened: Request = client.post(&path, &order).await?;
    terminal.acted(ASK_REQUESTS);

    let end = (args.timeout, request::WaitEnd::Keep);

    request::show(client, terminal, opened, waiting, end).await
}
