//! RegisterClient and RegisterTa.

use ops_proto::certificate::{Kind, verify_chain};
use ops_proto::message::CertificateChain;
use ops_proto::{Digest, SecretKey};

use super::keys::register_as_ta;
use super::world::{Device, World, decode, device, now};

#[tokio::test]
async fn the_same_key_again_is_given_the_same_certificate_bytes() {
    let world = World::new().await;
    let mut alice = Device::new("Alice");
    let first = alice.register_client(&world).await.unwrap();
    let ta_first = alice.register_ta(&world).await.unwrap();
    alice.name = "Alicia".to_owned();

    assert_eq!(alice.register_client(&world).await.unwrap(), first);
    assert_eq!(alice.register_ta(&world).await.unwrap(), ta_first);
    let world = world.restart().await;
    assert_eq!(alice.register_client(&world).await.unwrap(), first);
    assert_eq!(alice.register_ta(&world).await.unwrap(), ta_first);
}

#[tokio::test]
async fn certificates_reach_the_root_and_say_what_was_registered() {
    let world = World::new().await;
    let mut alice = Device::new("Alice");
    let client: CertificateChain = decode(&alice.register_client(&world).await.unwrap());
    let ta: CertificateChain = decode(&alice.register_ta(&world).await.unwrap());
    let root = std::fs::read_to_string(world.data.path().join("root.pub")).unwrap();
    let root: blepay_server::provider::HexKey = root.trim().parse().unwrap();

    for (chain, kind, key) in [
        (client, Kind::Client, alice.client_key()),
        (ta, Kind::Ta, alice.ta_key()),
    ] {
        verify_chain(&root.0, &chain.provider, &chain.leaf, now()).unwrap();
        assert_eq!(chain.provider, world.provider);
        assert_eq!(chain.leaf.body().kind(), kind);
        assert_eq!(chain.leaf.body().subject, key);
        assert_eq!(chain.leaf.body().name.as_str(), "Alice");
    }
}

#[tokio::test]
async fn a_stored_challenge_is_single_use_and_for_one_key() {
    let world = World::new().await;
    let alice = Device::new("Alice");
    let mallory = Device::new("Mallory");
    let challenge = world.challenge(alice.client_key()).await;

    let other = mallory.sign_register_client(challenge);
    assert_eq!(
        world.post("/v1/clients", other).await.unwrap_err().code,
        "challenge"
    );
    let body = alice.sign_register_client(challenge);
    assert!(world.post("/v1/clients", body.clone()).await.is_ok());
    let again = world.post("/v1/clients", body).await.unwrap_err();
    assert_eq!((again.status, again.code.as_str()), (409, "challenge"));
    let unknown = alice.sign_register_client([9; 32]);
    assert_eq!(
        world.post("/v1/clients", unknown).await.unwrap_err().code,
        "challenge"
    );
}

#[tokio::test]
async fn a_key_is_never_registered_as_another_kind() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 0).await;
    let bob = world.client("Bob").await;

    // Alice's TA as a TA of Bob's, and Bob's own key as his TA.
    let mut bobs = bob.with_ta_of(&alice);
    assert_eq!(
        bobs.register_ta(&world).await.unwrap_err().code,
        "key-taken"
    );
    let own_key = register_as_ta(&world, &bob, bob.client_key()).await;
    assert_eq!(own_key.as_deref(), Some("key-taken"));

    assert!(world.view(&bob).await.tas.is_empty());
    assert!(alice.register_ta(&world).await.is_ok());
}

#[tokio::test]
async fn a_second_live_ta_is_refused() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    let mut second = alice.with_ta_of(&Device::new("another"));

    let refused = second.register_ta(&world).await.unwrap_err();

    assert_eq!((refused.status, refused.code.as_str()), (409, "ta-bound"));
    assert_eq!(world.view(&alice).await.tas.len(), 1);
}

#[tokio::test]
async fn a_ta_is_certified_only_for_a_client_with_a_quote_that_fits() {
    let world = World::new().await;
    let mut stranger = Device::new("Stranger");
    assert_eq!(
        stranger.register_ta(&world).await.unwrap_err().code,
        "client-unknown"
    );

    let mut alice = world.client("Alice").await;
    let bob = world.client("Bob").await;
    let challenge = world.challenge(alice.client_key()).await;
    let good = alice.quote(challenge);
    let quotes = [
        ops_proto::attestation::Quote {
            measurement: Digest::ZERO,
            ..good.clone()
        },
        ops_proto::attestation::Quote {
            client: bob.client_key(),
            ..good.clone()
        },
        ops_proto::attestation::Quote {
            ta: bob.ta_key(),
            ..good.clone()
        },
    ];
    for quote in quotes {
        let body = alice.sign_register_ta(quote, &device::oem_root());
        let refused = world.post("/v1/tas", body).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (403, "quote"));
    }
    let forged = alice.sign_register_ta(good, &SecretKey::from_seed(&[3; 32]));
    assert_eq!(
        world.post("/v1/tas", forged).await.unwrap_err().code,
        "quote"
    );
    assert!(world.view(&alice).await.tas.is_empty());
    assert!(alice.register_ta(&world).await.is_ok());
}

#[tokio::test]
async fn a_weak_key_gets_no_certificate() {
    let world = World::new().await;
    let mut identity = vec![0; 32];
    identity[0] = 1;

    for key in [identity, vec![0xff; 32]] {
        let refused = world.post("/v1/challenge", key).await.unwrap_err();
        assert_eq!(
            (refused.status, refused.code.as_str()),
            (400, "key-refused")
        );
    }
}

#[tokio::test]
async fn challenges_that_others_ask_for_do_not_push_out_the_owners() {
    let world = World::new().await;
    let alice = Device::new("Alice");
    let challenge = world.challenge(alice.client_key()).await;
    for _ in 0..50 {
        world.challenge(alice.client_key()).await;
    }

    let body = alice.sign_register_client(challenge);
    assert!(world.post("/v1/clients", body).await.is_ok());
}

#[tokio::test]
async fn a_name_is_one_clients() {
    let world = World::new().await;
    let ferry = world.client("Ferry line").await;
    let names = [
        "Ferry line",
        "FERRY LINE",
        "Ferry  line",
        "\u{ff26}erry line",
    ];
    for (i, name) in names.into_iter().enumerate() {
        let mut thief = Device::new(&format!("The thief of {name}"));
        name.clone_into(&mut thief.name);
        let refused = thief.register_client(&world).await.unwrap_err();
        assert_eq!(
            (refused.status, refused.code.as_str()),
            (409, "name-taken"),
            "{name}"
        );
        // The key is not burnt: it may come with another name.
        thief.name = format!("Ferry line {i}");
        assert!(thief.register_client(&world).await.is_ok());
    }

    let mut again = ferry.clone();
    assert!(again.register_client(&world).await.is_ok());
}
