//! The pages of the reports: which, of which branch, over which period; the same as a file; and the end of a branch's day.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use time::Date;

use super::chart::{self, Bars, Heat, Ranks, Unit, WEEKDAYS};
use super::sheet::{self, Cell, ISO, Sheet};
use super::sql::{self, AGES, DaySum, HourSum, KasirSum};
use super::{CLASSES, Closing, LONGEST_DAYS, METHODS, Period, Preset, Report, Span};
use crate::App;
use crate::branches::{self, Branch, long_date};
use crate::ids::BranchId;
use crate::money::Rupiah;
use crate::refusal::Refusal;
use crate::scope::{Branches, Viewer};
use crate::web::Error;
use crate::web::page::{Nav, Page, Shell, Theme, url_part};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/laporan", get(index))
        .route("/laporan/harian", get(days))
        .route("/laporan/harian/csv", get(days_file))
        .route("/laporan/harian/hari-ini", get(closing_today))
        .route("/laporan/harian/{cabang}/{tanggal}", get(closing))
        .route("/laporan/harian/{cabang}/{tanggal}/csv", get(closing_file))
        .route("/laporan/{laporan}", get(report))
        .route("/laporan/{laporan}/csv", get(file))
}

// ---- what is asked for ----

/// As in the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    /// A branch's id; empty for all that the viewer sees.
    cabang: String,
    /// A [`Preset`]; own dates count only without one.
    periode: String,
    dari: String,
    sampai: String,
    /// Of dead stock: not sold for so many days.
    hari: String,
    /// Which table a file has.
    tabel: String,
}

/// The same, understood.
struct Asked {
    scope: Option<BranchId>,
    spans: Vec<Span>,
    /// From the first day of any span to the last.
    period: Period,
    preset: Option<Preset>,
    days: i32,
}

/// For how long nobody bought it: choices of the report on dead stock.
const DEAD_DAYS: [i32; 5] = [30, 60, 90, 180, 365];

impl Wanted {
    /// Which branches: never more than the viewer sees.
    fn scope(&self, viewer: &Viewer) -> Result<Option<BranchId>, Refusal> {
        if !viewer.may_read_reports() {
            return Err(Refusal::Forbidden);
        }
        match self.cabang.trim() {
            "" => Ok(viewer.branches().one()),
            id => {
                let branch = id.parse().map_err(|_| Refusal::NotFound)?;
                if viewer.may_see(branch) { Ok(Some(branch)) } else { Err(Refusal::NotFound) }
            }
        }
    }

    async fn read(&self, app: &App, viewer: &Viewer) -> Result<Result<Asked, BTreeMap<String, String>>, Refusal> {
        let scope = self.scope(viewer)?;
        let todays = sql::todays(&app.pool, scope).await?;
        let latest = todays.iter().map(|(_, today)| *today).max().ok_or(Refusal::NotFound)?;
        let days = DEAD_DAYS.into_iter().find(|days| days.to_string() == self.hari).unwrap_or(90);
        let own_dates = !self.dari.trim().is_empty() || !self.sampai.trim().is_empty();
        let preset = match Preset::from_slug(&self.periode) {
            None if own_dates => None,
            chosen => Some(chosen.unwrap_or(Preset::Days30)),
        };
        let spans = match preset {
            Some(preset) => Span::of(scope, &todays, |today| preset.of(today)),
            None => match self.own_dates(latest) {
                Ok(period) => Span::of(scope, &todays, |_| period),
                Err(wrong) => return Ok(Err(wrong)),
            },
        };
        let spans = spans.ok_or(Refusal::NotFound)?;
        let periods = || spans.iter().map(|span| span.period);
        let since = periods().map(|period| period.since).min().unwrap_or(latest);
        let until = periods().map(|period| period.until).max().unwrap_or(latest);
        Ok(Ok(Asked { scope, period: Period { since, until }, spans, preset, days }))
    }

    /// # Errors
    /// Field → what to do.
    fn own_dates(&self, today: Date) -> Result<Period, BTreeMap<String, String>> {
        let mut wrong = BTreeMap::new();
        let mut date = |field: &str, text: &str| {
            let date = Date::parse(text.trim(), ISO).ok();
            if date.is_none() {
                let message = "Tulis tanggalnya, misalnya 2026-11-21.".to_owned();
                wrong.insert(field.to_owned(), message);
            }
            date
        };
        let (since, until) = (date("dari", &self.dari), date("sampai", &self.sampai));
        let (Some(since), Some(until)) = (since, until) else { return Err(wrong) };
        let period = Period { since, until: until.min(today) };
        if since > until {
            wrong.insert("sampai".into(), "Tanggal akhir ada sebelum tanggal awal. Tukar keduanya.".into());
        } else if since > today {
            wrong.insert("dari".into(), "Tanggal ini belum tiba. Pilih tanggal yang sudah lewat.".into());
        } else if period.days() > LONGEST_DAYS {
            wrong.insert("dari".into(), "Paling lama tiga tahun. Pilih masa yang lebih pendek.".into());
        }
        if wrong.is_empty() { Ok(period) } else { Err(wrong) }
    }
}

