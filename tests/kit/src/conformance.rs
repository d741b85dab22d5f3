//! What every radio promises (`trait Radio`), tried between two devices that know each other by nothing else.
//!
//! One serves, the other visits, in one process or on two machines: the visitor tells the server over the link what to do next,
//! and looks at what comes of it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use radio::{
    CentralLink, LinkId, PeerAddress, Peripheral, PeripheralEvent, Radio, RadioError, RequestTag,
    limits,
};

/// What the server serves as `INFO`.
const INFO: &[u8] = b"a radio that is tried";

/// What it advertises first, and then in its place.
const TAGS: [RequestTag; 2] = [RequestTag(*b"tried1"), RequestTag(*b"tried2")];

/// What a frame begins with: a later frame of `ble_proto::frame`, its counter and a session's tag. By these a radio whose link
/// lets one frame overtake another puts them back in order.
const HEADER_SIZE: usize = 6;
const LATER_FRAME: u8 = 0x10;
const SESSION: [u8; 4] = *b"trie";

/// The byte behind that says what the server does. It answers with one frame, unless the link ends.
mod order {
    /// Sends the frame back, as much of it as fits.
    pub(super) const ECHO: u8 = b'e';
    /// Tells what it has seen.
    pub(super) const REPORT: u8 = b'r';
    /// Ends the link.
    pub(super) const HANG_UP: u8 = b'h';
    /// Advertises the other tag alone, and sends the frame back.
    pub(super) const NEXT_TAG: u8 = b'n';
    /// Ends the peripheral.
    pub(super) const LEAVE: u8 = b'l';
}

/// Frames that are echoed: more than one notification's turn, fewer than a link may be behind.
const FRAMES: usize = 24;

/// How long the air needs.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// After that, what was advertised before is not heard any more.
    pub settles_in: Duration,
    /// Who hears nothing for so long will hear nothing.
    pub silence: Duration,
    /// After that, who was disconnected knows of it.
    pub parts_in: Duration,
    /// Longer than anything takes.
    pub patience: Duration,
}

/// A device that is no payer: it works below what a radio gives to its owner.
pub trait Stranger: Sync {
    /// Connects to a peer and does nothing more; returns, once the connection has ended, how long it lasted.
    ///
    /// # Errors
    ///
    /// When there was no connection.
    fn stand_by<'a>(&'a self, peer: &'a PeerAddress) -> StandingBy<'a>;
}

/// A stranger that is connected.
pub type StandingBy<'a> = Pin<Box<dyn Future<Output = Result<Duration, String>> + Send + 'a>>;

/// Serves until the visitor says that it is over.
///
/// # Errors
///
/// A sentence that says what the radio did not keep.
pub async fn serve(radio: &dyn Radio) -> Result<(), String> {
    let mut peripheral = radio.serve(INFO.to_vec()).await.map_err(text)?;
    let second = radio.serve(Vec::new()).await.err();
    same("a second peripheral", &second, &Some(RadioError::Busy))?;
    peripheral
        .set_advertised(vec![TAGS[0]])
        .await
        .map_err(text)?;

    let mut links = BTreeMap::new();
    let mut ended = 0_u8;
    while let Some(event) = peripheral.next_event().await {
        match event {
            PeripheralEvent::LinkUp { link, chunk_max } => {
                let known = links.insert(link, chunk_max);
                same("the number of a link before it came up", &known, &None)?;
            }
            PeripheralEvent::LinkDown { link } => {
                let known = links.remove(&link).is_some();
                same("a link that ended was up", &known, &true)?;
                ended = ended.saturating_add(1);
            }
            PeripheralEvent::Received { link, bytes } => {
                let chunk_max = links.get(&link).copied();
                let chunk_max = chunk_max.ok_or("a frame came from a link that is not up")?;
                if bytes.get(HEADER_SIZE) == Some(&order::LEAVE) {
                    return Ok(());
                }
                obey(&peripheral, link, chunk_max, bytes, ended).await?;
            }
        }
    }

    Err("the radio stopped".to_owned())
}

