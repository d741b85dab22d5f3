//! The bus between TAs and a TPM: it takes turns as the kernel's resource manager does, and breaks.

use std::io::{self, Read, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use ta_sim::storage::tpm::TpmChoice;

use crate::swtpm::{Swtpm, choice};

/// A bus with a TPM on it, for any number of TAs.
pub(crate) struct Bus {
    pub(crate) tpm: Swtpm,
    path: PathBuf,
    trouble: Arc<Mutex<Option<Trouble>>>,
    /// The codes of all commands that reached the TPM.
    seen: Arc<Mutex<Vec<u32>>>,
    _directory: tempfile::TempDir,
}

/// What happens at the next command with this code, after `skip` others with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) code: u32,
    pub(crate) skip: u32,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    /// The bus breaks before the TPM has the command.
    LostCommand,
    /// The TPM does it, and the bus breaks before its answer is back.
    LostAnswer,
    /// The process is killed before the TPM has the command.
    KillBefore(Pid),
    /// The TPM does it, and the process is killed before the answer is back.
    KillAfter(Pid),
    /// The TPM answers with this code, so many times.
    Refuse { response: u32, times: u32 },
}

impl Bus {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("bus.sock");
        let listener = UnixListener::bind(&path).expect("the path is free");
        let tpm = Swtpm::new();
        let bus = Self {
            path,
            trouble: Arc::default(),
            seen: Arc::default(),
            _directory: directory,
            tpm,
        };
        // One command at a time; each goes over a connection of its own, so that the TPM may be reset.
        let turn = Arc::new(Mutex::new(bus.tpm.socket()));
        let (trouble, seen) = (bus.trouble.clone(), bus.seen.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (turn, trouble, seen) = (turn.clone(), trouble.clone(), seen.clone());
                std::thread::spawn(move || {
                    // It ends with its client, or with the trouble that was asked for.
                    drop(carry(client, &turn, &trouble, &seen));
                });
            }
        });

        bus
    }

    pub(crate) fn choice(&self) -> TpmChoice {
        choice(&self.path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        *self.trouble.lock().expect("no test panics here") = Some(trouble);
    }

    /// Returns how many commands with a code reached the TPM.
    pub(crate) fn count(&self, code: u32) -> usize {
        let seen = self.seen.lock().expect("no test panics here");

        seen.iter().filter(|other| **other == code).count()
    }
}

fn carry(
    mut client: UnixStream,
    turn: &Mutex<PathBuf>,
    trouble: &Mutex<Option<Trouble>>,
    seen: &Mutex<Vec<u32>>,
) -> io::Result<()> {
    loop {
        let command = message(&mut client)?;
        let code = u32::from_be_bytes([command[6], command[7], command[8], command[9]]);
        let tpm = turn.lock().expect("no test panics here");
        let what = due(trouble, code);
        match what {
            Some(What::LostCommand) => return Ok(()),
            Some(What::KillBefore(pid)) => return Ok(kill_process(pid, Signal::KILL)?),
            Some(What::Refuse { response, .. }) => {
                let refusal = [[0x80, 0x01, 0, 0, 0, 10], *b"\0\0\0\0\0\0"].concat();
                client.write_all(&refusal[..6])?;
                client.write_all(&response.to_be_bytes())?;
                continue;
            }
            Some(What::LostAnswer | What::KillAfter(_)) | None => {}
        }
        let mut device = UnixStream::connect(&*tpm)?;
        device.write_all(&command)?;
        let answer = message(&mut device)?;
        drop(device);
        seen.lock().expect("no test panics here").push(code);
        match what {
            Some(What::LostAnswer) => return Ok(()),
            Some(What::KillAfter(pid)) => return Ok(kill_process(pid, Signal::KILL)?),
            Some(What::LostCommand | What::KillBefore(_) | What::Refuse { .. }) | None => {}
        }
        client.write_all(&answer)?;
    }
}

/// Takes the trouble that this command meets, if any.
fn due(trouble: &Mutex<Option<Trouble>>, code: u32) -> Option<What> {
    let mut trouble = trouble.lock().expect("no test panics here");
    let mut next = (*trouble)?;
    if next.code != code {
        return None;
    }
    if next.skip > 0 {
        next.skip -= 1;
        *trouble = Some(next);
        return None;
    }
    *trouble = match next.what {
        What::Refuse { response, times } if times > 1 => Some(Trouble {
            what: What::Refuse {
                response,
                times: times - 1,
            },
            ..next
        }),
        _ => None,
    };

    Some(next.what)
}

fn message(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 10];
    stream.read_exact(&mut message)?;
    let length = u32::from_be_bytes([message[2], message[3], message[4], message[5]]);
    message.resize(usize::try_from(length).expect("it is short"), 0);
    stream.read_exact(&mut message[10..])?;

    Ok(message)
}
