//! Loading the grown chain in a few large statements, and the questions of the simulator that no noun asks.

use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::chain::{Chain, Eye, Patient, Product};
use crate::ids::{BranchId, PatientId, SaleId, UserId};
use crate::money::Rupiah;
use crate::orders::WorkStatus;
use crate::patients::ServiceType;
use crate::sales::{Coverage, Metode, TransactionStatus};
use crate::scope::{Role, Viewer};
use crate::stock::{ProductRef, ProductType};

/// Rows a statement: enough to make the round trips vanish, few enough to keep a statement's arrays at some megabytes.
const BATCH: usize = 8_000;

/// One filler at a time, until the transaction ends: the second then finds the first one's branches.
pub async fn lock_out_other_fillers(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('melati.demo'))").execute(conn).await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
pub struct Tenants {
    pub branches: i64,
    pub users: i64,
    pub demo_users: i64,
}

pub async fn tenants(conn: &mut PgConnection, domain: &str) -> sqlx::Result<Tenants> {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM branches) AS branches,
                (SELECT count(*) FROM users) AS users,
                (SELECT count(*) FROM users WHERE email LIKE '%@' || $1) AS demo_users",
    )
    .bind(domain)
    .fetch_one(conn)
    .await
}

/// The database's clock, which is the one that says what "today" is.
pub async fn now(conn: &mut PgConnection) -> sqlx::Result<OffsetDateTime> {
    sqlx::query_scalar("SELECT date_trunc('second', clock_timestamp())").fetch_one(conn).await
}

/// The rates in force at `at`.
pub async fn rates(conn: &mut PgConnection, at: OffsetDateTime) -> sqlx::Result<Vec<Coverage>> {
    let rows: Vec<(ServiceType, Rupiah)> = sqlx::query_as(
        "SELECT DISTINCT ON (service_type) service_type, price
         FROM bpjs_rates
         WHERE effective_from <= $1::date
         ORDER BY service_type, effective_from DESC",
    )
    .bind(at)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(class, price)| Coverage { class, price }).collect())
}

