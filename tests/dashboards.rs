//! The dashboards' figures, held against a recomputation that knows nothing of their SQL: over branches, time zones and days,
//! within each viewer's scope; and the list of the worst products.
#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use std::collections::BTreeMap;

use common::app::{Person, TestApp};
use melati::ids::{BranchId, UserId};
use melati::money::Rupiah;
use melati::omset::{self, HOURS, Omset, Pace, Span, Timeframe};
use melati::scope::Branches;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use time::{Date, Duration, OffsetDateTime, UtcOffset};

/// Indonesia's three zones, none of which ever changes its clock.
const BRANCHES: [(i64, i8); 3] = [(1, 7), (2, 8), (3, 9)];
const SELLERS: [(i64, &[i64]); 3] = [(1, &[2, 3, 4]), (2, &[6]), (3, &[31, 32])];

#[derive(Clone, Copy, sqlx::FromRow)]
struct Sold {
    branch_id: BranchId,
    user_id: UserId,
    omset_bpjs: Rupiah,
    omset_umum: Rupiah,
    created_at: OffsetDateTime,
    stands: bool,
}

/// The branch's own clock.
fn clock(branch: BranchId, at: OffsetDateTime) -> OffsetDateTime {
    let (_, hours) = BRANCHES.into_iter().find(|(id, _)| *id == branch.0).unwrap();
    at.to_offset(UtcOffset::from_hms(hours, 0, 0).unwrap())
}

/// A shop with a third branch, which has not opened today, and some hundred sales of the last five weeks: many at the very
/// edge of a day, some taken back.
async fn busy_shop() -> TestApp {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO branches (id, name, kode, timezone) VALUES (3, 'Jayapura', 'JYP', 'Asia/Jayapura');
         INSERT INTO users (id, name, email, password, role, branch_id) VALUES
             (31, 'Yosef', 'kasir3@melati.test', '', 'kasir', 3), (32, 'Maria', 'kasir3b@melati.test', '', 'kasir', 3);
         INSERT INTO pasiens (id, branch_id, nama_pasien) VALUES (4, 3, 'Frans Kaisiepo')",
    )
    .await;
    let seed = 4;
    let mut rng = StdRng::seed_from_u64(seed);
    let now: OffsetDateTime = sqlx::query_scalar("SELECT now()").fetch_one(&app.db).await.unwrap();
    let mut tx = app.db.begin().await.unwrap();
    sqlx::query("SELECT set_config('melati.import', 'on', true)").execute(&mut *tx).await.unwrap();
    for number in 0..600 {
        let (branch, sellers) = SELLERS[rng.random_range(0..SELLERS.len())];
        let user = sellers[rng.random_range(0..sellers.len())];
        let ago = Duration::seconds(rng.random_range(0..36 * 86_400));
        let mut at = clock(BranchId(branch), now - ago);
        if rng.random_bool(0.3) {
            let edges = [Duration::ZERO, Duration::microseconds(-1), Duration::microseconds(1), Duration::minutes(61)];
            at = at.replace_time(time::Time::MIDNIGHT) + edges[rng.random_range(0..edges.len())];
        }
        let bpjs = [0, 165_000, 330_000][rng.random_range(0..3)];
        let umum = 5_000 * rng.random_range(0..400);
        let stands = rng.random_bool(0.9);
        sqlx::query(
            "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_bpjs, omset_umum, bayar, created_at,
                                     dibatalkan_at, alasan_batal)
             VALUES ($1, CASE $3 WHEN 1 THEN 1 WHEN 2 THEN 3 ELSE 4 END, $2, $3, $4 + $5, $4, $5, CASE WHEN $7 THEN $5 ELSE 0 END, $6,
                     CASE WHEN NOT $7 THEN now() END, CASE WHEN NOT $7 THEN 'Salah ketik' END)",
        )
        .bind(format!("UJI-{number}"))
        .bind(user)
        .bind(branch)
        .bind(bpjs)
        .bind(umum)
        .bind(at)
        .bind(stands)
        .execute(&mut *tx)
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    app
}

/// What is counted by hand. `now()` stands still in a transaction, so a midnight cannot come between two statements.
struct ByHand {
    sold: Vec<Sold>,
    now: OffsetDateTime,
}

impl ByHand {
    async fn read(tx: &mut PgConnection) -> Self {
        let sold = sqlx::query_as(
            "SELECT branch_id, user_id, omset_bpjs, omset_umum, created_at, dibatalkan_at IS NULL AS stands FROM penjualans",
        )
        .fetch_all(&mut *tx)
        .await
        .unwrap();
        Self { sold, now: sqlx::query_scalar("SELECT now()").fetch_one(tx).await.unwrap() }
    }

    fn today(&self, branch: BranchId) -> Date {
        clock(branch, self.now).date()
    }

