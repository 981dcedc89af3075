//! The doors between the rooms, as ARCHITECTURE.md draws them; and a few things that must stand nowhere, or be written down
//! somewhere. A new door is a decision: it is opened here and there.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory;
use melati::config::Cli;

#[path = "common/source.rs"]
#[allow(dead_code)]
mod source;
use source::{File, Kind, Token, closing, files_under, read, sources};

/// Each room and the rooms it uses. **A room uses only rooms that stand above it**, so there is no circle.
const DOORS: &[(&str, &[&str])] = &[
    ("words", &[]),
    ("gather", &[]),
    ("config", &["words"]),
    ("audit", &["words"]),
    ("branches", &["words", "audit"]),
    ("notifications", &["words", "audit"]),
    ("omset", &["words"]),
    ("orders", &["words", "audit"]),
    ("patients", &["words", "audit"]),
    ("people", &["words", "gather", "audit"]),
    ("monitoring", &["words", "audit"]),
    ("rates", &["words", "audit", "patients"]),
    ("stock", &["words", "audit", "omset"]),
    ("alerts", &["words", "audit", "stock"]),
    ("sales", &["words", "audit", "orders", "patients", "stock"]),
    ("reports", &["words", "branches", "orders", "stock"]),
    ("postgres", &["config"]),
    ("feed", &["words", "config"]),
    ("metrics", &[]),
    ("presence", &["words", "metrics"]),
    ("hub", &["words", "presence"]),
    ("frames", &["hub"]),
    ("realtime", &["words", "gather", "omset", "monitoring", "stock", "feed", "metrics", "presence", "hub"]),
    ("app", &["config", "people", "feed", "realtime"]),
    ("web", &["words", "audit", "branches", "notifications", "omset", "people", "stock", "postgres", "frames", "app"]),
    (
        "pages",
        &[
            "words",
            "audit",
            "alerts",
            "branches",
            "notifications",
            "omset",
            "orders",
            "patients",
            "people",
            "monitoring",
            "rates",
            "reports",
            "sales",
            "stock",
            "metrics",
            "presence",
            "realtime",
            "app",
            "web",
        ],
    ),
    ("endpoint", &["words", "feed", "metrics", "presence", "hub", "frames", "realtime", "app", "web"]),
    ("routes", &["words", "reports", "postgres", "metrics", "realtime", "app", "web", "pages", "endpoint"]),
    ("demo", &["words", "branches", "orders", "patients", "people", "sales", "stock"]),
];

/// Where they all meet; they may use everything, and nothing uses them.
const TOP: &[&str] = &["src/main.rs", "src/lib.rs"];

const NOUNS: &[&str] = &[
    "alerts",
    "audit",
    "branches",
    "monitoring",
    "notifications",
    "omset",
    "orders",
    "patients",
    "people",
    "rates",
    "reports",
    "sales",
    "stock",
];

/// The room of a thing, by its path from the crate's root.
fn room(path: &[&str]) -> String {
    let (first, second) = (path[0], path.get(1).copied().unwrap_or_default());
    match (first, second) {
        ("csv" | "device" | "ids" | "money" | "refusal" | "scope", _) => "words",
        ("App", _) => "app",
        ("web", "home") => "pages",
        (
            "web",
            "" | "Error" | "accept" | "assets" | "client" | "error" | "handoff" | "idle" | "limits" | "menu" | "page"
            | "session",
        ) => "web",
        ("web", _) => "routes",
        ("realtime", "endpoint") => "endpoint",
        ("realtime", "frames") => "frames",
        ("realtime", "presence") => "presence",
        (noun, "pages") if NOUNS.contains(&noun) => "pages",
        (other, _) => other,
    }
    .to_owned()
}

/// The module that a file is: `src/web/mod.rs` is `web`, `src/web/page.rs` is `web`, `page`.
fn module(file: &str) -> Vec<&str> {
    let inner = file.strip_prefix("src/").and_then(|path| path.strip_suffix(".rs")).expect("a file of src/");
    inner.strip_suffix("/mod").unwrap_or(inner).split('/').collect()
}

