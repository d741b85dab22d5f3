//! What others may do with a TPM: its owner, or somebody in its group.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

pub(crate) const EXTEND: u32 = 0x0136;
pub(crate) const NV_READ: u32 = 0x014e;
pub(crate) const DEFINE: u32 = 0x012a;

const OWNER: u32 = 0x4000_0001;
const LOCKOUT: u32 = 0x4000_000a;
const INDEX: u32 = 0x01b1_e9a0;

/// `TPM2_Clear`: everything that was sealed under the owner is lost, and every index of the owner's.
pub(crate) fn clear(tpm: &Path) {
    assert_eq!(run(tpm, 0x0126, &[LOCKOUT], &[]), 0);
}

/// `TPM2_NV_UndefineSpace` of the TA's index, as the owner may.
pub(crate) fn remove_index(tpm: &Path) {
    assert_eq!(run(tpm, 0x0122, &[OWNER, INDEX], &[]), 0);
}

/// `TPM2_NV_DefineSpace` of an index that looks like the TA's, with another authorisation value.
pub(crate) fn make_index(tpm: &Path) {
    let public = [
        INDEX.to_be_bytes().as_slice(),
        &[0x00, 0x0b],
        &0x0206_0044_u32.to_be_bytes(),
        &[0, 0],
        &[0, 32],
    ]
    .concat();
    let parameters = [&[0, 4], b"mine".as_slice(), &[0, 14], &public].concat();
    assert_eq!(run(tpm, DEFINE, &[OWNER], &parameters), 0);
}

/// `TPM2_NV_Extend` of the TA's index by somebody who does not know its authorisation value.
pub(crate) fn extend_carelessly(tpm: &Path) -> u32 {
    run(tpm, EXTEND, &[INDEX, INDEX], &[0, 1, 7])
}

/// `TPM2_HierarchyChangeAuth` of the owner.
pub(crate) fn set_owner_authorisation(tpm: &Path, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("it is short");
    let parameters = [length.to_be_bytes().as_slice(), value].concat();
    assert_eq!(run(tpm, 0x0129, &[OWNER], &parameters), 0);
}

fn run(tpm: &Path, code: u32, handles: &[u32], parameters: &[u8]) -> u32 {
    let handles: Vec<u8> = handles.iter().flat_map(|it| it.to_be_bytes()).collect();
    // One session: the empty password.
    let session = [0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0];
    let body = [&handles, session.as_slice(), parameters].concat();
    let length = u32::try_from(body.len() + 10).expect("it is short");
    let command = [
        [0x80, 0x02].as_slice(),
        &length.to_be_bytes(),
        &code.to_be_bytes(),
        &body,
    ]
    .concat();

    let mut stream = UnixStream::connect(tpm).expect("it listens");
    stream.write_all(&command).expect("it reads");
    let mut header = [0; 10];
    stream.read_exact(&mut header).expect("it answers");

    u32::from_be_bytes([header[6], header[7], header[8], header[9]])
}
