//! Who may use the TA: users, by the credentials that the kernel has of the peer.

use std::collections::BTreeSet;
use std::path::Path;

/// The users who may connect.
#[derive(Clone, Debug)]
pub struct Access(BTreeSet<u32>);

impl Access {
    /// Allows nobody.
    #[must_use]
    pub const fn nobody() -> Self {
        Self(BTreeSet::new())
    }

    /// Allows the TA's own user alone, who can read the state anyway.
    #[must_use]
    pub fn own() -> Self {
        Self(BTreeSet::from([rustix::process::geteuid().as_raw()]))
    }

    /// Allows one more user, by number or by name in `/etc/passwd`.
    ///
    /// # Errors
    ///
    /// [`UserUnknown`] when there is no user of that name.
    pub fn allow(&mut self, user: &str) -> Result<(), UserUnknown> {
        let uid = match user.parse() {
            Ok(uid) => uid,
            Err(_) => lookup(user).ok_or_else(|| UserUnknown(user.to_owned()))?,
        };
        self.0.insert(uid);

        Ok(())
    }

    /// Returns whether a user may connect.
    #[must_use]
    pub fn allows(&self, uid: u32) -> bool {
        self.0.contains(&uid)
    }

    /// Returns whether anyone but the TA's own user may connect.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.0.len() > 1
    }
}

/// There is no user of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no user {0:?} in /etc/passwd")]
pub struct UserUnknown(String);

fn lookup(name: &str) -> Option<u32> {
    let passwd = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;

    find(&passwd, name)
}

/// Finds `name:password:uid:…`.
fn find(passwd: &str, name: &str) -> Option<u32> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        fields.nth(1)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nblepay:x:990:990::/:/sbin/nologin\n";

        assert_eq!(find(passwd, "blepay"), Some(990));
        assert_eq!(find(passwd, "ble"), None);
        assert_eq!(find(passwd, ""), None);
    }

    #[test]
    fn nobody_but_the_own_user_may_connect_unless_allowed() {
        let own = rustix::process::geteuid().as_raw();
        let other = own.wrapping_add(1);
        let mut access = Access::own();
        assert!(access.allows(own));
        assert!(!access.allows(other));

        access.allow(&other.to_string()).expect("numbers are users");

        assert!(access.allows(other));
        assert!(access.allow("nobody of this name").is_err());
    }
}
