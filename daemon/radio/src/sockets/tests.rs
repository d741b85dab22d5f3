use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::*;
use crate::{LinkId, PeripheralEvent, RequestTag};

const TAG_A: RequestTag = RequestTag([1; 6]);
const TAG_B: RequestTag = RequestTag([2; 6]);

#[tokio::test]
async fn frames_arrive_whole_and_in_order_both_ways_at_any_mtu() {
    for (mtu, write_max, notification_max) in [(23, 20, 18), (185, 182, 180), (517, 510, 512)] {
        let world = World::new();
        let payee = world.radio(|_air| {});
        let payer = world.radio(|air| air.mtu = mtu);
        let mut peripheral = payee.serve(b"info".to_vec()).await.unwrap();
        peripheral.set_advertised(vec![TAG_A]).await.unwrap();

        let mut link = connect(&payer).await;
        assert_eq!((link.info(), link.chunk_max()), (&b"info"[..], write_max));
        let (id, chunk_max) = link_up(&mut peripheral).await;
        assert_eq!(chunk_max, notification_max);
        for n in 0..50_u8 {
            link.send(vec![n; write_max]).await.unwrap();
        }
        for n in 0..50_u8 {
            assert_eq!(received(&mut peripheral, id).await, vec![n; write_max]);
            let answer = vec![n; notification_max];
            peripheral.send(id, answer).await.unwrap();
        }
        for n in 0..50_u8 {
            assert_eq!(receive(&mut link).await, Some(vec![n; notification_max]));
        }

        let too_long = RadioError::TooLong {
            size: write_max + 1,
            size_max: write_max,
        };
        assert_eq!(link.send(vec![0; write_max + 1]).await, Err(too_long));
        let too_long = RadioError::TooLong {
            size: notification_max + 1,
            size_max: notification_max,
        };
        let sent = peripheral.send(id, vec![0; notification_max + 1]).await;
        assert_eq!(sent, Err(too_long));
    }
}

#[tokio::test]
async fn a_write_that_bluez_would_drop_is_dropped_without_a_word() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();
    let payer = world.radio(|_air| {});
    let mut stranger = world.dial(&payer).await;

    write(&mut stranger, &517_u16.to_be_bytes()).await;
    for size in [512, 511, 510] {
        write(&mut stranger, &vec![0; size]).await;
    }

    let (id, _chunk_max) = link_up(&mut peripheral).await;
    assert_eq!(received(&mut peripheral, id).await.len(), 510);
}

#[tokio::test]
async fn who_connects_and_does_not_greet_makes_room_for_who_comes_later() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|_air| {});
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..2 * limits::LINKS_MAX {
        silent.push(world.dial(&payer).await);
    }

    let _link = connect(&payer).await;

    link_up(&mut peripheral).await;
}

#[tokio::test]
async fn a_scan_hears_the_tags_that_are_advertised_and_no_others() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|_air| {});
    let peripheral = payee.serve(Vec::new()).await.unwrap();
    let mut scan = payer.scan().await.unwrap();

    peripheral.set_advertised(vec![TAG_A, TAG_B]).await.unwrap();
    let tags = [heard(&mut scan).await, heard(&mut scan).await];
    assert_eq!(tags, [TAG_A, TAG_B]);

    peripheral.set_advertised(vec![TAG_B]).await.unwrap();
    settle(&mut scan).await;
    assert_eq!(heard(&mut scan).await, TAG_B);
    assert_eq!(heard(&mut scan).await, TAG_B);

    peripheral.set_advertised(Vec::new()).await.unwrap();
    settle(&mut scan).await;
    assert_eq!(hear(&mut scan).await, None);
}

#[tokio::test]
async fn a_dead_device_falls_silent_though_its_files_remain() {
    let world = World::new();
    let payer = world.radio(|_air| {});
    std::fs::write(world.dir.path().join("aabbccddeeff.tags"), "010101010101\n").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;

    let mut scan = payer.scan().await.unwrap();

    assert_eq!(hear(&mut scan).await, None);
}

#[tokio::test]
async fn a_cut_ends_the_link_at_both_ends_before_the_frame_and_only_once() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|air| air.cut_at_frame = Some(3));
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();

    let mut link = connect(&payer).await;
    let (id, _chunk_max) = link_up(&mut peripheral).await;
    link.send(vec![1]).await.unwrap();
    link.send(vec![2]).await.unwrap();
    assert_eq!(link.send(vec![3]).await, Err(RadioError::PeerGone));
    assert_eq!(receive(&mut link).await, None);
    assert_eq!(received(&mut peripheral, id).await, vec![1]);
    assert_eq!(received(&mut peripheral, id).await, vec![2]);
    assert_eq!(
        event(&mut peripheral).await,
        Some(PeripheralEvent::LinkDown { link: id })
    );

    let link = connect(&payer).await;
    let (again, _chunk_max) = link_up(&mut peripheral).await;
    assert_ne!(again, id);
    for n in 1..=4 {
        link.send(vec![n]).await.unwrap();
        assert_eq!(received(&mut peripheral, again).await, vec![n]);
    }
}

