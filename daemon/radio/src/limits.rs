//! Every bound of the radio, by name.

use std::time::Duration;

/// Links that a peripheral serves at once, with those that connect and have said nothing yet, which make room for others. More
/// than a payee takes: it decides which link is worth least, and that one and the newcomer are both there meanwhile.
pub const LINKS_MAX: usize = 12;

/// Advertisements at once, one for each tag: legacy controllers rarely have more than five instances.
pub const ADVERTISED_TAGS_MAX: usize = 4;

/// Frames of one link that wait for the owner: the largest message of `ble-proto` at the smallest MTU.
///
/// What a central writes beyond this is dropped, and its session ends by the gap: a peer that floods
/// harms itself alone.
pub const LINK_FRAMES_MAX: usize = 384;

/// Events of all links that wait for the owner of a peripheral; a few more than frames, for links that
/// come and go.
pub const PERIPHERAL_EVENTS_MAX: usize = LINKS_MAX * (LINK_FRAMES_MAX + 4);

/// Commands to a peripheral or a central link that wait their turn.
pub const COMMANDS_MAX: usize = 64;

/// Notifications that wait for the owner of a central link: the largest message at the smallest MTU.
pub const NOTIFICATIONS_MAX: usize = 384;

/// Orders to the radio that wait their turn.
pub const ORDERS_MAX: usize = 16;

/// Scans at once.
pub const SCANS_MAX: usize = 16;

/// Advertisements heard that wait for the owner of a scan; further ones are dropped, since they repeat.
pub const SEEN_MAX: usize = 64;

/// Peers of scans that can be connected to; the one heard longest ago is forgotten first.
pub const PEERS_MAX: usize = 64;

/// Bytes in one value of GATT, whatever the MTU.
pub const VALUE_SIZE_MAX: usize = 512;

/// Bytes in one write: BlueZ 5.64 to 5.71 counts two bytes too many and drops longer ones without a word.
pub const WRITE_SIZE_MAX: usize = 510;

/// Bytes that ATT takes of the MTU in a write.
pub const WRITE_HEADER_SIZE: usize = 3;

/// Bytes that ATT takes of the MTU in a notification that shares its PDU with others, as BlueZ sends
/// them; it cuts the tail of what does not fit, and so bluer's writer takes no more.
pub const NOTIFICATION_HEADER_SIZE: usize = 5;

/// The smallest ATT MTU, and the one before any other is agreed.
pub const MTU_MIN: usize = 23;

/// The largest ATT MTU that is of use for values of [`VALUE_SIZE_MAX`] bytes.
pub const MTU_MAX: usize = 517;

/// How long a central that has connected may take to read `INFO`, and from there to subscribe or write: finding the service takes
/// the slowest phones three seconds.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long frames wait for one that was overtaken, where a link runs over several channels: several times what the longest takes.
pub const MISSING_MAX: Duration = Duration::from_secs(1);

/// The whole of a `connect`, retries included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// One notification or write, its turn included.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(5);

const _: () = assert!(MTU_MAX >= VALUE_SIZE_MAX + NOTIFICATION_HEADER_SIZE);
const _: () = assert!(ADVERTISED_TAGS_MAX <= LINKS_MAX);
const _: () = assert!(NOTIFICATIONS_MAX <= PERIPHERAL_EVENTS_MAX);

/// Returns the largest frame that one write carries, in bytes.
pub(super) fn write_chunk_max(mtu: usize) -> usize {
    mtu.max(MTU_MIN)
        .saturating_sub(WRITE_HEADER_SIZE)
        .min(WRITE_SIZE_MAX)
}

/// Returns the largest frame that one notification carries, in bytes.
pub(super) fn notification_chunk_max(mtu: usize) -> usize {
    mtu.max(MTU_MIN)
        .saturating_sub(NOTIFICATION_HEADER_SIZE)
        .min(VALUE_SIZE_MAX)
}