    /// The sales that count, each with its day.
    fn counted(&self, scope: Branches, kasir: Option<UserId>, days: i32) -> Vec<(Date, Sold)> {
        let fits = |sold: &Sold| {
            let today = self.today(sold.branch_id);
            let date = clock(sold.branch_id, sold.created_at).date();
            let is_opened = sold.branch_id != BranchId(3); // today; the days before count what was sold
            sold.stands
                && scope.contain(sold.branch_id)
                && kasir.is_none_or(|kasir| kasir == sold.user_id)
                && date > today - Duration::days(days.into())
                && (date < today || date == today && is_opened)
        };
        let date = |sold: &Sold| clock(sold.branch_id, sold.created_at).date();
        self.sold.iter().filter(|sold| fits(sold)).map(|sold| (date(sold), *sold)).collect()
    }
}

fn sum<'a>(sales: impl Iterator<Item = &'a Sold>) -> Omset {
    sales.fold(Omset::default(), |mut sum, sold| {
        sum += Omset { omset_bpjs: sold.omset_bpjs, omset_umum: sold.omset_umum, jumlah_transaksi: 1 };
        sum
    })
}

fn by<K: Ord>(sales: &[(Date, Sold)], key: impl Fn(&(Date, Sold)) -> K) -> BTreeMap<K, Omset> {
    let mut groups: BTreeMap<K, Vec<Sold>> = BTreeMap::new();
    for sale in sales {
        groups.entry(key(sale)).or_default().push(sale.1);
    }
    groups.into_iter().map(|(key, sales)| (key, sum(sales.iter()))).collect()
}

fn is_something(omset: &Omset) -> bool {
    omset.jumlah_transaksi > 0
}

const SCOPES: [(Branches, Option<UserId>); 5] = [
    (Branches::All, None),
    (Branches::One(BranchId(1)), None),
    (Branches::One(BranchId(3)), None),
    (Branches::One(BranchId(1)), Some(UserId(3))),
    (Branches::One(BranchId(2)), Some(UserId(6))),
];

#[tokio::test]
async fn every_timeframe_says_what_counting_by_hand_says() {
    let app = busy_shop().await;
    let mut tx = app.db.begin().await.unwrap();
    let by_hand = ByHand::read(&mut tx).await;
    for timeframe in Timeframe::ALL {
        for (scope, kasir) in SCOPES {
            let case = format!("{timeframe:?} of {scope:?} {kasir:?}");
            let lines = omset::sql::span(&mut tx, scope, kasir, timeframe.days()).await.unwrap();
            let span = Span::of(&lines);
            let sales = by_hand.counted(scope, kasir, timeframe.days());
            if timeframe != Timeframe::Today {
                assert!(sales.len() > 5, "{case}: something to count");
            }
            assert_eq!(span.omset, sum(sales.iter().map(|(_, sold)| sold)), "{case}");

            let days: BTreeMap<Date, Omset> = span.per_day.iter().copied().filter(|(_, o)| is_something(o)).collect();
            assert_eq!(days, by(&sales, |(date, _)| *date), "{case}: each day");
            let days: Vec<Date> = span.per_day.iter().map(|(date, _)| *date).collect();
            let zones = BRANCHES.into_iter().map(|(id, _)| BranchId(id)).filter(|id| scope.contain(*id));
            let todays: Vec<Date> = zones.map(|branch| by_hand.today(branch)).collect();
            let newest = *todays.iter().max().unwrap();
            let oldest = *todays.iter().min().unwrap() - Duration::days(i64::from(timeframe.days()) - 1);
            let all: Vec<Date> =
                std::iter::successors(Some(newest), |date| date.previous_day().filter(|d| *d >= oldest)).collect();
            assert_eq!(days, all, "{case}: days without a sale are there, the newest first");

            let branches = span.per_branch.iter().map(|(id, _, omset)| (*id, *omset)).filter(|(_, o)| is_something(o));
            assert_eq!(
                branches.collect::<BTreeMap<_, _>>(),
                by(&sales, |(_, sold)| sold.branch_id),
                "{case}: each branch"
            );
            assert!(span.per_branch.is_sorted_by(|(_, _, a), (_, _, b)| a.total() >= b.total()), "the best first");
            let kasirs = span.per_kasir.iter().map(|(id, _, _, omset)| (*id, *omset));
            assert_eq!(kasirs.collect::<BTreeMap<_, _>>(), by(&sales, |(_, sold)| sold.user_id), "{case}: each kasir");
        }
    }
}

