//! The command line's grammar; completions and man pages are generated from it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::help::{DEPOSIT, INIT, OVERVIEW, PAY, POLICY, RECOVER, REQUEST, RETIRE, WITHDRAW};
use super::protection_args::{PIN, Pin, REFUND, Refund};
use super::when::seconds;

/// Where the daemon listens unless told otherwise.
pub const SOCKET_DEFAULT: &str = "/run/blepay/api.sock";

/// Pay the person in front of you over Bluetooth LE, offline; settle when the network is back.
#[derive(Debug, Parser)]
#[command(name = "blepay", version, after_help = OVERVIEW, max_term_width = 100)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Write JSON on stdout, errors too
    #[arg(long, global = true)]
    pub json: bool,
    /// Never ask; fail where an answer would be needed
    #[arg(long, global = true)]
    pub no_input: bool,
    /// Socket of the daemon
    #[arg(long, global = true, value_name = "PATH", env = "BLEPAY_SOCKET", default_value = SOCKET_DEFAULT)]
    pub socket: PathBuf,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enrol with a provider: who we are, and whose money it is
    #[command(after_help = INIT)]
    Init(Init),
    /// Show balance, account, radio and what has not reached the server
    #[command(
        after_help = "Examples:\n  blepay status\n  blepay status --json | jq .ta.balance.text"
    )]
    Status,
    /// Move money from the online account onto this device (online)
    #[command(after_help = DEPOSIT)]
    Deposit(Deposit),
    /// Move money from this device back to the online account (online)
    #[command(after_help = WITHDRAW)]
    Withdraw(Withdraw),
    /// Ask for a payment, and show the code or QR code of it
    #[command(after_help = REQUEST)]
    Request(Request),
    /// Show who asks for payment near here, and for how much
    #[command(after_help = "Examples:\n  blepay nearby\n  blepay nearby --timeout 10 --json")]
    Nearby(Nearby),
    /// Pay: shows who, how much and the code, then asks
    #[command(after_help = PAY)]
    Pay(Pay),
    /// List payments, newest first
    #[command(after_help = "Examples:\n  blepay history\n  blepay history --limit 5 --json")]
    History(History),
    /// Show one payment or request
    #[command(
        after_help = "Examples:\n  blepay show 5f0c3a\n\nAny unambiguous beginning of an id will do."
    )]
    Show(Show),
    /// Write a payment, its request and its receipt, for anyone to verify offline
    #[command(after_help = "Examples:\n  blepay receipt 5f0c3a > receipt.json")]
    Receipt(Show),
    /// Ask for money of a payment back, from whoever received it
    #[command(after_help = REFUND)]
    Refund(Refund),
    /// Set or change the PIN that payments ask for
    #[command(after_help = PIN)]
    Pin(Pin),
    /// Show the deny-lists on this device: whom nobody may pay or be paid by
    #[command(after_help = "Examples:\n  blepay lists\n  blepay lists --json")]
    Lists,
    /// Carry everything to the server now, instead of when the network returns
    #[command(
        after_help = "Examples:\n  blepay sync\n\nThe daemon does this by itself when the network is back."
    )]
    Sync,
    /// End the trusted application, and pay what it holds to the online account (online)
    #[command(after_help = RETIRE)]
    Retire(End),
    /// Report a trusted application dead that will never work again
    #[command(after_help = RECOVER)]
    Recover(End),
    /// Configure payments that need no confirmation
    #[command(after_help = POLICY)]
    Policy(Policy),
    /// Name a payee that may be paid without confirmation (same as `policy trust`)
    #[command(after_help = "Examples:\n  blepay trust 3b6a27…29 --name \"Ferry\" --daily 20.00")]
    Trust(Trust),
    /// Show what happens, as it happens, until interrupted
    #[command(after_help = "Examples:\n  blepay watch\n  blepay watch --json")]
    Watch(Watch),
    /// Look for what is wrong and say what to do
    #[command(after_help = "Examples:\n  blepay doctor")]
    Doctor,
    /// Break a link on the simulated radio (for tests)
    #[command(hide = true)]
    Radio(Radio),
    /// Write shell completions
    #[command(after_help = "Examples:\n  blepay completions bash > /etc/bash_completion.d/blepay")]
    Completions(Completions),
    /// Write the man pages into a folder
    #[command(after_help = "Examples:\n  blepay man /usr/share/man/man1")]
    Man(Man),
}

