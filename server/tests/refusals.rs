//! Every refusal: a stable code, a sentence, what to do, and nothing changed.

use std::collections::BTreeSet;

use blepay_server::admin::audit;
use blepay_server::limits::{BODY_GRACE, REQUESTS_PER_HOST_MAX};
use blepay_server::provider::Layout;
use blepay_server::store::StoreAddress;
use ops_proto::list::List;
use ops_proto::message::MailboxQuery;
use ops_proto::signed::encode;
use ops_proto::{Digest, SecretKey, Signed};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::ENGINE;
use super::withdraw::suspend;
use super::world::{Device, Refused, SlowConnection, World, batch, device, send_slowly};
use crate::Engine;

/// Codes that need a world of their own; the tests of their names stand behind them.
const ELSEWHERE: [&str; 8] = [
    "busy",             // whoever_is_slow_is_told_so_and_whoever_is_too_many_at_once
    "timeout",          // the same
    "tool",             // a_backup_that_a_missing_tool_prevents_is_refused_and_leaves_no_file
    "too-many",         // hostile::an_address_that_floods_is_told_when_to_come_back
    "under-way",        // settlements::a_settlement_sent_again_is_answered_with_the_same_bytes…
    "outcome-unknown",  // answers::a_commit_whose_outcome_is_not_known_says_so_and_is_asked_again
    "internal",         // answers::a_message_that_the_books_refuse_stops_none_beside_it
    "client-ambiguous", // a_name_of_two_clients_is_ambiguous_and_moves_nothing
];

/// Tables of which a refused message leaves every row alone. Not among them: who is suspended and listed,
/// and the statements that show why.
const TABLES: [&str; 18] = [
    "subjects",
    "clients",
    "tas",
    "certificates",
    "challenges",
    "credits",
    "answers",
    "deposits",
    "withdrawals",
    "tokens",
    "payments",
    "mailbox",
    "collected",
    "requests_open",
    "retirements",
    "deaths",
    "ends",
    "settlements",
];

/// Returns every code that a refusal can have, as the source lists them.
fn every_code() -> BTreeSet<String> {
    let source = include_str!("../src/refusal.rs");
    let codes: BTreeSet<String> = source
        .lines()
        .filter_map(|line| {
            let (code, text) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
            let text = text.strip_suffix("\",")?;
            let is_code = code.chars().all(char::is_alphanumeric) && !text.contains(' ');

            is_code.then(|| text.to_owned())
        })
        .collect();
    assert!(codes.len() > 30, "{codes:?}");

    codes
}

/// A world in which things are refused, and which codes were seen.
struct Desk {
    world: World,
    seen: BTreeSet<String>,
}

impl Desk {
    /// Everything in the books but who is under suspicion, and why.
    async fn books(&self) -> String {
        let audit = audit(self.world.data.path()).await.unwrap();
        let ledger = self.world.ledger().await;
        let rows = rows(&self.world).await;

        format!("{} {} {rows} {ledger:?}", audit.balanced, audit.entries)
    }

    /// Demands that a message is refused with this code, and that nothing but the word of who lies changed.
    async fn refuse(&mut self, path: &str, body: Vec<u8>, code: &str) {
        let before = self.books().await;
        let refused = self.world.post(path, body).await.unwrap_err();
        self.look_at(&refused, code);
        assert_eq!(self.books().await, before, "{path}: {code}");
    }

    /// Demands that an admin request is refused with this code.
    async fn refuse_admin(&mut self, method: Method, path: &str, body: Option<Value>, code: &str) {
        let before = self.books().await;
        let token = token(&self.world);
        let refused = ask_admin(&self.world, method, path, body, &token).await;
        self.look_at(&refused, code);
        assert_eq!(self.books().await, before, "{path}: {code}");
    }

    fn look_at(&mut self, refused: &Refused, code: &str) {
        assert_eq!(refused.code, code, "{refused:?}");
        assert!((400..500).contains(&refused.status), "{refused:?}");
        assert!(refused.message.contains(' '), "{refused:?}");
        assert!(refused.hint.contains(' '), "{refused:?}");
        assert!(!refused.message.ends_with('.'), "{refused:?}");
        self.seen.insert(code.to_owned());
    }
}

