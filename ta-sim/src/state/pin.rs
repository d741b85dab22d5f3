//! The PIN: its retry counter, the floor above which `Pay` asks for it, and how it is compared.
//!
//! A comparison takes two steps, so that no crash gives a free guess: the try is counted and durable
//! ([`PinVerdict::CountFirst`], [`StoredPin::count_try`]), and only then is the PIN compared.

use core::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use ops_proto::amount::Amount;
use ops_proto::contract::{Pin, PinState, TaRefused};
use ops_proto::limits::{PIN_DIGITS_MAX, PIN_DIGITS_MIN, PIN_TRIES_MAX};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::{Zeroize as _, Zeroizing};

use crate::command::Tried;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StoredPin {
    secret: Option<Secret>,
    tries_left: u8,
    floor: u64,
    /// What was paid since the last right PIN, in minor units.
    since: u64,
}

/// A PIN and the command that set it, as a slow hash each.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Secret {
    salt: [u8; SALT_SIZE],
    pin: Verifier,
    /// Over all of the change, so that it is known again when its answer was lost. Whoever guesses has
    /// to guess both PINs in it, which is no better than guessing one.
    change: Verifier,
}

/// A change of PIN as the person asks for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PinChange<'a> {
    pub(crate) old: Option<&'a Pin>,
    pub(crate) new: &'a Pin,
    pub(crate) floor: u64,
}

/// What a check says that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinVerdict {
    /// No PIN was needed and none was compared.
    NotCompared,
    /// A PIN is about to be compared: count the try and make it durable, then ask again.
    CountFirst,
    /// The PIN is right.
    Right,
    /// The very same change was made already.
    Repeated,
}

impl StoredPin {
    pub(crate) const fn new() -> Self {
        Self {
            secret: None,
            tries_left: PIN_TRIES_MAX,
            floor: 0,
            since: 0,
        }
    }

    /// Checks the PIN of a payment of `amount`.
    ///
    /// A blocked PIN stops every payment, also one below the floor: somebody has been guessing.
    pub(crate) fn check_payment(
        &self,
        entered: Option<&Pin>,
        amount: Amount,
        tried: Tried,
    ) -> Result<PinVerdict, TaRefused> {
        let Some(secret) = &self.secret else {
            return Ok(PinVerdict::NotCompared);
        };
        self.check_blocked(tried)?;
        let Some(entered) = entered else {
            if self.inspect().asks_for(amount) {
                return Err(TaRefused::Pin);
            }
            return Ok(PinVerdict::NotCompared);
        };
        check_form(entered)?;
        match tried {
            Tried::No => Ok(PinVerdict::CountFirst),
            Tried::Counted if secret.is(entered) => Ok(PinVerdict::Right),
            Tried::Counted => Err(TaRefused::Pin),
        }
    }

    /// Checks a change: the first PIN is free to choose, any other takes the one before.
    pub(crate) fn check_change(
        &self,
        change: &PinChange<'_>,
        tried: Tried,
    ) -> Result<PinVerdict, TaRefused> {
        check_form(change.new)?;
        let Some(secret) = &self.secret else {
            return Ok(PinVerdict::NotCompared);
        };
        self.check_blocked(tried)?;
        if let Some(old) = change.old {
            check_form(old)?;
        }
        match tried {
            Tried::No => Ok(PinVerdict::CountFirst),
            Tried::Counted if secret.was_set_by(change) => Ok(PinVerdict::Repeated),
            Tried::Counted if change.old.is_some_and(|old| secret.is(old)) => Ok(PinVerdict::Right),
            Tried::Counted => Err(TaRefused::Pin),
        }
    }

    /// Counts a try. It must be durable before the PIN is compared.
    pub(crate) const fn count_try(&mut self) {
        self.tries_left = self.tries_left.saturating_sub(1);
    }

    /// Takes note of a right PIN: tries and floor begin anew.
    pub(crate) const fn entered(&mut self) {
        self.tries_left = PIN_TRIES_MAX;
        self.since = 0;
    }

    /// Takes note of a payment; one with a right PIN is covered by it.
    pub(crate) const fn paid(&mut self, verdict: PinVerdict, amount: Amount) {
        match verdict {
            PinVerdict::Right => self.entered(),
            PinVerdict::NotCompared | PinVerdict::CountFirst | PinVerdict::Repeated => {
                self.since = self.since.saturating_add(amount.minor_units());
            }
        }
    }

