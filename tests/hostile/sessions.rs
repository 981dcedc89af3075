//! Staying in by a session that is not one's own, or not any more.

use melati::config::Config;
use melati::ids::BranchId;
use melati::people::{self, NewUser};
use melati::scope::Role;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::abuse::fingerprint;
use crate::common::app::{PASSWORD, PATIENCE, Person, TestApp};
use crate::routes::{SALES, table};

fn cookie(answer: &Response) -> Option<String> {
    let cookie = answer.headers().get("set-cookie")?.to_str().unwrap();
    Some(cookie.split(';').next().unwrap().to_owned())
}

/// Signs in and hands out the cookie, as a thief would have it.
async fn stolen(app: &TestApp, email: &str) -> String {
    let form = [("email", format!("{email}@melati.test")), ("password", PASSWORD.into())];
    cookie(&app.nobody().post("/login").form(&form).send().await.unwrap()).unwrap()
}

async fn status_with(app: &TestApp, cookie: &str, path: &str) -> StatusCode {
    app.nobody().get(path).header("cookie", cookie).send().await.unwrap().status()
}

async fn is_in(person: &Person) -> bool {
    person.get("/api/session").send().await.unwrap().status() == StatusCode::NO_CONTENT
}

/// Plants a session of their own into the victim's browser, and waits for the victim to sign in with it: signing in makes a
/// new one, and the planted one is nobody's.
#[tokio::test]
async fn planting_a_session() {
    let app = TestApp::start().await;
    let planted = stolen(&app, "kasir2").await;
    for planted in [planted.as_str(), "melati_session=AAAAAAAAAAAAAAAAAAAAAA"] {
        let form = [("email", "admin1@melati.test"), ("password", PASSWORD)];
        let answer = app.nobody().post("/login").header("cookie", planted).form(&form).send().await.unwrap();
        assert_ne!(cookie(&answer).unwrap(), planted, "signing in makes a new one");
        assert_eq!(status_with(&app, planted, "/api/session").await, StatusCode::UNAUTHORIZED);
    }
}

/// Reads the cookie with a script, over plain http, from another site, from a subdomain: the cookie says that browsers must
/// not let them.
#[tokio::test]
async fn getting_at_the_cookie() {
    let app = TestApp::start_with(Config { secure_cookies: true, ..Config::default() }).await;
    let form = [("email", "kasir1@melati.test"), ("password", PASSWORD)];
    let answer = app.nobody().post("/login").form(&form).send().await.unwrap();
    let set = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-melati_session="), "{set}");
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(set.split("; ").any(|one| one == part), "{part}: {set}");
    }
    assert!(!set.contains("Domain"));
    assert_eq!(status_with(&app, &cookie(&answer).unwrap(), "/api/session").await, StatusCode::NO_CONTENT);
}

/// Comes back with a cookie from before a promotion or a move: it is nobody's. Its owner has gone on under a new id.
#[tokio::test]
async fn an_id_from_before_the_rights_changed() {
    let app = TestApp::start().await;
    let before = stolen(&app, "kasir1").await;
    let open = async |cookie: &str| app.nobody().page_with("/akun", cookie).await;
    let answer = open(&before).await;
    assert_eq!((answer.status(), cookie(&answer)), (StatusCode::OK, None), "nothing changed yet");
    for change in ["UPDATE users SET role = 'admin' WHERE id = 3", "UPDATE users SET branch_id = 2 WHERE id = 3"] {
        let before = stolen(&app, "kasir1").await;
        sqlx::query(change).execute(&app.db).await.unwrap();
        let answer = open(&before).await;
        assert_eq!(answer.status(), StatusCode::OK, "the person stays");
        let after = cookie(&answer).expect("under a new id");
        assert_eq!(status_with(&app, &before, "/api/session").await, StatusCode::UNAUTHORIZED, "{change}");
        assert_eq!(status_with(&app, &after, "/api/session").await, StatusCode::NO_CONTENT, "{change}");
        assert_eq!(cookie(&open(&after).await), None, "once");
    }
}

