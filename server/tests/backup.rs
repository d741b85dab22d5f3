//! Backups, restores, and the one server of a file.

use blepay_server::admin::{AdminError, Force, Office, backup, restore};
use blepay_server::provider::Layout;
use blepay_server::{RunOptions, Server};
use std::os::unix::fs::PermissionsExt as _;

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

    assert_eq!(restored.incarnation, 2);
    let world = World::start(data).await;
    let answer = world.account(&shop).await;
    assert_eq!(answer.stamp.incarnation, 2);
    assert_eq!(answer.online.minor_units(), 100);
    // What happened since is sent again, and counts once.
    world.claim(&early).await;
    world.claim(&late).await;
    assert_eq!(world.online(&shop).await, 150);
    world.check().await;
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