impl Asked {
    /// Today: more than one day while branches differ.
    fn now(&self) -> Period {
        let todays = || self.spans.iter().map(|span| span.today);
        let since = todays().min().unwrap_or(self.period.until);
        Period { since, until: todays().max().unwrap_or(since) }
    }

    /// `26 November 2026`; while branches differ in it, each of theirs.
    fn label(&self) -> String {
        let mut labels = Vec::from_iter(self.spans.iter().map(|span| span.period));
        labels.sort_by_key(|period| (period.until, period.since));
        labels.dedup();
        let labels = Vec::from_iter(labels.into_iter().map(Period::label));
        if labels.len() == 1 { labels.concat() } else { format!("{}, menurut hari tiap cabang", labels.join(" atau ")) }
    }
}

// ---- the page of all reports ----

#[derive(Template)]
#[template(path = "reports/index.html")]
struct IndexPage {
    shell: Shell,
}

async fn index(State(app): State<App>, viewer: Viewer) -> Result<Page<IndexPage>, Error> {
    if !viewer.may_read_reports() {
        return Err(Refusal::Forbidden.into());
    }
    Ok(Page(IndexPage { shell: Shell::load(&app, &viewer, Nav::Reports, "Laporan").await? }))
}

// ---- one report ----

/// What a report has to say; the page and the file are made of it.
#[derive(Default)]
struct Body {
    figures: Vec<(&'static str, String)>,
    bars: Option<Bars>,
    heat: Option<Heat>,
    ranks: Option<Ranks>,
    sheets: Vec<Sheet>,
}

impl Body {
    fn is_empty(&self) -> bool {
        self.sheets.iter().all(|sheet| sheet.rows.is_empty())
    }
}

#[derive(Template)]
#[template(path = "reports/report.html")]
struct ReportPage {
    shell: Shell,
    report: Report,
    wanted: Wanted,
    /// What a super admin may choose from.
    choices: Vec<Branch>,
    asked: Option<Asked>,
    /// Field → what is wrong with it.
    wrong: BTreeMap<String, String>,
    body: Body,
}

async fn report(
    State(app): State<App>,
    viewer: Viewer,
    Path(slug): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Error> {
    if !viewer.may_read_reports() {
        return Err(Refusal::Forbidden.into());
    }
    let report = Report::from_slug(&slug).ok_or(Refusal::NotFound)?;
    let understood = wanted.read(&app, &viewer).await?;
    let shell = Shell::load(&app, &viewer, Nav::Reports, report.title()).await?;
    let choices = if viewer.branches() == Branches::All { shell.switcher.clone() } else { Vec::new() };
    let page = |asked, wrong, body| Page(ReportPage { shell, report, wanted, choices, asked, wrong, body });
    match understood {
        Ok(asked) => {
            let body = body(&app, report, &asked).await?;
            Ok(page(Some(asked), BTreeMap::new(), body).into_response())
        }
        Err(wrong) => Ok((StatusCode::UNPROCESSABLE_ENTITY, page(None, wrong, Body::default())).into_response()),
    }
}

/// The same as a file, one table of it.
async fn file(
    State(app): State<App>,
    viewer: Viewer,
    Path(slug): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Error> {
    if !viewer.may_read_reports() {
        return Err(Refusal::Forbidden.into());
    }
    let report = Report::from_slug(&slug).ok_or(Refusal::NotFound)?;
    let asked = wanted.read(&app, &viewer).await?.map_err(Refusal::Invalid)?;
    let sheets = body(&app, report, &asked).await?.sheets;
    let is_wanted = |sheet: &&Sheet| wanted.tabel.is_empty() || sheet.slug == wanted.tabel;
    let sheet = sheets.iter().find(is_wanted).ok_or(Refusal::NotFound)?;
    let period = if report.has_period() { asked.period } else { asked.now() };
    Ok(download(&format!("{slug}-{}", sheet.slug), period, sheet))
}

/// The name has letters, digits and dashes only.
fn download(name: &str, period: Period, sheet: &Sheet) -> Response {
    let name = format!("melati-{name}-{}-{}.csv", sheet::iso(period.since), sheet::iso(period.until));
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, sheet.csv()).into_response()
}

async fn body(app: &App, report: Report, asked: &Asked) -> Result<Body, Refusal> {
    match report {
        Report::Comparison => comparison(app, asked).await,
        Report::Peaks => peaks(app, asked).await,
        Report::Payers => payers(app, asked).await,
        Report::Receivables => receivables(app, asked).await,
        Report::Products => products(app, asked).await,
        Report::DeadStock => dead_stock(app, asked).await,
        Report::LowStock => low_stock(app, asked).await,
        Report::Movements => movements(app, asked).await,
    }
}

fn average(total: Rupiah, count: i64) -> Rupiah {
    Rupiah(if count > 0 { (2 * total.0 + count) / (2 * count) } else { 0 })
}

async fn comparison(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let mut kasirs = Vec::new();
    for span in &asked.spans {
        kasirs.extend(sql::kasirs(&app.pool, span.scope, span.period).await?);
    }
    kasirs.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.kasir.cmp(&b.kasir)));
    let mut branches: BTreeMap<BranchId, KasirSum> = BTreeMap::new();
    for kasir in &kasirs {
        branches
            .entry(kasir.branch_id)
            .and_modify(|sum| {
                sum.jumlah += kasir.jumlah;
                sum.total += kasir.total;
                sum.omset_bpjs += kasir.omset_bpjs;
                sum.omset_umum += kasir.omset_umum;
                sum.total_before += kasir.total_before;
            })
            .or_insert_with(|| kasir.clone());
    }
    let mut branches = Vec::from_iter(branches.into_values());
    branches.sort_by_key(|branch| std::cmp::Reverse(branch.total));
    let (count, total): (i64, Rupiah) = (kasirs.iter().map(|k| k.jumlah).sum(), kasirs.iter().map(|k| k.total).sum());
    let before: Rupiah = kasirs.iter().map(|k| k.total_before).sum();

