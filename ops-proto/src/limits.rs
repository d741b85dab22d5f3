//! Every bound of what is signed, by name.

/// Largest wire size of one signed message, in bytes; also the largest message between two devices.
pub const MESSAGE_SIZE_MAX: usize = 4096;

/// Largest amount, in minor units: 10^15, so that a million of them still fit 64 bits.
pub const AMOUNT_MAX: u64 = 1_000_000_000_000_000;

/// Largest name of a subject, in bytes of UTF-8.
pub const NAME_SIZE_MAX: usize = 32;

/// Most marks in a row that a text puts on one character: no script of people needs more, and more reach over what stands
/// above and below.
pub const MARKS_MAX: usize = 4;

/// Largest memo of a request, in bytes of UTF-8.
pub const MEMO_SIZE_MAX: usize = 64;

/// Deny-list versions that a request may state beside the root's.
pub const LISTS_HELD_MAX: usize = 8;

/// Pairs of payment and request in one claim or report.
pub const BATCH_PAIRS_MAX: usize = 500;

/// Request ids that one status may list as collected, or as open, or that may be closed by it.
pub const STATUS_IDS_MAX: usize = 1024;

/// Statements handed in with one status.
pub const CHAIN_STATEMENTS_MAX: usize = 4096;

/// Pairs in one answer of a mailbox.
pub const MAILBOX_PAIRS_MAX: usize = 64;

/// Payments in one answer on what was credited.
pub const CREDITED_PAYMENTS_MAX: usize = 256;

/// Payments of those that are wanted whole at a time.
pub const CREDITED_PAIRS_MAX: usize = 32;

/// Answers that one device hands in at a time after a restore of the server.
pub const REMEMBERED_ITEMS_MAX: usize = 64;

/// Settlements in one answer to a provider that was restored.
pub const SETTLEMENTS_MAX: usize = 256;

/// Entries of one provider's deny-list, in all its pieces.
pub const DENY_LIST_ENTRIES_MAX: usize = 10_000;

/// Entries in one signed piece of a deny-list, so that it fits 3 KiB.
pub const DENY_PIECE_ENTRIES_MAX: usize = 72;

/// Providers in the root's directory, so that it fits 3 KiB.
pub const DIRECTORY_PROVIDERS_MAX: usize = 28;

/// Pieces of deny-lists in one answer of a server.
pub const LISTS_UPDATE_PIECES_MAX: usize = 64;

/// Wrong PINs until it blocks.
pub const PIN_TRIES_MAX: u8 = 5;

/// Fewest digits of a PIN.
pub const PIN_DIGITS_MIN: usize = 4;

/// Most digits of a PIN.
pub const PIN_DIGITS_MAX: usize = 12;

/// Longest validity of a request, in milliseconds: 30 days.
pub const VALIDITY_MS_MAX: u64 = 30 * 24 * 3600 * 1000;

/// How far a request's `issued` may lie before the payer's last token, in milliseconds: one day.
pub const ISSUED_BEFORE_TOKEN_MS_MAX: u64 = 24 * 3600 * 1000;

const _: () = {
    assert!(AMOUNT_MAX < u64::MAX / 10_000);
    assert!(MEMO_SIZE_MAX < MESSAGE_SIZE_MAX);
    assert!(CREDITED_PAIRS_MAX <= CREDITED_PAYMENTS_MAX);
};