#[tokio::test]
async fn the_hours_and_what_they_are_compared_with_say_so_too() {
    let app = busy_shop().await;
    let mut tx = app.db.begin().await.unwrap();
    let by_hand = ByHand::read(&mut tx).await;
    let days = omset::sql::days(&mut tx, None).await.unwrap();
    let of_day = |branch: BranchId, ago: i64| {
        let date = by_hand.today(branch) - Duration::days(ago);
        let on_it = move |sold: &&Sold| {
            sold.stands && sold.branch_id == branch && clock(branch, sold.created_at).date() == date
        };
        by_hand.sold.iter().filter(on_it).copied().collect::<Vec<Sold>>()
    };
    let hours = |branch: BranchId, sales: &[Sold]| {
        let mut hours = [Rupiah::ZERO; HOURS];
        for sold in sales {
            hours[usize::from(clock(branch, sold.created_at).hour())] += sold.omset_bpjs + sold.omset_umum;
        }
        hours
    };
    let mut compared = 0;
    for day in days.values() {
        let branch = day.branch_id;
        let today = if branch == BranchId(3) { Vec::new() } else { of_day(branch, 0) };
        assert_eq!(day.per_jam, hours(branch, &today), "branch {branch}");
        assert_eq!(day.per_jam.into_iter().sum::<Rupiah>(), day.omset().total(), "the hours add up to the day");
        assert_eq!(usize::from(day.jam), usize::from(clock(branch, by_hand.now).hour()));
        assert_eq!(day.tanggal, by_hand.today(branch).to_string());
        for (told, ago) in [(day.kemarin, 1), (day.pekan_lalu, 7)] {
            let so_far = |sold: &&Sold| sold.created_at < by_hand.now - Duration::days(ago);
            assert_eq!(told, sum(of_day(branch, ago).iter().filter(so_far)).total(), "branch {branch}, {ago} days ago");
            compared += told.0;
        }
        let past = omset::sql::past_hours(&mut tx, Branches::One(branch)).await.unwrap();
        assert_eq!(past.kemarin, hours(branch, &of_day(branch, 1)));
        assert_eq!(past.pekan_lalu, hours(branch, &of_day(branch, 7)));
        assert_eq!(
            day.yesterday_so_far().is_none(),
            branch == BranchId(3),
            "a day that is not open is compared with nothing"
        );
    }
    assert!(compared > 0, "there was something to compare with");
    let pace = Pace::of(days.values());
    assert_eq!(pace.jam, None, "three clocks, no running hour");
    assert_eq!(pace.kemarin, Some(days.values().map(|day| day.kemarin).sum()));
}

