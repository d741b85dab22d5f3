//! Tries the radio between two machines, with frames shaped like a payment's and nothing behind them.
//!
//! ```text
//! radio-probe serve [ADAPTER]            advertises one tag and answers
//! radio-probe visit ROUNDS [ADAPTER]     scans, connects, exchanges, disconnects; a line of JSON each
//! ```
//!
//! Frames have the header of `ble-proto`'s; after it the visitor says how many it wants back, and
//! which round it is. A visit that fails is tried again; the line says how often and how long that took.

#![expect(clippy::indexing_slicing, reason = "the frames are our own")]

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use radio::bluez::{BluezConfig, BluezRadio};
use radio::{
    CentralLink, LinkId, PeerAddress, Peripheral, PeripheralEvent, Radio, RadioError, RequestTag,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const TAG: RequestTag = RequestTag(*b"probe!");
const INFO: &[u8] = b"radio probe";

/// The flights of a payment at MTU 517: sizes of the writes, and how many notifications answer the last.
/// A burst at the end shows whether frames stay in order.
const FLIGHTS: [(&[usize], u8); 4] = [
    (&[110], 2),
    (&[510, 150], 1),
    (&[510], 1),
    (&[510, 20, 510, 20, 300, 20, 510, 20], 8),
];
const ANSWER_SIZE: usize = 500;

const VISIT_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const SCAN_TIMEOUT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (adapter, rounds) = match arguments[..] {
        ["serve"] => (None, None),
        ["serve", adapter] => (Some(adapter), None),
        ["visit", rounds] => (None, Some(rounds.parse()?)),
        ["visit", rounds, adapter] => (Some(adapter), Some(rounds.parse()?)),
        _ => anyhow::bail!("radio-probe serve [ADAPTER] | visit ROUNDS [ADAPTER]"),
    };
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let config = BluezConfig {
        adapter: adapter.map(str::to_owned),
    };
    let radio = BluezRadio::start(config, &tasks, stop.clone());
    let ran = match rounds {
        None => tokio::select! {
            served = serve(&radio) => served,
            _signal = tokio::signal::ctrl_c() => Ok(()),
        },
        Some(rounds) => visit(&radio, rounds).await,
    };
    stop.cancel();
    tasks.close();
    tasks.wait().await;

    ran
}

async fn serve(radio: &BluezRadio) -> anyhow::Result<()> {
    let mut peripheral = radio.serve(INFO.to_vec()).await?;
    peripheral.set_advertised(vec![TAG]).await?;
    say(&format!("{:?}", *radio.state().borrow()))?;
    let mut heard: BTreeMap<LinkId, Heard> = BTreeMap::new();
    while let Some(event) = peripheral.next_event().await {
        match event {
            PeripheralEvent::LinkUp { link, chunk_max } => {
                say(&format!("{link} up, chunk_max {chunk_max}"))?;
            }
            PeripheralEvent::Received { link, bytes } => {
                let heard = heard.entry(link).or_default();
                if bytes.get(1) != Some(&heard.received) {
                    say(&format!(
                        "{link}: {:?} where {} was due",
                        bytes.get(1),
                        heard.received
                    ))?;
                }
                heard.received = heard.received.wrapping_add(1);
                answer(&peripheral, link, &bytes, heard).await?;
            }
            PeripheralEvent::LinkDown { link } => say(&format!("{link} down"))?,
        }
    }

    Ok(())
}

/// The counters of one link.
#[derive(Default)]
struct Heard {
    received: u8,
    sent: u8,
}

async fn answer(
    peripheral: &Peripheral,
    link: LinkId,
    bytes: &[u8],
    heard: &mut Heard,
) -> anyhow::Result<()> {
    let [_kind, _counter, t0, t1, t2, t3, wanted, round, ..] = *bytes else {
        return say("no frame of the probe's").map_err(Into::into);
    };
    for n in 0..wanted {
        let mut frame = vec![n; ANSWER_SIZE];
        frame[..9].copy_from_slice(&[0x10, heard.sent, t0, t1, t2, t3, n, round, 0]);
        heard.sent = heard.sent.wrapping_add(1);
        if let Err(error) = peripheral.send(link, frame).await {
            say(&format!("{link}: {error}"))?;
        }
    }

    Ok(())
}

async fn visit(radio: &BluezRadio, rounds: u32) -> anyhow::Result<()> {
    for round in 0..rounds {
        let begun = Instant::now();
        let mut errors: Vec<String> = Vec::new();
        loop {
            match visit_once(radio, u8::try_from(round % 251)?).await {
                Ok(times) => {
                    let total_ms = begun.elapsed().as_millis();
                    say(&format!(
                        r#"{{"round":{round},{times},"total_ms":{total_ms},"errors":{errors:?}}}"#
                    ))?;
                    break;
                }
                Err(error) => errors.push(error.to_string()),
            }
            anyhow::ensure!(begun.elapsed() < VISIT_TIMEOUT, "no visit: {errors:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    Ok(())
}

async fn visit_once(radio: &BluezRadio, round: u8) -> Result<String, RadioError> {
    let begun = Instant::now();
    let peer = find(radio).await?;
    let found = begun.elapsed().as_millis();
    let begun = Instant::now();
    let mut link = radio.connect(peer).await?;
    let connected = begun.elapsed().as_millis();
    if link.info() != INFO {
        return Err(RadioError::PeerIncompatible("INFO is not the probe's"));
    }
    let mut turns = Vec::new();
    let mut sent = 0_u8;
    for (writes, answers) in FLIGHTS {
        let begun = Instant::now();
        exchange(&mut link, round, &mut sent, writes, answers).await?;
        turns.push(begun.elapsed().as_millis());
    }
    let begun = Instant::now();
    drop(link);
    let left = begun.elapsed().as_millis();

    Ok(format!(
        r#""found_ms":{found},"connected_ms":{connected},"turns_ms":{turns:?},"left_ms":{left}"#
    ))
}

async fn find(radio: &BluezRadio) -> Result<PeerAddress, RadioError> {
    let mut scan = radio.scan().await?;
    let finding = async {
        while let Some(seen) = scan.next().await {
            if seen.tag == TAG {
                return Ok(seen.peer);
            }
        }
        Err(RadioError::Stopped)
    };

    tokio::time::timeout(SCAN_TIMEOUT, finding)
        .await
        .map_err(|_elapsed| RadioError::TimedOut)?
}

async fn exchange(
    link: &mut CentralLink,
    round: u8,
    sent: &mut u8,
    writes: &[usize],
    answers: u8,
) -> Result<(), RadioError> {
    for (index, size) in writes.iter().enumerate() {
        let is_last = index.saturating_add(1) == writes.len();
        let mut frame = vec![round; (*size).min(link.chunk_max())];
        let wanted = if is_last { answers } else { 0 };
        frame[..8].copy_from_slice(&[0x10, *sent, round, 0, 0, 0, wanted, round]);
        *sent = sent.wrapping_add(1);
        link.send(frame).await?;
    }
    for n in 0..answers {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, link.receive())
            .await
            .map_err(|_elapsed| RadioError::TimedOut)?
            .ok_or(RadioError::PeerGone)?;
        if answer.len() != ANSWER_SIZE || answer[6] != n || answer[7] != round {
            return Err(RadioError::PeerIncompatible("not the answer"));
        }
    }

    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;

    stdout.flush()
}