fn room_of_file(file: &str) -> String {
    if file == "src/web/mod.rs" { "routes".to_owned() } else { room(&module(file)) }
}

/// Everything below `at` that a path names, which may end in braces: `crate::{branches, web::{Error, page}}`.
fn named(tokens: &[Token], mut at: usize, before: &[String], out: &mut Vec<(usize, Vec<String>)>) {
    let mut path = before.to_vec();
    let line = tokens[at].line;
    loop {
        if let Some(word) = tokens[at].word() {
            path.push(word.to_owned());
            at += 1;
        } else if tokens[at].is('{') {
            let end = closing(tokens, at);
            let mut part = at + 1;
            while part < end {
                named(tokens, part, &path, out);
                let mut depth = 0;
                while part < end && (depth > 0 || !tokens[part].is(',')) {
                    depth += i32::from(tokens[part].is('{')) - i32::from(tokens[part].is('}'));
                    part += 1;
                }
                part += 1;
            }
            return;
        }
        let goes_on =
            tokens.get(at).is_some_and(|token| token.is(':')) && tokens.get(at + 1).is_some_and(|token| token.is(':'));
        if !goes_on {
            break;
        }
        at += 2;
        if tokens[at].is('<') || tokens[at].is('*') {
            break;
        }
    }
    out.push((line, path));
}

/// Every path of ours that a file names, from the crate's root.
fn paths(File { path, tokens }: &File) -> Vec<(usize, Vec<String>)> {
    let module: Vec<String> = module(path).into_iter().map(str::to_owned).collect();
    let is_path = |at: usize| {
        tokens.get(at + 1).is_some_and(|token| token.is(':')) && tokens.get(at + 2).is_some_and(|token| token.is(':'))
    };
    // a module names its children without `crate`
    let children: BTreeSet<&str> = tokens
        .windows(3)
        .filter(|three| three[0].word() == Some("mod") && three[2].is(';'))
        .filter_map(|three| three[1].word())
        .collect();
    let mut out = Vec::new();
    for at in 0..tokens.len() {
        match tokens[at].word() {
            Some(child) if children.contains(child) && is_path(at) && !(at > 0 && tokens[at - 1].is(':')) => {
                named(tokens, at, &module, &mut out);
            }
            Some("crate") if is_path(at) => named(tokens, at + 3, &[], &mut out),
            Some("super") if is_path(at) => {
                // in a module inside of the file it would lead to the file itself; we have such only for tests
                let parent = if module.len() > 1 { &module[..module.len() - 1] } else { &module[..] };
                named(tokens, at + 3, parent, &mut out);
            }
            _ => {}
        }
    }
    out
}

#[test]
fn no_circle_is_possible() {
    let mut above = BTreeSet::new();
    for (room, uses) in DOORS {
        for used in *uses {
            assert!(above.contains(used), "{room} uses {used}, which does not stand above it");
        }
        above.insert(*room);
    }
}

#[test]
fn rooms_use_only_the_doors_they_have() {
    let doors: BTreeMap<&str, BTreeSet<&str>> =
        DOORS.iter().map(|(room, uses)| (*room, uses.iter().copied().collect())).collect();
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources().iter().filter(|file| !TOP.contains(&file.path.as_str())) {
        let here = room_of_file(&file.path);
        let allowed = doors.get(here.as_str()).unwrap_or_else(|| panic!("{} is in no room that is known", file.path));
        for (line, path) in paths(file) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let there = room(&path);
            if there == here {
                continue;
            }
            assert!(
                allowed.contains(there.as_str()),
                "{}:{line}: {here} has no door to {there} ({})",
                file.path,
                path.join("::")
            );
            used.entry(here.clone()).or_default().insert(there);
        }
    }
    // lib.rs holds it: see the next test
    used.insert("app".to_owned(), BTreeSet::from(["config", "people", "feed", "realtime"].map(str::to_owned)));
    for (room, allowed) in doors {
        let used = used.remove(room).unwrap_or_default();
        let closed: Vec<_> = allowed.into_iter().filter(|door| !used.contains(*door)).collect();
        assert!(closed.is_empty(), "{room} does not use its door to {closed:?}: close it, here and in ARCHITECTURE.md");
    }
}