    let figures_of = |sum: &KasirSum| {
        vec![
            Cell::Count(sum.jumlah),
            Cell::Money(sum.omset_bpjs),
            Cell::Money(sum.omset_umum),
            Cell::Money(sum.total),
            Cell::Money(average(sum.total, sum.jumlah)),
            Cell::change(sum.total, sum.total_before),
        ]
    };
    let named = |names: &[&str], sum: &KasirSum| {
        let mut row = Vec::from_iter(names.iter().map(|name| Cell::text(*name)));
        row.extend(figures_of(sum));
        row
    };
    let mut sheets = Vec::new();
    if asked.scope.is_none() {
        let columns = ["Cabang", "Transaksi", "BPJS", "Umum", "Omset", "Rata-rata", "Dari masa sebelumnya"];
        let rows = branches.iter().map(|sum| named(&[&sum.cabang], sum)).collect();
        sheets.push(Sheet::new("cabang", "Per cabang", &columns, rows));
    }
    let columns = ["Kasir", "Cabang", "Transaksi", "BPJS", "Umum", "Omset", "Rata-rata", "Dari masa sebelumnya"];
    let rows = kasirs.iter().map(|sum| named(&[&sum.kasir, &sum.cabang], sum)).collect();
    sheets.push(Sheet::new("kasir", "Per kasir", &columns, rows));
    let ranks = match asked.scope {
        None => chart::ranks("Omset per cabang", Unit::Rupiah, branches.iter().map(|b| (b.cabang.clone(), b.total.0))),
        Some(_) => chart::ranks("Omset per kasir", Unit::Rupiah, kasirs.iter().map(|k| (k.kasir.clone(), k.total.0))),
    };
    Ok(Body {
        figures: vec![
            ("Omset", total.to_string()),
            ("Transaksi", Rupiah(count).grouped()),
            ("Rata-rata", average(total, count).to_string()),
            ("Dari masa sebelumnya", Cell::change(total, before).shown()),
        ],
        ranks: Some(ranks),
        sheets,
        ..Body::default()
    })
}

async fn peaks(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let mut hours: BTreeMap<(i32, i32), HourSum> = BTreeMap::new();
    for span in &asked.spans {
        for hour in sql::hours(&app.pool, span.scope, span.period).await? {
            hours
                .entry((hour.hari, hour.jam))
                .and_modify(|sum| {
                    sum.jumlah += hour.jumlah;
                    sum.total += hour.total;
                })
                .or_insert(hour);
        }
    }
    let hours = Vec::from_iter(hours.into_values());
    let count: i64 = hours.iter().map(|hour| hour.jumlah).sum();
    let weekday = |hari: i32| usize::try_from(hari - 1).ok().and_then(|day| WEEKDAYS.get(day)).copied().unwrap_or("–");
    let clock = |jam: i32| format!("{jam:02}.00–{jam:02}.59");
    let mut figures = vec![("Transaksi", Rupiah(count).grouped())];
    if let Some(top) = hours.iter().max_by_key(|hour| (hour.jumlah, std::cmp::Reverse((hour.hari, hour.jam)))) {
        figures.push(("Paling ramai", format!("{} {}", weekday(top.hari), clock(top.jam))));
        figures.push(("Bagian dari semua", Cell::share(top.jumlah, count).shown()));
    }
    let rows = hours.iter().map(|hour| {
        vec![
            Cell::text(weekday(hour.hari)),
            Cell::text(clock(hour.jam)),
            Cell::Count(hour.jumlah),
            Cell::Money(hour.total),
            Cell::share(hour.jumlah, count),
        ]
    });
    let mut rows = Vec::from_iter(rows);
    // the busiest first: the map above has them in the order of time
    rows.sort_by_key(|row| match row[2] {
        Cell::Count(count) => std::cmp::Reverse(count),
        _ => std::cmp::Reverse(0),
    });
    let mut sheet = Sheet::new("jam", "Jam paling ramai", &["Hari", "Jam", "Transaksi", "Omset", "Bagian"], rows);
    sheet.shown = 10;
    let counts = Vec::from_iter(hours.iter().map(|hour| (hour.hari, hour.jam, hour.jumlah)));
    Ok(Body { figures, heat: Some(chart::heat(&counts)), sheets: vec![sheet], ..Body::default() })
}

