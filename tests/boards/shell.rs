//! Lines from standard input, carried out on the boards: for looking around by hand.

use std::io::{BufRead, Write};
use std::time::Duration;

use crate::bench::Bench;
use crate::board::Board;
use crate::failure::{Failure, Outcome};
use crate::progress::say;

const LIMIT: Duration = Duration::from_secs(600);

/// Reads lines until standard input ends.
pub(crate) fn run(bench: &mut Bench) -> Outcome<()> {
    say("write `payer COMMAND` or `payee COMMAND`; the end of the input ends the boards");
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(Failure::host("read standard input"))?;
        let Some((name, command)) = line.trim().split_once(' ') else {
            continue;
        };
        let board = match name {
            "payer" => &mut bench.payer,
            "payee" => &mut bench.payee,
            _ => {
                say("begin with `payer` or `payee`");
                continue;
            }
        };
        let text = carry_out(board, command).unwrap_or_else(|failure| format!("{failure}\n"));
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .map_err(Failure::host("write to standard output"))?;
        out.flush()
            .map_err(Failure::host("write to standard output"))?;
    }

    Ok(())
}

fn carry_out(board: &mut Board, command: &str) -> Outcome<String> {
    match command {
        "!freeze" => board.freeze()?,
        "!resume" => board.resume()?,
        "!cut" => board.cut_power()?,
        "!boot" => board.boot()?,
        _ => {
            let output = board.run(command, LIMIT)?;
            return Ok(format!(
                "{}{}[{}]\n",
                output.stdout, output.stderr, output.code
            ));
        }
    }

    Ok(format!("{command} done\n"))
}
