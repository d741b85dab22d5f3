//! Deny-lists: one of each provider, and the root's directory of providers and their list keys.
//!
//! A list travels in signed pieces, so that a device can pass it on over the radio. A device uses a
//! version once it holds all of its pieces; the greater version replaces the smaller.

use serde::{Deserialize, Serialize};

use super::request::{ListVersion, ListsHeld};
use crate::id::{Name, ProviderId};
use crate::key::PublicKey;
use crate::limits::{DENY_PIECE_ENTRIES_MAX, DIRECTORY_PROVIDERS_MAX, LISTS_UPDATE_PIECES_MAX};
use crate::list::List;
use crate::signed::{Body, Signed};
use crate::time::Time;

/// The root's word on who the providers are; signed by the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderDirectory {
    /// The version; the epoch is that of the root key, 1 at first.
    pub version: ListVersion,
    /// When it was signed.
    pub issued: Time,
    /// The providers, ascending by id, each once.
    pub providers: List<DirectoryEntry, DIRECTORY_PROVIDERS_MAX>,
}

impl Body for ProviderDirectory {
    const DOMAIN: &'static [u8] = b"blepay/ops/provider-directory\0";
    const SIZE_MAX: usize = 3072;
}

/// One provider in the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryEntry {
    /// The provider.
    pub provider: ProviderId,
    /// Its name, as people see it.
    pub name: Name,
    /// The epoch of its list key; a list of another epoch is refused.
    pub epoch: u32,
    /// The key that signs its deny-lists in this epoch.
    pub list_key: PublicKey,
    /// Whether the root still stands behind it.
    pub standing: ProviderStanding,
}

/// Whether the root stands behind a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum ProviderStanding {
    /// It does.
    Live = 0,
    /// No more: no new request or payment under it. Payments already made are honoured.
    Revoked = 1,
}

/// A part of one version of a provider's deny-list; signed by its list key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DenyListPiece {
    /// The provider.
    pub provider: ProviderId,
    /// The version of the list.
    pub version: ListVersion,
    /// The number of this piece, counted from 0.
    pub piece: u16,
    /// How many pieces the version has, at least 1.
    pub pieces: u16,
    /// When the version was signed.
    pub issued: Time,
    /// The entries, ascending by key over all pieces, each once.
    pub entries: List<DenyEntry, DENY_PIECE_ENTRIES_MAX>,
}

impl Body for DenyListPiece {
    const DOMAIN: &'static [u8] = b"blepay/ops/deny-list-piece\0";
    const SIZE_MAX: usize = 3072;
}

/// A revoked key. The entry leaves the list only when its certificate has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DenyEntry {
    /// The key of the TA or client.
    pub key: PublicKey,
    /// The last instant of its newest certificate.
    pub not_after: Time,
}

/// Asks for newer lists: what the device holds whole, and where the answer before ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListsQuery {
    /// The lists held whole.
    pub held: ListsHeld,
    /// The last piece that the answer before contained.
    pub after: Option<PieceId>,
}

/// Names one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PieceId {
    /// The provider.
    pub provider: ProviderId,
    /// The version.
    pub version: ListVersion,
    /// The piece.
    pub piece: u16,
}

/// Newer lists. Not signed as a whole: each part is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListsUpdate {
    /// The directory, when it is newer than the one held.
    pub directory: Option<Signed<ProviderDirectory>>,
    /// Pieces of newer lists, ascending by [`PieceId`].
    pub pieces: List<Signed<DenyListPiece>, LISTS_UPDATE_PIECES_MAX>,
    /// Whether there is more to ask for.
    pub more: bool,
}
