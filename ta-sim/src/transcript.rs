//! The protocol transcript: every step of the TA in the paper's notation, as `tracing` events.
//!
//! Events have the target [`TARGET`]. What is signed, with its numbers, is at `info`; amounts and
//! balances are at `debug` only. Nothing is told before it is on disk.

use ops_proto::contract::{Command, Output, TaRefused};
use ops_proto::message::{DepositOpen, Withdraw};
use ops_proto::pay_verify::PaymentPair;
use ops_proto::signed::Signed;

use crate::state::State;

/// The target of the transcript's events: `RUST_LOG=ops=debug` shows all of it.
pub const TARGET: &str = "ops";

/// Tells what a durable change was.
pub(crate) fn changed(before: &State, after: &State, result: &Result<Output, TaRefused>) {
    // A debit comes before what it pays for is signed, a credit after what it is for was checked.
    if after.balance < before.balance {
        debited(before, after);
    }
    match result {
        Ok(output) => step(after, output),
        Err(reason) => {
            tracing::error!(target: TARGET, %reason, "T never signs again");
        }
    }
    if after.balance > before.balance {
        credited(before, after);
    }
}

/// Tells that a try of a PIN is counted; the PIN is compared only after that.
pub(crate) fn try_counted(after: &State) {
    let tries_left = after.pin.inspect().tries_left;
    tracing::info!(target: TARGET, tries_left, "T.tries ← T.tries − 1");
}

/// Tells that a command was refused.
pub(crate) fn refused(command: &Command, reason: TaRefused) {
    tracing::info!(target: TARGET, command = name(command), %reason, "T refuses");
}

fn step(after: &State, output: &Output) {
    let o = after.operations.mark().o;
    match output {
        Output::Initialised { ta } => {
            tracing::info!(target: TARGET, o, ta = %ta.id(), "T: (pk_T, sk_T) ← KeyGen(); root pinned");
        }
        Output::Certified => {
            let number = after.certified.as_ref().map(|held| held.number());
            tracing::info!(target: TARGET, o, number, "T.cert ← cert_T; TACertVerify(root, cert_T) = 1");
        }
        Output::DepositOpened(order) => deposit_opened(o, order),
        Output::DepositClosed { .. } => {
            let i = after.chain.i;
            tracing::info!(target: TARGET, o, i, "T: Verify(pk_S, answer) = 1; T.i closed");
        }
        Output::RequestPrepared(request) => {
            let id = request.body().request_id.0;
            let hash = request.hash();
            tracing::info!(target: TARGET, o, request_id = id, %hash, "R = Sign_T(cert_T, id, x, time)");
        }
        Output::Paid(pair) => paid(o, pair),
        Output::Collected(receipt) => {
            let payment = receipt.body().payment;
            tracing::info!(target: TARGET, o, %payment, "T: PayVerify(P, R) = 1; ReceivedPayment = Sign_T(H(P))");
        }
        Output::StatusOpened(status) => {
            let (n, hash) = (status.body().position.n, status.hash());
            tracing::info!(target: TARGET, o, n, %hash, "Status = Sign_T(n, i, j, bal, collected, open, nonce)");
        }
        Output::Synced => {
            tracing::info!(target: TARGET, o, "T: Verify(pk_S, token) = 1; counts ← counts − stated");
        }
        Output::Acknowledged => {
            let o = after.operations.acknowledged().o;
            tracing::debug!(target: TARGET, o, "T forgets the outputs that the journal holds");
        }
        // These change nothing.
        Output::Attested { .. } | Output::Renewal(_) | Output::Operations(_) | Output::State(_) => {
        }
        Output::Withdrawn(order) => withdrawn(o, order),
        Output::WithdrawAcknowledged { .. } => {
            let i = after.chain.i;
            tracing::info!(target: TARGET, o, i, "T: Verify(pk_S, ack) = 1; T.i closed");
        }
        Output::Retired(retire) => {
            let (n, hash) = (retire.body().last.position.n, retire.hash());
            tracing::info!(target: TARGET, o, n, %hash, "Retire = Sign_T(n, i, j, bal, collected, nonce); T signs no more");
        }
        Output::PinSet => {
            tracing::info!(target: TARGET, o, "T.pin ← H(salt, PIN)");
        }
    }
}

fn deposit_opened(o: u64, order: &Signed<DepositOpen>) {
    let body = order.body();
    let (n, i) = (body.position.n, body.position.i);
    tracing::info!(target: TARGET, o, n, i, hash = %order.hash(), "T.i ← T.i + 1; DepositOpen = Sign_T(n, i, x)");
    tracing::debug!(target: TARGET, o, x = %body.amount, "DepositOpen");
}

fn withdrawn(o: u64, order: &Signed<Withdraw>) {
    let body = order.body();
    let (n, i) = (body.position.n, body.position.i);
    tracing::info!(target: TARGET, o, n, i, hash = %order.hash(), "T.i ← T.i + 1; W = Sign_T(n, i, x)");
    tracing::debug!(target: TARGET, o, x = %body.amount, "Withdraw");
}

fn paid(o: u64, pair: &PaymentPair) {
    let body = pair.payment.body();
    let (n, j) = (body.position.n, body.position.j);
    let receiver = body.receiver.key.id();
    let request_id = body.request_id.0;
    tracing::info!(
        target: TARGET, o, n, j, %receiver, request_id, hash = %pair.hash(),
        "T.j ← T.j + 1; P = Sign_T(R, x, T.j)"
    );
}

fn debited(before: &State, after: &State) {
    let (old, new) = (before.balance.minor_units(), after.balance.minor_units());
    let x = old.saturating_sub(new);
    tracing::debug!(target: TARGET, x, bal = new, "T.bal ← T.bal − x");
}

fn credited(before: &State, after: &State) {
    let (old, new) = (before.balance.minor_units(), after.balance.minor_units());
    let x = new.saturating_sub(old);
    tracing::debug!(target: TARGET, x, bal = new, "T.bal ← T.bal + x");
}

const fn name(command: &Command) -> &'static str {
    match command {
        Command::Init { .. } => "Init",
        Command::Attest { .. } => "Attest",
        Command::CertInit { .. } => "CertInit",
        Command::DepositOpen { .. } => "DepositOpen",
        Command::DepositClose { .. } => "DepositClose",
        Command::PrepareRequest { .. } => "PrepareRequest",
        Command::Pay { .. } => "Pay",
        Command::Collect { .. } => "Collect",
        Command::StatusOpen { .. } => "StatusOpen",
        Command::Sync { .. } => "Sync",
        Command::Acknowledge { .. } => "Acknowledge",
        Command::OperationsSince { .. } => "OperationsSince",
        Command::Inspect => "Inspect",
        Command::Withdraw { .. } => "Withdraw",
        Command::WithdrawAck { .. } => "WithdrawAck",
        Command::Renew { .. } => "Renew",
        Command::Retire { .. } => "Retire",
        Command::SetPin { .. } => "SetPin",
    }
}
