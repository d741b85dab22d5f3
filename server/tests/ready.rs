//! `/readyz` is the truth: ready means that messages are booked.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use blepay_server::limits::{PROBE_AGE_MAX, PROBE_TIMEOUT};
use blepay_server::{InitOptions, init};
use serde_json::Value;

use super::ENGINE;
use super::realm::eventually;
use super::world::{Device, World, client, device, now, store_url};
use crate::{Engine, cluster};

const PROGRAM: &str = env!("CARGO_BIN_EXE_blepay-server");

const DAY_MS: u64 = 24 * 3600 * 1000;

/// Bytes that a file may have when the disk counts as full: less than any file of books.
const FULL_BYTES: &str = "4096";

/// How often both listeners are asked until they agree.
const ASKED_MAX: usize = 3;

/// Asks both listeners, and returns the status on which they agree and what was said. Between two questions the books may
/// have healed: then both are asked once more.
async fn readiness(world: &World) -> (u16, String) {
    let admin = format!("https://{}/readyz", world.server.admin_addr());
    for _ in 0..ASKED_MAX {
        let admin = world.http.get(&admin).send().await.unwrap();
        let public = world.get("/readyz").await;
        if admin.status() != public.status() {
            continue;
        }
        if public.status() != 200 {
            assert!(public.headers().contains_key("retry-after"));
        }
        return (public.status().as_u16(), public.text().await.unwrap());
    }
    panic!("the two listeners do not agree");
}

async fn admin(world: &World, path: &str) -> (u16, Value) {
    let token = std::fs::read_to_string(world.data.path().join("admin-token")).unwrap();
    let url = format!("https://{}{path}", world.server.admin_addr());
    let request = world.http.get(url).bearer_auth(token.trim());
    let response = request.send().await.unwrap();

    (response.status().as_u16(), response.json().await.unwrap())
}

/// Waits until the outcome of an earlier probe counts no more.
async fn forget() {
    tokio::time::sleep(PROBE_AGE_MAX).await;
}

async fn heals(world: &World) {
    eventually("ready again", async || readiness(world).await.0 == 200).await;
    let mut device = Device::new("Healed");
    device.register_client(world).await.unwrap();
}

#[tokio::test]
async fn a_server_whose_books_hang_says_so_in_time_and_is_ready_when_they_go_on() {
    let world = World::new().await;
    assert_eq!(readiness(&world).await.0, 200);
    forget().await;

    let hold = world.hold().await;
    let begun = Instant::now();
    let (status, said) = readiness(&world).await;
    assert_eq!(status, 503);
    assert!(said.contains("the books do not answer"), "{said}");
    // Two listeners, one after the other, and as long again for a slow machine.
    assert!(begun.elapsed() < PROBE_TIMEOUT * 4);
    // Who asks again waits for the same probe: the queue does not fill with them.
    assert_eq!(readiness(&world).await.0, 503);

    hold.let_go().await;
    heals(&world).await;
}

#[tokio::test]
async fn a_server_of_books_that_a_newer_program_changed_is_not_ready() {
    let world = World::new().await;
    world
        .sql("INSERT INTO migrations_done (version, checksum) VALUES (9999, 'newer')")
        .await;

    let (status, said) = readiness(&world).await;
    assert_eq!(status, 503);
    assert!(said.contains("newer program"), "{said}");
    let (status, health) = admin(&world, "/v1/admin/health").await;
    assert_eq!((status, &health["ready"]), (200, &Value::Bool(false)));
    assert!(health["trouble"].as_str().unwrap().contains("newer"));
    assert_eq!(health["balanced"], Value::Null);

    world
        .sql("DELETE FROM migrations_done WHERE version = 9999")
        .await;
    heals(&world).await;
}