/// The word and the colour of who pays.
const PAYERS: [(&str, &str); 2] = [("BPJS", "bpjs"), ("Umum", "umum")];

async fn payers(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let mut days = Vec::new();
    for span in &asked.spans {
        days.extend(sql::classes(&app.pool, span.scope, span.period).await?);
    }
    let mut by_day: BTreeMap<Date, (i64, Rupiah, Rupiah, i64)> = BTreeMap::new();
    let mut by_class = [(0_i64, Rupiah::ZERO, Rupiah::ZERO, Rupiah::ZERO, 0_i64); 4];
    for day in &days {
        let sum = by_day.entry(day.tanggal).or_default();
        *sum = (sum.0 + day.jumlah, sum.1 + day.omset_bpjs, sum.2 + day.omset_umum, sum.3 + day.naik_kelas);
        let Some(class) = usize::try_from(day.kelas).ok().and_then(|class| by_class.get_mut(class)) else { continue };
        class.0 += day.jumlah;
        class.1 += day.omset_bpjs;
        class.2 += day.omset_umum;
        class.3 += day.total;
        class.4 += day.naik_kelas;
    }
    let insured: i64 = by_class[1..].iter().map(|class| class.0).sum();
    let upgraded: i64 = by_class.iter().map(|class| class.4).sum();
    let (bpjs, umum): (Rupiah, Rupiah) = (by_class.iter().map(|c| c.1).sum(), by_class.iter().map(|c| c.2).sum());
    let count: i64 = by_class.iter().map(|class| class.0).sum();

    let rows = CLASSES.iter().zip(by_class).filter(|(_, class)| class.0 > 0).map(|(word, class)| {
        vec![
            Cell::text(*word),
            Cell::Count(class.0),
            Cell::share(class.0, count),
            Cell::Money(class.1),
            Cell::Money(class.2),
            Cell::Money(class.3),
            Cell::Count(class.4),
            Cell::share(class.4, if *word == "UMUM" { 0 } else { class.0 }),
        ]
    });
    let columns = [
        "Kelas",
        "Transaksi",
        "Bagian",
        "BPJS membayar",
        "Pasien membayar",
        "Omset",
        "Naik Kelas",
        "Bagian Naik Kelas",
    ];
    let classes = Sheet::new("kelas", "Per kelas", &columns, rows.collect());
    let rows = by_day.iter().rev().map(|(day, sum)| {
        let (count, bpjs, umum, upgraded) = *sum;
        vec![
            Cell::Day(Some(*day)),
            Cell::Count(count),
            Cell::Money(bpjs),
            Cell::Money(umum),
            Cell::Money(bpjs + umum),
            Cell::Count(upgraded),
        ]
    });
    let columns = ["Tanggal", "Transaksi", "BPJS membayar", "Pasien membayar", "Omset", "Naik Kelas"];
    let mut per_day = Sheet::new("tanggal", "Per tanggal", &columns, rows.collect());
    per_day.shown = 31;
    let values = Vec::from_iter(by_day.iter().map(|(day, sum)| (*day, vec![sum.1.0, sum.2.0])));
    Ok(Body {
        figures: vec![
            ("BPJS membayar", bpjs.to_string()),
            ("Pasien membayar", umum.to_string()),
            ("Bagian BPJS", Cell::share(bpjs.0, (bpjs + umum).0).shown()),
            ("Naik Kelas", format!("{} dari {}", Cell::share(upgraded, insured).shown(), Rupiah(insured).grouped())),
        ],
        bars: Some(chart::bars(
            "Omset menurut siapa yang membayar",
            Unit::Rupiah,
            PAYERS.to_vec(),
            asked.period,
            &values,
        )),
        sheets: vec![classes, per_day],
        ..Body::default()
    })
}

