//! The demo chain, grown from a seed: pure, without a database. The same seed and the same `now` give the same chain; with another
//! `now`, people, products and prices stay, and the ninety days of sales move along, weekdays and all.
//!
//! Random numbers come from `StdRng`, whose algorithm may change with a new major version of `rand`: `Cargo.lock` pins it, and that
//! is as stable as a demo needs. Every part draws from a stream of its own, so that a change in one does not stir the others.

use jiff::civil;
use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use time::{Date, Duration, Month, OffsetDateTime};
use uuid::Uuid;

use super::models::{accessory_range, frame_range, lens_range, patient};
use super::names::{self, BRANCHES, BranchPlan, Life};
use crate::ids::{BranchId, PatientId, ProductId, SaleId, UserId};
use crate::money::Rupiah;
use crate::orders::WorkStatus;
use crate::patients::ServiceType;
use crate::sales::{self, Coverage, Item, Metode, Quote};
use crate::scope::Role;
use crate::stock::{ProductRef, ProductType};

/// History before today.
const DAYS: i64 = 90;
/// Orders nobody has begun, a branch: beyond it a board of orders stops being readable.
const WAITING_AT_MOST: usize = 60;
/// The last customers leave at 20:00.
const CLOSING_MINUTE: i64 = 20 * 60;
/// How takings spread over the hours from 08:00: a peak before lunch, a higher one after work.
const HOURS: [f64; 12] = [2.0, 5.0, 9.0, 11.0, 8.0, 5.0, 6.0, 8.0, 11.0, 13.0, 10.0, 5.0];
/// Monday first. People buy glasses at the weekend.
const WEEKDAYS: [f64; 7] = [0.82, 0.86, 0.90, 0.95, 1.02, 1.36, 1.18];

/// What BPJS pays for a frame, by class: the rates of `bpjs_rates` in force during the history.
pub type Rates = [Coverage; 3];

pub fn coverage(rates: Rates, class: ServiceType) -> Option<Coverage> {
    rates.into_iter().find(|coverage| coverage.class == class)
}

/// Rows, each table's in the order of its ids, which is the order of time.
#[derive(Default)]
pub struct Chain {
    pub branches: Vec<Branch>,
    pub users: Vec<User>,
    pub patients: Vec<Patient>,
    pub products: Vec<Product>,
    pub open_days: Vec<OpenDay>,
    pub sales: Vec<Sale>,
    pub movements: Vec<Movement>,
    pub notices: Vec<Notice>,
}

pub struct Branch {
    pub id: BranchId,
    pub plan: &'static BranchPlan,
    pub created_at: OffsetDateTime,
}

pub struct User {
    pub id: UserId,
    pub name: &'static str,
    pub email: String,
    pub role: Role,
    pub branch_id: Option<BranchId>,
}

/// One eye; dioptres in hundredths.
#[derive(Debug, Clone, Copy)]
pub struct Eye {
    pub sph: i32,
    /// The cylinder and its axis in degrees.
    pub cyl: Option<(i32, i32)>,
    pub add: Option<i32>,
}

pub struct Patient {
    pub id: PatientId,
    pub branch_id: BranchId,
    pub name: String,
    pub phone: String,
    pub service_type: ServiceType,
    pub no_bpjs: String,
    pub right: Option<Eye>,
    pub left: Option<Eye>,
    /// Tenths of a millimetre.
    pub pd: Option<i32>,
    pub created_at: OffsetDateTime,
}

/// A product of any of the three tables.
pub struct Product {
    pub product_type: ProductType,
    pub id: ProductId,
    pub branch_id: BranchId,
    pub kode: String,
    /// `merk_frame`, `merk_lensa` or `nama_produk`.
    pub name: String,
    /// `jenis_frame` or a lens's `type`.
    pub kind: String,
    pub index: &'static str,
    pub coating: &'static str,
    pub cost: Rupiah,
    pub price: Rupiah,
    pub stok: i32,
    pub stok_minimum: i32,
    pub is_custom_order: bool,
    pub created_at: OffsetDateTime,
}

impl Product {
    fn reference(&self) -> ProductRef {
        ProductRef { product_type: self.product_type, product_id: self.id }
    }

    /// As the sale prices it.
    fn offered(&self, made_for: Option<ServiceType>) -> sales::Product {
        sales::Product {
            product: self.reference(),
            product_name: self.full_name(),
            price: self.price,
            stok: self.stok,
            is_custom_order: self.is_custom_order,
            service_type: made_for,
        }
    }