async fn obey(
    peripheral: &Peripheral,
    link: LinkId,
    chunk_max: usize,
    mut frame: Vec<u8>,
    ended: u8,
) -> Result<(), String> {
    // an answer begins like its order, and so has the same counter
    match frame.get(HEADER_SIZE).copied() {
        Some(order::ECHO) => {
            frame.truncate(chunk_max);
            peripheral.send(link, frame).await.map_err(text)
        }
        Some(order::REPORT) => {
            let size = chunk_max.saturating_add(1);
            let refused = peripheral.send(link, vec![0; size]).await;
            let size_max = chunk_max;
            let too_long = RadioError::TooLong { size, size_max };
            same("a notification that is too long", &refused, &Err(too_long))?;
            let chunk_max = u16::try_from(chunk_max).map_err(text)?.to_be_bytes();
            frame.push(ended);
            frame.extend(chunk_max);
            peripheral.send(link, frame).await.map_err(text)
        }
        Some(order::HANG_UP) => peripheral.disconnect(link).await.map_err(text),
        Some(order::NEXT_TAG) => {
            let tags = vec![TAGS[1]];
            peripheral.set_advertised(tags).await.map_err(text)?;
            peripheral.send(link, frame).await.map_err(text)
        }
        _ => Err(format!("a frame came that nobody sent: {frame:02x?}")),
    }
}

/// Visits the server, and returns what the radio kept, in sentences.
///
/// # Errors
///
/// A sentence that says what the radio did not keep.
pub async fn visit(
    radio: &dyn Radio,
    stranger: &dyn Stranger,
    pace: Pace,
) -> Result<Vec<&'static str>, String> {
    let trying = try_all(radio, stranger, pace);

    tokio::time::timeout(pace.patience, trying)
        .await
        .map_err(|_elapsed| format!("not done within {} s", pace.patience.as_secs()))?
}

async fn try_all(
    radio: &dyn Radio,
    stranger: &dyn Stranger,
    pace: Pace,
) -> Result<Vec<&'static str>, String> {
    let mut kept = Vec::new();
    is_let_go(radio, stranger, pace).await?;
    kept.push("a link that says nothing is ended within the bound");

    let mut visit = connect(radio, TAGS[0]).await?;
    same("INFO", &visit.link.info(), &INFO)?;
    kept.push("INFO is there with the link");

    echo(&mut visit).await?;
    kept.push("frames arrive whole, in order and once, both ways, at any length that fits");

    let (before, _) = report(&mut visit).await?;
    let size_max = visit.link.chunk_max();
    let size = size_max.saturating_add(1);
    let refused = visit.link.send(vec![0; size]).await;
    let too_long = RadioError::TooLong { size, size_max };
    same("a write that is too long", &refused, &Err(too_long))?;
    let (ended, _) = report(&mut visit).await?;
    same("the number of links that have ended", &ended, &before)?;
    kept.push("what does not fit is refused, and leaves the link as it is");

    let _last = visit.say(order::HANG_UP, 0).await?;
    let answer = visit.link.receive().await;
    same("a frame after the server hung up", &answer, &None)?;
    let late = visit.link.send(vec![0]).await;
    same("a write after that", &late, &Err(RadioError::PeerGone))?;
    kept.push("a link that the server ends, ends for the visitor");

    let visit = connect(radio, TAGS[0]).await?;
    visit.link.disconnect().await;
    let mut visit = connect(radio, TAGS[0]).await?;
    // the end of a link may be told after the next has begun, and a connection that came to nothing is a link too
    while report(&mut visit).await?.0 < before.saturating_add(LINKS_ENDED) {
        tokio::time::sleep(REPORT_PAUSE).await;
    }
    kept.push(
        "a link that the visitor ends, ends for the server, and each has a number of its own",
    );

    let said = visit.say(order::NEXT_TAG, 0).await?;
    let answer = visit.link.receive().await;
    same(
        "what a change of tags is answered with",
        &answer,
        &Some(said),
    )?;
    visit.link.disconnect().await;
    let _heard = hear(radio, TAGS[1]).await?;
    stays_silent(radio, TAGS[0], pace).await?;
    kept.push("what is not advertised any more is not heard any more");

    let mut visit = connect(radio, TAGS[1]).await?;
    let _last = visit.say(order::LEAVE, 0).await?;
    let answer = visit.link.receive().await;
    same("a frame of a server that left", &answer, &None)?;
    kept.push("a peripheral that is dropped takes its links with it");

    Ok(kept)
}

/// A link to the server, and how many frames have gone over it.
struct Visit {
    link: CentralLink,
    said: u8,
}