async fn receivables(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let sums = sql::debts(&app.pool, asked.scope).await?;
    // the page shows the oldest; whoever wants more than the file's worth asks branch by branch
    let oldest = sql::oldest_debts(&app.pool, asked.scope, 1_000).await?;
    let mut ages = [(0_i64, Rupiah::ZERO); AGES.len()];
    let mut branches: BTreeMap<&str, [Rupiah; AGES.len()]> = BTreeMap::new();
    for sum in &sums {
        let Some(place) = usize::try_from(sum.umur).ok().filter(|place| *place < AGES.len()) else { continue };
        ages[place].0 += sum.jumlah;
        ages[place].1 += sum.kekurangan;
        branches.entry(&sum.cabang).or_default()[place] += sum.kekurangan;
    }
    let (count, total): (i64, Rupiah) = (ages.iter().map(|age| age.0).sum(), ages.iter().map(|age| age.1).sum());
    let rows = AGES.iter().zip(ages).map(|(word, (count, owed))| {
        vec![Cell::text(*word), Cell::Count(count), Cell::Money(owed), Cell::share(owed.0, total.0)]
    });
    let rows = if count == 0 { Vec::new() } else { rows.collect() };
    let mut sheets = vec![Sheet::new("umur", "Menurut umur", &["Umur", "Penjualan", "Kekurangan", "Bagian"], rows)];
    if asked.scope.is_none() {
        let rows = branches.iter().map(|(name, owed)| {
            let mut row = vec![Cell::text(*name)];
            row.extend(owed.iter().map(|owed| Cell::Money(*owed)));
            row.push(Cell::Money(owed.iter().copied().sum()));
            row
        });
        let columns = [&["Cabang"][..], &AGES[..], &["Semua"][..]].concat();
        sheets.push(Sheet::new("cabang", "Per cabang", &columns, rows.collect()));
    }
    let rows = oldest.iter().map(|debt| {
        vec![
            Cell::Link { text: debt.kode_penjualan.clone(), href: format!("/penjualan/{}", debt.id) },
            Cell::text(&debt.nama_pasien),
            Cell::text(&debt.cabang),
            Cell::Day(Some(debt.tanggal)),
            Cell::Count(debt.hari.into()),
            Cell::text(debt.status_pengerjaan.to_string()),
            Cell::Money(debt.total),
            Cell::Money(debt.kekurangan),
        ]
    });
    let columns = ["Penjualan", "Pasien", "Cabang", "Tanggal", "Hari", "Pengerjaan", "Total", "Kekurangan"];
    sheets.push(Sheet::new("penjualan", "Yang paling lama", &columns, rows.collect()));
    Ok(Body {
        figures: vec![
            ("Belum dilunasi", total.to_string()),
            ("Penjualan", Rupiah(count).grouped()),
            ("Lebih dari 30 hari", ages[2..].iter().map(|age| age.1).sum::<Rupiah>().to_string()),
        ],
        ranks: Some(chart::ranks(
            "Kekurangan menurut umur",
            Unit::Rupiah,
            AGES.iter().zip(ages).map(|(word, age)| ((*word).to_owned(), age.1.0)),
        )),
        sheets,
        ..Body::default()
    })
}

async fn products(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let mut all = Vec::new();
    for span in &asked.spans {
        all.extend(sql::products(&app.pool, span.scope, span.period).await?);
    }
    all.sort_by(|a, b| (b.jumlah, b.subtotal).cmp(&(a.jumlah, a.subtotal)).then_with(|| a.nama.cmp(&b.nama)));
    let days = asked.spans.first().map_or(1, |span| span.period.days());
    let row = |product: &&sql::ProductSum| {
        // at this pace the shelf is empty after so many days
        let lasts = (product.jumlah > 0).then(|| i64::from(product.stok) * days / product.jumlah);
        vec![
            Cell::Link {
                text: product.nama.clone(),
                href: format!("/stok/{}/{}", product.product_type.slug(), product.product_id),
            },
            Cell::text(&product.kode),
            Cell::text(&product.cabang),
            Cell::Count(product.jumlah),
            Cell::Money(product.subtotal),
            Cell::Count(product.stok.into()),
            Cell::Money(product.modal),
            lasts.map_or_else(|| Cell::text("–"), Cell::Count),
        ]
    };
    let columns = ["Barang", "Kode", "Cabang", "Terjual", "Omset", "Stok", "Modal di rak", "Cukup untuk (hari)"];
    let sold = || all.iter().filter(|product| product.jumlah > 0);
    let mut fast = Sheet::new("cepat", "Paling cepat laku", &columns, sold().map(|p| row(&p)).collect());
    fast.shown = 20;
    let mut slow = Vec::from_iter(all.iter().filter(|product| product.stok > 0));
    slow.sort_by_key(|product| (product.jumlah, std::cmp::Reverse(product.modal)));
    let mut slow = Sheet::new("lambat", "Paling lambat, masih di rak", &columns, slow.iter().map(row).collect());
    slow.shown = 20;
    let pieces: i64 = all.iter().map(|product| product.jumlah).sum();
    Ok(Body {
        figures: vec![
            ("Terjual", format!("{} buah", Rupiah(pieces).grouped())),
            ("Jenis yang laku", Rupiah(sold().count() as i64).grouped()),
            ("Di rak, tidak laku", Rupiah(all.iter().filter(|p| p.jumlah == 0).count() as i64).grouped()),
        ],
        ranks: Some(chart::ranks(
            "Sepuluh yang paling laku, dalam buah",
            Unit::Pieces,
            sold().map(|p| (p.nama.clone(), p.jumlah)),
        )),
        sheets: vec![fast, slow],
        ..Body::default()
    })
}