    /// Sets PIN and floor of a change that was checked.
    pub(crate) fn set(&mut self, change: &PinChange<'_>, salt: [u8; SALT_SIZE]) {
        self.secret = Some(Secret {
            salt,
            pin: Verifier::of(&salt, change.new.expose().as_bytes()),
            change: Verifier::of(&salt, &change.to_bytes()),
        });
        self.floor = change.floor;
        self.entered();
    }

    /// Returns what anyone may know.
    pub(crate) const fn inspect(&self) -> PinState {
        PinState {
            is_set: self.secret.is_some(),
            tries_left: self.tries_left,
            floor: self.floor,
            since_pin: self.since,
        }
    }

    /// The last try is counted already when its PIN is compared.
    const fn check_blocked(&self, tried: Tried) -> Result<(), TaRefused> {
        match tried {
            Tried::No if self.tries_left == 0 => Err(TaRefused::PinBlocked),
            Tried::No | Tried::Counted => Ok(()),
        }
    }
}

impl Secret {
    fn is(&self, entered: &Pin) -> bool {
        let other = Verifier::of(&self.salt, entered.expose().as_bytes());

        self.pin.ct_eq(&other).into()
    }

    fn was_set_by(&self, change: &PinChange<'_>) -> bool {
        let other = Verifier::of(&self.salt, &change.to_bytes());

        self.change.ct_eq(&other).into()
    }
}

impl PinChange<'_> {
    /// Returns bytes that are no PIN and differ for different changes.
    fn to_bytes(self) -> Zeroizing<Vec<u8>> {
        let old = self.old.map_or("", Pin::expose);
        let new = self.new.expose();

        Zeroizing::new(
            [
                old.as_bytes(),
                b"\0",
                new.as_bytes(),
                b"\0",
                &self.floor.to_le_bytes(),
            ]
            .concat(),
        )
    }
}

/// A slow hash of a PIN. It prints nothing, is wiped when dropped and compared in constant time.
#[derive(Clone, Serialize, Deserialize)]
struct Verifier([u8; VERIFIER_SIZE]);

impl Verifier {
    fn of(salt: &[u8; SALT_SIZE], secret: &[u8]) -> Self {
        let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(VERIFIER_SIZE))
            .expect("the parameters are within Argon2's bounds");
        let mut verifier = Self([0; VERIFIER_SIZE]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(secret, salt, &mut verifier.0)
            .expect("a PIN and a salt of 16 bytes are within Argon2's bounds");

        verifier
    }

    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier([redacted])")
    }
}

fn check_form(pin: &Pin) -> Result<(), TaRefused> {
    let digits = pin.expose();
    let has_length = (PIN_DIGITS_MIN..=PIN_DIGITS_MAX).contains(&digits.len());
    if !has_length || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TaRefused::PinForm);
    }

    Ok(())
}

/// Bytes of the salt.
pub(crate) const SALT_SIZE: usize = 16;

const VERIFIER_SIZE: usize = 32;

// OWASP's smallest set for Argon2id. No hash saves four digits from whoever has the sealed state open;
// the counter does the work.
const MEMORY_KIB: u32 = 7 * 1024;
const PASSES: u32 = 5;
const LANES: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printing_the_pin_shows_neither_digits_nor_hash() {
        let mut pin = StoredPin::new();
        let change = PinChange {
            old: None,
            new: &Pin::new("987654".into()),
            floor: 7,
        };
        pin.set(&change, [1; SALT_SIZE]);

        let shown = format!("{pin:?} {change:?}");

        assert_eq!(shown.matches("Verifier([redacted])").count(), 2);
        assert_eq!(shown.matches("Verifier(").count(), 2);
        assert!(!shown.contains("987654"));
    }

    #[test]
    fn the_same_pin_has_another_hash_under_another_salt() {
        let one = Verifier::of(&[1; SALT_SIZE], b"1234");
        let other = Verifier::of(&[2; SALT_SIZE], b"1234");

        assert!(!bool::from(one.ct_eq(&other)));
    }
}
