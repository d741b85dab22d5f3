//! Route changes, as the kernel tells them over netlink.

use std::io;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::UnixDatagram;
use tokio_util::sync::CancellationToken;

use super::HintSender;

/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;

/// What a notice says is not read, only that there was one.
const NOTICE_SIZE: usize = 8192;

/// Gives a hint whenever links, addresses or routes change.
pub(super) async fn watch(hints: HintSender, stop: CancellationToken) {
    let notices = match open() {
        Ok(notices) => notices,
        Err(error) => {
            tracing::info!(%error, "The kernel does not report route changes; syncing by the timer alone");
            return;
        }
    };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = next(&notices) => match changed {
                Ok(()) => hints.give("routes"),
                Err(error) => {
                    tracing::info!(%error, "The kernel no longer reports route changes; syncing by the timer alone");
                    return;
                }
            },
        }
    }
}

fn open() -> io::Result<UnixDatagram> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;

    // Whatever its address family, it is a socket of datagrams, and that is all that is used of it.
    UnixDatagram::from_std(socket.into())
}

/// Waits for a notice and takes all that wait.
async fn next(notices: &UnixDatagram) -> io::Result<()> {
    let mut notice = [0_u8; NOTICE_SIZE];
    taken(notices.recv(&mut notice).await)?;
    loop {
        match notices.try_recv(&mut notice) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            outcome => taken(outcome)?,
        }
    }
}

/// Notices that were lost say the same as those that were not.
fn taken(outcome: io::Result<usize>) -> io::Result<()> {
    match outcome {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        outcome => outcome.map(|_size| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_kernel_lets_us_listen() {
        let notices = open().expect("a netlink socket");
        let nothing = tokio::time::timeout(std::time::Duration::from_millis(20), next(&notices));

        assert!(nothing.await.map_or(true, |notice| notice.is_ok()));
    }
}
