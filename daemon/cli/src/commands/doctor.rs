//! `blepay doctor`.

use api_types::client::Client;
use api_types::{Check, Doctor};

use crate::failure::{Exit, Failure};
use crate::terminal::{ASKING, Terminal};

pub(crate) async fn run(client: &Client, terminal: &mut Terminal) -> Result<(), Failure> {
    let asked = terminal.patient(ASKING, client.get("/v1/doctor")).await;
    let (doctor, exit): (Doctor, Exit) = match asked {
        Ok(doctor) => (doctor, Exit::Refused),
        Err(error) => (no_daemon(&error), Failure::from(error).exit),
    };
    let text: String = doctor.checks.iter().map(line).collect();
    terminal.data(&doctor, &text)?;
    let bad = doctor.checks.iter().filter(|check| !check.good).count();
    if bad == 0 {
        return Ok(());
    }
    let message = format!("{bad} of {} checks failed", doctor.checks.len());
    let hint = if bad > 1 {
        "start with the first"
    } else {
        "do what it says"
    };

    // what is bad stands in the one document that a program reads
    Err(Failure::new(exit, "not-healthy", message, hint).for_people_alone())
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

    format!("{mark}  {:<12}  {}\n{hint}", check.name, check.found)
}
