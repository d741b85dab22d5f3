//! Names and numbers of things.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

use crate::limits::{MARKS_MAX, NAME_SIZE_MAX};

/// A SHA-256 hash, 32 bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// 32 zero bytes: the "hash of the statement before" of a TA's first statement.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes the parts one after the other.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }

        Self(hasher.finalize().into())
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A wallet provider: 16 bytes that stay while its keys change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProviderId(pub [u8; 16]);

/// A key, named by the first 8 bytes of its SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyId(pub [u8; 8]);

/// A request of one payee key. A TA counts upwards from 1; a payee without a TA draws it at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// The journalled intent of a TA command that has no natural key: 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommandId(pub [u8; 16]);

macro_rules! hex_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

hex_text!(Digest, ProviderId, KeyId, CommandId);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A subject's name as people see it: 1 to 32 bytes of UTF-8 that show as they are.
///
/// A name that somebody makes ([`FromStr`](core::str::FromStr)) has no character that hides or turns text, as Unicode
/// says today. One that is read from a wire or a disk is judged by a list that never changes, so that what was once signed
/// and stored can be read for ever; whoever decides by it asks [`Self::is_plain`] first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether it shows as it is: a person decides by this name.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.0.chars().any(is_hidden) && !has_stacked_marks(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = NameRefused;

    fn try_from(name: String) -> Result<Self, NameRefused> {
        if name.is_empty() || name.len() > NAME_SIZE_MAX {
            return Err(NameRefused::Size);
        }
        if name.trim() != name {
            return Err(NameRefused::OuterSpace);
        }
        if name.chars().any(is_hidden_for_ever) {
            return Err(NameRefused::HiddenCharacter);
        }

        Ok(Self(name))
    }
}

impl core::str::FromStr for Name {
    type Err = NameRefused;

    fn from_str(name: &str) -> Result<Self, NameRefused> {
        if name.chars().any(is_hidden) {
            return Err(NameRefused::HiddenCharacter);
        }
        if has_stacked_marks(name) {
            return Err(NameRefused::StackedMarks);
        }

        Self::try_from(name.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    /// Empty, or more than 32 bytes of UTF-8.
    #[error("a name has 1 to 32 bytes")]
    Size,
    /// White space at an end.
    #[error("a name does not begin or end with a space")]
    OuterSpace,
    /// A control character, or one that turns or hides text.
    #[error("a name has no invisible characters")]
    HiddenCharacter,
    /// More marks on a character than any script has, or one without a character.
    #[error("a name has at most {MARKS_MAX} marks on a character, and none before the first")]
    StackedMarks,
}

/// Tells whether a character is refused on wires and disks. This list is frozen with the protocol's version: a longer one
/// would make what was signed and stored unreadable.
#[must_use]
pub fn is_hidden_for_ever(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Tells whether a character shows as nothing or turns what people read: by its general category (control, format, private
/// use, separators of lines), and those of other categories that show nothing all the same.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    let is_hidden_category = matches!(
        character.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::PrivateUse
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
    );

    is_hidden_category || is_blank(character)
}

/// Fillers, selectors of variants, the empty Braille cell, and what is reserved for such.
const fn is_blank(character: char) -> bool {
    matches!(character,
        '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2060}'..='\u{206f}'
        | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Tells whether a text puts more than [`MARKS_MAX`] marks on a character, or one on what stands before the text.
#[must_use]
pub fn has_stacked_marks(text: &str) -> bool {
    if text.chars().next().is_some_and(is_mark) {
        return true;
    }
    let mut marks = 0_usize;

    text.chars().any(|character| {
        marks = if is_mark(character) {
            marks.saturating_add(1)
        } else {
            0
        };
        marks > MARKS_MAX
    })
}

fn is_mark(character: char) -> bool {
    matches!(
        character.general_category(),
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_as_it_is() {
        assert!("Ferry Café №7".parse::<Name>().is_ok());
        assert_eq!("".parse::<Name>(), Err(NameRefused::Size));
        assert_eq!("x".repeat(33).parse::<Name>(), Err(NameRefused::Size));
        assert_eq!(" Ferry".parse::<Name>(), Err(NameRefused::OuterSpace));
        for name in ["Fer\u{202e}ry", "Fer\nry", "Fer\u{200b}ry", "Fer\u{0}ry"] {
            assert_eq!(name.parse::<Name>(), Err(NameRefused::HiddenCharacter));
        }
    }

    #[test]
    fn what_was_once_signed_is_read_for_ever_and_is_not_decided_by() {
        for text in [
            "Fer\u{e000}ry",
            "Fer\u{2800}ry",
            "e\u{301}\u{301}\u{301}\u{301}\u{301}",
        ] {
            assert!(text.parse::<Name>().is_err(), "{text:?} is not made");

            let bytes = crate::signed::encode(&text);
            let stored: Name = crate::signed::decode_canonical(&bytes).expect("it is read");
            assert!(!stored.is_plain());
        }
        let bytes = crate::signed::encode(&"Fer\u{202e}ry");
        assert!(crate::signed::decode_canonical::<Name>(&bytes).is_err());
    }

    #[test]
    fn what_shows_nothing_is_known_by_its_category() {
        // soft hyphen, Arabic letter mark, Mongolian separator, joiners, isolates, a tag, private use, the empty Braille cell
        for hidden in [
            '\u{ad}',
            '\u{61c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{2028}',
            '\u{202e}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{e000}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{110bd}',
            '\u{e0041}',
        ] {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
        for shown in ['a', 'é', 'ß', ' ', 'ア', 'ض', 'ก', '☕', '№', '\u{301}'] {
            assert!(!is_hidden(shown), "{shown:?}");
        }
    }

    #[test]
    fn marks_stand_on_a_character_and_are_few() {
        for name in ["Cafe\u{301}", "ผู้ใหญ่", "שָׁלוֹם", "हिन्दी"]
        {
            assert!(name.parse::<Name>().is_ok(), "{name}");
        }
        let tower = format!("Z{}", "\u{301}".repeat(MARKS_MAX + 1));
        for name in [tower.as_str(), "\u{301}Ferry"] {
            assert_eq!(name.parse::<Name>(), Err(NameRefused::StackedMarks));
        }
    }
}
