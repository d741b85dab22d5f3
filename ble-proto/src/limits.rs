//! Every bound of the BLE protocol, named; the relations between them are checked by the compiler.

/// The ATT MTU before any negotiation: what must always work.
pub const ATT_MTU_MIN: usize = 23;

/// The most bytes that a stack takes from each write or notification: ATT's own three, and BlueZ's two
/// of a notification that may share its PDU with others.
pub const ATT_HEADER_SIZE: usize = 5;

/// The smallest chunk that a link may offer.
pub const CHUNK_SIZE_MIN: usize = 18;

/// The largest chunk that is ever sent: an attribute value ends at 512 bytes.
pub const CHUNK_SIZE_MAX: usize = 512;

/// The header of every frame but a message's first: version and flags, counter, session tag.
pub const FRAME_HEADER_SIZE: usize = 6;

/// The header of a message's first frame, which also carries the message's length.
pub const FRAME_HEADER_FIRST_SIZE: usize = 8;

/// The largest message, as it is cut into frames.
pub const MESSAGE_SIZE_MAX: usize = 4096;

/// The frames that the largest message takes at the smallest chunk.
pub const FRAMES_PER_MESSAGE_MAX: usize = 342;

/// The longest time from a message's first frame to its last.
pub const ASSEMBLY_MS_MAX: u64 = 10_000;

/// The longest `INFO` value that is read.
pub const INFO_SIZE_MAX: usize = 32;

/// The protocol versions that one `INFO` value may list.
pub const INFO_VERSIONS_MAX: usize = 8;

/// The bytes that Noise adds to a sealed message.
pub const NOISE_TAG_SIZE: usize = 16;

/// The bytes of an X25519 key.
pub const NOISE_KEY_SIZE: usize = 32;

/// Links that a payee serves at one time.
pub const LINKS_MAX: usize = 8;

/// Requests that a payee holds open at one time.
pub const REQUESTS_MAX: usize = 16;

/// Keys, each with one certificate of its provider, that a device may receive with: those of the open
/// requests, and the ones before.
pub const OWN_KEYS_MAX: usize = 32;

/// Payments on their way to the journal and the receipt: one per link, and as many whose link went.
pub const COLLECTIONS_MAX: usize = 16;

/// Payments that a payer may offer again in one visit.
pub const UNSETTLED_MAX: usize = 64;

/// Payments that one session may resume before its own.
pub const RESUMES_PER_SESSION_MAX: u8 = 8;

/// From the link to the whole of flight ①; also how long flight ① may wait for its turn.
pub const HELLO_MS_MAX: u64 = 2_000;

/// From flight ② until a browser has left or has sent a payment again.
pub const BROWSER_MS_MAX: u64 = 1_000;

/// From flight ② until who committed has chosen.
pub const CHOICE_MS_MAX: u64 = 30_000;

/// From flight ④ to flight ⑤: a lock without payment ends.
pub const LOCK_MS_MAX: u64 = 60_000;

/// How much earlier than the payee the payer lets a lock end, counted from its own flight ③.
pub const LOCK_MARGIN_MS: u64 = 5_000;

/// From the last answer until the payer has left.
pub const LEAVE_MS_MAX: u64 = 2_000;

/// How long a paid request is still advertised, so that a payer who was cut off finds its receipt.
pub const PAID_LINGER_MS: u64 = 30_000;

/// Committed handshakes that the payee answers per request: each is one guess at a code.
pub const COMMITTED_HANDSHAKES_MAX: u8 = 20;

/// The time between two committed handshakes of one request.
pub const COMMITTED_INTERVAL_MS: u64 = 1_000;

/// Handshakes of any kind that a payee answers at once.
pub const HANDSHAKES_BURST: u32 = 8;

/// The time in which one more handshake of any kind is allowed.
pub const HANDSHAKE_INTERVAL_MS: u64 = 125;

/// Times that a payer opens its commitment for one request id.
pub const REVEALS_MAX: u8 = 3;

