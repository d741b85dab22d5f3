use ble_proto::gossip::{GossipItem, Revoked};
use ops_proto::message::{
    DenyEntry, DenyListPiece, DirectoryEntry, ListVersion, ProviderDirectory, ProviderStanding,
};
use ops_proto::{ProviderId, PublicKey, SecretKey, Signed, Time};

use super::Lists;
use super::heard::{Changed, Heard, ListRefused};
use super::shelf::Shelf;

const FERRY: ProviderId = ProviderId([0xf0; 16]);
const CAMPUS: ProviderId = ProviderId([0xc0; 16]);

#[test]
fn a_version_is_used_once_all_of_its_pieces_are_here() {
    let mut shelf = with_directory();

    assert_eq!(
        hear(&mut shelf, piece(1, 0, 2, &[1, 2])),
        Heard::Kept(Changed::Gathering(FERRY))
    );
    assert!(!names(&shelf, 1));
    assert_eq!(
        hear(&mut shelf, piece(1, 1, 2, &[3])),
        Heard::Kept(Changed::Whole(FERRY))
    );

    assert!(names(&shelf, 1) && names(&shelf, 3) && !names(&shelf, 4));
    assert_eq!(shelf.held(None).providers.len(), 1);
}

#[test]
fn the_greater_epoch_and_number_replaces_the_smaller_and_never_the_other_way() {
    let mut shelf = with_directory();
    hear(&mut shelf, piece(2, 0, 1, &[1]));

    assert_eq!(hear(&mut shelf, piece(1, 0, 1, &[9])), Heard::Known);
    assert_eq!(
        hear(&mut shelf, piece(3, 0, 1, &[2])),
        Heard::Kept(Changed::Whole(FERRY))
    );
    assert!(names(&shelf, 2) && !names(&shelf, 1));

    let newer = directory(2, 2, ProviderStanding::Live);
    assert_eq!(hear(&mut shelf, newer), Heard::Kept(Changed::Directory));
    assert_eq!(
        hear(&mut shelf, directory(1, 1, ProviderStanding::Live)),
        Heard::Known
    );
    assert_eq!(
        hear(&mut shelf, piece(4, 0, 1, &[5])),
        Heard::Refused(ListRefused::Epoch),
        "a list of the epoch before is refused"
    );
    let first_of_epoch = signed_piece(version(2, 1), 0, 1, &[7]);
    assert_eq!(
        hear(&mut shelf, first_of_epoch),
        Heard::Kept(Changed::Whole(FERRY))
    );
    assert!(names(&shelf, 7) && !names(&shelf, 2));
}

#[test]
fn pieces_are_taken_in_order_and_a_newer_version_begins_anew() {
    let mut shelf = with_directory();

    assert_eq!(hear(&mut shelf, piece(1, 1, 3, &[4])), Heard::Known);
    hear(&mut shelf, piece(1, 0, 3, &[1]));
    assert_eq!(hear(&mut shelf, piece(1, 2, 3, &[9])), Heard::Known);
    assert_eq!(hear(&mut shelf, piece(1, 0, 3, &[1])), Heard::Known);
    hear(&mut shelf, piece(2, 0, 2, &[1]));

    let gathering = shelf.holding().lists[0].gathering.expect("one");
    assert_eq!((gathering.version, gathering.next), (version(1, 2), 1));
    assert_eq!(hear(&mut shelf, piece(1, 1, 3, &[4])), Heard::Known);
}