#[tokio::test]
async fn a_cut_air_breaks_links_and_is_silent_until_it_heals() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|_air| {});
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();
    let mut scan = payer.scan().await.unwrap();
    let peer = scan.next().await.unwrap().peer;
    let mut link = payer.connect(peer.clone()).await.unwrap();
    let (id, _chunk_max) = link_up(&mut peripheral).await;

    std::fs::write(world.dir.path().join(CUT_FILE), "").unwrap();
    assert_eq!(receive(&mut link).await, None);
    assert_eq!(
        event(&mut peripheral).await,
        Some(PeripheralEvent::LinkDown { link: id })
    );
    settle(&mut scan).await;
    assert_eq!(hear(&mut scan).await, None);
    let refused = payer.connect(peer.clone()).await.err();
    assert_eq!(refused, Some(RadioError::PeerGone));

    std::fs::remove_file(world.dir.path().join(CUT_FILE)).unwrap();
    assert_eq!(heard(&mut scan).await, TAG_A);
    payer.connect(peer).await.unwrap();
}

#[tokio::test]
async fn lost_frames_vanish_and_the_link_stays() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|air| air.loss_per_mille = 500);
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();
    let mut link = connect(&payer).await;
    let (id, _chunk_max) = link_up(&mut peripheral).await;

    for n in 0..100 {
        link.send(vec![n]).await.unwrap();
    }
    peripheral.send(id, vec![200]).await.unwrap();

    assert_eq!(receive(&mut link).await, Some(vec![200]));
    let mut arrived = Vec::new();
    while let Some(PeripheralEvent::Received { bytes, .. }) = event_if_any(&mut peripheral).await {
        arrived.extend(bytes);
    }
    assert!((25..75).contains(&arrived.len()), "{arrived:?}");
    assert!(arrived.is_sorted());
}

#[tokio::test]
async fn a_delayed_frame_arrives_after_its_delay() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|air| air.delay_ms = 80);
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();
    let link = connect(&payer).await;
    let (id, _chunk_max) = link_up(&mut peripheral).await;

    let begun = Instant::now();
    link.send(vec![1]).await.unwrap();
    link.send(vec![2]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(80));
    assert_eq!(received(&mut peripheral, id).await, vec![1]);
    assert_eq!(received(&mut peripheral, id).await, vec![2]);

    let took = begun.elapsed();
    let delay = Duration::from_millis(80);
    assert!(took >= delay && took < delay * 2, "{took:?}");
}

#[tokio::test]
async fn a_central_that_leaves_is_reported_and_so_is_a_peripheral() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|_air| {});
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();

    let link = connect(&payer).await;
    let (id, _chunk_max) = link_up(&mut peripheral).await;
    link.disconnect().await;
    assert_eq!(
        event(&mut peripheral).await,
        Some(PeripheralEvent::LinkDown { link: id })
    );
    assert_eq!(
        peripheral.send(id, vec![1]).await,
        Err(RadioError::PeerGone)
    );

    let mut link = connect(&payer).await;
    let (id, _chunk_max) = link_up(&mut peripheral).await;
    peripheral.disconnect(id).await.unwrap();
    assert_eq!(receive(&mut link).await, None);

    let mut link = connect(&payer).await;
    drop(peripheral);
    assert_eq!(receive(&mut link).await, None);
    assert_eq!(link.send(vec![1]).await, Err(RadioError::PeerGone));
    drop(serve_when_free(&payee).await);
}

#[tokio::test]
async fn only_one_peripheral_serves_at_a_time() {
    let world = World::new();
    let payee = world.radio(|_air| {});

    let peripheral = payee.serve(Vec::new()).await.unwrap();
    assert_eq!(payee.serve(Vec::new()).await.err(), Some(RadioError::Busy));
    drop(peripheral);

    drop(serve_when_free(&payee).await);
}

#[tokio::test]
async fn a_flood_on_one_link_loses_its_own_frames_and_no_others() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|_air| {});
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();
    let flooding = connect(&payer).await;
    let (flooding_id, _chunk_max) = link_up(&mut peripheral).await;
    let honest = connect(&payer).await;
    let (honest_id, _chunk_max) = link_up(&mut peripheral).await;

    for _ in 0..limits::LINK_FRAMES_MAX * 3 {
        flooding.send(vec![6]).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    honest.send(vec![7]).await.unwrap();

    let frame = |link, byte| {
        let bytes = vec![byte];
        Some(PeripheralEvent::Received { link, bytes })
    };
    let mut flood = 0;
    let mut next = event(&mut peripheral).await;
    while next == frame(flooding_id, 6) {
        flood += 1;
        next = event(&mut peripheral).await;
    }
    assert_eq!(next, frame(honest_id, 7));
    assert_eq!(flood, limits::LINK_FRAMES_MAX);
}

