//! `TACertVerify` and `OEMVerify`: every rule of a chain, broken by itself.

use ops_proto::attestation::{DeviceCertificate, Expected, Quote, QuoteRefused, oem_verify};
use ops_proto::certificate::{Certificate, ChainRefused, Role, verify_chain};
use ops_proto::{Amount, PublicKey, SecretKey, Signed};

use crate::kit::{DAY_MS, NOW, World, amount, changed, digest, limits};

#[test]
fn a_good_chain_says_who_the_leaf_is() {
    let world = World::new();

    let root = world.root.public_key();
    let verified =
        verify_chain(&root, &world.provider, &world.payer_certificate, NOW).expect("a good chain");

    assert_eq!(verified.leaf().subject, world.payer_ta.public_key());
    assert_eq!(verified.answer_key(), Some(&world.answer.public_key()));
    assert_eq!(verified.limits(), Some(&limits(20_000)));
}

/// Changes the provider's and the leaf's certificate and says how the chain is refused.
fn refusal(
    provider: impl FnOnce(&mut Certificate),
    leaf: impl FnOnce(&mut Certificate),
) -> Option<ChainRefused> {
    let world = World::new();
    let provider = changed(&world.provider, &world.root, provider);
    let leaf = changed(&world.payer_certificate, &world.certify, leaf);

    verify_chain(&world.root.public_key(), &provider, &leaf, NOW).err()
}

fn unchanged(_: &mut Certificate) {}

#[test]
fn each_broken_rule_of_a_chain_is_refused_by_name() {
    let other = SecretKey::from_seed(&[99; 32]).public_key();

    assert_eq!(refusal(unchanged, unchanged), None);
    assert_eq!(
        refusal(|p| p.role = Role::Client, unchanged),
        Some(ChainRefused::NotAProvider)
    );
    assert_eq!(
        refusal(|p| p.issuer = other.id(), unchanged),
        Some(ChainRefused::OtherRoot)
    );
    assert_eq!(
        refusal(|p| p.not_after = NOW.saturating_sub_ms(1), unchanged),
        Some(ChainRefused::ProviderNotValidAt(NOW))
    );
    assert_eq!(
        refusal(unchanged, |l| l.provider.0[0] ^= 1),
        Some(ChainRefused::OtherIssuer)
    );
    assert_eq!(
        refusal(unchanged, |l| l.issuer = other.id()),
        Some(ChainRefused::OtherIssuer)
    );
    assert_eq!(
        refusal(unchanged, |l| l.currency = "USD".parse().expect("a code")),
        Some(ChainRefused::Currency)
    );
    assert_eq!(
        refusal(unchanged, |l| l.not_before = NOW.saturating_add_ms(1)),
        Some(ChainRefused::LeafNotValidAt(NOW))
    );
    assert_eq!(
        refusal(unchanged, |l| l.not_after = NOW.saturating_sub_ms(1)),
        Some(ChainRefused::LeafNotValidAt(NOW))
    );
}

#[test]
fn a_provider_cannot_certify_a_provider() {
    let world = World::new();
    let role = world.provider.body().role.clone();

    assert_eq!(
        refusal(unchanged, |l| l.role = role),
        Some(ChainRefused::LeafIsProvider)
    );
}

#[test]
fn a_small_provider_cannot_grant_more_than_the_root_allows() {
    let beyond: [fn(&mut ops_proto::certificate::Limits); 6] = [
        |l| l.balance_max = Amount::MAX,
        |l| l.payment_max = amount(50_001),
        |l| l.paid_count.refuse = 51,
        |l| l.paid_total.refuse = 100_001,
        |l| l.collected_count.refuse = 501,
        |l| l.collected_total.refuse = 1_000_001,
    ];
    for raise in beyond {
        let mut limits = limits(50_000);
        raise(&mut limits);

        let refused = refusal(unchanged, |l| l.role = Role::Ta { limits });

        assert_eq!(refused, Some(ChainRefused::LimitsAboveProvider));
    }
}

#[test]
fn certificates_signed_by_others_are_refused() {
    let world = World::new();
    let root = world.root.public_key();
    let stranger = SecretKey::from_seed(&[99; 32]);

    let provider = changed(&world.provider, &stranger, unchanged);
    let refused = verify_chain(&root, &provider, &world.payer_certificate, NOW).err();
    assert_eq!(refused, Some(ChainRefused::ProviderSignature));

    let leaf = changed(&world.payer_certificate, &stranger, unchanged);
    let refused = verify_chain(&root, &world.provider, &leaf, NOW).err();
    assert_eq!(refused, Some(ChainRefused::LeafSignature));
}

struct Attested {
    device: Signed<DeviceCertificate>,
    quote: Signed<Quote>,
    client: PublicKey,
    ta: PublicKey,
    oem_root: PublicKey,
}

fn attested() -> Attested {
    let world = World::new();
    let (device, quote) = world.attestation();

    Attested {
        device,
        quote,
        client: world.client.public_key(),
        ta: world.payer_ta.public_key(),
        oem_root: SecretKey::from_seed(&[8; 32]).public_key(),
    }
}

#[test]
fn a_quote_counts_for_one_device_client_ta_code_and_challenge_only() {
    let good = attested();
    let stranger = SecretKey::from_seed(&[99; 32]);
    let key = stranger.public_key();
    let challenge = [0x44; 32];
    let measurements = [digest(0x33)];
    let expected = Expected {
        oem_root: &good.oem_root,
        challenge: &challenge,
        client: &good.client,
        ta: &good.ta,
        measurements: &measurements,
        now: NOW,
    };
    let verify = |expected: &Expected<'_>| oem_verify(&good.device, &good.quote, expected).err();

    assert_eq!(verify(&expected), None);
    assert_eq!(
        verify(&Expected {
            oem_root: &key,
            ..expected
        }),
        Some(QuoteRefused::OtherOemRoot)
    );
    assert_eq!(
        verify(&Expected {
            client: &key,
            ..expected
        }),
        Some(QuoteRefused::OtherClient)
    );
    assert_eq!(
        verify(&Expected {
            ta: &key,
            ..expected
        }),
        Some(QuoteRefused::OtherTa)
    );
    assert_eq!(
        verify(&Expected {
            challenge: &[0; 32],
            ..expected
        }),
        Some(QuoteRefused::Challenge)
    );
    assert_eq!(
        verify(&Expected {
            measurements: &[],
            ..expected
        }),
        Some(QuoteRefused::Measurement)
    );
    let late = NOW.saturating_add_ms(2 * DAY_MS);
    assert_eq!(
        verify(&Expected {
            now: late,
            ..expected
        }),
        Some(QuoteRefused::DeviceNotValid)
    );

    let forged = changed(&good.device, &stranger, |_| {});
    assert_eq!(
        oem_verify(&forged, &good.quote, &expected),
        Err(QuoteRefused::DeviceSignature)
    );
    let forged = changed(&good.quote, &stranger, |_| {});
    assert_eq!(
        oem_verify(&good.device, &forged, &expected),
        Err(QuoteRefused::QuoteSignature)
    );
}
