//! Every SQL statement of ours runs against the real schema: a column that was renamed in a migration or mistyped in a query
//! fails here, also on the path that no other test takes.
//!
//! The statements are read out of `src/`, where `concat!` and the small macros that build them are followed. None can be
//! missed in silence: a call of sqlx whose statement this test cannot see fails it.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

mod common;
use common::db::{fresh_database, psql};
use common::source::{File, Kind, Token, closing, sources};

/// What a statement of ours begins with.
const VERBS: &[&str] = &[
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "COMMIT",
    "COPY",
    "CREATE",
    "DELETE",
    "DO",
    "DROP",
    "EXPLAIN",
    "GRANT",
    "INSERT",
    "LISTEN",
    "LOCK",
    "MERGE",
    "NOTIFY",
    "REFRESH",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "TRUNCATE",
    "UPDATE",
    "VACUUM",
    "VALUES",
    "WITH",
];

/// The calls that take a statement as their first argument, after `sqlx::`.
const CALLS: &[&str] =
    &["query", "query_as", "query_scalar", "query_with", "query_as_with", "query_scalar_with", "raw_sql"];

/// The methods of a connection that take one as it is.
const METHODS: &[&str] =
    &["execute", "execute_many", "fetch", "fetch_all", "fetch_many", "fetch_one", "fetch_optional"];

/// Statements that cannot run in a database of a test, and where they are run.
const ELSEWHERE: &[(&str, &str)] = &[
    // the embedded Postgres makes its database before it takes connections: tests/embedded.rs
    ("src/postgres/embedded.rs", "CREATE DATABASE"),
    // said to an operator, not run
    ("src/feed/integrity.rs", "ALTER TABLE"),
    // the same: tests/metrics.rs runs what it is told
    ("src/monitoring/mod.rs", "ROLLBACK PREPARED"),
    ("src/monitoring/mod.rs", "SELECT pg_drop_replication_slot"),
    ("src/monitoring/mod.rs", "SELECT pg_terminate_backend"),
    ("src/monitoring/mod.rs", "SELECT pg_cancel_backend"),
];

fn is_statement(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphabetic())
        .find(|word| !word.is_empty())
        .is_some_and(|word| VERBS.contains(&word) && text.trim_start().starts_with(word))
}

/// A `macro_rules!` with one arm: the names of its parameters, and what it stands for.
struct Macro {
    parameters: Vec<String>,
    body: Vec<Token>,
}

type Macros = BTreeMap<String, Macro>;

/// Takes the macros that stand for strings out of a file; what others hold is code like any other.
fn macros(tokens: &[Token]) -> (Macros, Vec<Token>) {
    let (mut found, mut rest) = (Macros::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].word() != Some("macro_rules") {
            rest.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let name = tokens[at + 2].word().expect("a macro has a name").to_owned();
        let (open, end) = (at + 3, closing(tokens, at + 3));
        let arm_end = closing(tokens, open + 1);
        let first = &tokens[arm_end + 4];
        if first.text().is_none() && first.word() != Some("concat") {
            rest.extend_from_slice(&tokens[at..=end]);
            at = end + 1;
            continue;
        }
        let parameters = tokens[open + 2..arm_end]
            .windows(2)
            .filter(|pair| pair[0].is('$'))
            .map(|pair| pair[1].word().expect("a parameter has a name").to_owned())
            .collect();
        let body_open = arm_end + 3;
        let body_end = closing(tokens, body_open);
        assert!(
            tokens[body_end + 1..end].iter().all(|token| token.is(';')),
            "{name}! has more than one arm: teach this test"
        );
        found.insert(name, Macro { parameters, body: tokens[body_open + 1..body_end].to_vec() });
        at = end + 1;
    }
    (found, rest)
}

/// The parts between the commas that stand in no brackets.
fn parts(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut out, mut begin, mut at) = (Vec::new(), 0, 0);
    while at < tokens.len() {
        if matches!(tokens[at].kind, Kind::Mark('(' | '[' | '{')) {
            at = closing(tokens, at);
        } else if tokens[at].is(',') {
            out.push(&tokens[begin..at]);
            begin = at + 1;
        }
        at += 1;
    }
    out.push(&tokens[begin..]);
    out.retain(|part| !part.is_empty());
    out
}