/// Returns how many rows each table has.
async fn rows(world: &World) -> String {
    let counts: Vec<String> = TABLES
        .iter()
        .map(|table| format!("'{table} ' || CAST((SELECT count(*) FROM {table}) AS TEXT)"))
        .collect();
    let select = AssertSqlSafe(format!("SELECT {}", counts.join(" || ' ' || ")));
    match Layout::new(world.data.path()).store_address().unwrap() {
        StoreAddress::File(path) => {
            let url = format!("sqlite://{}", path.display());
            let mut books = SqliteConnection::connect(&url).await.unwrap();
            let row = sqlx::query_scalar(select).fetch_one(&mut books).await;
            row.unwrap()
        }
        StoreAddress::Postgres(options) => {
            let mut books = PgConnection::connect_with(&options).await.unwrap();
            let row = sqlx::query_scalar(select).fetch_one(&mut books).await;
            row.unwrap()
        }
    }
}

fn token(world: &World) -> String {
    let text = std::fs::read_to_string(world.data.path().join("admin-token")).unwrap();

    text.trim().to_owned()
}

async fn ask_admin(
    world: &World,
    method: Method,
    path: &str,
    body: Option<Value>,
    token: &str,
) -> Refused {
    let url = format!("https://{}{path}", world.server.admin_addr());
    let mut request = world.http.request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let mut refused: Refused = response.json().await.unwrap();
    refused.status = status;

    refused
}

/// What no registration, certificate or mailbox is given for.
async fn refuse_strangers(desk: &mut Desk, alice: &Device) {
    let stranger = Device::new("Stranger");
    let challenge = desk.world.challenge(stranger.client_key()).await;
    let query = stranger.sign_query(challenge);
    desk.refuse("/v1/account", query, "client-unknown").await;
    let challenge = desk.world.challenge(stranger.client_key()).await;
    let order = stranger.sign_register_ta(stranger.quote(challenge), &device::oem_root());
    desk.refuse("/v1/tas", order, "client-unknown").await;
    let challenge = desk.world.challenge(alice.client_key()).await;
    let mailbox = MailboxQuery {
        client: alice.client_key(),
        ta: stranger.ta_key(),
        after: 0,
        challenge,
    };
    let mailbox = Signed::sign(mailbox, &alice.client()).to_wire();
    desk.refuse("/v1/mailbox", mailbox, "ta-unknown").await;
    let challenge = desk.world.challenge(stranger.ta_key()).await;
    let renew = Device::sign_renew(&stranger.ta(), 1, challenge);
    desk.refuse("/v1/renewals", renew, "subject-unknown").await;
    let challenge = desk.world.challenge(alice.ta_key()).await;
    let renew = Device::sign_renew(&alice.ta(), 7, challenge);
    desk.refuse("/v1/renewals", renew, "certificate-number")
        .await;
    desk.refuse("/v1/account", alice.sign_query([7; 32]), "challenge")
        .await;
    let mut thief = Device::new("Thief");
    "ALICE".clone_into(&mut thief.name);
    let challenge = desk.world.challenge(thief.client_key()).await;
    let register = thief.sign_register_client(challenge);
    desk.refuse("/v1/clients", register, "name-taken").await;
    let second = alice.with_ta_of(&stranger);
    let challenge = desk.world.challenge(second.client_key()).await;
    let order = second.sign_register_ta(second.quote(challenge), &device::oem_root());
    desk.refuse("/v1/tas", order, "ta-bound").await;
    let mut quote = second.quote(desk.world.challenge(second.client_key()).await);
    quote.measurement = Digest::ZERO;
    let order = second.sign_register_ta(quote, &device::oem_root());
    desk.refuse("/v1/tas", order, "quote").await;
    let bob = desk.world.client("Bob").await.with_ta_of(alice);
    let challenge = desk.world.challenge(bob.client_key()).await;
    let order = bob.sign_register_ta(bob.quote(challenge), &device::oem_root());
    desk.refuse("/v1/tas", order, "key-taken").await;
}

/// What is no message of its path.
async fn refuse_noise(desk: &mut Desk, alice: &Device) {
    desk.refuse("/v1/claims", vec![1, 2, 3], "malformed").await;
    desk.refuse("/v1/deposits", vec![0; 5_000], "body-too-large")
        .await;
    desk.refuse("/v1/elsewhere", Vec::new(), "not-found").await;
    desk.refuse("/v1/provider", Vec::new(), "method").await;
    desk.refuse("/v1/challenge", vec![0; 32], "key-refused")
        .await;
    let challenge = desk.world.challenge(alice.client_key()).await;
    let mut query = alice.sign_query(challenge);
    *query.last_mut().unwrap() ^= 1;
    desk.refuse("/v1/account", query, "signature").await;
}

