//! What becomes of directories and pieces that are heard.

use ops_proto::ProviderId;

/// What became of something heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is kept.
    Kept(Changed),
    /// It is already known or out of order; the sender is not at fault.
    Known,
    /// It breaks a rule; nothing of it is kept.
    Refused(ListRefused),
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The directory is another.
    Directory,
    /// One more piece of this provider's newer version.
    Gathering(ProviderId),
    /// This provider's list is another.
    Whole(ProviderId),
}

/// Why a directory or piece is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListRefused {
    /// The signature is not that of the root, or of the provider's list key.
    #[error("the signature does not fit")]
    Signature,
    /// The directory does not name the provider.
    #[error("the directory does not name the provider")]
    UnknownProvider,
    /// The list is of another epoch than its key.
    #[error("the list is of another epoch than its key")]
    Epoch,
    /// The directory's providers do not ascend.
    #[error("the providers do not ascend")]
    DirectoryOrder,
    /// The entries do not ascend over the pieces, or are more than a list may have.
    #[error("the entries do not ascend, or are too many")]
    Entries,
    /// The number of pieces is none, too large, or not that of the other pieces.
    #[error("the number of pieces is wrong")]
    Pieces,
    /// Two different texts of the same piece: their signer contradicts itself.
    #[error("the same piece was heard with other content")]
    Equivocation,
}

impl Changed {
    /// Tells whether somebody else may be revoked now.
    pub(super) const fn revokes(self) -> bool {
        match self {
            Self::Directory | Self::Whole(_) => true,
            Self::Gathering(_) => false,
        }
    }
}