    /// As the view `products` names it.
    pub fn full_name(&self) -> String {
        match self.product_type {
            ProductType::Aksesoris => self.name.clone(),
            _ => format!("{} - {}", self.name, self.kind),
        }
    }
}

pub struct OpenDay {
    pub branch_id: BranchId,
    pub tanggal: Date,
    pub opened_by: UserId,
    pub opened_at: OffsetDateTime,
    pub closed: Option<(UserId, OffsetDateTime)>,
    /// Sales numbered so far.
    pub sales: i32,
}

pub struct Sale {
    pub id: SaleId,
    pub kode: String,
    pub client_ref: Uuid,
    pub patient: PatientId,
    pub user: UserId,
    pub branch_id: BranchId,
    pub created_at: OffsetDateTime,
    pub quote: Quote,
    pub bayar: Rupiah,
    pub work: WorkStatus,
    pub payments: Vec<Payment>,
}

pub struct Payment {
    pub handed_over: sales::Payment,
    pub user: UserId,
    pub created_at: OffsetDateTime,
}

pub struct Movement {
    pub product_type: ProductType,
    pub product_id: ProductId,
    pub branch_id: BranchId,
    pub delta: i32,
    pub stok_after: i32,
    pub reason: &'static str,
    pub catatan: String,
    pub user: UserId,
    pub created_at: OffsetDateTime,
}

pub struct Notice {
    pub branch_id: Option<BranchId>,
    pub audience: Option<Role>,
    pub kind: &'static str,
    pub title: &'static str,
    pub message: String,
    pub data: serde_json::Value,
    pub created_at: OffsetDateTime,
}

impl Chain {
    pub fn grow(seed: u64, now: OffsetDateTime, rates: Rates) -> Self {
        let mut chain = Self::default();
        chain.found(now);
        chain.stock_shelves(seed, rates);
        chain.meet_patients(seed, now);
        for branch in 0..BRANCHES.len() {
            chain.live_through(branch, seed, now, rates);
        }
        chain.number_in_time();
        chain.tell_the_news(now);
        chain
    }

    fn found(&mut self, now: OffsetDateTime) {
        self.users.push(User {
            id: UserId(1),
            name: names::SUPER_ADMIN,
            email: email("superadmin"),
            role: Role::SuperAdmin,
            branch_id: None,
        });
        for (i, plan) in BRANCHES.iter().enumerate() {
            let id = BranchId(i as i64 + 1);
            self.branches.push(Branch { id, plan, created_at: Clock::of(plan, now).at(DAYS + 400, 8 * 60) });
            self.hire(plan.admin, format!("admin{id}"), Role::Admin, id);
            // kasir1, kasir1b, kasir1c
            for (name, suffix) in plan.kasir.iter().zip(["", "b", "c"]) {
                self.hire(name, format!("kasir{id}{suffix}"), Role::Kasir, id);
            }
        }
    }

    fn hire(&mut self, name: &'static str, account: String, role: Role, branch: BranchId) {
        let id = UserId(self.users.len() as i64 + 1);
        self.users.push(User { id, name, email: email(&account), role, branch_id: Some(branch) });
    }

    fn staff(&self, branch: BranchId, role: Role) -> Vec<UserId> {
        self.users.iter().filter(|u| u.branch_id == Some(branch) && u.role == role).map(|u| u.id).collect()
    }

    /// The chain carries one range of models at one price; every branch shows a part of it. A code belongs to a row, not to a
    /// model, so that a product can move to another branch and keep it.
    fn stock_shelves(&mut self, seed: u64, rates: Rates) {
        let rng = &mut stream(seed, 1, 0);
        let frames = frame_range(rng, rates);
        let lensas = lens_range(rng);
        let aksesoris = accessory_range(rng);
        for branch in &self.branches {
            let plan = branch.plan;
            for (models, count, product_type) in [
                (&frames, plan.frames, ProductType::Frame),
                (&lensas, plan.lensas, ProductType::Lensa),
                (&aksesoris, plan.aksesoris, ProductType::Aksesoris),
            ] {
                for model in models.choose_multiple(rng, count) {
                    let minimum = match rng.random_range(0..20) {
                        0 => 3,
                        1 | 2 => 8,
                        _ => 5,
                    };
                    self.products.push(Product {
                        product_type,
                        id: ProductId(0),
                        branch_id: branch.id,
                        kode: String::new(),
                        name: model.name.clone(),
                        kind: model.kind.clone(),
                        index: model.index,
                        coating: model.coating,
                        cost: thousands(model.price.0 / 1000 * rng.random_range(45..62) / 100),
                        price: model.price,
                        stok: 0,
                        stok_minimum: minimum,
                        is_custom_order: model.is_custom_order,
                        created_at: branch.created_at,
                    });
                }
            }
        }
        // Ids count within a table.
        let mut last = [0_i64; 3];
        for product in &mut self.products {
            let last = &mut last[product.product_type as usize];
            *last += 1;
            product.id = ProductId(*last);
            product.kode = match product.product_type {
                ProductType::Frame => format!("FR{last:06}"),
                ProductType::Lensa => format!("LN{last:06}"),
                ProductType::Aksesoris => format!("AKS-{last:06}"),
            };
        }
    }

