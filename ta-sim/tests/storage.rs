//! Sealed storage: what the power may do, and what it may not.

use std::io;
use std::os::unix::fs::PermissionsExt as _;

use ops_proto::contract::{Command, Output, TaRefused, TrustedApplication as _};
use ta_sim::storage::{SealingKey, Slot, Storage};
use ta_sim::{FileStorage, OsEntropy, Stopped, Ta, TaNotOpened};

use crate::world::{Bank, Device, Disk, Repeatable, Torn};

#[test]
fn an_answer_comes_only_after_write_fsync_and_read_back() {
    let mut device = Device::certified(1, &Bank::new(1));
    let before = device.disk.steps();
    device.open_deposit(1).expect("there is room");
    assert_eq!(device.disk.steps() - before, 3);

    for step in 0..3 {
        device.disk.cut_after(step);
        let cut = device.ta.invoke(Command::StatusOpen {
            close: ops_proto::list::List::empty(),
            nonce: [u8::try_from(step).expect("small"); 16],
        });
        assert!(matches!(cut, Err(Stopped::Now(_))), "step {step}");

        device.disk.start_again(Torn::Whole);
        device.start_again();
        device.begin().expect("the journal is a past of the TA");
    }
}

#[test]
fn whatever_the_power_leaves_of_a_write_the_ta_is_before_or_after_the_command() {
    let bank = Bank::new(1);
    for torn in [Torn::Lost, Torn::Half, Torn::Whole] {
        for step in 0..3 {
            let mut device = Device::funded(1, &bank, 5_000);
            let before = device.state();
            device.disk.cut_after(step);
            let command = Command::StatusOpen {
                close: ops_proto::list::List::empty(),
                nonce: [1; 16],
            };
            let cut = device.ta.invoke(command);
            assert!(cut.is_err(), "{torn:?} at {step}");

            device.disk.start_again(torn);
            device.start_again();
            let after = device.state();

            let moved = after.mark.o - before.mark.o;
            assert_eq!(after.chain.n - before.chain.n, moved);
            assert!(moved <= 1, "{torn:?} at {step}");
            if step == 2 {
                assert_eq!(moved, 1, "it was synced");
            }
        }
    }
}

#[test]
fn a_ta_that_could_not_store_answers_nothing_any_more() {
    let mut device = Device::certified(1, &Bank::new(1));
    device.disk.cut_after(1);
    let command = device.next_command();
    let amount = crate::world::amount(1);
    let open = Command::DepositOpen { command, amount };
    assert!(matches!(device.ta.invoke(open), Err(Stopped::Now(_))));
    device.disk.start_again(Torn::Whole);

    let after = device.ta.invoke(Command::Inspect);

    assert!(matches!(after, Err(Stopped::Before)));
}

#[test]
fn a_disk_that_says_synced_and_holds_something_else_ends_the_ta() {
    let mut ta = Ta::open(Liar(Disk::new()), Repeatable::new(1)).expect("it is empty");
    let mark = ops_proto::contract::Mark::START;
    ta.invoke(Command::OperationsSince { mark })
        .expect("nothing is written")
        .expect("nothing is behind nothing");

    let root = Bank::new(1).root_key();

    assert!(ta.invoke(Command::Init { root }).is_err());
}

#[test]
fn a_damaged_newest_slot_shows_as_a_ta_behind_the_journal_and_the_older_one_does_no_harm() {
    let bank = Bank::new(1);
    let mut rolled_back = 0;
    for slot in [Slot::First, Slot::Second] {
        let mut device = Device::funded(1, &bank, 5_000);
        device.disk.rot(slot);
        device.start_again();

        match device.begin() {
            Ok(_) => assert!(device.open_deposit(1).is_ok()),
            Err(reason) => {
                assert_eq!(reason, TaRefused::RolledBack);
                assert_eq!(device.open_deposit(1), Err(TaRefused::RolledBack));
                rolled_back += 1;
            }
        }
    }

    assert_eq!(rolled_back, 1, "one of the two is the newest");
}

#[test]
fn without_a_tpm_a_restored_copy_starts_and_only_the_journal_and_the_chain_tell() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ta");
    let mut ta = filled(&path);
    let old: Vec<_> = ["slot-0", "slot-1"]
        .map(|name| {
            (
                name,
                std::fs::read(path.join(name)).expect("it was written"),
            )
        })
        .into();
    let command = ops_proto::id::CommandId([1; 16]);
    let amount = crate::world::amount(1);
    let answer = ta.invoke(Command::DepositOpen { command, amount });
    let mark = answer.expect("the disk works").expect("there is room").mark;
    drop(ta);

    for (name, bytes) in old {
        std::fs::write(path.join(name), bytes).expect("it can be written");
    }
    let mut ta = open(&path);

    let began = ta.invoke(Command::OperationsSince { mark });
    assert_eq!(began.expect("it is sound"), Err(TaRefused::RolledBack));
}

