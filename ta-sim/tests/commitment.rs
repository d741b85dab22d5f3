//! Roll-back protection: the TA goes on from the state that its TPM committed to, and from no other.
//!
//! The TPM is a fake here, so that the power can go at every step; `tests/tpm` asks a real one.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use ops_proto::contract::{Answer, Command, Mark, Output, TaState, TrustedApplication as _};
use ops_proto::id::Digest;
use ops_proto::list::List;
use proptest::prelude::{Just, Strategy, any};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use ta_sim::storage::{Commitment, Committed, NotCommitted, SealingKey, Slot, Storage};
use ta_sim::{Ta, TaNotOpened};

use crate::world::{Bank, Disk, Repeatable, Torn};

/// What one new state takes: value, write, sync, read back, extend, value.
const STEPS: u32 = 6;
const EXTEND: u32 = 4;

#[test]
fn a_cut_at_any_step_leaves_the_state_before_or_after_and_after_once_it_was_extended() {
    for (torn, extended) in worlds() {
        for step in 0..=STEPS {
            let mut device = Device::with_key();
            let before = device.mark();
            device.board.cut_after(step, extended);

            let answered = device.change().is_ok();
            device.restart(torn);

            let moved = device.mark().o - before.o;
            let counts = step > EXTEND || (step == EXTEND && extended == Extended::Yes);
            let what = format!("{torn:?} {extended:?} at {step}");
            assert_eq!(answered, step == STEPS, "{what}");
            assert_eq!(moved, u64::from(counts), "{what}");
            device.change().expect("it goes on");
            device.restart(Torn::Lost);
            assert_eq!(device.mark().o, before.o + moved + 1, "{what}");
        }
    }
}

#[test]
fn a_cut_in_the_very_first_write_leaves_a_ta_that_starts() {
    for (torn, extended) in worlds() {
        for step in 0..=STEPS {
            let mut device = Device::new();
            device.begin();
            device.board.cut_after(step, extended);

            let answered = device.init().is_ok();
            device.restart(torn);

            let has_key = device.state().ta.is_some();
            let counts = step > EXTEND || (step == EXTEND && extended == Extended::Yes);
            assert_eq!(has_key, counts, "{torn:?} {extended:?} at {step}");
            assert!(has_key || !answered);
            assert!(device.init().is_ok());
        }
    }
}

#[test]
fn an_old_copy_of_the_state_is_refused_however_old_it_is() {
    let mut device = Device::with_key();
    let mut copies = Vec::new();
    for _ in 0..4 {
        copies.push(device.board.disk.copy());
        device.change().expect("it has power");
    }
    let newest = device.board.disk.copy();

    for copy in copies {
        device.board.disk.restore(copy);
        assert_eq!(refusal(&device.board), NotCommitted::RolledBack);
    }
    device.board.disk.restore(newest);
    device.restart(Torn::Lost);
    device.change().expect("what is newest goes on");
}