    fn meet_patients(&mut self, seed: u64, now: OffsetDateTime) {
        let rng = &mut stream(seed, 2, 0);
        for branch in &self.branches {
            for _ in 0..branch.plan.patients {
                let id = PatientId(self.patients.len() as i64 + 1);
                let created_at = now - Duration::days(DAYS + 1) - Duration::minutes(rng.random_range(0..400 * 24 * 60));
                self.patients.push(patient(rng, id, branch.id, created_at));
            }
        }
    }

    /// One branch's ninety days and this morning, in the order of time, so that nothing is sold that is not there.
    fn live_through(&mut self, index: usize, seed: u64, now: OffsetDateTime, rates: Rates) {
        let (id, plan) = (self.branches[index].id, self.branches[index].plan);
        let clock = Clock::of(plan, now);
        let admin = self.staff(id, Role::Admin)[0];
        let kasir = self.staff(id, Role::Kasir);
        let patients: Vec<usize> = (0..self.patients.len()).filter(|&i| self.patients[i].branch_id == id).collect();
        let shelf = Shelf::of(&self.products, id, &mut stream(seed, 3, index as u64));

        let rng = &mut stream(seed, 4, index as u64);
        let before_all = clock.at(DAYS, 7 * 60);
        for &i in &shelf.all {
            let range = match self.products[i] {
                Product { is_custom_order: true, .. } => continue,
                Product { product_type: ProductType::Frame, .. } => 12..32,
                Product { product_type: ProductType::Lensa, .. } => 24..60,
                Product { product_type: ProductType::Aksesoris, .. } => 20..90,
            };
            self.put(i, rng.random_range(range), "Stok awal", admin, before_all);
        }

        let mut waiting = 0;
        for days_ago in (0..=DAYS).rev() {
            if days_ago == 0 && plan.life == Life::Idle {
                break;
            }
            let rng = &mut stream(seed, 5, (index as u64) << 32 | days_ago as u64);
            let day = Day::plan(rng, &clock, plan, days_ago);
            let opened_by = *kasir.choose(rng).expect("every branch has a kasir");
            let (mut sales, delivery) = (0, day.opened_at + Duration::seconds(20));
            if delivery <= now {
                for &i in &shelf.all {
                    if self.wants_restock(i, rng) {
                        let up_to = if self.products[i].product_type == ProductType::Frame { 18..30 } else { 28..64 };
                        let quantity = rng.random_range(up_to) - self.products[i].stok;
                        self.put(i, quantity, "Kiriman gudang", admin, delivery);
                    }
                }
            }
            for &at in &day.sales_at {
                let patient = &self.patients[*patients.choose(rng).expect("every branch has patients")];
                let (buyer, service) = (patient.id, patient.service_type);
                let basket = shelf.fill_basket(rng, &self.products, service);
                if basket.is_empty() {
                    continue;
                }
                sales += 1;
                let kode = format!("{}-{}-{sales:03}", plan.kode, day.kode);
                let user = *kasir.choose(rng).expect("every branch has a kasir");
                let quote = price(&self.products, &basket, service, rates);
                for (i, quantity) in basket {
                    // What is ground to order never lies on the shelf.
                    if !self.products[i].is_custom_order {
                        self.take(i, quantity, &kode, user, at);
                    }
                }
                let mut sale = Sale {
                    id: SaleId(0), // number_in_time gives it
                    kode,
                    client_ref: uuid::Builder::from_random_bytes(rng.random()).into_uuid(),
                    patient: buyer,
                    user,
                    branch_id: id,
                    created_at: at,
                    quote,
                    bayar: Rupiah::ZERO,
                    work: WorkStatus::Waiting,
                    payments: Vec::new(),
                };
                pay_and_work(rng, &mut sale, days_ago, now);
                if sale.work == WorkStatus::Waiting {
                    waiting += 1;
                    if waiting > WAITING_AT_MOST {
                        sale.work = WorkStatus::Doing;
                    }
                }
                self.sales.push(sale);
            }
            self.open_days.push(OpenDay {
                branch_id: id,
                tanggal: day.tanggal,
                opened_by,
                opened_at: day.opened_at,
                closed: day.closed_at.map(|at| (*kasir.choose(rng).expect("every branch has a kasir"), at)),
                sales,
            });
        }
    }

