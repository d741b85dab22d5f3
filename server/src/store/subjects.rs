//! Clients and TAs, and the keys that are theirs for ever.

use ops_proto::certificate::{Certificate, Role};
use ops_proto::message::ListVersion;
use ops_proto::signed::Signed;
use ops_proto::statement::ChainEnd;
use ops_proto::{Digest, PublicKey, Time};
use unicode_normalization::UnicodeNormalization as _;

use super::column::{
    counter, counter_back, digest_back, instant, key_back, signed_back, units_back,
};
use super::sql::{self, Row};
use super::{StoreError, Unit};

/// What a key is registered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectKind {
    /// One of the provider's own keys, or the root.
    Provider,
    /// A client.
    Client,
    /// A TA.
    Ta,
}

impl SubjectKind {
    const fn code(self) -> i64 {
        match self {
            Self::Provider => 0,
            Self::Client => 1,
            Self::Ta => 2,
        }
    }
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct ClientRow {
    /// Its key.
    pub key: PublicKey,
    /// The name that people see.
    pub name: String,
    /// Its certificate.
    pub certificate: Signed<Certificate>,
}

/// A registered TA.
#[derive(Clone, Debug)]
pub struct TaRow {
    /// Its key.
    pub key: PublicKey,
    /// The client that it belongs to.
    pub owner: PublicKey,
    /// Its certificate.
    pub certificate: Signed<Certificate>,
    /// Whether it may take grants and tokens.
    pub standing: TaStanding,
    /// The last counter of deposits and withdrawals that is known without a gap.
    pub i: u64,
    /// The end of the chain that is known without a gap: where its last accepted status stands.
    pub chain: ChainEnd,
    /// The mark of its last accepted status.
    pub mark: u64,
    /// What its owner stood in for, in minor units.
    pub advanced_by_owner: u64,
    /// What the provider stood in for, in minor units.
    pub advanced_by_loss: u64,
    /// What the provider bore for it because a restore lost the money, in minor units.
    pub restored_by_loss: u64,
    /// What it withdrew and nobody moved yet, below zero, in minor units.
    pub unbacked: i64,
    /// The version of the deny-list with which it was listed as revoked; (0, 0) when it is not.
    pub listed: ListVersion,
    /// What was put right against the loss account after a restore, in minor units.
    pub corrected: i64,
}

impl TaRow {
    /// Returns the sum that a TA can have spent beyond its shadow: its upper offline limit.
    #[must_use]
    pub fn advanced_max(&self) -> u64 {
        match &self.certificate.body().role {
            Role::Ta { limits } => limits.paid_total.refuse,
            Role::Provider { .. } | Role::Client => 0,
        }
    }
}

/// Whether a TA may take grants and tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaStanding {
    /// It may.
    Live,
    /// It contradicted itself; its money waits.
    Suspended,
    /// It retired; its owner may have another.
    Retired,
    /// Its owner reported it dead, or it retired while suspended; its owner may have another.
    Dead,
}

impl TaStanding {
    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
            Self::Dead => "dead",
        }
    }

    pub(super) const fn code(self) -> i64 {
        match self {
            Self::Live => 0,
            Self::Suspended => 1,
            Self::Retired => 2,
            Self::Dead => 3,
        }
    }

    fn back(code: i64) -> Result<Self, StoreError> {
        match code {
            0 => Ok(Self::Live),
            1 => Ok(Self::Suspended),
            2 => Ok(Self::Retired),
            3 => Ok(Self::Dead),
            _ => Err(StoreError::Damaged("a TA has an unknown standing")),
        }
    }
}

