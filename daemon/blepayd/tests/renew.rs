//! Certificates are renewed in time, and when the provider's keys roll over.

use std::sync::Arc;

use journal::Fact;
use kit::provider::{ONLINE, Provider, enrol};
use kit::{Bank, Device, Kind, amount};
use ops_proto::certificate::Kind as Subject;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_before_a_third_of_their_validity_is_left_and_not_earlier() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let provider = Provider::new(&bank);
    provider.knows_client(device.wallet.identity().public_key());
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    assert_eq!(provider.asked("/v1/renewals"), Vec::<Vec<u8>>::new());
    let (client, ta) = subjects(&device);
    let brief = vec![
        Fact::ClientRegistered(Box::new(bank.certify_briefly(client, Subject::Client))),
        Fact::TaRegistered(Box::new(bank.certify_briefly(ta, Subject::Ta))),
    ];
    let journal = device.wallet.journal();
    journal.append(brief).await.expect("appended");

    let status = online.sync.run().await.expect("runs");

    let failed: Vec<_> = status
        .parts
        .iter()
        .filter(|part| part.outcome.is_err())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(numbers(&device), (3, 3));
    let state = device.wallet.status().await.ta_state.expect("it answers");
    assert_eq!(state.certificate, Some(3), "the TA took it");
    let _status = online.sync.run().await.expect("runs");
    assert_eq!(provider.asked("/v1/renewals").len(), 2, "once each");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_providers_keys_roll_over_the_device_follows_and_keeps_the_old_certificate() {
    let (bank, world) = (Arc::new(Bank::new(5)), TempDir::new().expect("a directory"));
    let device = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let provider = Provider::new(&bank);
    provider.knows_client(device.wallet.identity().public_key());
    let server = provider.serve().await;
    let online = enrol(&device, &server, &bank).await;
    let _status = online.sync.run().await.expect("runs");
    let chain = |device: &Device| {
        let journal = device.wallet.journal();
        journal.view(|book| book.sender_chain().cloned().expect("certified"))
    };
    let old = chain(&device);

    provider.roll_over(bank.rolled_over(7));
    let status = online.sync.run().await.expect("runs");

    let failed: Vec<_> = status
        .parts
        .iter()
        .filter(|part| part.outcome.is_err())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    let new = chain(&device);
    assert_ne!(new.leaf.body().issuer, old.leaf.body().issuer);
    device.wallet.journal().view(|book| {
        assert_eq!(book.provider_of(old.leaf.body()), Some(&old.provider));
        assert_eq!(book.provider_of(new.leaf.body()), Some(&new.provider));
    });
    let _granted = online.sync.deposit(amount(300)).await.expect("granted");
    assert_eq!(device.balance().await, 10_300, "under the new answer key");
    assert_eq!(provider.books().online, ONLINE - 300);
    online.stop().await;
}

fn subjects(device: &Device) -> (ops_proto::PublicKey, ops_proto::PublicKey) {
    let client = device.wallet.identity().public_key();
    let ta = device
        .wallet
        .journal()
        .view(|book| book.ta().expect("a TA").key);

    (client, ta)
}

fn numbers(device: &Device) -> (u64, u64) {
    device.wallet.journal().view(|book| {
        let client = book.client().and_then(|client| client.chain.as_ref());
        let client = client.expect("certified").leaf.body().number;
        let ta = book.sender_chain().expect("certified").leaf.body().number;

        (client, ta)
    })
}
