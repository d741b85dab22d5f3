//! What crossed the air, read from its trace: an outside view, with one clock for both boards.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::failure::{Failure, Outcome};
use crate::process::wait_until;

/// How long the boards may stay connected when nothing is left to say.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

/// A place in the trace from which to read on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(u64);

/// One line of the trace.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Crossing {
    /// What happened: att, connected, disconnected, power_on, power_off.
    pub(crate) event: String,
    /// When, in microseconds of the host's monotonic clock.
    pub(crate) at_us: u64,
    /// Who sent an ATT packet.
    #[serde(default)]
    pub(crate) from: String,
    /// The ATT operation.
    #[serde(default)]
    pub(crate) op: String,
    /// The size of the ATT value.
    #[serde(default)]
    pub(crate) bytes: u64,
    /// The first bytes of the ATT value in hex.
    #[serde(default)]
    pub(crate) head: String,
}

/// Frames that went one way before the turn changed.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    /// Who sent them.
    pub(crate) from: String,
    /// When the first frame was on the air.
    pub(crate) first_us: u64,
    /// When the last frame was on the air.
    pub(crate) last_us: u64,
    /// The size of each frame in bytes.
    pub(crate) frames: Vec<u64>,
    /// The beginning of each frame in hex.
    pub(crate) heads: Vec<String>,
}

/// Returns the present end of the trace.
pub(crate) fn mark(trace: &Path) -> Outcome<Mark> {
    let length = std::fs::metadata(trace)
        .map_err(Failure::host("look at the air's trace"))?
        .len();

    Ok(Mark(length))
}

/// Reads what crossed the air since a mark.
pub(crate) fn since(trace: &Path, mark: Mark) -> Outcome<Vec<Crossing>> {
    let text = text_since(trace, mark)?;

    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn text_since(trace: &Path, mark: Mark) -> Outcome<String> {
    let doing = || Failure::host("read the air's trace");
    let mut file = File::open(trace).map_err(doing())?;
    file.seek(SeekFrom::Start(mark.0)).map_err(doing())?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(doing())?;

    Ok(text)
}

/// Waits until no two boards are connected: who hangs up does so some seconds after it is done.
pub(crate) fn wait_for_silence(trace: &Path) -> Outcome<()> {
    wait_until("the boards hang up", SILENCE_LIMIT, || {
        // The newest of a long trace is looked for in its text: most lines would be read for nothing.
        let text = text_since(trace, Mark(0))?;
        let is_about = |event: &str| format!("\"event\": \"{event}\"");
        let [connected, disconnected, power_off] =
            ["connected", "disconnected", "power_off"].map(is_about);
        let last = text.lines().rev().find_map(|line| {
            let is_over = line.contains(&disconnected) || line.contains(&power_off);
            (is_over || line.contains(&connected)).then_some(is_over)
        });
        Ok(last.unwrap_or(true).then_some(()))
    })
}

/// Groups writes without response and notifications into flights, one list for each connection.
pub(crate) fn sessions(crossings: &[Crossing]) -> Vec<Vec<Flight>> {
    let mut sessions: Vec<Vec<Flight>> = Vec::new();
    for crossing in crossings {
        if crossing.event == "connected" {
            sessions.push(Vec::new());
            continue;
        }
        if crossing.op != "write_command" && crossing.op != "notification" {
            continue;
        }
        if sessions.is_empty() {
            sessions.push(Vec::new());
        }
        let Some(session) = sessions.last_mut() else {
            continue;
        };
        match session.last_mut() {
            Some(flight) if flight.from == crossing.from => {
                flight.last_us = crossing.at_us;
                flight.frames.push(crossing.bytes);
                flight.heads.push(crossing.head.clone());
            }
            Some(_) | None => session.push(Flight {
                from: crossing.from.clone(),
                first_us: crossing.at_us,
                last_us: crossing.at_us,
                frames: vec![crossing.bytes],
                heads: vec![crossing.head.clone()],
            }),
        }
    }
    sessions.retain(|session| !session.is_empty());

    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_one_direction_are_one_flight_and_connections_are_apart() {
        let line = |event: &str, from: &str, op: &str, at_us: u64| Crossing {
            event: event.to_owned(),
            at_us,
            from: from.to_owned(),
            op: op.to_owned(),
            bytes: 9,
            head: String::new(),
        };
        let crossings = [
            line("connected", "", "", 1),
            line("att", "payer", "write_request", 2),
            line("att", "payer", "write_command", 3),
            line("att", "payee", "notification", 4),
            line("att", "payee", "notification", 5),
            line("disconnected", "", "", 6),
            line("connected", "", "", 7),
            line("att", "payer", "write_command", 8),
        ];

        let sessions = sessions(&crossings);

        let shape: Vec<Vec<(&str, usize)>> = sessions
            .iter()
            .map(|flights| {
                flights
                    .iter()
                    .map(|flight| (flight.from.as_str(), flight.frames.len()))
                    .collect()
            })
            .collect();
        assert_eq!(
            shape,
            [vec![("payer", 1), ("payee", 2)], vec![("payer", 1)]]
        );
    }
}