/// What a TA's statements do not bear.
async fn refuse_statements(desk: &mut Desk, alice: &mut Device) {
    let mut gap = alice.clone();
    gap.deposit_open(1);
    gap.deposit_open(2);
    let mut order = gap.status_open();
    let mut chain = order.chain.into_vec();
    chain.remove(0);
    order.chain = chain.try_into().unwrap();
    desk.refuse("/v1/statuses", encode(&order), "chain-gap")
        .await;
    let mut ahead = alice.clone();
    ahead.withdraw(1);
    let second = ahead.withdraw(1).to_wire();
    desk.refuse("/v1/withdrawals", second, "counter-gap").await;
    let mut bob = desk.world.device("Bob with a TA", 0).await;
    let pair = alice.pay(&bob.request(30));
    bob.collect(&pair);
    let order = encode(&bob.status_open());
    desk.refuse("/v1/statuses", order, "report-first").await;
    let never_sent = encode(&alice.status_open());
    desk.world.sync(alice).await;
    desk.refuse("/v1/statuses", never_sent, "superseded").await;
    let mut ended = desk.world.device("Ended", 0).await;
    desk.world.retire(&ended.retire()).await.unwrap();
    let mut order = ended.status_open();
    order.chain = List::empty();
    desk.refuse("/v1/statuses", encode(&order), "ta-ended")
        .await;
}

/// What convicts or is suspended: the money stays where it was.
async fn refuse_liars(desk: &mut Desk, alice: &Device) {
    let mut liar = desk.world.device("Liar", 500).await;
    desk.world.load(&mut liar, 200).await;
    let order = encode(&liar.status_open_with_balance(201));
    desk.refuse("/v1/statuses", order.clone(), "books-differ")
        .await;
    desk.refuse("/v1/statuses", order, "suspended").await;
    let mut clone = desk.world.device("Clone", 500).await;
    let mut rolled_back = clone.clone();
    desk.world.load(&mut clone, 200).await;
    let order = encode(&rolled_back.deposit_open(100));
    desk.refuse("/v1/deposits", order, "evidence").await;
    let mut honest = alice.clone();
    suspend(&desk.world, alice).await;
    let order = encode(&honest.status_open());
    desk.refuse("/v1/statuses", order, "suspended").await;
}

/// What people of the provider cannot have.
async fn refuse_people(desk: &mut Desk, alice: &Device) {
    let credit = |amount: &str, reference: &str| {
        Some(json!({"client": "Alice", "amount": amount, "reference": reference}))
    };
    let credits = "/v1/admin/credits";
    desk.refuse_admin(Method::POST, credits, credit("1,5", "r"), "value")
        .await;
    let used = format!("{}-1000", alice.client_key());
    desk.refuse_admin(
        Method::POST,
        credits,
        credit("1.00", &used),
        "reference-used",
    )
    .await;
    let mut ended = desk.world.device("Ended too", 0).await;
    desk.world.retire(&ended.retire()).await.unwrap();
    let suspend = format!("/v1/admin/tas/{}/suspend", ended.ta_key());
    let why = Some(json!({"reason": "too late"}));
    desk.refuse_admin(Method::POST, &suspend, why, "standing")
        .await;
    let nobody = "/v1/admin/accounts/Nobody";
    desk.refuse_admin(Method::GET, nobody, None, "client-unknown")
        .await;
    let refused = ask_admin(&desk.world, Method::GET, nobody, None, "wrong").await;
    desk.look_at(&refused, "unauthorized");
}

#[tokio::test]
async fn every_refusal_has_a_code_a_sentence_and_what_to_do_and_changes_nothing() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    let mut desk = Desk {
        world,
        seen: BTreeSet::new(),
    };

    refuse_noise(&mut desk, &alice).await;
    refuse_strangers(&mut desk, &alice).await;
    refuse_statements(&mut desk, &mut alice).await;
    refuse_people(&mut desk, &alice).await;
    refuse_liars(&mut desk, &alice).await;

    let mut seen = desk.seen;
    seen.extend(ELSEWHERE.map(str::to_owned));
    assert_eq!(seen, every_code());
    desk.world.check().await;
}