/// Times that one sender may lock one request without paying it.
pub const LOCKS_PER_SENDER_MAX: u8 = 3;

/// Senders whose locks are counted per request; the oldest is forgotten first.
pub const LOCKERS_TRACKED_MAX: usize = 64;

/// Requests whose reveals a payer counts; the oldest is forgotten first.
pub const REVEALS_TRACKED_MAX: usize = 256;

/// From flight ① to flight ②, for a payer who only looks.
pub const BROWSE_OFFER_MS_MAX: u64 = 3_000;

/// From flight ① to flight ②, for a payer who has committed or scanned.
pub const OFFER_MS_MAX: u64 = 6_000;

/// From flight ③ to flight ④.
pub const LOCKED_MS_MAX: u64 = 6_000;

/// From flight ⑤ (or a payment sent again) to its answer, which waits for the payee's disk.
pub const RECEIPT_MS_MAX: u64 = 15_000;

/// Pieces of deny-lists that one side passes on in one visit.
pub const GOSSIP_PIECES_MAX: usize = 16;

/// Things that one side takes in one visit: a directory and the pieces.
pub const GOSSIP_ITEMS_MAX: u8 = 17;

/// Frames that one side spends on them, so that a slow link carries a piece at least and a queue of
/// two messages holds them all.
pub const GOSSIP_FRAMES_MAX: usize = FRAMES_PER_MESSAGE_MAX;

/// Things that one side may send in one visit which are refused; then the link is closed.
pub const GOSSIP_BAD_MAX: u8 = 2;

/// How long each side waits for the other's part: the largest piece at the smallest MTU takes 2.6 s.
pub const GOSSIP_MS_MAX: u64 = 4_000;

/// Unknown tags that a payer visits in one scan.
pub const VISITS_PER_SCAN_MAX: usize = 8;

/// The time that a payer spends on one unknown tag.
pub const VISIT_MS_MAX: u64 = BROWSE_OFFER_MS_MAX;

/// Bytes of a payer's or payee's nonce.
pub const NONCE_SIZE: usize = 32;

/// Bytes of the secret in a `blepay:` URI.
pub const URI_SECRET_SIZE: usize = 16;

/// The longest `blepay:` URI.
pub const URI_TEXT_MAX: usize = 160;

const _: () = {
    assert!(CHUNK_SIZE_MIN == ATT_MTU_MIN - ATT_HEADER_SIZE);
    assert!(FRAME_HEADER_FIRST_SIZE < CHUNK_SIZE_MIN);

    // The largest message fits into the named number of frames, and one frame less would not do.
    let first = CHUNK_SIZE_MIN - FRAME_HEADER_FIRST_SIZE;
    let later = CHUNK_SIZE_MIN - FRAME_HEADER_SIZE;
    assert!(first + (FRAMES_PER_MESSAGE_MAX - 1) * later >= MESSAGE_SIZE_MAX);
    assert!(first + (FRAMES_PER_MESSAGE_MAX - 2) * later < MESSAGE_SIZE_MAX);

    // The length of a message is two bytes on the air.
    assert!(MESSAGE_SIZE_MAX <= 0xffff);

    // A link that is alive can always hand in its payment, whatever went before on other links.
    assert!(COLLECTIONS_MAX >= 2 * LINKS_MAX);

    // Every open request finds room for its key.
    assert!(OWN_KEYS_MAX > REQUESTS_MAX);

    // The payer gives up a lock before the payee does.
    assert!(LOCK_MARGIN_MS < LOCK_MS_MAX);

    // Who commits as often as allowed is done before the request's count is.
    assert!(REVEALS_MAX < COMMITTED_HANDSHAKES_MAX);

    // An honest payer may lock as often as it opens its commitment.
    assert!(LOCKS_PER_SENDER_MAX >= REVEALS_MAX);

    // A payer who waits for flight ② waits longer than flight ① may wait for its turn.
    assert!(BROWSE_OFFER_MS_MAX > HELLO_MS_MAX);
    assert!(OFFER_MS_MAX > BROWSE_OFFER_MS_MAX);
};