/// Writes the whole chain. The caller holds the transaction.
pub async fn load(conn: &mut PgConnection, chain: &Chain, password_hash: &str) -> sqlx::Result<()> {
    // History is not news: no notification for what is loaded (0002).
    sqlx::query("SELECT set_config('melati.import', 'on', true)").execute(&mut *conn).await?;
    branches_and_users(conn, chain, password_hash).await?;
    patients(conn, &chain.patients).await?;
    // The ledger is loaded with its own dates; the trigger that keeps it would write every product's stock once more, as of now.
    for pause in [
        "ALTER TABLE frames DISABLE TRIGGER stock_changed",
        "ALTER TABLE lensas DISABLE TRIGGER stock_changed",
        "ALTER TABLE aksesoris DISABLE TRIGGER stock_changed",
    ] {
        sqlx::query(pause).execute(&mut *conn).await?;
    }
    frames(conn, &products(chain, ProductType::Frame)).await?;
    lensas(conn, &products(chain, ProductType::Lensa)).await?;
    aksesoris(conn, &products(chain, ProductType::Aksesoris)).await?;
    for resume in [
        "ALTER TABLE frames ENABLE TRIGGER stock_changed",
        "ALTER TABLE lensas ENABLE TRIGGER stock_changed",
        "ALTER TABLE aksesoris ENABLE TRIGGER stock_changed",
    ] {
        sqlx::query(resume).execute(&mut *conn).await?;
    }
    movements(conn, chain).await?;
    open_days(conn, chain).await?;
    sales(conn, chain).await?;
    notices(conn, chain).await?;
    // Rows came with their ids: the sequences must go on after them.
    for next in [
        "SELECT setval(pg_get_serial_sequence('branches', 'id'), max(id)) FROM branches",
        "SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users",
        "SELECT setval(pg_get_serial_sequence('pasiens', 'id'), max(id)) FROM pasiens",
        "SELECT setval(pg_get_serial_sequence('frames', 'id'), max(id)) FROM frames",
        "SELECT setval(pg_get_serial_sequence('lensas', 'id'), max(id)) FROM lensas",
        "SELECT setval(pg_get_serial_sequence('aksesoris', 'id'), max(id)) FROM aksesoris",
        "SELECT setval(pg_get_serial_sequence('penjualans', 'id'), max(id)) FROM penjualans",
    ] {
        sqlx::query(next).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Fresh tables have no statistics: the first pages would be planned as if they were empty.
pub async fn analyze(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query("ANALYZE").execute(pool).await?;
    Ok(())
}

/// One column of many rows, for `unnest`.
fn column<'a, T, C>(rows: &'a [T], of: impl Fn(&'a T) -> C) -> Vec<C> {
    rows.iter().map(of).collect()
}

fn products(chain: &Chain, product_type: ProductType) -> Vec<&Product> {
    chain.products.iter().filter(|product| product.product_type == product_type).collect()
}

fn metode_word(metode: Metode) -> &'static str {
    match metode {
        Metode::Tunai => "tunai",
        Metode::Transfer => "transfer",
        Metode::Qris => "qris",
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::SuperAdmin => "super_admin",
        Role::Admin => "admin",
        Role::Kasir => "kasir",
    }
}

async fn branches_and_users(conn: &mut PgConnection, chain: &Chain, password_hash: &str) -> sqlx::Result<()> {
    let rows = &chain.branches;
    sqlx::query(
        "INSERT INTO branches (id, name, kode, timezone, created_at)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])",
    )
    .bind(column(rows, |b| b.id))
    .bind(column(rows, |b| b.plan.name))
    .bind(column(rows, |b| b.plan.kode))
    .bind(column(rows, |b| b.plan.timezone))
    .bind(column(rows, |b| b.created_at))
    .execute(&mut *conn)
    .await?;

    let rows = &chain.users;
    sqlx::query(
        "INSERT INTO users (id, name, email, password, role, branch_id)
         SELECT id, name, email, $6, role, branch_id
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS u (id, name, email, role, branch_id)",
    )
    .bind(column(rows, |u| u.id))
    .bind(column(rows, |u| u.name))
    .bind(column(rows, |u| u.email.as_str()))
    .bind(column(rows, |u| role_word(u.role)))
    .bind(column(rows, |u| u.branch_id))
    .bind(password_hash)
    .execute(conn)
    .await?;
    Ok(())
}

async fn patients(conn: &mut PgConnection, rows: &[Patient]) -> sqlx::Result<()> {
    let right = |part: fn(Eye) -> Option<i32>| column(rows, move |p| p.right.and_then(part));
    let left = |part: fn(Eye) -> Option<i32>| column(rows, move |p| p.left.and_then(part));
    sqlx::query(
        "INSERT INTO pasiens (id, branch_id, nama_pasien, no_telepon, service_type, no_bpjs, created_at,
                              od_sph, od_cyl, od_axis, od_add, os_sph, os_cyl, os_axis, os_add, pd)
         SELECT id, branch_id, nama, telepon, service_type, no_bpjs, created_at,
                od_sph / 100.0, od_cyl / 100.0, od_axis, od_add / 100.0,
                os_sph / 100.0, os_cyl / 100.0, os_axis, os_add / 100.0, pd / 10.0
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
                     $8::int[], $9::int[], $10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[], $16::int[])
              AS p (id, branch_id, nama, telepon, service_type, no_bpjs, created_at,
                    od_sph, od_cyl, od_axis, od_add, os_sph, os_cyl, os_axis, os_add, pd)",
    )
    .bind(column(rows, |p| p.id))
    .bind(column(rows, |p| p.branch_id))
    .bind(column(rows, |p| p.name.as_str()))
    .bind(column(rows, |p| p.phone.as_str()))
    .bind(column(rows, |p| p.service_type.to_string()))
    .bind(column(rows, |p| p.no_bpjs.as_str()))
    .bind(column(rows, |p| p.created_at))
    .bind(right(|e| Some(e.sph)))
    .bind(right(|e| e.cyl.map(|(cyl, _)| cyl)))
    .bind(right(|e| e.cyl.map(|(_, axis)| axis)))
    .bind(right(|e| e.add))
    .bind(left(|e| Some(e.sph)))
    .bind(left(|e| e.cyl.map(|(cyl, _)| cyl)))
    .bind(left(|e| e.cyl.map(|(_, axis)| axis)))
    .bind(left(|e| e.add))
    .bind(column(rows, |p| p.pd))
    .execute(conn)
    .await?;
    Ok(())
}

async fn frames(conn: &mut PgConnection, rows: &[&Product]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO frames (id, branch_id, kode_frame, merk_frame, jenis_frame, harga_beli_frame, harga_jual_frame,
                             stok, stok_minimum, created_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                              $8::int[], $9::int[], $10::timestamptz[])",
    )
    .bind(column(rows, |p| p.id))
    .bind(column(rows, |p| p.branch_id))
    .bind(column(rows, |p| p.kode.as_str()))
    .bind(column(rows, |p| p.name.as_str()))
    .bind(column(rows, |p| p.kind.as_str()))
    .bind(column(rows, |p| p.cost))
    .bind(column(rows, |p| p.price))
    .bind(column(rows, |p| p.stok))
    .bind(column(rows, |p| p.stok_minimum))
    .bind(column(rows, |p| p.created_at))
    .execute(conn)
    .await?;
    Ok(())
}

