//! Every bound of the server, by name.

use std::time::Duration;

use ops_proto::limits::{BATCH_PAIRS_MAX, CHAIN_STATEMENTS_MAX, LISTS_HELD_MAX, MESSAGE_SIZE_MAX};

/// How long a challenge may be answered.
pub const CHALLENGE_LIFE_MS: u64 = 5 * 60 * 1000;

/// Challenges stored at a time; one more pushes the oldest out, so that a flood shuts nobody out. There
/// is no bound for each key: anybody may ask for a key, and would push its owner's out.
pub const CHALLENGES_MAX: i64 = 100_000;

/// Largest body of a message about one thing, in bytes.
pub const BODY_SIZE_MAX: usize = MESSAGE_SIZE_MAX;

/// Largest pair on the wire: both messages with their lengths, in bytes.
const PAIR_SIZE_MAX: usize = 2 * (1024 + 2);

/// Largest body of a batch, in bytes.
pub const BATCH_SIZE_MAX: usize = BATCH_PAIRS_MAX * PAIR_SIZE_MAX + LISTS_HELD_MAX * (512 + 2) + 8;

/// Largest body of a status order: the chain (payments are its largest statements) and the status.
pub const STATUS_SIZE_MAX: usize = CHAIN_STATEMENTS_MAX * (PAIR_SIZE_MAX + 1) + 64 * 1024 + 8;

/// Largest body of what a device remembers, in bytes.
pub const REMEMBERED_SIZE_MAX: usize = 512 * 1024;

/// Bodies larger than [`BODY_SIZE_MAX`] that are read, checked or booked at a time, in KiB all together.
pub const LARGE_BODIES_KIB_MAX: usize = 40 * 1024;

/// How much of them may be one host's; more of it waits for its own.
pub const LARGE_BODIES_KIB_PER_HOST_MAX: usize = 10 * 1024;

/// How long a large body waits for room; after that its sender is told to come back.
pub const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// What a body may take however small it is; a peer that falls behind [`BODY_RATE_MIN`] by that is cut.
pub const BODY_GRACE: Duration = Duration::from_secs(5);

/// How fast a body has to arrive, in bytes a second.
pub const BODY_RATE_MIN: u64 = 16 * 1024;

/// Bytes of a body beyond its bound that are read and thrown away before it is refused.
pub const BODY_SURPLUS_MAX: usize = 1024 * 1024;

/// Connections of one host at a time.
pub const CONNECTIONS_PER_HOST_MAX: usize = 128;

/// Connections at a time.
pub const CONNECTIONS_MAX: usize = 1024;

/// Requests at a time; more are told to come back.
pub const REQUESTS_MAX: usize = 256;

/// Pairs in one answer of a mailbox, so that it is never larger than its message may be.
pub const MAILBOX_PAGE: i64 = 32;

/// Requests of one host at a time; more of it are told to come back.
pub const REQUESTS_PER_HOST_MAX: usize = 32;

/// A key may sign as many messages in a second as a host may send, divided by this.
pub const KEYS_PER_HOST: u32 = 4;

/// Requests on one HTTP/2 connection at a time.
pub const STREAMS_MAX: u32 = 32;

/// Messages that wait for the writer; more are told to come back.
pub const QUEUE_MAX: usize = 512;

/// Messages in one transaction.
pub const GROUP_MAX: usize = 64;

/// Statements, pairs and other items in one transaction of messages that are not heavy.
pub const GROUP_WEIGHT_MAX: usize = 1024;

/// Items from which on a message is heavy, and is booked alone after a group of others: chains alone are so long.
pub const HEAVY_WEIGHT_MIN: usize = 512;

/// Heavy messages that wait for the writer; more are told to come back.
pub const HEAVY_WAITING_MAX: usize = 32;

/// Certificates whose signatures are remembered to fit; 32 bytes each.
pub const CERTIFICATES_SEEN_MAX: usize = 256 * 1024;

/// Keys that are kept prepared; about 300 bytes each.
pub const KEYS_SEEN_MAX: usize = 32 * 1024;

/// How far a server's clock may lie before what the books know, in milliseconds. It is as far as entries'
/// instants may fall.
pub const CLOCK_BEHIND_MS_MAX: u64 = 10 * 60 * 1000;

/// How long the books may take to answer a probe before they count as hung.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the outcome of a probe counts; nobody has the books written to more often by asking.
pub const PROBE_AGE_MAX: Duration = Duration::from_secs(1);

