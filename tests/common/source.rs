//! Our own source as tokens, for the tests that read it. Not a parser: enough to tell strings from code, and code from
//! comments and from test modules.

use std::fs;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A string literal, as the program sees it.
    Text(String),
    /// An identifier, keyword or number.
    Word(String),
    Mark(char),
}

#[derive(Debug, Clone)]
pub struct Token {
    pub kind: Kind,
    pub line: usize,
}

impl Token {
    pub fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub fn word(&self) -> Option<&str> {
        if let Kind::Word(word) = &self.kind { Some(word) } else { None }
    }

    pub fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }
}

pub struct File {
    /// From the package's root, with `/`.
    pub path: String,
    pub tokens: Vec<Token>,
}

/// Every file of `src/`, without its test modules.
pub fn sources() -> Vec<File> {
    files_under("src", &["rs"])
        .into_iter()
        .map(|path| File { tokens: without_tests(tokens(&read(&path))), path })
        .collect()
}

/// The paths of the files below a folder that end so, sorted.
pub fn files_under(folder: &str, endings: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)) {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing in {folder}: this test would prove nothing");
    found
}

pub fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut out = Vec::new();
    let (mut at, mut line) = (0, 1);
    let peek = |at: usize| chars.get(at).copied().unwrap_or('\0');
    while at < chars.len() {
        let begun = line;
        let start = at;
        let kind = match chars[at] {
            '/' if peek(at + 1) == '/' => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
                None
            }
            '/' if peek(at + 1) == '*' => {
                while at < chars.len() && !(chars[at] == '*' && peek(at + 1) == '/') {
                    at += 1;
                }
                at += 2;
                None
            }
            'r' if peek(at + 1) == '"' || (peek(at + 1) == '#' && matches!(peek(at + 2), '"' | '#')) => {
                let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                let end: String = format!("\"{}", "#".repeat(hashes));
                at += hashes + 2;
                let rest: String = chars[at..].iter().collect();
                let text = &rest[..rest.find(&end).expect("a raw string ends")];
                at += text.chars().count() + hashes + 1;
                Some(Kind::Text(text.to_owned()))
            }
            '"' => {
                let mut text = String::new();
                at += 1;
                while peek(at) != '"' {
                    if peek(at) == '\\' {
                        at += 1;
                        match peek(at) {
                            'n' => text.push('\n'),
                            't' => text.push('\t'),
                            'r' => text.push('\r'),
                            // goes on at the next line's first letter
                            '\n' => {
                                while peek(at + 1).is_whitespace() {
                                    at += 1;
                                }
                            }
                            other => text.push(other),
                        }
                    } else {
                        text.push(peek(at));
                    }
                    at += 1;
                }
                at += 1;
                Some(Kind::Text(text))
            }
            // a character; otherwise it is a lifetime, whose name follows as a word
            '\'' if peek(at + 1) == '\\' => {
                at += 3;
                while peek(at) != '\'' {
                    at += 1;
                }
                at += 1;
                Some(Kind::Mark('\''))
            }
            '\'' if peek(at + 2) == '\'' => {
                at += 3;
                Some(Kind::Mark('\''))
            }
            c if c.is_alphanumeric() || c == '_' => {
                while peek(at).is_alphanumeric() || peek(at) == '_' {
                    at += 1;
                }
                Some(Kind::Word(chars[start..at].iter().collect()))
            }
            c => {
                at += 1;
                (!c.is_whitespace()).then_some(Kind::Mark(c))
            }
        };
        let past = at.min(chars.len());
        line += chars[start..past].iter().filter(|c| **c == '\n').count();
        out.extend(kind.map(|kind| Token { kind, line: begun }));
    }
    out
}

/// Where the bracket that opens at `open` closes.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('(' | '[' | '{') => depth += 1,
            Kind::Mark(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("line {}: a bracket that does not close", tokens[open].line)
}

/// Without what stands behind `#[cfg(test)]`.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let is_mark = |at: usize, mark: char| tokens.get(at).is_some_and(|token: &Token| token.is(mark));
    let is_word = |at: usize, word: &str| tokens.get(at).is_some_and(|token: &Token| token.word() == Some(word));
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_test = is_mark(at, '#') && is_word(at + 2, "cfg") && is_mark(at + 3, '(') && is_word(at + 4, "test");
        if is_test {
            let body = (at..tokens.len()).find(|at| tokens[*at].is('{')).expect("a test module has a body");
            at = closing(&tokens, body) + 1;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}
