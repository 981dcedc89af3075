//! Coming in by guessing.

use melati::config::Config;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::common::app::{PASSWORD, Person, TestApp};

/// As if through a proxy of ours, which says where a request comes from.
async fn behind_a_proxy() -> TestApp {
    TestApp::start_with(Config { trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()], ..Config::default() }).await
}

async fn try_from(person: &Person, address: &str, email: &str, password: &str) -> Response {
    let form = [("email", email), ("password", password)];
    let request = person.post("/login").header("accept", "application/json").header("x-forwarded-for", address);
    request.form(&form).send().await.unwrap()
}

async fn statuses(app: &TestApp, tries: impl IntoIterator<Item = (String, String)>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for (address, email) in tries {
        statuses.push(try_from(&app.nobody(), &address, &email, "tebakan-salah").await.status().as_u16());
    }
    statuses
}

/// Lets the waits pass.
async fn time_passes(app: &TestApp, interval: &str) {
    sqlx::query("UPDATE sign_in_limits SET blocked_until = blocked_until - $1::text::interval, last_at = last_at - $1::text::interval")
        .bind(interval)
        .execute(&app.db)
        .await
        .unwrap();
}

/// Guesses at one account, whether there is such a one or not: five tries, then waits that double up to a minute. A restart of
/// the server does not begin the count afresh.
#[tokio::test]
async fn guessing_at_an_account() {
    let mut app = TestApp::start().await;
    for email in ["kasir1@melati.test", "siapa@melati.test"] {
        let guess = || ("".to_owned(), email.to_owned());
        assert_eq!(statuses(&app, (0..5).map(|_| guess())).await, [401; 5], "{email}: five mistakes are human");
        app.go_down().await;
        app.come_up().await;
        let right = try_from(&app.nobody(), "", email, PASSWORD).await;
        assert_eq!(right.status(), StatusCode::TOO_MANY_REQUESTS, "{email}: not even the right one, now");
        let first: u64 = right.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=2).contains(&first));

        // the waits double, up to a minute (the address has a count of its own, which is another test's)
        app.sql("DELETE FROM sign_in_limits WHERE key LIKE 'address%'").await;
        let mut waits = Vec::new();
        for _ in 0..8 {
            time_passes(&app, "1 minute").await;
            assert_eq!(statuses(&app, [guess()]).await, [401]);
            let refused = try_from(&app.nobody(), "", email, "tebakan-salah").await;
            waits.push(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap());
            assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], "too_many_requests");
        }
        assert!(waits.is_sorted() && waits[0] <= 2 && waits[7] == 60, "{email}: {waits:?}");
    }
    // a person is told on the page, and keeps what was typed
    statuses(&app, [("".to_owned(), "kasir1@melati.test".to_owned())]).await;
    let form = [("email", "kasir1@melati.test"), ("password", PASSWORD)];
    let page = app.nobody().post("/login").header("accept", "text/html").form(&form).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(page.headers().contains_key("retry-after"));
    let page = page.text().await.unwrap();
    assert!(page.contains("Terlalu banyak percobaan") && page.contains("kasir1@melati.test"));
    // an hour later it is forgotten
    time_passes(&app, "61 minutes").await;
    app.sign_in("kasir1").await;
}

/// A hundred machines guess at one account: five tries for all of them together. Its owner, who works where they always do, is
/// not kept out by that.
#[tokio::test]
async fn guessing_at_an_account_from_many_addresses() {
    let app = behind_a_proxy().await;
    let shop = "203.0.113.7";
    let ok = try_from(&app.nobody(), shop, "kasir1@melati.test", PASSWORD).await;
    assert_eq!(ok.status(), StatusCode::OK);
    let tries = (0..12).map(|n| (format!("198.51.100.{n}"), "kasir1@melati.test".to_owned()));
    let statuses = statuses(&app, tries).await;
    assert_eq!(statuses[..5], [401; 5]);
    assert_eq!(statuses[5..], [429; 7]);
    let from_elsewhere = try_from(&app.nobody(), "192.0.2.1", "kasir1@melati.test", PASSWORD).await;
    assert_eq!(from_elsewhere.status(), StatusCode::TOO_MANY_REQUESTS);
    let owner = try_from(&app.nobody(), shop, "kasir1@melati.test", PASSWORD).await;
    assert_eq!(owner.status(), StatusCode::OK, "the owner, at the shop");
}

