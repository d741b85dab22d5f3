//! Backups, restores, and the one server of a file.

use blepay_server::admin::{AdminError, Force, Office, backup, restore};
use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use blepay_server::{RunOptions, Server};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::ENGINE;
use super::world::World;
use crate::Engine;

#[tokio::test]
async fn a_backup_of_a_running_server_is_restored_into_its_next_life() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 600).await;
    let early = alice.pay(&shop.client_request(100));
    world.claim(&early).await;
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let file = world.data.path().join("copy.backup");

    let made = backup(world.data.path(), &address, &file).await.unwrap();
    let again = backup(world.data.path(), &address, &file).await;
    let late = alice.pay(&shop.client_request(50));
    world.claim(&late).await;
    assert_eq!(world.online(&shop).await, 150);

    assert!(made.bytes > 0);
    assert!(again.is_err(), "a backup is never overwritten");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let World { data, server, .. } = world;
    server.shutdown().await;
    let refused = restore(data.path(), &address, &file, Force::No).await;
    assert!(matches!(refused, Err(AdminError::NewerBooks { .. })));
    let restored = restore(data.path(), &address, &file, Force::Yes)
        .await
        .unwrap();

    assert!(restored.incarnation > 1, "{restored:?}");
    let world = World::start(data).await;
    let answer = world.account(&shop).await;
    assert_eq!(i64::from(answer.stamp.incarnation), restored.incarnation);
    assert_eq!(answer.online.minor_units(), 100);
    // What happened since is sent again, and counts once.
    world.claim(&early).await;
    world.claim(&late).await;
    assert_eq!(world.online(&shop).await, 150);
    world.check().await;
}

#[tokio::test]
async fn no_life_begins_twice_whatever_was_lost() {
    let (data, address, file) = stopped_with_backup().await;

    let mut lives = Vec::new();
    for _ in 0..2 {
        lose_file(&address);
        let restored = restore(data.path(), &address, &file, Force::Yes).await;
        lives.push(restored.unwrap().incarnation);
    }

    assert!(lives[0] < lives[1], "{lives:?}");
    let world = World::start(data).await;
    world.check().await;
}

#[tokio::test]
async fn a_restore_that_was_cut_is_run_again_before_a_server_starts() {
    let (data, address, file) = stopped_with_backup().await;
    // what stands there from before the books are put aside until they are whole again
    std::fs::write(data.path().join("restore.pending"), "").unwrap();

    let refused = Server::start(&RunOptions::local(data.path())).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("blepay-server restore"), "{error}");
    let refused = Office::open(data.path()).await;
    assert!(matches!(refused, Err(AdminError::Life(_))));
    if let StoreAddress::File(books) = &address {
        // a cut leaves the log of a copy, or that of books which were put aside
        for left in [".restoring-wal", "-wal"] {
            std::fs::write(format!("{}{left}", books.display()), "of other books").unwrap();
        }
    }
    restore(data.path(), &address, &file, Force::Yes)
        .await
        .unwrap();

    let world = World::start(data).await;
    world.check().await;
}

#[tokio::test]
async fn a_restore_that_changes_nothing_keeps_no_server_from_starting() {
    let (data, address, file) = stopped_with_backup().await;
    let noise = data.path().join("noise.backup");
    std::fs::write(&noise, b"no books at all").unwrap();

    for from in [noise, file.with_extension("missing")] {
        let refused = restore(data.path(), &address, &from, Force::Yes).await;
        assert!(refused.is_err());
    }

    let world = World::start(data).await;
    world.check().await;
}

#[tokio::test]
async fn books_that_were_put_back_by_hand_do_not_start() {
    let (data, address, file) = stopped_with_backup().await;
    let StoreAddress::File(books) = &address else {
        return; // a database is put back by its tools alone
    };
    restore(data.path(), &address, &file, Force::Yes)
        .await
        .unwrap();
    lose_file(&address);
    std::fs::copy(&file, books).unwrap();

    let refused = Server::start(&RunOptions::local(data.path())).await;

    let error = refused.unwrap_err().to_string();
    assert!(error.contains("has begun on this machine"), "{error}");
}

/// Runs a server, backs its books up, and stops it.
async fn stopped_with_backup() -> (TempDir, StoreAddress, PathBuf) {
    let world = World::new().await;
    world.device("Alice", 1_000).await;
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let file = world.data.path().join("copy.backup");
    backup(world.data.path(), &address, &file).await.unwrap();
    let World { data, server, .. } = world;
    server.shutdown().await;

    (data, address, file)
}

/// Loses books that are a file, with what was not folded into them.
fn lose_file(address: &StoreAddress) {
    if let StoreAddress::File(books) = address {
        for ending in ["", "-wal", "-shm"] {
            let path = format!("{}{ending}", books.display());
            drop(std::fs::remove_file(path));
        }
    }
}

#[tokio::test]
async fn what_is_no_backup_of_these_books_changes_nothing() {
    if ENGINE == Engine::Postgres {
        return; // pg_restore looks at its file itself
    }
    let world = World::new().await;
    world.device("Alice", 1_000).await;
    let other = World::of_another().await;
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let of_other = Layout::new(other.data.path()).store_address().unwrap();
    let foreign = world.data.path().join("foreign.backup");
    backup(other.data.path(), &of_other, &foreign)
        .await
        .unwrap();
    let noise = world.data.path().join("noise.backup");
    std::fs::write(&noise, b"no books at all").unwrap();

    let running = restore(world.data.path(), &address, &foreign, Force::Yes).await;
    assert!(matches!(running, Err(AdminError::InUse)));
    let World { data, server, .. } = world;
    server.shutdown().await;
    for file in [&foreign, &noise] {
        let refused = restore(data.path(), &address, file, Force::Yes).await;
        assert!(
            matches!(refused, Err(AdminError::NoBackup { .. })),
            "{refused:?}"
        );
    }

    let mut office = Office::open(data.path()).await.unwrap();
    assert_eq!(office.ledger().await.unwrap().issued, 1_000);
}

#[tokio::test]
async fn a_file_of_books_has_one_server() {
    let world = World::new().await;

    let second = Server::start(&RunOptions::local(world.data.path())).await;

    match ENGINE {
        Engine::Sqlite => {
            let error = second.unwrap_err().to_string();
            assert!(error.contains("another blepay-server runs"), "{error}");
            let world = world.restart().await;
            world.check().await;
        }
        Engine::Postgres => second.unwrap().shutdown().await,
    }
}