    /// The admin walks along the shelves in the morning and does not order everything at once: that leaves some of it low.
    fn wants_restock(&self, i: usize, rng: &mut StdRng) -> bool {
        let product = &self.products[i];
        !product.is_custom_order
            && if product.stok <= product.stok_minimum {
                rng.random_bool(0.07)
            } else {
                product.stok <= 10 && rng.random_bool(0.07)
            }
    }

    fn put(&mut self, i: usize, quantity: i32, catatan: &str, user: UserId, at: OffsetDateTime) {
        if quantity > 0 {
            self.shift(i, quantity, "restok", catatan, user, at);
        }
    }

    fn take(&mut self, i: usize, quantity: i32, kode: &str, user: UserId, at: OffsetDateTime) {
        self.shift(i, -quantity, "penjualan", kode, user, at);
    }

    fn shift(&mut self, i: usize, delta: i32, reason: &'static str, catatan: &str, user: UserId, at: OffsetDateTime) {
        let product = &mut self.products[i];
        product.stok += delta;
        self.movements.push(Movement {
            product_type: product.product_type,
            product_id: product.id,
            branch_id: product.branch_id,
            delta,
            stok_after: product.stok,
            reason,
            catatan: catatan.to_owned(),
            user,
            created_at: at,
        });
    }

    /// Branches were lived through one after another; in the tables their rows lie as they would have been written. The sorts are
    /// stable: what a branch did within one second keeps its order.
    fn number_in_time(&mut self) {
        self.open_days.sort_by_key(|day| day.opened_at);
        self.movements.sort_by_key(|movement| movement.created_at);
        self.sales.sort_by_key(|sale| sale.created_at);
        for (i, sale) in self.sales.iter_mut().enumerate() {
            sale.id = SaleId(i as i64 + 1);
        }
    }

    /// What the bell would hold by now, in the words of the database's triggers.
    fn tell_the_news(&mut self, now: OffsetDateTime) {
        let mut notices = vec![Notice {
            branch_id: None,
            audience: None,
            kind: "announcement",
            title: "Stok opname Sabtu malam",
            message: format!("Mulai 20:00, kasir tutup hari dulu. Dari {}.", names::SUPER_ADMIN),
            data: serde_json::json!({ "dari": names::SUPER_ADMIN }),
            created_at: now - Duration::minutes(165),
        }];
        for branch in self.branches.iter().filter(|branch| branch.plan.life == Life::Busy) {
            let id = branch.id;
            let about = |audience, kind, title, message, data, created_at| Notice {
                branch_id: Some(id),
                audience,
                kind,
                title,
                message,
                data,
                created_at,
            };
            let (midnight, tanggal) = Clock::of(branch.plan, now).today();
            if let Some(day) = self.open_days.iter().rfind(|day| day.branch_id == id && day.tanggal == tanggal) {
                notices.push(about(
                    None,
                    "day_opened",
                    "Hari Dibuka",
                    format!("{} dibuka oleh {}", branch.plan.name, self.name_of(day.opened_by)),
                    serde_json::json!({ "tanggal": tanggal.to_string() }),
                    day.opened_at,
                ));
            }
            let of_branch = || self.sales.iter().rev().filter(|sale| sale.branch_id == id);
            for sale in of_branch().take_while(|sale| sale.created_at >= midnight).take(2) {
                notices.push(about(
                    Some(Role::Admin),
                    "new_transaction",
                    "Transaksi Baru",
                    format!("{} · {}", sale.kode, spaced(sale.quote.total)),
                    serde_json::json!({ "transaction_id": sale.id, "no_transaksi": sale.kode, "total": sale.quote.total,
                                        "kasir": self.name_of(sale.user) }),
                    sale.created_at,
                ));
            }
            if let Some(sale) = of_branch().find(|sale| sale.work == WorkStatus::Ready) {
                let owed = sale.quote.omset_umum - sale.bayar;
                let rest = if owed == Rupiah::ZERO { "lunas".to_owned() } else { format!("kurang {}", spaced(owed)) };
                let patient = &self.patients[sale.patient.0 as usize - 1];
                notices.push(about(
                    None,
                    "ready_for_pickup",
                    "Siap Diambil",
                    format!("{} · {rest}", sale.kode),
                    serde_json::json!({ "transaction_id": sale.id, "no_transaksi": sale.kode, "pasien_nama": patient.name }),
                    (now - Duration::minutes(20 + 9 * id.0)).max(sale.created_at),
                ));
            }
            let is_low =
                |p: &&Product| p.branch_id == id && !p.is_custom_order && p.stok > 0 && p.stok <= p.stok_minimum;
            if let Some(product) = self.products.iter().find(is_low) {
                notices.push(about(
                    None,
                    "stock_alert",
                    "Stok Rendah",
                    format!("{} tinggal {}, batas {}", product.full_name(), product.stok, product.stok_minimum),
                    serde_json::json!({ "product_type": product.product_type, "product_id": product.id,
                                        "kode": product.kode, "current_stock": product.stok }),
                    now - Duration::minutes(12 + 7 * id.0),
                ));
            }
        }
        notices.sort_by_key(|notice| notice.created_at);
        self.notices = notices;
    }

