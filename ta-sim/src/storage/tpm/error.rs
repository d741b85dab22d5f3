//! What can be wrong with a TPM, by whose fault it is.

use std::io;

use super::NvIndex;
use super::marshal::CommandCode;

/// A TPM cannot be used, or not with this state.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// It is not there, or not for us.
    #[error("the TPM cannot be opened; is it there, and is this user in its group (tss)?")]
    NotOpened(#[source] io::Error),
    /// It went away.
    #[error("the TPM does not answer")]
    Gone(#[source] io::Error),
    /// What it says makes no sense.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It refuses a command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The files of the state cannot be made and read.
    #[error("the state directory cannot be used")]
    Files(#[source] io::Error),
    /// Its owner has set an authorisation value that we do not have.
    #[error(
        "the TPM's owner has set an authorisation value: pass it as the credential ta-tpm-owner-auth"
    )]
    OwnerAuthorisation,
    /// The seed was sealed by another one.
    #[error(
        "the state is sealed to another TPM, or this one was cleared since; what it held is lost: \
         report this TA dead to the provider"
    )]
    OtherTpm,
    /// The state was made without a TPM, or its sealed seed is gone.
    #[error(
        "the state directory holds a state that is not sealed to a TPM: retire that TA, then begin in \
         an empty directory"
    )]
    NotSealed,
    /// There is a state and nothing that it was committed to.
    #[error(
        "the TPM has no index {0}, to which this state was committed: somebody removed it; the state \
         cannot be trusted: report this TA dead to the provider"
    )]
    IndexRemoved(NvIndex),
    /// There is an index and no state that was committed to it.
    #[error(
        "the TPM's index {0} belongs to an earlier TA, and the state directory is empty. If that TA is \
         retired or reported dead, remove the index (tpm2_nvundefine -C o {0}); else restore nothing, \
         report it dead first. Another index can be chosen with --tpm-index"
    )]
    IndexOfEarlierTa(NvIndex),
    /// The index has another kind or another authorisation value.
    #[error("the TPM's index {0} is not the one that this TA made: somebody made it anew")]
    IndexReplaced(NvIndex),
}

impl TpmError {
    /// Returns whether asking again gives the same, until a person has done something.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::OtherTpm
            | Self::NotSealed
            | Self::IndexRemoved(_)
            | Self::IndexOfEarlierTa(_)
            | Self::IndexReplaced(_) => true,
            Self::NotOpened(_)
            | Self::Gone(_)
            | Self::Malformed(_)
            | Self::Refused(_)
            | Self::Files(_)
            | Self::OwnerAuthorisation => false,
        }
    }

    /// Returns what a refusal means here, or the error as it is when it is no refusal of this kind.
    pub(super) fn when(self, is_kind: fn(Response) -> bool, meaning: Self) -> Self {
        if let Self::Refused(refusal) = &self
            && is_kind(refusal.response)
        {
            return meaning;
        }

        self
    }
}

impl From<TpmError> for io::Error {
    fn from(error: TpmError) -> Self {
        Self::other(error)
    }
}

/// An answer that is cut short or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the TPM's answer to {0:?} is malformed")]
pub struct Malformed(pub CommandCode);

/// A command that the TPM refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the TPM refused {code:?}: {response}")]
pub struct Refusal {
    /// The command.
    pub code: CommandCode,
    /// Why.
    pub response: Response,
}

/// A response code: part 2, section 6.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response(pub u32);

impl Response {
    /// Returns whether the TPM did nothing, and may do it when it is asked again.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(
            self.kind(),
            YIELDED | TESTING | NV_RATE | RETRY | NV_UNAVAILABLE
        )
    }

    /// Returns whether the authorisation value was the wrong one.
    #[must_use]
    pub const fn is_authorisation(self) -> bool {
        matches!(self.kind(), AUTH_FAIL | BAD_AUTH)
    }

    /// Returns whether there is nothing under the handle.
    #[must_use]
    pub const fn is_handle(self) -> bool {
        self.kind() == HANDLE
    }

    /// Returns whether an object was made by another TPM, or under another seed.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        matches!(self.kind(), INTEGRITY | BINDING)
    }

    /// Returns whether an index was never extended.
    #[must_use]
    pub const fn is_uninitialised(self) -> bool {
        self.kind() == NV_UNINITIALIZED
    }

    /// Returns the code without what says which handle, session or parameter it is about.
    const fn kind(self) -> u32 {
        if self.0 & FORMAT_ONE == 0 {
            self.0
        } else {
            self.0 & 0xbf
        }
    }

    const fn text(self) -> &'static str {
        match self.kind() {
            INITIALIZE => "it was not started (TPM_RC_INITIALIZE)",
            FAILURE => "it has failed and needs a reset (TPM_RC_FAILURE)",
            REBOOT => "it needs a reboot (TPM_RC_REBOOT)",
            LOCKOUT => "it is locked after wrong tries (TPM_RC_LOCKOUT)",
            NV_RATE => "its memory was written too often (TPM_RC_NV_RATE)",
            NV_UNAVAILABLE => "its memory is not available (TPM_RC_NV_UNAVAILABLE)",
            NV_SPACE => "its memory is full (TPM_RC_NV_SPACE)",
            NV_LOCKED => "the index is locked (TPM_RC_NV_LOCKED)",
            NV_UNINITIALIZED => "the index was never extended (TPM_RC_NV_UNINITIALIZED)",
            RETRY | YIELDED | TESTING => "it is busy (TPM_RC_RETRY)",
            AUTH_FAIL | BAD_AUTH => "the authorisation value is another (TPM_RC_AUTH_FAIL)",
            HANDLE => "there is nothing under the handle (TPM_RC_HANDLE)",
            INTEGRITY | BINDING => "the object is another TPM's (TPM_RC_INTEGRITY)",
            _ => "response code",
        }
    }
}

impl core::fmt::Display for Response {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} 0x{:03x}", self.text(), self.0)
    }
}

/// Set in codes that name a handle, session or parameter.
const FORMAT_ONE: u32 = 0x080;

const INITIALIZE: u32 = 0x100;
const FAILURE: u32 = 0x101;
const REBOOT: u32 = 0x130;
const NV_LOCKED: u32 = 0x148;
const NV_UNINITIALIZED: u32 = 0x14a;
const NV_SPACE: u32 = 0x14b;
const YIELDED: u32 = 0x908;
const TESTING: u32 = 0x90a;
const NV_RATE: u32 = 0x920;
const LOCKOUT: u32 = 0x921;
const RETRY: u32 = 0x922;
const NV_UNAVAILABLE: u32 = 0x923;
const HANDLE: u32 = 0x08b;
const AUTH_FAIL: u32 = 0x08e;
const INTEGRITY: u32 = 0x09f;
const BAD_AUTH: u32 = 0x0a2;
const BINDING: u32 = 0x0a5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_code_is_known_whatever_session_handle_or_parameter_it_names() {
        assert!(Response(0x98e).is_authorisation());
        assert!(Response(0x9a2).is_authorisation());
        assert!(Response(0x18b).is_handle());
        assert!(Response(0x1df).is_foreign());
        assert!(Response(0x14a).is_uninitialised());
        assert!(Response(0x922).is_passing());
        assert!(!Response(0x921).is_passing());
    }
}
