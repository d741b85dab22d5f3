//! Keys, certificates and encodings: what is promised of them.

use blepay_server::admin::{Office, Standing};
use blepay_server::provider::ca::{Holder, Wanted};
use ops_proto::attestation::DeviceCertificate;
use ops_proto::certificate::Role;
use ops_proto::list::List;
use ops_proto::message::{
    DepositOutcome, DepositRefusal, ListVersion, ListsHeld, ListsQuery, RegisterClient, RegisterTa,
};
use ops_proto::signed::encode;
use ops_proto::{PublicKey, SecretKey, Signed, Time};

use super::realm::{Realm, install, secret};
use super::world::{Device, World, batch, device, now};

/// The identity, a point of small order, no point at all, and a good key with a torsion part beside it.
const BAD_KEYS: [[u8; 32]; 4] = [
    {
        let mut identity = [0; 32];
        identity[0] = 1;
        identity
    },
    [0; 32],
    [0xff; 32],
    [
        0x35, 0x9d, 0xbf, 0x60, 0x4a, 0x3b, 0x3b, 0xed, 0xc2, 0x0d, 0x54, 0x08, 0xb9, 0xd4, 0x77,
        0x0f, 0xbe, 0x52, 0xc9, 0x22, 0x97, 0x9b, 0x31, 0x78, 0xd0, 0x2a, 0xb8, 0xd4, 0x1c, 0x9c,
        0x3a, 0x4e,
    ],
];

/// Registers a key as a client; the code of the refusal, if it is refused.
async fn register_as_client(world: &World, key: &SecretKey, name: &str) -> Option<String> {
    let body = RegisterClient {
        client: key.public_key(),
        name: name.parse().unwrap(),
        challenge: world.challenge(key.public_key()).await,
    };
    let signed = Signed::sign(body, key).to_wire();

    world
        .post("/v1/clients", signed)
        .await
        .err()
        .map(|refused| refused.code)
}

/// Registers a key as a client's TA, with a quote that fits; the code of the refusal, if it is refused.
pub(super) async fn register_as_ta(
    world: &World,
    client: &Device,
    ta: PublicKey,
) -> Option<String> {
    let mut quote = client.quote(world.challenge(client.client_key()).await);
    quote.ta = ta;
    let order = client.sign_register_ta(quote, &device::oem_root());
    let mut body = Signed::<RegisterTa>::decode(&order).unwrap().body().clone();
    body.ta = ta;
    let signed = Signed::sign(body, &client.client()).to_wire();

    world
        .post("/v1/tas", signed)
        .await
        .err()
        .map(|refused| refused.code)
}

#[tokio::test]
async fn weak_keys_and_keys_with_a_torsion_part_get_no_certificate() {
    let world = World::new().await;
    let alice = world.client("Alice").await;
    for key in BAD_KEYS {
        let as_client = RegisterClient {
            client: PublicKey(key),
            name: "Weak".parse().unwrap(),
            challenge: [0; 32],
        };
        // Whoever signs it: no signature makes up for such a key.
        let signed = Signed::sign(as_client, &alice.client()).to_wire();
        let refused = world.post("/v1/clients", signed).await.unwrap_err();
        assert_eq!(
            (refused.status, refused.code.as_str()),
            (400, "key-refused")
        );
        let as_ta = register_as_ta(&world, &alice, PublicKey(key)).await;
        assert_eq!(as_ta.as_deref(), Some("key-refused"));
    }

    assert!(world.view(&alice).await.tas.is_empty());
    assert_eq!(register_as_ta(&world, &alice, alice.ta_key()).await, None);
}

#[tokio::test]
async fn a_key_of_a_ta_or_of_the_provider_is_never_a_clients() {
    let world = World::new().await;
    let alice = world.device("Alice", 0).await;
    let taken = Some("key-taken".to_owned());

    assert_eq!(
        register_as_client(&world, &alice.ta(), "Second").await,
        taken
    );
    for name in ["certify", "answer", "list"] {
        let key = secret(&world, name);
        assert_eq!(register_as_client(&world, &key, "Provider").await, taken);
        let bob = Device::new("Bob");
        if name == "certify" {
            register_as_client(&world, &bob.client(), "Bob").await;
            let as_ta = register_as_ta(&world, &bob, key.public_key()).await;
            assert_eq!(as_ta, taken);
        }
    }

    assert_eq!(world.view(&alice).await.tas.len(), 1);
}

