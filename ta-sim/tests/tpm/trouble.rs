//! A TPM that is busy, full, gone, owned, or somebody else's.

use ops_proto::contract::Command;
use ta_sim::storage::tpm::TpmError;
use ta_sim::{FileStorage, OsEntropy, Stopped, TpmStorage};

use crate::bus::{Bus, Trouble, What};
use crate::raw::{self, DEFINE, EXTEND, NV_READ};
use crate::swtpm::Swtpm;
use crate::ta::{Disk, Refused};
use crate::world::Bank;

const NV_RATE: u32 = 0x920;
const LOCKOUT: u32 = 0x921;
const FAILURE: u32 = 0x101;

#[test]
fn a_busy_tpm_is_asked_again_and_extends_once() {
    let (bus, disk, bank) = (Bus::new(), Disk::new(), Bank::new(1));
    let mut ta = disk.start(&bus.choice());
    ta.fund(&bank, 5_000);
    let before = bus.count(EXTEND);
    let what = What::Refuse {
        response: NV_RATE,
        times: 3,
    };
    bus.trouble(at(EXTEND, what));

    ta.pay(&bank, 100).expect("it only takes longer");

    assert_eq!(bus.count(EXTEND), before + 1);
}

#[test]
fn a_tpm_that_refuses_ends_the_ta_without_an_answer_and_with_the_cause() {
    for (response, cause) in [(LOCKOUT, "TPM_RC_LOCKOUT"), (FAILURE, "TPM_RC_FAILURE")] {
        let (bus, disk, bank) = (Bus::new(), Disk::new(), Bank::new(1));
        let mut ta = disk.start(&bus.choice());
        ta.fund(&bank, 5_000);
        let before = ta.mark();
        bus.trouble(at(EXTEND, What::Refuse { response, times: 1 }));

        let Err(Stopped::Now(error)) = ta.pay(&bank, 100) else {
            panic!("it answered");
        };
        assert!(error.to_string().contains(cause), "{error}");
        assert!(matches!(ta.ask(Command::Inspect), Err(Stopped::Before)));

        drop(ta);
        let mut ta = disk.start(&bus.choice());
        assert_eq!(ta.mark(), before, "nothing was committed");
        ta.pay(&bank, 100).expect("it goes on");
    }
}

#[test]
fn a_tpm_that_goes_away_at_any_command_leaves_the_state_before_or_after() {
    let cases = [
        (NV_READ, 0, What::LostCommand, 0),
        (NV_READ, 0, What::LostAnswer, 0),
        (EXTEND, 0, What::LostCommand, 0),
        (EXTEND, 0, What::LostAnswer, 1),
        (NV_READ, 1, What::LostCommand, 1),
        (NV_READ, 1, What::LostAnswer, 1),
    ];
    let (bus, disk, bank) = (Bus::new(), Disk::new(), Bank::new(1));
    disk.start(&bus.choice()).fund(&bank, 5_000);
    for (code, skip, what, moved) in cases {
        let mut ta = disk.start(&bus.choice());
        let before = ta.mark();
        bus.trouble(Trouble { code, skip, what });

        let Err(Stopped::Now(error)) = ta.pay(&bank, 100) else {
            panic!("it answered");
        };
        assert!(
            error.to_string().contains("the TPM does not answer"),
            "{error}"
        );

        drop(ta);
        let after = disk.start(&bus.choice()).mark();
        assert_eq!(after.o - before.o, moved, "{what:?} at {code:#x}");
    }
}

#[test]
fn a_first_start_that_is_cut_short_is_finished_by_the_next() {
    for what in [What::LostCommand, What::LostAnswer] {
        let (bus, disk, bank) = (Bus::new(), Disk::new(), Bank::new(1));
        bus.trouble(at(DEFINE, what));
        assert!(disk.open(&bus.choice()).is_err());

        disk.start(&bus.choice()).fund(&bank, 5_000);
        let balance = disk.start(&bus.choice()).state().balance;

        assert_eq!(balance.minor_units(), 5_000);
    }
}