/// Takes an unlocked tablet and makes the account their own: the old password is asked for, and guesses at it are counted.
/// When the owner changes it, everyone else is out.
#[tokio::test]
async fn changing_a_password_without_knowing_it() {
    let app = TestApp::start().await;
    let (rina, elsewhere) = (app.sign_in("kasir1").await, app.sign_in("kasir1").await);
    let mut stream = elsewhere.open("/realtime/notifications").await;
    stream.opened().await;
    let change = async |current: &str, new: &str, repeated: &str| {
        let form = [("current", current), ("new", new), ("repeated", repeated)];
        rina.post("/akun/sandi").header("accept", "application/json").form(&form).send().await.unwrap()
    };
    for (current, new, repeated, field) in [
        ("tebakan", "sandi-baru-rina", "sandi-baru-rina", "current"),
        (PASSWORD, PASSWORD, PASSWORD, "new"),
        (PASSWORD, "sandi-baru-rina", "sandi-lain-rina", "repeated"),
        (PASSWORD, "1234567890", "1234567890", "password"),
    ] {
        let answer = change(current, new, repeated).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{new}");
        assert!(answer.json::<Value>().await.unwrap()["error"]["fields"][field].is_string(), "{field}");
    }
    assert!(is_in(&elsewhere).await, "nothing happened so far");

    let before = app.sql_text("SELECT string_agg(id, ',') FROM sessions WHERE user_id = 3").await;
    assert_eq!(change(PASSWORD, "sandi-baru-rina", "sandi-baru-rina").await.status(), StatusCode::OK);
    assert!(is_in(&rina).await, "who changed it stays");
    assert!(!is_in(&elsewhere).await, "everyone else is out");
    stream.rest().await;
    let after = app.sql_text("SELECT string_agg(id, ',') FROM sessions WHERE user_id = 3").await;
    assert!(!before.contains(&after), "and stays under a new id");

    // guessing at the old one is limited as at the door
    let mut last = StatusCode::OK;
    for _ in 0..6 {
        last = change("tebakan", "sandi-baru-rini", "sandi-baru-rini").await.status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

/// The admin who made an account goes on using the password that they gave out: it opens nothing but the form for a new one.
#[tokio::test]
async fn a_first_password_that_somebody_else_knows() {
    let app = TestApp::start().await;
    let dewi = NewUser {
        name: "Dewi".into(),
        email: "dewi@melati.test".into(),
        password: PASSWORD.into(),
        role: Role::Kasir,
        branch_id: Some(BranchId(1)),
    };
    people::add_user(&app.db, dewi).await.unwrap();
    let dewi = app.sign_in("dewi").await;
    for path in ["/", "/stok", "/penjualan", "/login"] {
        let page = dewi.page(path).await;
        assert_eq!(
            (page.status(), page.headers()["location"].to_str().unwrap()),
            (StatusCode::SEE_OTHER, "/akun/sandi"),
            "{path}"
        );
    }
    for path in ["/stok", "/realtime/dashboard", "/api/products", "/api/session"] {
        let answer = dewi.get(path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "password_must_change");
    }
    let write = dewi.post("/hari/tutup").header("accept", "application/json").send().await.unwrap();
    assert_eq!(write.status(), StatusCode::FORBIDDEN);
    assert_eq!(dewi.page("/akun/sandi").await.status(), StatusCode::OK);

    let form = [("current", PASSWORD), ("new", "sandi-dewi-sendiri"), ("repeated", "sandi-dewi-sendiri")];
    let answer = dewi.post("/akun/sandi").header("accept", "text/html").form(&form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(dewi.page("/").await.status(), StatusCode::OK);
    // reset by somebody else: again
    people::set_password(&app.db, "dewi@melati.test", PASSWORD.into()).await.unwrap();
    let dewi = app.sign_in("dewi").await;
    assert_eq!(dewi.page("/").await.headers()["location"], "/akun/sandi");
}

/// Finds a tablet that nobody has touched since yesterday, and one that a script has kept awake for a week: both ask who it
/// is.
#[tokio::test]
async fn a_session_that_is_too_old() {
    let app = TestApp::start().await;
    let rina = app.sign_in("kasir1").await;
    let left = "SELECT (expires_at - now() BETWEEN '11 hours 59 minutes' AND '12 hours')::text FROM sessions";
    assert_eq!(app.sql_text(left).await, "true", "half a day without anybody");
    app.sql("UPDATE sessions SET expires_at = now() - interval '1 second'").await;
    assert!(!is_in(&rina).await, "idle");

    let rina = app.sign_in("kasir1").await;
    // busy all the time: seen a quarter of an hour ago, signed in for a week but one hour
    app.sql(
        "UPDATE sessions SET data = data || jsonb_build_object(
             'seen_at', extract(epoch FROM now() - interval '15 minutes')::bigint,
             'signed_in_at', extract(epoch FROM now() - interval '167 hours')::bigint) WHERE user_id = 3",
    )
    .await;
    assert_eq!(rina.page("/stok").await.status(), StatusCode::OK);
    let left = app.sql_text("SELECT (expires_at - now() BETWEEN '59 minutes' AND '61 minutes')::text FROM sessions WHERE expires_at > now()").await;
    assert_eq!(left, "true", "used, and not prolonged beyond its week");
    app.sql("UPDATE sessions SET data = data || jsonb_build_object('seen_at', 0, 'signed_in_at', extract(epoch FROM now() - interval '169 hours')::bigint)").await;
    rina.page("/stok").await;
    assert!(!is_in(&rina).await, "a week is over");
}

/// Leaves a screen running: its stream beats, is cut and opened anew, all night. The session ends when it would have ended
/// without.
#[tokio::test]
async fn a_stream_that_keeps_a_session_alive() {
    let app = TestApp::start_with(Config { heartbeat_seconds: 1, ..Config::default() }).await;
    let rina = app.sign_in("kasir1").await;
    app.sql(
        "UPDATE sessions SET expires_at = now() + interval '1 hour',
                data = data || jsonb_build_object('seen_at', extract(epoch FROM now() - interval '11 hours')::bigint)",
    )
    .await;
    const EXPIRES: &str = "SELECT expires_at::text FROM sessions";
    let before = app.sql_text(EXPIRES).await;
    for _ in 0..2 {
        let mut stream = rina.open("/realtime/stream?topics=dashboard,notifications").await;
        while stream.heartbeats < 2 {
            stream.next_event().await.unwrap();
        }
        assert!(is_in(&rina).await);
    }
    assert_eq!(app.sql_text(EXPIRES).await, before, "heartbeats are not a person");
    rina.page("/stok").await;
    assert_ne!(app.sql_text(EXPIRES).await, before, "a page is");
}

/// Has signed in once on a tablet that was then sold: its owner finds it in the list, and ends it with all the others.
#[tokio::test]
async fn a_tablet_that_was_left_behind() {
    let app = TestApp::start().await;
    let tablet = app.sign_in("kasir1").await;
    let mut stream = tablet.open("/realtime/notifications").await;
    stream.opened().await;
    let (rina, agus) = (app.sign_in("kasir1").await, app.sign_in("kasir1b").await);
    let page = rina.page("/akun").await.text().await.unwrap();
    assert_eq!(page.matches("Masuk ").count(), 2, "both are listed");
    assert!(page.contains("perangkat ini") && page.contains("127.0.0.1"));
    let id = app.sql_text("SELECT min(id) FROM sessions").await;
    assert!(!page.contains(&id), "but no id of any");

    rina.post("/akun/keluar-semua").send().await.unwrap();
    assert!(!is_in(&tablet).await && !is_in(&rina).await);
    stream.rest().await;
    assert!(is_in(&agus).await, "nobody else is signed out");
}

/// Presses the branch switcher while another request of the same browser is in the air: whichever ends last writes the whole
/// session, as it was when it began. The choice stays.
#[tokio::test]
async fn a_request_that_brings_back_an_older_choice() {
    use melati::postgres::sessions::Sessions;
    use tower_sessions::SessionStore;

    let app = TestApp::start().await;
    let pusat = app.sign_in("pusat").await;
    let sessions = Sessions::new(app.db.clone());
    let id = app.sql_text("SELECT id FROM sessions").await.parse().unwrap();
    let looks_at = async || pusat.page("/").await.text().await.unwrap().contains("data-branch-id=\"1\"");
    for (choice, expected) in [(Some(1), true), (None, false), (Some(1), true)] {
        let in_the_air = sessions.load(&id).await.unwrap().unwrap();
        let form = [("branch_id", choice.map_or(String::new(), |id: i64| id.to_string()))];
        assert!(!pusat.post("/cabang/pilih").form(&form).send().await.unwrap().status().is_client_error());
        sessions.save(&in_the_air).await.unwrap();
        assert_eq!(looks_at().await, expected, "{choice:?}");
    }
}

/// Until so many wait for a lock: then they have got as far as that.
async fn somebody_waits(app: &TestApp, many: i64) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let coming = async {
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.db).await.unwrap() < many {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, coming).await.expect("they wait for a lock");
}

/// Signs in with a password that is changed at this very moment: it was right when it was read, and the session is written
/// when those that the change ended are gone. It opens nothing.
#[tokio::test]
async fn a_session_born_of_a_password_that_was_just_changed() {
    let app = TestApp::start().await;
    for change in ["UPDATE users SET password = 'x' WHERE id = 3", "UPDATE users SET is_active = false WHERE id = 3"] {
        app.sql("UPDATE users SET is_active = true WHERE id = 3").await;
        let own = app.sql_text("SELECT password FROM users WHERE id = 2").await;
        sqlx::query("UPDATE users SET password = $1 WHERE id = 3").bind(own).execute(&app.db).await.unwrap();
        let mut admin = app.db.begin().await.unwrap();
        // the sign-in comes as far as its entry in the log: the password has been found right, and there is no session yet
        sqlx::query("LOCK TABLE audit_log IN SHARE ROW EXCLUSIVE MODE").execute(&mut *admin).await.unwrap();
        let thief = app.nobody();
        let form = [("email", "kasir1@melati.test"), ("password", PASSWORD)];
        let request = thief.post("/login").header("accept", "application/json").form(&form);
        let coming = tokio::spawn(request.send());
        somebody_waits(&app, 1).await;
        sqlx::query(change).execute(&mut *admin).await.unwrap();
        admin.commit().await.unwrap();
        assert_eq!(coming.await.unwrap().unwrap().status(), StatusCode::OK, "it was right");
        // active again, so that it is not for this that they are out
        app.sql("UPDATE users SET is_active = true WHERE id = 3").await;
        assert!(!is_in(&thief).await, "{change}");
    }
}

/// Has the session of a stolen tablet renewed while its owner signs out everywhere: the old id is taken out of the store, and
/// the new one is written when the others are gone. It ends with them.
#[tokio::test]
async fn a_session_renewed_while_all_are_ended() {
    let app = TestApp::start().await;
    let stolen = app.sign_in("kasir1").await;
    let owner = app.sign_in("kasir1").await;
    app.sql("UPDATE users SET role = 'admin' WHERE id = 3").await;
    let mut held = app.db.begin().await.unwrap();
    sqlx::query("LOCK TABLE sessions IN SHARE ROW EXCLUSIVE MODE").execute(&mut *held).await.unwrap();
    let renewing = tokio::spawn({
        let stolen = stolen.clone();
        async move { stolen.page("/akun").await }
    });
    somebody_waits(&app, 1).await;
    // behind it: of the two, the renewal goes first
    let ending = tokio::spawn(owner.post("/akun/keluar-semua").header("accept", "application/json").send());
    somebody_waits(&app, 2).await;
    held.commit().await.unwrap();
    renewing.await.unwrap();
    assert_eq!(ending.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(!is_in(&stolen).await && !is_in(&owner).await);
}

/// Changes the password of an account, with the old one in hand, just when the admin has given it a new one: 401, and the
/// admin's holds.
#[tokio::test]
async fn changing_a_password_that_was_just_reset() {
    let app = TestApp::start().await;
    let thief = app.sign_in("kasir1").await;
    let mut admin = app.db.begin().await.unwrap();
    sqlx::query("UPDATE users SET password = 'yang baru' WHERE id = 3").execute(&mut *admin).await.unwrap();
    let form = [("current", PASSWORD), ("new", "sandi-si-pencuri"), ("repeated", "sandi-si-pencuri")];
    let request = thief.post("/akun/sandi").header("accept", "application/json").form(&form);
    let changing = tokio::spawn(request.send());
    somebody_waits(&app, 1).await;
    admin.commit().await.unwrap();
    assert_eq!(changing.await.unwrap().unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.sql_text("SELECT password FROM users WHERE id = 3").await, "yang baru");
}

/// Writes that ask for no rights that could be taken away: one's own account, what one looks at and has read, what a page costs.
const OF_ONES_OWN: [&str; 10] = [
    "/cabang/pilih",
    "/akun/sandi",
    "/akun/tampilan",
    "/akun/keluar-semua",
    "/api/layar",
    "/notifikasi/pengaturan",
    "/notifikasi/baca",
    "/penjualan/hitung",
    "/logout",
    "/login",
];

/// Sends every form there is in the very moment in which their rights are taken: the request has read who they are, and the
/// change is committed before it writes. They are told what to do, and nothing is half done.
#[tokio::test]
async fn a_form_sent_with_the_rights_of_before() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    // the head office is never without one
    app.sql("INSERT INTO users (id, name, email, password, role) VALUES (510, 'Kantor', 'kantor@melati.test', '-', 'super_admin')")
        .await;
    let (mut admin, mut pusat) = (app.sign_in("admin1").await, app.sign_in("pusat").await);
    let mut forms = [0, 0];
    // the change of rights itself is in these
    let skipped = ["users", "sessions", "audit_log", "sign_in_limits"];
    let writes = table().into_iter().filter(|route| route.method != Method::GET && !OF_ONES_OWN.contains(&route.path));
    // what an admin may not do is head office's; what neither may do is refused before
    let writes = writes.filter(|route| route.answers[0] < 300 || route.answers[1] < 300);
    for (n, route) in writes.enumerate() {
        let is_admins = route.answers[1] < 300;
        let (person, email) = if is_admins { (&mut admin, "admin1") } else { (&mut pusat, "pusat") };
        let (change, expected) = [
            ("UPDATE users SET role = 'admin', branch_id = 2 WHERE email = $1", "rights_changed"),
            ("UPDATE users SET role = 'kasir', branch_id = 1 WHERE email = $1", "rights_changed"),
            ("UPDATE users SET is_active = false WHERE email = $1", "unauthenticated"),
        ][n % 3];
        let before = fingerprint(&app, &skipped).await;
        let mut other = app.db.begin().await.unwrap();
        sqlx::query(change).bind(format!("{email}@melati.test")).execute(&mut *other).await.unwrap();
        let sent = tokio::spawn(route.request(person, route.here).send());
        somebody_waits(&app, 1).await;
        other.commit().await.unwrap();
        let answer = sent.await.unwrap().unwrap();
        let status = if expected == "unauthenticated" { StatusCode::UNAUTHORIZED } else { StatusCode::CONFLICT };
        assert_eq!(answer.status(), status, "{}", route.path);
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["error"]["code"], expected, "{}", route.path);
        assert_eq!(fingerprint(&app, &skipped).await, before, "{}", route.path);
        app.sql(
            "UPDATE users SET role = 'admin', branch_id = 1, is_active = true WHERE id = 2;
             UPDATE users SET role = 'super_admin', branch_id = NULL, is_active = true WHERE id = 1",
        )
        .await;
        if expected == "unauthenticated" {
            *person = app.sign_in(email).await;
        }
        forms[usize::from(is_admins)] += 1;
    }
    assert!(forms[0] >= 5 && forms[1] >= 25, "{forms:?} forms");
}