async fn dead_stock(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let mut dead = Vec::new();
    for span in &asked.spans {
        dead.extend(sql::dead_stock(&app.pool, span.scope, span.today, asked.days).await?);
    }
    dead.sort_by(|a, b| b.modal.cmp(&a.modal).then_with(|| a.nama.cmp(&b.nama)));
    let rows = dead.iter().map(|product| {
        vec![
            Cell::Link {
                text: product.nama.clone(),
                href: format!("/stok/{}/{}", product.product_type.slug(), product.product_id),
            },
            Cell::text(&product.kode),
            Cell::text(&product.cabang),
            Cell::Count(product.stok.into()),
            Cell::Money(product.modal),
            Cell::Day(product.terakhir),
        ]
    });
    let columns = ["Barang", "Kode", "Cabang", "Stok", "Modal tertahan", "Terakhir laku"];
    let modal: Rupiah = dead.iter().map(|product| product.modal).sum();
    let pieces: i64 = dead.iter().map(|product| i64::from(product.stok)).sum();
    Ok(Body {
        figures: vec![
            ("Modal tertahan", modal.to_string()),
            ("Jenis barang", Rupiah(dead.len() as i64).grouped()),
            ("Buah", Rupiah(pieces).grouped()),
        ],
        ranks: Some(chart::ranks(
            "Modal tertahan, sepuluh terbesar",
            Unit::Rupiah,
            dead.iter().map(|p| (p.nama.clone(), p.modal.0)),
        )),
        sheets: vec![Sheet::new("barang", "Barang yang tidak laku", &columns, rows.collect())],
        ..Body::default()
    })
}

async fn low_stock(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let mut low = Vec::new();
    for span in &asked.spans {
        low.extend(sql::low_stock(&app.pool, span.scope, span.period).await?);
    }
    low.sort_by(|a, b| b.menit_rendah.cmp(&a.menit_rendah).then_with(|| a.nama.cmp(&b.nama)));
    let (times, answered): (i64, i64) = (low.iter().map(|p| p.kali).sum(), low.iter().map(|p| p.ditanggapi).sum());
    let took: i64 = low.iter().map(|product| product.menit_tanggap).sum();
    let rows = low.iter().map(|product| {
        vec![
            Cell::Link {
                text: product.nama.clone(),
                href: format!("/stok/{}/{}", product.product_type.slug(), product.product_id),
            },
            Cell::text(&product.kode),
            Cell::text(&product.cabang),
            Cell::Count(product.stok.into()),
            Cell::Count(product.kali),
            Cell::Minutes(Some(product.menit_rendah)),
            Cell::Count(product.ditanggapi),
            Cell::Minutes((product.ditanggapi > 0).then(|| product.menit_tanggap / product.ditanggapi)),
            Cell::text(if product.is_low { "masih rendah" } else { "sudah aman" }),
        ]
    });
    let columns = [
        "Barang",
        "Kode",
        "Cabang",
        "Stok",
        "Kali rendah",
        "Lama rendah",
        "Ditanggapi",
        "Rata-rata tanggapan",
        "Sekarang",
    ];
    Ok(Body {
        figures: vec![
            ("Kali rendah", Rupiah(times).grouped()),
            ("Ditanggapi", format!("{} ({})", Rupiah(answered).grouped(), Cell::share(answered, times).shown())),
            ("Rata-rata tanggapan", Cell::Minutes((answered > 0).then(|| took / answered)).shown()),
            ("Masih rendah", Rupiah(low.iter().filter(|product| product.is_low).count() as i64).grouped()),
        ],
        ranks: Some(chart::ranks(
            "Paling lama rendah, dalam jam",
            Unit::Pieces,
            low.iter().map(|p| (p.nama.clone(), p.menit_rendah / 60)),
        )),
        sheets: vec![Sheet::new("barang", "Barang yang rendah", &columns, rows.collect())],
        ..Body::default()
    })
}

/// The word for `stock_movements.reason`.
fn reason_word(reason: &str) -> &str {
    match reason {
        "penjualan" => "Terjual",
        "restok" => "Restok",
        "koreksi" => "Koreksi",
        "transfer" => "Pindah cabang",
        "retur" => "Retur",
        other => other,
    }
}

