//! Every bound of the TA, by name.

use std::time::Duration;

use ops_proto::limits::{CHAIN_STATEMENTS_MAX, STATUS_IDS_MAX};

/// Requests that may be open at a time.
pub const REQUESTS_OPEN_MAX: usize = 256;

/// Payments kept since the last token, whatever the certificate allows.
pub const PAYMENTS_KEPT_MAX: usize = 1024;

/// Operations kept until `Acknowledge`.
pub const OPERATIONS_KEPT_MAX: usize = 32;

/// Largest command on the socket, in bytes.
pub const COMMAND_SIZE_MAX: usize = 64 * 1024;

/// Largest answer on the socket, in bytes.
pub const ANSWER_SIZE_MAX: usize = 4 * 1024 * 1024;

/// Largest sealed state, in bytes.
pub const SLOT_SIZE_MAX: usize = 16 * 1024 * 1024;

/// How long a peer may take to send the rest of a frame that it began, or to read an answer.
pub const FRAME_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a client waits for an answer; others may be served before it.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);

/// How long the TPM may take for one command, and how long it may say that it is busy. A command asks
/// it three times, which fits into what a client waits.
pub const TPM_TIME_MAX: Duration = Duration::from_secs(8);

const _: () = {
    assert!(REQUESTS_OPEN_MAX <= STATUS_IDS_MAX);
    assert!(PAYMENTS_KEPT_MAX < CHAIN_STATEMENTS_MAX);
    // The largest operations are a status of 64 KiB and a command.
    assert!(OPERATIONS_KEPT_MAX * (64 * 1024 + COMMAND_SIZE_MAX) <= ANSWER_SIZE_MAX);
};
