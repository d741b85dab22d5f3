//! Strangers on all links do not keep a payee from being paid.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ble_proto::info::Info;
use kit::{Bank, Device, Kind, conserved, pay};
use radio::sockets::SimRadio;
use radio::{PeerAddress, PeripheralEvent, Radio as _, RequestTag};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
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

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_connect_and_do_not_even_greet_do_not_shut_a_till() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Device::new(&bank, world.path(), "Till", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let heard = till.request(1250, Mode::Announced).await;
    let peer = find(&payer.radio).await;
    let socket = world.path().join("air").join(format!("{peer}.sock"));
    let mut silent = JoinSet::new();
    for _ in 0..SILENT_LINKS {
        silent.spawn(connect_only(socket.clone()));
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

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_copy_the_tag_and_hang_up_do_not_make_a_payment_fail() {
    let (bank, world) = (Bank::new(5), TempDir::new().expect("a directory"));
    let till = Device::new(&bank, world.path(), "Till", Kind::WithTa).await;
    let payer = Device::new(&bank, world.path(), "Ada", Kind::WithTa).await;
    let mut strangers = JoinSet::new();
    let heard = till.request(1250, Mode::Announced).await;
    let scanned = till.request(250, Mode::Uri).await;
    for name in ["One", "Two"] {
        let stranger = Device::new(&bank, world.path(), name, Kind::WithoutTa).await;
        strangers.spawn(hang_up(stranger, vec![heard.tag, scanned.tag]));
    }

    let by_code = pay(&payer, Target::Tag(heard.tag)).await;
    let uri = scanned.uri.expect("a URI").parse().expect("a good URI");
    let by_uri = pay(&payer, Target::Uri(Box::new(uri))).await;

    strangers.shutdown().await;
    for last in [by_code, by_uri] {
        assert!(matches!(last, PaymentEvent::Paid { .. }), "{last:?}");
    }
    conserved(&payer, &till, 20_000).await;
}

/// Advertises what is not its own, and ends each link that comes.
async fn hang_up(stranger: Device, tags: Vec<RequestTag>) {
    let info = Info::own().as_bytes().to_vec();
    let mut peripheral = stranger.radio.serve(info).await.expect("it serves");
    peripheral.set_advertised(tags).await.expect("advertised");
    while let Some(event) = peripheral.next_event().await {
        if let PeripheralEvent::LinkUp { link, .. } = event {
            let _gone_already = peripheral.disconnect(link).await;
        }
    }
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

/// Connects to a socket of the air and waits until that ends, again and again, as fast as a radio might.
async fn connect_only(socket: PathBuf) {
    loop {
        if let Ok(mut stream) = UnixStream::connect(&socket).await {
            let _ended = stream.read_to_end(&mut Vec::new()).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
