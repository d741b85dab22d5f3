//! Whether a device that is connected and says nothing has come to pay, or is none of this radio's business.
//!
//! An adapter is used by others too: a headset, a keyboard, a printer that a till's program dials. BlueZ does not tell
//! who dialled whom, nor for which program a central has come, and a payee must not cut what is not its own. So a device
//! that has become no link is disconnected only when it has come to us as far as one can tell (it read `INFO`, BlueZ did
//! not know it before it connected, or it speaks of our service), and neither when its owner has paired or trusted it,
//! nor when this radio dials it. What was connected before this payee began to serve cannot have come to it.

use ble_proto::gatt::{COMPANY_ID, SERVICE_UUID};
use uuid::Uuid;

/// What a device that is connected wants here; the later, the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Errand {
    /// BlueZ knew the device before it connected: either side may have dialled.
    Unclear,
    /// It has come by itself.
    Came,
    /// It has read `INFO`.
    Asked,
}

/// Whose a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// It came to this payee.
    Ours,
    /// It is here for somebody else.
    Others,
}

/// What BlueZ knows of a device.
#[derive(Clone, Copy, Debug, Default)]
struct Acquaintance {
    is_paired: bool,
    is_trusted: bool,
    /// It advertises requests of its own, or serves as a payee.
    is_payee: bool,
}

/// Looks up whose a connected device is.
///
/// # Errors
///
/// When BlueZ does not know the device any more.
pub(super) async fn whose(device: &bluer::Device, errand: Errand) -> bluer::Result<Whose> {
    let services = device.uuids().await?.unwrap_or_default();
    let data = device.manufacturer_data().await?.unwrap_or_default();
    let known = Acquaintance {
        is_paired: device.is_paired().await?,
        is_trusted: device.is_trusted().await?,
        is_payee: services.contains(&Uuid::from_u128(SERVICE_UUID))
            || data.contains_key(&COMPANY_ID),
    };

    Ok(decide(errand, known))
}

fn decide(errand: Errand, known: Acquaintance) -> Whose {
    if known.is_paired || known.is_trusted {
        return Whose::Others;
    }
    match errand {
        Errand::Asked | Errand::Came => Whose::Ours,
        // nobody but a payer dials a payee, and whom this radio dials is not looked up
        Errand::Unclear if known.is_payee => Whose::Ours,
        Errand::Unclear => Whose::Others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRANGER: Acquaintance = Acquaintance {
        is_paired: false,
        is_trusted: false,
        is_payee: false,
    };

    #[test]
    fn who_came_by_itself_or_read_info_or_is_a_payee_too_is_ours() {
        let payee = Acquaintance {
            is_payee: true,
            ..STRANGER
        };

        assert_eq!(decide(Errand::Came, STRANGER), Whose::Ours);
        assert_eq!(decide(Errand::Asked, STRANGER), Whose::Ours);
        assert_eq!(decide(Errand::Unclear, payee), Whose::Ours);
    }

    #[test]
    fn what_may_have_been_dialled_by_another_program_or_is_the_owners_is_left_alone() {
        let paired = Acquaintance {
            is_paired: true,
            ..STRANGER
        };
        let trusted = Acquaintance {
            is_trusted: true,
            ..STRANGER
        };

        assert_eq!(decide(Errand::Unclear, STRANGER), Whose::Others);
        for errand in [Errand::Unclear, Errand::Came, Errand::Asked] {
            assert_eq!(decide(errand, paired), Whose::Others, "{errand:?}");
            assert_eq!(decide(errand, trusted), Whose::Others, "{errand:?}");
        }
    }
}
