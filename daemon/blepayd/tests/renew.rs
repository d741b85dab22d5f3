//! Certificates are renewed in time, and when the provider's keys roll over.

use kit::provider::{ONLINE, Provider, go_online};
use kit::{Device, Kind, amount};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_renewed_before_a_third_of_their_validity_is_left_and_not_earlier() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let online = go_online(&device);
    online.runs().await;
    online.stop().await;
    assert_eq!(provider.asked("/v1/renewals"), Vec::<Vec<u8>>::new());
    assert_eq!(numbers(&device), (1, 1));

    provider.certify_briefly();
    let device = provider.device(world.path(), "Bert", Kind::WithTa).await;

    assert_eq!(numbers(&device), (2, 2));
    let state = device.wallet.status().await.ta_state.expect("it answers");
    assert_eq!(state.certificate, Some(2), "the TA took it");
    let online = go_online(&device);
    online.runs().await;
    assert_eq!(provider.asked("/v1/renewals").len(), 2, "once each");
    online.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_providers_keys_roll_over_the_device_follows_and_keeps_the_old_certificate() {
    let (provider, world) = (Provider::new().await, TempDir::new().expect("a directory"));
    let device = provider.device(world.path(), "Ada", Kind::WithTa).await;
    let chain = |device: &Device| {
        let journal = device.wallet.journal();
        journal.view(|book| book.sender_chain().cloned().expect("certified"))
    };
    let old = chain(&device);

    provider.roll_over().await;
    let online = go_online(&device);
    online.runs().await;

    let new = chain(&device);
    assert_ne!(new.leaf.body().issuer, old.leaf.body().issuer);
    device.wallet.journal().view(|book| {
        assert_eq!(book.provider_of(old.leaf.body()), Some(&old.provider));
        assert_eq!(book.provider_of(new.leaf.body()), Some(&new.provider));
    });
    let _granted = online.sync.deposit(amount(300)).await.expect("granted");
    assert_eq!(device.balance().await, 10_300, "under the new answer key");
    assert_eq!(provider.online(&device).await, ONLINE - 300);
    online.stop().await;
}

fn numbers(device: &Device) -> (u64, u64) {
    device.wallet.journal().view(|book| {
        let client = book.client().and_then(|client| client.chain.as_ref());
        let client = client.expect("certified").leaf.body().number;
        let ta = book.sender_chain().expect("certified").leaf.body().number;

        (client, ta)
    })
}
