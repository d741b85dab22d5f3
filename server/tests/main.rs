//! The server's promises, over TLS on loopback, with devices that are honest, forgetful or hostile; each
//! on a file of SQLite and on a database of PostgreSQL.
//!
//! A new file of tests is named twice below; its tests begin with `World::new()` of `super::world`.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that goes wrong may panic"
)]
#![expect(
    clippy::duplicate_mod,
    reason = "the same tests run once on each engine"
)]

mod cluster;

/// Where a world's books are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

#[path = "."]
mod sqlite {
    const ENGINE: crate::Engine = crate::Engine::Sqlite;

    mod admin;
    mod answers;
    mod audit;
    mod backup;
    mod ca;
    mod claims;
    mod client_standing;
    mod clock;
    mod credited;
    mod deposits;
    mod ends;
    mod hostile;
    mod http;
    mod keys;
    mod lists;
    mod mailbox;
    mod openapi;
    mod process;
    mod providers;
    mod providers_keys;
    mod providers_restored;
    mod ready;
    mod realm;
    mod refusals;
    mod registration;
    mod renew;
    mod restore;
    mod retire;
    mod settlements;
    mod statuses;
    mod story;
    mod verify;
    mod withdraw;
    mod world;
}

#[path = "."]
mod postgres {
    const ENGINE: crate::Engine = crate::Engine::Postgres;

    mod admin;
    mod answers;
    mod audit;
    mod backup;
    mod ca;
    mod claims;
    mod client_standing;
    mod clock;
    mod credited;
    mod deposits;
    mod ends;
    mod hostile;
    mod http;
    mod keys;
    mod lists;
    mod mailbox;
    mod process;
    mod processes;
    mod providers;
    mod providers_keys;
    mod providers_restored;
    mod ready;
    mod realm;
    mod refusals;
    mod registration;
    mod renew;
    mod restore;
    mod retire;
    mod settlements;
    mod statuses;
    mod story;
    mod verify;
    mod withdraw;
    mod world;
}
