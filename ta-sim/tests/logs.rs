//! What the logs say, and what they never do.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use ops_proto::contract::{Command, Pin, TaRefused};

use crate::world::{Bank, Device, NOW};

#[test]
fn the_transcript_tells_every_step_in_the_papers_notation() {
    let told = record(run).join("\n");

    for step in [
        "T.bal ← T.bal + x",
        "T.bal ← T.bal − x",
        "P = Sign_T(R, x, T.j)",
        "ReceivedPayment = Sign_T(H(P))",
        "T.i ← T.i + 1; W = Sign_T(n, i, x)",
        "T: Verify(pk_S, ack) = 1; T.i closed",
        "Retire = Sign_T(n, i, j, bal, collected, nonce)",
        "T.pin ← H(salt, PIN)",
        "T.tries ← T.tries − 1",
        "x=1250",
        "bal=3750",
    ] {
        assert!(told.contains(step), "{step} is missing in\n{told}");
    }
}

#[test]
fn the_log_shows_amounts_at_debug_alone_and_no_pin_ever() {
    let lines = record(run);

    let mut shown = 0;
    for line in &lines {
        for pin in ["987654", "5566778", "0000"] {
            assert!(!line.contains(pin), "{line}");
        }
        assert!(!line.contains("ERROR"), "{line}");
        if ["1250", "3750", "3500"]
            .iter()
            .any(|sum| line.contains(sum))
        {
            assert!(line.starts_with("DEBUG"), "{line}");
            shown += 1;
        }
    }
    assert!(shown > 0);
}

#[test]
fn printing_a_ta_shows_no_secret() {
    let shown = format!("{:?}", Device::certified(1, &Bank::new(1)).ta);

    assert_eq!(shown.matches("SecretKey([redacted])").count(), 2);
    assert_eq!(shown.matches("SecretKey(").count(), 2);
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
    payer.set_pin(None, "5566778", 0).expect("none is set");
    let wrong = payer.set_pin(Some("0000"), "987654", 0);
    assert_eq!(wrong, Err(TaRefused::Pin));
    let order = payer.withdraw(250).expect("it has money");
    payer
        .acknowledge_withdrawal(&bank, &order)
        .expect("it fits");
    payer.retire(1).expect("nothing pends");
}

/// Runs something and returns all that this thread logged meanwhile.
///
/// The subscriber is one for all tests: one that comes and goes beside other threads misses events.
fn record(run: impl FnOnce()) -> Vec<String> {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .without_time()
            .with_writer(|| Log)
            .init();
    });
    LOG.set(Vec::new());
    run();
    let text = String::from_utf8(LOG.take()).expect("logs are text");

    text.lines().map(str::to_owned).collect()
}

thread_local! {
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend(bytes));

        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
