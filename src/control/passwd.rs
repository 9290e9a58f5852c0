//! Names of users.

use std::io::Read as _;

/// Larger ones are not looked through.
const LIMIT: u64 = 1 << 20;

/// The name of a user that `/etc/passwd` knows. Users of a directory service stay numbers: asking it would need `unsafe`, and
/// could take long.
pub(super) fn name_of(uid: u32) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open("/etc/passwd").ok()?.take(LIMIT).read_to_string(&mut text).ok()?;
    name_in(&text, uid)
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let line =
        passwd.lines().find(|line| line.split(':').nth(2).and_then(|id| id.parse().ok()) == Some(uid))?;
    let name = line.split(':').next()?;
    (!name.is_empty() && !name.chars().any(char::is_control)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::name_in;

    #[test]
    fn names_are_found_by_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n# comment\nada:x:1000:1000::/home/ada:/bin/sh\n";
        let name = |uid| name_in(passwd, uid);
        assert_eq!((name(0).as_deref(), name(1000).as_deref(), name(7)), (Some("root"), Some("ada"), None));
        assert_eq!(name_in("", 0), None);
    }
}