async fn text(person: &Person, path: &str) -> String {
    let answer = person.page(path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.text().await.unwrap()
}

async fn month_of(db: &PgPool, scope: Branches, kasir: Option<UserId>) -> Rupiah {
    let mut db = db.acquire().await.unwrap();
    Span::of(&omset::sql::span(&mut db, scope, kasir, 30).await.unwrap()).omset.total()
}

#[tokio::test]
async fn each_role_sees_its_own_takings_and_nobody_elses() {
    let app = busy_shop().await;
    let everything = month_of(&app.db, Branches::All, None).await.to_string();
    let kemang = month_of(&app.db, Branches::One(BranchId(1)), None).await.to_string();
    let rinas = month_of(&app.db, Branches::One(BranchId(1)), Some(UserId(3))).await.to_string();
    assert!(everything != kemang && kemang != rinas, "amounts that can be told apart");

    let rina = text(&app.sign_in("kasir1").await, "/?rentang=30").await;
    assert!(rina.contains(&rinas) && rina.contains("Omset saya"));
    for elsewhere in [&kemang, &everything, "Agus", "Ubud", "Rekap kasir"] {
        assert!(!rina.contains(elsewhere), "a kasir's page says nothing of {elsewhere}");
    }
    let hendra = text(&app.sign_in("admin1").await, "/?rentang=30").await;
    assert!(hendra.contains(&kemang) && hendra.contains("Agus"));
    for elsewhere in [&everything, "Made", "Ubud"] {
        assert!(!hendra.contains(elsewhere), "an admin's page says nothing of {elsewhere}");
    }
    let pusat = app.sign_in("pusat").await;
    let chain = text(&pusat, "/?rentang=30").await;
    for part in [&everything, &kemang, "Ubud", "Jayapura", "Maria"] {
        assert!(chain.contains(part), "the head office reads {part}");
    }
    let chosen = pusat.post("/cabang/pilih").form(&[("branch_id", "1")]).send().await.unwrap();
    assert!(chosen.status().is_success() || chosen.status().is_redirection());
    let narrowed = text(&pusat, "/?rentang=30").await;
    assert!(narrowed.contains(&kemang) && !narrowed.contains("Maria"), "the switcher narrows");
}

#[tokio::test]
async fn a_timeframe_that_does_not_exist_is_today() {
    let app = TestApp::start().await;
    for who in ["kasir1", "admin1", "pusat"] {
        let person = app.sign_in(who).await;
        for path in [
            "/",
            "/?rentang=",
            "/?rentang=0",
            "/?rentang=-7",
            "/?rentang=7.0",
            "/?rentang=99999999999999999999",
            "/?rentang=hari",
            "/?rentang=%27%3B--",
            "/?hari=7",
        ] {
            let page = text(&person, path).await;
            assert!(page.contains(r#"<a href="/" aria-current="true">Hari ini</a>"#), "{who} {path}");
        }
        for (days, label) in [(7, "7 hari"), (30, "30 hari")] {
            let page = text(&person, &format!("/?rentang={days}")).await;
            assert!(
                page.contains(&format!(r#"<a href="/?rentang={days}" aria-current="true">{label}</a>"#)),
                "{who} {days}"
            );
        }
    }
}

/// The products of a page, in its order.
fn products(page: &str) -> Vec<&str> {
    page.split("data-product=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn the_worst_products_are_ten_of_ones_own_the_worst_first() {
    let app = TestApp::start().await;
    let rina = app.sign_in("kasir1").await;
    assert_eq!(products(&text(&rina, "/stok/terendah").await), ["Frame:2", "Lensa:1"], "low before medium");
    app.sql(
        "INSERT INTO frames (id, branch_id, kode_frame, merk_frame, harga_jual_frame, stok)
         SELECT 100 + i, 1 + i % 2, 'FX' || i, 'Langka', 1000, i / 4 FROM generate_series(0, 39) i;
         INSERT INTO lensas (id, branch_id, kode_lensa, merk_lensa, type, harga_jual_lensa, stok, is_custom_order)
         VALUES (90, 1, 'LX', 'Pesanan', 'Khusus', 1000, 0, true)",
    )
    .await;
    // by hand: low is five and less, then by what is left; even ids are Kemang's
    let kemang = ["Frame:100", "Frame:102", "Frame:104", "Frame:106", "Frame:108", "Frame:110", "Frame:2"];
    let own = text(&rina, "/stok/terendah").await;
    assert_eq!(products(&own).len(), 10);
    assert_eq!(products(&own)[..7], kemang, "what is made to order is never missing");
    assert!(own.contains(r#"href="/stok/frame/100""#) && !own.contains("Kemang"));
    let home = text(&rina, "/").await;
    assert_eq!(products(&home)[10..], kemang[..6], "the dashboard shows the first of them");
    for page in [home, text(&rina, "/pesanan").await, text(&rina, "/akun").await] {
        assert_eq!(products(&page)[..10], products(&own), "the navbar of every page holds all ten");
    }

    let all = text(&app.sign_in("pusat").await, "/stok/terendah").await;
    assert_eq!(products(&all)[..4], ["Frame:100", "Frame:101", "Frame:102", "Frame:103"]);
    assert!(all.contains("Kemang") && all.contains("Ubud"), "each row says whose it is");
}

#[tokio::test]
async fn a_days_end_and_its_hours_are_told_live() {
    let app = TestApp::start().await;
    let (rina, hendra) = (app.sign_in("kasir1").await, app.sign_in("admin1").await);
    let (mut own, mut branch) = (rina.open("/realtime/dashboard").await, hendra.open("/realtime/dashboard").await);
    let is_zero = |json: &Value| json["per_jam"].as_array().unwrap().iter().all(|hour| hour == 0);
    let first = branch.next_json().await;
    assert!(is_zero(&first) && first["per_jam"].as_array().unwrap().len() == 24);
    assert_eq!(own.next_json().await["close_time"], Value::Null);

    app.sql(
        "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_umum, bayar)
         VALUES ('UJI-1', 1, 3, 1, 70000, 70000, 70000)",
    )
    .await;
    let told = branch.until(|_, json| json["total_omset_hari_ini"] == 70_000).await;
    let jam = usize::try_from(told["jam"].as_u64().unwrap()).unwrap();
    let hours: i64 = told["per_jam"].as_array().unwrap().iter().map(|hour| hour.as_i64().unwrap()).sum();
    assert_eq!(hours, 70_000);
    assert!(jam < 24 && told["per_cabang"][0]["kemarin_jam_segini"] == 0);

    app.sql("UPDATE open_days SET is_open = false, closed_at = now() WHERE branch_id = 1").await;
    let told = own.until(|_, json| json["open_day_status"] == false).await;
    let closed = told["close_time"].as_str().unwrap().to_owned();
    assert_eq!(closed.len(), "17:04".len());
    let told = branch.until(|_, json| json["per_cabang"][0]["open_day_status"] == false).await;
    assert_eq!(told["per_cabang"][0]["close_time"], closed);
    let page = text(&rina, "/stok").await;
    assert!(page.contains(&format!("Ditutup {closed} WIB")), "the line under the branch's name on any page");
}
