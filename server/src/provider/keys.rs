//! The secret keys of a provider: those in use, those before them, and those that wait for a
//! certificate.

use ops_proto::{PublicKey, SecretKey};
use zeroize::Zeroizing;

use super::files::{Access, FileError, Layout, replace_file, seed_back};

/// The name of the key that certifies, in `provider.keys`.
pub(super) const CERTIFY: &str = "certify";

/// The name of the key that signs answers.
pub(super) const ANSWER: &str = "answer";

/// The name of the key that signs deny-lists.
pub(super) const LIST: &str = "list";

/// The keys of `provider.keys`, newest first.
#[derive(Debug)]
pub(super) struct KeyRing {
    keys: Vec<(&'static str, SecretKey)>,
    layout: Layout,
}

impl KeyRing {
    /// Returns a ring with one key for each use.
    pub(super) fn new(layout: &Layout, keys: [SecretKey; 3]) -> Self {
        let mut ring = Self {
            keys: Vec::new(),
            layout: layout.clone(),
        };
        ring.push(keys);

        ring
    }

    /// Adds new keys (to certify, answer and list) before the others.
    pub(super) fn push(&mut self, [certify, answer, list]: [SecretKey; 3]) {
        let keys = [(CERTIFY, certify), (ANSWER, answer), (LIST, list)];
        self.keys.splice(0..0, keys);
    }

    /// Returns the secret of a key with this name.
    pub(super) fn find(&self, name: &str, public: &PublicKey) -> Result<&SecretKey, FileError> {
        let mut named = self.keys.iter().filter(|(known, _)| *known == name);

        named
            .find(|(_, key)| key.public_key() == *public)
            .map(|(_, key)| key)
            .ok_or_else(|| self.unfit("it is for other keys than provider.keys holds"))
    }

    /// Returns the newest keys: to certify, answer and list.
    pub(super) fn newest(&self) -> Result<[&SecretKey; 3], FileError> {
        let newest = |name: &str| {
            let mut named = self.keys.iter().filter(|(known, _)| *known == name);

            named
                .next()
                .map(|(_, key)| key)
                .ok_or_else(|| self.unfit("a key is missing in provider.keys"))
        };

        Ok([newest(CERTIFY)?, newest(ANSWER)?, newest(LIST)?])
    }

    /// Returns what stands in the file.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for (name, key) in &self.keys {
            let seed = Zeroizing::new(hex::encode(key.to_seed().as_slice()));
            text.push_str(name);
            text.push('=');
            text.push_str(&seed);
            text.push('\n');
        }

        text
    }

    fn unfit(&self, why: &'static str) -> FileError {
        FileError::Unfit {
            path: self.layout.provider_certificate_path(),
            why,
        }
    }
}

impl Layout {
    /// Reads `provider.keys`.
    pub(super) fn key_ring(&self) -> Result<KeyRing, FileError> {
        let path = self.provider_keys_path();
        let text = self.read_secret(&path)?;
        let mut ring = KeyRing {
            keys: Vec::new(),
            layout: self.clone(),
        };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let key = key_back(line).ok_or_else(|| FileError::Unfit {
                path: path.clone(),
                why: "a line is not certify=, answer= or list= with 64 hex digits",
            })?;
            ring.keys.push(key);
        }

        Ok(ring)
    }

    /// Writes `provider.keys` in place of the one before.
    pub(super) fn replace_key_ring(&self, ring: &KeyRing) -> Result<(), FileError> {
        let path = self.provider_keys_path();

        replace_file(&path, ring.to_text().as_bytes(), Access::Secret)
    }
}

fn key_back(line: &str) -> Option<(&'static str, SecretKey)> {
    let (name, seed) = line.split_once('=')?;
    let name = [CERTIFY, ANSWER, LIST]
        .into_iter()
        .find(|known| *known == name)?;
    let seed = seed_back(seed)?;

    Some((name, SecretKey::from_seed(&seed)))
}
