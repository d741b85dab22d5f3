//! What the people of a provider do.

use blepay_server::admin::{AdminError, Office};
use blepay_server::provider::InitError;
use blepay_server::{InitOptions, RunOptions, Server, init};
use std::os::unix::fs::PermissionsExt as _;

use super::ENGINE;
use super::world::{World, amount, now};
use crate::Engine;

#[tokio::test]
async fn a_credit_with_the_same_reference_is_made_once() {
    let world = World::new().await;
    let alice = world.client("Alice").await;
    let mut office = Office::open(world.data.path()).await.unwrap();

    let first = office.credit("Alice", amount(500), "inv-1").await.unwrap();
    let again = office.credit("Alice", amount(500), "inv-1").await.unwrap();
    let other = office.credit("Alice", amount(501), "inv-1").await;

    assert!(!first.repeated && again.repeated);
    assert!(matches!(other, Err(AdminError::ReferenceUsed { .. })));
    assert_eq!(world.online(&alice).await, 500);
    assert_eq!(world.check().await.issued, 500);
}

#[tokio::test]
async fn a_name_that_two_clients_have_is_ambiguous_and_a_key_is_not() {
    let world = World::new().await;
    let first = world.client("Alice").await;
    let second = world.client("Alicia").await;
    // Books from before names were one client's.
    world.sql("UPDATE clients SET name = 'Alice'").await;
    let mut office = Office::open(world.data.path()).await.unwrap();

    let ambiguous = office.credit("Alice", amount(1), "r").await.unwrap_err();
    let unknown = office.credit("Alicia", amount(1), "r").await.unwrap_err();
    office
        .credit(&second.client_key().to_string(), amount(7), "r")
        .await
        .unwrap();

    assert!(matches!(ambiguous, AdminError::Ambiguous { keys, .. } if keys.len() == 2));
    assert!(matches!(unknown, AdminError::ClientUnknown(_)));
    assert_eq!(world.online(&first).await, 0);
    assert_eq!(world.online(&second).await, 7);
}

#[tokio::test]
async fn init_never_overwrites_a_provider_and_secrets_are_its_own() {
    let world = World::new().await;
    let root = std::fs::read(world.data.path().join("root.key")).unwrap();
    let options = InitOptions {
        name: "Other".parse().unwrap(),
        currency: "EUR".parse().unwrap(),
        url: "https://localhost".to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        oem_root: None,
        measurements: Vec::new(),
        store: None,
        root: None,
        now: now(),
    };

    let refused = init(world.data.path(), &options).await;

    assert!(matches!(refused, Err(InitError::File(_))));
    assert_eq!(
        std::fs::read(world.data.path().join("root.key")).unwrap(),
        root
    );
    for secret in [
        "root.key",
        "provider.keys",
        "tls.key",
        "tls-anchor.key",
        "books.db",
    ] {
        if ENGINE == Engine::Postgres && secret == "books.db" {
            assert!(!world.data.path().join(secret).exists());
            continue;
        }
        let metadata = std::fs::metadata(world.data.path().join(secret)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{secret}");
    }
}

#[tokio::test]
async fn a_server_whose_secret_others_can_read_does_not_start() {
    let world = World::new().await;
    let keys = world.data.path().join("provider.keys");
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o644)).unwrap();

    let refused = Server::start(&RunOptions::local(world.data.path())).await;

    assert!(refused.unwrap_err().to_string().contains("chmod 600"));
}

#[tokio::test]
async fn entries_are_only_ever_added_and_an_audit_finds_a_changed_balance() {
    let world = World::new().await;
    world.device("Alice", 500).await;

    let changed = world.try_sql("UPDATE entries SET amount = 1").await;
    let removed = world.try_sql("DELETE FROM entries").await;
    assert!(changed.is_err() && removed.is_err());
    world.check().await;
    world
        .sql("UPDATE accounts SET balance = balance + 1 WHERE kind = 1")
        .await;

    let audit = blepay_server::admin::audit(world.data.path())
        .await
        .unwrap();
    assert!(!audit.balanced);
    assert_eq!(audit.faults.len(), 1);
}