async fn lensas(conn: &mut PgConnection, rows: &[&Product]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO lensas (id, branch_id, kode_lensa, merk_lensa, type, index, coating, harga_beli_lensa, harga_jual_lensa,
                             stok, stok_minimum, is_custom_order, created_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                              $8::bigint[], $9::bigint[], $10::int[], $11::int[], $12::bool[], $13::timestamptz[])",
    )
    .bind(column(rows, |p| p.id))
    .bind(column(rows, |p| p.branch_id))
    .bind(column(rows, |p| p.kode.as_str()))
    .bind(column(rows, |p| p.name.as_str()))
    .bind(column(rows, |p| p.kind.as_str()))
    .bind(column(rows, |p| p.index))
    .bind(column(rows, |p| p.coating))
    .bind(column(rows, |p| p.cost))
    .bind(column(rows, |p| p.price))
    .bind(column(rows, |p| p.stok))
    .bind(column(rows, |p| p.stok_minimum))
    .bind(column(rows, |p| p.is_custom_order))
    .bind(column(rows, |p| p.created_at))
    .execute(conn)
    .await?;
    Ok(())
}

async fn aksesoris(conn: &mut PgConnection, rows: &[&Product]) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO aksesoris (id, branch_id, nama_produk, harga_beli, harga_jual, stok, stok_minimum, created_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[],
                              $6::int[], $7::int[], $8::timestamptz[])",
    )
    .bind(column(rows, |p| p.id))
    .bind(column(rows, |p| p.branch_id))
    .bind(column(rows, |p| p.name.as_str()))
    .bind(column(rows, |p| p.cost))
    .bind(column(rows, |p| p.price))
    .bind(column(rows, |p| p.stok))
    .bind(column(rows, |p| p.stok_minimum))
    .bind(column(rows, |p| p.created_at))
    .execute(conn)
    .await?;
    Ok(())
}

async fn movements(conn: &mut PgConnection, chain: &Chain) -> sqlx::Result<()> {
    for rows in chain.movements.chunks(BATCH) {
        sqlx::query(
            "INSERT INTO stock_movements (product_type, product_id, branch_id, delta, stok_after, reason, catatan, user_id,
                                          created_at)
             SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[], $5::int[], $6::text[], $7::text[],
                                  $8::bigint[], $9::timestamptz[])",
        )
        .bind(column(rows, |m| m.product_type.to_string()))
        .bind(column(rows, |m| m.product_id))
        .bind(column(rows, |m| m.branch_id))
        .bind(column(rows, |m| m.delta))
        .bind(column(rows, |m| m.stok_after))
        .bind(column(rows, |m| m.reason))
        .bind(column(rows, |m| m.catatan.as_str()))
        .bind(column(rows, |m| m.user))
        .bind(column(rows, |m| m.created_at))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn open_days(conn: &mut PgConnection, chain: &Chain) -> sqlx::Result<()> {
    let rows = &chain.open_days;
    sqlx::query(
        "INSERT INTO open_days (branch_id, tanggal, opened_by, opened_at, closed_by, closed_at, is_open, created_at)
         SELECT branch_id, tanggal, opened_by, opened_at, closed_by, closed_at, closed_at IS NULL, opened_at
         FROM unnest($1::bigint[], $2::date[], $3::bigint[], $4::timestamptz[], $5::bigint[], $6::timestamptz[])
              AS d (branch_id, tanggal, opened_by, opened_at, closed_by, closed_at)",
    )
    .bind(column(rows, |d| d.branch_id))
    .bind(column(rows, |d| d.tanggal))
    .bind(column(rows, |d| d.opened_by))
    .bind(column(rows, |d| d.opened_at))
    .bind(column(rows, |d| d.closed.map(|(who, _)| who)))
    .bind(column(rows, |d| d.closed.map(|(_, at)| at)))
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "INSERT INTO sale_numbers (branch_id, tanggal, last) SELECT * FROM unnest($1::bigint[], $2::date[], $3::int[])",
    )
    .bind(column(rows, |d| d.branch_id))
    .bind(column(rows, |d| d.tanggal))
    .bind(column(rows, |d| d.sales))
    .execute(conn)
    .await?;
    Ok(())
}

