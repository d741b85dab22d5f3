//! The audit: whoever changes one row is found.

mod causes;

use std::path::Path;
use std::process::Command;

use blepay_server::admin::{Audit, audit};
use ops_proto::evidence::EvidenceFile;
use ops_proto::message::ItemOutcome;
use serde_json::Value;

use super::ENGINE;
use super::world::World;
use crate::Engine;

/// A world in which money was paid in, loaded, paid, collected, spent on and withdrawn.
async fn world() -> World {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let mut bob = world.device("Bob", 100).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 5_000).await;
    for amount in [300, 400] {
        let pair = alice.pay(&shop.client_request(amount));
        let outcome = world.claim(&pair).await;
        assert!(matches!(outcome, ItemOutcome::Held(_)));
    }
    let pair = alice.pay(&bob.request(700));
    bob.collect(&pair);
    world.report(&pair).await;
    world.sync(&mut alice).await;
    world.sync(&mut bob).await;
    let onward = bob.pay(&shop.client_request(50));
    world.claim(&onward).await;

    world
}

/// Lets entries be changed, as whoever owns the database can.
async fn unlock(world: &World) {
    match ENGINE {
        Engine::Sqlite => {
            world.sql("DROP TRIGGER entries_are_never_changed").await;
            world.sql("DROP TRIGGER entries_are_never_removed").await;
        }
        Engine::Postgres => {
            world.sql("ALTER TABLE entries DISABLE TRIGGER ALL").await;
        }
    }
}

async fn faults_after(sql: &'static str) -> Audit {
    let world = world().await;
    unlock(&world).await;
    let before = audit(world.data.path()).await.unwrap();
    assert!(before.balanced, "{before:?}");
    world.sql(sql).await;

    audit(world.data.path()).await.unwrap()
}

async fn is_found(sql: &'static str) {
    let audit = faults_after(sql).await;
    assert!(
        !audit.balanced && !audit.faults.is_empty(),
        "not found: {sql}"
    );
}

#[tokio::test]
async fn whole_books_are_balanced_and_everything_in_them_was_looked_at() {
    let world = world().await;
    let audit = audit(world.data.path()).await.unwrap();

    assert!(audit.balanced && audit.overspent.is_empty(), "{audit:?}");
    assert!(audit.entries > 8 && audit.accounts > 5);
    assert!(audit.answers > 5 && audit.statements >= 7);
    assert_eq!(audit.certificates, 5);
}

#[tokio::test]
async fn a_changed_entry_is_found_and_named() {
    let changed = faults_after("UPDATE entries SET amount = amount + 1 WHERE id = 2").await;
    assert!(!changed.balanced);
    assert!(
        changed
            .faults
            .iter()
            .any(|fault| fault.contains("its balance is")),
        "{changed:?}"
    );
    is_found(
        "UPDATE entries SET reason = 5 WHERE id = (SELECT min(id) FROM entries WHERE reason = 4)",
    )
    .await;
    is_found(
        "UPDATE entries SET reason = 12 WHERE id = (SELECT min(id) FROM entries WHERE reason = 4)",
    )
    .await;
    is_found(
        "UPDATE entries SET credited = (SELECT max(id) FROM accounts
             WHERE id <> entries.credited AND id <> entries.debited)
         WHERE id = (SELECT min(id) FROM entries WHERE reason = 4)",
    )
    .await;
}

/// Money was paid in by a clock that was forty days ahead, and set right before what follows.
#[tokio::test]
async fn a_clock_that_was_wrong_is_named_beside_balanced_and_not_instead_of_it() {
    let audit = faults_after(
        "UPDATE entries SET at_ms = at_ms + 3456000000 WHERE id = (SELECT min(id) FROM entries)",
    )
    .await;

    assert!(audit.balanced && audit.faults.is_empty(), "{audit:?}");
    let named = |what| audit.clock_faults.iter().any(|fault| fault.contains(what));
    assert!(named("has not been yet"), "{audit:?}");
    assert!(named("before that of the entry before it"), "{audit:?}");
}

