//! Who may use the socket: root, the daemon's own user, and the members of one group.

use std::path::Path;

/// Returns the name of a group by its number, as `/etc/group` has it.
#[must_use]
pub fn group_name(gid: u32) -> Option<String> {
    find(Path::new(GROUP_FILE), |_, number| number == gid).map(|(name, _)| name)
}

/// Returns the number of a group by its name, as `/etc/group` has it.
#[must_use]
pub fn group_number(name: &str) -> Option<u32> {
    find(Path::new(GROUP_FILE), |entry, _| entry == name).map(|(_, number)| number)
}

fn find(path: &Path, wanted: impl Fn(&str, u32) -> bool) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(path).ok()?;

    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?.parse().ok()?;

        wanted(name, number).then(|| (name.to_owned(), number))
    })
}

const GROUP_FILE: &str = "/etc/group";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_and_number() {
        assert_eq!(group_name(0).as_deref(), Some("root"));
        assert_eq!(group_number("root"), Some(0));
        assert_eq!(group_number("no such group"), None);
    }
}
