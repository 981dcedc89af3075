//! The files that an operator starts from: what they name exists, and what they ask can be asked.
#![allow(clippy::unwrap_used)] // what cannot be unwrapped here has failed the test

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::app::{TestApp, shop};
use melati::config::{Config, MetricsListen};
use promql_parser::parser::{self, Expr};
use tokio::net::TcpListener;
use yaml_rust2::{Yaml, YamlLoader};

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Yaml {
    let mut documents = YamlLoader::load_from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(documents.len(), 1, "{path}");
    documents.remove(0)
}

struct Alert {
    name: String,
    expression: String,
    runbook: String,
}

fn alerts() -> Vec<Alert> {
    let rules = yaml("ops/prometheus/melati.rules.yml");
    let text = |rule: &Yaml| rule.as_str().unwrap().to_owned();
    let alert = |rule: &Yaml| Alert {
        name: text(&rule["alert"]),
        expression: text(&rule["expr"]),
        runbook: text(&rule["annotations"]["runbook"]),
    };
    rules["groups"][0]["rules"].as_vec().unwrap().iter().map(alert).collect()
}

/// Every question of the dashboard, with its variables filled in.
fn panels() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(&read("ops/grafana/melati.json")).unwrap();
    let targets = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().replace("$instance", ".*")).collect()
}

/// The metrics that an expression reads, with the labels that it knows them by.
fn read_by(expression: &Expr, found: &mut Vec<(String, BTreeSet<String>)>) {
    match expression {
        Expr::VectorSelector(selector) => {
            let labels = selector.matchers.matchers.iter().map(|matcher| matcher.name.clone()).collect();
            found.push((selector.name.clone().unwrap(), labels));
        }
        Expr::MatrixSelector(selector) => read_by(&Expr::VectorSelector(selector.vs.clone()), found),
        Expr::Aggregate(aggregate) => read_by(&aggregate.expr, found),
        Expr::Unary(unary) => read_by(&unary.expr, found),
        Expr::Binary(binary) => [&binary.lhs, &binary.rhs].into_iter().for_each(|side| read_by(side, found)),
        Expr::Paren(paren) => read_by(&paren.expr, found),
        Expr::Subquery(subquery) => read_by(&subquery.expr, found),
        Expr::Call(call) => call.args.args.iter().for_each(|argument| read_by(argument, found)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
        other => panic!("an expression that this test does not read: {other:?}"),
    }
}

/// Somebody renames a metric, and the dashboard stays empty when it is needed.
#[tokio::test]
async fn what_is_asked_for_is_told() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let db = shop().await;
    let config = Config { metrics_listen: MetricsListen(Some(port)), ..Config::default() };
    let app = TestApp::start_on(db.clone(), db, config).await;
    // each of the things that are only told once they have happened
    let kasir = app.sign_in("kasir1").await;
    let mut screen = kasir.open("/realtime/stream?topics=stock-updates,notifications").await;
    screen.opened().await;
    app.sql("UPDATE frames SET stok = 12 WHERE id = 1").await;
    screen.until(|event, _| event.event == "stock-updates").await;
    drop(kasir.open_from("/realtime/orders", Some("nonsense")).await);
    kasir.post("/api/layar").json(&serde_json::json!({ "delays_ms": [40], "tabs": 1 })).send().await.unwrap();
    let told = loop {
        // the numbers are told by a task of their own, and that a stream went is seen a little later
        if let Ok(answer) = reqwest::get(format!("http://{port}/metrics")).await {
            let text = answer.text().await.unwrap();
            if text.contains("melati_streams_closed_total{") {
                break text;
            }
        }
        tokio::task::yield_now().await;
    };
    let mut series = told.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0);
    let has = |name: &str, labels: &BTreeSet<String>| {
        let mut all = told.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        all.any(|line| {
            labels.iter().all(|label| label == "instance" || label == "job" || line.contains(&format!("{label}=\"")))
        })
    };
    assert!(series.any(|series| series.starts_with("melati_streams_open")));
    let asked = alerts().into_iter().map(|alert| alert.expression).chain(panels());
    let mut count = 0;
    for expression in asked {
        let parsed = parser::parse(&expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let mut found = Vec::new();
        read_by(&parsed, &mut found);
        assert!(!found.is_empty(), "{expression} asks for nothing");
        for (name, labels) in found {
            // Prometheus itself says whether it could ask
            assert!(name == "up" || has(&name, &labels), "{expression}: {name} {labels:?} is not told");
            count += 1;
        }
    }
    assert!(count > 40, "they were read: {count}");
}

