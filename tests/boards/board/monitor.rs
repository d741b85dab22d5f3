//! The machine's monitor: freeze and continue a board from outside, keep its state and take it up.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::process::wait_until;

const ANSWER_LIMIT: Duration = Duration::from_secs(100);
const STATE_LIMIT: Duration = Duration::from_secs(100);
const EVENTS_MAX: usize = 100;

/// Carries out one monitor command and returns its answer.
pub(super) fn execute(socket: &Path, name: &str, arguments: &Value) -> Outcome<Value> {
    let doing = || format!("tell the machine's monitor to {name}");
    let stream = UnixStream::connect(socket).map_err(Failure::host(doing()))?;
    stream
        .set_read_timeout(Some(ANSWER_LIMIT))
        .map_err(Failure::host(doing()))?;
    let mut stream = BufReader::new(stream);

    let mut answer = Value::Null;
    for (command, arguments) in [("qmp_capabilities", &json!({})), (name, arguments)] {
        let line = format!(
            "{}\n",
            json!({ "execute": command, "arguments": arguments })
        );
        stream
            .get_mut()
            .write_all(line.as_bytes())
            .map_err(Failure::host(doing()))?;
        answer = wait_for_return(&mut stream, &doing())?;
    }

    Ok(answer)
}

/// Writes the state of a stopped machine into a file; its memory is in another one already.
pub(super) fn keep_state(socket: &Path, file: &Path) -> Outcome<()> {
    leave_memory_alone(socket)?;
    let to = format!("exec:cat > '{}'", file.display());
    execute(socket, "migrate", &json!({ "uri": to }))?;

    wait_until_moved(socket)
}

/// Lets a machine that waits for it take up a state from a file.
pub(super) fn take_up_state(socket: &Path, file: &Path) -> Outcome<()> {
    leave_memory_alone(socket)?;
    let from = format!("exec:cat '{}'", file.display());
    execute(socket, "migrate-incoming", &json!({ "uri": from }))?;

    wait_until_moved(socket)
}

fn leave_memory_alone(socket: &Path) -> Outcome<()> {
    let alone = json!([{ "capability": "x-ignore-shared", "state": true }]);
    execute(
        socket,
        "migrate-set-capabilities",
        &json!({ "capabilities": alone }),
    )?;

    Ok(())
}

fn wait_until_moved(socket: &Path) -> Outcome<()> {
    wait_until("the machine's state is moved", STATE_LIMIT, || {
        let told = execute(socket, "query-migrate", &json!({}))?;
        match told.get("status").and_then(Value::as_str) {
            Some("completed") => Ok(Some(())),
            Some("failed" | "cancelled") => Err(Failure::Unexpected(format!(
                "the machine's state could not be moved: {told}"
            ))),
            Some(_) | None => Ok(None),
        }
    })
}

fn wait_for_return(stream: &mut BufReader<UnixStream>, doing: &str) -> Outcome<Value> {
    // The greeting and events come in between.
    for _ in 0..EVENTS_MAX {
        let mut line = String::new();
        stream.read_line(&mut line).map_err(Failure::host(doing))?;
        let mut answer: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        if let Some(value) = answer.get_mut("return") {
            return Ok(value.take());
        }
        if answer.get("error").is_some() || line.is_empty() {
            return Err(Failure::Unexpected(format!("{doing}: {line}")));
        }
    }

    Err(Failure::Unexpected(format!(
        "{doing}: only events, no answer"
    )))
}