async fn sales(conn: &mut PgConnection, chain: &Chain) -> sqlx::Result<()> {
    for rows in chain.sales.chunks(BATCH) {
        sqlx::query(
            "INSERT INTO penjualans (id, kode_penjualan, client_ref, pasien_id, user_id, branch_id, total, omset_bpjs, omset_umum,
                                     bayar, kekurangan, status, transaction_status, status_pengerjaan, created_at)
             SELECT id, kode, client_ref, pasien_id, user_id, branch_id, omset_bpjs + omset_umum, omset_bpjs, omset_umum,
                    bayar, omset_umum - bayar, CASE WHEN bayar = omset_umum THEN 'Lunas' ELSE 'Belum Lunas' END,
                    CASE WHEN naik_kelas THEN 'Naik Kelas' ELSE 'Normal' END, work, created_at
             FROM unnest($1::bigint[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                         $8::bigint[], $9::bigint[], $10::bool[], $11::text[], $12::timestamptz[])
                  AS s (id, kode, client_ref, pasien_id, user_id, branch_id, omset_bpjs, omset_umum, bayar, naik_kelas, work,
                        created_at)",
        )
        .bind(column(rows, |s| s.id))
        .bind(column(rows, |s| s.kode.as_str()))
        .bind(column(rows, |s| s.client_ref))
        .bind(column(rows, |s| s.patient))
        .bind(column(rows, |s| s.user))
        .bind(column(rows, |s| s.branch_id))
        .bind(column(rows, |s| s.quote.omset_bpjs))
        .bind(column(rows, |s| s.quote.omset_umum))
        .bind(column(rows, |s| s.bayar))
        .bind(column(rows, |s| s.quote.transaction_status == TransactionStatus::NaikKelas))
        .bind(column(rows, |s| s.work.to_string()))
        .bind(column(rows, |s| s.created_at))
        .execute(&mut *conn)
        .await?;

        let lines: Vec<_> =
            rows.iter().flat_map(|sale| sale.quote.lines.iter().map(move |line| (sale, line))).collect();
        sqlx::query(
            "INSERT INTO penjualan_details (penjualan_id, product_type, product_id, nama, quantity, price, price_bpjs, subtotal,
                                            naik_kelas, created_at)
             SELECT penjualan_id, product_type, product_id, nama, quantity, price, price_bpjs, price * quantity, naik_kelas, created_at
             FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::int[], $6::bigint[], $7::bigint[], $8::bool[],
                         $9::timestamptz[])
                  AS l (penjualan_id, product_type, product_id, nama, quantity, price, price_bpjs, naik_kelas, created_at)",
        )
        .bind(column(&lines, |(sale, _)| sale.id))
        .bind(column(&lines, |(_, line)| line.product.product_type.to_string()))
        .bind(column(&lines, |(_, line)| line.product.product_id))
        .bind(column(&lines, |(_, line)| line.nama.as_str()))
        .bind(column(&lines, |(_, line)| line.quantity))
        .bind(column(&lines, |(_, line)| line.price))
        .bind(column(&lines, |(_, line)| line.price_bpjs))
        .bind(column(&lines, |(_, line)| line.naik_kelas))
        .bind(column(&lines, |(sale, _)| sale.created_at))
        .execute(&mut *conn)
        .await?;

        let payments: Vec<_> =
            rows.iter().flat_map(|sale| sale.payments.iter().map(move |payment| (sale.id, payment))).collect();
        sqlx::query(
            "INSERT INTO pembayarans (penjualan_id, metode, jumlah, diterima, user_id, created_at)
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::timestamptz[])",
        )
        .bind(column(&payments, |(sale, _): &(SaleId, _)| *sale))
        .bind(column(&payments, |(_, payment)| metode_word(payment.handed_over.metode)))
        .bind(column(&payments, |(_, payment)| payment.handed_over.jumlah))
        .bind(column(&payments, |(_, payment)| payment.handed_over.diterima))
        .bind(column(&payments, |(_, payment)| payment.user))
        .bind(column(&payments, |(_, payment)| payment.created_at))
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

