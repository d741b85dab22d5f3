//! Commands in a running board, through the guest agent's virtual serial port.
//!
//! The port is no network and no console: it works with the board's network off and says nothing
//! over the board's own lines.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};

/// How long the agent may take for one answer; it answers at once, but the processor is emulated.
const ANSWER_LIMIT: Duration = Duration::from_secs(200);
const SYNC_LIMIT: Duration = Duration::from_secs(10);
const STALE_ANSWERS_MAX: usize = 100;

/// A connection to one board's guest agent.
#[derive(Debug)]
pub(crate) struct Agent {
    board: String,
    stream: BufReader<UnixStream>,
}

/// How a command in a board is doing.
#[derive(Debug)]
pub(crate) enum JobState {
    /// It has not ended.
    Running,
    /// It has ended.
    Ended {
        /// The exit code; -1 after a signal.
        code: i64,
        /// Standard output.
        stdout: Vec<u8>,
        /// Standard error.
        stderr: Vec<u8>,
    },
}

impl Agent {
    /// Connects and exchanges one number; `None` while the board is not up.
    pub(crate) fn connect(board: &str, socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        let mut agent = Self {
            board: board.to_owned(),
            stream: BufReader::new(stream),
        };

        agent.sync().then_some(agent)
    }

    /// Starts a command, with standard input, and returns its process id in the board.
    pub(crate) fn start(&mut self, command: &str, input: &[u8]) -> Outcome<i64> {
        let mut arguments = json!({
            "path": "/bin/sh",
            "arg": ["-c", command],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"],
            "capture-output": true,
        });
        if let (Some(arguments), false) = (arguments.as_object_mut(), input.is_empty()) {
            arguments.insert("input-data".to_owned(), Value::String(base64_encode(input)));
        }
        let answer = self.call("guest-exec", &arguments)?;

        answer
            .get("pid")
            .and_then(Value::as_i64)
            .ok_or_else(|| self.strange(&answer))
    }

    /// Asks whether a started command has ended; its output can be asked for once.
    pub(crate) fn state(&mut self, pid: i64) -> Outcome<JobState> {
        let answer = self.call("guest-exec-status", &json!({ "pid": pid }))?;
        if answer.get("exited") != Some(&Value::Bool(true)) {
            return Ok(JobState::Running);
        }
        let output = |name: &str| {
            base64_decode(answer.get(name).and_then(Value::as_str).unwrap_or_default())
        };

        Ok(JobState::Ended {
            code: answer.get("exitcode").and_then(Value::as_i64).unwrap_or(-1),
            stdout: output("out-data"),
            stderr: output("err-data"),
        })
    }

    fn call(&mut self, name: &str, arguments: &Value) -> Outcome<Value> {
        self.send(name, arguments)?;
        let what = format!("{}: the guest agent answers {name}", self.board);
        let answer = self.receive(ANSWER_LIMIT)?.ok_or(Failure::Late {
            what,
            limit: ANSWER_LIMIT,
        })?;

        answer
            .get("return")
            .cloned()
            .ok_or_else(|| self.strange(&answer))
    }

    fn sync(&mut self) -> bool {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let number = u64::from(now.subsec_nanos());
        // Whatever half of a command an earlier connection left behind ends here.
        if self.stream.get_mut().write_all(&[0xff]).is_err() {
            return false;
        }
        if self.send("guest-sync", &json!({ "id": number })).is_err() {
            return false;
        }
        for _ in 0..STALE_ANSWERS_MAX {
            match self.receive(SYNC_LIMIT) {
                Ok(Some(answer)) if answer.get("return") == Some(&json!(number)) => return true,
                Ok(Some(_stale)) => {}
                Ok(None) | Err(_) => return false,
            }
        }

        false
    }

    fn send(&mut self, name: &str, arguments: &Value) -> Outcome<()> {
        let mut line = json!({ "execute": name, "arguments": arguments }).to_string();
        line.push('\n');

        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(Failure::host(format!(
                "{}: write to the guest agent",
                self.board
            )))
    }

    fn receive(&mut self, limit: Duration) -> Outcome<Option<Value>> {
        let reading = format!("{}: read from the guest agent", self.board);
        self.stream
            .get_ref()
            .set_read_timeout(Some(limit))
            .map_err(Failure::host(reading.clone()))?;
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => Ok(None),
            Ok(_) => {
                let text: Vec<u8> = line.into_iter().filter(|byte| *byte != 0xff).collect();
                Ok(Some(serde_json::from_slice(&text).unwrap_or(Value::Null)))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(None)
            }
            Err(source) => Err(Failure::Host {
                doing: reading,
                source,
            }),
        }
    }

    fn strange(&self, answer: &Value) -> Failure {
        Failure::Unexpected(format!("{}: the guest agent answered {answer}", self.board))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk
            .iter()
            .chain(&[0; 2])
            .take(3)
            .fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        for place in 0..4_usize {
            if place > chunk.len() {
                text.push('=');
                continue;
            }
            let shift = 18_usize.saturating_sub(place.saturating_mul(6));
            let index = usize::try_from((word >> shift) & 0x3f).unwrap_or_default();
            text.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'=')));
        }
    }

    text
}

fn base64_decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut word = 0_u32;
    let mut bits = 0_u32;
    for letter in text.bytes() {
        let Some(value) = ALPHABET.iter().position(|known| *known == letter) else {
            continue;
        };
        word = ((word << 6) | u32::try_from(value).unwrap_or_default()) & 0x00ff_ffff;
        bits = bits.saturating_add(6);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            bytes.push(u8::try_from((word >> bits) & 0xff).unwrap_or_default());
        }
    }

    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_any_length_survive_base64() {
        for length in 0..50_u8 {
            let bytes: Vec<u8> = (0..length)
                .map(|at| at.wrapping_mul(73).wrapping_add(length))
                .collect();

            assert_eq!(base64_decode(&base64_encode(&bytes)), bytes);
        }
        assert_eq!(base64_encode(b"ab"), "YWI=");
        assert_eq!(base64_encode(b"abc\xff"), "YWJj/w==");
    }
}
