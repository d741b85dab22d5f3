//! OperationsSince and Acknowledge: the rule of the start.

use ops_proto::contract::{Answer, Command, Mark, Output, TaRefused, TrustedApplication as _};
use ops_proto::id::Digest;
use ops_proto::signed::encode;
use ops_proto::statement::{ChainEnd, Contradiction, Evidence, Statement};
use ta_sim::limits::OPERATIONS_KEPT_MAX;

use crate::world::{Bank, Device};

#[test]
fn a_session_begins_with_operations_since() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 5_000);
    device.start_again();

    assert_eq!(device.open_deposit(1), Err(TaRefused::SessionNotOpen));
    let root = bank.root_key();
    let init = device.ask(Command::Init { root });
    assert_eq!(init, Err(TaRefused::SessionNotOpen));
    let acknowledge = device.ask(Command::Acknowledge { o: 1 });
    assert_eq!(acknowledge, Err(TaRefused::SessionNotOpen));
    assert_eq!(device.balance(), 5_000, "Inspect is answered always");

    device.begin().expect("the journal is as far as the TA");
    assert!(device.open_deposit(1).is_ok());
    device.ta.begin_session();
    assert_eq!(device.open_deposit(2), Err(TaRefused::SessionNotOpen));
}

#[test]
fn counters_begin_at_0_and_each_statement_moves_its_own() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let mut payee = Device::certified(2, &bank);
    let at = |device: &mut Device| {
        let chain = device.state().chain;
        (chain.n, chain.i, chain.j)
    };
    assert_eq!(at(&mut device), (0, 0, 0));
    assert_eq!(device.state().chain, ChainEnd::START);

    device.deposit(&bank, 5_000);
    assert_eq!(at(&mut device), (1, 1, 0));
    let request = payee.request(100);
    device.pay(&bank, &request).expect("it has money");
    assert_eq!(at(&mut device), (2, 1, 1));
    device.open_status(&[], 1).expect("it is certified");
    assert_eq!(at(&mut device), (3, 1, 1));
    let order = device.withdraw(100).expect("it has money");
    assert_eq!(at(&mut device), (4, 2, 1));
    device
        .acknowledge_withdrawal(&bank, &order)
        .expect("it fits");
    device.request(100);
    assert_eq!(at(&mut device), (4, 2, 1), "no statements");
    device.retire(2).expect("nothing is open");
    assert_eq!(at(&mut device), (5, 2, 1));
}

#[test]
fn operations_since_returns_every_later_operation_in_full() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 5_000);
    let before = device.mark;
    let command = device.next_command();
    let prepare = Command::PrepareRequest {
        command,
        terms: Device::terms(100),
    };
    let first = device.ask(prepare.clone());
    let second = device.open_status(&[], 1);
    let end = device.mark;

    device.start_again();
    device.mark = before;
    let Ok(Output::Operations(later)) = device.begin() else {
        panic!("the journal is a past of the TA");
    };

    assert_eq!(later.len(), 2);
    assert_eq!(later[0].command, prepare);
    assert_eq!(Ok(later[0].output.clone()), first);
    assert_eq!(
        Ok(later[1].output.clone()),
        second.map(Output::StatusOpened)
    );
    let mut mark = before;
    for operation in &later {
        mark = mark.after(&encode(&operation.command), &encode(&operation.output));
        assert_eq!(operation.mark, mark);
    }
    assert_eq!(mark, end);
    assert_eq!(device.mark, end, "the answer says where the TA stands");
}

#[test]
fn a_ta_behind_the_journal_never_signs_again() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 5_000);
    let copy = device.disk.copy();
    let past = device.mark;
    device.open_status(&[], 1).expect("it is certified");

    device.disk.restore(copy);
    device.start_again();

    assert_eq!(device.begin(), Err(TaRefused::RolledBack));
    assert_eq!(device.open_deposit(1), Err(TaRefused::RolledBack));
    // Nor for a journal that was rolled back with it later.
    device.start_again();
    device.mark = past;
    assert_eq!(device.begin(), Err(TaRefused::RolledBack));
    assert_eq!(device.balance(), 5_000, "Inspect is answered always");
}