/// `app` counts as a room because every handler holds one; it must stay a struct of what lies above it.
#[test]
fn an_app_holds_what_its_room_may_use() {
    let lib = read("src/lib.rs");
    let fields = lib.split("pub struct App {").nth(1).and_then(|rest| rest.split('}').next()).expect("the struct App");
    let types: BTreeSet<&str> = fields.split([':', '<', '>', ',', ' ', '\n']).filter(|word| !word.is_empty()).collect();
    assert_eq!(
        types,
        BTreeSet::from([
            "Arc",
            "Config",
            "Integrity",
            "CatchUp",
            "Live",
            "PgPool",
            "SignIns",
            "catch_up",
            "config",
            "feed",
            "integrity",
            "live",
            "people",
            "pool",
            "pub",
            "realtime",
            "sign_ins",
            "sqlx"
        ])
    );
}

#[test]
fn the_paper_draws_the_same_doors() {
    let paper = read("ARCHITECTURE.md");
    let in_backticks = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<(String, BTreeSet<String>)> = paper
        .lines()
        .filter(|line| line.starts_with("| **"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            (cells[0].trim_matches('*').to_owned(), in_backticks(cells[2]).into_iter().collect())
        })
        .collect();
    let doors: Vec<(String, BTreeSet<String>)> = DOORS
        .iter()
        .map(|(room, uses)| ((*room).to_owned(), uses.iter().map(|used| (*used).to_owned()).collect()))
        .collect();
    assert_eq!(rows, doors, "the table of ARCHITECTURE.md and this test's");
}

/// The crates that belong to some rooms only.
#[test]
fn http_and_sql_stay_where_they_belong() {
    let statements = |path: &str| {
        path.ends_with("/sql.rs")
            || path.starts_with("src/postgres/")
            || path.starts_with("src/feed/")
            || path == "src/stock/alerts.rs"
    };
    for File { path, tokens } in sources() {
        let here = room_of_file(&path);
        let has_http =
            TOP.contains(&path.as_str()) || ["frames", "web", "pages", "endpoint", "routes"].contains(&here.as_str());
        for at in 0..tokens.len() {
            let line = tokens[at].line;
            let of_sqlx = at > 2 && tokens[at - 3].word() == Some("sqlx") && tokens[at - 1].is(':');
            match tokens[at].word() {
                Some("axum" | "tower_http" | "hyper") => assert!(has_http, "{path}:{line}: HTTP in {here}"),
                Some(name) if of_sqlx && (name.starts_with("query") || name == "raw_sql") => {
                    assert!(statements(&path), "{path}:{line}: SQL belongs in a noun's sql.rs");
                }
                Some("sqlx") => assert_ne!(here, "hub", "{path}:{line}: the hub knows no database"),
                Some("AssertSqlSafe" | "QueryBuilder") => {
                    panic!("{path}:{line}: statements are written, not put together")
                }
                _ => {}
            }
        }
    }
}

/// Nothing is trusted that was put together from strings, and the Content-Security-Policy needs no exception.
#[test]
fn pages_and_scripts_hold_no_markup_in_strings_and_nothing_inline() {
    let sinks = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "eval(",
        "new Function",
    ];
    for path in files_under("static", &["js", "mjs"]).into_iter().filter(|path| !path.starts_with("static/dist/")) {
        let script = read(&path);
        for sink in sinks {
            assert!(!script.contains(sink), "{path}: {sink}");
        }
    }
    for path in files_under("templates", &["html"]) {
        let page = read(&path).to_lowercase();
        for word in ["innerhtml", "javascript:", " style=", "<style", "|safe", "| safe"] {
            assert!(!page.contains(word), "{path}: {word}");
        }
        for tag in page.split("<script").skip(1) {
            assert!(tag.split('>').next().is_some_and(|tag| tag.contains("src=")), "{path}: a script in the page");
        }
        for tag in page.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap_or_default();
            let handler = tag.split_whitespace().find(|word| word.starts_with("on") && word.contains('='));
            assert_eq!(handler, None, "{path}: a handler in the page");
        }
    }
}

