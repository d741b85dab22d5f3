//! The process is killed at every step between the slot's write and the answer.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Command as Program, Stdio};

use ops_proto::id::Digest;
use rustix::process::{Signal, getpid, kill_process};
use ta_sim::storage::{Commitment, Committed, SealingKey, Slot};
use ta_sim::{OsEntropy, Storage, Ta, TpmStorage};

use crate::swtpm::{Swtpm, choice};
use crate::ta::{Disk, Running};
use crate::world::Bank;

/// What one payment takes: value, write (two steps), sync, read back, extend, value.
const STEPS: u32 = 7;
/// The first step after the extend.
const EXTENDED: u32 = 6;

/// Says to [`one_payment`] where its disk, its TPM and its end are.
const CUT: &str = "BLEPAY_TEST_CUT";

#[test]
fn a_kill_at_any_step_leaves_the_state_before_or_after_and_after_once_it_was_extended() {
    let (tpm, disk, bank) = (Swtpm::new(), Disk::new(), Bank::new(1));
    disk.start(&tpm.choice()).fund(&bank, 50_000);
    for step in 0..=STEPS {
        let before = disk.start(&tpm.choice()).state();

        let answered = pay_in_a_process(&disk.path(), &tpm.socket(), step);

        let after = disk.start(&tpm.choice()).state();
        let moved = after.mark.o - before.mark.o;
        assert_eq!(answered, step == STEPS, "at {step}");
        assert_eq!(moved, u64::from(step >= EXTENDED), "at {step}");
        let paid = before.balance.minor_units() - after.balance.minor_units();
        assert_eq!(paid, 100 * moved, "at {step}");
    }
}

#[test]
#[ignore = "it is the process that the test above kills"]
fn one_payment() {
    let Ok(cut) = env::var(CUT) else {
        return;
    };
    let mut parts = cut.split(',');
    let mut part = || parts.next().expect("three parts");
    let (disk, tpm, step) = (part(), part(), part());
    let storage = TpmStorage::open(Path::new(disk), &choice(Path::new(tpm)), &mut OsEntropy);
    let mut storage = Mortal {
        storage: storage.expect("it is sealed to this TPM"),
        steps_left: None,
    };
    // What starting takes is known by counting.
    let starting = steps_to_start(&mut storage);
    storage.steps_left = Some(starting + step.parse::<u32>().expect("a number"));
    let mut ta = Running::begin(Ta::open(storage, OsEntropy).expect("it is the newest"));

    ta.pay(&Bank::new(1), 100).expect("it is sound");
}

fn pay_in_a_process(disk: &Path, tpm: &Path, step: u32) -> bool {
    let cut = format!("{},{},{step}", disk.display(), tpm.display());
    let status = Program::new(env::current_exe().expect("it runs"))
        .args(["--ignored", "--exact", "cut::one_payment"])
        .env(CUT, cut)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("it runs");

    status.success()
}

/// Returns what loading takes: both slots and the value.
fn steps_to_start(storage: &mut Mortal) -> u32 {
    let mut steps = 0;
    for slot in [Slot::First, Slot::Second] {
        storage.read(slot).expect("it can be read");
        steps += 1;
    }
    storage.value().expect("the TPM answers");

    steps + 1
}

/// A storage whose process dies before the step after the next `steps_left`.
#[derive(Debug)]
struct Mortal {
    storage: TpmStorage,
    steps_left: Option<u32>,
}

impl Mortal {
    fn step(&mut self) {
        match self.steps_left.as_mut() {
            Some(0) => kill_process(getpid(), Signal::KILL).expect("it is ours"),
            Some(steps) => *steps -= 1,
            None => {}
        }
    }

    fn tpm(&mut self) -> &mut dyn Committed {
        self.storage.commitment().expect("it has a TPM")
    }
}

impl Storage for Mortal {
    fn sealing_key(&self) -> &SealingKey {
        self.storage.sealing_key()
    }

    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        self.step();
        self.storage.read(slot)
    }

    fn write(&mut self, slot: Slot, bytes: &[u8]) -> io::Result<()> {
        self.step();
        // Half of it is there when the process dies between the two.
        self.storage.write(slot, &bytes[..bytes.len() / 2])?;
        self.step();
        self.storage.write(slot, bytes)
    }

    fn sync(&mut self, slot: Slot) -> io::Result<()> {
        self.step();
        self.storage.sync(slot)
    }

    fn commitment(&mut self) -> Option<&mut dyn Committed> {
        Some(self)
    }
}

impl Committed for Mortal {
    fn value(&mut self) -> io::Result<Commitment> {
        self.step();
        self.tpm().value()
    }

    fn extend(&mut self, body: Digest) -> io::Result<()> {
        self.step();
        self.tpm().extend(body)
    }
}