/// The string that the expression at `at` is, and where it ends; none if it is something else.
fn string_at(tokens: &[Token], at: usize, macros: &Macros) -> Option<(String, usize)> {
    let token = tokens.get(at)?;
    if let Some(text) = token.text() {
        return Some((text.to_owned(), at + 1));
    }
    let name = token.word()?;
    if !tokens.get(at + 1)?.is('!') || !tokens.get(at + 2)?.is('(') {
        return None;
    }
    let end = closing(tokens, at + 2);
    let arguments = parts(&tokens[at + 3..end]);
    let value = if name == "concat" {
        arguments.into_iter().map(|part| string_of(part, macros)).collect::<Option<String>>()?
    } else {
        let Macro { parameters, body } = macros.get(name)?;
        let mut filled = Vec::new();
        let mut body = body.iter();
        while let Some(token) = body.next() {
            if token.is('$') {
                let parameter = body.next().and_then(Token::word).expect("a parameter's name");
                let place = parameters.iter().position(|known| known == parameter).expect("a parameter of this macro");
                filled.extend_from_slice(arguments[place]);
            } else {
                filled.push(token.clone());
            }
        }
        string_of(&filled, macros)?
    };
    Some((value, end + 1))
}

/// The string that these tokens are, all of them.
fn string_of(tokens: &[Token], macros: &Macros) -> Option<String> {
    string_at(tokens, 0, macros).filter(|(_, end)| *end == tokens.len()).map(|(text, _)| text)
}

/// Every string in there, with its line.
fn strings(tokens: &[Token], macros: &Macros) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match string_at(tokens, at, macros) {
            Some((text, end)) => {
                out.push((tokens[at].line, text));
                at = end;
            }
            None => at += 1,
        }
    }
    out
}

struct Source {
    path: String,
    tokens: Vec<Token>,
    macros: Macros,
}

fn read_sources() -> Vec<Source> {
    let read = |File { path, tokens }| {
        let (macros, tokens) = macros(&tokens);
        Source { path, tokens, macros }
    };
    sources().into_iter().map(read).collect()
}

