//! Writers of every kind that loses updates elsewhere: late commits, savepoints, rollbacks, prepared transactions, early
//! transaction ids, bulk updates, moves between branches, deletes, stamps that lie. All random, all from one seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::task::JoinSet;

use super::db::psql;

pub const BRANCHES: i64 = 3;

/// The seed of this run: `MELATI_SEED` repeats one that failed.
pub fn seed() -> u64 {
    let seed = std::env::var("MELATI_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("repeat with MELATI_SEED={seed}");
    seed
}

/// How long the attack lasts: 20 s, or as long as the soak says.
pub fn duration() -> std::time::Duration {
    let seconds = std::env::var("MELATI_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(20);
    std::time::Duration::from_secs(seconds)
}

/// Adds what the writers write upon to an empty database: three branches, products, people, sales.
pub async fn stock_up(db: &PgPool, bulk_rows: i64) {
    let mut connection = psql(db).await;
    sqlx::raw_sql(
        "SELECT set_config('melati.import', 'on', false);
         INSERT INTO branches (id, name, kode) SELECT n, 'Cabang ' || n, 'C' || chr(64 + n) FROM generate_series(1, 3) n ON CONFLICT DO NOTHING;
         INSERT INTO frames (branch_id, kode_frame, merk_frame, harga_jual_frame, stok)
             SELECT 1 + n % 3, 'W' || n, 'Frame ' || n, 1000 * n, n % 30 FROM generate_series(1, 150) n;
         INSERT INTO lensas (branch_id, kode_lensa, merk_lensa, type, harga_jual_lensa, stok)
             SELECT 1 + n % 3, 'W' || n, 'Lensa ' || n, 'SV', 1000 * n, n % 30 FROM generate_series(1, 150) n;
         INSERT INTO pasiens (branch_id, nama_pasien) SELECT n, 'Pasien ' || n FROM generate_series(1, 3) n;",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    sqlx::query("INSERT INTO aksesoris (branch_id, nama_produk, harga_jual, stok) SELECT 1 + n % 3, 'Barang ' || n, 1000, 50 FROM generate_series(1, $1) n")
        .bind(bulk_rows)
        .execute(&mut connection)
        .await
        .unwrap();
}

#[derive(Debug, Default)]
pub struct Tally {
    pub commits: AtomicU64,
    pub rollbacks: AtomicU64,
}

pub struct Writers {
    stop: Arc<AtomicBool>,
    pub tally: Arc<Tally>,
    tasks: JoinSet<()>,
    db: PgPool,
}

impl Writers {
    pub fn start(db: &PgPool, seed: u64, count: u64) -> Self {
        let mut writers = Self { stop: Arc::default(), tally: Arc::default(), tasks: JoinSet::new(), db: db.clone() };
        for n in 0..count {
            let (db, stop, tally) = (db.clone(), writers.stop.clone(), writers.tally.clone());
            writers.tasks.spawn(async move {
                let mut writer =
                    Writer { rng: StdRng::seed_from_u64(seed ^ (n << 32)), db: psql(&db).await, name: n, prepared: 0 };
                writer.run("SET lock_timeout = '300ms'; SET synchronous_commit = off").await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    match writer.one_transaction().await {
                        Ok(()) => tally.commits.fetch_add(1, Ordering::Relaxed),
                        Err(_) => {
                            // a deadlock, a lock not had in time, a connection that was cut: what happens to writers
                            tally.rollbacks.fetch_add(1, Ordering::Relaxed);
                            if writer.run("ROLLBACK").await.is_err() {
                                writer.db = match psql_again(&db).await {
                                    Some(db) => db,
                                    None => continue,
                                };
                            }
                            0
                        }
                    };
                }
            });
        }
        writers
    }

    /// Ends all writers, and what they left prepared.
    pub async fn stop(mut self) -> Arc<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let mut connection = psql(&self.db).await;
        let left: Vec<String> =
            sqlx::query_scalar("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        for gid in left {
            sqlx::raw_sql(AssertSqlSafe(format!("COMMIT PREPARED '{gid}'"))).execute(&mut connection).await.unwrap();
        }
        self.tally
    }
}

async fn psql_again(db: &PgPool) -> Option<PgConnection> {
    let options = db.connect_options().as_ref().clone();
    PgConnection::connect_with(&options).await.ok()
}

struct Writer {
    rng: StdRng,
    db: PgConnection,
    name: u64,
    prepared: u64,
}

impl Writer {
    async fn run(&mut self, sql: impl Into<String>) -> sqlx::Result<()> {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut self.db).await.map(drop)
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.rng.random_range(0..of.len())]
    }

    /// Some change of one row.
    fn change(&mut self) -> String {
        let table = self.pick(&["frames", "lensas", "aksesoris"]);
        let row = format!("(SELECT id FROM {table} ORDER BY id OFFSET {} LIMIT 1)", self.rng.random_range(0..150));
        let stok = self.rng.random_range(0..40);
        let branch = self.rng.random_range(1..=BRANCHES);
        let serial = format!("{}{}", self.name, self.rng.random::<u32>());
        match self.rng.random_range(0..20) {
            0..9 => format!("UPDATE {table} SET stok = {stok} WHERE id = {row}"),
            9 => format!("UPDATE {table} SET stok = {stok}, updated_at = '2001-01-01', updated_xid = '5' WHERE id = {row}"),
            10 => format!("UPDATE {table} SET branch_id = {branch} WHERE id = {row}"),
            11 => format!("DELETE FROM {table} WHERE id = {row}"),
            12 => format!("INSERT INTO frames (branch_id, kode_frame, merk_frame, harga_jual_frame, stok) VALUES ({branch}, 'N{serial}', 'Baru', 5000, {stok})"),
            13 => format!("INSERT INTO aksesoris (branch_id, nama_produk, harga_jual, stok) VALUES ({branch}, 'Baru {serial}', 5000, {stok})"),
            14 => format!("INSERT INTO notifications (branch_id, audience, type, title, message) VALUES ({branch}, 'admin', 'announcement', 'A', '{serial}')"),
            15 => format!("INSERT INTO notifications (type, title, message) VALUES ('announcement', 'Semua', '{serial}')"),
            16 => format!("UPDATE pasiens SET nama_pasien = 'Pasien {serial}' WHERE id = (SELECT min(id) FROM pasiens WHERE branch_id = {branch})"),
            17 => "UPDATE penjualans SET status_pengerjaan = 'Sedang Dikerjakan' WHERE id = (SELECT max(id) FROM penjualans)".to_owned(),
            _ => {
                let (bpjs, umum) = (1000 * self.rng.random_range(0..300), 1000 * self.rng.random_range(0..900));
                format!(
                    "INSERT INTO penjualans (kode_penjualan, pasien_id, user_id, branch_id, total, omset_bpjs, omset_umum, bayar)
                     SELECT 'P{serial}', min(p.id), (SELECT min(u.id) FROM users u WHERE u.branch_id = {branch} AND role = 'kasir'),
                            {branch}, {bpjs} + {umum}, {bpjs}, {umum}, {umum} FROM pasiens p WHERE p.branch_id = {branch}"
                )
            }
        }
    }

    fn pause(&mut self) -> String {
        format!("SELECT pg_sleep({})", f64::from(self.rng.random_range(0..250)) / 1000.0)
    }

    async fn one_transaction(&mut self) -> sqlx::Result<()> {
        let (a, b, c) = (self.change(), self.change(), self.change());
        let (pause, pause_too) = (self.pause(), self.pause());
        match self.rng.random_range(0..100) {
            0..35 => self.run(a).await,
            // stamped early, committed late
            35..55 => self.run(format!("BEGIN; {a}; {pause}; {b}; COMMIT")).await,
            55..65 => self.run(format!("BEGIN; {a}; SAVEPOINT s; {b}; ROLLBACK TO s; {pause}; {c}; COMMIT")).await,
            65..72 => self.run(format!("BEGIN; {a}; SAVEPOINT s; {b}; RELEASE s; SAVEPOINT t; {c}; {pause}; COMMIT")).await,
            72..79 => self.run(format!("BEGIN; {a}; {b}; {pause}; ROLLBACK")).await,
            // an early transaction id that writes late: its rows are newer than later ids'
            79..87 => self.run(format!("BEGIN; SELECT pg_current_xact_id(); {pause}; {a}; {pause_too}; {b}; COMMIT")).await,
            87..94 => {
                self.prepared += 1;
                let gid = format!("g{}_{}_{}", self.name, self.prepared, self.rng.random::<u32>());
                self.run(format!("BEGIN; {a}; {b}; PREPARE TRANSACTION '{gid}'")).await?;
                let end = self.pick(&["COMMIT", "COMMIT", "ROLLBACK"]);
                self.run(format!("{pause}; {end} PREPARED '{gid}'")).await
            }
            94..97 => {
                let table = self.pick(&["frames", "lensas"]);
                self.run(format!("UPDATE {table} SET stok = stok + 1 WHERE stok < 1000")).await
            }
            // ten thousand rows, where there are as many
            97 => self.run("BEGIN; SELECT set_config('melati.import', 'on', true); UPDATE aksesoris SET stok = 50 + stok % 7; COMMIT").await,
            _ => self.run(pause).await,
        }
    }
}
