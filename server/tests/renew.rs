//! Renew: a certificate is followed by the next one, and the same request again by the same bytes.

use ops_proto::certificate::{Role, verify_chain};

use super::withdraw::suspend;
use super::world::{Device, World, now};

#[tokio::test]
async fn a_renewed_certificate_has_the_next_number_and_the_same_request_the_same_bytes() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    for key in [alice.client(), alice.ta()] {
        let challenge = world.challenge(key.public_key()).await;
        let body = Device::sign_renew(&key, 1, challenge);

        let first = world.post("/v1/renewals", body.clone()).await.unwrap();
        let again = world.post("/v1/renewals", body).await.unwrap();
        let fresh = world.renew(&key, 1).await.unwrap();

        assert_eq!(first, again);
        let chain: ops_proto::message::CertificateChain = super::world::decode(&first);
        assert_eq!(fresh, chain);
        assert_eq!(chain.leaf.body().number, 2);
        assert_eq!(chain.leaf.body().subject, key.public_key());
        assert_eq!(chain.leaf.body().name.as_str(), "Alice");
        let root = world.root();
        verify_chain(&root, &chain.provider, &chain.leaf, now()).unwrap();
        let third = world.renew(&key, 2).await.unwrap();
        assert_eq!(third.leaf.body().number, 3);
        assert_eq!(world.renew(&key, 1).await.unwrap(), chain);
    }
}

#[tokio::test]
async fn a_renewed_ta_certificate_carries_the_limits_of_now_and_goes_on_paying() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    let config = world.data.path().join("server.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("payment_max = 50000", "payment_max = 60000"),
    )
    .unwrap();
    let world = world.restart().await;
    world.load(&mut alice, 500).await;
    let early = alice.pay(&shop.client_request(100));

    let chain = world.renew(&alice.ta(), 1).await.unwrap();

    let Role::Ta { limits } = chain.leaf.body().role else {
        panic!("a TA's certificate");
    };
    assert_eq!(limits.payment_max.minor_units(), 60_000);
    alice.ta_certificate = Some(chain.leaf);
    let late = alice.pay(&shop.client_request(200));
    world.claim(&late).await;
    world.claim(&early).await;
    world.sync(&mut alice).await;
    assert_eq!(world.online(&shop).await, 300);
    assert_eq!(world.check().await.shadow, 200);
}

#[tokio::test]
async fn nobody_renews_who_is_unknown_suspended_or_dead() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    let bob = world.device("Bob", 0).await;
    let stranger = Device::new("Stranger");
    let unknown = world.renew(&stranger.ta(), 1).await.unwrap_err();
    assert_eq!(
        (unknown.status, unknown.code.as_str()),
        (404, "subject-unknown")
    );

    suspend(&world, &alice).await;
    let suspended = world.renew(&alice.ta(), 1).await.unwrap_err();
    assert_eq!(
        (suspended.status, suspended.code.as_str()),
        (409, "suspended")
    );

    world.report_death(&bob, bob.ta_key()).await.unwrap();
    let dead = world.renew(&bob.ta(), 1).await.unwrap_err();
    assert_eq!((dead.status, dead.code.as_str()), (409, "ta-ended"));
    assert!(world.renew(&bob.client(), 1).await.is_ok());
}

#[tokio::test]
async fn a_renewal_needs_a_challenge_the_subjects_key_and_the_number_that_is_held() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    let body = Device::sign_renew(&alice.ta(), 1, [7; 32]);
    let refused = world.post("/v1/renewals", body).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (409, "challenge"));

    let ahead = world.renew(&alice.ta(), 5).await.unwrap_err();
    assert_eq!(
        (ahead.status, ahead.code.as_str()),
        (409, "certificate-number")
    );

    let challenge = world.challenge(alice.ta_key()).await;
    let mut body = Device::sign_renew(&alice.ta(), 1, challenge);
    *body.last_mut().unwrap() ^= 1;
    let forged = world.post("/v1/renewals", body).await.unwrap_err();
    assert_eq!((forged.status, forged.code.as_str()), (403, "signature"));
    assert_eq!(
        world
            .renew(&alice.ta(), 1)
            .await
            .unwrap()
            .leaf
            .body()
            .number,
        2
    );
}