/// Every alert says what to do, at a place that is there.
#[test]
fn every_alert_has_its_runbook() {
    let paper = read("docs/operations.md");
    let headings: BTreeSet<String> = paper
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|title| title.trim_matches('`').to_lowercase())
        .collect();
    let alerts = alerts();
    for Alert { name, runbook, .. } in &alerts {
        let (path, anchor) = runbook.split_once('#').unwrap();
        assert_eq!((path, anchor), ("docs/operations.md", name.to_lowercase().as_str()));
        assert!(headings.contains(anchor), "docs/operations.md says nothing of {name}");
    }
    for heading in headings.iter().filter(|heading| heading.starts_with("melati")) {
        assert!(alerts.iter().any(|alert| alert.name.to_lowercase() == *heading), "there is no alert {heading}");
    }
}

/// Files that are mounted or copied are there; Melati's own settings are spelled right.
#[test]
fn the_container_files_name_what_there_is() {
    let compose = yaml("ops/container/compose.yaml");
    let services = &compose["services"];
    assert!(
        file("ops/container")
            .join(services["melati"]["build"]["context"].as_str().unwrap())
            .join("Cargo.toml")
            .exists()
    );
    assert!(file(services["melati"]["build"]["dockerfile"].as_str().unwrap()).exists());
    assert!(services["nginx"]["volumes"][0].as_str().unwrap().starts_with("./nginx.conf:"));
    let readme = read("README.md");
    let texts = [
        "ops/container/compose.yaml",
        "ops/container/Containerfile",
        "ops/systemd/melati.service",
        "docs/operations.md",
    ];
    for path in texts {
        for word in
            read(path).split(|c: char| !c.is_ascii_uppercase() && c != '_').filter(|word| word.starts_with("MELATI_"))
        {
            assert!(readme.contains(&format!("`{word}`")), "{path}: there is no setting {word}");
        }
    }
    let containerfile = read("ops/container/Containerfile");
    let version = read("Cargo.toml")
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .unwrap()
        .trim_matches('"')
        .to_owned();
    assert!(containerfile.contains(&format!("rust:{version}-")), "the image's Rust is the project's");
    let prometheus = yaml("ops/prometheus/prometheus.yml");
    assert!(file("ops/prometheus").join(prometheus["rule_files"][0].as_str().unwrap()).exists());
    assert_eq!(
        prometheus["scrape_configs"][0]["job_name"].as_str(),
        Some("melati"),
        "the alert MelatiDown asks for it"
    );
}

/// Every option that the papers and the files name is one of Melati's, or of the program beside it that is called there.
#[test]
fn options_that_are_written_down_exist() {
    use clap::CommandFactory;
    fn collect(command: &clap::Command, into: &mut BTreeSet<String>) {
        into.extend(command.get_arguments().filter_map(|argument| argument.get_long()).map(|long| format!("--{long}")));
        command.get_subcommands().for_each(|inner| collect(inner, into));
    }
    let mut ours = BTreeSet::from(["--help", "--version"].map(String::from));
    collect(&melati::config::Cli::command(), &mut ours);
    assert!(ours.contains("--drain-notice-seconds"), "{ours:?}");
    // curl, systemctl, docker compose, pg_dump, pg_restore
    let theirs = [
        ("docs/operations.md", "--silent --now --file --build --detach --format --host --username --no-owner --dbname"),
        ("docs/logging.md", ""),
        ("docs/insight.md", ""),
        ("ops/systemd/melati.service", "--now"),
        ("ops/container/compose.yaml", "--file --build --detach --rm --username"),
    ];
    let mut count = 0;
    for (path, others) in theirs {
        let others: BTreeSet<&str> = others.split(' ').collect();
        let text = read(path);
        for (at, _) in text.match_indices("--") {
            let is_option = text[..at].ends_with([' ', '`', '(', '[', '"', '\n']);
            let end = text[at + 2..].find(|c: char| !c.is_ascii_lowercase() && c != '-');
            let option = &text[at..end.map_or(text.len(), |end| at + 2 + end)];
            if is_option && option.len() > 2 && !option[2..].starts_with('-') {
                assert!(ours.contains(option) || others.contains(option), "{path}: there is no {option}");
                count += 1;
            }
        }
    }
    assert!(count > 20, "they were read: {count}");
}

