//! The way to a TPM: the kernel's device, or the socket of swtpm.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::limits::TPM_TIME_MAX;

/// Where a TPM is, written as the TPM2 software stack writes it.
///
/// `device:/dev/tpmrm0` is the kernel's resource manager; `swtpm:host=127.0.0.1,port=2321` and
/// `swtpm:path=/run/swtpm.sock` are the server socket of a software TPM, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmAddress(TpmPlace);

#[derive(Clone, Debug, PartialEq, Eq)]
enum TpmPlace {
    Device(PathBuf),
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl FromStr for TpmAddress {
    type Err = TpmAddressUnknown;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let place = match text.split_once(':') {
            Some(("device", path)) if path.starts_with('/') => TpmPlace::Device(path.into()),
            Some(("swtpm", place)) => swtpm(place).ok_or(TpmAddressUnknown)?,
            Some(_) | None => return Err(TpmAddressUnknown),
        };

        Ok(Self(place))
    }
}

fn swtpm(place: &str) -> Option<TpmPlace> {
    if let Some(path) = place.strip_prefix("path=") {
        return path.starts_with('/').then(|| TpmPlace::Unix(path.into()));
    }
    let (host, port) = place.split_once(',')?;

    Some(TpmPlace::Tcp {
        host: host.strip_prefix("host=")?.to_owned(),
        port: port.strip_prefix("port=")?.parse().ok()?,
    })
}

impl core::fmt::Display for TpmAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.0 {
            TpmPlace::Device(path) => write!(f, "device:{}", path.display()),
            TpmPlace::Tcp { host, port } => write!(f, "swtpm:host={host},port={port}"),
            TpmPlace::Unix(path) => write!(f, "swtpm:path={}", path.display()),
        }
    }
}

/// Text that names no TPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is written as device:/dev/tpmrm0, swtpm:host=127.0.0.1,port=2321 or swtpm:path=/run/swtpm.sock"
)]
pub struct TpmAddressUnknown;

/// An open way to a TPM. Both kinds carry a command each way, and nothing else.
#[derive(Debug)]
pub(super) enum Wire {
    Device(File),
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Wire {
    pub(super) fn open(address: &TpmAddress) -> io::Result<Self> {
        Ok(match &address.0 {
            TpmPlace::Device(path) => {
                Self::Device(OpenOptions::new().read(true).write(true).open(path)?)
            }
            TpmPlace::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port))?;
                stream.set_read_timeout(Some(TPM_TIME_MAX))?;
                stream.set_write_timeout(Some(TPM_TIME_MAX))?;
                stream.set_nodelay(true)?;
                Self::Tcp(stream)
            }
            TpmPlace::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TPM_TIME_MAX))?;
                stream.set_write_timeout(Some(TPM_TIME_MAX))?;
                Self::Unix(stream)
            }
        })
    }

    /// Sends a command and returns the whole answer.
    pub(super) fn transact(&mut self, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Device(file) => device(file, command),
            Self::Tcp(stream) => socket(stream, command),
            Self::Unix(stream) => socket(stream, command),
        }
    }
}

/// The device takes a command in one write and gives the answer in one read.
fn device(file: &mut File, command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    let written = file.write(command)?;
    if written != command.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    let mut answer = Zeroizing::new(vec![0; ANSWER_SIZE_MAX]);
    let length = file.read(&mut answer)?;
    answer.truncate(length);

    Ok(answer)
}

/// A socket is a stream: the header says how long the answer is.
fn socket(stream: &mut (impl Read + Write), command: &[u8]) -> io::Result<Zeroizing<Vec<u8>>> {
    stream.write_all(command)?;
    let mut header = [0; HEADER_SIZE];
    stream.read_exact(&mut header)?;
    let [_, _, length @ .., _, _, _, _] = header;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(HEADER_SIZE..=ANSWER_SIZE_MAX).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "an answer of impossible length",
        ));
    }
    let mut answer = Zeroizing::new(vec![0; length]);
    let (head, rest) = answer.split_at_mut(HEADER_SIZE);
    head.copy_from_slice(&header);
    stream.read_exact(rest)?;

    Ok(answer)
}

/// Bytes of the header of every answer: tag, length, response code.
const HEADER_SIZE: usize = 10;

/// Largest answer of any TPM.
const ANSWER_SIZE_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tpm_is_named_as_the_tpm2_software_stack_names_it() {
        for text in [
            "device:/dev/tpmrm0",
            "swtpm:host=127.0.0.1,port=2321",
            "swtpm:path=/run/swtpm.sock",
        ] {
            let address: TpmAddress = text.parse().expect("it is well formed");
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "/dev/tpmrm0",
            "device:tpmrm0",
            "swtpm:port=2321",
            "swtpm:host=a,port=99999",
            "swtpm:path=x",
            "mssim:host=a,port=1",
        ] {
            assert_eq!(text.parse::<TpmAddress>(), Err(TpmAddressUnknown), "{text}");
        }
    }
}
