//! Stories of selling, over a real Postgres: what is sold leaves the shelf once, and the money adds up.

#![allow(clippy::unwrap_used)] // a helper of a test may fail it

mod common;

use common::app::PATIENCE;
use common::db::fresh_database;
use melati::ids::{BranchId, PatientId, ProductId, SaleId, UserId};
use melati::money::Rupiah;
use melati::orders::sql::Shown;
use melati::orders::{self, WorkStatus};
use melati::patients::{self, PatientForm, ServiceType};
use melati::refusal::{Outcome, Refusal};
use melati::sales::sql::{self, Filter};
use melati::sales::{Item, Metode, NewSale, Payment, PaymentStatus, Sold, Standing, TransactionStatus};
use melati::scope::{Role, Viewer};
use melati::stock::{ProductRef, ProductType};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use uuid::Uuid;

const KEMANG: BranchId = BranchId(1);
const UBUD: BranchId = BranchId(2);
const SITI_BPJS_II: PatientId = PatientId(1);
const BUDI_UMUM: PatientId = PatientId(2);
const OVAL: i64 = 12; // Umum, 685 000, the last one
const KOTAK: i64 = 13; // BPJS II, 240 000 on the label, 10 left

/// Two branches, the first open, each with a kasir.
#[derive(Clone)]
struct Shop {
    db: PgPool,
    rina: Viewer,
    made: Viewer,
}

async fn shop() -> Shop {
    let db = fresh_database().await;
    sqlx::raw_sql(
        "INSERT INTO branches (id, name, kode, timezone) VALUES (1, 'Kemang', 'KMG', 'Asia/Jakarta'), (2, 'Ubud', 'UBD', 'Asia/Makassar');
         INSERT INTO users (id, name, email, password, role, branch_id) VALUES
             (1, 'Rina', 'rina@melati.test', '-', 'kasir', 1), (2, 'Made', 'made@melati.test', '-', 'kasir', 2);
         INSERT INTO pasiens (id, branch_id, nama_pasien, service_type) VALUES
             (1, 1, 'Siti Rahmawati', 'BPJS II'), (2, 1, 'Budi 100%', 'UMUM'), (3, 2, 'Wayan', 'UMUM');
         ALTER TABLE pasiens ALTER id RESTART WITH 1000;
         INSERT INTO frames (id, branch_id, kode_frame, merk_frame, jenis_frame, harga_jual_frame, stok) VALUES
             (12, 1, 'FR000412', 'Sendja Oval', 'Umum', 685000, 1),
             (13, 1, 'FR000388', 'Sendja Kotak', 'BPJS II', 240000, 10),
             (14, 2, 'FR000412', 'Sendja Oval', 'Umum', 685000, 5);
         INSERT INTO lensas (id, branch_id, kode_lensa, merk_lensa, type, harga_jual_lensa, stok, is_custom_order) VALUES
             (1, 1, 'LS000001', 'Lentera', 'Single Vision', 190000, 20, false),
             (2, 1, 'LS000002', 'Lentera', 'Progresif', 900000, 0, true);
         INSERT INTO aksesoris (id, branch_id, nama_produk, harga_jual, stok) VALUES (1, 1, 'Kain lap', 15000, 30);
         INSERT INTO open_days (branch_id, tanggal, opened_by) SELECT branch_id, tanggal, 1 FROM branch_days WHERE branch_id = 1;",
    )
    .execute(&db)
    .await
    .unwrap();
    let kasir = |id, name: &str, home| Viewer {
        id: UserId(id),
        name: name.into(),
        role: Role::Kasir,
        home: Some(home),
        chosen: None,
    };
    Shop { db, rina: kasir(1, "Rina", KEMANG), made: kasir(2, "Made", UBUD) }
}

fn item(product_type: ProductType, id: i64, quantity: i32) -> Item {
    Item { product: ProductRef { product_type, product_id: ProductId(id) }, quantity }
}
fn frame(id: i64, quantity: i32) -> Item {
    item(ProductType::Frame, id, quantity)
}
fn lensa(id: i64, quantity: i32) -> Item {
    item(ProductType::Lensa, id, quantity)
}
fn aksesori(id: i64, quantity: i32) -> Item {
    item(ProductType::Aksesoris, id, quantity)
}

fn cart(pasien_id: PatientId, items: &[Item]) -> NewSale {
    NewSale {
        client_ref: Uuid::new_v4(),
        branch: KEMANG,
        pasien_id,
        items: items.to_vec(),
        payment: None,
        agreed: None,
    }
}

fn cash(jumlah: i64) -> Payment {
    Payment { metode: Metode::Tunai, jumlah: Rupiah(jumlah), diterima: Rupiah(jumlah) }
}

impl Shop {
    async fn sell(&self, sale: NewSale) -> Outcome<Sold> {
        sql::sell(&self.db, &self.rina, sale).await
    }

