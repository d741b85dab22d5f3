//! `blepay`: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    blepayd::cli::main(std::env::args_os())
}
