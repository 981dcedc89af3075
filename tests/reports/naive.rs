//! Every report of `src/reports/sql.rs` once more, row by row of the base tables and without SQL that sums: what they say must
//! be this, in whichever snapshot.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use melati::ids::{BranchId, PatientId, ProductId, SaleId, UserId};
use melati::money::Rupiah;
use melati::orders::WorkStatus;
use melati::reports::sql::{
    self, ClassDay, DaySum, DeadProduct, Debt, DebtSum, HourSum, KasirSum, LowProduct, MoneyKind, MovementDay,
    ProductSum,
};
use melati::reports::{LONGEST_DAYS, Period};
use melati::stock::ProductType;
use rand::Rng;
use rand::rngs::StdRng;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection};
use time::{Date, Duration, OffsetDateTime, Time, UtcOffset};

#[derive(FromRow)]
struct Branch {
    name: String,
    /// The test's zones know no summer time.
    offset_seconds: i32,
}

#[derive(FromRow)]
struct Sale {
    id: i64,
    kode_penjualan: String,
    branch_id: i64,
    user_id: i64,
    pasien_id: i64,
    service_type: String,
    total: i64,
    omset_bpjs: i64,
    omset_umum: i64,
    kekurangan: i64,
    transaction_status: String,
    status_pengerjaan: WorkStatus,
    created_at: OffsetDateTime,
    dibatalkan_at: Option<OffsetDateTime>,
    dibatalkan_oleh: Option<i64>,
    alasan_batal: Option<String>,
}

#[derive(FromRow)]
struct Line {
    penjualan_id: i64,
    product_type: ProductType,
    product_id: i64,
    quantity: i32,
    subtotal: i64,
}

#[derive(FromRow)]
struct Movement {
    branch_id: i64,
    product_type: ProductType,
    reason: String,
    delta: i32,
    created_at: OffsetDateTime,
}

#[derive(FromRow)]
struct Payment {
    penjualan_id: i64,
    metode: String,
    jumlah: i64,
    user_id: Option<i64>,
    created_at: OffsetDateTime,
}

#[derive(FromRow)]
struct Product {
    product_type: ProductType,
    product_id: i64,
    branch_id: i64,
    kode: String,
    nama: String,
    stok: i32,
    harga_beli: i64,
    is_custom_order: bool,
    created_at: OffsetDateTime,
}

#[derive(FromRow)]
struct Alert {
    product_type: ProductType,
    product_id: i64,
    branch_id: i64,
    opened_at: OffsetDateTime,
    acked_at: Option<OffsetDateTime>,
    closed_at: Option<OffsetDateTime>,
}

#[derive(FromRow)]
struct OpenDay {
    branch_id: i64,
    tanggal: Date,
    is_open: bool,
    opened_by: Option<i64>,
    opened_at: OffsetDateTime,
    closed_by: Option<i64>,
    closed_at: Option<OffsetDateTime>,
}

/// Everything that there is, in one snapshot.
pub struct Base {
    now: OffsetDateTime,
    branches: BTreeMap<i64, Branch>,
    names: BTreeMap<i64, String>,
    patients: BTreeMap<i64, String>,
    sales: Vec<Sale>,
    lines: Vec<Line>,
    movements: Vec<Movement>,
    payments: Vec<Payment>,
    products: Vec<Product>,
    alerts: Vec<Alert>,
    open_days: Vec<OpenDay>,
}

async fn all<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(db: &mut PgConnection, statement: &'static str) -> Vec<T> {
    sqlx::query_as(statement).fetch_all(db).await.unwrap()
}