#[test]
fn every_broken_rule_is_refused_by_name_and_nothing_is_kept() {
    let mut shelf = with_directory();
    hear(&mut shelf, piece(1, 0, 2, &[5]));
    let before = shelf.holding();
    let stranger = GossipItem::Piece(Box::new(Signed::sign(
        body(version(1, 1), 1, 2, &[8]),
        &SecretKey::from_seed(&[9; 32]),
    )));
    let mut elsewhere = body(version(1, 1), 0, 1, &[1]);
    elsewhere.provider = ProviderId([0x77; 16]);
    let elsewhere = GossipItem::Piece(Box::new(Signed::sign(elsewhere, &list_key())));
    let other_epoch = body(version(2, 1), 0, 1, &[1]);
    let other_epoch = GossipItem::Piece(Box::new(Signed::sign(other_epoch, &list_key())));
    let unsorted = {
        let entry = |provider| entry(provider, 1, ProviderStanding::Live);
        signed_directory(5, vec![entry(FERRY), entry(CAMPUS)])
    };
    let forged = GossipItem::Directory(Box::new(Signed::sign(
        directory_body(6, vec![]),
        &SecretKey::from_seed(&[9; 32]),
    )));

    for (item, refused) in [
        (stranger, ListRefused::Signature),
        (elsewhere, ListRefused::UnknownProvider),
        (other_epoch, ListRefused::Epoch),
        (piece(1, 1, 2, &[5]), ListRefused::Entries),
        (piece(1, 1, 2, &[4]), ListRefused::Entries),
        (piece(2, 0, 1, &[2, 1]), ListRefused::Entries),
        (piece(1, 1, 3, &[8]), ListRefused::Pieces),
        (piece(2, 0, 0, &[8]), ListRefused::Pieces),
        (piece(2, 0, 140, &[8]), ListRefused::Pieces),
        (piece(1, 0, 2, &[6]), ListRefused::Equivocation),
        (directory_other(), ListRefused::Equivocation),
        (unsorted, ListRefused::DirectoryOrder),
        (forged, ListRefused::Signature),
    ] {
        assert_eq!(hear(&mut shelf, item), Heard::Refused(refused));
        assert_eq!(shelf.holding(), before, "{refused}");
    }
}

#[test]
fn a_key_is_revoked_since_the_first_version_here_that_named_it() {
    let mut shelf = with_directory();
    hear(&mut shelf, piece(3, 0, 1, &[1]));
    let stated_before = shelf.held(Some(FERRY));
    hear(&mut shelf, piece(5, 0, 1, &[1, 2]));
    let denied = shelf.denied();

    let named_before = certificate(1);
    let named_since = certificate(2);
    assert!(denied.was_revoked(&named_before, &stated_before));
    assert!(!denied.was_revoked(&named_since, &stated_before));
    assert!(denied.was_revoked(&named_since, &shelf.held(Some(FERRY))));
}

#[test]
fn a_provider_that_the_root_revokes_is_revoked_with_all_its_subjects() {
    let mut shelf = with_directory();
    let stated_before = shelf.held(None);
    hear(&mut shelf, directory(2, 1, ProviderStanding::Revoked));

    let denied = shelf.denied();
    assert_eq!(denied.revoked(&certificate(1)), Some(Revoked::Provider));
    assert!(!denied.was_revoked(&certificate(1), &stated_before));
}

#[test]
fn what_another_device_lacks_is_passed_on_from_where_it_stands() {
    let mut whole = with_directory();
    for at in 0..20 {
        hear(
            &mut whole,
            piece(1, at, 20, &[u8::try_from(at).expect("small")]),
        );
    }
    let mut other = Shelf::default();

    let mut visits = 0;
    while names(&whole, 19) && !names(&other, 19) {
        let items = whole.missing(&other.holding());
        assert!(!items.is_empty() && items.len() <= 17);
        for item in items {
            assert!(matches!(hear(&mut other, item), Heard::Kept(_)));
        }
        visits += 1;
    }

    assert_eq!(visits, 2);
    assert!(whole.missing(&other.holding()).is_empty());
    assert!(other.missing(&whole.holding()).is_empty());
}

#[test]
fn a_list_under_a_key_of_before_is_used_and_not_passed_on() {
    let mut shelf = with_directory();
    hear(&mut shelf, piece(1, 0, 1, &[1]));
    hear(&mut shelf, directory(2, 2, ProviderStanding::Live));

    let items = shelf.missing(&Shelf::default().holding());

    assert!(names(&shelf, 1));
    assert!(matches!(items.as_slice(), [GossipItem::Directory(_)]));
}