#[tokio::test]
async fn a_server_whose_database_is_away_is_not_ready_and_never_says_that_it_failed() {
    let world = World::new().await;
    let Some(database) = world.database() else {
        return; // a file is not away: a full one is tried below
    };
    cluster::shut(&database).await;

    assert_eq!(readiness(&world).await.0, 503);
    let (status, health) = admin(&world, "/v1/admin/health").await;
    assert_eq!((status, &health["ready"]), (200, &Value::Bool(false)));
    assert_eq!(health["balanced"], Value::Null);
    let (status, refused) = admin(&world, "/v1/admin/ledger").await;
    assert_eq!((status, refused["code"].as_str()), (503, Some("busy")));
    let key = Device::new("Early").client_key();
    let refused = world.post("/v1/challenge", key.0.to_vec()).await;
    assert_eq!(refused.unwrap_err().status, 503);

    cluster::open(&database).await;
    heals(&world).await;
}

#[tokio::test]
async fn a_full_disk_is_not_ready_and_has_every_message_repeated_until_there_is_room() {
    if ENGINE == Engine::Postgres {
        return; // the limit is one of the server's own files
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("provider");
    let mut make = Command::new(PROGRAM);
    let made = make.args(["init", "--data"]).arg(&data).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    // The signal of a file that may not grow would end the process.
    let mut server = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", PROGRAM, "run"])
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let id = server.id();
    let file_size_max = |bytes: &str| {
        let mut limit = Command::new("prlimit");
        limit.args([&format!("--fsize={bytes}:unlimited"), "--pid"]);
        assert!(limit.arg(id.to_string()).status().unwrap().success());
    };
    let mut line = String::new();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening ").unwrap().to_owned();
    let http = client(&std::fs::read_to_string(data.join("tls-anchor.pem")).unwrap());
    let ready = async || {
        let url = format!("https://{address}/readyz");
        http.get(url).send().await.unwrap().status().as_u16()
    };
    let challenge = async || {
        let key = Device::new("Somebody").client_key();
        let url = format!("https://{address}/v1/challenge");
        let sent = http.post(url).body(key.0.to_vec()).send().await;
        sent.unwrap().status().as_u16()
    };
    assert_eq!(ready().await, 200);

    assert_eq!(challenge().await, 200);

    file_size_max(FULL_BYTES);
    for _ in 0..5 {
        assert_eq!(challenge().await, 503);
        assert_eq!(ready().await, 503);
        forget().await;
    }
    file_size_max("unlimited");
    eventually("ready again", async || ready().await == 200).await;
    assert_eq!(challenge().await, 200);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_warned_of_and_one_that_ended_is_not_ready() {
    for (age_days, is_ready) in [(5 * 365 - 30, true), (5 * 365 + 1, false)] {
        let data = tempfile::tempdir().unwrap();
        let options = InitOptions {
            name: "Old provider".parse().unwrap(),
            currency: "EUR".parse().unwrap(),
            url: "https://127.0.0.1:8443".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            oem_root: Some(device::oem_root().public_key()),
            measurements: vec![device::measurement()],
            store: store_url().await,
            root: None,
            now: now().saturating_sub_ms(age_days * DAY_MS),
        };
        init(data.path(), &options).await.unwrap();
        let world = World::start(data).await;

        let (status, said) = readiness(&world).await;
        assert_eq!(status == 200, is_ready, "{said}");
        assert!(is_ready || said.contains("the provider's certificate ended"));
        let (_, health) = admin(&world, "/v1/admin/health").await;
        let warnings = health["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 1, "{health}");
        assert!(warnings[0].as_str().unwrap().contains("ca rollover"));
        assert_eq!(health["balanced"], Value::Bool(true));
    }
}

/// A new provider has nothing to warn of: its certificates last for years.
#[tokio::test]
async fn a_new_provider_is_ready_and_says_when_its_certificates_end() {
    let world = World::new().await;

    let (_, health) = admin(&world, "/v1/admin/health").await;
    assert_eq!(health["ready"], Value::Bool(true));
    assert_eq!(health["warnings"], Value::Array(Vec::new()));
    eventually("measured", async || {
        let token = std::fs::read_to_string(world.data.path().join("admin-token")).unwrap();
        let url = format!("https://{}/metrics", world.server.admin_addr());
        let request = world.http.get(url).bearer_auth(token.trim());
        let text = request.send().await.unwrap().text().await.unwrap();

        ["provider", "tls"].iter().all(|paper| {
            text.contains(&format!(
                "blepay_certificate_ends_seconds{{certificate=\"{paper}\"}}"
            ))
        })
    })
    .await;
}