impl Base {
    pub async fn read(db: &mut PgConnection) -> Self {
        let offset = "SELECT id, name, extract(epoch FROM (now() AT TIME ZONE timezone) - (now() AT TIME ZONE 'UTC'))::int FROM branches";
        let branches: Vec<(i64, String, i32)> = all(db, offset).await;
        let branch = |(id, name, offset_seconds)| (id, Branch { name, offset_seconds });
        let names: Vec<(i64, String)> = all(db, "SELECT id, name FROM users").await;
        let patients: Vec<(i64, String)> = all(db, "SELECT id, nama_pasien FROM pasiens").await;
        Self {
            now: sqlx::query_scalar("SELECT now()").fetch_one(&mut *db).await.unwrap(),
            branches: branches.into_iter().map(branch).collect(),
            names: names.into_iter().collect(),
            patients: patients.into_iter().collect(),
            sales: all(db, "SELECT * FROM penjualans").await,
            lines: all(db, "SELECT * FROM penjualan_details").await,
            movements: all(db, "SELECT * FROM stock_movements").await,
            payments: all(db, "SELECT * FROM pembayarans").await,
            products: all(
                db,
                "SELECT 'Frame' AS product_type, id AS product_id, branch_id, kode_frame AS kode, merk_frame || ' - ' || jenis_frame AS nama,
                        stok, harga_beli_frame AS harga_beli, false AS is_custom_order, created_at FROM frames
                 UNION ALL SELECT 'Lensa', id, branch_id, kode_lensa, merk_lensa || ' - ' || type, stok, harga_beli_lensa, is_custom_order, created_at FROM lensas
                 UNION ALL SELECT 'Aksesoris', id, branch_id, kode, nama_produk, stok, harga_beli, false, created_at FROM aksesoris",
            )
            .await,
            alerts: all(db, "SELECT * FROM stock_alerts").await,
            open_days: all(db, "SELECT * FROM open_days").await,
        }
    }

    pub fn size(&self) -> [usize; 5] {
        let owing = self.sales.iter().filter(|sale| sale.kekurangan > 0).count();
        [self.sales.len(), owing, self.payments.len(), self.alerts.len(), self.open_days.len()]
    }

    fn name(&self, branch: i64) -> String {
        self.branches[&branch].name.clone()
    }

    fn there(&self, branch: i64, at: OffsetDateTime) -> OffsetDateTime {
        at.to_offset(UtcOffset::from_whole_seconds(self.branches[&branch].offset_seconds).unwrap())
    }

    fn date(&self, branch: i64, at: OffsetDateTime) -> Date {
        self.there(branch, at).date()
    }

    fn today(&self, branch: i64) -> Date {
        self.date(branch, self.now)
    }

    fn midnight(&self, branch: i64, date: Date) -> OffsetDateTime {
        let offset = UtcOffset::from_whole_seconds(self.branches[&branch].offset_seconds).unwrap();
        date.with_time(Time::MIDNIGHT).assume_offset(offset)
    }

    fn clock(&self, branch: i64, at: OffsetDateTime) -> String {
        let at = self.there(branch, at);
        format!("{:02}:{:02}", at.hour(), at.minute())
    }

    /// Sales that stand.
    fn standing(&self, scope: Option<BranchId>, period: Period) -> impl Iterator<Item = (&Sale, Date)> {
        let dated = self.sales.iter().map(|sale| (sale, self.date(sale.branch_id, sale.created_at)));
        dated.filter(move |(sale, date)| {
            sale.dibatalkan_at.is_none() && is_in(scope, sale.branch_id) && is_within(period, *date)
        })
    }

    fn kasirs(&self, scope: Option<BranchId>, period: Period) -> Vec<KasirSum> {
        let mut sums = BTreeMap::<(i64, i64), KasirSum>::new();
        let empty = |branch: i64, user: i64| KasirSum {
            branch_id: BranchId(branch),
            cabang: self.name(branch),
            user_id: UserId(user),
            kasir: self.names[&user].clone(),
            jumlah: 0,
            total: Rupiah(0),
            omset_bpjs: Rupiah(0),
            omset_umum: Rupiah(0),
            total_before: Rupiah(0),
        };
        for (sale, _) in self.standing(scope, period) {
            let key = (sale.branch_id, sale.user_id);
            let sum = sums.entry(key).or_insert_with(|| empty(key.0, key.1));
            sum.jumlah += 1;
            sum.total += Rupiah(sale.total);
            sum.omset_bpjs += Rupiah(sale.omset_bpjs);
            sum.omset_umum += Rupiah(sale.omset_umum);
        }
        let length = (period.until - period.since).whole_days() + 1;
        let before = Period { since: period.since - Duration::days(length), until: period.since - Duration::DAY };
        for (sale, _) in self.standing(scope, before) {
            let key = (sale.branch_id, sale.user_id);
            sums.entry(key).or_insert_with(|| empty(key.0, key.1)).total_before += Rupiah(sale.total);
        }
        sums.into_values().collect()
    }