/// Every setting stands in the README with its variable and its default, and nothing else does.
#[test]
fn the_readme_knows_every_setting() {
    let readme = read("README.md");
    let mut cli = Cli::command();
    cli.build();
    let mut settings = BTreeMap::new();
    let mut commands: Vec<&clap::Command> = vec![&cli];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|command| command.get_name() != "help"));
        for argument in command.get_arguments() {
            let Some(flag) = argument.get_long().filter(|flag| !["help", "version"].contains(flag)) else { continue };
            let variable = argument.get_env().expect("every flag has a variable").to_str().unwrap().to_owned();
            let default = argument.get_default_values().first().map(|value| value.to_str().unwrap().to_owned());
            settings.insert(flag.to_owned(), (variable, default));
        }
    }
    for (flag, (variable, default)) in &settings {
        let row = readme.lines().find(|line| line.starts_with(&format!("| `--{flag}`")));
        let row = row.unwrap_or_else(|| panic!("README.md's tables lack --{flag}"));
        assert!(row.contains(&format!("`{variable}`")), "README.md, --{flag}: the variable is {variable}");
        if let Some(default) = default {
            assert!(row.contains(&format!("| `{default}` |")), "README.md, --{flag}: the default is {default}");
        }
    }
    for row in readme.lines().filter_map(|line| line.strip_prefix("| `--")) {
        let flag = row.split('`').next().unwrap_or_default();
        assert!(settings.contains_key(flag), "README.md describes --{flag}, which there is not");
    }
}

/// A link to a file that is not there helps nobody.
#[test]
fn the_papers_point_at_what_is_there() {
    for paper in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"] {
        let text = read(paper);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let files = text.split('`').skip(1).step_by(2).filter(|quoted| {
            let is_path =
                ["src/", "static/", "tests/", "templates/", "migrations/"].iter().any(|root| quoted.starts_with(root));
            is_path && !quoted.contains(['*', ' ', '{', '<'])
        });
        for target in links.chain(files).filter(|target| !target.is_empty() && !target.contains("://")) {
            let target = target.split("::").next().unwrap_or(target);
            assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(target).exists(), "{paper}: {target}");
        }
    }
}

/// The tests that a paper names, too: `like_this_one`.
#[test]
fn the_papers_name_tests_that_exist() {
    let tests: String = files_under("tests", &["rs"]).iter().map(|path| read(path)).collect();
    for paper in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = read(paper);
        let is_name = |quoted: &&str| {
            quoted.matches('_').count() > 3 && quoted.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        for name in text.split('`').skip(1).step_by(2).filter(is_name) {
            assert!(tests.contains(&format!("fn {name}(")), "{paper}: there is no test {name}");
        }
    }
}

/// That the reading above sees what it should.
#[test]
fn paths_are_read_in_all_their_spellings() {
    let text = "use crate::{branches, web::{Error, page::Nav}};\nuse super::page;\n// use crate::feed;\nfn f() { crate::stock::sql::all::<A>(\"crate::hub::x\") }";
    let file = File { path: "src/web/home.rs".into(), tokens: source::tokens(text) };
    let read: Vec<String> = paths(&file).iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
    assert_eq!(read, ["1 branches", "1 web::Error", "1 web::page::Nav", "2 web::page", "4 stock::sql::all"]);
    assert!(file.tokens.iter().any(|token| token.kind == Kind::Text("crate::hub::x".into())));
    assert_eq!((room_of_file("src/web/mod.rs"), room_of_file("src/sales/pages.rs")), ("routes".into(), "pages".into()));
}
