//! `blepay man`: the man pages, from the same grammar as the help.

use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::args::{Cli, Man as Args};
use crate::failure::Failure;
use crate::help::EXIT_CODES;
use crate::terminal::Terminal;

pub(crate) fn run(terminal: &mut Terminal, args: Args) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &args.folder else {
        return terminal.bytes(&page(&command)?);
    };
    let mut written = 0_usize;
    write(folder, "blepay.1", &page(&command)?)?;
    for sub in command.get_subcommands() {
        if sub.is_hide_set() || sub.get_name() == "help" {
            continue;
        }
        let name = format!("blepay-{}.1", sub.get_name());
        write(folder, &name, &page(sub)?)?;
        written = written.saturating_add(1);
    }
    terminal.note(&format!(
        "Wrote blepay.1 and {written} pages of its commands into {}.",
        folder.display()
    ));

    Ok(())
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    let mut exit_codes = Roff::new();
    exit_codes.control("SH", ["EXIT STATUS"]);
    exit_codes.control("nf", []);
    for line in EXIT_CODES.lines().skip(1) {
        exit_codes.text([roman(line)]);
    }
    exit_codes.control("fi", []);
    exit_codes.to_writer(&mut page)?;

    Ok(page)
}

fn write(folder: &Path, name: &str, page: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);

    std::fs::write(&path, page).map_err(|error| {
        let error = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        Failure::from(error)
    })
}