#[test]
fn a_damaged_newest_slot_never_brings_the_older_state_back() {
    let mut refused = 0;
    for slot in [Slot::First, Slot::Second] {
        let mut device = Device::with_key();
        device.change().expect("it has power");
        let before = device.mark();
        device.board.disk.rot(slot);

        match Ta::open(device.board.clone(), Repeatable::new(7)) {
            Ok(_) => {
                device.restart(Torn::Lost);
                assert_eq!(device.mark(), before);
            }
            Err(TaNotOpened::NotCommitted(NotCommitted::NewestDamaged)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }

    assert_eq!(refused, 1, "one of the two is the newest");
}

#[test]
fn an_emptied_disk_does_not_start_as_a_new_ta_and_a_tpm_that_forgot_starts_no_old_one() {
    let mut device = Device::with_key();
    device.change().expect("it has power");
    let full = device.board.disk.copy();

    device.board.disk.restore(Disk::new().copy());
    assert_eq!(refusal(&device.board), NotCommitted::RolledBack);

    device.board.disk.restore(full);
    device.board.tpm().value = Commitment::START;
    assert_eq!(refusal(&device.board), NotCommitted::RolledBack);
}

#[test]
fn of_two_tas_on_copies_of_one_state_one_goes_on_and_the_other_ends_unanswered() {
    let mut first = Device::with_key();
    let copied = Board {
        disk: Disk::new(),
        tpm: first.board.tpm.clone(),
    };
    copied.disk.restore(first.board.disk.copy());
    let mut second = Device::on(copied);
    second.begin();

    first.change().expect("it is the first");

    assert!(second.change().is_err());
    first.change().expect("the other one did it no harm");
}

#[test]
fn whatever_happens_no_answer_is_ever_taken_back() {
    for seed in seeds() {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config {
            cases: 16,
            failure_persistence: None,
            ..Config::default()
        };
        let steps = proptest::collection::vec(any_step(), 1..25);

        let run = TestRunner::new_with_rng(config, rng).run(&steps, |steps| {
            live(&steps);
            Ok(())
        });

        if let Err(error) = run {
            panic!("{error}\nrepeat with SEED={seed}");
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Change,
    Cut(u32, Torn, Extended),
    Copy,
    /// Puts an old copy back, if it is one, and sees it refused.
    Restore(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let torn = proptest::sample::select(vec![Torn::Lost, Torn::Half, Torn::Whole]);
    let extended = proptest::sample::select(vec![Extended::No, Extended::Yes]);
    proptest::prop_oneof![
        4 => Just(Step::Change),
        4 => (0..=STEPS, torn, extended).prop_map(|(step, torn, extended)| Step::Cut(step, torn, extended)),
        1 => Just(Step::Copy),
        1 => any::<usize>().prop_map(Step::Restore),
    ]
}

fn live(steps: &[Step]) {
    let mut device = Device::with_key();
    let mut answered = device.mark();
    let mut copies = Vec::new();
    for step in steps {
        match *step {
            Step::Change => answered = device.change().expect("it has power").mark,
            Step::Cut(step, torn, extended) => {
                device.board.cut_after(step, extended);
                if let Ok(answer) = device.change() {
                    answered = answer.mark;
                }
                device.restart(torn);
            }
            Step::Copy => copies.push((device.mark(), device.board.disk.copy())),
            Step::Restore(_) if copies.is_empty() => {}
            Step::Restore(i) => {
                let (mark, copy) = copies[i % copies.len()].clone();
                let newest = device.board.disk.copy();
                device.board.disk.restore(copy);
                if mark != device.mark() {
                    // Which of the two it is depends on whether the copy holds a torn slot.
                    refusal(&device.board);
                }
                device.board.disk.restore(newest);
                device.restart(Torn::Lost);
            }
        }
        let mark = device.mark();
        assert!(mark.o == answered.o || mark.o == answered.o + 1);
        if mark.o == answered.o {
            assert_eq!(mark, answered);
        }
        // The daemon hears of an operation whose answer was lost.
        answered = mark;
    }
}

fn seeds() -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..4).collect(),
    }
}

fn worlds() -> impl Iterator<Item = (Torn, Extended)> {
    [Torn::Lost, Torn::Half, Torn::Whole]
        .into_iter()
        .flat_map(|torn| [(torn, Extended::No), (torn, Extended::Yes)])
}

fn refusal(board: &Board) -> NotCommitted {
    match Ta::open(board.clone(), Repeatable::new(7)) {
        Err(TaNotOpened::NotCommitted(reason)) => reason,
        other => panic!("it opened as {other:?}"),
    }
}

struct Device {
    ta: Ta<Board, Repeatable>,
    board: Board,
    starts: u64,
    commands: u8,
}

impl Device {
    fn new() -> Self {
        Self::on(Board {
            disk: Disk::new(),
            tpm: Arc::new(Mutex::new(Tpm::new())),
        })
    }

    fn on(board: Board) -> Self {
        Self {
            ta: Ta::open(board.clone(), Repeatable::new(1)).expect("it starts"),
            board,
            starts: 0,
            commands: 0,
        }
    }

    fn with_key() -> Self {
        let mut device = Self::new();
        device.begin();
        let Output::Initialised { ta } = device.init().expect("it has power").output else {
            panic!("Init returns the key");
        };
        let bank = Bank::new(1);
        device
            .ask(Command::CertInit {
                provider: bank.certificate.clone(),
                certificate: bank.certify_ta(ta, 1),
                now: crate::world::NOW,
            })
            .expect("it has power");

        device
    }

    fn ask(&mut self, command: Command) -> Result<Answer, ta_sim::Stopped> {
        self.ta
            .invoke(command)
            .map(|answer| answer.expect("nothing is refused"))
    }

    fn begin(&mut self) {
        // It has no daemon: where it stands is where its journal stands.
        let mark = self.mark();
        self.ask(Command::OperationsSince { mark })
            .expect("it has power");
    }

    fn init(&mut self) -> Result<Answer, ta_sim::Stopped> {
        let root = Bank::new(1).root_key();
        self.ask(Command::Init { root })
    }

    /// Changes the state by one operation.
    fn change(&mut self) -> Result<Answer, ta_sim::Stopped> {
        self.commands = self.commands.wrapping_add(1);
        self.ask(Command::StatusOpen {
            close: List::empty(),
            nonce: [self.commands; 16],
        })
    }

    fn restart(&mut self, torn: Torn) {
        self.board.start_again(torn);
        self.starts += 1;
        self.ta = Ta::open(self.board.clone(), Repeatable::new(self.starts * 1000))
            .expect("one slot is what the TPM committed to");
        self.begin();
    }

    fn mark(&mut self) -> Mark {
        self.state().mark
    }

    fn state(&mut self) -> TaState {
        match self.ask(Command::Inspect).expect("it is sound").output {
            Output::State(state) => *state,
            other => panic!("Inspect answered {other:?}"),
        }
    }
}

/// A disk and a TPM on one power supply; clones see the same.
#[derive(Clone, Debug)]
struct Board {
    disk: Disk,
    tpm: Arc<Mutex<Tpm>>,
}

#[derive(Debug)]
struct Tpm {
    value: Commitment,
    steps_left: Option<u32>,
    extended: Extended,
}

/// Whether an extend during which the power goes takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extended {
    No,
    Yes,
}

impl Tpm {
    const fn new() -> Self {
        Self {
            value: Commitment::START,
            steps_left: None,
            extended: Extended::No,
        }
    }
}

impl Board {
    fn cut_after(&self, steps: u32, extended: Extended) {
        let mut tpm = self.tpm();
        tpm.steps_left = Some(steps);
        tpm.extended = extended;
    }

    fn start_again(&self, torn: Torn) {
        self.tpm().steps_left = None;
        self.disk.start_again(torn);
    }

    fn step(&self) -> io::Result<()> {
        match self.tpm().steps_left.as_mut() {
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(steps) => {
                *steps -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn tpm(&self) -> MutexGuard<'_, Tpm> {
        self.tpm.lock().expect("no test panics while it writes")
    }
}

impl Storage for Board {
    fn sealing_key(&self) -> &SealingKey {
        self.disk.sealing_key()
    }

    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        self.step()?;
        self.disk.read(slot)
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step() {
            // The first write after the cut is the one that was on its way.
            self.disk.cut_after(0);
            return self.disk.write(slot, bytes).and(Err(error));
        }
        self.disk.write(slot, bytes)
    }

    fn sync(&mut self, slot: Slot) -> io::Result<()> {
        self.step()?;
        self.disk.sync(slot)
    }

    fn commitment(&mut self) -> Option<&mut dyn Committed> {
        Some(self)
    }
}

impl Committed for Board {
    fn value(&mut self) -> io::Result<Commitment> {
        self.step()?;
        Ok(self.tpm().value)
    }

    fn extend(&mut self, body: Digest) -> io::Result<()> {
        let has_power = self.step();
        let mut tpm = self.tpm();
        if has_power.is_ok() || tpm.extended == Extended::Yes {
            tpm.value = tpm.value.extended(body);
        }
        has_power
    }
}
