//! The commands: pure transitions `(state, command) -> (state', output)`, one file each.

mod acknowledge;
mod attest;
mod cert_init;
mod collect;
mod deposit_close;
mod deposit_open;
mod init;
mod operations_since;
mod pay;
mod prepare_request;
mod renew;
mod retire;
mod set_pin;
mod status_open;
mod sync;
mod withdraw;
mod withdraw_ack;

use ops_proto::contract::{Command, Output, TaRefused};
use zeroize::Zeroizing;

use crate::state::{PinChange, SALT_SIZE, State};

/// What a command does to the state.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing: it only asks, or it repeats what was done.
    Unchanged(Output),
    /// One more operation, with a number and a place in the running hash.
    Operation(Box<State>, Output),
    /// A change that is no operation.
    Silent(Box<State>, Output),
    /// A PIN is about to be compared: once the counted try is durable, the command is asked again with
    /// [`Tried::Counted`].
    Try(Box<State>),
    /// The TA never signs again.
    Condemned(Box<State>, TaRefused),
}

/// Fresh randomness that a command may use.
pub(crate) struct Fresh {
    pub(crate) ta_seed: Zeroizing<[u8; 32]>,
    pub(crate) device_seed: Zeroizing<[u8; 32]>,
    pub(crate) pin_salt: [u8; SALT_SIZE],
}

/// Whether the try that comparing this command's PIN costs is counted, and durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    No,
    Counted,
}

/// Whether `OperationsSince` has begun the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaSession {
    Closed,
    Open,
}

/// Computes what a command does. The caller makes the new state durable before it answers.
pub(crate) fn dispatch(
    state: &State,
    session: TaSession,
    command: &Command,
    tried: Tried,
    fresh: &Fresh,
) -> Result<Step, TaRefused> {
    if let Command::Inspect = command {
        return Ok(Step::Unchanged(Output::State(Box::new(state.inspect()))));
    }
    if let Some(reason) = state.condemned {
        return Err(reason);
    }
    if let Command::OperationsSince { mark } = command {
        return operations_since::run(state, mark);
    }
    if session == TaSession::Closed {
        return Err(TaRefused::SessionNotOpen);
    }
    let asked = command.without_pin();
    if let Some(output) = repeated(state, &asked) {
        return Ok(Step::Unchanged(output.clone()));
    }
    let step = run(state, command, tried, fresh)?;

    match step {
        Step::Operation(mut next, output) => {
            if next.operations.is_full() {
                return Err(TaRefused::Unacknowledged);
            }
            next.operations.record(asked, output.clone());
            Ok(Step::Operation(next, output))
        }
        // A right PIN must not cost a try because its operation finds no place.
        Step::Try(_) if state.operations.is_full() => Err(TaRefused::Unacknowledged),
        Step::Unchanged(_) | Step::Silent(..) | Step::Try(_) | Step::Condemned(..) => Ok(step),
    }
}

/// Returns what was returned to the very same command, if that is kept.
///
/// Without their PINs all changes of PIN look the same, so `SetPin` knows its repeat itself.
fn repeated<'a>(state: &'a State, asked: &Command) -> Option<&'a Output> {
    if let Command::SetPin { .. } = asked {
        return None;
    }

    state.operations.repeated(asked)
}

fn run(state: &State, command: &Command, tried: Tried, fresh: &Fresh) -> Result<Step, TaRefused> {
    match command {
        Command::Init { root } => init::run(state, root, fresh),
        Command::Attest { challenge, client } => attest::run(state, challenge, client),
        Command::CertInit {
            provider,
            certificate,
            now,
        } => cert_init::run(state, provider, certificate, *now),
        Command::DepositOpen { command, amount } => deposit_open::run(state, *command, *amount),
        Command::DepositClose { answer } => deposit_close::run(state, answer),
        Command::PrepareRequest { command, terms } => prepare_request::run(state, *command, terms),
        Command::Pay {
            request,
            payee_provider,
            now,
            pin,
        } => {
            let order = pay::PayOrder {
                request,
                payee_provider,
                now: *now,
                pin: pin.as_ref(),
            };
            pay::run(state, &order, tried)
        }
        Command::Collect {
            pair,
            sender_provider,
        } => collect::run(state, pair, sender_provider),
        Command::StatusOpen { close, nonce } => status_open::run(state, close, nonce),
        Command::Sync { token } => sync::run(state, token),
        Command::Acknowledge { o } => acknowledge::run(state, *o),
        Command::OperationsSince { mark } => operations_since::run(state, mark),
        Command::Inspect => Ok(Step::Unchanged(Output::State(Box::new(state.inspect())))),
        Command::Withdraw { command, amount } => withdraw::run(state, *command, *amount),
        Command::WithdrawAck { ack } => withdraw_ack::run(state, ack),
        Command::Renew { challenge } => renew::run(state, challenge),
        Command::Retire { nonce } => retire::run(state, nonce),
        Command::SetPin { old, new, floor } => {
            let change = PinChange {
                old: old.as_ref(),
                new,
                floor: *floor,
            };
            set_pin::run(state, &change, tried, fresh)
        }
    }
}