impl Unit<'_> {
    /// Registers a key as one kind; returns whether it was free.
    pub(crate) async fn put_subject(
        &mut self,
        key: &PublicKey,
        kind: SubjectKind,
        now: Time,
    ) -> Result<bool, StoreError> {
        let put = sql::query(
            "INSERT INTO subjects (key, kind, registered_ms) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(key.0.as_slice())
        .bind(kind.code())
        .bind(instant(now))
        .execute(self.sql())
        .await?;

        Ok(put.rows_affected() == 1)
    }

    /// Returns a client.
    pub(crate) async fn client(
        &mut self,
        key: &PublicKey,
    ) -> Result<Option<ClientRow>, StoreError> {
        let row = sql::query("SELECT key, name, certificate FROM clients WHERE key = $1")
            .bind(key.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        row.as_ref().map(client_back).transpose()
    }

    /// Returns the clients, by name; with `name`, those that have it.
    pub(crate) async fn clients(
        &mut self,
        name: Option<&str>,
    ) -> Result<Vec<ClientRow>, StoreError> {
        let rows = sql::query(
            "SELECT key, name, certificate FROM clients
             WHERE $1 IS NULL OR name = $1 ORDER BY name, key",
        )
        .bind(name)
        .fetch_all(self.sql())
        .await?;

        rows.iter().map(client_back).collect()
    }

    /// Returns whether a client has a name that people take for this one.
    pub(crate) async fn has_client_called(&mut self, name: &str) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sql::query_scalar("SELECT 1 FROM clients WHERE name_compared = $1 LIMIT 1")
                .bind(compared(name))
                .fetch_optional(self.sql())
                .await?;

        Ok(found.is_some())
    }

    /// Stores a client whose key was registered before.
    pub(crate) async fn put_client(&mut self, client: &ClientRow) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO clients (key, name, certificate, name_compared) VALUES ($1, $2, $3, $4)",
        )
        .bind(client.key.0.as_slice())
        .bind(client.name.as_str())
        .bind(client.certificate.to_wire())
        .bind(compared(&client.name))
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Returns a TA.
    pub(crate) async fn ta(&mut self, key: &PublicKey) -> Result<Option<TaRow>, StoreError> {
        let row = sql::query("SELECT * FROM tas WHERE key = $1")
            .bind(key.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        row.as_ref().map(ta_back).transpose()
    }

    /// Returns the TA of an owner that has not ended.
    pub(crate) async fn ta_of(&mut self, owner: &PublicKey) -> Result<Option<TaRow>, StoreError> {
        let row = sql::query("SELECT * FROM tas WHERE owner = $1 AND standing < 2")
            .bind(owner.0.as_slice())
            .fetch_optional(self.sql())
            .await?;

        row.as_ref().map(ta_back).transpose()
    }

    /// Returns all TAs, by key.
    pub(crate) async fn tas(&mut self) -> Result<Vec<TaRow>, StoreError> {
        let rows = sql::query("SELECT * FROM tas ORDER BY key")
            .fetch_all(self.sql())
            .await?;

        rows.iter().map(ta_back).collect()
    }

    /// Stores a TA whose key was registered before: all counters at 0, nothing on it.
    pub(crate) async fn put_ta(
        &mut self,
        key: &PublicKey,
        owner: &PublicKey,
        certificate: &Signed<Certificate>,
    ) -> Result<(), StoreError> {
        sql::query(
            "INSERT INTO tas (key, owner, certificate, i, chain_n, chain_i, chain_j, chain_hash, mark)
             VALUES ($1, $2, $3, $4, $4, $4, $4, $5, $4)",
        )
        .bind(key.0.as_slice())
        .bind(owner.0.as_slice())
        .bind(certificate.to_wire())
        .bind(counter(0))
        .bind(Digest::ZERO.0.as_slice())
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Writes what may change of a TA: counters, chain, mark and advances. Standing is not among it.
    pub(crate) async fn update_ta(&mut self, ta: &TaRow) -> Result<(), StoreError> {
        sql::query(
            "UPDATE tas SET i = $2, chain_n = $3, chain_i = $4, chain_j = $5, chain_hash = $6,
                 mark = $7, unbacked = $8
             WHERE key = $1",
        )
        .bind(ta.key.0.as_slice())
        .bind(counter(ta.i))
        .bind(counter(ta.chain.n))
        .bind(counter(ta.chain.i))
        .bind(counter(ta.chain.j))
        .bind(ta.chain.hash.0.as_slice())
        .bind(counter(ta.mark))
        .bind(ta.unbacked)
        .execute(self.sql())
        .await?;

        Ok(())
    }

    /// Suspends a live TA.
    pub(crate) async fn suspend_ta(&mut self, ta: &PublicKey) -> Result<(), StoreError> {
        sql::query("UPDATE tas SET standing = 1 WHERE key = $1 AND standing = 0")
            .bind(ta.0.as_slice())
            .execute(self.sql())
            .await?;

        Ok(())
    }
}

/// Returns a name in the form in which names are compared: case, width, composition and the number of
/// spaces make no difference.
fn compared(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).nfkc().collect();

    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn client_back(row: &Row) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        key: key_back(row.try_get("key")?)?,
        name: row.try_get("name")?,
        certificate: signed_back(row.try_get("certificate")?)?,
    })
}

pub(super) fn ta_back(row: &Row) -> Result<TaRow, StoreError> {
    Ok(TaRow {
        key: key_back(row.try_get("key")?)?,
        owner: key_back(row.try_get("owner")?)?,
        certificate: signed_back(row.try_get("certificate")?)?,
        standing: TaStanding::back(row.try_get("standing")?)?,
        i: counter_back(row.try_get("i")?)?,
        chain: ChainEnd {
            n: counter_back(row.try_get("chain_n")?)?,
            i: counter_back(row.try_get("chain_i")?)?,
            j: counter_back(row.try_get("chain_j")?)?,
            hash: digest_back(row.try_get("chain_hash")?)?,
        },
        mark: counter_back(row.try_get("mark")?)?,
        advanced_by_owner: units_back(row.try_get("advanced_by_owner")?)?,
        advanced_by_loss: units_back(row.try_get("advanced_by_loss")?)?,
        restored_by_loss: units_back(row.try_get("restored_by_loss")?)?,
        unbacked: row.try_get("unbacked")?,
        listed: ListVersion {
            epoch: row.try_get("listed_epoch")?,
            number: row.try_get("listed_number")?,
        },
        corrected: row.try_get("corrected")?,
    })
}
