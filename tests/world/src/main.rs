//! What `cargo sim` runs.

use std::process::ExitCode;

#[cfg(blepay_world)]
fn main() -> ExitCode {
    world::main()
}

#[cfg(not(blepay_world))]
fn main() -> ExitCode {
    use std::io::Write as _;

    // whoever closed our error output does not want to hear it
    let _unheard = writeln!(std::io::stderr(), "error: `cargo sim` builds and runs this");

    ExitCode::FAILURE
}