impl Visit {
    /// Sends an order in a frame of `length` bytes, or as many as it takes, and returns the frame.
    async fn say(&mut self, order: u8, length: usize) -> Result<Vec<u8>, String> {
        let mut frame = vec![LATER_FRAME, self.said];
        frame.extend(SESSION);
        frame.push(order);
        frame.resize(length.max(frame.len()), self.said);
        self.link.send(frame.clone()).await.map_err(text)?;
        self.said = self.said.wrapping_add(1);

        Ok(frame)
    }
}

/// Sends frames of several lengths at once, and looks whether all of them come back.
async fn echo(visit: &mut Visit) -> Result<(), String> {
    let (_, back_max) = report(visit).await?;
    let chunk_max = visit.link.chunk_max();
    let lengths = [0, chunk_max / 2, chunk_max];
    let mut frames = Vec::new();
    for length in lengths.into_iter().cycle().take(FRAMES) {
        frames.push(visit.say(order::ECHO, length).await?);
    }
    for frame in &frames {
        let back = visit.link.receive().await;
        let fits = frame.get(..back_max).unwrap_or(frame);
        same("a frame that comes back", &back.as_deref(), &Some(fits))?;
    }

    Ok(())
}

/// Asks how many links have ended, and how much fits into a notification.
async fn report(visit: &mut Visit) -> Result<(u8, usize), String> {
    let said = visit.say(order::REPORT, 0).await?;
    let report = visit.link.receive().await;
    let told = report.as_deref();
    let Some([ended, high, low]) = told.and_then(|told| told.strip_prefix(said.as_slice())) else {
        return Err(format!("instead of a report came {report:02x?}"));
    };

    Ok((*ended, usize::from(u16::from_be_bytes([*high, *low]))))
}

/// Has a stranger connect and say nothing, and looks whether the server ends it in time.
async fn is_let_go(radio: &dyn Radio, stranger: &dyn Stranger, pace: Pace) -> Result<(), String> {
    let peer = hear(radio, TAGS[0]).await?;
    let stood = stranger.stand_by(&peer).await?;
    let bound = limits::SILENCE_MAX.saturating_add(pace.parts_in);
    if stood <= bound {
        return Ok(());
    }

    Err(format!(
        "who said nothing was connected for {stood:?}, and no longer than {bound:?} is promised"
    ))
}

/// Connects to who advertises a tag; an address that has changed meanwhile is looked for again.
async fn connect(radio: &dyn Radio, tag: RequestTag) -> Result<Visit, String> {
    let mut refused = RadioError::PeerGone;
    for _ in 0..CONNECTS_MAX {
        let peer = hear(radio, tag).await?;
        match radio.connect(peer).await {
            Ok(link) => return Ok(Visit { link, said: 0 }),
            Err(error @ (RadioError::PeerGone | RadioError::TimedOut)) => refused = error,
            Err(error) => return Err(text(error)),
        }
    }

    Err(format!("no link in {CONNECTS_MAX} tries: {refused}"))
}

async fn hear(radio: &dyn Radio, tag: RequestTag) -> Result<PeerAddress, String> {
    let mut scan = radio.scan().await.map_err(text)?;
    while let Some(seen) = scan.next().await {
        if seen.tag == tag {
            return Ok(seen.peer);
        }
    }

    Err("the scan ended".to_owned())
}

async fn stays_silent(radio: &dyn Radio, tag: RequestTag, pace: Pace) -> Result<(), String> {
    tokio::time::sleep(pace.settles_in).await;
    let heard = tokio::time::timeout(pace.silence, hear(radio, tag)).await;

    match heard {
        Err(_silence) => Ok(()),
        Ok(Ok(peer)) => Err(format!("{tag:?} is still heard, from {peer}")),
        Ok(Err(error)) => Err(error),
    }
}

fn same<T: PartialEq + Debug>(what: &str, found: &T, promised: &T) -> Result<(), String> {
    if found == promised {
        return Ok(());
    }

    Err(format!("{what}: {found:?}, and {promised:?} is promised"))
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

const CONNECTS_MAX: usize = 5;

/// Links that the visitor has seen end when it asks for the second time: one was ended by each side.
const LINKS_ENDED: u8 = 2;
const REPORT_PAUSE: Duration = Duration::from_millis(100);