async fn movements(app: &App, asked: &Asked) -> Result<Body, Refusal> {
    let mut days = Vec::new();
    for span in &asked.spans {
        days.extend(sql::movements(&app.pool, span.scope, span.period).await?);
    }
    let mut by_day: BTreeMap<Date, (i64, i64)> = BTreeMap::new();
    let mut by_reason: BTreeMap<(&str, String), (i64, i64, i64)> = BTreeMap::new();
    for day in &days {
        let sum = by_day.entry(day.tanggal).or_default();
        *sum = (sum.0 + day.masuk, sum.1 + day.keluar);
        let sum = by_reason.entry((&day.reason, day.product_type.to_string())).or_default();
        *sum = (sum.0 + day.masuk, sum.1 + day.keluar, sum.2 + day.kali);
    }
    let (taken_in, given_out) = by_day.values().fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    let rows = by_reason.iter().map(|((reason, kind), (masuk, keluar, kali))| {
        vec![
            Cell::text(reason_word(reason)),
            Cell::text(kind),
            Cell::Count(*masuk),
            Cell::Count(*keluar),
            Cell::Count(masuk - keluar),
            Cell::Count(*kali),
        ]
    });
    let columns = ["Sebab", "Jenis barang", "Masuk", "Keluar", "Selisih", "Kali"];
    let reasons = Sheet::new("sebab", "Menurut sebab", &columns, rows.collect());
    let rows = by_day.iter().rev().map(|(day, (masuk, keluar))| {
        vec![Cell::Day(Some(*day)), Cell::Count(*masuk), Cell::Count(*keluar), Cell::Count(masuk - keluar)]
    });
    let mut per_day = Sheet::new("tanggal", "Per tanggal", &["Tanggal", "Masuk", "Keluar", "Selisih"], rows.collect());
    per_day.shown = 31;
    let values = Vec::from_iter(by_day.iter().map(|(day, (masuk, keluar))| (*day, vec![*masuk, *keluar])));
    Ok(Body {
        figures: vec![
            ("Masuk", format!("{} buah", Rupiah(taken_in).grouped())),
            ("Keluar", format!("{} buah", Rupiah(given_out).grouped())),
            ("Selisih", Rupiah(taken_in - given_out).grouped()),
        ],
        bars: Some(chart::bars(
            "Barang masuk dan keluar",
            Unit::Pieces,
            vec![("Masuk", "umum"), ("Keluar", "bpjs")],
            asked.period,
            &values,
        )),
        sheets: vec![reasons, per_day],
        ..Body::default()
    })
}

impl ReportPage {
    /// The address of this report with another period or number of days; the branch stays.
    fn with(&self, name: &str, value: &str) -> String {
        format!("/laporan/{}?cabang={}&{name}={value}", self.report.slug(), url_part(&self.wanted.cabang))
    }

    /// The file of a table, as asked for on this page.
    fn file(&self, sheet: &Sheet) -> String {
        let Wanted { cabang, periode, dari, sampai, hari, .. } = &self.wanted;
        let [cabang, periode, dari, sampai, hari] = [cabang, periode, dari, sampai, hari].map(|text| url_part(text));
        format!(
            "/laporan/{}/csv?cabang={cabang}&periode={periode}&dari={dari}&sampai={sampai}&hari={hari}&tabel={}",
            self.report.slug(),
            sheet.slug
        )
    }

    fn is_preset(&self, preset: &Preset) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.preset == Some(*preset))
    }

    fn is_days(&self, days: &i32) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.days == *days)
    }

    /// What stands in the date fields: what was typed, or the period shown.
    fn typed(&self, field: &str) -> String {
        match (&self.asked, field) {
            (Some(asked), "dari") => sheet::iso(asked.period.since),
            (Some(asked), _) => sheet::iso(asked.period.until),
            (None, "dari") => self.wanted.dari.clone(),
            (None, _) => self.wanted.sampai.clone(),
        }
    }

    fn heading(&self) -> String {
        match &self.asked {
            Some(asked) if self.report.has_period() => asked.label(),
            Some(asked) => format!("Keadaan {}", asked.now().label()),
            None => self.report.title().to_owned(),
        }
    }
}

// ---- the end of a day ----

#[derive(Template)]
#[template(path = "reports/days.html")]
struct DaysPage {
    shell: Shell,
    wanted: Wanted,
    choices: Vec<Branch>,
    period: Option<Period>,
    wrong: BTreeMap<String, String>,
    days: Vec<DaySum>,
}

