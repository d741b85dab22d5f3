//! The command line of `blepay-server`.

mod bench;
mod ca;
mod evidence;
mod lists;
mod office;
mod output;
mod positions;
mod run;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use ops_proto::{Currency, Name};

use crate::accept::AdminListen;
use crate::provider::{HexDigest, HexKey};
use crate::store::StoreAddress;

pub use self::bench::Bench;
pub use self::office::{BackupArgs, MeasurementCommand, RestoreArgs, StandingArgs};
pub use ca::{Ask, CaCommand, Certify, LimitArgs};
pub use evidence::EvidenceCommand;
pub use lists::ListsCommand;
pub use positions::{BookedTransfer, PeersCommand, Positions, PositionsCommand};
pub use run::execute;

/// The OPS server of a wallet provider: certificates, ledger and claims.
#[derive(Debug, Parser)]
#[command(name = "blepay-server", version, after_help = EXAMPLES)]
pub struct Cli {
    /// How log lines look on the error output
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "BLEPAY_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object each, for machines.
    Json,
}

const EXAMPLES: &str = "Examples:
  blepay-server init --data /var/lib/blepay-server --provider-name 'Ferry line' --currency EUR
  blepay-server run --data /var/lib/blepay-server
  blepay-server enrol --data /var/lib/blepay-server --out ferry.enrol
  blepay-server credit --data /var/lib/blepay-server --client Alice --amount 100.00 --reference inv-17
  blepay-server audit --data /var/lib/blepay-server

Exit codes: 0 done (or nothing to do), 1 not done, 2 wrong arguments, 3 the books do not balance.";

/// What `blepay-server` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a provider: root, keys, TLS and empty books; refuses to overwrite one
    #[command(after_help = "Example:
  blepay-server init --data ./data --provider-name 'Campus' --url https://pay.example:8443

The root's key signs providers and is needed for nothing else: move DATA/root.key offline.")]
    Init(Init),
    /// Answer devices over TLS until told to stop
    #[command(after_help = "Examples:
  blepay-server run --data ./data
  blepay-server run --data ./data --listen 127.0.0.1:0

Prints `listening ADDRESS` once it answers. SIGTERM lets requests that are under way end.
BLEPAY_LOG sets what is logged to the error output, such as info or blepay_server=debug.")]
    Run {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Where to listen instead of where server.toml says; port 0 is any that is free
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// Where administrators are answered: an address, or unix:PATH; on loopback at the next port when
        /// neither this nor server.toml names one
        #[arg(long, value_name = "ADDRESS")]
        admin_listen: Option<AdminListen>,
        /// The books, instead of where server.toml says: postgresql://USER@HOST/DATABASE
        #[arg(long, value_name = "URL")]
        store: Option<StoreAddress>,
        /// Run although PostgreSQL may lose payments that were answered when it crashes or is promoted
        #[arg(long)]
        allow_loss_of_answers: bool,
        /// Say that the clock is right although the books were last written to later by more than ten minutes: it
        /// was wrong then. Noted in the books
        #[arg(long)]
        accept_clock: bool,
    },
    /// Write the file with which devices enrol
    #[command(after_help = "Example:
  blepay-server enrol --data ./data --out campus.enrol && blepay init campus.enrol --name Alice

