//! As whom PostgreSQL runs: as ourselves, or, because it refuses root, as someone humbler.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    pub name: String,
}

impl Account {
    /// `None`: we are not root, and the server runs as ourselves.
    pub fn for_cluster(cluster: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        // Data made by an ordinary user stays theirs, when root starts us once.
        if let Ok(existing) = fs::metadata(cluster)
            && existing.uid() != 0
        {
            let (uid, gid) = (existing.uid(), existing.gid());
            return Some(Self { uid, gid, name: format!("number {uid}") });
        }
        let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let named = ["postgres", "_postgres", "nobody"].iter().find_map(|name| Self::in_passwd(&known, name));
        // A container without /etc/passwd: any number but 0 will do, and this one is nobody's everywhere.
        Some(named.unwrap_or_else(|| Self { uid: 65_534, gid: 65_534, name: "number 65534".to_owned() }))
    }

    fn in_passwd(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            let mut number = fields.skip(1).map(str::parse);
            let (Some(Ok(uid)), Some(Ok(gid))) = (number.next(), number.next()) else { return None };
            Some(Self { uid, gid, name: name.to_owned() })
        })
    }

    /// The first directory on the way to `path`, itself included, that this account may not enter.
    pub fn stopped_at(&self, path: &Path) -> Option<PathBuf> {
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        let closed = way.into_iter().find(|dir| {
            let Ok(dir) = fs::metadata(dir) else { return true };
            let needed = if dir.uid() == self.uid {
                0o100
            } else if dir.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            dir.mode() & needed == 0
        });
        closed.map(Path::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_is_read_by_whole_names() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobodyelse:x:7:7::/:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
        let nobody = Account::in_passwd(passwd, "nobody").unwrap();
        assert_eq!((nobody.uid, nobody.gid), (65_534, 65_533));
        assert!(Account::in_passwd(passwd, "postgres").is_none());
    }
}
