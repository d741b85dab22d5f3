//! Forged, truncated and oversized bodies: an answer that says what to do, and nothing changed.

use blepay_server::limits::{
    BATCH_SIZE_MAX, LARGE_BODIES_KIB_PER_HOST_MAX, REQUEST_TIMEOUT, REQUESTS_PER_HOST_MAX,
};
use ops_proto::signed::encode;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::world::{Device, World, batch, device, send_slowly};

const PATHS: [&str; 8] = [
    "/v1/challenge",
    "/v1/clients",
    "/v1/tas",
    "/v1/deposits",
    "/v1/claims",
    "/v1/reports",
    "/v1/statuses",
    "/v1/account",
];

/// One good body for each path, and a server on which nothing of it was booked yet.
async fn bodies(world: &World) -> (Device, Vec<(&'static str, Vec<u8>)>) {
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    let newcomer = Device::new("Newcomer");
    let challenge = world.challenge(newcomer.client_key()).await;
    let client = newcomer.sign_register_client(challenge);
    let mut owner = world.client("Owner").await;
    owner.ta_certificate = None;
    let challenge = world.challenge(owner.client_key()).await;
    let ta = owner.sign_register_ta(owner.quote(challenge), &device::oem_root());
    let pair = alice.pay(&shop.client_request(100));
    let deposit = encode(&alice.deposit_open(200));
    let status = encode(&alice.clone().status_open());
    let claim = encode(&batch(std::slice::from_ref(&pair)));

    (
        alice,
        vec![
            ("/v1/clients", client),
            ("/v1/tas", ta),
            ("/v1/deposits", deposit),
            ("/v1/claims", claim.clone()),
            ("/v1/reports", claim),
            ("/v1/statuses", status),
        ],
    )
}

#[tokio::test]
async fn truncated_and_flipped_bodies_are_refused_by_name_and_change_nothing() {
    let world = World::new().await;
    let (_, bodies) = bodies(&world).await;
    let before = world.check().await;
    for (path, body) in &bodies {
        for length in (0..body.len()).step_by(7) {
            let refused = world.post(path, body[..length].to_vec()).await.unwrap_err();
            assert_eq!(
                (refused.status, refused.code.as_str()),
                (400, "malformed"),
                "{path} {length}"
            );
            assert!(!refused.message.is_empty() && !refused.hint.is_empty());
        }
        for at in (0..body.len()).step_by(11) {
            let mut flipped = body.clone();
            flipped[at] ^= 0x10;
            // A batch answers each item; everything else is refused as a whole.
            match world.post(path, flipped).await {
                Ok(_) => assert!(
                    path.ends_with("claims") || path.ends_with("reports"),
                    "{path} {at}"
                ),
                Err(refused) => assert!((400..500).contains(&refused.status), "{path} {refused:?}"),
            }
        }
    }

    let after = world.check().await;
    assert_eq!(format!("{before:?}"), format!("{after:?}"));
    for (path, body) in bodies {
        assert!(world.post(path, body).await.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn oversized_bodies_are_refused_by_name() {
    let world = World::new().await;
    for path in PATHS {
        let size = match path {
            "/v1/claims" | "/v1/reports" => 1_100_000,
            "/v1/statuses" => 9_000_000,
            _ => 4_097,
        };
        let refused = world.post(path, vec![0; size]).await.unwrap_err();
        assert_eq!(
            (refused.status, refused.code.as_str()),
            (413, "body-too-large"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn noise_is_refused_on_every_path_and_the_server_goes_on() {
    let world = World::new().await;
    for path in PATHS {
        for length in [0, 1, 31, 33, 64, 100, 1000] {
            let mut noise = vec![0; length];
            getrandom::fill(&mut noise).unwrap();
            let refused = world.post(path, noise).await.unwrap_err();
            assert_eq!(refused.status, 400, "{path} {length}");
        }
    }

    assert_eq!(world.get("/healthz").await.status(), 200);
    assert_eq!(world.get("/readyz").await.status(), 200);
    assert_eq!(world.get("/v1/claims").await.status(), 405);
    assert_eq!(world.get("/v1/elsewhere").await.status(), 404);
}

#[tokio::test]
async fn requests_under_way_end_before_the_server_stops() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 10_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 10_000).await;
    let pairs: Vec<_> = (0..200)
        .map(|_| alice.pay(&shop.client_request(10)))
        .collect();
    let posts: Vec<_> = pairs[20..]
        .chunks(20)
        .map(|pairs| world.send("/v1/claims", encode(&batch(pairs))))
        .collect();
    // One of them waits for the rest of its body, which the server has asked for.
    let body = encode(&batch(&pairs[..20]));
    let mut under_way = BufReader::new(world.connect_from_elsewhere().await);
    let head = format!(
        "POST /v1/claims HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    under_way.write_all(head.as_bytes()).await.unwrap();
    under_way.flush().await.unwrap();
    assert_eq!(line(&mut under_way).await, "HTTP/1.1 100 Continue");
    assert_eq!(line(&mut under_way).await, "");
    let World {
        data,
        server,
        _machine,
        ..
    } = world;
    let rest = async {
        under_way.write_all(&body).await.unwrap();
        under_way.flush().await.unwrap();
        line(&mut under_way).await
    };
    // The stop is the first to begin.
    let ((), rest, answers) =
        futures::join!(server.shutdown(), rest, futures::future::join_all(posts));

    assert_eq!(rest, "HTTP/1.1 200 OK");
    let answered = answers
        .iter()
        .filter(|answer| **answer == Some(200))
        .count();
    let world = World::start(data).await;
    let booked = world.online(&shop).await / 200;
    assert!(
        booked > u64::try_from(answered).unwrap(),
        "{answered} {booked}"
    );
    world.check().await;
}

#[tokio::test]
async fn an_address_that_floods_is_told_when_to_come_back() {
    // However slow the machine is, it sends more in a second.
    let world = World::with_rate(1).await;
    let posts = (0..60).map(|_| world.send("/v1/clients", Vec::new()));
    let answers = futures::future::join_all(posts).await;

    assert!(answers.contains(&Some(429)));
    assert!(answers.contains(&Some(400)));
    // As many again at once: the first ones may find room already.
    let gets = (0..60).map(|_| world.get("/v1/provider"));
    let answers = futures::future::join_all(gets).await;
    let refused: Vec<_> = answers.iter().filter(|got| got.status() == 429).collect();
    assert!(!refused.is_empty());
    for refused in refused {
        assert!(refused.headers().contains_key("retry-after"));
    }
    assert_eq!(world.get("/readyz").await.status(), 200);
}

#[tokio::test]
async fn slow_bodies_of_one_host_keep_nobody_else_waiting() {
    let world = World::new().await;
    // Connected beforehand: the first bodies are given no longer than it takes to send the last.
    let mut large = Vec::new();
    for _ in 0..LARGE_BODIES_KIB_PER_HOST_MAX * 1024 / BATCH_SIZE_MAX + 1 {
        large.push(world.connect_from_elsewhere().await);
    }
    let mut small = Vec::new();
    for _ in 0..REQUESTS_PER_HOST_MAX {
        small.push(world.connect_from_elsewhere().await);
    }
    for connection in &mut large {
        send_slowly(connection, "/v1/claims", BATCH_SIZE_MAX).await;
    }
    for connection in &mut small {
        send_slowly(connection, "/v1/clients", 1000).await;
    }
    let mut first = BufReader::new(&mut large[0]);
    let mut small: Vec<_> = small.into_iter().map(BufReader::new).collect();
    let answers = small
        .iter_mut()
        .map(|connection| Box::pin(line(connection)));
    // Before the first slow one is cut, those of that host that are too many are told so, and others are
    // served.
    let unhindered = async {
        let (answer, _, _) = futures::future::select_all(answers).await;
        assert_eq!(answer, "HTTP/1.1 503 Service Unavailable");
        assert_eq!(world.send("/v1/claims", vec![0; 5000]).await, Some(400));
        assert_eq!(world.send("/v1/clients", vec![0; 3]).await, Some(400));
        assert_eq!(world.get("/readyz").await.status(), 200);
    };
    let mut cut = Box::pin(line(&mut first));
    tokio::select! {
        biased;
        () = unhindered => {}
        line = &mut cut => panic!("cut before others were served: {line}"),
    }
    // And the first slow ones are cut for their slowness, not because a request may last no longer.
    let status = timeout(10 * REQUEST_TIMEOUT, &mut cut).await;
    drop(cut);
    assert_eq!(status.as_deref(), Ok("HTTP/1.1 503 Service Unavailable"));
    assert!(told(&mut first).await.contains("arrived too slowly"));
}

/// Reads on until the JSON of an answer.
async fn told(connection: &mut (impl AsyncBufRead + Unpin)) -> String {
    loop {
        let header = line(connection).await;
        if header.is_empty() {
            break;
        }
    }
    let mut json = Vec::new();
    let _length = connection.read_until(b'}', &mut json).await.unwrap();

    String::from_utf8(json).unwrap()
}

async fn line(connection: &mut (impl AsyncBufRead + Unpin)) -> String {
    let mut line = String::new();
    connection.read_line(&mut line).await.unwrap();

    line.trim_end().to_owned()
}
