//! `blepay demo`.

use super::args::Demo;
use super::failure::Failure;
use super::terminal::Terminal;

pub(super) async fn run(terminal: &mut Terminal, args: Demo) -> Result<(), Failure> {
    let _ = (terminal, args);
    Ok(())
}
