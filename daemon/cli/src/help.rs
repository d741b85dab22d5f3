//! What the help says below the options: examples of each command, and what an exit code means.

/// What follows the list of commands, and the section of the man page.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  refused: the message says why; nothing has moved
  2  the command line is wrong
  3  the daemon does not answer, or you may not use it
  4  OUTCOME UNKNOWN, or done and not written: ask `blepay history` or `blepay status`, do not repeat
  5  nobody to pay, nobody who paid, or no time left; nothing has moved
  6  you said no; nothing has moved";

pub(super) const OVERVIEW: &str = "\
Examples:
  blepay init shop.enrol         enrol with a provider
  blepay deposit 50.00           online: from the account onto the device
  blepay request 12.50           the payee: ask for a payment
  blepay pay                     the payer: who, how much, code: approve

Exit codes:
  0  done, or nothing to do
  1  refused: the message says why; nothing has moved
  2  the command line is wrong
  3  the daemon does not answer, or you may not use it
  4  OUTCOME UNKNOWN, or done and not written: ask `blepay history` or `blepay status`, do not repeat
  5  nobody to pay, nobody who paid, or no time left; nothing has moved
  6  you said no; nothing has moved";

pub(super) const INIT: &str = "\
Examples:
  blepay init shop.enrol
  blepay init shop.enrol --name \"Ferry Café\"
  blepay init till.enrol --payee-without-ta

The file names the server and the root of the money: get it in a way you trust. Without a
network the wallet is made now and registered when the network is there.";

pub(super) const DEPOSIT: &str = "\
Examples:
  blepay deposit 50.00

If the server does not answer, the deposit stays open (exit code 4) and the daemon finishes it.";

pub(super) const WITHDRAW: &str = "\
Examples:
  blepay withdraw 50.00
  blepay withdraw --all --wait

The device is debited first. If the provider does not answer, the withdrawal stays open (exit
code 4): the daemon repeats it until it is booked, and the provider never refuses it.";

pub(super) const RETIRE: &str = "\
Examples:
  blepay retire
  blepay retire --yes --json

The trusted application signs its last statement; what it holds is paid to the online account at
once. For a new one in its place:
  sudo systemctl stop blepay-ta.socket blepay-ta
  sudo mv /var/lib/blepay-ta /var/lib/blepay-ta.ended
  sudo systemctl start blepay-ta.socket
The daemon registers it by itself when the server can be reached.";

pub(super) const RECOVER: &str = "\
Examples:
  blepay recover
  blepay recover --yes --json

For a trusted application that is lost, broken or rolled back; one that works: blepay retire. What
it held waits at the provider until its certificate and the time for claims are over; blepay
status says from when it is paid. For a new one in its place:
  sudo systemctl stop blepay-ta.socket blepay-ta
  sudo mv /var/lib/blepay-ta /var/lib/blepay-ta.ended
  sudo systemctl start blepay-ta.socket
The daemon registers it by itself when the server can be reached.";

pub(super) const REQUEST: &str = "\
Examples:
  blepay request 12.50 --memo \"two tickets\"
  blepay request 12.50 --uri --wait      show a QR code and wait for the payment
  blepay request 12.50 --wait --keep     leave it open when the waiting ends
  blepay request --list
  blepay request --cancel 17
  blepay request --cancel --all";

pub(super) const PAY: &str = "\
Examples:
  blepay pay                             choose among who is near
  blepay pay \"Ferry Café\" --amount 12.50
  blepay pay blepay:AEBAG… --amount 12.50 --yes    scanned, and the sum is said: nothing left to ask
  scanner | blepay pay - --amount 12.50 --yes      the URI from stdin, not in the list of processes

Compare the six-digit code with the payee's screen before you say yes. If the payee does
not answer, the outcome is unknown (exit code 4): do not pay again, it settles online.";

pub(super) const POLICY: &str = "\
Examples:
  blepay policy
  blepay policy trust 3b6a27…29 --name Ferry --daily 20.00
  blepay policy forget Ferry

A payee that is merely heard is never paid without confirmation. A scanned code is, with --yes, for
the sum that --amount says, and without --amount only up to what the owner allowed for a day:
scanned_daily_max in /etc/blepay/blepayd.toml, nothing unless it is set.";
