use ops_proto::message::{AnswerStamp, DepositOutcome};
use ops_proto::statement::{ChainEnd, Moves};
use ops_proto::{Amount, Balance, SecretKey};

use super::*;

const SESSIONS: [TaSession; 3] = [TaSession::Open, TaSession::Shut, TaSession::Ended];

#[test]
fn every_stage_of_a_deposit_has_one_step_and_none_is_opened_twice_or_left_open() {
    let (open, answer) = (open(), answer());
    let stages = [
        DepositStage::Intended,
        DepositStage::Open(open.clone()),
        DepositStage::Answered(open.clone(), answer.clone()),
        DepositStage::Closed {
            open: open.clone(),
            answer: answer.clone(),
            balance: Balance::ZERO,
        },
    ];
    let rows = [
        [OrderStep::Forget, OrderStep::AwaitTa, OrderStep::Forget],
        [
            OrderStep::Send(&open),
            OrderStep::Send(&open),
            OrderStep::Done,
        ],
        [
            OrderStep::Take(&answer),
            OrderStep::AwaitTa,
            OrderStep::Done,
        ],
        [OrderStep::Done, OrderStep::Done, OrderStep::Done],
    ];

    for (stage, row) in stages.iter().zip(rows) {
        assert_eq!(SESSIONS.map(|session| deposit(stage, session)), row);
    }
}

#[test]
fn every_stage_of_a_withdrawal_has_one_step_and_a_debit_is_sent_until_it_is_booked() {
    let (withdrawn, ack) = (withdrawn(), ack());
    let stages = [
        WithdrawStage::Intended,
        WithdrawStage::Debited(withdrawn.clone()),
        WithdrawStage::Acknowledged(withdrawn.clone(), ack.clone()),
        WithdrawStage::Closed {
            withdraw: withdrawn.clone(),
            ack: ack.clone(),
            balance: Balance::ZERO,
        },
    ];
    let rows = [
        [OrderStep::Forget, OrderStep::AwaitTa, OrderStep::Forget],
        [
            OrderStep::Send(&withdrawn),
            OrderStep::Send(&withdrawn),
            OrderStep::Send(&withdrawn),
        ],
        [OrderStep::Take(&ack), OrderStep::AwaitTa, OrderStep::Done],
        [OrderStep::Done, OrderStep::Done, OrderStep::Done],
    ];

    for (stage, row) in stages.iter().zip(rows) {
        assert_eq!(SESSIONS.map(|session| withdraw(stage, session)), row);
    }
}

#[test]
fn every_stage_of_an_incoming_payment_has_one_step_and_none_drops_a_payment() {
    use IncomingStep::{AwaitTa, Claim, Collect, Done, GiveUp, Sign};
    let rows = [
        (
            IncomingStage::Received,
            Kind::Ta,
            [Collect, AwaitTa, GiveUp],
        ),
        (IncomingStage::Received, Kind::Client, [Sign; 3]),
        (IncomingStage::Refused, Kind::Ta, [Claim; 3]),
        (IncomingStage::Credited, Kind::Ta, [Done; 3]),
        (IncomingStage::Credited, Kind::Client, [Done; 3]),
    ];

    for (stage, receiver, row) in rows {
        assert_eq!(
            SESSIONS.map(|session| incoming(stage, receiver, session)),
            row
        );
    }
}

fn open() -> Signed<DepositOpen> {
    Signed::sign(
        DepositOpen {
            ta: key().public_key(),
            position: ChainEnd::START.next(Moves::I),
            amount: amount(),
        },
        &key(),
    )
}

fn answer() -> Signed<DepositAnswer> {
    Signed::sign(
        DepositAnswer {
            ta: key().public_key(),
            i: 1,
            order: open().hash(),
            outcome: DepositOutcome::Granted,
            stamp: stamp(),
        },
        &key(),
    )
}

fn withdrawn() -> Signed<Withdraw> {
    Signed::sign(
        Withdraw {
            ta: key().public_key(),
            position: ChainEnd::START.next(Moves::I),
            amount: amount(),
        },
        &key(),
    )
}

fn ack() -> Signed<WithdrawAck> {
    Signed::sign(
        WithdrawAck {
            ta: key().public_key(),
            i: 1,
            order: withdrawn().hash(),
            stamp: stamp(),
        },
        &key(),
    )
}

fn stamp() -> AnswerStamp {
    AnswerStamp {
        incarnation: 1,
        sequence: 1,
    }
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn amount() -> Amount {
    Amount::try_from(1250).expect("an amount")
}
