//! Coming in by what we are built of. As far as it can be known without a network: where each dependency comes from, that its
//! content is pinned, under which licence. What has become known of holes since is asked by `make audit`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The packages of a `Cargo.lock`: name, version, and the rest.
fn locked(path: &str) -> Vec<BTreeMap<String, String>> {
    let field = |line: &str| {
        let (name, value) = line.split_once(" = ")?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    read(path).split("[[package]]").skip(1).map(|package| package.lines().filter_map(field).collect()).collect()
}

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Slips in a dependency from somewhere else, or one whose content is not pinned: each comes from its registry, with a
/// checksum.
#[test]
fn a_dependency_from_elsewhere() {
    for lock in ["Cargo.lock", "fuzz/Cargo.lock", "benches/load/Cargo.lock"] {
        let packages = locked(lock);
        assert!(packages.len() > 50, "{lock}: {}", packages.len());
        for package in &packages {
            let name = &package["name"];
            match package.get("source").map(String::as_str) {
                Some(CRATES_IO) => assert_eq!(package["checksum"].len(), 64, "{lock}: {name}"),
                None => assert!(
                    ["melati", "melati-fuzz", "sse-load"].contains(&name.as_str()),
                    "{lock}: {name} is not ours"
                ),
                Some(other) => panic!("{lock}: {name} comes from {other}"),
            }
        }
    }
    let npm: Value = serde_json::from_str(&read("package-lock.json")).unwrap();
    let packages = npm["packages"].as_object().unwrap();
    for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
        // where nothing is said, it is the registry
        let from = package["resolved"].as_str().unwrap_or("https://registry.npmjs.org/");
        assert!(from.starts_with("https://registry.npmjs.org/"), "{path} comes from {from:?}");
        assert!(package["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-")), "{path}");
    }
    assert!(packages.len() > 10);
}

/// The fuzzers attack what is shipped, not another version of it.
#[test]
fn a_fuzzer_of_another_version() {
    let versions = |lock: &str| -> BTreeSet<(String, String)> {
        locked(lock).into_iter().map(|package| (package["name"].clone(), package["version"].clone())).collect()
    };
    let shipped = versions("Cargo.lock");
    let names: BTreeSet<_> = shipped.iter().map(|(name, _)| name.clone()).collect();
    for (name, version) in versions("fuzz/Cargo.lock").into_iter().filter(|(name, _)| names.contains(name)) {
        assert!(shipped.contains(&(name.clone(), version.clone())), "fuzz/Cargo.lock has {name} {version}");
    }
}

/// What `deny.toml` allows.
fn allowed() -> BTreeSet<String> {
    let deny = read("deny.toml");
    let list = deny.split("\nallow = [").nth(1).unwrap().split(']').next().unwrap();
    list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Whether an SPDX expression can be kept by what is allowed; the rest of it that was not read.
fn keeps<'a>(tokens: &'a [&'a str], allowed: &BTreeSet<String>) -> (bool, &'a [&'a str]) {
    let (mut any, mut all, mut rest) = (false, true, tokens);
    loop {
        let one;
        (one, rest) = match rest.first() {
            Some(&"(") => {
                let (inside, rest) = keeps(&rest[1..], allowed);
                (inside, &rest[1..])
            }
            Some(_) if rest.get(1) == Some(&"WITH") => {
                (allowed.contains(&format!("{} WITH {}", rest[0], rest[2])), &rest[3..])
            }
            Some(name) => (allowed.contains(*name), &rest[1..]),
            None => (false, rest),
        };
        all &= one;
        match rest.first() {
            Some(&"AND") => rest = &rest[1..],
            Some(&"OR") => {
                (any, all, rest) = (any | all, true, &rest[1..]);
            }
            _ => return (any | all, rest),
        }
    }
}

fn is_kept(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    keeps(&tokens, allowed).0
}

#[test]
fn licences_are_read_as_they_are_meant() {
    let allowed = BTreeSet::from(["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned));
    for kept in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(GPL-3.0 OR MIT) AND Zlib",
        "Apache-2.0 WITH LLVM-exception",
        "X AND Y OR MIT",
    ] {
        assert!(is_kept(kept, &allowed), "{kept}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND Y", "Apache-2.0", "Apache-2.0 OR X AND MIT"] {
        assert!(!is_kept(refused, &allowed), "{refused}");
    }
}

/// Brings in a dependency that asks for more than we can give, or one that is denied by name: this fails, and names it.
#[test]
fn a_licence_that_asks_for_more() {
    let metadata = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{}", packages.len());
    let allowed = allowed();
    for package in packages {
        let (name, licence) = (package["name"].as_str().unwrap(), package["license"].as_str().unwrap_or_default());
        assert!(is_kept(licence, &allowed), "{name}: {licence:?} is not what deny.toml allows");
        assert!(name != "openssl-sys", "TLS is the proxy's");
    }
}