#[test]
fn an_index_of_an_earlier_ta_is_never_taken_over_and_another_one_stands_beside_it() {
    let (bus, earlier, disk, bank) = (Bus::new(), Disk::new(), Disk::new(), Bank::new(1));
    earlier.start(&bus.choice()).fund(&bank, 5_000);

    let refused = disk.open(&bus.choice()).expect_err("it is taken");
    let Refused::Tpm(error @ TpmError::IndexOfEarlierTa(_)) = refused else {
        panic!("{refused:?}");
    };
    let advice = "tpm2_nvundefine -C o 0x01b1e9a0";
    assert!(error.to_string().contains(advice), "{error}");

    let mut choice = bus.choice();
    choice.index = "0x01b1e9a1".parse().expect("it is in range");
    disk.start(&choice).fund(&bank, 1_000);
    assert_eq!(disk.start(&choice).state().balance.minor_units(), 1_000);
    let balance = earlier.start(&bus.choice()).state().balance;
    assert_eq!(balance.minor_units(), 5_000);

    // What the advice says, done.
    raw::remove_index(&bus.tpm.socket());
    Disk::new().start(&bus.choice()).fund(&bank, 1_000);
}

#[test]
fn an_owner_who_set_an_authorisation_value_passes_it_as_a_credential() {
    let (tpm, disk) = (Swtpm::new(), Disk::new());
    raw::set_owner_authorisation(&tpm.socket(), b"only mine");

    let refused = disk.open(&tpm.choice()).expect_err("it is owned");
    assert!(
        matches!(refused, Refused::Tpm(TpmError::OwnerAuthorisation)),
        "{refused:?}"
    );

    let credentials = tempfile::tempdir().expect("a directory");
    let file = credentials.path().join("ta-tpm-owner-auth");
    std::fs::write(file, "only mine\n").expect("it can be written");
    let mut choice = tpm.choice();
    choice.credentials = Some(credentials.path().to_owned());
    disk.start(&choice).fund(&Bank::new(1), 1_000);
}

#[test]
fn a_state_in_files_and_one_in_a_tpm_are_not_taken_for_each_other() {
    let (tpm, disk) = (Swtpm::new(), Disk::new());
    disk.start(&tpm.choice()).fund(&Bank::new(1), 1_000);
    let refused = FileStorage::open(&disk.path(), None, &mut OsEntropy);
    let error = refused.map(drop).expect_err("it is sealed to a TPM");
    assert!(error.to_string().contains("sealed to a TPM"), "{error}");

    std::fs::remove_file(disk.path().join("tpm-seed")).expect("it is there");
    let refused = disk.open(&tpm.choice()).expect_err("the seed is gone");
    assert!(
        matches!(refused, Refused::Tpm(TpmError::NotSealed)),
        "{refused:?}"
    );
}

#[test]
fn no_tpm_at_all_is_an_error_that_says_so() {
    let disk = Disk::new();
    let mut choice = crate::swtpm::choice(&disk.path().join("nothing.sock"));

    for address in ["swtpm:path=/nonexistent/tpm", "device:/nonexistent/tpmrm0"] {
        choice.address = address.parse().expect("it is well formed");
        let refused = disk.open(&choice).expect_err("there is none");
        assert!(
            matches!(refused, Refused::Tpm(TpmError::NotOpened(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn printing_the_storage_shows_no_secret() {
    let (tpm, disk) = (Swtpm::new(), Disk::new());
    let storage = TpmStorage::open(&disk.path(), &tpm.choice(), &mut OsEntropy);

    let shown = format!("{:?}", storage.expect("it is new"));

    assert!(shown.contains("SealingKey([redacted])"), "{shown}");
    assert!(shown.contains("IndexAuthorisation([redacted])"), "{shown}");
}

fn at(code: u32, what: What) -> Trouble {
    Trouble {
        code,
        skip: 0,
        what,
    }
}
