use std::os::unix::fs::PermissionsExt as _;

use ops_proto::{Amount, Digest, Name, PublicKey};
use tempfile::TempDir;

use super::*;

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let journal = Journal::open(dir.path()).expect("opened");
    let seq = journal
        .append(vec![approved(1), approved(2)])
        .await
        .expect("appended");
    drop(journal);

    let journal = Journal::open(dir.path()).expect("opened again");

    assert_eq!(seq, Seq(2));
    assert_eq!(journal.view(|book| book.approved_payees().count()), 2);
    assert_eq!(journal.append(vec![approved(3)]).await, Ok(Seq(3)));
}

#[tokio::test]
async fn the_book_knows_a_fact_as_soon_as_it_is_durable_and_tells_who_listens() {
    let dir = TempDir::new().expect("a directory");
    let journal = Journal::open(dir.path()).expect("opened");
    let mut facts = journal.subscribe();

    let seq = journal.append(vec![approved(1)]).await.expect("appended");

    assert_eq!(journal.view(|book| book.approved_payees().count()), 1);
    let recorded = facts.recv().await.expect("told");
    assert_eq!((recorded.seq, &recorded.fact), (seq, &approved(1)));
}

#[tokio::test]
async fn a_journal_that_is_idle_keeps_nothing_in_its_log_and_starts_from_its_newest_fact() {
    let dir = TempDir::new().expect("a directory");
    let journal = Journal::open(dir.path()).expect("opened");
    journal.append(vec![approved(1)]).await.expect("appended");
    let log = dir.path().join(format!("{JOURNAL_FILE}-wal"));

    let is_empty = || std::fs::metadata(&log).is_ok_and(|log| log.len() == 0);
    let emptied = async {
        while !is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(60);
    tokio::time::timeout(bound, emptied).await.expect("emptied");

    let connection = rusqlite::Connection::open(dir.path().join(JOURNAL_FILE)).expect("opened");
    let written = "SELECT fact FROM snapshot";
    let fact: i64 = connection
        .query_row(written, [], |row| row.get(0))
        .expect("written");
    assert_eq!(fact, 1);
}

#[tokio::test]
async fn the_highest_mark_survives() {
    let dir = TempDir::new().expect("a directory");
    let journal = Journal::open(dir.path()).expect("opened");
    let (first, second) = (mark(1), mark(2));
    journal
        .append_operations(vec![(Fact::TaMoved, first), (Fact::TaMoved, second)])
        .await
        .expect("appended");
    drop(journal);

    let journal = Journal::open(dir.path()).expect("opened again");

    assert_eq!(journal.view(Book::mark), second);
}

#[tokio::test]
async fn appends_from_many_sides_are_all_there_in_one_order() {
    let dir = TempDir::new().expect("a directory");
    let journal = Journal::open(dir.path()).expect("opened");
    let appends = (0..100).map(|number| {
        let journal = journal.clone();
        async move { journal.append(vec![approved(number)]).await }
    });

    let mut seqs: Vec<_> = futures::future::join_all(appends)
        .await
        .into_iter()
        .map(|seq| seq.expect("appended").0)
        .collect();

    seqs.sort_unstable();
    assert_eq!(seqs, (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused() {
    let dir = TempDir::new().expect("a directory");
    let _first = Journal::open(dir.path()).expect("opened");

    assert!(matches!(
        Store::open_without_waiting(dir.path()),
        Err(JournalError::Open(_))
    ));
}

#[test]
fn a_fact_is_never_changed_or_removed_and_damage_is_found() {
    let dir = TempDir::new().expect("a directory");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let journal = Journal::open(dir.path()).expect("opened");
    runtime
        .block_on(journal.append(vec![approved(1)]))
        .expect("appended");
    drop(journal);
    let connection = wait_for_connection(&dir);

    assert!(connection.execute("UPDATE fact SET at_ms = 0", []).is_err());
    assert!(connection.execute("DELETE FROM fact", []).is_err());
    connection
        .execute_batch("DROP TRIGGER fact_is_never_changed; UPDATE fact SET bytes = x'ff'; DELETE FROM snapshot")
        .expect("changed by force");
    drop(connection);
    assert!(matches!(
        Journal::open(dir.path()),
        Err(JournalError::Damaged(1))
    ));
}

#[tokio::test]
async fn the_journal_is_its_owners_alone() {
    let dir = TempDir::new().expect("a directory");
    let journal = Journal::open(dir.path()).expect("opened");
    journal.append(vec![approved(1)]).await.expect("appended");

    for file in std::fs::read_dir(dir.path()).expect("a directory") {
        let file = file.expect("a file");
        let name = file.file_name().to_string_lossy().into_owned();
        if name.starts_with(JOURNAL_FILE) {
            let mode = file.metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}

#[test]
fn a_journal_of_a_newer_program_is_left_alone() {
    let dir = TempDir::new().expect("a directory");
    drop(Journal::open(dir.path()).expect("opened"));
    wait_for_connection(&dir)
        .execute_batch("PRAGMA user_version = 9")
        .expect("set");

    assert!(matches!(
        Journal::open(dir.path()),
        Err(JournalError::NewerVersion(9))
    ));
}

#[test]
fn a_payment_needs_the_reserve_and_its_record_may_use_it() {
    let dir = TempDir::new().expect("a directory");
    let mut reserve = reserve::Reserve::open(dir.path());
    let path = dir.path().join(RESERVE_FILE);

    assert!(reserve.hold());
    assert_eq!(
        std::fs::metadata(&path).expect("the file").len(),
        reserve::RESERVE_SIZE
    );
    assert!(reserve.release());
    assert!(!path.exists());
    assert!(!reserve.release());
    assert!(reserve.hold());
}

#[tokio::test]
async fn after_a_read_that_failed_no_payment_begins_and_all_else_is_recorded() {
    let dir = TempDir::new().expect("a directory");
    let journal = Journal::open(dir.path()).expect("opened");
    let facts = small_world::many_facts();
    let came = |fact: &&Fact| matches!(fact, Fact::PaymentReceived { .. });
    let Some(Fact::PaymentReceived { pair, .. }) = facts.iter().find(came) else {
        panic!("one came");
    };
    let intent = facts.iter().find(|fact| fact.begins_debit());
    let fact = Fact::PaymentReceived {
        pair: pair.clone(),
        sender_provider: pair.request.body().payee.clone(),
    };
    journal.append(vec![fact]).await.expect("appended");
    let is_there = || journal.view(|book| book.incoming_by_hash(&pair.hash()).is_some());
    assert!(is_there());
    assert_eq!(journal.trouble(), None);

    let other = rusqlite::Connection::open(dir.path().join(JOURNAL_FILE)).expect("opened");
    other
        .execute("UPDATE received SET row = x'00'", [])
        .expect("changed by force");

    assert!(!is_there(), "and nobody may rely on that");
    assert!(journal.trouble().is_some());
    let intent = intent.expect("one begins").clone();
    for _ in 0..2 {
        let begun = journal.append(vec![intent.clone()]).await;
        assert!(matches!(begun, Err(JournalError::Failed(_))), "{begun:?}");
        journal.append(vec![approved(1)]).await.expect("recorded");
    }
}

#[tokio::test]
async fn a_journal_that_lost_its_tail_and_one_of_another_device_are_told_from_a_sound_one() {
    let dirs = [1, 2].map(|_| TempDir::new().expect("a directory"));
    for (dir, facts) in dirs.iter().zip([3_u8, 5]) {
        let journal = Journal::open(dir.path()).expect("opened");
        for number in 0..facts {
            let fact = approved(number.wrapping_add(facts));
            journal.append(vec![fact]).await.expect("appended");
        }
        drop(journal);
        close(dir);
    }
    let [short, long] = &dirs;
    let copy = |from: &TempDir, to: &TempDir, file: &str| {
        std::fs::copy(from.path().join(file), to.path().join(file)).expect("copied");
    };
    copy(short, long, JOURNAL_FILE);

    let shortened = JournalError::Shortened { ends: 3, had: 5 };
    assert_eq!(Journal::open(long.path()).err(), Some(shortened));

    copy(short, long, head::HEAD_FILE);
    drop(Journal::open(long.path()).expect("both were put back"));

    let other = TempDir::new().expect("a directory");
    let journal = Journal::open(other.path()).expect("opened");
    for number in 10..14 {
        journal
            .append(vec![approved(number)])
            .await
            .expect("appended");
    }
    drop(journal);
    close(&other);
    close(short);
    copy(&other, short, JOURNAL_FILE);
    assert_eq!(
        Journal::open(short.path()).err(),
        Some(JournalError::Exchanged(3))
    );
}

fn approved(number: u8) -> Fact {
    let name: Name = "Ferry".parse().expect("a name");

    Fact::PayeeApproved {
        payee: PublicKey([number; 32]),
        name,
        daily_max: Amount::try_from(500).expect("an amount"),
    }
}

fn mark(o: u64) -> Mark {
    Mark {
        o,
        hash: Digest::of(&[&o.to_le_bytes()]),
    }
}

/// Waits until the writer's thread has ended, and leaves all in the file itself.
fn close(dir: &TempDir) {
    assert!(Store::open(dir.path()).expect("free again").settle());
}

/// The writer's thread gives the file back a moment after the last handle is dropped.
fn wait_for_connection(dir: &TempDir) -> rusqlite::Connection {
    drop(Store::open(dir.path()).expect("its writer has ended"));
    let connection = rusqlite::Connection::open(dir.path().join(JOURNAL_FILE)).expect("opened");
    connection
        .query_row("SELECT count(*) FROM fact", [], |row| row.get::<_, i64>(0))
        .expect("free again");

    connection
}
