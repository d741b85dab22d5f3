//! The evidence file convicts whom it should, offline, and nobody else.

use ops_proto::certificate::ChainRefused;
use ops_proto::evidence::{EvidenceFile, EvidenceFileRefused};
use ops_proto::statement::{Contradiction, Evidence, EvidenceRefused, Statement};

use crate::kit::World;

fn file(world: &World) -> EvidenceFile {
    EvidenceFile::new(&world.provider, &world.payer_certificate, &world.evidence())
}

#[test]
fn anyone_with_the_root_can_verify_the_evidence() {
    let world = World::new();

    let conviction = file(&world)
        .verify(&world.root.public_key())
        .expect("two payments with one number");

    assert_eq!(conviction.contradiction, Contradiction::SameNumber);
    assert_eq!(conviction.certificate.subject, world.payer_ta.public_key());
}

#[test]
fn under_another_root_it_convicts_nobody() {
    let world = World::new();

    let refused = file(&world).verify(&world.client.public_key());

    assert!(matches!(
        refused,
        Err(EvidenceFileRefused::Chain(ChainRefused::OtherRoot))
    ));
}

#[test]
fn the_certificate_of_another_ta_convicts_nobody() {
    let world = World::new();
    let other = EvidenceFile::new(&world.provider, &world.payee_certificate, &world.evidence());

    let refused = other.verify(&world.root.public_key());

    assert!(matches!(refused, Err(EvidenceFileRefused::OtherTa)));
}

#[test]
fn one_statement_shown_twice_convicts_nobody() {
    let world = World::new();
    let twice = Evidence {
        first: Statement::Payment(world.pair()),
        second: Statement::Payment(world.pair()),
    };
    let file = EvidenceFile::new(&world.provider, &world.payer_certificate, &twice);

    let refused = file.verify(&world.root.public_key());

    assert!(matches!(
        refused,
        Err(EvidenceFileRefused::Evidence(
            EvidenceRefused::NoContradiction
        ))
    ));
}

#[test]
fn a_changed_byte_anywhere_never_changes_what_the_ta_is_convicted_of() {
    let world = World::new();
    let whole = file(&world);
    let length = whole.evidence.len();

    for at in (0..length).step_by(7) {
        let mut changed = whole.clone();
        let digit = if changed.evidence.get(at..=at) == Some("0") {
            "1"
        } else {
            "0"
        };
        changed.evidence.replace_range(at..=at, digit);
        // The requests travel beside the payments; their signatures convict nobody and free nobody.
        if let Ok(conviction) = changed.verify(&world.root.public_key()) {
            let evidence = conviction.evidence;
            assert_eq!(evidence.first.hash(), world.pair().hash(), "digit {at}");
            assert_eq!(evidence.second.hash(), world.second_pair().hash());
        }
    }
}

#[test]
fn damage_and_other_versions_are_named() {
    let world = World::new();
    let root = world.root.public_key();
    let whole = file(&world);

    let other = EvidenceFile {
        version: 2,
        ..whole.clone()
    };
    assert!(matches!(
        other.verify(&root),
        Err(EvidenceFileRefused::Version(2))
    ));
    let not_hex = EvidenceFile {
        provider: "zz".to_owned(),
        ..whole.clone()
    };
    assert!(matches!(
        not_hex.verify(&root),
        Err(EvidenceFileRefused::Hex)
    ));
    let short = EvidenceFile {
        evidence: "00".to_owned(),
        ..whole
    };
    assert!(matches!(
        short.verify(&root),
        Err(EvidenceFileRefused::Malformed(_))
    ));
}