#[tokio::test]
async fn a_removed_entry_is_found() {
    is_found("DELETE FROM entries WHERE id = (SELECT max(id) FROM entries)").await;
    is_found("DELETE FROM entries WHERE id = (SELECT min(id) FROM entries)").await;
}

#[tokio::test]
async fn a_changed_account_is_found() {
    is_found("UPDATE accounts SET balance = balance + 1 WHERE id = (SELECT min(id) FROM accounts WHERE kind = 1)").await;
    is_found(
        "UPDATE accounts SET kind = 5 WHERE id = (SELECT min(id) FROM accounts WHERE kind = 1)",
    )
    .await;
    is_found("DELETE FROM accounts WHERE id = (SELECT min(id) FROM accounts WHERE kind = 1)").await;
}

#[tokio::test]
async fn an_account_that_was_given_to_somebody_else_is_found() {
    let world = world().await;
    world.client("Thief").await;
    world
        .sql(
            "UPDATE accounts SET owner = (SELECT key FROM clients WHERE name = 'Thief')
             WHERE kind = 1 AND owner = (SELECT key FROM clients WHERE name = 'Shop')",
        )
        .await;

    let audit = audit(world.data.path()).await.unwrap();
    assert!(!audit.balanced, "{audit:?}");
}

#[tokio::test]
async fn a_changed_statement_is_found_and_a_removed_one_leaves_a_gap() {
    match ENGINE {
        Engine::Sqlite => {
            is_found("UPDATE statements SET bytes = zeroblob(length(bytes)) WHERE id = 2").await
        }
        Engine::Postgres => {
            is_found("UPDATE statements SET bytes = decode(repeat('00', length(bytes)), 'hex') WHERE id = 2").await;
        }
    }
    is_found(
        "UPDATE statements SET n = (SELECT n FROM statements WHERE id = 2), i = j WHERE id = 1",
    )
    .await;
    let removed = faults_after("DELETE FROM statements WHERE id = 2").await;
    assert!(
        removed
            .faults
            .iter()
            .any(|fault| fault.contains("without a gap only up to 1")),
        "{removed:?}"
    );
}

#[tokio::test]
async fn a_changed_or_removed_answer_is_found() {
    match ENGINE {
        Engine::Sqlite => {
            is_found("UPDATE answers SET bytes = zeroblob(length(bytes)) WHERE id = 1").await
        }
        Engine::Postgres => {
            is_found("UPDATE answers SET bytes = decode(repeat('00', length(bytes)), 'hex') WHERE id = 1").await;
        }
    }
    is_found("UPDATE answers SET sequence = sequence + 100000 WHERE id = 1").await;
    is_found("UPDATE answers SET kind = 1 WHERE kind = 0").await;
    is_found(
        "UPDATE deposits SET answer = (SELECT id FROM answers WHERE kind = 2 ORDER BY id LIMIT 1)",
    )
    .await;
    is_found("UPDATE deposits SET outcome = 1").await;
}

#[tokio::test]
async fn a_changed_payment_deposit_or_credit_is_found() {
    is_found("UPDATE payments SET amount = amount + 1 WHERE amount = 300").await;
    is_found("DELETE FROM payments WHERE amount = 300").await;
    is_found("UPDATE payments SET receiver = sender WHERE amount = 300").await;
    is_found("UPDATE deposits SET amount = amount + 1").await;
    is_found("UPDATE credits SET amount = amount + 1 WHERE amount = 100").await;
    is_found("UPDATE tas SET advanced_by_loss = 7 WHERE owner = (SELECT key FROM clients WHERE name = 'Bob')").await;
}

#[tokio::test]
async fn a_ta_that_spent_more_than_it_can_have_had_is_shown_with_the_arithmetic() {
    let world = World::new().await;
    let mut mallory = world.device("Mallory", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut mallory, 200).await;
    let pair = mallory.pay(&shop.client_request(500));
    world.claim(&pair).await;
    let order = mallory.status_open_with_balance(0);
    let refused = world.status(&order).await.unwrap_err();
    assert_eq!(refused.code, "books-differ");

    let audit = audit(world.data.path()).await.unwrap();

    assert!(audit.balanced, "{audit:?}");
    let shown = &audit.overspent[0];
    assert_eq!(shown.ta, mallory.ta_key().to_string());
    assert_eq!((shown.granted, shown.collected, shown.paid), (200, 0, 500));
    assert_eq!((shown.leaves, shown.stated), (-300, 0));
}