    fn name_of(&self, user: UserId) -> &'static str {
        self.users[user.0 as usize - 1].name
    }
}

pub fn email(account: &str) -> String {
    format!("{account}@{}", super::DOMAIN)
}

/// As the database's `rupiah()` writes it into messages: with a plain space.
fn spaced(amount: Rupiah) -> String {
    amount.to_string().replace('\u{a0}', " ")
}

pub fn thousands(amount: i64) -> Rupiah {
    Rupiah(amount * 1000)
}

fn stream(seed: u64, part: u64, of: u64) -> StdRng {
    // Odd multipliers keep neighbouring parts apart; seed_from_u64 does the mixing.
    StdRng::seed_from_u64(seed ^ part.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ of.wrapping_mul(0xD1B5_4A32_D192_ED03))
}

/// A branch's own days.
struct Clock {
    zone: TimeZone,
    now: OffsetDateTime,
    today: civil::Date,
}

impl Clock {
    fn of(plan: &BranchPlan, now: OffsetDateTime) -> Self {
        let zone = TimeZone::get(plan.timezone).expect("names.rs names zones of the tz database in the binary");
        let moment = jiff::Timestamp::from_second(now.unix_timestamp()).expect("now is within jiff's 10 000 years");
        let today = zone.to_datetime(moment).date();
        Self { zone, now, today }
    }

    fn date(&self, days_ago: i64) -> civil::Date {
        self.today
            .checked_sub(jiff::Span::new().days(days_ago))
            .expect("a year before now is within jiff's 10 000 years")
    }

    /// Indonesia's clocks never change, so a minute of the day is that many minutes after midnight.
    fn at(&self, days_ago: i64, minute: i64) -> OffsetDateTime {
        let midnight = self.date(days_ago).to_zoned(self.zone.clone()).expect("midnight exists: no summer time");
        OffsetDateTime::from_unix_timestamp(midnight.timestamp().as_second()).expect("jiff's years are time's")
            + Duration::minutes(minute)
    }

    fn today(&self) -> (OffsetDateTime, Date) {
        (self.at(0, 0), sql_date(self.today))
    }
}

fn sql_date(date: civil::Date) -> Date {
    let month = Month::try_from(date.month() as u8).expect("jiff's months are 1 to 12");
    Date::from_calendar_date(i32::from(date.year()), month, date.day() as u8).expect("jiff's dates exist")
}

struct Day {
    tanggal: Date,
    /// `261121`, the middle of a sale's number.
    kode: String,
    opened_at: OffsetDateTime,
    closed_at: Option<OffsetDateTime>,
    sales_at: Vec<OffsetDateTime>,
}

