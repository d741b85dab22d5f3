//! Places and sums as keys of tables: bytes that have the order of the values.

use ble_proto::gatt::RequestTag;
use ops_proto::id::CommandId;
use ops_proto::{Digest, PublicKey, RequestId, Time};

use super::place::{IndexPlace, PaymentRef, Sum};
use crate::book::payment::PaymentKey;

/// A value as a part of a key. Every value of a type that can stand before another one has the same number of bytes, or
/// says by its first byte how many.
pub(super) trait Key: Sized {
    fn put(&self, bytes: &mut Vec<u8>);
    fn take(bytes: &mut &[u8]) -> Option<Self>;
}

impl<const N: usize> Key for [u8; N] {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;

        Some(*first)
    }
}

/// A type that is one other in a key.
macro_rules! key_as {
    ($($type:ty: $inner:ty, $put:expr, $take:expr;)*) => {$(
        impl Key for $type {
            fn put(&self, bytes: &mut Vec<u8>) {
                let put: fn(&Self) -> $inner = $put;
                put(self).put(bytes);
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let take: fn($inner) -> Self = $take;
                <$inner>::take(bytes).map(take)
            }
        }
    )*};
}

key_as! {
    u64: [u8; 8], |number| number.to_be_bytes(), u64::from_be_bytes;
    u32: [u8; 4], |number| number.to_be_bytes(), u32::from_be_bytes;
    u8: [u8; 1], |number| [*number], |bytes| bytes[0];
    Time: u64, |at| at.as_ms(), Time::from_ms;
    Digest: [u8; 32], |hash| hash.0, Digest;
    PublicKey: [u8; 32], |key| key.0, PublicKey;
    RequestId: u64, |id| id.0, RequestId;
    CommandId: [u8; 16], |command| command.0, CommandId;
    RequestTag: [u8; ble_proto::gatt::REQUEST_TAG_SIZE], |tag| tag.0, RequestTag;
}

impl Key for PaymentKey {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.payee.put(bytes);
        self.request_id.put(bytes);
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self::new(Key::take(bytes)?, Key::take(bytes)?))
    }
}

impl Key for PaymentRef {
    fn put(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Sent(key) => {
                0_u8.put(bytes);
                key.put(bytes);
            }
            Self::Received(hash) => {
                1_u8.put(bytes);
                hash.put(bytes);
            }
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match u8::take(bytes)? {
            0 => Key::take(bytes).map(Self::Sent),
            1 => Key::take(bytes).map(Self::Received),
            _other => None,
        }
    }
}

impl Key for Option<u32> {
    fn put(&self, bytes: &mut Vec<u8>) {
        match self {
            None => 0_u8.put(bytes),
            Some(number) => {
                1_u8.put(bytes);
                number.put(bytes);
            }
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        match u8::take(bytes)? {
            0 => Some(None),
            1 => Key::take(bytes).map(Some),
            _other => None,
        }
    }
}

/// Returns the bytes of a place or sum.
pub(super) fn key(value: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(80);
    value.put(&mut bytes);

    bytes
}

/// Returns the place or sum that has these bytes; `None` when none has.
pub(super) fn value<K: Key>(mut bytes: &[u8]) -> Option<K> {
    let value = K::take(&mut bytes)?;

    bytes.is_empty().then_some(value)
}

/// An enum as a key: the variant's number, then its fields. Numbers are frozen, and in the order of the variants.
macro_rules! key_of_enum {
    ($name:ident { $($number:literal: $variant:ident { $($index:tt: $field:ident),* })* }) => {
        impl Key for $name {
            fn put(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$variant { $($index: $field),* } => {
                        bytes.push($number);
                        $($field.put(bytes);)*
                    })*
                }
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                match u8::take(bytes)? {
                    $($number => {
                        $(let $field = Key::take(bytes)?;)*
                        Some(Self::$variant { $($index: $field),* })
                    })*
                    _other => None,
                }
            }
        }
    };
}

key_of_enum!(IndexPlace {
    0: Payment { 0: at, 1: payment }
    1: Request { 0: at, 1: command }
    2: SentHash { 0: hash, 1: key }
    3: Unsigned { 0: key }
    4: Received { 0: hash }
    5: RequestKey { 0: payee, 1: id, 2: command }
    6: RequestNumber { 0: id, 1: at, 2: command }
    7: RequestTag { 0: tag, 1: command }
    8: Replacement { 0: payee, 1: id, 2: at, 3: command }
    9: Refund { 0: hash, 1: payment }
    10: OpenUntil { 0: at, 1: command }
    11: Unclosed { 0: ta, 1: id, 2: command }
    12: Approved { 0: key }
    13: ToResume { 0: key }
    14: ToCredit { 0: hash }
    15: Reported { 0: life, 1: payment }
    16: Waiting { 0: life, 1: payment }
    17: Unclaimed { 0: hash }
    18: ClaimWaiting { 0: hash }
    19: Claimed { 0: life, 1: hash }
    20: Refused { 0: payment }
    21: SentTag { 0: tag, 1: key }
});

key_of_enum!(Sum {
    0: Named { 0: day, 1: payee }
    1: Scanned { 0: day }
    2: Unacknowledged {}
    3: Unreported {}
    4: Waiting {}
    5: ClaimsDue {}
    6: Unclaimed {}
});