/// What a probe writes, in bytes; and what it writes after messages were not booked, so that a disk that is full
/// is not taken for one that has room.
pub const PROBE_SIZE: usize = 64;
/// See [`PROBE_SIZE`].
pub const PROBE_SIZE_AFTER_FAILURE: usize = 1024 * 1024;

/// How long before its end a certificate is warned of, in days.
pub const CERTIFICATE_WARNING_DAYS: u64 = 90;

/// How often such a warning is logged.
pub const CERTIFICATE_WARNING_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// How often a transaction is tried that others beside it keep from taking effect.
pub const ATTEMPTS_MAX: u32 = 10;

/// The shortest and the longest pause between two of them.
pub const PAUSE_MIN: Duration = Duration::from_millis(1);
/// See [`PAUSE_MIN`].
pub const PAUSE_MAX: Duration = Duration::from_millis(250);

/// How long a request may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a TLS handshake, or a request's head, may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may stay without a request.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long requests that are under way may take when the server stops.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Connections of administrators at a time.
pub const ADMIN_CONNECTIONS_MAX: usize = 32;

/// Admin requests at a time; each opens the books beside the writer.
pub const ADMIN_REQUESTS_MAX: usize = 4;

/// Largest body of an admin request, in bytes.
pub const ADMIN_BODY_SIZE_MAX: usize = 16 * 1024;

/// Wrong tokens that one host may send in a second.
pub const ADMIN_WRONG_TOKENS_PER_SECOND: u32 = 5;

/// Faults of an audit that the admin API shows.
pub const AUDIT_FAULTS_SHOWN_MAX: usize = 100;

/// Addresses whose rate is remembered.
pub const ADDRESSES_MAX: usize = 10_000;

/// Largest body with which another provider presents payments, in bytes.
pub const FORWARD_SIZE_MAX: usize = 1024 * 1024;

/// Pairs presented or handed over to another provider at a time.
pub const PEER_PAIRS_MAX: usize = 500;

/// How often to look for something to say to other providers.
pub const OUTBOX_INTERVAL: Duration = Duration::from_millis(500);

/// How long to leave another provider alone that was not understood once, in milliseconds.
pub const PEER_PAUSE_MIN_MS: u64 = 1000;

/// How long to leave it alone at most, in milliseconds.
pub const PEER_PAUSE_MAX_MS: u64 = 5 * 60 * 1000;

/// How long until a payment is presented again of which its provider cannot say yet, in milliseconds.
pub const FORWARD_AGAIN_MS: u64 = 60 * 1000;

/// How long until a creditor is told again of a settlement that it has not confirmed, in milliseconds.
pub const SETTLEMENT_AGAIN_MS: u64 = 5 * 1000;

/// How far back what another provider may have forgotten is said again, in milliseconds: as long as devices keep
/// what they were answered.
pub const SAID_AGAIN_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// How long until a payment is handed over again that its receiver's provider refused, in milliseconds.
pub const DELIVER_AGAIN_MS: u64 = 60 * 60 * 1000;

/// Payments that were kept back and are presented at a time.
pub const KEPT_BACK_MAX: i64 = 500;

const _: () = {
    assert!(LARGE_BODIES_KIB_MAX <= 64 * 1024);
    assert!(STATUS_SIZE_MAX <= LARGE_BODIES_KIB_PER_HOST_MAX * 1024);
    assert!(GROUP_MAX <= QUEUE_MAX);
    assert!(PROBE_TIMEOUT.as_secs() < REQUEST_TIMEOUT.as_secs());
    assert!(BATCH_PAIRS_MAX < HEAVY_WEIGHT_MIN && HEAVY_WEIGHT_MIN <= GROUP_WEIGHT_MAX);
    assert!(PEER_PAIRS_MAX <= BATCH_PAIRS_MAX);
    assert!(PEER_PAIRS_MAX * PAIR_SIZE_MAX <= FORWARD_SIZE_MAX);
    assert!(CONNECTIONS_PER_HOST_MAX <= CONNECTIONS_MAX / 8);
    assert!(REQUESTS_PER_HOST_MAX <= REQUESTS_MAX / 8);
    assert!(LARGE_BODIES_KIB_PER_HOST_MAX <= LARGE_BODIES_KIB_MAX / 4);
};
