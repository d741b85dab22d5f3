//! A full disk, a real one: a small file system of its own, in a mount namespace of its own.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use ble_proto::gatt::RequestTag;
use ops_proto::certificate::Role;
use ops_proto::message::{ListsHeld, NoiseKey, RequestPayment};
use ops_proto::time::Validity;
use ops_proto::{Digest, RequestId, Signed, Time};
use tempfile::TempDir;

use super::small_world::{amount, certificate, key};
use super::*;

#[test]
fn a_full_disk_begins_no_payment_and_loses_none() {
    let program = std::env::current_exe().expect("this program");
    let inside = concat!(module_path!(), "::on_a_small_file_system");
    let (_crate, test) = inside.split_once("::").expect("a path");

    let ended = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(program)
        .args(["--ignored", "--exact", test, "--nocapture"])
        .output()
        .expect("unshare runs");

    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[tokio::test]
#[ignore = "mounts a file system: run by a_full_disk_begins_no_payment_and_loses_none"]
async fn on_a_small_file_system() {
    let dir = TempDir::new().expect("a directory");
    mount(dir.path());
    let journal = Journal::open(dir.path()).expect("opened");
    let reserve = dir.path().join(RESERVE_FILE);

    fill(dir.path());
    assert_eq!(
        journal.append(vec![intent(1)]).await,
        Err(JournalError::Full),
        "no payment is begun"
    );
    assert!(reserve.exists(), "and none uses the reserve");

    for o in 1..=100 {
        record(&journal, o).await.expect("what the TA did is kept");
    }
    assert!(!reserve.exists(), "the reserve was used");
    assert_eq!(
        journal.append(vec![intent(1)]).await,
        Err(JournalError::Full)
    );

    std::fs::remove_file(dir.path().join(FILLER)).expect("room again");
    journal
        .append(vec![intent(1)])
        .await
        .expect("payments begin");
    assert!(reserve.exists());
    drop(journal);
    let journal = Journal::open(dir.path()).expect("opened again");
    assert_eq!(journal.view(Book::mark).o, 100);
    assert_eq!(journal.view(|book| book.outgoing().count()), 1);
}

async fn record(journal: &Journal, o: u64) -> Result<Seq, JournalError> {
    let hash = Digest::of(&[&o.to_le_bytes()]);

    journal
        .append_operations(vec![(Fact::TaMoved, Mark { o, hash })])
        .await
}

fn mount(dir: &Path) {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"])
        .arg(dir)
        .status()
        .expect("mount runs");
    assert!(mounted.success());
}

/// Fills the file system to its last page.
fn fill(dir: &Path) {
    let mut filler = File::create(dir.join(FILLER)).expect("a file");
    while filler.write_all(&[0; 4096]).is_ok() {}
}

fn intent(number: u64) -> Fact {
    let payee = certificate(1, Role::Client);
    let request = Signed::sign(
        RequestPayment {
            payee: payee.clone(),
            request_id: RequestId(number),
            amount: amount(0),
            currency: "EUR".parse().expect("a currency"),
            noise_key: NoiseKey([1; 32]),
            memo_hash: Digest::ZERO,
            issued: Time::from_ms(1),
            validity: Validity::try_from(1000).expect("a validity"),
            lists_held: ListsHeld::default(),
            replaces: None,
            refund_of: None,
        },
        &key(1),
    );

    Fact::PayIntent(Box::new(PayIntent {
        request,
        payee_provider: payee,
        memo: "coffee".parse().expect("a memo"),
        approved_by: ApprovedBy::Person,
        found: Found::Heard(RequestTag([1; 6])),
    }))
}

const FILLER: &str = "filler";
