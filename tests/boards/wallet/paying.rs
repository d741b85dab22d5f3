//! Pays as a person does, who pays again where nothing has moved and waits where the outcome is not known yet.

use super::{PAY_LIMIT, Payment, Refusal, Said, begin_by_policy, history, parse, wait_for_state};
use crate::board::Board;
use crate::failure::{Failure, Outcome};
use crate::process::wait_at_leisure;
use crate::progress::say;

/// How long a payer looks for a payee.
const SEARCH: &str = "300s";
/// How often a person pays again who was told that nothing has moved.
const ATTEMPTS_MAX: u32 = 10;
/// What `blepay pay` says when the payee was not heard, or the link broke before the debit.
const NOBODY: &str = "nobody";
/// What it says while the payee still holds the request for a link that broke.
const BUSY_SAYS: &str = "another payer is paying this request";
/// What it says when the link broke after the debit: the daemon goes on by itself.
const OUTCOME_UNKNOWN: &str = "outcome-unknown";

/// Pays a trusted payee without confirmation, as an owner types it.
pub(crate) fn pay_by_command(board: &mut Board, payee: &str, amount: &str) -> Outcome<Payment> {
    let command = format!("blepay --json pay {payee} --amount {amount} --yes --timeout {SEARCH}");
    until_paid(board, |board| {
        let output = board.run(&command, PAY_LIMIT)?;
        if output.code == 0 {
            return parse(&output.stdout).map(Attempt::Paid);
        }
        let Refusal { code, message } = parse::<Said>(&output.stdout)?.error;
        let said = format!("{code}: {message}");

        Ok(match code.as_str() {
            OUTCOME_UNKNOWN => Attempt::Debited(said),
            NOBODY => Attempt::NothingMoved(said),
            _ if message.contains(BUSY_SAYS) => Attempt::NothingMoved(said),
            _ => Attempt::Refused(said),
        })
    })
}

/// Pays a trusted payee without confirmation, over the local API: nobody listens first for who else is there.
pub(crate) fn pay(board: &mut Board, payee: &str, amount: &str) -> Outcome<Payment> {
    let minor_units = minor_units(amount)?;
    until_paid(board, |board| {
        let begun = begin_by_policy(board, payee)?;
        let ends = ["received", "held", "unconfirmed", "declined", "failed"];
        let payment = wait_for_state(board, &begun.id, &ends, PAY_LIMIT)?;
        let said = format!("{payment:?}");

        Ok(match payment.state.as_str() {
            "received" if payment.is_over(minor_units) => Attempt::Paid(Box::new(payment)),
            "unconfirmed" => Attempt::Debited(said),
            _ if payment.moved_nothing() => Attempt::NothingMoved(said),
            _ => Attempt::Refused(said),
        })
    })
}

/// How an attempt to pay ended.
enum Attempt {
    /// With a receipt.
    Paid(Box<Payment>),
    /// The link broke after the debit: the daemon goes on by itself.
    Debited(String),
    /// The payee was not heard or had no time, or the link broke before the debit.
    NothingMoved(String),
    /// Otherwise.
    Refused(String),
}

/// On a slow machine a link breaks before the payment is through: nobody fails for that who would only have to
/// pay again, or to wait.
fn until_paid(
    board: &mut Board,
    mut attempt: impl FnMut(&mut Board) -> Outcome<Attempt>,
) -> Outcome<Payment> {
    let mut more = 1..ATTEMPTS_MAX;
    loop {
        match attempt(board)? {
            Attempt::Paid(payment) => return Ok(*payment),
            Attempt::Debited(said) => {
                say(&format!("the payer resumes: {said}"));
                return wait_until_resumed(board);
            }
            Attempt::NothingMoved(said) if more.next().is_some() => {
                say(&format!("the payer pays again: {said}"));
            }
            Attempt::NothingMoved(said) | Attempt::Refused(said) => {
                return Err(Failure::Unexpected(format!("nothing was paid: {said}")));
            }
        }
    }
}

/// Reads an amount as it is typed, with its two decimals.
fn minor_units(amount: &str) -> Outcome<u64> {
    let digits = amount.replacen('.', "", 1);

    digits
        .parse()
        .map_err(|_malformed| Failure::Unexpected(format!("{amount} is no amount")))
}

/// Waits until the newest payment, which is debited, is received after all.
pub(crate) fn wait_until_resumed(board: &mut Board) -> Outcome<Payment> {
    wait_at_leisure("the payer resumes by itself", PAY_LIMIT, || {
        let newest = history(board)?.into_iter().next();
        Ok(newest.filter(|payment| payment.state == "received" && payment.receipt_verified))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_with_its_decimals() {
        assert_eq!(minor_units("12.50").ok(), Some(1250));
        assert!(minor_units("1.2.3").is_err());
    }
}
