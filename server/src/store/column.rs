//! How values of the protocol stand in columns, and come back.

use ops_proto::signed::{Body, Signed};
use ops_proto::{Amount, Balance, Digest, ProviderId, PublicKey, Time};

use super::StoreError;

/// A counter or request id: 8 bytes, so that the order of the bytes is the order of the numbers.
pub(super) fn counter(value: u64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

pub(super) fn counter_back(bytes: &[u8]) -> Result<u64, StoreError> {
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a counter is not 8 bytes"))?;

    Ok(u64::from_be_bytes(bytes))
}

/// An instant; the books end in the year 292 million.
pub(super) fn instant(time: Time) -> i64 {
    i64::try_from(time.as_ms()).unwrap_or(i64::MAX)
}

pub(super) fn units(minor_units: u64) -> Result<i64, StoreError> {
    i64::try_from(minor_units).map_err(|_| StoreError::Damaged("a sum does not fit"))
}

pub(super) fn units_back(column: i64) -> Result<u64, StoreError> {
    u64::try_from(column).map_err(|_| StoreError::Damaged("a sum is below zero"))
}

pub(super) fn balance_back(column: i64) -> Result<Balance, StoreError> {
    units_back(column).map(Balance::from_minor_units)
}

pub(super) fn amount(value: Amount) -> Result<i64, StoreError> {
    units(value.minor_units())
}

pub(super) fn amount_back(column: i64) -> Result<Amount, StoreError> {
    Amount::try_from(units_back(column)?)
        .map_err(|_| StoreError::Damaged("an amount is out of range"))
}

pub(super) fn key_back(bytes: &[u8]) -> Result<PublicKey, StoreError> {
    let key = bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a key is not 32 bytes"))?;

    Ok(PublicKey(key))
}

pub(super) fn digest_back(bytes: &[u8]) -> Result<Digest, StoreError> {
    let digest = bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a hash is not 32 bytes"))?;

    Ok(Digest(digest))
}

pub(super) fn provider_back(bytes: &[u8]) -> Result<ProviderId, StoreError> {
    let provider = bytes
        .try_into()
        .map_err(|_| StoreError::Damaged("a provider id is not 16 bytes"))?;

    Ok(ProviderId(provider))
}

pub(super) fn signed_back<T: Body>(bytes: &[u8]) -> Result<Signed<T>, StoreError> {
    Signed::decode(bytes).map_err(|_| StoreError::Damaged("a stored message does not decode"))
}