impl Day {
    fn plan(rng: &mut StdRng, clock: &Clock, plan: &BranchPlan, days_ago: i64) -> Self {
        let date = clock.date(days_ago);
        let weekday = WEEKDAYS[date.weekday().to_monday_zero_offset() as usize];
        let count = (plan.daily_sales * weekday * rng.random_range(0.86..1.14)).round() as usize;
        let opens = i64::from(plan.opens_at_minute);
        let mut opened_at = clock.at(days_ago, opens) + Duration::seconds(rng.random_range(0..50));
        if days_ago > 0 {
            opened_at += Duration::minutes(rng.random_range(-2..4));
        }
        let closed_at = clock.at(days_ago, CLOSING_MINUTE + rng.random_range(8..45));
        let mut sales_at: Vec<_> = (0..count)
            .map(|_| {
                let minute = (8 * 60 + hour(rng) * 60 + rng.random_range(0..60)).max(opens + 6);
                clock.at(days_ago, minute) + Duration::seconds(rng.random_range(0..60))
            })
            .collect();
        if days_ago == 0 && opened_at > clock.now {
            // Before opening time the chain is up all the same: somebody is looking at the demo. The last quarter of an hour then
            // has its few sales, so that the screens show more than zeros.
            let before = Duration::minutes(15).min(clock.now - clock.at(0, 0));
            opened_at = clock.now - before;
            let few = if before >= Duration::minutes(5) { rng.random_range(2..6) } else { 0 };
            sales_at =
                (0..few).map(|_| opened_at + Duration::seconds(rng.random_range(30..before.whole_seconds()))).collect();
        }
        sales_at.retain(|&at| at <= clock.now);
        sales_at.sort();
        Self {
            tanggal: sql_date(date),
            kode: date.strftime("%y%m%d").to_string(),
            opened_at,
            closed_at: (days_ago > 0).then_some(closed_at),
            sales_at,
        }
    }
}

/// Hours after 08:00.
fn hour(rng: &mut StdRng) -> i64 {
    let mut left = rng.random_range(0.0..HOURS.iter().sum());
    for (hour, weight) in HOURS.iter().enumerate() {
        if left < *weight {
            return hour as i64;
        }
        left -= weight;
    }
    HOURS.len() as i64 - 1
}

/// Indices into the chain's products, most wanted first.
struct Shelf {
    all: Vec<usize>,
    frames_umum: Vec<usize>,
    frames_bpjs: [(ServiceType, Vec<usize>); 3],
    lensas: Vec<usize>,
    aksesoris: Vec<usize>,
}

impl Shelf {
    fn of(products: &[Product], branch: BranchId, rng: &mut StdRng) -> Self {
        let all: Vec<usize> = (0..products.len()).filter(|&i| products[i].branch_id == branch).collect();
        let mut wanted = all.clone();
        wanted.shuffle(rng);
        let only = |matches: &dyn Fn(&Product) -> bool| {
            wanted.iter().copied().filter(|&i| matches(&products[i])).collect::<Vec<_>>()
        };
        // Most people take a plain lens; which one, differs from branch to branch.
        let mut lensas = only(&|p| p.product_type == ProductType::Lensa);
        lensas.sort_by_cached_key(|&i| products[i].price.0 * rng.random_range(20..100));
        let frames = |made_for| only(&|p| p.product_type == ProductType::Frame && p.kind == jenis(made_for));
        Self {
            frames_umum: frames(ServiceType::Umum),
            frames_bpjs: CLASSES.map(|class| (class, frames(class))),
            lensas,
            aksesoris: only(&|p| p.product_type == ProductType::Aksesoris),
            all,
        }
    }

    fn fill_basket(&self, rng: &mut StdRng, products: &[Product], service: ServiceType) -> Vec<(usize, i32)> {
        let (frame, lensa, aksesoris) = match rng.random_range(0..100) {
            0..72 => (true, true, rng.random_bool(0.28)),
            72..79 => (true, false, rng.random_bool(0.1)),
            79..87 => (false, true, rng.random_bool(0.1)),
            _ => (false, false, true),
        };
        let mut basket = Vec::with_capacity(3);
        let mut add = |rng: &mut StdRng, from: &[usize], quantity: i32, pull: f64| {
            if let Some(i) = choose(rng, products, from, quantity, pull) {
                basket.push((i, quantity));
            }
        };
        if frame {
            let own_class = self.frames_bpjs.iter().find(|(class, _)| *class == service);
            let from = match own_class {
                // The rest go for a dearer frame: Naik Kelas.
                Some((_, frames)) if rng.random_bool(0.66) => frames,
                _ => &self.frames_umum,
            };
            add(rng, from, 1, 1.5);
        }
        if lensa {
            add(rng, &self.lensas, 2, 2.4);
        }
        if aksesoris {
            let quantity = if rng.random_bool(0.15) { 2 } else { 1 };
            add(rng, &self.aksesoris, quantity, 1.5);
        }
        basket
    }
}