/// The names of the constants that are statements.
fn constants(sources: &[Source]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for Source { tokens, macros, .. } in sources {
        for at in (0..tokens.len()).filter(|at| tokens[*at].word() == Some("const")) {
            let (Some(name), Some(is)) =
                (tokens.get(at + 1).and_then(Token::word), tokens[at..].iter().take(8).position(|token| token.is('=')))
            else {
                continue;
            };
            if string_at(tokens, at + is + 1, macros).is_some_and(|(text, _)| is_statement(&text)) {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// Whether the statements that a call is given are among those this test has read.
fn is_seen(source: &Source, call: usize, argument: &[Token], constants: &BTreeSet<String>) -> bool {
    let given = strings(argument, &source.macros);
    if !given.is_empty() {
        return given.iter().all(|(_, text)| is_statement(text));
    }
    let Some(name) = argument.last().and_then(Token::word) else { return false };
    if constants.contains(name) {
        return true;
    }
    // `for (…, statement) in [(…, "UPDATE …"), …]`: the nearest loop around the call that binds the name
    let tokens = &source.tokens;
    (0..call).rev().filter(|at| tokens[*at].word() == Some("for")).any(|at| {
        let Some(list) = tokens[at..call].iter().position(|token| token.word() == Some("in")).map(|of| at + of + 1)
        else {
            return false;
        };
        let binds = tokens[at..list].iter().any(|token| token.word() == Some(name));
        binds && tokens[list].is('[') && {
            let end = closing(tokens, list);
            let listed = strings(&tokens[list..end], &source.macros);
            end < call && !listed.is_empty() && listed.iter().all(|(_, text)| is_statement(text))
        }
    })
}

/// Fails for a call that this test cannot follow.
fn check_calls(source: &Source, constants: &BTreeSet<String>) -> usize {
    let Source { path, tokens, .. } = source;
    let mut seen = 0;
    for at in 2..tokens.len() {
        let Some(name) = tokens[at].word() else { continue };
        let line = tokens[at].line;
        let is_call = CALLS.contains(&name);
        let is_method = METHODS.contains(&name) && tokens[at - 1].is('.');
        assert_ne!(name, "QueryBuilder", "{path}:{line}: statements are written, not built");
        if !is_call && !is_method {
            continue;
        }
        if is_call && !(tokens[at - 1].is(':') && tokens[at - 3].word() == Some("sqlx")) {
            // some other function of that name; one of sqlx's would have been imported
            continue;
        }
        let mut open = at + 1;
        if tokens[open].is(':') {
            // ::<_, T>, whose own brackets may hold others
            while !(tokens[open].is('(') && tokens[open - 1].is('>')) {
                open += 1;
            }
        }
        assert!(tokens[open].is('('), "{path}:{line}: {name} is called in a way that this test does not know");
        let argument = &tokens[open + 1..closing(tokens, open)];
        if is_method && argument.first().is_none_or(|first| first.text().is_none()) {
            // an executor, which takes the statement of the query that it is a method of
            let constant =
                argument.last().and_then(Token::word).is_some_and(|word| word.chars().all(|c| c.is_uppercase()));
            assert!(
                !constant || is_seen(source, at, argument, constants),
                "{path}:{line}: {name} runs what this test cannot see"
            );
            continue;
        }
        assert!(
            is_seen(source, at, argument, constants),
            "{path}:{line}: {name} runs a statement that this test cannot see"
        );
        seen += 1;
    }
    for at in (0..tokens.len()).filter(|at| tokens[*at].word() == Some("use")) {
        let imported = tokens[at..].iter().take_while(|token| !token.is(';')).filter_map(Token::word);
        let of_sqlx = tokens.get(at + 1).and_then(Token::word) == Some("sqlx");
        for name in imported.filter(|_| of_sqlx) {
            assert!(
                !CALLS.contains(&name),
                "{path}:{}: write sqlx::{name}, so that its statements are found",
                tokens[at].line
            );
        }
    }
    seen
}

/// Runs it with every parameter null, and takes it back. Null is often refused, but only after all names and types were found.
async fn run(db: &mut PgConnection, statement: &str) -> Result<(), sqlx::Error> {
    let mut tx = db.begin().await?;
    let verb = statement.split_whitespace().next().unwrap_or_default();
    if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "MERGE"].contains(&verb) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await?;
        return tx.rollback().await;
    }
    let highest = statement.split('$').skip(1).filter_map(|after| {
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    let nulls = vec!["NULL"; highest.max().unwrap_or(0)].join(", ");
    sqlx::raw_sql(AssertSqlSafe(format!("PREPARE ours AS {statement}"))).execute(&mut *tx).await?;
    let execute = if nulls.is_empty() { "EXECUTE ours".to_owned() } else { format!("EXECUTE ours ({nulls})") };
    let ran = sqlx::raw_sql(AssertSqlSafe(execute)).execute(&mut *tx).await;
    tx.rollback().await?;
    sqlx::raw_sql("DEALLOCATE ours").execute(db).await?;
    match ran {
        // a value was refused (22, 23), not a name or a type
        Err(sqlx::Error::Database(error))
            if error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23")) =>
        {
            Ok(())
        }
        ran => ran.map(drop),
    }
}

async fn failures(pool: &PgPool, statements: &[(String, String)]) -> Vec<String> {
    let mut failures = Vec::new();
    let mut db = psql(pool).await;
    for (place, statement) in statements {
        if let Err(error) = run(&mut db, statement).await {
            failures.push(format!("{place}: {error}\n{statement}"));
            db = psql(pool).await;
        }
    }
    failures
}

#[tokio::test]
async fn every_statement_runs_against_the_real_schema() {
    let sources = read_sources();
    let constants = constants(&sources);
    let calls: usize = sources.iter().map(|source| check_calls(source, &constants)).sum();
    let statements: Vec<(String, String)> = sources
        .iter()
        .flat_map(|source| {
            let here = strings(&source.tokens, &source.macros).into_iter().filter(|(_, text)| is_statement(text));
            let here = here.filter(|(_, text)| {
                !ELSEWHERE.iter().any(|(path, begins)| *path == source.path && text.starts_with(begins))
            });
            here.map(|(line, text)| (format!("{}:{line}", source.path), text))
        })
        .collect();
    println!("{} statements in {calls} calls", statements.len());
    assert!(calls > 60 && statements.len() >= calls - 10, "too few to be all: {} in {calls} calls", statements.len());

    let failures = failures(&fresh_database().await, &statements).await;
    assert!(failures.is_empty(), "{} of {} fail:\n\n{}", failures.len(), statements.len(), failures.join("\n\n"));
}

/// That the test above could fail.
#[tokio::test]
async fn a_renamed_column_is_noticed() {
    let pool = fresh_database().await;
    let statement = |text: &str| vec![("here".to_owned(), text.to_owned())];
    assert!(failures(&pool, &statement("SELECT stok FROM frames WHERE id = $1")).await.is_empty());
    assert!(
        failures(&pool, &statement("INSERT INTO branches (name) VALUES ($1)")).await.is_empty(),
        "a null is no mistake"
    );
    sqlx::query("ALTER TABLE frames RENAME stok TO jumlah").execute(&pool).await.unwrap();
    assert_eq!(failures(&pool, &statement("SELECT stok FROM frames WHERE id = $1")).await.len(), 1);
    assert_eq!(failures(&pool, &statement("SELECT $1::nonsense")).await.len(), 1);
}