#[tokio::test]
async fn a_key_is_never_bound_again_whatever_became_of_it() {
    let world = World::new().await;
    let bob = world.client("Bob").await;
    let taken = Some("key-taken".to_owned());
    for ends in ["retired", "dead"] {
        let mut alice = world.device(&format!("Alice, {ends}"), 1_000).await;
        world.load(&mut alice, 500).await;
        let certificate = alice.register_ta(&world).await.unwrap();
        if ends == "retired" {
            world.retire(&alice.retire()).await.unwrap();
        } else {
            world.report_death(&alice, alice.ta_key()).await.unwrap();
        }

        // Nobody else has it, and its owner is told what it was told before, and no more.
        assert_eq!(register_as_ta(&world, &bob, alice.ta_key()).await, taken);
        assert_eq!(register_as_client(&world, &alice.ta(), ends).await, taken);
        assert_eq!(alice.register_ta(&world).await.unwrap(), certificate);
        assert_eq!(world.view(&alice).await.tas[0].standing, ends);
        let answer = world.deposit(&alice.deposit_open(100)).await.unwrap();
        assert_eq!(
            answer.body().outcome,
            DepositOutcome::Refused(DepositRefusal::Suspended)
        );
    }
    world.check().await;
}

#[tokio::test]
async fn the_counters_of_a_new_ta_start_at_zero_whatever_the_last_one_of_its_owner_did() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    world.load(&mut alice, 500).await;
    world.load(&mut alice, 100).await;
    world.retire(&alice.retire()).await.unwrap();
    let mut next = alice.with_new_ta();
    next.register_ta(&world).await.unwrap();

    let order = next.deposit_open(300);
    assert_eq!(order.open.body().position.i, 1);
    let answer = world.deposit(&order).await.unwrap();

    assert_eq!(answer.body().outcome, DepositOutcome::Granted);
    next.deposit_close(&answer);
    world.sync(&mut next).await;
    assert_eq!(world.check().await.shadow, 300);
}

#[tokio::test]
async fn a_challenge_for_a_ta_is_its_clients_and_used_once() {
    let world = World::new().await;
    let alice = world.client("Alice").await;
    let bob = world.client("Bob").await;
    let order = |challenge| alice.sign_register_ta(alice.quote(challenge), &device::oem_root());
    let of_bob = world.challenge(bob.client_key()).await;
    let own = world.challenge(alice.client_key()).await;

    for challenge in [of_bob, [7; 32]] {
        let refused = world.post("/v1/tas", order(challenge)).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (409, "challenge"));
    }
    assert!(world.post("/v1/tas", order(own)).await.is_ok());
    let again = world.post("/v1/tas", order(own)).await.unwrap_err();
    assert_eq!(again.code, "challenge");
    assert_eq!(world.view(&alice).await.tas.len(), 1);
}

#[tokio::test]
async fn a_challenge_is_good_for_five_minutes() {
    let world = World::new().await;
    let alice = Device::new("Alice");
    let challenge = world.challenge(alice.client_key()).await;
    world
        .sql("UPDATE challenges SET expires_ms = expires_ms - 300000")
        .await;

    let late = alice.sign_register_client(challenge);
    let refused = world.post("/v1/clients", late).await.unwrap_err();
    assert_eq!(refused.code, "challenge");
    let fresh = world.challenge(alice.client_key()).await;
    let body = alice.sign_register_client(fresh);
    assert!(world.post("/v1/clients", body).await.is_ok());
}

#[tokio::test]
async fn a_registration_that_the_client_did_not_sign_is_refused() {
    let world = World::new().await;
    let alice = world.client("Alice").await;
    let stranger = SecretKey::from_seed(&[3; 32]);
    let newcomer = Device::new("Newcomer");
    let register = RegisterClient {
        client: newcomer.client_key(),
        name: "Newcomer".parse().unwrap(),
        challenge: world.challenge(newcomer.client_key()).await,
    };
    let challenge = world.challenge(alice.client_key()).await;
    let order = alice.sign_register_ta(alice.quote(challenge), &device::oem_root());
    let register_ta = Signed::<RegisterTa>::decode(&order).unwrap().body().clone();

    let client = Signed::sign(register, &stranger).to_wire();
    let refused = world.post("/v1/clients", client).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));
    let ta = Signed::sign(register_ta, &stranger).to_wire();
    let refused = world.post("/v1/tas", ta).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (403, "signature"));

    assert!(world.view(&alice).await.tas.is_empty());
    assert_eq!(world.check().await.issued, 0);
}