    fn hours(&self, scope: Option<BranchId>, period: Period) -> Vec<HourSum> {
        let mut sums = BTreeMap::<(i32, i32), (i64, i64)>::new();
        for (sale, date) in self.standing(scope, period) {
            let hour = self.there(sale.branch_id, sale.created_at).hour();
            let sum = sums.entry((date.weekday().number_from_monday().into(), hour.into())).or_default();
            *sum = (sum.0 + 1, sum.1 + sale.total);
        }
        let hour = |((hari, jam), (jumlah, total))| HourSum { hari, jam, jumlah, total: Rupiah(total) };
        sums.into_iter().map(hour).collect()
    }

    fn classes(&self, scope: Option<BranchId>, period: Period) -> Vec<ClassDay> {
        let mut sums = BTreeMap::<(Date, i64), [i64; 5]>::new();
        for (sale, date) in self.standing(scope, period) {
            let class = melati::reports::CLASSES.iter().position(|class| *class == sale.service_type).unwrap() as i64;
            let upgraded = i64::from(sale.transaction_status == "Naik Kelas");
            let parts = [1, sale.total, sale.omset_bpjs, sale.omset_umum, upgraded];
            sums.entry((date, class)).or_default().iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        let day = |((tanggal, kelas), [jumlah, total, bpjs, umum, naik_kelas]): (_, [i64; 5])| ClassDay {
            tanggal,
            kelas,
            jumlah,
            total: Rupiah(total),
            omset_bpjs: Rupiah(bpjs),
            omset_umum: Rupiah(umum),
            naik_kelas,
        };
        sums.into_iter().map(day).collect()
    }

    /// In the order of the report.
    fn owing(&self, scope: Option<BranchId>) -> Vec<(&Sale, Date, i32)> {
        let owing = self.sales.iter().filter(|sale| sale.kekurangan > 0 && is_in(scope, sale.branch_id));
        let mut owing = Vec::from_iter(owing.map(|sale| {
            let date = self.date(sale.branch_id, sale.created_at);
            (sale, date, (self.today(sale.branch_id) - date).whole_days() as i32)
        }));
        owing.sort_by_key(|(sale, ..)| (sale.created_at, sale.id));
        owing
    }

    fn debts(&self, scope: Option<BranchId>) -> Vec<DebtSum> {
        let mut sums = BTreeMap::<(i64, i32), (i64, i64)>::new();
        for (sale, _, days) in self.owing(scope) {
            let age = match days {
                ..=7 => 0,
                8..=30 => 1,
                31..=60 => 2,
                61..=90 => 3,
                _ => 4,
            };
            let sum = sums.entry((sale.branch_id, age)).or_default();
            *sum = (sum.0 + 1, sum.1 + sale.kekurangan);
        }
        let sum = |((branch, umur), (jumlah, owed))| DebtSum {
            branch_id: BranchId(branch),
            cabang: self.name(branch),
            umur,
            jumlah,
            kekurangan: Rupiah(owed),
        };
        sums.into_iter().map(sum).collect()
    }

    fn oldest_debts(&self, scope: Option<BranchId>, most: usize) -> Vec<Debt> {
        let debt = |(sale, tanggal, hari): (&Sale, Date, i32)| Debt {
            id: SaleId(sale.id),
            kode_penjualan: sale.kode_penjualan.clone(),
            tanggal,
            hari,
            cabang: self.name(sale.branch_id),
            pasien_id: PatientId(sale.pasien_id),
            nama_pasien: self.patients[&sale.pasien_id].clone(),
            status_pengerjaan: sale.status_pengerjaan,
            total: Rupiah(sale.total),
            kekurangan: Rupiah(sale.kekurangan),
        };
        self.owing(scope).into_iter().take(most).map(debt).collect()
    }

    /// By kind, product and the branch that sold it: pieces, takings, the sales, and the last day.
    fn sold(&self, scope: Option<BranchId>, period: Period) -> BTreeMap<(ProductType, i64, i64), Sold> {
        let sales: BTreeMap<i64, (i64, Date)> =
            self.standing(scope, period).map(|(sale, date)| (sale.id, (sale.branch_id, date))).collect();
        let mut sold = BTreeMap::<_, Sold>::new();
        for line in &self.lines {
            let Some((branch, date)) = sales.get(&line.penjualan_id) else { continue };
            let sum = sold.entry((line.product_type, line.product_id, *branch)).or_default();
            sum.pieces += i64::from(line.quantity);
            sum.subtotal += line.subtotal;
            sum.sales.insert(line.penjualan_id);
            sum.last = sum.last.max(Some(*date));
        }
        sold
    }

    fn products(&self, scope: Option<BranchId>, period: Period) -> Vec<ProductSum> {
        let sold = self.sold(scope, period);
        let mut found = Vec::new();
        for product in self.products.iter().filter(|product| is_in(scope, product.branch_id)) {
            let key = (product.product_type, product.product_id);
            let of = || sold.iter().filter(move |((kind, id, _), _)| (*kind, *id) == key).map(|(_, sold)| sold);
            let pieces: i64 = of().map(|sold| sold.pieces).sum();
            if pieces > 0 || product.stok > 0 {
                found.push(ProductSum {
                    product_type: product.product_type,
                    product_id: ProductId(product.product_id),
                    cabang: self.name(product.branch_id),
                    kode: product.kode.clone(),
                    nama: product.nama.clone(),
                    stok: product.stok,
                    modal: Rupiah(i64::from(product.stok) * product.harga_beli),
                    jumlah: pieces,
                    subtotal: Rupiah(of().map(|sold| sold.subtotal).sum()),
                    kali: of().map(|sold| sold.sales.len() as i64).sum(),
                });
            }
        }
        found
    }

    fn dead_stock(&self, scope: Option<BranchId>, today: Date, days: i32) -> Vec<DeadProduct> {
        let days = Duration::days(days.into());
        let recent = self.sold(scope, Period { since: today - days + Duration::DAY, until: today });
        let ever = self.sold(scope, Period { since: today - Duration::days(LONGEST_DAYS), until: today });
        let mut found = Vec::new();
        for product in self.products.iter().filter(|product| is_in(scope, product.branch_id)) {
            let key = (product.product_type, product.product_id, product.branch_id);
            let is_old = product.created_at < self.now - days;
            if product.stok > 0 && !product.is_custom_order && is_old && !recent.contains_key(&key) {
                found.push(DeadProduct {
                    product_type: product.product_type,
                    product_id: ProductId(product.product_id),
                    cabang: self.name(product.branch_id),
                    kode: product.kode.clone(),
                    nama: product.nama.clone(),
                    stok: product.stok,
                    modal: Rupiah(i64::from(product.stok) * product.harga_beli),
                    terakhir: ever.get(&key).and_then(|sold| sold.last),
                });
            }
        }
        found
    }

    fn movements(&self, scope: Option<BranchId>, period: Period) -> Vec<MovementDay> {
        let mut sums = BTreeMap::<(Date, ProductType, String), [i64; 3]>::new();
        for movement in self.movements.iter().filter(|movement| is_in(scope, movement.branch_id)) {
            let date = self.date(movement.branch_id, movement.created_at);
            if is_within(period, date) {
                let sum = sums.entry((date, movement.product_type, movement.reason.clone())).or_default();
                sum[0] += i64::from(movement.delta.max(0));
                sum[1] += i64::from((-movement.delta).max(0));
                sum[2] += 1;
            }
        }
        let day = |((tanggal, product_type, reason), [masuk, keluar, kali]): (_, [i64; 3])| MovementDay {
            tanggal,
            product_type,
            reason,
            masuk,
            keluar,
            kali,
        };
        sums.into_iter().map(day).collect()
    }

    fn low_stock(&self, scope: Option<BranchId>, period: Period) -> Vec<LowProduct> {
        let mut sums = BTreeMap::<(ProductType, i64, i64), (i64, Duration, i64, Duration, bool)>::new();
        for alert in self.alerts.iter().filter(|alert| is_in(scope, alert.branch_id)) {
            let begins = self.midnight(alert.branch_id, period.since);
            let ends = self.midnight(alert.branch_id, period.until + Duration::DAY).min(self.now);
            let (from, to) = (alert.opened_at.max(begins), alert.closed_at.unwrap_or(ends).min(ends));
            if from >= ends || to <= begins {
                continue;
            }
            let sum = sums.entry((alert.product_type, alert.product_id, alert.branch_id)).or_default();
            sum.0 += 1;
            sum.1 += to - from;
            if let Some(answered) = [alert.acked_at, alert.closed_at].into_iter().flatten().min() {
                sum.2 += 1;
                sum.3 += answered - alert.opened_at;
            }
            sum.4 |= alert.closed_at.is_none();
        }
        let minutes = |length: Duration| (length.whole_microseconds() + 30_000_000).div_euclid(60_000_000) as i64;
        let mut found = Vec::new();
        for ((kind, id, branch), (kali, low, ditanggapi, answered, is_low)) in sums {
            let mut its =
                self.products.iter().filter(|product| (product.product_type, product.product_id) == (kind, id));
            let Some(product) = its.next() else { continue };
            found.push(LowProduct {
                product_type: kind,
                product_id: ProductId(id),
                cabang: self.name(branch),
                kode: product.kode.clone(),
                nama: product.nama.clone(),
                stok: product.stok,
                kali,
                menit_rendah: minutes(low),
                ditanggapi,
                menit_tanggap: minutes(answered),
                is_low,
            });
        }
        found
    }

    fn days(&self, scope: Option<BranchId>, period: Period) -> Vec<DaySum> {
        let days = self.open_days.iter().filter(|day| is_in(scope, day.branch_id) && is_within(period, day.tanggal));
        let day = |day: &OpenDay| {
            let one = Period { since: day.tanggal, until: day.tanggal };
            let sold = || self.standing(Some(BranchId(day.branch_id)), one).map(|(sale, _)| sale);
            DaySum {
                branch_id: BranchId(day.branch_id),
                cabang: self.name(day.branch_id),
                tanggal: day.tanggal,
                is_open: day.is_open,
                opened_at: self.clock(day.branch_id, day.opened_at),
                closed_at: day.closed_at.map(|at| self.clock(day.branch_id, at)),
                closed_by: day.closed_by.map(|by| self.names[&by].clone()),
                jumlah: sold().count() as i64,
                total: sold().map(|sale| Rupiah(sale.total)).sum(),
                omset_bpjs: sold().map(|sale| Rupiah(sale.omset_bpjs)).sum(),
                omset_umum: sold().map(|sale| Rupiah(sale.omset_umum)).sum(),
            }
        };
        days.map(day).collect()
    }

    /// The sheet of a day: classes, kasirs, money and what was taken back, each as text that can be compared.
    async fn assert_closing(&self, db: &mut PgConnection, day: &OpenDay) {
        let branch = day.branch_id;
        let said = sql::closing_in(db, BranchId(branch), Some(day.tanggal)).await.unwrap();
        let what = format!("the sheet of {} in {branch}", day.tanggal);
        let name = |user: Option<i64>| user.map(|user| self.names[&user].clone());
        let head = &said.head;
        assert_eq!(
            (head.branch_id.0, head.tanggal, head.is_today, head.is_open),
            (branch, day.tanggal, day.tanggal == self.today(branch), day.is_open),
            "{what}"
        );
        assert_eq!((&head.opened_by, &head.closed_by), (&name(day.opened_by), &name(day.closed_by)), "{what}");
        assert_eq!(head.opened_at, self.clock(branch, day.opened_at), "{what}");
        assert_eq!(head.closed_at, day.closed_at.map(|at| self.clock(branch, at)), "{what}");

        let one = Period { since: day.tanggal, until: day.tanggal };
        let mut classes = BTreeMap::<&str, [i64; 6]>::new();
        let mut kasirs = BTreeMap::<Option<i64>, [i64; 2]>::new();
        for (sale, _) in self.standing(Some(BranchId(branch)), one) {
            let upgraded = i64::from(sale.transaction_status == "Naik Kelas");
            let parts = [1, sale.total, sale.omset_bpjs, sale.omset_umum, sale.kekurangan, upgraded];
            let sum = classes.entry(&sale.service_type).or_default();
            sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
            let sum = kasirs.entry(Some(sale.user_id)).or_default();
            *sum = [sum[0] + 1, sum[1] + sale.total];
        }
        let mut money = BTreeMap::<(&str, Option<i64>, u8), [i64; 2]>::new();
        for payment in &self.payments {
            // an import tool deletes a sale and leaves what hung on it
            let Some(sale) = self.sales.iter().find(|sale| sale.id == payment.penjualan_id) else { continue };
            if sale.branch_id == branch && self.date(branch, payment.created_at) == day.tanggal {
                let kind = match (payment.jumlah < 0, self.date(branch, sale.created_at) == day.tanggal) {
                    (true, _) => MoneyKind::PaidBack,
                    (false, true) => MoneyKind::OfToday,
                    (false, false) => MoneyKind::OfOlder,
                };
                let sum = money.entry((&payment.metode, payment.user_id, kind as u8)).or_default();
                *sum = [sum[0] + 1, sum[1] + payment.jumlah];
                kasirs.entry(payment.user_id).or_default();
            }
        }
        let told = said.classes.iter().map(|c| {
            let sums = [c.jumlah, c.total.0, c.omset_bpjs.0, c.omset_umum.0, c.kekurangan.0, c.naik_kelas];
            (c.service_type.as_str(), sums)
        });
        assert_eq!(told.collect::<Vec<_>>(), in_order_of_class(classes), "classes of {what}");
        let told = said.kasirs.iter().map(|k| (k.user_id.map(|user| user.0), [k.jumlah, k.total.0]));
        assert_eq!(told.collect::<BTreeMap<_, _>>(), kasirs, "kasirs of {what}");
        assert_eq!(said.kasirs.len(), kasirs.len(), "kasirs of {what}");
        for kasir in &said.kasirs {
            assert_eq!(kasir.kasir, name(kasir.user_id.map(|user| user.0)).unwrap_or("Program lain".into()), "{what}");
        }
        let told = said
            .money
            .iter()
            .map(|m| ((m.metode.as_str(), m.user_id.map(|user| user.0), m.kind as u8), [m.kali, m.jumlah.0]));
        assert_eq!(told.collect::<BTreeMap<_, _>>(), money, "money of {what}");
        assert_eq!(said.money.len(), money.len(), "money of {what}");

        let taken_back = |sale: &&Sale| {
            sale.branch_id == branch && sale.dibatalkan_at.is_some_and(|at| self.date(branch, at) == day.tanggal)
        };
        let mut cancelled = Vec::from_iter(self.sales.iter().filter(taken_back));
        cancelled.sort_by_key(|sale| (sale.dibatalkan_at, sale.id));
        let cancelled = cancelled.into_iter().map(|sale| {
            let back = self.payments.iter().filter(|payment| payment.penjualan_id == sale.id && payment.jumlah < 0);
            let back: i64 = back.map(|payment| -payment.jumlah).sum();
            let (code, sold) = (sale.kode_penjualan.clone(), self.date(branch, sale.created_at));
            (code, sold, sale.total, back, name(sale.dibatalkan_oleh), sale.alasan_batal.clone().unwrap())
        });
        let told = said
            .cancelled
            .iter()
            .map(|c| (c.kode_penjualan.clone(), c.terjual, c.total.0, c.kembali.0, c.oleh.clone(), c.alasan.clone()));
        assert_eq!(told.collect::<Vec<_>>(), cancelled.collect::<Vec<_>>(), "taken back, {what}");
    }

    /// All reports of a scope and period.
    pub async fn assert_reports(&self, db: &mut PgConnection, scope: Option<BranchId>, period: Period) {
        let what = format!("{period:?} of {scope:?}");

        let said = sql::kasirs(&mut *db, scope, period).await.unwrap();
        assert!(said.is_sorted_by_key(|sum| Reverse(sum.total)), "the best first");
        assert_eq!(by(said, |k| (k.branch_id, k.user_id)), self.kasirs(scope, period), "kasirs, {what}");
        assert_eq!(sql::hours(&mut *db, scope, period).await.unwrap(), self.hours(scope, period), "hours, {what}");
        assert_eq!(
            sql::classes(&mut *db, scope, period).await.unwrap(),
            self.classes(scope, period),
            "classes, {what}"
        );

        let said = sql::products(&mut *db, scope, period).await.unwrap();
        assert!(said.is_sorted_by_key(|p| Reverse((p.jumlah, p.subtotal))), "the fastest first");
        let key = |p: &ProductSum| (p.product_type, p.product_id);
        assert_eq!(by(said, key), by(self.products(scope, period), key), "products, {what}");
        let said = sql::movements(&mut *db, scope, period).await.unwrap();
        let key = |m: &MovementDay| (m.tanggal, m.product_type, m.reason.clone());
        assert_eq!(by(said, key), self.movements(scope, period), "movements, {what}");
        let said = sql::low_stock(&mut *db, scope, period).await.unwrap();
        assert!(said.is_sorted_by_key(|p| Reverse(p.menit_rendah)), "the longest first");
        let key = |p: &LowProduct| (p.product_type, p.product_id, p.cabang.clone());
        assert_eq!(by(said, key), by(self.low_stock(scope, period), key), "low stock, {what}");
        let said = sql::days(&mut *db, scope, period).await.unwrap();
        assert!(said.is_sorted_by_key(|day| Reverse(day.tanggal)), "the newest first");
        let key = |day: &DaySum| (day.tanggal, day.branch_id);
        assert_eq!(by(said, key), by(self.days(scope, period), key), "days, {what}");
    }

    /// Those that tell how things stand, and the sheets of some days.
    pub async fn assert_present(&self, db: &mut PgConnection, scope: Option<BranchId>, rng: &mut StdRng) {
        let todays = sql::todays(&mut *db, scope).await.unwrap();
        let dates = self.branches.keys().filter(|branch| is_in(scope, **branch));
        let dates = Vec::from_iter(dates.map(|branch| (BranchId(*branch), self.today(*branch))));
        assert_eq!(todays, dates, "today, branch by branch");
        let today = todays.iter().map(|(_, today)| *today).max().unwrap();

        let key = |debt: &DebtSum| (debt.branch_id, debt.umur);
        assert_eq!(by(sql::debts(&mut *db, scope).await.unwrap(), key), self.debts(scope), "debts of {scope:?}");
        for most in [3, 1_000] {
            let said = sql::oldest_debts(&mut *db, scope, most).await.unwrap();
            assert_eq!(said, self.oldest_debts(scope, most as usize), "the oldest {most} debts of {scope:?}");
        }
        for days in [1, rng.random_range(2..40), 90] {
            let said = sql::dead_stock(&mut *db, scope, today, days).await.unwrap();
            assert!(said.is_sorted_by_key(|product| Reverse(product.modal)), "the dearest first");
            let key = |p: &DeadProduct| (p.product_type, p.product_id);
            let expected = by(self.dead_stock(scope, today, days), key);
            assert_eq!(by(said, key), expected, "dead for {days} days, {scope:?}");
        }
        let days = Vec::from_iter(self.open_days.iter().filter(|day| is_in(scope, day.branch_id)));
        for _ in 0..3.min(days.len()) {
            self.assert_closing(db, days[rng.random_range(0..days.len())]).await;
        }
    }
}

#[derive(Default)]
struct Sold {
    pieces: i64,
    subtotal: i64,
    sales: BTreeSet<i64>,
    last: Option<Date>,
}

fn is_in(scope: Option<BranchId>, branch: i64) -> bool {
    scope.is_none_or(|one| one.0 == branch)
}

fn is_within(period: Period, date: Date) -> bool {
    (period.since..=period.until).contains(&date)
}

/// In an order that does not depend on how a database compares text.
fn by<T, K: Ord>(mut rows: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    rows.sort_by_key(key);
    rows
}

fn in_order_of_class(mut classes: BTreeMap<&str, [i64; 6]>) -> Vec<(&'static str, [i64; 6])> {
    melati::reports::CLASSES.into_iter().filter_map(|class| Some((class, classes.remove(class)?))).collect()
}