/// Has a page open that was drawn for one branch, and works in another since: they were moved, or switched in another tab. The
/// day of the wrong shop would be closed by it: 409, and nothing is written.
#[tokio::test]
async fn a_form_that_was_drawn_for_another_branch() {
    let app = TestApp::start().await;
    app.sql(SALES).await;
    let admin = app.sign_in("admin1").await;
    let mut drawn = std::collections::BTreeSet::new();
    for page in ["/", "/penjualan/create", "/pasien/baru", "/stok/impor", "/stok/opname", "/stok/frame/baru"] {
        let page = admin.page(page).await.text().await.unwrap();
        drawn.extend(page.split("action=\"").filter_map(|rest| {
            let (address, query) = rest.split('"').next()?.split_once('?')?;
            (query == "cabang=1").then(|| address.to_owned())
        }));
    }
    // the till's script puts it behind its addresses
    drawn.extend(["/penjualan", "/penjualan/hitung", "/pasien"].map(str::to_owned));
    let in_a_shop = table().into_iter().filter(|route| route.method != Method::GET && route.answers[0] == 409);
    let mut forms = 0;
    // what cannot be asked before a branch is chosen is written for the chosen one, unless its address names the branch
    for route in in_a_shop.filter(|route| route.answers[1] != 409 && !route.path.starts_with("/cabang/")) {
        let example = route.here.replace("aksesoris", "frame");
        assert!(drawn.contains(&example), "{example} does not say which branch it was drawn for: {drawn:?}");
        let before = fingerprint(&app, &[]).await;
        let answer = route.request(&admin, &format!("{}?cabang=2", route.here)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT, "{}", route.path);
        let told: Value = answer.json().await.unwrap();
        assert_eq!(told["error"]["code"], "branch_changed", "{}", route.path);
        assert_eq!(fingerprint(&app, &[]).await, before, "{}", route.path);
        let answer = route.request(&admin, &format!("{}?cabang=1", route.here)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), route.answers[1], "{}", route.path);
        forms += 1;
    }
    assert!(forms >= 9, "{forms} forms");
}

