//! An old state does not come back, by whatever way.

use std::thread;

use ta_sim::TaNotOpened;
use ta_sim::storage::NotCommitted;
use ta_sim::storage::tpm::TpmError;

use crate::bus::Bus;
use crate::raw;
use crate::swtpm::Swtpm;
use crate::ta::{Disk, Refused};
use crate::world::Bank;

#[test]
fn a_ta_sealed_to_a_tpm_pays_and_is_the_same_after_a_restart_of_either() {
    let (mut tpm, disk, bank) = (Swtpm::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&tpm.choice());
    ta.fund(&bank, 5_000);
    ta.pay(&bank, 1_250).expect("it is sound");
    let before = ta.state();
    assert_eq!(before.balance.minor_units(), 3_750);
    drop(ta);

    let mut ta = disk.start(&tpm.choice());
    assert_eq!(ta.state(), before);
    ta.pay(&bank, 250).expect("it is sound");
    drop(ta);
    tpm.reset();

    let mut ta = disk.start(&tpm.choice());
    assert_eq!(ta.state().balance.minor_units(), 3_500);
    ta.pay(&bank, 500).expect("it is sound");
}

#[test]
fn an_old_copy_of_the_state_directory_is_refused_and_the_newest_goes_on() {
    let (tpm, disk, bank) = (Swtpm::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&tpm.choice());
    let empty = disk.copy();
    ta.fund(&bank, 5_000);
    let rich = disk.copy();
    ta.pay(&bank, 1_250).expect("it is sound");
    let poor = disk.copy();
    ta.pay(&bank, 1_250).expect("it is sound");
    drop(ta);
    let newest = disk.copy();

    for old in [&empty, &rich, &poor] {
        disk.restore(old);
        assert_rolled_back(disk.open(&tpm.choice()).expect_err("it is old"));
    }
    // Without its files it is no new TA either.
    std::fs::remove_dir_all(disk.path()).expect("it is there");
    let refused = disk.open(&tpm.choice()).expect_err("there was a TA");
    assert!(
        matches!(refused, Refused::Tpm(TpmError::IndexOfEarlierTa(_))),
        "{refused:?}"
    );

    disk.restore(&newest);
    let mut ta = disk.start(&tpm.choice());
    assert_eq!(ta.state().balance.minor_units(), 2_500);
    ta.pay(&bank, 1_250).expect("it is sound");
}

#[test]
fn a_copy_opens_with_no_other_tpm_nor_with_one_that_was_cleared() {
    let (tpm, other, disk, bank) = (Swtpm::new(), Swtpm::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&tpm.choice());
    ta.fund(&bank, 5_000);
    drop(ta);

    let refused = disk.open(&other.choice()).expect_err("it is another");
    assert!(
        matches!(refused, Refused::Tpm(TpmError::OtherTpm)),
        "{refused:?}"
    );

    raw::clear(&tpm.socket());
    let refused = disk.open(&tpm.choice()).expect_err("it was cleared");
    assert!(
        matches!(refused, Refused::Tpm(TpmError::OtherTpm)),
        "{refused:?}"
    );
}

#[test]
fn a_damaged_newest_slot_is_refused_and_never_brings_the_older_state_back() {
    let (tpm, disk, bank) = (Swtpm::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&tpm.choice());
    ta.fund(&bank, 5_000);
    ta.pay(&bank, 1_250).expect("it is sound");
    drop(ta);
    let whole = disk.copy();

    let mut refused = 0;
    for name in ["slot-0", "slot-1"] {
        disk.restore(&whole);
        let path = disk.path().join(name);
        let mut bytes = std::fs::read(&path).expect("it was written");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("it can be written");

        match disk.open(&tpm.choice()) {
            Ok(ta) => {
                drop(ta);
                let balance = disk.start(&tpm.choice()).state().balance;
                assert_eq!(balance.minor_units(), 3_750);
            }
            Err(Refused::State(TaNotOpened::NotCommitted(NotCommitted::NewestDamaged))) => {
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    assert_eq!(refused, 1, "one of the two is the newest");
}

#[test]
fn of_two_tas_on_copies_of_one_state_never_two_answer_from_the_same_state() {
    let (bus, disk, bank) = (Bus::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&bus.choice());
    ta.fund(&bank, 5_000);
    drop(ta);
    let copy = disk.copy();
    let mut first = disk.start(&bus.choice());
    let mut second = copy.start(&bus.choice());
    let before = first.mark();

    let (first, second) = thread::scope(|scope| {
        let racing = scope.spawn(|| first.pay(&Bank::new(1), 100));
        let second = second.pay(&bank, 101);
        (racing.join().expect("it does not panic"), second)
    });

    let answered: Vec<_> = [first, second].into_iter().flatten().collect();
    assert!(answered.len() <= 1, "both paid from one state");
    for answer in answered {
        assert_eq!(answer.mark.o, before.o + 1);
    }
}

#[test]
fn a_copy_that_is_behind_harms_nobody_when_it_tries_to_go_on() {
    let (bus, disk, bank) = (Bus::new(), Disk::new(), Bank::new(1));
    let mut first = disk.start(&bus.choice());
    first.fund(&bank, 5_000);
    let copy = disk.copy();
    let mut second = copy.start(&bus.choice());

    first.pay(&bank, 100).expect("it is the first");
    assert!(second.pay(&bank, 100).is_err());

    first.pay(&bank, 100).expect("the copy did it no harm");
}

#[test]
fn an_index_that_was_removed_or_made_anew_by_others_is_noticed() {
    let (tpm, disk, bank) = (Swtpm::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&tpm.choice());
    ta.fund(&bank, 5_000);
    drop(ta);
    // Nor do their wrong tries lock it.
    for _ in 0..40 {
        assert_ne!(raw::extend_carelessly(&tpm.socket()), 0);
    }
    drop(disk.start(&tpm.choice()));

    raw::remove_index(&tpm.socket());
    let refused = disk.open(&tpm.choice()).expect_err("it is gone");
    assert!(
        matches!(refused, Refused::Tpm(TpmError::IndexRemoved(_))),
        "{refused:?}"
    );

    raw::make_index(&tpm.socket());
    let refused = disk.open(&tpm.choice()).expect_err("it is another");
    let shown = format!("{refused:?}");
    assert!(shown.contains("IndexReplaced"), "{shown}");
}

fn assert_rolled_back(refused: Refused) {
    assert!(
        matches!(
            refused,
            Refused::State(TaNotOpened::NotCommitted(NotCommitted::RolledBack))
        ),
        "{refused:?}"
    );
}