/// One machine tries one password at every account: thirty tries, then it waits, and nobody else does.
#[tokio::test]
async fn guessing_at_many_accounts_from_an_address() {
    let app = behind_a_proxy().await;
    let from = |address: &str, n: usize| (address.to_owned(), format!("orang{n}@melati.test"));
    let from_one = statuses(&app, (0..32).map(|n| from("198.51.100.1", n))).await;
    assert_eq!(from_one[..30], [401; 30]);
    assert_eq!(from_one[30..], [429; 2]);
    assert_eq!(statuses(&app, [from("198.51.100.2", 99)]).await, [401], "others are not concerned");
    // IPv6 gives every household more addresses than there are passwords
    let tries = (0..31).map(|n| (format!("2001:db8:7:7::{n:x}"), format!("tamu{n}@melati.test")));
    assert_eq!(statuses(&app, tries).await.last(), Some(&429));
}

/// The machine says that it is another one with every guess: it is counted as one. Only a proxy of ours is believed.
#[tokio::test]
async fn forging_where_one_comes_from() {
    let app = TestApp::start().await;
    let tries = (0..31).map(|n| (format!("198.51.100.{n}"), format!("orang{n}@melati.test")));
    assert_eq!(statuses(&app, tries).await.last(), Some(&429), "nobody said that this proxy is ours");

    let app = behind_a_proxy().await;
    let tries = (0..31).map(|n| (format!("198.51.100.{n}, 203.0.113.9"), format!("orang{n}@melati.test")));
    assert_eq!(statuses(&app, tries).await.last(), Some(&429), "what stands before our proxy's word is made up");
}

/// Thirty guesses in the same instant, before the first has been found wrong: five are looked at.
#[tokio::test]
async fn guessing_all_at_once() {
    let app = TestApp::start().await;
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let person = app.nobody();
        tries
            .spawn(async move { try_from(&person, "", "kasir1@melati.test", "tebakan-salah").await.status().as_u16() });
    }
    let statuses = tries.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "{statuses:?}");
}

/// curl and old clients, which accept anything, are led on as browsers are; only who names JSON gets it.
#[tokio::test]
async fn who_gets_json() {
    let app = TestApp::start().await;
    let form = [("email", "kasir1@melati.test"), ("password", PASSWORD)];
    for accept in [None, Some("*/*"), Some("text/html,application/xhtml+xml")] {
        let mut request = app.nobody().post("/login").form(&form);
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{accept:?}");
        assert_eq!(answer.headers()["location"], "/");
    }
    let answer = app.nobody().post("/login").header("accept", "application/json").form(&form).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["ok"], true);
}

/// Knows one password, and has every wrong guess at the others forgiven: by beginning to change their own, again and again.
/// They go on being counted.
#[tokio::test]
async fn having_guesses_forgiven_at_another_door() {
    let app = behind_a_proxy().await;
    let from = "198.51.100.7";
    let own = app.sign_in("kasir1").await;
    let form = [("current", PASSWORD), ("new", PASSWORD), ("repeated", PASSWORD)];
    let mut last = 0;
    for n in 0..60 {
        last = try_from(&app.nobody(), from, &format!("orang{n}@melati.test"), "tebakan-salah").await.status().as_u16();
        if last == 429 {
            break;
        }
        let request = own.post("/akun/sandi").header("accept", "application/json").header("x-forwarded-for", from);
        let answer = request.form(&form).send().await.unwrap();
        assert!([422, 429].contains(&answer.status().as_u16()), "the right one, and no new one: {}", answer.status());
    }
    assert_eq!(last, 429);
}