/// A simulated TA cannot stop its owner; the chain convicts it.
#[test]
fn a_ta_that_was_rolled_back_together_with_its_journal_convicts_itself() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let mut payee = Device::certified(2, &bank);
    let (first, second) = (payee.request(5_000), payee.request(5_000));
    let (disk, journal) = (payer.disk.copy(), payer.mark);
    let honest = payer.pay(&bank, &first).expect("it has money");

    payer.disk.restore(disk);
    payer.start_again();
    payer.mark = journal;
    payer.begin().expect("TA and journal are of the same past");
    let again = payer.pay(&bank, &second).expect("it has the money again");

    let evidence = Evidence {
        first: Statement::Payment(honest),
        second: Statement::Payment(again),
    };
    assert_eq!(evidence.verify(), Ok(Contradiction::SameNumber));
}

#[test]
fn a_ta_with_another_history_never_signs_again() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 5_000);
    let right = device.mark;

    device.mark.hash = Digest([1; 32]);
    assert_eq!(device.begin(), Err(TaRefused::OtherHistory));

    device.mark = right;
    assert_eq!(device.begin(), Err(TaRefused::OtherHistory));
}

#[test]
fn a_ta_without_a_key_is_not_lost_to_a_strange_journal() {
    let mut device = Device::blank(1);
    device.mark.o = 7;
    assert_eq!(device.begin(), Err(TaRefused::RolledBack));

    device.mark = Mark::START;
    assert!(device.begin().is_ok());
}

#[test]
fn a_journal_older_than_what_it_acknowledged_was_restored() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let old = device.mark;
    device.deposit(&bank, 5_000);
    device.acknowledge();
    let newest = device.mark;

    device.start_again();
    device.mark = old;
    assert_eq!(device.begin(), Err(TaRefused::JournalRestored));
    assert_eq!(device.open_deposit(1), Err(TaRefused::SessionNotOpen));

    device.mark = newest;
    assert_eq!(device.begin(), Ok(Output::Operations(Vec::new())));
}

#[test]
fn acknowledge_forgets_outputs_and_moves_no_mark() {
    let bank = Bank::new(1);
    let mut device = Device::funded(1, &bank, 5_000);
    let mark = device.mark;

    device.acknowledge();
    assert_eq!(device.mark, mark);
    let again = device.ask(Command::Acknowledge { o: 1 });
    assert_eq!(again, Ok(Output::Acknowledged));
    let ahead = device.ask(Command::Acknowledge { o: mark.o + 1 });
    assert_eq!(ahead, Err(TaRefused::Ahead));

    assert_eq!(device.begin(), Ok(Output::Operations(Vec::new())));
}

#[test]
fn operations_that_nobody_acknowledges_are_bounded_and_repeats_still_answered() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let kept = device.mark.o;
    let mut last = None;
    for nonce in kept..u64::try_from(OPERATIONS_KEPT_MAX).expect("small") {
        let nonce = u8::try_from(nonce).expect("small");
        last = Some((nonce, device.open_status(&[], nonce)));
    }
    let (nonce, status) = last.expect("there was room");

    assert_eq!(device.open_status(&[], 200), Err(TaRefused::Unacknowledged));
    assert_eq!(device.open_status(&[], nonce), status);
    device.acknowledge();
    assert!(device.open_status(&[], 200).is_ok());
}

#[test]
fn a_refusal_is_no_operation() {
    let bank = Bank::new(1);
    let mut device = Device::certified(1, &bank);
    let mark = device.mark;
    let before = device.disk.steps();

    let refused = device.open_deposit(100_001);

    assert_eq!(refused, Err(TaRefused::BalanceLimit));
    let answer = device.ta.invoke(Command::Inspect).expect("it has power");
    assert!(matches!(answer, Ok(Answer { mark: now, .. }) if now == mark));
    assert_eq!(device.disk.steps(), before, "the disk was not touched");
}
