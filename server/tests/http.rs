//! The admin API and the bounds of both listeners.

use std::time::Instant;

use blepay_server::limits::ADMIN_WRONG_TOKENS_PER_SECOND;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::realm::eventually;
use super::world::{Device, World};

/// Asks the admin listener with the right token.
async fn ask(world: &World, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let token = std::fs::read_to_string(world.data.path().join("admin-token")).unwrap();
    let mut request = world
        .http
        .request(method, url(world, path))
        .bearer_auth(token.trim());
    if let Some(body) = body {
        request = request.json(&body);
    }

    answer(request.send().await.unwrap()).await
}

async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();

    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::String(text)),
    )
}

async fn get(world: &World, path: &str) -> (u16, Value) {
    ask(world, Method::GET, path, None).await
}

async fn post(world: &World, path: &str, body: Value) -> (u16, Value) {
    ask(world, Method::POST, path, Some(body)).await
}

fn url(world: &World, path: &str) -> String {
    format!("https://{}{path}", world.server.admin_addr())
}

fn credit(client: &str, amount: &str, reference: &str) -> Value {
    json!({"client": client, "amount": amount, "reference": reference})
}

#[tokio::test]
async fn nobody_without_the_token_is_answered_and_everybody_may_see_that_the_server_lives() {
    let world = World::new().await;
    for path in ["/v1/admin/ledger", "/v1/admin/accounts", "/metrics"] {
        for token in [None, Some(""), Some("wrong"), Some("0000")] {
            let mut request = world.http.get(url(&world, path));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            let challenge = response.headers().get("www-authenticate").cloned();
            let (status, body) = answer(response).await;
            if status == 429 {
                continue;
            }
            assert_eq!((status, &body["code"]), (401, &json!("unauthorized")));
            assert!(body["hint"].as_str().unwrap().contains("admin-token"));
            assert_eq!(challenge.unwrap(), "Bearer");
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        let response = world.http.get(url(&world, path)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(
        get(&world, "/v1/admin/nothing").await.1["code"],
        "not-found"
    );
    let (status, body) = ask(&world, Method::DELETE, "/v1/admin/ledger", None).await;
    assert_eq!((status, &body["code"]), (405, &json!("method")));
}

#[tokio::test]
async fn guessing_the_token_is_slowed_down_and_who_has_it_is_not() {
    let world = World::new().await;
    let begun = Instant::now();
    let mut guesses = 0;
    for _ in 0..60 {
        let request = world.http.get(url(&world, "/metrics")).bearer_auth("guess");
        let response = request.send().await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert!(response.headers().contains_key("retry-after"));
        } else {
            guesses += 1;
        }
    }

    // Four seconds' worth at once, and then what each second allows.
    let seconds = begun.elapsed().as_secs() + 1;
    let allowed = u64::from(ADMIN_WRONG_TOKENS_PER_SECOND) * (4 + seconds);
    assert!(guesses <= allowed, "{guesses} in {seconds} s");
    assert_eq!(get(&world, "/v1/admin/ledger").await.0, 200);
}

#[tokio::test]
async fn a_credit_by_the_api_is_made_once_for_its_reference() {
    let world = World::new().await;
    let alice = world.client("Alice").await;

    let first = post(
        &world,
        "/v1/admin/credits",
        credit("Alice", "5.00", "inv-1"),
    )
    .await;
    let again = post(
        &world,
        "/v1/admin/credits",
        credit("Alice", "5.00", "inv-1"),
    )
    .await;
    let other = post(
        &world,
        "/v1/admin/credits",
        credit("Alice", "5.01", "inv-1"),
    )
    .await;

    assert_eq!((first.0, &first.1["repeated"]), (200, &json!(false)));
    assert_eq!((again.0, &again.1["repeated"]), (200, &json!(true)));
    assert_eq!((other.0, &other.1["code"]), (409, &json!("reference-used")));
    assert_eq!(world.online(&alice).await, 500);
    assert_eq!(world.check().await.issued, 500);
}

#[tokio::test]
async fn what_is_refused_says_why_and_changes_nothing() {
    let world = World::new().await;
    world.client("Alice").await;
    let amounts = [
        "-1",
        "0",
        "0.00",
        "1.005",
        "1e3",
        "1,50",
        "",
        " 1",
        "NaN",
        "+1",
        "00.10",
        "1.",
        ".5",
        "99999999999999999999",
        "10000000000000.01",
        "١",
    ];
    for amount in amounts {
        let (status, body) = post(&world, "/v1/admin/credits", credit("Alice", amount, "r")).await;
        assert_eq!(
            (status, &body["code"]),
            (422, &json!("value")),
            "{amount:?}"
        );
        assert!(!body["hint"].as_str().unwrap().is_empty());
    }
    let long = "x".repeat(129);
    for reference in ["", "  ", "a\u{0}b", "a\nb", &long] {
        let (status, _) = post(
            &world,
            "/v1/admin/credits",
            credit("Alice", "1.00", reference),
        )
        .await;
        assert_eq!(status, 422, "{reference:?}");
    }
    let malformed = [
        json!({"client": "Alice", "amount": 1, "reference": "r"}),
        json!({"client": "Alice", "amount": "1.00"}),
        json!({"client": "Alice", "amount": "1.00", "reference": "r", "refrence": "s"}),
        json!(["Alice", "1.00", "r", "s"]),
        json!(null),
    ];
    for body in malformed {
        let (status, answer) = post(&world, "/v1/admin/credits", body).await;
        assert_eq!((status, &answer["code"]), (400, &json!("malformed")));
    }
    for client in ["Bob", "", "a\u{0}b"] {
        let (status, body) = post(&world, "/v1/admin/credits", credit(client, "1.00", "r")).await;
        assert_eq!((status, &body["code"]), (404, &json!("client-unknown")));
    }
    for path in ["/v1/admin/accounts?limt=1", "/v1/admin/accounts?limit=-1"] {
        assert_eq!(get(&world, path).await.0, 400, "{path}");
    }
    for path in ["/v1/admin/accounts?limit=0", "/v1/admin/accounts?after=zz"] {
        assert_eq!(get(&world, path).await.0, 422, "{path}");
    }
    let ledger = world.check().await;
    assert_eq!((ledger.issued, ledger.online), (0, 0));
}

#[tokio::test]
async fn accounts_come_in_pages_that_together_are_all() {
    let world = World::new().await;
    for name in ["Alice", "Bob", "Carol"] {
        world.device(name, 100).await;
    }

    let mut names = Vec::new();
    let mut path = "/v1/admin/accounts?limit=2".to_owned();
    let mut pages = 0;
    loop {
        let (status, page) = get(&world, &path).await;
        assert_eq!(status, 200);
        pages += 1;
        for account in page["accounts"].as_array().unwrap() {
            assert_eq!(account["online"], 100);
            assert_eq!(account["tas"][0]["standing"], "live");
            names.push(account["name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/admin/accounts?limit=2&after={next}");
    }

    names.sort();
    assert_eq!(names, ["Alice", "Bob", "Carol"]);
    assert_eq!(pages, 2);
    let (_, one) = get(&world, "/v1/admin/accounts/Bob").await;
    assert_eq!(one["name"], "Bob");
    assert_eq!(get(&world, "/v1/admin/accounts/Dora").await.0, 404);
}

#[tokio::test]
async fn a_suspended_ta_gets_nothing_until_it_may_live_again_and_a_revoked_one_never() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let path = |what: &str, alice: &Device| format!("/v1/admin/tas/{}/{what}", alice.ta_key());
    let why = json!({"reason": "reported stolen"});

    let (status, view) = post(&world, &path("suspend", &alice), why.clone()).await;
    assert_eq!((status, &view["standing"]), (200, &json!("suspended")));
    assert_eq!(view["findings"], json!(["reported stolen"]));
    let order = alice.deposit_open(100);
    let refused = world.deposit(&order).await;
    assert!(refused.is_err() || world.online(&alice).await == 1_000);
    let (_, again) = post(&world, &path("suspend", &alice), why.clone()).await;
    assert_eq!(again["findings"], json!(["reported stolen"]));
    let (_, findings) = get(&world, "/v1/admin/evidence").await;
    assert_eq!(
        findings["findings"][0]["ta"],
        json!(alice.ta_key().to_string())
    );

    let (_, view) = post(&world, &path("unsuspend", &alice), why.clone()).await;
    assert_eq!(view["standing"], "live");
    let (_, view) = post(&world, &path("revoke", &alice), why.clone()).await;
    assert_eq!(view["standing"], "suspended");
    let (status, body) = post(&world, &path("unsuspend", &alice), why.clone()).await;
    assert_eq!((status, &body["code"]), (409, &json!("standing")));
    let nobody = format!("/v1/admin/tas/{}/suspend", "00".repeat(32));
    assert_eq!(post(&world, &nobody, why).await.0, 404);
    world.check().await;
}

#[tokio::test]
async fn an_audit_runs_in_the_background_and_says_that_the_books_balance() {
    let world = World::new().await;
    world.device("Alice", 500).await;
    assert_eq!(get(&world, "/v1/admin/audits/newest").await.0, 404);

    let (status, _) = ask(&world, Method::POST, "/v1/admin/audits", None).await;
    assert_eq!(status, 202);
    let mut view = Value::Null;
    eventually("audited", async || {
        view = get(&world, "/v1/admin/audits/newest").await.1;

        view["state"] != "running"
    })
    .await;

    assert_eq!(view["state"], "balanced");
    assert!(view["replayed"]["entries"].as_u64().unwrap() > 0);
    let (_, health) = get(&world, "/v1/admin/health").await;
    assert_eq!(
        (&health["ready"], &health["balanced"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(get(&world, "/v1/admin/positions").await.1, json!([]));
}

#[tokio::test]
async fn metrics_count_by_route_and_never_by_what_a_peer_made_up() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 1_000).await;
    let pair = alice.pay(&shop.client_request(10));
    world.claim(&pair).await;
    world.get("/v1/made-up-by-a-peer").await;

    let (status, Value::String(text)) = get(&world, "/metrics").await else {
        panic!("metrics are text")
    };

    assert_eq!(status, 200);
    for name in [
        "blepay_requests_total{path=\"/v1/claims\",status=\"200\"}",
        "blepay_requests_total{path=\"other\",status=\"404\"}",
        "blepay_group_messages_bucket",
        "blepay_commit_seconds_sum",
        "blepay_verify_seconds_count",
        "blepay_queue_messages",
        "blepay_pairs_total",
    ] {
        assert!(text.contains(name), "{name} is missing in {text}");
    }
    assert!(!text.contains("made-up"));
    assert!(!text.contains(&alice.ta_key().to_string()));
}

#[tokio::test]
async fn one_key_is_told_to_wait_while_others_from_the_same_address_are_served() {
    // Slow as the machine may be, it sends more than the two in a second that a key may sign.
    let world = World::with_rate(8).await;
    let alice = world.device("Alice", 0).await;
    let mut refused = None;
    for _ in 0..80 {
        // Signed again and again over a challenge that is used up: the signature counts.
        let body = alice.sign_register_client([7; 32]);
        if let Err(error) = world.post("/v1/clients", body).await
            && error.code == "too-many"
        {
            refused = Some(error);
            break;
        }
    }

    let refused = refused.expect("the key is told to wait");
    assert_eq!(refused.status, 429);
    assert!(refused.message.contains("key"), "{}", refused.message);
    let mut bob = Device::new("Bob");
    assert!(bob.register_client(&world).await.is_ok());
}

#[tokio::test]
async fn a_signed_message_is_good_for_one_path_and_once() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 500).await;
    let bob = Device::new("Bob");
    let register = bob.sign_register_client(world.challenge(bob.client_key()).await);
    let query = alice.sign_query(world.challenge(alice.client_key()).await);
    let deposit = ops_proto::signed::encode(&alice.deposit_open(100));
    let api: Value = world.get("/openapi.json").await.json().await.unwrap();
    let messages = [
        ("/v1/clients", register, Some("challenge")),
        ("/v1/account", query, Some("challenge")),
        // The same deposit again is answered with the same bytes, and moves nothing.
        ("/v1/deposits", deposit, None),
    ];

    for (path, body, refused_again) in messages {
        for (other, methods) in api["paths"].as_object().unwrap() {
            if other != path && methods.get("post").is_some() {
                let answer = world.post(other, body.clone()).await;
                assert!(answer.is_err(), "{other} took a message for {path}");
            }
        }
        let first = world.post(path, body.clone()).await.unwrap();
        let again = world.post(path, body).await;
        match (again, refused_again) {
            (Err(refused), Some(code)) => assert_eq!(refused.code, code),
            (Ok(again), None) => assert_eq!(again, first),
            (again, _) => panic!("{path} again: {again:?}"),
        }
    }
    assert_eq!(world.online(&alice).await, 400);
    world.check().await;
}
