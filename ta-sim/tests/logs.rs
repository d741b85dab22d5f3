//! What the logs say, and what they never do.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use ops_proto::contract::{Command, Pin};
use tracing_subscriber::EnvFilter;

use crate::world::{Bank, Device, NOW};

#[test]
fn the_transcript_tells_every_step_in_the_papers_notation() {
    let told = record("ops=debug", run);

    for step in [
        "T.bal ← T.bal + x",
        "T.bal ← T.bal − x",
        "P = Sign_T(R, x, T.j)",
        "ReceivedPayment = Sign_T(H(P))",
        "x=1250",
        "bal=3750",
    ] {
        assert!(told.contains(step), "{step} is missing in\n{told}");
    }
}

#[test]
fn the_log_shows_no_amount_by_default_and_no_key_or_pin_ever() {
    let by_default = record("info", run);
    let everything = record("trace", run);

    assert!(by_default.contains("P = Sign_T"));
    assert!(!by_default.contains("1250"));
    assert!(!by_default.contains("3750"));
    assert!(!everything.contains("987654"));
    let debug = format!("{:?}", Device::certified(1, &Bank::new(1)).ta);
    assert!(debug.contains("ta: SecretKey([redacted])"));
    assert!(debug.contains("SealingKey([redacted])"));
    assert!(!by_default.contains("ERROR"));
}

fn run() {
    let bank = Bank::new(1);
    let mut payer = Device::funded(1, &bank, 5_000);
    let mut payee = Device::certified(2, &bank);
    let request = payee.request(1_250);
    payer
        .ask(Command::Pay {
            request: request.clone(),
            payee_provider: bank.certificate.clone(),
            now: NOW,
            pin: Some(Pin::new("987654".into())),
        })
        .expect("it has money");
    let pair = payer.pay(&bank, &request).expect("it is paid already");
    payee.collect(&bank, &pair).expect("the id is open");
}

fn record(filter: &str, run: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = log.0.lock().expect("nobody panicked").clone();

    String::from_utf8(bytes).expect("logs are text")
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend(bytes);

        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