#[tokio::test]
async fn a_name_of_two_clients_is_ambiguous_and_moves_nothing() {
    let world = World::new().await;
    world.client("Alice").await;
    world.client("Alicia").await;
    world.sql("UPDATE clients SET name = 'Alice'").await;
    let mut desk = Desk {
        world,
        seen: BTreeSet::new(),
    };
    let credit = Some(json!({"client": "Alice", "amount": "1.00", "reference": "r"}));

    desk.refuse_admin(
        Method::POST,
        "/v1/admin/credits",
        credit,
        "client-ambiguous",
    )
    .await;
    assert_eq!(desk.world.ledger().await.issued, 0);
}

#[tokio::test]
async fn whoever_is_slow_is_told_so_and_whoever_is_too_many_at_once() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    let pair = alice.pay(&shop.client_request(100));
    let claim = encode(&batch(&[pair]));
    let mut slow = Vec::new();
    for _ in 0..=REQUESTS_PER_HOST_MAX {
        slow.push(world.connect_from_elsewhere().await);
    }
    for connection in &mut slow {
        send_slowly(connection, "/v1/clients", 1000).await;
    }

    // The one that is too many is told so first, and the others when they fell behind.
    let answers = slow.iter_mut().map(|connection| Box::pin(told(connection)));
    let (busy, _, others) = futures::future::select_all(answers).await;
    let (late, _, _) = futures::future::select_all(others).await;
    // Not because the whole request took too long, which would be as true at last.
    assert!(late.contains("the body arrived too slowly"), "{late}");
    for (answer, code) in [(busy, "busy"), (late, "timeout")] {
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("retry-after: "), "{answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
    }

    assert_eq!(world.check().await.online, 500);
    assert_eq!(world.send("/v1/claims", claim).await, Some(200));
}

/// Reads an answer until its JSON ends.
async fn told(connection: &mut SlowConnection) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !bytes.ends_with(b"}") {
            let mut part = [0; 1024];
            let count = connection.read(&mut part).await.unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&bytes));
            bytes.extend_from_slice(&part[..count]);
        }
    };
    timeout(10 * BODY_GRACE, read).await.unwrap();

    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn forged_messages_in_a_tas_name_do_not_keep_it_waiting() {
    let world = World::with_rate(20).await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    let mut forged = alice.clone().status_open();
    let body = forged.status.body().clone();
    forged.status = Signed::sign(body, &SecretKey::from_seed(&[3; 32]));
    let forged = encode(&forged);
    for _ in 0..60 {
        let refused = world
            .post("/v1/statuses", forged.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.code, "signature");
    }

    world.sync(&mut alice).await;
    assert_eq!(world.check().await.shadow, 500);
}

#[tokio::test]
async fn a_backup_that_a_missing_tool_prevents_is_refused_and_leaves_no_file() {
    if ENGINE == Engine::Sqlite {
        return; // a file is copied without a tool
    }
    let world = World::new().await;
    let address = Layout::new(world.data.path()).store_address().unwrap();
    let StoreAddress::Postgres(options) = address else {
        panic!("books in PostgreSQL");
    };
    let name = options.get_database().unwrap().to_owned();
    let mut beside = PgConnection::connect_with(&options.clone().database("postgres"))
        .await
        .unwrap();
    let allow =
        |what: &str| AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {what}"));
    sqlx::query(allow("false"))
        .execute(&mut beside)
        .await
        .unwrap();

    let backups = "/v1/admin/backups";
    let refused = ask_admin(&world, Method::POST, backups, None, &token(&world)).await;

    assert_eq!((refused.status, refused.code.as_str()), (409, "tool"));
    assert!(refused.hint.contains("tool"), "{}", refused.hint);
    let left = std::fs::read_dir(world.data.path().join("backups")).unwrap();
    assert_eq!(left.count(), 0);
    sqlx::query(allow("true"))
        .execute(&mut beside)
        .await
        .unwrap();
    let url = format!("https://{}{backups}", world.server.admin_addr());
    let again = world.http.post(url).bearer_auth(token(&world));
    assert_eq!(again.send().await.unwrap().status(), 201);
}
