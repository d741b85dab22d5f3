//! `blepay doctor`.

use api_types::client::Client;
use api_types::{Check, Doctor};

use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) async fn run(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let doctor = match client.get("/v1/doctor").await {
        Ok(doctor) => doctor,
        Err(error) => no_daemon(&error),
    };
    let text: String = doctor.checks.iter().map(line).collect();
    terminal.data(&doctor, &text)?;
    let bad = doctor.checks.iter().filter(|check| !check.good).count();
    if bad > 0 {
        return Err(Failure::refused(
            "not-healthy",
            format!("{bad} of {} checks failed", doctor.checks.len()),
            if bad > 1 {
                "start with the first"
            } else {
                "do what it says"
            },
        ));
    }

    Ok(())
}

fn no_daemon(error: &api_types::client::ClientError) -> Doctor {
    let body = error.body();

    Doctor {
        checks: vec![Check {
            name: "daemon".to_owned(),
            good: false,
            found: body.message,
            hint: Some(body.hint),
        }],
    }
}

fn line(check: &Check) -> String {
    let mark = if check.good { "ok  " } else { "BAD " };
    let hint = check
        .hint
        .as_ref()
        .filter(|_| !check.good)
        .map(|hint| format!("        → {hint}\n"))
        .unwrap_or_default();

    format!("{mark}  {:<10}  {}\n{hint}", check.name, check.found)
}
