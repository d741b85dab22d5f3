//! The demo's command line. That the demo itself adds up is what `cargo verify demo` looks at.

use std::process::Command;

#[test]
fn help_shows_how_to_call_it_and_a_wrong_word_changes_nothing() {
    let run = |argument: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_blepay-demo"));
        program.arg(argument).output().expect("it runs")
    };

    let help = run("--help");
    let wrong = run("--everything");

    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("cargo demo -- --full"));
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--everything"));
}