#[test]
fn a_ta_whose_slots_are_both_damaged_does_not_start_as_a_new_one() {
    let device = Device::certified(1, &Bank::new(1));
    device.disk.rot(Slot::First);
    device.disk.rot(Slot::Second);

    let opened = Ta::open(device.disk, Repeatable::new(1));

    assert!(matches!(opened, Err(TaNotOpened::Damaged(_))));
}

#[test]
fn the_slots_show_no_key_and_do_not_open_under_another_sealing_key() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ta");
    drop(filled(&path));
    std::fs::write(path.join("sealing-key"), [3; 32]).expect("it can be written");

    let storage = FileStorage::open(&path, None, &mut OsEntropy).expect("it is free");

    let opened = Ta::open(storage, OsEntropy);
    assert!(matches!(opened, Err(TaNotOpened::Damaged(_))));
}

#[test]
fn a_ta_in_files_is_the_same_after_a_restart_and_private_to_its_user() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ta");
    let first = filled(&path).invoke(Command::Inspect).expect("it is sound");

    let second = open(&path).invoke(Command::Inspect).expect("it is sound");

    assert_eq!(first, second);
    for name in ["slot-0", "slot-1", "sealing-key", "lock"] {
        let mode = std::fs::metadata(path.join(name))
            .expect(name)
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
    let mode = std::fs::metadata(&path).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
}

#[test]
fn two_tas_never_share_a_state_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = open(directory.path());

    let second = FileStorage::open(directory.path(), None, &mut OsEntropy);

    let error = second.map(|_| ()).expect_err("the directory is taken");
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    drop(first);
    assert!(FileStorage::open(directory.path(), None, &mut OsEntropy).is_ok());
}

#[test]
fn the_sealing_key_comes_from_the_credential_where_there_is_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let (state, credentials) = (directory.path().join("ta"), directory.path().join("cred"));
    std::fs::create_dir(&credentials).expect("a directory");
    let file = credentials.join("ta-sealing-key");
    std::fs::write(&file, "ab".repeat(32) + "\n").expect("it can be written");

    let storage = FileStorage::open(&state, Some(&credentials), &mut OsEntropy);
    drop(storage.expect("64 digits of hex are a key"));
    assert!(!state.join("sealing-key").exists());

    for bad in ["", "ab", &"zz".repeat(32), &"ab".repeat(33)] {
        std::fs::write(&file, bad).expect("it can be written");
        let storage = FileStorage::open(&state, Some(&credentials), &mut OsEntropy);
        assert!(storage.is_err(), "{bad:?} is no key");
    }
}

fn open(path: &std::path::Path) -> Ta<FileStorage, OsEntropy> {
    let storage = FileStorage::open(path, None, &mut OsEntropy).expect("it is free");

    Ta::open(storage, OsEntropy).expect("one slot is whole")
}

/// A TA in files that has written both slots.
fn filled(path: &std::path::Path) -> Ta<FileStorage, OsEntropy> {
    let bank = Bank::new(1);
    let mut ta = open(path);
    let mark = ops_proto::contract::Mark::START;
    let mut ask = |command| {
        let answer = ta.invoke(command).expect("the disk works");
        answer.expect("nothing is refused").output
    };
    ask(Command::OperationsSince { mark });
    let root = bank.root_key();
    let Output::Initialised { ta: key } = ask(Command::Init { root }) else {
        panic!("Init returns the key");
    };
    ask(Command::CertInit {
        provider: bank.certificate.clone(),
        certificate: bank.certify_ta(key, 1),
        now: crate::world::NOW,
    });

    ta
}

/// A disk that loses every write and says nothing.
#[derive(Debug)]
struct Liar(Disk);

impl Storage for Liar {
    fn sealing_key(&self) -> &SealingKey {
        self.0.sealing_key()
    }

    fn read(&mut self, slot: Slot) -> io::Result<Option<Vec<u8>>> {
        self.0.read(slot)
    }

    fn write(&mut self, _: Slot, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self, slot: Slot) -> io::Result<()> {
        self.0.sync(slot)
    }
}
