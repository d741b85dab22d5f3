//! The clock of the server, held against what its books know.

use blepay_server::admin::audit;
use blepay_server::{ClockTrust, RunOptions, Server};
use tempfile::TempDir;

use super::realm::eventually;
use super::world::{Device, World};

/// Returns a stopped server's data, whose books were last written to at an instant that lies ahead.
async fn stopped(ahead: &'static str) -> TempDir {
    let world = World::new().await;
    world.device("Alice", 500).await;
    world.challenge(Device::new("Bob").client_key()).await;
    world.sql(ahead).await;
    let World { data, server, .. } = world;
    server.shutdown().await;

    data
}

#[tokio::test]
async fn a_clock_before_what_the_books_know_starts_no_server_until_the_operator_accepts_it() {
    let data = stopped("UPDATE challenges SET expires_ms = expires_ms + 3600000").await;

    let refused = Server::start(&RunOptions::local(data.path())).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("--accept-clock"), "{message}");
    assert!(message.contains("the clock says 20"), "{message}");
    assert!(message.contains("last written to at 20"), "{message}");
    let accepting = RunOptions {
        clock: ClockTrust::Accepted,
        ..RunOptions::local(data.path())
    };
    let accepted = Server::start(&accepting).await.unwrap();
    accepted.shutdown().await;

    // Once is enough, and it is noted.
    let world = World::start(data).await;
    world.check().await;
    let audit = audit(world.data.path()).await.unwrap();
    assert_eq!(audit.clock_faults.len(), 1, "{audit:?}");
    assert!(audit.clock_faults[0].contains("the operator accepted the clock"));
}

/// As beside another server whose clock is ahead.
#[tokio::test]
async fn a_server_whose_clock_falls_behind_what_the_books_know_is_not_ready() {
    let world = World::new().await;
    world.challenge(Device::new("Alice").client_key()).await;
    world
        .sql("UPDATE challenges SET expires_ms = expires_ms + 3600000")
        .await;

    let response = world.get("/readyz").await;
    assert_eq!(response.status(), 503);
    let said = response.text().await.unwrap();
    assert!(said.contains("a clock is wrong"), "{said}");

    world
        .sql("UPDATE challenges SET expires_ms = expires_ms - 3600000")
        .await;
    eventually("ready again", async || {
        world.get("/readyz").await.status() == 200
    })
    .await;
}

#[tokio::test]
async fn clocks_that_differ_by_less_than_ten_minutes_start_a_server_and_leave_no_note() {
    let data = stopped("UPDATE challenges SET expires_ms = expires_ms + 540000").await;

    let accepting = RunOptions {
        clock: ClockTrust::Accepted,
        ..RunOptions::local(data.path())
    };
    let server = Server::start(&accepting).await.unwrap();
    server.shutdown().await;

    let world = World::start(data).await;
    let audit = audit(world.data.path()).await.unwrap();
    assert!(audit.clock_faults.is_empty(), "{audit:?}");
}