    /// Until so many sales wait for a lock.
    async fn until_waiting(&self, sales: i64) {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let all_wait = async {
            while self.number(waiting).await < sales {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, all_wait).await.expect("they wait for a lock");
    }

    async fn number(&self, question: &'static str) -> i64 {
        sqlx::query_scalar(question).fetch_one(&self.db).await.unwrap()
    }

    async fn sales(&self) -> i64 {
        self.number("SELECT count(*) FROM penjualans").await
    }
}

/// Sells at the same time.
fn many(count: usize, sale: impl Fn(usize) -> (Shop, NewSale)) -> Vec<JoinHandle<Outcome<Sold>>> {
    (0..count)
        .map(|n| {
            let (shop, sale) = sale(n);
            tokio::spawn(async move { shop.sell(sale).await })
        })
        .collect()
}

/// The code of a conflict, or a panic.
fn conflict<T: std::fmt::Debug>(outcome: Outcome<T>) -> &'static str {
    match outcome {
        Err(Refusal::Conflict { code, .. }) => code,
        other => panic!("expected a conflict, got {other:?}"),
    }
}

fn invalid<T: std::fmt::Debug>(outcome: Outcome<T>) -> Vec<String> {
    match outcome {
        Err(Refusal::Invalid(fields)) => fields.into_keys().collect(),
        other => panic!("expected bad input, got {other:?}"),
    }
}

#[tokio::test]
async fn what_is_sold_leaves_the_shelf_and_the_ledger_says_why() {
    let shop = shop().await;
    let sold =
        shop.sell(cart(BUDI_UMUM, &[frame(KOTAK, 1), lensa(1, 2), aksesori(1, 3), frame(KOTAK, 1)])).await.unwrap();

    assert_eq!(shop.number("SELECT stok::bigint FROM frames WHERE id = 13").await, 8);
    assert_eq!(shop.number("SELECT stok::bigint FROM lensas WHERE id = 1").await, 18);
    assert_eq!(shop.number("SELECT stok::bigint FROM aksesoris WHERE id = 1").await, 27);
    let ledger: Vec<(String, i32, i32, String, Option<i64>)> = sqlx::query_as(
        "SELECT product_type, delta, stok_after, catatan, user_id FROM stock_movements WHERE reason = 'penjualan' ORDER BY product_type",
    )
    .fetch_all(&shop.db)
    .await
    .unwrap();
    let kode = &sold.kode_penjualan;
    assert_eq!(
        ledger,
        [("Aksesoris", -3, 27), ("Frame", -2, 8), ("Lensa", -2, 18)].map(|(kind, delta, after)| (
            kind.to_owned(),
            delta,
            after,
            kode.clone(),
            Some(1)
        ))
    );
    assert_eq!(
        shop.number("SELECT count(*) FROM (SELECT product_type, product_id, stok FROM products EXCEPT
                     SELECT product_type, product_id, sum(delta) FROM stock_movements GROUP BY 1, 2) AS d WHERE stok > 0").await,
        0
    );
    assert_eq!(shop.number("SELECT count(*) FROM penjualan_details").await, 3, "the same product twice is one line");
}