/// `blepay init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The provider's enrolment file (`blepay-server enrol`); `-` reads stdin
    #[arg(value_name = "FILE")]
    pub enrolment: PathBuf,
    /// Name that people will see, at most 32 bytes [default: this machine's]
    #[arg(long)]
    pub name: Option<String>,
    /// Make a receive-only wallet, without a trusted application
    #[arg(long)]
    pub payee_without_ta: bool,
}

/// `blepay deposit`.
#[derive(Debug, Args)]
pub struct Deposit {
    /// How much, such as 50.00
    #[arg(allow_hyphen_values = true)]
    pub amount: String,
}

/// `blepay withdraw`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("how_much").required(true).args(["amount", "all"])))]
pub struct Withdraw {
    /// How much, such as 50.00
    #[arg(allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// All that the device holds
    #[arg(long)]
    pub all: bool,
    /// Wait until the provider has booked it, however long the network is away
    #[arg(long)]
    pub wait: bool,
    /// Stop waiting after this time; the withdrawal goes on
    #[arg(long, value_name = "TIME", value_parser = seconds, requires = "wait")]
    pub timeout: Option<u64>,
}

/// `blepay retire`, `blepay recover`.
#[derive(Debug, Args)]
pub struct End {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `blepay request`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["amount", "list", "cancel"])))]
pub struct Request {
    /// How much to ask for, such as 12.50
    #[arg(allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// What it is for, at most 64 bytes; the payer sees it after choosing
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        requires = "amount"
    )]
    pub memo: String,
    /// How long it may be paid: 90s, 15m, 2h or 7d [default: 1d, with --wait 15m]
    #[arg(long, value_name = "TIME", value_parser = seconds, requires = "amount")]
    pub validity: Option<u64>,
    /// Open it only to whoever scans or types its URI, shown as a QR code; else whoever is near sees it
    #[arg(long, requires = "amount")]
    pub uri: bool,
    /// The id of an earlier request that this one replaces: whoever paid that one cannot pay this one
    #[arg(long, value_name = "ID", requires = "amount")]
    pub replaces: Option<String>,
    /// Wait until it is paid; when the waiting ends before (Ctrl-C, --timeout), it is cancelled
    #[arg(long, requires = "amount")]
    pub wait: bool,
    /// Stop waiting after this time
    #[arg(long, value_name = "TIME", value_parser = seconds, requires = "wait")]
    pub timeout: Option<u64>,
    /// Leave the request open when the waiting ends
    #[arg(long, requires = "wait")]
    pub keep: bool,
    /// Show every request of this wallet, and ask for nothing
    #[arg(long)]
    pub list: bool,
    /// Stop showing the request with this id, or --all that are open, and ask for nothing
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub cancel: Option<String>,
    /// With --cancel: every request that is open
    #[arg(long, requires = "cancel")]
    pub all: bool,
}

/// `blepay nearby`.
#[derive(Debug, Args)]
pub struct Nearby {
    /// How long to listen
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "5s")]
    pub timeout: u64,
}

/// `blepay pay`.
#[derive(Debug, Args)]
pub struct Pay {
    /// A `blepay:` URI (`-` reads it from stdin), or a payee near here: its name, key or tag. Without one: choose
    #[arg(value_name = "PAYEE")]
    pub payee: Option<String>,
    /// Refuse any other amount
    #[arg(long, allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// Approve without asking: a URI with --amount, a payee named by `blepay trust`, or what `blepay policy` allows
    #[arg(short, long, requires = "payee")]
    pub yes: bool,
    /// Read the PIN from this file instead of asking; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
    /// How long to look for the payee
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "30s")]
    pub timeout: u64,
}