Who can change this file can take the money of whoever enrols with it.")]
    Enrol {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Where devices reach the server, instead of where server.toml says
        #[arg(long)]
        url: Option<String>,
        /// The file to write; the standard output when none is named
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Credit a client's online account with money that was paid in
    #[command(after_help = "Examples:
  blepay-server credit --data ./data --client Alice --amount 100.00 --reference invoice-17
  blepay-server credit --data ./data --client 5f0c…(64 hex digits) --amount 12.50 --reference 18 --json

The same reference again changes nothing, so that a credit can be repeated safely.")]
    Credit {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// The client's name, or its key where several have that name
        #[arg(long, value_name = "NAME_OR_KEY")]
        client: String,
        /// The amount, such as 100.00
        #[arg(long, allow_hyphen_values = true)]
        amount: String,
        /// What makes this credit one: the same reference is credited once
        #[arg(long, value_name = "TEXT")]
        reference: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show clients and what they have
    #[command(subcommand)]
    Account(AccountCommand),
    /// Show where all money is
    #[command(after_help = "Example:
  blepay-server ledger --data ./data --json")]
    Ledger {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON, in minor units
        #[arg(long)]
        json: bool,
    },
    /// Replay every entry and signature, and say whether the books balance or where not
    #[command(after_help = "Example:
  blepay-server audit --data ./data --json")]
    Audit {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Suspend a TA: no grants and no tokens, and its money waits; or a client: no TA, no new certificate
    #[command(after_help = "Example:
  blepay-server suspend 5f0c…(64 hex digits) --reason 'reported stolen' --data ./data")]
    Suspend(StandingArgs),
    /// Let a suspended TA or client live again, unless evidence convicts it or it is on the deny-list
    #[command(after_help = "Example:
  blepay-server unsuspend 5f0c…(64 hex digits) --reason 'found again' --data ./data")]
    Unsuspend(StandingArgs),
    /// Suspend a TA, or a client with its TAs, and put it on the deny-list, from which it does not come back
    #[command(after_help = "Example:
  blepay-server revoke 5f0c…(64 hex digits) --reason 'taken apart by a thief' --data ./data")]
    Revoke(StandingArgs),
    /// Write the books into a file while the server runs
    #[command(after_help = "Example:
  blepay-server backup --data ./data --out /mnt/safe/books-2031-05-01.backup

The file holds the books alone. Keys and server.toml stay in the data directory: copy them once, into
another safe. Books in PostgreSQL are written by pg_dump, in its custom format.")]
    Backup(BackupArgs),
    /// Put a backup back while the server does not run, and begin the server's next life
    #[command(after_help = "Example:
  blepay-server restore --data ./data --from /mnt/safe/books-2031-05-01.backup

What happened after the backup is sent again by the devices. Books that are newer are replaced with
--force only.")]
    Restore(RestoreArgs),
    /// Carry deny-lists between servers that do not reach each other
    #[command(subcommand)]
    Lists(ListsCommand),
    /// Show or change which TAs may be registered
    #[command(subcommand)]
    Measurement(MeasurementCommand),
    /// Measure claims a second against what the signatures alone allow
    #[command(after_help = bench::EXAMPLES)]
    Bench(Bench),
    /// Make a root, and certify providers with it
    #[command(subcommand)]
    Ca(CaCommand),
    /// Take payments of other providers' TAs
    #[command(subcommand)]
    Peers(PeersCommand),
    /// Show what other providers owe and are owed, and settle it
    #[command(after_help = "Examples:
  blepay-server positions --data ./data --json
  blepay-server positions settle Ferry --data ./data --amount 250.00 --reference transfer-117")]
    Positions(Positions),
    /// Show, export and check what convicts a TA
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Print the description of an API, in OpenAPI
    #[command(after_help = "Examples:
  blepay-server openapi          what devices and other providers use
  blepay-server openapi --admin  what administrators use")]
    Openapi {
        /// What administrators use
        #[arg(long)]
        admin: bool,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Manual {
        /// The directory
        directory: PathBuf,
    },
}

/// What a new provider is to be.
#[derive(Debug, Args)]
pub struct Init {
    /// The directory to make it in
    #[command(flatten)]
    data: Data,
    /// The name that people see, at most 32 bytes
    #[arg(long, default_value = "blepay provider")]
    provider_name: Name,
    /// The currency of everything, by its ISO 4217 code
    #[arg(long, default_value = "EUR")]
    currency: Currency,
    /// Where devices will reach the server
    #[arg(long, default_value = "https://127.0.0.1:8443")]
    url: String,
    /// Where the server will listen
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the books are to be: postgresql://USER@HOST/DATABASE; in the directory when not named
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The file with the public key of a root that is elsewhere: then the provider waits for its
    /// certificate; without one a root is made here
    #[arg(long, value_name = "FILE")]
    root_public: Option<PathBuf>,
    /// The OEM root whose devices are trusted, in hex; the published test root when none is named
    #[arg(long, value_name = "KEY")]
    oem_root: Option<HexKey>,
    /// A measurement of a TA that is allowed, in hex; the simulated TA's when none is named
    #[arg(long, value_name = "HASH")]
    measurement: Vec<HexDigest>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where the provider is.
#[derive(Debug, Args)]
pub struct Data {
    /// The data directory
    #[arg(
        long = "data",
        value_name = "DIR",
        env = "BLEPAY_SERVER_DATA",
        default_value = "/var/lib/blepay-server"
    )]
    data: PathBuf,
}

/// What can be shown of clients.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Show all clients
    #[command(after_help = "Example:
  blepay-server account list --data ./data --json")]
    List {
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON, in minor units
        #[arg(long)]
        json: bool,
    },
    /// Show one client
    #[command(after_help = "Example:
  blepay-server account show Alice --data ./data --json")]
    Show {
        /// The client's name, or its key where several have that name
        #[arg(value_name = "NAME_OR_KEY")]
        client: String,
        /// The data directory that `init` made
        #[command(flatten)]
        data: Data,
        /// Print JSON, in minor units
        #[arg(long)]
        json: bool,
    },
}

/// Returns the command line as it is described, for completions and manual pages.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}
