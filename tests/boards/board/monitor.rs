//! The machine's monitor: freeze and continue a board from outside.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};

const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const EVENTS_MAX: usize = 100;

/// Carries out one monitor command without arguments, such as `stop` or `cont`.
pub(crate) fn execute(socket: &Path, name: &str) -> Outcome<()> {
    let doing = || format!("tell the machine's monitor to {name}");
    let stream = UnixStream::connect(socket).map_err(Failure::host(doing()))?;
    stream
        .set_read_timeout(Some(ANSWER_LIMIT))
        .map_err(Failure::host(doing()))?;
    let mut stream = BufReader::new(stream);

    for command in ["qmp_capabilities", name] {
        let line = format!("{}\n", json!({ "execute": command }));
        stream
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(Failure::host(doing()))?;
        wait_for_return(&mut stream, &doing())?;
    }

    Ok(())
}

fn wait_for_return(stream: &mut BufReader<UnixStream>, doing: &str) -> Outcome<()> {
    // The greeting and events come in between.
    for _ in 0..EVENTS_MAX {
        let mut line = String::new();
        stream.read_line(&mut line).map_err(Failure::host(doing))?;
        let answer: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        if answer.get("return").is_some() {
            return Ok(());
        }
        if answer.get("error").is_some() || line.is_empty() {
            return Err(Failure::Unexpected(format!("{doing}: {line}")));
        }
    }

    Err(Failure::Unexpected(format!(
        "{doing}: only events, no answer"
    )))
}