/// `blepay history`.
#[derive(Debug, Args)]
pub struct History {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub limit: u64,
}

/// `blepay show`, `blepay receipt`.
#[derive(Debug, Args)]
pub struct Show {
    /// The id, or an unambiguous beginning of it
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `blepay policy`.
#[derive(Debug, Args)]
pub struct Policy {
    /// What to change; shows the policy without one.
    #[command(subcommand)]
    pub change: Option<PolicyChange>,
}

/// A change of the policy; each leaves the rest as it is.
#[derive(Debug, Subcommand)]
pub enum PolicyChange {
    /// Name a payee that may be paid without confirmation
    Trust(Trust),
    /// Take a payee's name away
    Forget {
        /// The payee's key, or the name you gave it
        payee: String,
    },
}

/// `blepay trust`.
#[derive(Debug, Args)]
pub struct Trust {
    /// The payee's key, 64 hex digits, as `nearby --json` and `history --json` show it
    #[arg(value_name = "KEY")]
    pub key: String,
    /// What you call it
    #[arg(long)]
    pub name: String,
    /// The largest sum in one day (UTC) without confirmation
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    pub daily: String,
}

/// `blepay watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Stop after this time
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<u64>,
}

/// `blepay radio`.
#[derive(Debug, Args)]
pub struct Radio {
    /// Break a link instead of sending the n-th frame on it, once; 1 is the first
    #[arg(long, value_name = "N")]
    pub cut_at_frame: u32,
}

/// `blepay completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell
    pub shell: clap_complete::Shell,
}

/// `blepay man`.
#[derive(Debug, Args)]
pub struct Man {
    /// An existing folder; without one the page of `blepay` itself is written to stdout
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::help::EXIT_CODES;

    #[test]
    fn the_grammar_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_and_man_page_name_the_same_exit_codes() {
        assert!(OVERVIEW.ends_with(EXIT_CODES));
    }

    #[test]
    fn every_example_of_the_help_is_understood() {
        let mut examples = 0;
        let mut cli = Cli::command();
        cli.build();
        let helps = cli.get_subcommands().map(clap::Command::get_after_help);
        let helps: Vec<_> = std::iter::once(cli.get_after_help()).chain(helps).collect();
        for help in helps.into_iter().flatten() {
            let text = help.to_string();
            for line in text.lines().filter(|line| line.starts_with("  blepay ")) {
                let words = words(line);
                let parsed = Cli::try_parse_from(&words);
                assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
                examples += 1;
            }
        }
        assert!(examples > 25, "{examples} examples");
    }

    /// Splits a line as a shell does, up to a pipe, a redirection or what explains it.
    fn words(line: &str) -> Vec<String> {
        let line = line.trim_start();
        let command = line.split("  ").next().unwrap_or(line);
        let command = command.split(" | ").next().unwrap_or(command);
        let command = command.split(" > ").next().unwrap_or(command);
        let mut words = vec![String::new()];
        let mut quoted = false;
        for letter in command.chars() {
            match letter {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                letter => words.last_mut().expect("one word").push(letter),
            }
        }
        words
    }

    #[test]
    fn yes_without_a_payee_is_refused() {
        assert!(Cli::try_parse_from(["blepay", "pay", "--yes"]).is_err());
        assert!(Cli::try_parse_from(["blepay", "pay", "Ferry", "--yes"]).is_ok());
    }

    #[test]
    fn a_negative_amount_reaches_the_parser_that_refuses_it_by_name() {
        let cli = Cli::try_parse_from(["blepay", "deposit", "-5"]).expect("clap lets it through");

        assert!(matches!(cli.command, Command::Deposit(Deposit { amount }) if amount == "-5"));
    }
}
