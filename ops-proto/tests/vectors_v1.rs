//! Version 1, field by field, in both directions.
//!
//! The bytes stand in `docs/vectors_v1.txt`, for us and for whoever implements the protocol anew. If a
//! test in this file fails, do not change the vectors: revert the change that broke them.

use std::collections::BTreeMap;
use std::fmt::Debug;

use ops_proto::Signed;
use ops_proto::signed::Body;

use crate::kit::World;

const VECTORS: &str = include_str!("../../docs/vectors_v1.txt");

#[test]
fn certificates_are_frozen() {
    let world = World::new();
    let (device, quote) = world.attestation();

    assert_frozen("provider_certificate", &world.provider);
    assert_frozen("client_certificate", &world.client_certificate);
    assert_frozen("ta_certificate", &world.payer_certificate);
    assert_frozen("device_certificate", &device);
    assert_frozen("quote", &quote);
}

#[test]
fn registration_is_frozen() {
    let world = World::new();

    assert_frozen("register_client", &world.register_client());
    assert_frozen("register_ta", &world.register_ta());
    assert_frozen("renew", &world.renew());
    assert_frozen("account_query", &world.account_query());
    assert_frozen("account_answer", &world.account_answer());
}

#[test]
fn deposit_and_withdraw_are_frozen() {
    let world = World::new();

    assert_frozen("deposit_open", &world.deposit_open());
    assert_frozen("endorsement", &world.endorsement());
    assert_frozen("deposit_answer", &world.deposit_answer());
    assert_frozen("withdraw", &world.withdraw());
    assert_frozen("withdraw_ack", &world.withdraw_ack());
}

#[test]
fn the_payment_is_frozen() {
    let world = World::new();

    assert_frozen("request_payment", &world.request());
    assert_frozen("payment", &world.pair().payment);
    assert_frozen("received_payment", &world.receipt());
}

#[test]
fn claim_status_and_token_are_frozen() {
    let world = World::new();

    assert_frozen("batch_answer", &world.batch_answer());
    assert_frozen("status", &world.status());
    assert_frozen("sync_token", &world.sync_token());
    assert_frozen("retire", &world.retire());
}

#[test]
fn the_end_of_a_ta_and_the_mailbox_are_frozen() {
    let world = World::new();

    assert_frozen("retire_answer", &world.retire_answer());
    assert_frozen("report_death", &world.report_death());
    assert_frozen("death_answer", &world.death_answer());
    assert_frozen("mailbox_query", &world.mailbox_query());
    assert_frozen("mailbox_answer", &world.mailbox_answer());
    assert_frozen("credited_query", &world.credited_query());
    assert_frozen("credited_answer", &world.credited_answer());
    assert_frozen("remembered", &world.remembered());
    assert_frozen("remembered_answer", &world.remembered_answer());
    assert_frozen("remembered_lists", &world.remembered_lists());
}

#[test]
fn lists_and_what_providers_exchange_are_frozen() {
    let world = World::new();

    assert_frozen("provider_request", &world.provider_request());
    assert_frozen("provider_directory", &world.provider_directory());
    assert_frozen("deny_list_piece", &world.deny_list_piece());
    assert_frozen("forward", &world.forward());
    assert_frozen("forward_answer", &world.forward_answer());
    assert_frozen("settlement", &world.settlement());
    assert_frozen("settlement_ack", &world.settlement_ack());
    assert_frozen("settlements_query", &world.settlements_query());
    assert_frozen("settlements_answer", &world.settlements_answer());
}

/// Both directions, the hash, and that no shorter prefix decodes.
fn assert_frozen<T: Body + Debug>(name: &str, message: &Signed<T>) {
    let vectors = vectors();
    let vector = vectors.get(name).expect("the vector exists");

    assert_eq!(
        hex::encode(message.to_wire()),
        hex::encode(&vector.wire),
        "{name}"
    );
    assert_eq!(message.hash().to_string(), vector.hash, "{name}");
    let decoded = Signed::<T>::decode(&vector.wire);
    assert_eq!(decoded.as_ref(), Ok(message), "{name}");
    for length in 0..vector.wire.len() {
        let prefix = vector.wire.get(..length).expect("a shorter prefix");
        assert!(
            Signed::<T>::decode(prefix).is_err(),
            "{name}: {length} bytes decode"
        );
    }
}

#[derive(Default)]
struct Vector {
    wire: Vec<u8>,
    hash: String,
}

fn vectors() -> BTreeMap<&'static str, Vector> {
    let mut vectors = BTreeMap::new();
    let mut name = "";
    for line in VECTORS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(next) = line.strip_prefix("message ") {
            name = next;
            continue;
        }
        let vector: &mut Vector = vectors.entry(name).or_default();
        if let Some(hash) = line.strip_prefix("hash ") {
            hash.clone_into(&mut vector.hash);
            continue;
        }
        let (bytes, _) = line.split_once("  ").expect("a field and what it is");
        vector.wire.extend(hex::decode(bytes).expect("hex"));
    }

    vectors
}