#[tokio::test]
async fn numbers_count_the_sales_of_a_branch_and_its_day() {
    let shop = shop().await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        numbers.push(shop.sell(cart(BUDI_UMUM, &[aksesori(1, 1)])).await.unwrap().kode_penjualan);
    }
    conflict(shop.sell(cart(BUDI_UMUM, &[aksesori(1, 900)])).await);
    numbers.push(shop.sell(cart(BUDI_UMUM, &[aksesori(1, 1)])).await.unwrap().kode_penjualan);
    let today: String = sqlx::query_scalar("SELECT to_char(tanggal, 'YYMMDD') FROM branch_days WHERE branch_id = 1")
        .fetch_one(&shop.db)
        .await
        .unwrap();
    assert_eq!(numbers, [1, 2, 3, 4].map(|n| format!("KMG-{today}-00{n}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_one_is_sold_once_however_many_want_it() {
    let shop = shop().await;
    sqlx::raw_sql("UPDATE lensas SET stok = 1 WHERE id = 1; UPDATE aksesoris SET stok = 1")
        .execute(&shop.db)
        .await
        .unwrap();
    for last in [frame(OVAL, 1), lensa(1, 1), aksesori(1, 1)] {
        // someone corrects the stock while all of them press the button: when that ends, they are all there at once
        let mut correction = shop.db.begin().await.unwrap();
        sqlx::raw_sql(
            "SELECT FROM frames WHERE id = 12 FOR UPDATE; SELECT FROM lensas WHERE id = 1 FOR UPDATE; SELECT FROM aksesoris FOR UPDATE",
        )
        .execute(&mut *correction)
        .await
        .unwrap();
        let tries = many(8, |_| (shop.clone(), cart(BUDI_UMUM, &[last])));
        shop.until_waiting(8).await;
        correction.commit().await.unwrap();

        let mut sold = 0;
        for each in tries {
            match each.await.unwrap() {
                Ok(_) => sold += 1,
                Err(Refusal::Conflict { code: "stock", fields, .. }) => {
                    assert!(fields[&last.product.to_string()].ends_with("sudah habis"), "{fields:?}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(sold, 1, "{last:?}");
    }
    assert_eq!(shop.sales().await, 3);
    assert_eq!(shop.number("SELECT last::bigint FROM sale_numbers").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn carts_with_the_same_products_in_another_order_do_not_deadlock() {
    let shop = shop().await;
    let tries = many(10, |n| {
        let mut items = vec![frame(KOTAK, 1), lensa(1, 1), aksesori(1, 1)];
        items.rotate_left(n % 3);
        (shop.clone(), cart(BUDI_UMUM, &items))
    });
    for each in tries {
        each.await.unwrap().unwrap();
    }
    assert_eq!(shop.number("SELECT stok::bigint FROM frames WHERE id = 13").await, 0);
}

#[tokio::test]
async fn too_little_names_every_product_and_what_is_left() {
    let shop = shop().await;
    match shop.sell(cart(BUDI_UMUM, &[frame(OVAL, 2), aksesori(1, 31), lensa(1, 1)])).await {
        Err(Refusal::Conflict { code: "stock", message, fields }) => {
            assert_eq!(fields["Frame:12"], "Sendja Oval - Umum tinggal 1");
            assert_eq!(fields["Aksesoris:1"], "Kain lap tinggal 30");
            assert_eq!(fields.len(), 2);
            assert!(message.contains("Sendja Oval - Umum tinggal 1"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.sales().await, 0);
    assert_eq!(shop.number("SELECT stok::bigint FROM lensas WHERE id = 1").await, 20, "a refused cart takes nothing");
}

#[tokio::test]
async fn lenses_made_to_order_need_no_shelf() {
    let shop = shop().await;
    shop.sell(cart(BUDI_UMUM, &[lensa(2, 2)])).await.unwrap();
    assert_eq!(shop.number("SELECT stok::bigint FROM lensas WHERE id = 2").await, 0);
    assert_eq!(shop.number("SELECT count(*) FROM stock_movements WHERE reason = 'penjualan'").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_sale_sent_again_is_the_same_sale() {
    let shop = shop().await;
    // the last one: the second request must find the first sale, not the shelf that it emptied
    let sale = cart(BUDI_UMUM, &[frame(OVAL, 1)]);
    let mut sold = Vec::new();
    for each in many(6, |_| (shop.clone(), sale.clone())) {
        sold.push(each.await.unwrap().unwrap());
    }
    assert_eq!(sold.iter().filter(|sold| !sold.repeated).count(), 1);
    assert!(sold.iter().all(|one| one.id == sold[0].id && one.kode_penjualan == sold[0].kode_penjualan));
    assert_eq!(shop.sales().await, 1);

    // also when the day has been closed in between: it was sold, and the page that lost the answer must learn it
    sqlx::query("UPDATE open_days SET is_open = false, closed_by = 1, closed_at = now()")
        .execute(&shop.db)
        .await
        .unwrap();
    assert!(shop.sell(sale.clone()).await.unwrap().repeated);

    sqlx::query("INSERT INTO users (id, name, email, password, role, branch_id) VALUES (9, 'Agus', 'agus@melati.test', 'x', 'kasir', 1)").execute(&shop.db).await.unwrap();
    let agus = Viewer { id: UserId(9), ..shop.rina.clone() };
    assert_eq!(conflict(sql::sell(&shop.db, &agus, sale).await), "client_ref");
}

#[tokio::test]
async fn another_cart_under_a_reference_that_was_used_is_refused_and_told_which_sale_has_it() {
    let shop = shop().await;
    let sale = cart(BUDI_UMUM, &[frame(KOTAK, 1), aksesori(1, 2)]);
    let sold = shop.sell(sale.clone()).await.unwrap();
    for items in [
        vec![frame(KOTAK, 1)],
        vec![frame(KOTAK, 1), aksesori(1, 3)],
        vec![frame(KOTAK, 1), lensa(1, 2)],
        vec![frame(KOTAK, 1), aksesori(1, 2), lensa(1, 1)],
    ] {
        match shop.sell(NewSale { items: items.clone(), ..sale.clone() }).await {
            Err(Refusal::Conflict { code: "client_ref", message, .. }) => {
                assert!(message.contains(&sold.kode_penjualan), "{message}");
            }
            other => panic!("{items:?}: {other:?}"),
        }
    }
    let other_patient = NewSale { pasien_id: SITI_BPJS_II, ..sale.clone() };
    assert_eq!(conflict(shop.sell(other_patient).await), "client_ref");
    // the same cart, picked in another order and one by one
    let again = NewSale { items: vec![aksesori(1, 1), frame(KOTAK, 1), aksesori(1, 1)], ..sale };
    assert_eq!(shop.sell(again).await.unwrap(), Sold { repeated: true, ..sold });
    assert_eq!(shop.sales().await, 1);
}

#[tokio::test]
async fn an_old_sale_keeps_its_class_and_its_prescription() {
    let shop = shop().await;
    sqlx::query("UPDATE pasiens SET od_sph = -2.25, od_cyl = -0.5, od_axis = 90, os_add = 1.5, pd = 62.5 WHERE id = 1")
        .execute(&shop.db)
        .await
        .unwrap();
    let sold = shop.sell(cart(SITI_BPJS_II, &[frame(KOTAK, 1)])).await.unwrap();
    sqlx::query("UPDATE pasiens SET service_type = 'UMUM', od_sph = 1, od_cyl = NULL, od_axis = NULL, os_add = NULL, pd = 70 WHERE id = 1")
        .execute(&shop.db)
        .await
        .unwrap();

    let head = sql::get(&shop.db, &shop.rina, sold.id).await.unwrap().head;
    assert_eq!(head.service_type, ServiceType::BpjsII);
    assert_eq!(head.resep.to_string(), "OD −2,25 / −0,50 × 90 · OS 0,00 add +1,50 · PD 62,5");
    let (rows, _) = sql::list(&shop.db, &shop.rina, &Filter::default()).await.unwrap();
    assert_eq!(rows[0].service_type, ServiceType::BpjsII);
    let streamed: String =
        sqlx::query_scalar("SELECT latest_sale(p, 'Asia/Jakarta') ->> 'service_type' FROM penjualans p")
            .fetch_one(&shop.db)
            .await
            .unwrap();
    assert_eq!(streamed, "BPJS II");

    // the next sale is by what is known then; without a prescription there is none on it
    let next = shop.sell(cart(SITI_BPJS_II, &[frame(KOTAK, 1)])).await.unwrap();
    let head = sql::get(&shop.db, &shop.rina, next.id).await.unwrap().head;
    assert_eq!((head.service_type, head.resep.to_string()), (ServiceType::Umum, "OD +1,00 · PD 70".to_owned()));
    let without = shop.sell(cart(BUDI_UMUM, &[aksesori(1, 1)])).await.unwrap();
    assert!(sql::get(&shop.db, &shop.rina, without.id).await.unwrap().head.resep.is_empty());
}

#[tokio::test]
async fn bpjs_pays_its_part_and_the_parts_add_up() {
    let shop = shop().await;
    let own_class = shop.sell(cart(SITI_BPJS_II, &[frame(KOTAK, 1)])).await.unwrap();
    let upgrade = shop.sell(cart(SITI_BPJS_II, &[frame(OVAL, 1), lensa(1, 2)])).await.unwrap();

    let figures = async |sold: &Sold| {
        let head = sql::get(&shop.db, &shop.rina, sold.id).await.unwrap().head;
        (head.total.0, head.omset_bpjs.0, head.omset_umum.0, head.kekurangan.0, head.status, head.transaction_status)
    };
    use {PaymentStatus::*, TransactionStatus::*};
    assert_eq!(figures(&own_class).await, (220_000, 220_000, 0, 0, Lunas, Normal));
    assert_eq!(figures(&upgrade).await, (1_065_000, 220_000, 845_000, 845_000, BelumLunas, NaikKelas));
    assert_eq!(
        shop.number(
            "SELECT count(*) FROM penjualans p JOIN (SELECT penjualan_id, sum(subtotal) s, sum(price_bpjs * quantity) b
                                                     FROM penjualan_details GROUP BY 1) d ON d.penjualan_id = p.id
             WHERE p.total = d.s AND p.omset_bpjs = d.b AND p.omset_bpjs + p.omset_umum = p.total"
        )
        .await,
        2
    );
}

#[tokio::test]
async fn a_decree_counts_from_its_day_at_the_branch() {
    let shop = shop().await;
    sqlx::raw_sql(
        "INSERT INTO bpjs_rates (service_type, price, effective_from)
         SELECT 'BPJS II', 250000, tanggal FROM branch_days WHERE branch_id = 1;
         INSERT INTO bpjs_rates (service_type, price, effective_from)
         SELECT 'BPJS II', 999000, tanggal + 1 FROM branch_days WHERE branch_id = 1;",
    )
    .execute(&shop.db)
    .await
    .unwrap();
    let mut db = shop.db.acquire().await.unwrap();
    let quote = sql::quote(&mut db, KEMANG, Some(SITI_BPJS_II), &[frame(KOTAK, 1)]).await.unwrap();
    assert_eq!(quote.omset_bpjs, Rupiah(250_000));
}

#[tokio::test]
async fn nobody_sells_on_a_closed_day() {
    let shop = shop().await;
    sqlx::query("UPDATE open_days SET is_open = false").execute(&shop.db).await.unwrap();
    assert_eq!(conflict(shop.sell(cart(BUDI_UMUM, &[aksesori(1, 1)])).await), "day_closed");
    sqlx::query("UPDATE open_days SET is_open = true, tanggal = tanggal - 1").execute(&shop.db).await.unwrap();
    assert_eq!(conflict(shop.sell(cart(BUDI_UMUM, &[aksesori(1, 1)])).await), "day_closed", "yesterday is not today");
    assert_eq!(shop.sales().await, 0);
}

#[tokio::test]
async fn a_sale_waits_for_a_day_that_is_being_closed() {
    let shop = shop().await;
    let mut closing = shop.db.begin().await.unwrap();
    sqlx::query("UPDATE open_days SET is_open = false").execute(&mut *closing).await.unwrap();
    let mut tries = many(1, |_| (shop.clone(), cart(BUDI_UMUM, &[aksesori(1, 1)])));
    shop.until_waiting(1).await;
    closing.commit().await.unwrap();
    assert_eq!(conflict(tries.remove(0).await.unwrap()), "day_closed");
}

#[tokio::test]
async fn a_branch_sells_its_own_products_to_its_own_patients() {
    let shop = shop().await;
    assert_eq!(invalid(shop.sell(cart(BUDI_UMUM, &[frame(14, 1), frame(KOTAK, 1)])).await), ["Frame:14"]);
    assert_eq!(invalid(shop.sell(cart(PatientId(3), &[frame(KOTAK, 1)])).await), ["pasien_id"]);
    let elsewhere = sql::sell(&shop.db, &shop.made, cart(BUDI_UMUM, &[frame(KOTAK, 1)])).await;
    assert!(matches!(elsewhere, Err(Refusal::NotFound)), "{elsewhere:?}");
    assert_eq!(shop.sales().await, 0);
}

#[tokio::test]
async fn a_down_payment_leaves_a_debt_that_later_payments_settle_once() {
    let shop = shop().await;
    let sale = NewSale { payment: Some(cash(100_000)), ..cart(BUDI_UMUM, &[lensa(1, 1)]) };
    let id = shop.sell(sale).await.unwrap().id;
    let pay = |owed: i64, payment| sql::pay(&shop.db, &shop.rina, id, Rupiah(owed), payment);

    assert_eq!(conflict(pay(90_000, cash(90_001)).await), "too_much");
    pay(90_000, cash(50_000)).await.unwrap();
    assert_eq!(conflict(pay(90_000, cash(40_000)).await), "debt_changed", "the form of before, sent again");
    pay(40_000, Payment { metode: Metode::Qris, jumlah: Rupiah(40_000), diterima: Rupiah::ZERO }).await.unwrap();
    assert_eq!(conflict(pay(0, cash(1)).await), "paid");

    let sale = sql::get(&shop.db, &shop.rina, id).await.unwrap();
    assert_eq!(
        (sale.head.bayar, sale.head.kekurangan, sale.head.status),
        (Rupiah(190_000), Rupiah(0), PaymentStatus::Lunas)
    );
    assert_eq!(sale.payments.iter().map(|paid| paid.jumlah.0).collect::<Vec<_>>(), [100_000, 50_000, 40_000]);
    assert_eq!(
        shop.number("SELECT count(*) FROM notifications WHERE type = 'payment_processed'").await,
        2,
        "the payment that came with the sale is no news"
    );
}

#[tokio::test]
async fn more_than_is_due_is_refused_and_nothing_is_sold() {
    let shop = shop().await;
    let sale = |payment| NewSale { payment: Some(payment), ..cart(BUDI_UMUM, &[lensa(1, 1)]) };
    assert_eq!(invalid(shop.sell(sale(cash(190_001))).await), ["jumlah"]);
    let short = Payment { diterima: Rupiah(150_000), ..cash(190_000) };
    assert_eq!(invalid(shop.sell(sale(short)).await), ["diterima"]);
    assert_eq!(shop.sales().await, 0);
}

#[tokio::test]
async fn work_moves_step_by_step_and_what_is_taken_is_paid() {
    use WorkStatus::*;
    let shop = shop().await;
    let id = shop.sell(cart(BUDI_UMUM, &[lensa(1, 1)])).await.unwrap().id;
    let advance = |from, to| orders::sql::advance(&shop.db, &shop.rina, id, from, to);

    assert_eq!(conflict(advance(Waiting, Ready).await), "status_step");
    advance(Waiting, Doing).await.unwrap();
    assert_eq!(conflict(advance(Waiting, Doing).await), "status_changed", "a colleague was faster");
    advance(Doing, Waiting).await.unwrap();
    advance(Waiting, Doing).await.unwrap();
    advance(Doing, Ready).await.unwrap();
    assert_eq!(shop.number("SELECT count(*) FROM notifications WHERE type = 'ready_for_pickup'").await, 1);

    match advance(Ready, Taken).await {
        Err(Refusal::Conflict { code: "unpaid", message, .. }) => assert!(message.contains("190.000"), "{message}"),
        other => panic!("{other:?}"),
    }
    sql::pay(&shop.db, &shop.rina, id, Rupiah(190_000), cash(190_000)).await.unwrap();
    advance(Ready, Taken).await.unwrap();
    assert_eq!(conflict(advance(Taken, Ready).await), "status_step", "what was handed over stays handed over");
}

#[tokio::test]
async fn another_branchs_sale_is_not_there() {
    let shop = shop().await;
    let id = shop.sell(cart(BUDI_UMUM, &[lensa(1, 1)])).await.unwrap().id;
    let made = &shop.made;
    assert!(matches!(sql::get(&shop.db, made, id).await, Err(Refusal::NotFound)));
    assert!(matches!(sql::pay(&shop.db, made, id, Rupiah(190_000), cash(1)).await, Err(Refusal::NotFound)));
    let moved = orders::sql::advance(&shop.db, made, id, WorkStatus::Waiting, WorkStatus::Doing).await;
    assert!(matches!(moved, Err(Refusal::NotFound)));
    assert!(sql::list(&shop.db, made, &Filter::default()).await.unwrap().0.is_empty());
    assert_eq!(sql::list(&shop.db, &shop.rina, &Filter::default()).await.unwrap().0.len(), 1);
    assert!(matches!(sql::get(&shop.db, &shop.rina, SaleId(99)).await, Err(Refusal::NotFound)));
}

#[tokio::test]
async fn the_list_searches_filters_and_pages() {
    let shop = shop().await;
    for _ in 0..sql::PAGE {
        shop.sell(cart(SITI_BPJS_II, &[lensa(2, 1)])).await.unwrap();
    }
    let budis = shop.sell(NewSale { payment: Some(cash(190_000)), ..cart(BUDI_UMUM, &[lensa(1, 1)]) }).await.unwrap();
    let list = async |filter: Filter| sql::list(&shop.db, &shop.rina, &filter).await.unwrap();
    let found = async |cari: &str| list(Filter { cari: cari.into(), ..Filter::default() }).await.0.len();

    let (first, next) = list(Filter::default()).await;
    assert_eq!((first.len(), first[0].id), (sql::PAGE, budis.id));
    let (second, end) = list(Filter { before: next, ..Filter::default() }).await;
    assert_eq!((second.len(), end), (1, None));
    assert!(first.iter().all(|row| row.id != second[0].id));

    assert_eq!(found("budi").await, 1);
    assert_eq!(found("100%").await, 1, "a percent sign is a percent sign");
    assert_eq!(found("%").await, 1);
    assert_eq!(found(&budis.kode_penjualan.to_lowercase()).await, 1);
    let paid = list(Filter { status: Some(Standing::Lunas), ..Filter::default() }).await.0;
    assert_eq!(paid.iter().map(|row| row.id).collect::<Vec<_>>(), [budis.id]);
    let today =
        sqlx::query_scalar("SELECT tanggal FROM branch_days WHERE branch_id = 1").fetch_one(&shop.db).await.unwrap();
    assert_eq!(list(Filter { dari: Some(today), sampai: Some(today), ..Filter::default() }).await.0.len(), sql::PAGE);
    assert!(list(Filter { sampai: today.previous_day(), ..Filter::default() }).await.0.is_empty());
    let doing = Filter { pengerjaan: Some(WorkStatus::Doing), ..Filter::default() };
    assert!(list(doing).await.0.is_empty());
}

#[tokio::test]
async fn the_picker_finds_names_and_codes_of_the_branch() {
    let shop = shop().await;
    let search = async |cari: &str, jenis| {
        let found = sql::search_products(&shop.db, KEMANG, cari, jenis).await.unwrap();
        found.iter().map(|pick| pick.product.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(search("sendja", None).await, ["Frame:13", "Frame:12"]);
    assert_eq!(search("fr000412", None).await, ["Frame:12"], "the other branch's is not shown");
    assert_eq!(search("kain", Some(ProductType::Aksesoris)).await, ["Aksesoris:1"]);
    assert_eq!(search("_", None).await, Vec::<String>::new());
    assert_eq!(search("", None).await.len(), 5);
}

#[tokio::test]
async fn the_board_shows_what_waits_and_what_was_taken_today() {
    use WorkStatus::*;
    let shop = shop().await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        let sale = NewSale { payment: Some(cash(15_000)), ..cart(BUDI_UMUM, &[aksesori(1, 1)]) };
        orders.push(shop.sell(sale).await.unwrap().id);
    }
    let owing = shop.sell(cart(BUDI_UMUM, &[lensa(1, 1), aksesori(1, 2)])).await.unwrap().id;
    for &id in &orders[1..3] {
        for (from, to) in [(Waiting, Doing), (Doing, Ready), (Ready, Taken)] {
            orders::sql::advance(&shop.db, &shop.rina, id, from, to).await.unwrap();
        }
    }
    sqlx::query("UPDATE penjualans SET diambil_at = now() - interval '30 hours' WHERE id = $1")
        .bind(orders[1])
        .execute(&shop.db)
        .await
        .unwrap();
    sqlx::query("UPDATE penjualans SET created_at = now() - interval '4 days' WHERE id = $1")
        .bind(orders[3])
        .execute(&shop.db)
        .await
        .unwrap();

    let board = async |viewer: &Viewer, shown| {
        let tickets = orders::sql::board(&shop.db, viewer, shown, "").await.unwrap();
        tickets.into_iter().map(|ticket| (ticket.id, ticket.status_pengerjaan, ticket.in_lane)).collect::<Vec<_>>()
    };
    let all = board(&shop.rina, Shown::All).await;
    let lane = |status| all.iter().filter(|t| t.1 == status).map(|t| (t.0, t.2)).collect::<Vec<_>>();
    assert_eq!(lane(Waiting), [(orders[3], 3), (orders[0], 3), (owing, 3)], "who waits longest comes first");
    assert_eq!(lane(Taken), [(orders[2], 1)], "yesterday's is gone");
    assert_eq!(board(&shop.rina, Shown::Unpaid).await, [(owing, Waiting, 1)]);
    assert_eq!(board(&shop.rina, Shown::Old).await, [(orders[3], Waiting, 1)]);
    assert_eq!(board(&shop.made, Shown::All).await, []);
    let cards = orders::sql::board(&shop.db, &shop.rina, Shown::Unpaid, "").await.unwrap();
    assert_eq!(cards[0].isi, "Lentera - Single Vision, Kain lap");
}

#[tokio::test]
async fn patients_are_registered_and_found_in_their_branch() {
    let shop = shop().await;
    let form = PatientForm {
        nama_pasien: "Dewi Kartika".into(),
        no_telepon: "0812-3456 7890".into(),
        service_type: "BPJS III".into(),
        no_bpjs: "0001447822903".into(),
        od_sph: "-2.25".into(),
        od_cyl: "-0.50".into(),
        od_axis: "90".into(),
        os_add: "1.5".into(),
        pd: "62.5".into(),
        ..PatientForm::default()
    };
    let id = patients::sql::add(&shop.db, &shop.rina, KEMANG, &form.read().unwrap()).await.unwrap();
    let dewi = patients::sql::find(&shop.db, KEMANG, id).await.unwrap();
    assert_eq!(dewi.resep.to_string(), "OD −2,25 / −0,50 × 90 · OS 0,00 add +1,50 · PD 62,5");
    assert!(matches!(patients::sql::find(&shop.db, UBUD, id).await, Err(Refusal::NotFound)));

    let search = async |branch, cari: &str| {
        let found = patients::sql::search(&shop.db, branch, cari).await.unwrap();
        found.into_iter().map(|patient| patient.nama_pasien).collect::<Vec<_>>()
    };
    for cari in ["kartika", "dewi kar", "081234567890", "3456 7890", "0001 4478 2290 3"] {
        assert_eq!(search(KEMANG, cari).await, ["Dewi Kartika"], "{cari}");
    }
    assert_eq!(search(KEMANG, "").await, ["Dewi Kartika", "Budi 100%", "Siti Rahmawati"], "the newest first");
    assert_eq!(search(UBUD, "dewi").await, Vec::<String>::new());
}

mod over_http {
    //! The same through the pages: what a browser sends and reads.

    use reqwest::StatusCode;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use crate::common::app::{Person, TestApp};

    async fn send(person: &Person, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = person.post(path).header("accept", "application/json").json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn press(person: &Person, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let answer = person.post(path).header("accept", "application/json").form(form).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    fn a_sale() -> Value {
        json!({
            "client_ref": Uuid::new_v4(), "pasien_id": 1, "metode": "tunai", "jumlah": 465_000, "diterima": 500_000,
            "items": [{ "product_type": "Frame", "product_id": 1, "quantity": 1 }],
        })
    }

    #[tokio::test]
    async fn a_sale_from_quote_to_receipt() {
        let app = TestApp::start().await;
        let rina = app.sign_in("kasir1").await;

        let (status, quote) = send(&rina, "/penjualan/hitung", &a_sale()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            quote,
            json!({
                "lines": [{
                    "product_type": "Frame", "product_id": 1, "nama": "Sendja Oval - Umum", "quantity": 1, "price": 685_000,
                    "price_bpjs": 220_000, "subtotal": 685_000, "naik_kelas": true, "stok": 20,
                }],
                "total": 685_000, "omset_bpjs": 220_000, "omset_umum": 465_000, "transaction_status": "Naik Kelas",
            })
        );

        let sale = a_sale();
        let (status, sold) = send(&rina, "/penjualan", &sale).await;
        assert_eq!(status, StatusCode::CREATED, "{sold}");
        assert_eq!(
            send(&rina, "/penjualan", &sale).await,
            (StatusCode::OK, sold.clone()),
            "sent again, answered again"
        );

        let path = sold["redirect"].as_str().unwrap();
        for path in [path.to_owned(), format!("{path}/struk"), "/penjualan".into(), "/pesanan".into()] {
            let page = rina.page(&path).await;
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            let html = page.text().await.unwrap();
            assert!(
                html.contains("Siti Rahmawati") && html.contains(sold["kode_penjualan"].as_str().unwrap()),
                "{path}"
            );
        }
        let receipt = rina.page(&format!("{path}/struk")).await.text().await.unwrap();
        assert!(receipt.contains("<dt>Kembalian</dt><dd>35.000</dd>"), "{receipt}");

        let made = app.sign_in("kasir2").await;
        for path in [path.to_owned(), format!("{path}/struk")] {
            assert_eq!(made.page(&path).await.status(), StatusCode::NOT_FOUND, "another branch's");
        }
    }

    #[tokio::test]
    async fn refusals_name_what_is_wrong() {
        let app = TestApp::start().await;
        let rina = app.sign_in("kasir1").await;
        let mut sale = a_sale();
        sale["items"][0]["product_id"] = json!(2);
        sale["items"][0]["quantity"] = json!(4);
        let (status, refusal) = send(&rina, "/penjualan", &sale).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(refusal["error"]["code"], "stock");
        assert_eq!(refusal["error"]["fields"], json!({ "Frame:2": "Arunika - BPJS II tinggal 3" }));

        for (field, wrong) in [("pasien_id", json!(null)), ("jumlah", json!(465_001)), ("diterima", json!(1))] {
            let mut sale = a_sale();
            sale[field] = wrong;
            let (status, refusal) = send(&rina, "/penjualan", &sale).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
            assert!(refusal["error"]["fields"][field].is_string(), "{refusal}");
        }
        let (status, refusal) = send(&rina, "/pasien", &json!({ "service_type": "BPJS I" })).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refusal["error"]["fields"]["no_bpjs"].is_string(), "{refusal}");

        let pusat = app.sign_in("pusat").await;
        let (status, refusal) = send(&pusat, "/penjualan", &a_sale()).await;
        assert_eq!((status, &refusal["error"]["code"]), (StatusCode::CONFLICT, &json!("choose_branch")));
    }

    #[tokio::test]
    async fn the_board_says_at_the_card_why_it_stays() {
        let app = TestApp::start().await;
        let rina = app.sign_in("kasir1").await;
        let mut sale = a_sale();
        sale["jumlah"] = json!(0);
        let (_, sold) = send(&rina, "/penjualan", &sale).await;
        let (id, path) = (sold["id"].as_i64().unwrap(), sold["redirect"].as_str().unwrap().to_owned());
        let step = format!("{path}/status");
        for (from, to) in [("Menunggu Pengerjaan", "Sedang Dikerjakan"), ("Sedang Dikerjakan", "Siap Diambil")] {
            let (status, answer) = press(&rina, &step, &[("from", from), ("to", to)]).await;
            assert_eq!((status, answer["ok"].as_bool()), (StatusCode::OK, Some(true)), "{answer}");
        }
        let hand_over = [("from", "Siap Diambil"), ("to", "Sudah Diambil")];
        let (status, refusal) = press(&rina, &step, &hand_over).await;
        assert_eq!((status, &refusal["error"]["code"]), (StatusCode::CONFLICT, &json!("unpaid")));

        // a form of the board, without JavaScript
        let post = rina.post(&step).header("accept", "text/html").header("referer", app.url("/pesanan"));
        let answer = post.form(&hand_over).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let back = answer.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(back, format!("/pesanan?ditolak={id}&sebab=unpaid#pesanan-{id}"));
        let board = rina.page(&back).await.text().await.unwrap();
        assert!(board.contains("Belum bisa diserahkan, masih kurang bayar."));
        assert!(board.contains(&format!(r##"href="{path}#bayar">Lunasi"##)));

        let pay = [("kekurangan", "465000"), ("metode", "qris"), ("jumlah", "465.000"), ("diterima", "")];
        let (status, answer) = press(&rina, &format!("{path}/bayar"), &pay).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let (status, refusal) = press(&rina, &format!("{path}/bayar"), &pay).await;
        assert_eq!((status, &refusal["error"]["code"]), (StatusCode::CONFLICT, &json!("paid")), "sent twice");
        assert_eq!(press(&rina, &step, &hand_over).await.0, StatusCode::OK);
    }
}
