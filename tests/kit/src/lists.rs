//! Deny-lists as the root and the kit's providers sign them.

use ble_proto::gossip::GossipItem;
use blepay_server::provider::ca::Root;
use blepay_server::provider::limits_max_default;
use ops_proto::message::{
    DenyEntry, DenyListPiece, DirectoryEntry, ListVersion, ProviderDirectory, ProviderRequest,
    ProviderStanding,
};
use ops_proto::{ProviderId, PublicKey, SecretKey, Signed, Time};
use runtime::clock;
use wallet::lists::Heard;

use super::Device;
use super::provider::certify;

/// Returns the directory of the root's providers, by the seeds of their banks, ascending.
pub fn directory(number: u32, banks: &[(u8, ProviderStanding)]) -> GossipItem {
    let providers: Vec<_> = banks
        .iter()
        .map(|(seed, standing)| DirectoryEntry {
            provider: ProviderId([*seed; 16]),
            name: format!("Bank {seed}").parse().expect("a name"),
            epoch: 1,
            list_key: list_key(*seed).public_key(),
            standing: *standing,
        })
        .collect();
    let body = ProviderDirectory {
        version: ListVersion { epoch: 1, number },
        issued: Time::from_ms(1),
        providers: providers.try_into().expect("few"),
    };

    GossipItem::Directory(Box::new(Signed::sign(
        body,
        &SecretKey::from_seed(&[1; 32]),
    )))
}

/// Returns a piece of a bank's list, as large as pieces get; the pieces ascend.
pub fn full_piece(seed: u8, number: u32, piece: u16, pieces: u16) -> GossipItem {
    let entries: Vec<_> = (0..72_u8)
        .map(|entry| {
            let mut key = [entry; 32];
            key[..2].copy_from_slice(&piece.to_be_bytes());
            DenyEntry {
                key: PublicKey(key),
                not_after: Time::from_ms(4_000_000_000_000),
            }
        })
        .collect();
    let body = DenyListPiece {
        provider: ProviderId([seed; 16]),
        version: ListVersion { epoch: 1, number },
        piece,
        pieces,
        issued: Time::from_ms(1),
        entries: entries.try_into().expect("as many as fit"),
    };

    GossipItem::Piece(Box::new(Signed::sign(body, &list_key(seed))))
}

/// Returns a bank's list in one piece.
pub fn deny_list(seed: u8, number: u32, keys: &[PublicKey]) -> GossipItem {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let entries: Vec<_> = keys
        .into_iter()
        .map(|key| DenyEntry {
            key,
            not_after: Time::from_ms(4_000_000_000_000),
        })
        .collect();
    let body = DenyListPiece {
        provider: ProviderId([seed; 16]),
        version: ListVersion { epoch: 1, number },
        piece: 0,
        pieces: 1,
        issued: Time::from_ms(1),
        entries: entries.try_into().expect("few"),
    };

    GossipItem::Piece(Box::new(Signed::sign(body, &list_key(seed))))
}

/// Has a root certify a bank beside the providers that it has, and returns the directory of them all.
pub fn directory_with(root: &mut Root, seed: u8) -> GossipItem {
    let keys = [role_key(seed, 11), role_key(seed, 12), list_key(seed)];
    let [certifies, answers, lists] = &keys;
    let request = ProviderRequest {
        provider: ProviderId([seed; 16]),
        name: format!("Bank {seed}").parse().expect("a name"),
        currency: "EUR".parse().expect("a currency"),
        subject: certifies.public_key(),
        answer_key: answers.public_key(),
        list_key: lists.public_key(),
        limits_max: limits_max_default(),
        made: clock::now(),
    };
    let _certificate = certify(root, &Signed::sign(request, certifies));
    let directory = root.sign_directory(clock::now()).expect("a directory");

    GossipItem::Directory(Box::new(directory))
}

/// Has a device hear lists, as from its server.
pub async fn tell(device: &Device, items: Vec<GossipItem>) {
    tell_under(SecretKey::from_seed(&[1; 32]).public_key(), device, items).await;
}

/// As [`tell`], of providers under another root than the kit's.
pub async fn tell_under(root: PublicKey, device: &Device, items: Vec<GossipItem>) {
    for item in items {
        let heard = device.wallet.lists().hear(root, item).await;
        assert!(matches!(heard, Heard::Kept(_)), "{heard:?}");
    }
}

fn list_key(seed: u8) -> SecretKey {
    role_key(seed, 13)
}

fn role_key(seed: u8, role: u8) -> SecretKey {
    let mut bytes = [seed; 32];
    bytes[0] = role;
    SecretKey::from_seed(&bytes)
}