#[tokio::test]
async fn a_device_whose_own_certificate_has_ended_attests_no_ta() {
    let world = World::new().await;
    let alice = world.client("Alice").await;
    let yesterday = now().saturating_sub_ms(24 * 3600 * 1000);
    let valid = [
        (Time::from_ms(0), yesterday),
        (
            now().saturating_add_ms(3600 * 1000),
            Time::from_ms(u64::MAX),
        ),
    ];
    for (not_before, not_after) in valid {
        let challenge = world.challenge(alice.client_key()).await;
        let order = alice.sign_register_ta(alice.quote(challenge), &device::oem_root());
        let mut body = Signed::<RegisterTa>::decode(&order).unwrap().body().clone();
        let device = DeviceCertificate {
            not_before,
            not_after,
            ..body.device.body().clone()
        };
        body.device = Signed::sign(device, &device::oem_root());
        let signed = Signed::sign(body.clone(), &alice.client()).to_wire();
        let refused = world.post("/v1/tas", signed).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (403, "quote"));

        // A quote that another key signed than the device's.
        body.device = Signed::<RegisterTa>::decode(&order)
            .unwrap()
            .body()
            .device
            .clone();
        body.quote = Signed::sign(body.quote.body().clone(), &alice.client());
        let signed = Signed::sign(body, &alice.client()).to_wire();
        let refused = world.post("/v1/tas", signed).await.unwrap_err();
        assert_eq!(refused.code, "quote");
    }
    assert!(world.view(&alice).await.tas.is_empty());
}

#[tokio::test]
async fn a_name_that_is_not_allowed_is_refused() {
    let world = World::new().await;
    let client = Device::new("0123456789");
    let good = client.sign_register_client(world.challenge(client.client_key()).await);
    let at = good
        .windows(10)
        .position(|window| window == b"0123456789")
        .unwrap();
    for name in [b" 123456789", b"01234\n6789", b"012\xe2\x80\xae6789"] {
        let mut body = good.clone();
        body[at..at + 10].copy_from_slice(name);
        let refused = world.post("/v1/clients", body).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (400, "malformed"));
    }
    assert!(world.post("/v1/clients", good).await.is_ok());
}

#[tokio::test]
async fn a_message_in_another_encoding_than_its_one_is_refused() {
    let world = World::new().await;
    let mut alice = world.device("Alice", 1_000).await;
    let shop = world.client("Shop").await;
    world.load(&mut alice, 500).await;
    let pair = alice.pay(&shop.client_request(100));
    let claim = encode(&batch(&[pair]));
    let query = alice.sign_query(world.challenge(alice.client_key()).await);
    let deposit = encode(&alice.deposit_open(100));
    let status = encode(&alice.clone().status_open());
    let lists = encode(&ListsQuery {
        held: ListsHeld::default(),
        after: None,
    });
    let messages = [
        ("/v1/claims", &claim),
        ("/v1/account", &query),
        ("/v1/deposits", &deposit),
        ("/v1/statuses", &status),
        ("/v1/lists", &lists),
    ];
    let before = format!("{:?}", world.check().await);

    for (path, body) in messages {
        let longer = [body.as_slice(), &[0]].concat();
        let refused = world.post(path, longer).await.unwrap_err();
        assert_eq!(refused.code, "malformed", "{path}");
    }
    // The same number of providers, none, in two bytes instead of one.
    assert_eq!(claim[0], 0);
    let overlong = [&[0x80, 0x00], &claim[1..]].concat();
    let refused = world.post("/v1/claims", overlong).await.unwrap_err();
    assert_eq!((refused.status, refused.code.as_str()), (400, "malformed"));

    assert_eq!(format!("{:?}", world.check().await), before);
    for (path, body) in messages {
        assert!(world.post(path, body.clone()).await.is_ok(), "{path}");
    }
}

#[tokio::test]
async fn a_new_list_key_makes_a_new_epoch_of_the_same_list() {
    let mut realm = Realm::new(1_000).await;
    let thief = realm.bank.device("Thief", 0).await;
    let mut office = Office::open(realm.bank.data.path()).await.unwrap();
    let ta = thief.ta_key();
    let revoked = Standing::Revoked;
    office.set_standing(&ta, revoked, "stolen").await.unwrap();
    drop(office);
    let everything = ListsQuery {
        held: ListsHeld {
            root: ListVersion::default(),
            providers: List::empty(),
        },
        after: None,
    };
    let first = realm.bank.lists(&everything).await.pieces[0].clone();

    let request = Holder::open(realm.bank.data.path())
        .unwrap()
        .rollover(&Wanted::default(), now())
        .unwrap();
    install(&mut realm.root, realm.bank.data.path(), &request).await;
    realm.share_directory();
    realm.bank = realm.bank.restart().await;

    let second = realm.bank.lists(&everything).await.pieces[0].clone();
    let Role::Provider { list_key, .. } = realm.bank.provider.body().role else {
        panic!("a provider's certificate");
    };
    assert!(second.verify(&list_key).is_ok());
    assert!(first.verify(&list_key).is_err());
    assert_eq!(second.body().version.epoch, first.body().version.epoch + 1);
    assert!(second.body().version > first.body().version);
    assert_eq!(second.body().entries, first.body().entries);
}
