//! Several server processes on one PostgreSQL: the database decides, and every promise holds.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use blepay_server::{Durability, RunOptions, Server};
use futures::future::join_all;
use ops_proto::PaymentPair;
use ops_proto::message::{BatchAnswer, ItemOutcome, SettlementState};
use ops_proto::signed::{Signed, encode};
use tokio::sync::Notify;

use super::world::{Device, World, batch};

const PROGRAM: &str = env!("CARGO_BIN_EXE_blepay-server");

const CREDITED: ItemOutcome = ItemOutcome::Held(SettlementState::Credited);

/// A server process; killed when dropped.
struct Process {
    child: Child,
    address: String,
}

impl Process {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening ") else {
            panic!(
                "a server stopped with {:?}, and said why above",
                child.wait()
            );
        };
        let address = address.to_owned();

        Self { child, address }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a message to a process until it has an answer; `None` when the process is gone.
async fn ask(world: &World, to: &str, path: &str, body: &[u8]) -> Option<Vec<u8>> {
    loop {
        match world.post_at(to, path, body.to_vec()).await? {
            Ok(answer) => return Some(answer),
            Err(refused) if refused.code == "busy" || refused.code == "outcome-unknown" => {}
            Err(refused) => panic!("{refused:?}"),
        }
    }
}

async fn claim(world: &World, to: &str, pairs: &[PaymentPair]) -> Option<Vec<ItemOutcome>> {
    let bytes = ask(world, to, "/v1/claims", &encode(&batch(pairs))).await?;
    let answer: Signed<BatchAnswer> = Signed::decode(&bytes).unwrap();

    Some(
        answer
            .body()
            .items
            .iter()
            .map(|(_, outcome)| *outcome)
            .collect(),
    )
}

#[tokio::test]
async fn one_payment_credits_once_whatever_is_raced_through_several_processes() {
    let world = World::new().await;
    let shop = world.client("Shop").await;
    let mut payers: Vec<Device> = Vec::new();
    for name in ["Alice", "Bob", "Carol"] {
        let mut payer = world.device(name, 5_000).await;
        world.load(&mut payer, 2_000).await;
        payers.push(payer);
    }
    let pairs: Vec<PaymentPair> = (0..24)
        .map(|i| payers[i % 3].pay(&shop.client_request(10)))
        .collect();
    let mut processes: Vec<Process> = (0..3).map(|_| Process::start(world.data.path())).collect();
    let to: Vec<String> = processes.iter().map(|p| p.address.clone()).collect();

    // Every process is sent every payment, in batches that overlap; one of them is killed under way.
    let an_answer = Notify::new();
    let claims = join_all((0..36).map(|i| {
        let (world, pairs, an_answer) = (&world, &pairs, &an_answer);
        let to = to[i % 3].as_str();
        let first = (i * 5) % 20;
        async move {
            let outcomes = claim(world, to, &pairs[first..first + 5]).await;
            an_answer.notify_one();
            outcomes
        }
    }));
    let (outcomes, killed) = tokio::join!(claims, async {
        an_answer.notified().await;
        processes.remove(2)
    });
    drop(killed);

    let answered: Vec<_> = outcomes.into_iter().flatten().flatten().collect();
    assert!(answered.len() >= 24 * 5, "{}", answered.len());
    assert!(answered.iter().all(|outcome| *outcome == CREDITED));
    for process in &processes {
        let again = claim(&world, &process.address, &pairs).await.unwrap();
        assert!(again.iter().all(|outcome| *outcome == CREDITED));
    }
    assert_eq!(world.online(&shop).await, 240);
    let ledger = world.check().await;
    assert_eq!((ledger.shadow, ledger.loss), (6_000 - 240, 0));
}

#[tokio::test]
async fn the_same_deposit_and_status_raced_through_several_processes_have_one_answer() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 5_000).await;
    let processes: Vec<Process> = (0..3).map(|_| Process::start(world.data.path())).collect();
    let race = |path: &'static str, body: Vec<u8>| {
        let (world, processes) = (&world, &processes);
        async move {
            let answers =
                join_all((0..9).map(|i| ask(world, &processes[i % 3].address, path, &body))).await;
            let first = answers[0].clone().unwrap();
            assert!(answers.iter().all(|answer| answer.as_ref() == Some(&first)));
            first
        }
    };

    let order = alice.deposit_open(1_000);
    let answer = race("/v1/deposits", encode(&order)).await;
    alice.deposit_close(&Signed::decode(&answer).unwrap());
    let order = alice.status_open();
    let token = race("/v1/statuses", encode(&order)).await;
    alice.take_token(&Signed::decode(&token).unwrap());

    assert_eq!(world.online(&alice).await, 4_000);
    assert_eq!(world.check().await.shadow, 1_000);
}

#[tokio::test]
async fn one_name_registered_through_several_processes_is_one_clients() {
    let world = World::new().await;
    let processes: Vec<Process> = (0..3).map(|_| Process::start(world.data.path())).collect();

    let results = join_all((0..6).map(|i| {
        let world = &world;
        let to = processes[i % 3].address.as_str();
        async move {
            let device = Device::new(&format!("Shop {}", i % 2));
            let challenge = world.challenge(device.client_key()).await;
            let body = device.sign_register_client(challenge);
            loop {
                let answer = world.post_at(to, "/v1/clients", body.clone()).await;
                match answer.unwrap() {
                    Ok(_) => return true,
                    Err(refused) if refused.code == "busy" => {}
                    Err(refused) => {
                        assert_eq!(refused.code, "name-taken");
                        return false;
                    }
                }
            }
        }
    }))
    .await;

    assert_eq!(results.iter().filter(|made| **made).count(), 2);
    world.check().await;
}

#[tokio::test]
async fn a_connection_that_the_database_ends_is_made_again_and_nothing_is_lost() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 5_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 2_000).await;
    let to = world.server.addr().to_string();

    for round in 1..=5 {
        let pair = alice.pay(&shop.client_request(10));
        let claim = claim(&world, &to, std::slice::from_ref(&pair));
        let end = world.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'blepay-server' AND datname = current_database()",
        );
        let (outcome, ()) = tokio::join!(claim, end);

        assert_eq!(outcome.unwrap(), [CREDITED], "round {round}");
    }

    assert_eq!(world.online(&shop).await, 50);
    world.check().await;
}

#[tokio::test]
async fn a_database_that_may_lose_what_was_answered_is_served_only_when_that_is_allowed() {
    let world = World::new().await;
    world
        .sql(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off',
                 current_database()); END $$",
        )
        .await;

    let refused = Server::start(&RunOptions::local(world.data.path())).await;
    let allowed = Server::start(&RunOptions {
        durability: Durability::Waived,
        ..RunOptions::local(world.data.path())
    })
    .await;

    let message = refused.unwrap_err().to_string();
    assert!(message.contains("synchronous_commit"), "{message}");
    assert!(message.contains("--allow-loss-of-answers"), "{message}");
    allowed.unwrap().shutdown().await;
}