#[tokio::test]
async fn every_task_ends_at_shutdown_and_leaves_no_file() {
    let world = World::new();
    let payee = world.radio(|_air| {});
    let payer = world.radio(|_air| {});
    let mut peripheral = payee.serve(Vec::new()).await.unwrap();
    peripheral.set_advertised(vec![TAG_A]).await.unwrap();
    let mut scan = payer.scan().await.unwrap();
    let mut link = payer
        .connect(scan.next().await.unwrap().peer)
        .await
        .unwrap();

    world.stop.cancel();
    world.tasks.close();
    tokio::time::timeout(PATIENCE, world.tasks.wait())
        .await
        .unwrap();

    assert_eq!(link.receive().await, None);
    while scan.next().await.is_some() {}
    while peripheral.next_event().await.is_some() {}
    assert_eq!(std::fs::read_dir(world.dir.path()).unwrap().count(), 0);
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// Several beacons: who hears nothing for so long will hear nothing.
const SILENCE: Duration = Duration::from_millis(400);

struct World {
    dir: tempfile::TempDir,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    fn radio(&self, set: impl FnOnce(&mut SimAir)) -> SimRadio {
        let mut air = SimAir::new(self.dir.path());
        air.beacon_interval_ms = 20;
        set(&mut air);

        SimRadio::start(air, &self.tasks, self.stop.clone())
    }

    /// Connects to who is heard, and says nothing.
    async fn dial(&self, radio: &SimRadio) -> UnixStream {
        let mut scan = radio.scan().await.unwrap();
        let peer = scan.next().await.unwrap().peer;
        let socket = self.dir.path().join(format!("{peer}.sock"));

        UnixStream::connect(socket).await.unwrap()
    }
}

/// Writes one value as the air carries it: its length comes first.
async fn write(stream: &mut UnixStream, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).await.unwrap();
    stream.write_all(value).await.unwrap();
}

async fn connect(radio: &SimRadio) -> CentralLink {
    let mut scan = radio.scan().await.unwrap();
    let seen = scan.next().await.unwrap();

    radio.connect(seen.peer).await.unwrap()
}

async fn serve_when_free(radio: &SimRadio) -> Peripheral {
    for _ in 0..100 {
        match radio.serve(Vec::new()).await {
            Ok(peripheral) => return peripheral,
            Err(_busy) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the radio stays busy");
}

async fn heard(scan: &mut Scan) -> RequestTag {
    let seen = tokio::time::timeout(PATIENCE, scan.next()).await.unwrap();

    seen.unwrap().tag
}

/// Returns a tag that is on the air, and nothing when the air is silent.
async fn hear(scan: &mut Scan) -> Option<RequestTag> {
    let seen = tokio::time::timeout(SILENCE, scan.next()).await.ok()?;

    Some(seen.unwrap().tag)
}

/// Forgets what was heard before the last change.
async fn settle(scan: &mut Scan) {
    let pause = tokio::time::sleep(Duration::from_millis(100));
    tokio::pin!(pause);
    loop {
        tokio::select! {
            _seen = scan.next() => {}
            () = &mut pause => return,
        }
    }
}

async fn event(peripheral: &mut Peripheral) -> Option<PeripheralEvent> {
    tokio::time::timeout(PATIENCE, peripheral.next_event())
        .await
        .unwrap()
}

/// Returns the next event, and nothing when none comes any more.
async fn event_if_any(peripheral: &mut Peripheral) -> Option<PeripheralEvent> {
    let next = tokio::time::timeout(SILENCE, peripheral.next_event());

    next.await.ok()?
}

async fn link_up(peripheral: &mut Peripheral) -> (LinkId, usize) {
    loop {
        match event(peripheral).await {
            Some(PeripheralEvent::LinkUp { link, chunk_max }) => return (link, chunk_max),
            Some(PeripheralEvent::LinkDown { .. } | PeripheralEvent::Received { .. }) => {}
            None => panic!("no link came up"),
        }
    }
}

async fn received(peripheral: &mut Peripheral, from: LinkId) -> Vec<u8> {
    match event(peripheral).await {
        Some(PeripheralEvent::Received { link, bytes }) if link == from => bytes,
        other => panic!("{other:?} instead of a frame from {from}"),
    }
}

async fn receive(link: &mut CentralLink) -> Option<Vec<u8>> {
    tokio::time::timeout(PATIENCE, link.receive())
        .await
        .unwrap()
}
