//! `blepay`: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    blepay::main(std::env::args_os())
}