/// Finds the slip of paper with somebody's first password, a week later: it has ended after three days. Only who knows it is
/// told so.
#[tokio::test]
async fn a_first_password_that_lay_about() {
    let app = TestApp::start().await;
    let admin = app.sign_in("admin1").await;
    let form = [("name", "Dewi"), ("email", "dewi@melati.test"), ("role", "kasir"), ("branch_id", "1")];
    let made = admin.post("/pengguna").header("accept", "application/json").form(&form).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let (id, first) = (made["id"].as_i64().unwrap(), made["password"].as_str().unwrap().to_owned());
    let come = async |password: &str| {
        let form = [("email", "dewi@melati.test"), ("password", password)];
        app.nobody().post("/login").header("accept", "application/json").form(&form).send().await.unwrap()
    };
    let lasts = "SELECT (password_ends_at BETWEEN now() + '71 hours' AND now() + '73 hours')::text FROM users WHERE email = 'dewi@melati.test'";
    assert_eq!(app.sql_text(lasts).await, "true");
    app.sql("UPDATE users SET password_ends_at = now() + interval '1 minute' WHERE email = 'dewi@melati.test'").await;
    assert_eq!(come(&first).await.status(), StatusCode::OK, "the last minute is as good as the first");
    app.sql("UPDATE users SET password_ends_at = now() WHERE email = 'dewi@melati.test'").await;
    let answer = come(&first).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], "password_ended", "its owner learns what to do");
    let code = come("tebakan-salah").await.json::<Value>().await.unwrap()["error"]["code"].clone();
    assert_eq!(code, "wrong_credentials", "whoever does not know it learns nothing");

    // a new one begins anew, and one's own has no end
    let again = admin.post(&format!("/pengguna/{id}/sandi")).header("accept", "application/json").send().await.unwrap();
    let second = again.json::<Value>().await.unwrap()["password"].as_str().unwrap().to_owned();
    assert_eq!(app.sql_text(lasts).await, "true");
    let dewi = app.nobody();
    let form = [("email", "dewi@melati.test"), ("password", second.as_str())];
    assert_eq!(dewi.post("/login").form(&form).send().await.unwrap().status(), StatusCode::SEE_OTHER);
    let own = [("current", second.as_str()), ("new", "sandi-dewi-sendiri"), ("repeated", "sandi-dewi-sendiri")];
    let changed = dewi.post("/akun/sandi").header("accept", "application/json").form(&own).send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    let ends = "SELECT coalesce(password_ends_at::text, 'never') FROM users WHERE email = 'dewi@melati.test'";
    assert_eq!(app.sql_text(ends).await, "never");
    assert_eq!(come("sandi-dewi-sendiri").await.status(), StatusCode::OK);
}
