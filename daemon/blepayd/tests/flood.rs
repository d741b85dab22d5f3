//! Promise 11: strangers who keep a request busy do not keep its payee from being paid.

use std::time::Duration;

use ble_proto::code::PayerNonce;
use ble_proto::frame::{ChunkSize, SessionTag, Splitter};
use ble_proto::gatt::RequestTag;
use ble_proto::info::Info;
use ble_proto::limits::COMMITTED_HANDSHAKES_MAX;
use ble_proto::session::{Initiator, LinkEntropy};
use journal::book::RequestShown;
use kit::{Bank, Device, Kind, conserved, eventually, pay};
use radio::{PeerAddress, Radio as _};
use tempfile::TempDir;
use wallet::{Mode, PaymentEvent, RequestView, Target};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_strangers_flood_is_replaced_by_one_that_is_paid_by_uri() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let stranger = Device::new(&bank, world.path(), "Stranger", Kind::WithoutTa).await;
    let flooded = payee.request(1250, Mode::Announced).await;
    let peer = find(&stranger, flooded.tag).await;
    let view = |id| payee.wallet.request(id).expect("known");

    for number in 0..=u64::from(COMMITTED_HANDSHAKES_MAX) {
        handshake(&stranger, peer.clone(), flooded.tag, number).await;
    }
    eventually("it is replaced", || async {
        view(flooded.request_id).shown == RequestShown::Cancelled
    })
    .await;

    let by = view(flooded.request_id).replaced_by.expect("replaced");
    let by = view(by);
    assert_replaces(&by, &view(flooded.request_id));
    let uri = by.uri.expect("a URI").parse().expect("a good URI");
    let last = pay(&payer, Target::Uri(Box::new(uri))).await;
    assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    assert_eq!(view(by.request_id).shown, RequestShown::Paid);
    assert_eq!(view(flooded.request_id).shown, RequestShown::Cancelled);
    conserved(&payer, &payee, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_replaced_once_and_only_while_it_is_open() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let payee = Device::new(&bank, world.path(), "Ferry", Kind::WithTa).await;
    let flooded = payee.request(1250, Mode::Announced).await;
    let id = flooded.request_id;

    let by = payee.wallet.replace_request(id).await.expect("replaced");
    let again = payee.wallet.replace_request(id).await.expect("answered");

    let view = |id| payee.wallet.request(id).expect("known");
    assert_replaces(&view(by.expect("a number")), &view(id));
    assert_eq!(again, None);
    assert_eq!(payee.wallet.requests(usize::MAX).len(), 2);
}

fn assert_replaces(by: &RequestView, flooded: &RequestView) {
    assert_eq!(flooded.replaced_by, Some(by.request_id));
    assert_eq!((by.amount, &by.memo), (flooded.amount, &flooded.memo));
    assert!(by.uri.is_some(), "only its URI opens it");
    assert_eq!(by.shown, RequestShown::Open);
}

async fn find(device: &Device, tag: RequestTag) -> PeerAddress {
    let mut scan = device.radio.scan().await.expect("a scan");
    loop {
        let seen = scan.next().await.expect("somebody is heard");
        if seen.tag == tag {
            return seen.peer;
        }
    }
}

/// One committed handshake, as anybody can make it; leaves once it is answered or refused.
async fn handshake(stranger: &Device, peer: PeerAddress, tag: RequestTag, number: u64) {
    let Ok(mut link) = stranger.radio.connect(peer).await else {
        return;
    };
    let mut entropy = LinkEntropy::new([u8::try_from(number).expect("few"); 32]);
    let commitment = PayerNonce::generate(&mut entropy).commitment();
    let (_initiator, flight) =
        Initiator::heard(&Info::own(), tag, Some(commitment), &mut entropy).expect("it begins");
    let chunk = ChunkSize::new(link.chunk_max()).expect("large enough");
    let mut splitter = Splitter::new(SessionTag(entropy.take()), chunk);
    for frame in splitter.split(&flight).expect("it fits") {
        let _gone = link.send(frame).await;
    }
    let _answer = tokio::time::timeout(Duration::from_secs(3), link.receive()).await;
    link.disconnect().await;
}