async fn days(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    let understood = wanted.read(&app, &viewer).await?;
    let shell = Shell::load(&app, &viewer, Nav::Reports, "Laporan harian").await?;
    let choices = if viewer.branches() == Branches::All { shell.switcher.clone() } else { Vec::new() };
    match understood {
        Ok(asked) => {
            let days = days_of(&app, &asked).await?;
            let period = Some(asked.period);
            Ok(Page(DaysPage { shell, wanted, choices, period, wrong: BTreeMap::new(), days }).into_response())
        }
        Err(wrong) => {
            let page = Page(DaysPage { shell, wanted, choices, period: None, wrong, days: Vec::new() });
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

async fn days_of(app: &App, asked: &Asked) -> Result<Vec<DaySum>, Refusal> {
    let mut days = Vec::new();
    for span in &asked.spans {
        days.extend(sql::days(&app.pool, span.scope, span.period).await?);
    }
    days.sort_by(|a, b| b.tanggal.cmp(&a.tanggal).then_with(|| a.cabang.cmp(&b.cabang)));
    Ok(days)
}

async fn days_file(State(app): State<App>, viewer: Viewer, Query(wanted): Query<Wanted>) -> Result<Response, Error> {
    let asked = wanted.read(&app, &viewer).await?.map_err(Refusal::Invalid)?;
    let days = days_of(&app, &asked).await?;
    let rows = days.iter().map(|day| {
        vec![
            Cell::Day(Some(day.tanggal)),
            Cell::text(&day.cabang),
            Cell::text(&day.opened_at),
            Cell::text(day.closed_at.as_deref().unwrap_or_default()),
            Cell::Count(day.jumlah),
            Cell::Money(day.omset_bpjs),
            Cell::Money(day.omset_umum),
            Cell::Money(day.total),
        ]
    });
    let columns = ["Tanggal", "Cabang", "Dibuka", "Ditutup", "Transaksi", "BPJS", "Umum", "Omset"];
    let sheet = Sheet::new("harian", "Laporan harian", &columns, rows.collect());
    Ok(download("harian", asked.period, &sheet))
}

impl DaysPage {
    fn typed(&self, field: &str) -> String {
        match (self.period, field) {
            (Some(period), "dari") => sheet::iso(period.since),
            (Some(period), _) => sheet::iso(period.until),
            (None, "dari") => self.wanted.dari.clone(),
            (None, _) => self.wanted.sampai.clone(),
        }
    }

    fn file(&self) -> String {
        let Wanted { cabang, periode, dari, sampai, .. } = &self.wanted;
        let [cabang, periode, dari, sampai] = [cabang, periode, dari, sampai].map(|text| url_part(text));
        format!("/laporan/harian/csv?cabang={cabang}&periode={periode}&dari={dari}&sampai={sampai}")
    }

    fn long(&self, day: &DaySum) -> String {
        long_date(day.tanggal)
    }

    fn href(&self, day: &DaySum) -> String {
        format!("/laporan/harian/{}/{}", day.branch_id, sheet::iso(day.tanggal))
    }
}

#[derive(Template)]
#[template(path = "reports/closing.html")]
struct ClosingPage {
    theme: Theme,
    viewer: Viewer,
    day: Closing,
}

async fn closing(
    State(app): State<App>,
    viewer: Viewer,
    Path((branch, tanggal)): Path<(BranchId, String)>,
) -> Result<Page<ClosingPage>, Error> {
    let day = closing_for(&app, &viewer, branch, &tanggal).await?;
    Ok(Page(ClosingPage { theme: Theme::current(), viewer, day }))
}

async fn closing_file(
    State(app): State<App>,
    viewer: Viewer,
    Path((branch, tanggal)): Path<(BranchId, String)>,
) -> Result<Response, Error> {
    let day = closing_for(&app, &viewer, branch, &tanggal).await?;
    let one = Period { since: day.head.tanggal, until: day.head.tanggal };
    Ok(download(&format!("harian-{branch}"), one, &day.sheet()))
}

/// `tanggal` is `2026-11-21`, or `hari-ini`.
async fn closing_for(app: &App, viewer: &Viewer, branch: BranchId, tanggal: &str) -> Result<Closing, Refusal> {
    if !viewer.may_see(branch) {
        return Err(Refusal::NotFound);
    }
    let tanggal = match tanggal {
        "hari-ini" => None,
        text => Some(Date::parse(text, ISO).map_err(|_| Refusal::NotFound)?),
    };
    let day = sql::closing(&app.pool, branch, tanggal).await?;
    // a kasir signs the day that they close, and no other
    if !viewer.may_read_reports() && !day.head.is_today && day.head.closed_by_id != Some(viewer.id) {
        return Err(Refusal::Forbidden);
    }
    Ok(day)
}

/// From the form that closes the day.
async fn closing_today(State(app): State<App>, viewer: Viewer) -> Result<Page<ClosingPage>, Error> {
    let day = sql::closing(&app.pool, branches::working_for(&viewer)?, None).await?;
    Ok(Page(ClosingPage { theme: Theme::current(), viewer, day }))
}

impl ClosingPage {
    fn title(&self) -> String {
        format!("{} · {}", self.day.head.cabang, long_date(self.day.head.tanggal))
    }

    fn date(&self) -> String {
        long_date(self.day.head.tanggal)
    }

    fn zone(&self) -> &str {
        branches::zone(&self.day.head.timezone)
    }

    fn file(&self) -> String {
        format!("/laporan/harian/{}/{}/csv", self.day.head.branch_id, sheet::iso(self.day.head.tanggal))
    }

    /// Where it was reached from.
    fn back(&self) -> &'static str {
        if self.viewer.may_read_reports() { "/laporan/harian" } else { "/" }
    }

    fn short(&self, day: &Date) -> String {
        Cell::Day(Some(*day)).shown()
    }
}