#[tokio::test]
async fn what_is_kept_is_on_disk_and_what_is_damaged_is_left_out() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = root().public_key();
    let lists = Lists::open(dir.path()).expect("opened");
    for item in [
        directory(1, 1, ProviderStanding::Live),
        piece(1, 0, 1, &[1]),
        piece(2, 0, 2, &[1]),
    ] {
        assert!(matches!(lists.hear(root, item).await, Heard::Kept(_)));
    }
    let held = lists.holding();

    let again = Lists::open(dir.path()).expect("opened");
    assert_eq!(again.holding(), held);
    assert!(again.denied().borrow().revoked(&certificate(1)).is_some());

    let file = dir.path().join("lists").join(format!("{FERRY}.list"));
    std::fs::write(file, b"rot").expect("written");
    let damaged = Lists::open(dir.path()).expect("opened");
    assert!(damaged.holding().lists.is_empty());
    assert_eq!(damaged.holding().directory, held.directory);
}

fn with_directory() -> Shelf {
    let mut shelf = Shelf::default();
    let kept = hear(&mut shelf, directory(1, 1, ProviderStanding::Live));
    assert_eq!(kept, Heard::Kept(Changed::Directory));
    shelf
}

fn hear(shelf: &mut Shelf, item: GossipItem) -> Heard {
    shelf.hear(&root().public_key(), item)
}

fn names(shelf: &Shelf, key: u8) -> bool {
    shelf.denied().revoked(&certificate(key)).is_some()
}

fn root() -> SecretKey {
    SecretKey::from_seed(&[1; 32])
}

fn list_key() -> SecretKey {
    SecretKey::from_seed(&[4; 32])
}

fn key(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

const fn version(epoch: u32, number: u32) -> ListVersion {
    ListVersion { epoch, number }
}

fn piece(number: u32, at: u16, pieces: u16, keys: &[u8]) -> GossipItem {
    signed_piece(version(1, number), at, pieces, keys)
}

fn signed_piece(version: ListVersion, at: u16, pieces: u16, keys: &[u8]) -> GossipItem {
    GossipItem::Piece(Box::new(Signed::sign(
        body(version, at, pieces, keys),
        &list_key(),
    )))
}

fn body(version: ListVersion, piece: u16, pieces: u16, keys: &[u8]) -> DenyListPiece {
    let entries: Vec<_> = keys
        .iter()
        .map(|number| DenyEntry {
            key: key(*number),
            not_after: Time::from_ms(9),
        })
        .collect();

    DenyListPiece {
        provider: FERRY,
        version,
        piece,
        pieces,
        issued: Time::from_ms(1),
        entries: entries.try_into().expect("few"),
    }
}

fn directory(number: u32, epoch: u32, standing: ProviderStanding) -> GossipItem {
    signed_directory(number, vec![entry(FERRY, epoch, standing)])
}

/// Another directory of the first version.
fn directory_other() -> GossipItem {
    signed_directory(1, vec![entry(CAMPUS, 1, ProviderStanding::Live)])
}

fn signed_directory(number: u32, providers: Vec<DirectoryEntry>) -> GossipItem {
    GossipItem::Directory(Box::new(Signed::sign(
        directory_body(number, providers),
        &root(),
    )))
}

fn directory_body(number: u32, providers: Vec<DirectoryEntry>) -> ProviderDirectory {
    ProviderDirectory {
        version: version(1, number),
        issued: Time::from_ms(1),
        providers: providers.try_into().expect("few"),
    }
}

fn entry(provider: ProviderId, epoch: u32, standing: ProviderStanding) -> DirectoryEntry {
    DirectoryEntry {
        provider,
        name: "Ferry Line Bank".parse().expect("a name"),
        epoch,
        list_key: list_key().public_key(),
        standing,
    }
}

fn certificate(number: u8) -> ops_proto::certificate::Certificate {
    ops_proto::certificate::Certificate {
        number: 1,
        provider: FERRY,
        subject: key(number),
        name: "Ada".parse().expect("a name"),
        currency: "EUR".parse().expect("a currency"),
        issuer: key(0).id(),
        not_before: Time::from_ms(0),
        not_after: Time::from_ms(9),
        role: ops_proto::certificate::Role::Client,
    }
}