async fn notices(conn: &mut PgConnection, chain: &Chain) -> sqlx::Result<()> {
    let rows = &chain.notices;
    sqlx::query(
        "INSERT INTO notifications (branch_id, audience, type, title, message, data, created_at)
         SELECT branch_id, audience, type, title, message, data::jsonb, created_at
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
              AS n (branch_id, audience, type, title, message, data, created_at)",
    )
    .bind(column(rows, |n| n.branch_id))
    .bind(column(rows, |n| n.audience.map(role_word)))
    .bind(column(rows, |n| n.kind))
    .bind(column(rows, |n| n.title))
    .bind(column(rows, |n| n.message.as_str()))
    .bind(column(rows, |n| n.data.to_string()))
    .bind(column(rows, |n| n.created_at))
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Staff {
    id: UserId,
    name: String,
    role: Role,
    branch_id: Option<BranchId>,
}

/// The people of the demo's branches who may sign in.
pub async fn staff(pool: &PgPool) -> sqlx::Result<Vec<Viewer>> {
    let staff: Vec<Staff> = sqlx::query_as(
        "SELECT id, name, role, branch_id FROM users WHERE is_active AND branch_id IS NOT NULL ORDER BY id",
    )
    .fetch_all(pool)
    .await?;
    Ok(staff
        .into_iter()
        .map(|user| Viewer { id: user.id, name: user.name, role: user.role, home: user.branch_id, chosen: None })
        .collect())
}

/// Days left open at midnight. The pages close today's; only an unattended demo has others.
pub async fn close_days_gone_by(pool: &PgPool, branch: BranchId, by: UserId) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE open_days o SET is_open = false, closed_by = $2, closed_at = now()
         FROM branch_days d
         WHERE d.branch_id = $1 AND o.branch_id = d.branch_id AND o.tanggal < d.tanggal AND o.is_open",
    )
    .bind(branch)
    .bind(by)
    .execute(pool)
    .await?;
    Ok(())
}

/// The patient at `place` (0 to 1) of the branch's.
pub async fn a_patient(pool: &PgPool, branch: BranchId, place: f64) -> sqlx::Result<Option<(PatientId, ServiceType)>> {
    sqlx::query_as(
        "SELECT id, service_type FROM pasiens WHERE branch_id = $1 ORDER BY id
         OFFSET (SELECT floor($2 * count(*))::bigint FROM pasiens WHERE branch_id = $1) LIMIT 1",
    )
    .bind(branch)
    .bind(place)
    .fetch_optional(pool)
    .await
}

/// The product at `place` (0 to 1) of a branch's shelf, cheapest first; frames only those made for `made_for`.
pub async fn on_the_shelf(
    pool: &PgPool,
    branch: BranchId,
    product_type: ProductType,
    made_for: Option<ServiceType>,
    place: f64,
) -> sqlx::Result<Option<ProductRef>> {
    sqlx::query_as(
        "WITH shelf AS (
             SELECT product_type, product_id, price FROM products
             WHERE branch_id = $1 AND product_type = $2 AND ($3::text IS NULL OR upper(service_type) = $3)
         )
         SELECT product_type, product_id FROM shelf ORDER BY price, product_id
         OFFSET (SELECT floor($4 * count(*))::bigint FROM shelf) LIMIT 1",
    )
    .bind(branch)
    .bind(product_type)
    .bind(made_for)
    .bind(place)
    .fetch_optional(pool)
    .await
}

#[derive(sqlx::FromRow)]
pub struct Bench {
    pub status: WorkStatus,
    pub orders: i64,
    pub oldest: SaleId,
    pub oldest_owes: Rupiah,
}

/// A branch's unfinished orders by work status, with the oldest of each.
pub async fn benches(pool: &PgPool, branch: BranchId) -> sqlx::Result<Vec<Bench>> {
    sqlx::query_as(
        "SELECT DISTINCT ON (status_pengerjaan) status_pengerjaan AS status,
                count(*) OVER (PARTITION BY status_pengerjaan) AS orders, id AS oldest, kekurangan AS oldest_owes
         FROM penjualans
         WHERE branch_id = $1 AND status_pengerjaan <> 'Sudah Diambil' AND dibatalkan_at IS NULL
         ORDER BY status_pengerjaan, created_at, id",
    )
    .bind(branch)
    .fetch_all(pool)
    .await
}

#[derive(sqlx::FromRow)]
pub struct Emptiest {
    #[sqlx(flatten)]
    pub product: ProductRef,
    pub stok: i32,
    /// Low products of the branch, this one among them.
    pub low: i64,
}

/// The branch's low product with the least stock.
pub async fn emptiest(pool: &PgPool, branch: BranchId) -> sqlx::Result<Option<Emptiest>> {
    sqlx::query_as(
        "SELECT product_type, product_id, stok, count(*) OVER () AS low FROM products
         WHERE branch_id = $1 AND alert_level = 'low' ORDER BY stok, product_type, product_id LIMIT 1",
    )
    .bind(branch)
    .fetch_optional(pool)
    .await
}