/// Something there is enough of; the greater `pull`, the nearer to the front. Made-to-order lenses always can be had.
fn choose(rng: &mut StdRng, products: &[Product], from: &[usize], quantity: i32, pull: f64) -> Option<usize> {
    (0..8)
        .map(|_| from.get((from.len() as f64 * rng.random::<f64>().powf(pull)) as usize).copied())
        .find_map(|i| i.filter(|&i| products[i].is_custom_order || products[i].stok >= quantity))
}

/// Priced by the very rules that price a sale of today.
fn price(products: &[Product], basket: &[(usize, i32)], service: ServiceType, rates: Rates) -> Quote {
    let items: Vec<Item> =
        basket.iter().map(|&(i, quantity)| Item { product: products[i].reference(), quantity }).collect();
    let offered: Vec<sales::Product> = basket
        .iter()
        .map(|&(i, _)| {
            let product = &products[i];
            let made_for = match product.product_type {
                ProductType::Frame => {
                    [ServiceType::Umum].into_iter().chain(CLASSES).find(|c| jenis(*c) == product.kind)
                }
                _ => None,
            };
            product.offered(made_for)
        })
        .collect();
    sales::quote(&items, &offered, coverage(rates, service)).expect("every item is among what is offered")
}

/// How far the order is by its age, and what has been paid for it. Only an order paid in full has been taken.
fn pay_and_work(rng: &mut StdRng, sale: &mut Sale, days_ago: i64, now: OffsetDateTime) {
    use WorkStatus::{Doing, Ready, Taken, Waiting};
    let glasses = sale.quote.lines.iter().any(|line| line.product.product_type != ProductType::Aksesoris);
    let fresh = now - sale.created_at < Duration::hours(1);
    sale.work = match (glasses, days_ago, rng.random_range(0..1000)) {
        (false, ..) => Taken, // handed over the counter
        (_, 0, 0..800) if fresh => Waiting,
        _ if fresh => Doing,
        (_, 0, 0..480) | (_, 1..=3, 0..50) => Waiting,
        (_, 0, 480..740) | (_, 1..=3, 50..140) | (_, 4..=14, 0..8) => Doing,
        (_, 0, 740..880) | (_, 1..=3, 140..320) | (_, 4..=14, 8..40) | (_, 15.., 0..2) => Ready,
        _ => Taken,
    };
    let due = sale.quote.omset_umum;
    if due == Rupiah::ZERO {
        return;
    }
    let first = if glasses && due >= thousands(200) && rng.random_bool(0.2) {
        thousands(due.0 / 1000 * rng.random_range(30..60) / 100 / 10 * 10)
    } else {
        due
    };
    pay(rng, sale, first, sale.created_at);
    if sale.work == Taken && sale.bayar < due {
        let later = Duration::minutes(rng.random_range(20 * 60..96 * 60));
        pay(rng, sale, due - first, (sale.created_at + later).min(now));
    }
}

fn pay(rng: &mut StdRng, sale: &mut Sale, jumlah: Rupiah, created_at: OffsetDateTime) {
    sale.bayar += jumlah;
    sale.payments.push(Payment { handed_over: hand_over(rng, jumlah), user: sale.user, created_at });
}

/// Half pay cash, with notes of 50 000.
pub fn hand_over(rng: &mut StdRng, jumlah: Rupiah) -> sales::Payment {
    let (metode, diterima) = match rng.random_range(0..10) {
        0..5 => (Metode::Tunai, Rupiah((jumlah.0 + 49_999) / 50_000 * 50_000)),
        5..8 => (Metode::Qris, jumlah),
        _ => (Metode::Transfer, jumlah),
    };
    sales::Payment { metode, jumlah, diterima }
}

pub const CLASSES: [ServiceType; 3] = [ServiceType::BpjsI, ServiceType::BpjsII, ServiceType::BpjsIII];

/// `jenis_frame` of a frame made for these patients.
pub fn jenis(made_for: ServiceType) -> String {
    match made_for {
        ServiceType::Umum => "Umum".to_owned(),
        class => class.to_string(),
    }
}
