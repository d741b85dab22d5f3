//! The grammar of what protects a wallet: PIN and refunds.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::when::seconds;

/// `blepay pin`.
#[derive(Debug, Args)]
pub struct Pin {
    /// What to do.
    #[command(subcommand)]
    pub change: PinChange,
}

/// What to do with the PIN.
#[derive(Debug, Subcommand)]
pub enum PinChange {
    /// Set a PIN where there is none
    Set(PinOptions),
    /// Put another PIN in its place, or change when it is asked for
    Change(PinOptions),
}

/// Options of both.
#[derive(Debug, Args)]
pub struct PinOptions {
    /// Ask for it only once the payments since the last PIN exceed this sum, such as 20.00
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    pub ask_above: Option<String>,
    /// Read the PIN from this file instead of asking; `change` reads the old one first, a line each;
    /// `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub pin_file: Option<PathBuf>,
}

/// `blepay refund`.
#[derive(Debug, Args)]
pub struct Refund {
    /// The payment that you made, or an unambiguous beginning of its id
    #[arg(value_name = "PAYMENT")]
    pub payment: String,
    /// How much of it, such as 5.00 [default: all that is left]
    #[arg(allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// Only for who scans or types its URI; shows it as a QR code
    #[arg(long)]
    pub uri: bool,
    /// Wait until it is paid
    #[arg(long)]
    pub wait: bool,
    /// Stop waiting after this time; the request stays open
    #[arg(long, value_name = "TIME", value_parser = seconds, requires = "wait")]
    pub timeout: Option<u64>,
}

/// What follows the help of `blepay pin`.
pub(super) const PIN: &str = "\
Examples:
  blepay pin set
  blepay pin set --ask-above 20.00
  blepay pin change --pin-file /run/keys/pins

The PIN goes to the trusted application and is kept nowhere else. Five wrong ones block it.";

/// What follows the help of `blepay refund`.
pub(super) const REFUND: &str = "\
Examples:
  blepay refund 5f0c3a                   ask for all of it back
  blepay refund 5f0c3a 5.00 --wait

Run it on the wallet that paid. Whoever received the payment pays this request as any other;
never more than the payment comes back.";
