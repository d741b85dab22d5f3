//! Strangers on all links do not keep a payee from being paid.

use std::sync::Arc;

use kit::{Bank, Device, Kind, conserved, pay};
use radio::sim::SimRadio;
use radio::{PeerAddress, Radio as _};
use tempfile::TempDir;
use tokio::task::JoinSet;
use wallet::{Mode, PaymentEvent, Target};

/// Links that strangers hold, or are about to.
const SILENT_LINKS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn links_that_say_nothing_and_come_again_do_not_shut_a_till() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Device::new(&bank, world.path(), "Till", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let stranger = Device::new(&bank, world.path(), "Stranger", Kind::WithoutTa).await;
    let heard = till.request(1250, Mode::Announced).await;
    let peer = find(&stranger.radio).await;
    let mut silent = JoinSet::new();
    for _ in 0..SILENT_LINKS {
        silent.spawn(say_nothing(Arc::clone(&stranger.radio), peer.clone()));
    }

    let by_code = pay(&payer, Target::Tag(heard.tag)).await;
    let scanned = till.request(250, Mode::Uri).await;
    let uri = scanned.uri.expect("a URI").parse().expect("a good URI");
    let by_uri = pay(&payer, Target::Uri(Box::new(uri))).await;

    silent.shutdown().await;
    for last in [by_code, by_uri] {
        assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    }
    conserved(&payer, &till, 20_000).await;
}

async fn find(radio: &SimRadio) -> PeerAddress {
    let mut scan = radio.scan().await.expect("a scan");

    scan.next().await.expect("somebody asks").peer
}

/// Connects and waits until the link ends, again and again.
async fn say_nothing(radio: Arc<SimRadio>, peer: PeerAddress) {
    loop {
        match radio.connect(peer.clone()).await {
            Ok(mut link) => while link.receive().await.is_some() {},
            Err(_the_till_is_full) => tokio::task::yield_now().await,
        }
    }
}