/// What a program says of its own files; where the program is missing, that it could not be asked.
fn asked(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
        }
        Err(_) => {
            println!("SKIPPED: {program} is not installed, so what it would say of its file is not known");
            None
        }
    }
}

#[test]
fn systemd_takes_the_unit() {
    // the program need not be where the unit says; whatever else it complains of counts
    let unit = read("ops/systemd/melati.service").replace("/usr/local/bin/melati", env!("CARGO_BIN_EXE_melati"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("melati.service");
    std::fs::write(&path, unit).unwrap();
    let Some((is_fine, said)) = asked("systemd-analyze", &["verify", "--man=no", path.to_str().unwrap()]) else {
        return;
    };
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("melati.service")).collect();
    assert!(is_fine && about_us.is_empty(), "{said}");
}

#[test]
fn prometheus_takes_the_rules() {
    let rules = file("ops/prometheus/melati.rules.yml");
    let Some((is_fine, said)) = asked("promtool", &["check", "rules", rules.to_str().unwrap()]) else { return };
    assert!(is_fine, "{said}");
}

#[test]
fn docker_compose_takes_its_file() {
    let compose = file("ops/container/compose.yaml");
    let compose = compose.to_str().unwrap();
    // version 1 was another program, with other rules
    if !Command::new("docker").args(["compose", "version"]).output().is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: docker compose is not installed, so what it would say of its file is not known");
        return;
    }
    let ask = |password: Option<&str>| {
        let mut command = Command::new("docker");
        command.args(["compose", "--file", compose, "config", "--quiet"]).env_remove("POSTGRES_PASSWORD");
        let output = command.envs(password.map(|password| ("POSTGRES_PASSWORD", password))).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (is_fine, said) = ask(Some("rahasia"));
    assert!(is_fine, "{said}");
    let (is_fine, said) = ask(None);
    assert!(!is_fine && said.contains("set it in .env"), "without a password nothing starts: {said}");
}

/// Both files for nginx, with a certificate made for the purpose.
#[test]
fn nginx_takes_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("melati.key");
    let pem = folder.path().join("melati.pem");
    let made = asked(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=melati.example",
            "-keyout",
            key.to_str().unwrap(),
            "-out",
            pem.to_str().unwrap(),
        ],
    );
    if made.is_none() {
        return;
    }
    for path in ["nginx.conf", "ops/container/nginx.conf"] {
        let text = read(path)
            .replace("/etc/nginx/certs/melati.example.pem", pem.to_str().unwrap())
            .replace("/etc/nginx/certs/melati.example.key", key.to_str().unwrap())
            .replace("/etc/nginx/certs/melati.pem", pem.to_str().unwrap())
            .replace("/etc/nginx/certs/melati.key", key.to_str().unwrap());
        let Some((_, version)) = asked("nginx", &["-v"]) else { return };
        let number: Vec<u32> =
            version.rsplit('/').next().unwrap().split(['.', ' ']).filter_map(|part| part.trim().parse().ok()).collect();
        // older ones say it in the line above
        let text = if number < vec![1, 25, 1] { text.replace("        http2  on;\n", "") } else { text };
        let conf = folder.path().join("nginx.conf");
        std::fs::write(&conf, format!("pid {}/nginx.pid;\n{text}", folder.path().display())).unwrap();
        let (is_fine, said) = asked("nginx", &["-t", "-q", "-c", conf.to_str().unwrap()]).unwrap();
        assert!(is_fine, "{path}: {said}");
    }
}