fn run(args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_blepay-server"))
        .args(args)
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_command_line_says_what_is_wrong_and_exits_with_three() {
    let world = world().await;
    let data = world.data.path().display().to_string();
    let whole = run(&["audit", "--data", &data]);
    assert!(whole.status.success(), "{whole:?}");
    assert!(String::from_utf8_lossy(&whole.stdout).ends_with("balanced\n"));

    world
        .sql("UPDATE accounts SET balance = balance + 1 WHERE kind = 1")
        .await;

    let damaged = run(&["audit", "--data", &data, "--json"]);
    assert_eq!(damaged.status.code(), Some(3));
    let audit: Value = serde_json::from_slice(&damaged.stdout).unwrap();
    assert_eq!(audit["balanced"], Value::Bool(false));
    assert!(
        audit["faults"][0]
            .as_str()
            .unwrap()
            .contains("its entries make")
    );
}

/// Makes a world in which a TA was cloned, and exports what convicts it.
async fn convicted(file: &Path) -> (World, String) {
    let world = World::new().await;
    let mut mallory = world.device("Mallory", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut mallory, 500).await;
    let mut clone = mallory.clone();
    let one = mallory.pay(&shop.client_request(100));
    let other = clone.pay(&shop.client_request(200));
    world.claim(&one).await;
    world.claim(&other).await;
    let data = world.data.path().display().to_string();
    let out = file.display().to_string();
    let exported = run(&["evidence", "export", "1", "--data", &data, "--out", &out]);
    assert!(exported.status.success(), "{exported:?}");
    let root = std::fs::read_to_string(world.data.path().join("root.pub")).unwrap();

    (world, root.trim().to_owned())
}

#[tokio::test]
async fn evidence_convinces_without_a_server_and_only_when_it_convicts() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("clone.evidence");
    let (world, root) = convicted(&file).await;
    let path = file.display().to_string();
    let data = world.data.path().display().to_string();
    let listed = run(&["evidence", "list", "--data", &data, "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert!(
        run(&["evidence", "show", "1", "--data", &data])
            .status
            .success()
    );
    let World { data, server, .. } = world;
    server.shutdown().await;
    let root_file = directory.path().join("root.pub");
    std::fs::write(&root_file, format!("{root}\n")).unwrap();
    drop(data);

    for root in [root.clone(), root_file.display().to_string()] {
        let convicts = run(&["evidence", "verify", &path, "--root", &root, "--json"]);
        assert_eq!(convicts.status.code(), Some(0), "{convicts:?}");
        let said: Value = serde_json::from_slice(&convicts.stdout).unwrap();
        assert_eq!(said["convicts"], Value::Bool(true));
        assert_eq!(said["name"], "Mallory");
        assert_eq!(
            (&said["first"]["j"], &said["second"]["j"]),
            (&Value::from(1), &Value::from(1))
        );
    }
    let other_root = run(&["evidence", "verify", &path, "--root", &"ab".repeat(32)]);
    assert_eq!(other_root.status.code(), Some(1));
    let text = std::fs::read_to_string(&file).unwrap();
    let mut same_twice: EvidenceFile = serde_json::from_str(&text).unwrap();
    let half = same_twice.evidence.len() / 2;
    same_twice.evidence.replace_range(half.., "");
    for damaged in [
        serde_json::to_string(&same_twice).unwrap(),
        "{}".to_owned(),
        String::new(),
    ] {
        std::fs::write(&file, damaged).unwrap();
        let nobody = run(&["evidence", "verify", &path, "--root", &root, "--json"]);
        assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
        let said: Value = serde_json::from_slice(&nobody.stdout).unwrap();
        assert_eq!(said["convicts"], Value::Bool(false));
    }
}
