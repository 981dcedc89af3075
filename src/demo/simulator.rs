//! Customers, cashiers and the workshop of the demo. They use the functions that the pages use, so that everything a screen can
//! show happens for the same reasons as in a shop, refusals among them.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::chain::hand_over;
use super::names::{BRANCHES, Life};
use super::sql;
use crate::ids::{BranchId, SaleId};
use crate::money::Rupiah;
use crate::orders::WorkStatus;
use crate::patients::ServiceType;
use crate::refusal::{Outcome, Refusal};
use crate::sales::{self, Item, NewSale, Payment};
use crate::scope::{Role, Viewer};
use crate::stock::{self, ProductRef, ProductType};
use crate::{branches, orders};

/// Of so many events the first ten are sales, the next four looks at the shelf, and the rest steps through the workshop. Each sale
/// needs three of those and sometimes a second payment; the spare ones find nothing to do.
const EVENTS: u32 = 54;
const SALES: u32 = 10;
const SALES_AND_RESTOCKS: u32 = 14;

/// A workshop's benches are never quite empty: an order moves on when more than so many lie before and beside it.
const BENCHES: [(WorkStatus, i64); 3] = [(WorkStatus::Waiting, 8), (WorkStatus::Doing, 6), (WorkStatus::Ready, 12)];
/// Low products an admin lives with; beyond it, or with nothing left at all, they restock.
const LOW_AT_MOST: i64 = 5;

/// After a database error; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A process that was asleep does not make up for it.
const LATE_AT_MOST: Duration = Duration::from_secs(1);

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Sold(SaleId),
    /// The shop said no, for a reason with this code, and somebody saw to it where they could.
    Refused(&'static str),
    Moved(SaleId, WorkStatus),
    Paid(SaleId),
    Restocked(ProductRef),
    DayOpened(BranchId),
    /// Nobody had anything to do.
    Quiet,
}

struct Shop {
    branch: BranchId,
    /// Its part of the chain's customers.
    weight: f64,
    kasir: Vec<Viewer>,
    admins: Vec<Viewer>,
}

pub struct Simulator {
    pool: PgPool,
    rng: StdRng,
    shops: Vec<Shop>,
}

/// Keeps the chain busy until `stop`. Never fails: without a database it waits for one.
pub async fn simulate(pool: PgPool, sales_per_minute: u32, seed: u64, stop: CancellationToken) {
    if sales_per_minute > 0 {
        // A step that is cut off rolls its transaction back.
        stop.run_until_cancelled(run(pool, sales_per_minute, seed)).await;
    }
}

async fn run(pool: PgPool, sales_per_minute: u32, seed: u64) {
    let mut pause = FIRST_PAUSE;
    let mut simulator = loop {
        match Simulator::new(pool.clone(), seed).await {
            Ok(simulator) => break simulator,
            Err(error) => wait_after(&error, &mut pause).await,
        }
    };
    pause = FIRST_PAUSE;
    let events_per_second = f64::from(sales_per_minute) / 60.0 * f64::from(EVENTS) / f64::from(SALES);
    let mut next = Instant::now();
    loop {
        next = (next + simulator.until_next(events_per_second))
            .max(Instant::now().checked_sub(LATE_AT_MOST).unwrap_or_else(Instant::now));
        tokio::time::sleep_until(next).await;
        match simulator.step().await {
            Ok(event) => {
                tracing::debug!(?event, "simulated");
                pause = FIRST_PAUSE;
            }
            Err(error) => wait_after(&error, &mut pause).await,
        }
    }
}

async fn wait_after(error: &sqlx::Error, pause: &mut Duration) {
    tracing::warn!(%error, ?pause, "the simulator waits for the database");
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

impl Simulator {
    /// Finds the demo's busy branches and their people; opens the days that nobody has opened yet.
    pub async fn new(pool: PgPool, seed: u64) -> Result<Self, Arc<sqlx::Error>> {
        let staff = sql::staff(&pool).await?;
        let of = |branch: BranchId, role: Role| -> Vec<Viewer> {
            staff.iter().filter(|v| v.home == Some(branch) && v.role == role).cloned().collect()
        };
        let shops = branches::sql::all(&pool)
            .await?
            .into_iter()
            .filter_map(|branch| {
                let plan = BRANCHES.iter().find(|plan| plan.kode == branch.kode && plan.life == Life::Busy)?;
                let (kasir, admins) = (of(branch.id, Role::Kasir), of(branch.id, Role::Admin));
                // A shop whose last cashier was switched off on the users page is a silent one from the next start on.
                (!kasir.is_empty() && !admins.is_empty()).then_some(Shop {
                    branch: branch.id,
                    weight: plan.daily_sales,
                    kasir,
                    admins,
                })
            })
            .collect();
        let mut simulator = Self { pool, rng: StdRng::seed_from_u64(seed), shops };
        for shop in 0..simulator.shops.len() {
            // what else is refused is seen to when somebody there wants to sell
            if let Err(Refusal::Database(error)) = simulator.begin_day(shop).await {
                return Err(error);
            }
        }
        Ok(simulator)
    }

    /// Events come as customers do, independently: exponential gaps.
    fn until_next(&mut self, events_per_second: f64) -> Duration {
        let gap = -(1.0 - self.rng.random::<f64>()).ln() / events_per_second;
        Duration::from_secs_f64(gap)
    }

    /// One thing happens somewhere. What the shop refuses is an event, too; an error is the database's.
    pub async fn step(&mut self) -> Result<Event, Arc<sqlx::Error>> {
        let Some(shop) = self.somewhere() else { return Ok(Event::Quiet) };
        let happened = match self.rng.random_range(0..EVENTS) {
            0..SALES => self.sell(shop).await,
            SALES..SALES_AND_RESTOCKS => self.restock_what_is_low(shop).await,
            _ => self.move_an_order(shop).await,
        };
        let happened = match happened {
            Err(Refusal::Conflict { code: "day_closed", .. }) => self.begin_day(shop).await,
            other => other,
        };
        match happened {
            Ok(event) => Ok(event),
            Err(Refusal::Database(error)) => Err(error),
            Err(Refusal::Conflict { code, .. }) => Ok(Event::Refused(code)),
            Err(Refusal::Invalid(_)) => Ok(Event::Refused("invalid")),
            Err(Refusal::Forbidden) => Ok(Event::Refused("forbidden")),
            Err(Refusal::SignedOut) => Ok(Event::Refused("signed_out")),
            Err(Refusal::NotFound) => Ok(Event::Refused("not_found")),
        }
    }

    fn somewhere(&mut self) -> Option<usize> {
        let indices: Vec<usize> = (0..self.shops.len()).collect();
        let shops = &self.shops;
        indices.choose_weighted(&mut self.rng, |&i| shops[i].weight).ok().copied()
    }

    fn kasir(&mut self, shop: usize) -> Viewer {
        self.shops[shop].kasir.choose(&mut self.rng).expect("new() keeps no shop without a kasir").clone()
    }

    fn admin(&mut self, shop: usize) -> Viewer {
        self.shops[shop].admins.choose(&mut self.rng).expect("new() keeps no shop without an admin").clone()
    }

    /// Opens a day that nobody has opened, and closes those before it that were left open at midnight. A day that somebody closed
    /// stays closed: whoever tries that in the demo must see it stay.
    async fn begin_day(&mut self, shop: usize) -> Outcome<Event> {
        let branch = self.shops[shop].branch;
        let kasir = self.kasir(shop);
        sql::close_days_gone_by(&self.pool, branch, kasir.id).await?;
        let today = branches::sql::today(&self.pool, branch).await?;
        if today.is_none_or(|today| today.opened_at.is_some()) {
            return Ok(Event::Refused("day_closed"));
        }
        branches::sql::open_day(&self.pool, &kasir, branch).await?;
        Ok(Event::DayOpened(branch))
    }

    async fn sell(&mut self, shop: usize) -> Outcome<Event> {
        let branch = self.shops[shop].branch;
        let Some((pasien_id, service_type)) =
            sql::a_patient(&self.pool, branch, self.rng.random_range(0.0..1.0)).await?
        else {
            return Ok(Event::Quiet);
        };
        let items = self.fill_basket(branch, service_type).await?;
        let due = {
            let mut conn = self.pool.acquire().await?;
            sales::sql::quote(&mut conn, branch, Some(pasien_id), &items).await?.omset_umum
        };
        let sale = NewSale {
            // Not from the seed: after a restart the same seed would repeat it, and the same one again sells nothing.
            client_ref: Uuid::new_v4(),
            branch,
            pasien_id,
            items: items.clone(),
            payment: self.payment_of(due),
            agreed: None,
        };
        let kasir = self.kasir(shop);
        match sales::sql::sell(&self.pool, &kasir, sale).await {
            Ok(sold) => Ok(Event::Sold(sold.id)),
            Err(Refusal::Conflict { code: "stock", fields, .. }) => {
                for item in items.iter().filter(|item| fields.contains_key(&item.product.to_string())) {
                    self.restock(shop, item.product).await?;
                }
                Ok(Event::Refused("stock"))
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Whatever the shelf holds of it: that it may be empty is what the shop finds out.
    async fn fill_basket(&mut self, branch: BranchId, service_type: ServiceType) -> sqlx::Result<Vec<Item>> {
        let (frame, lensa) = match self.rng.random_range(0..100) {
            0..72 => (true, true),
            72..79 => (true, false),
            79..87 => (false, true),
            _ => (false, false),
        };
        let aksesoris = !(frame || lensa) || self.rng.random_bool(0.25);
        let mut items = Vec::with_capacity(3);
        for (wanted, product_type, quantity, pull) in [
            (frame, ProductType::Frame, 1, 1.5),
            (lensa, ProductType::Lensa, 2, 2.4),
            (aksesoris, ProductType::Aksesoris, 1, 1.0),
        ] {
            if !wanted {
                continue;
            }
            let made_for = match product_type {
                // A third of the insured go for a dearer frame: Naik Kelas.
                ProductType::Frame if self.rng.random_bool(0.66) => Some(service_type),
                ProductType::Frame => Some(ServiceType::Umum),
                _ => None,
            };
            // The shelf lies in the order of price; most take something near its cheap end.
            let place = self.rng.random_range(0.0_f64..1.0).powf(pull);
            let found = sql::on_the_shelf(&self.pool, branch, product_type, made_for, place).await?;
            items.extend(found.map(|product| Item { product, quantity }));
        }
        Ok(items)
    }

    /// In full, or a down payment (DP) of about a third.
    fn payment_of(&mut self, due: Rupiah) -> Option<Payment> {
        let jumlah =
            if due.0 >= 200_000 && self.rng.random_bool(0.2) { Rupiah(due.0 / 3 / 10_000 * 10_000) } else { due };
        (jumlah > Rupiah::ZERO).then(|| hand_over(&mut self.rng, jumlah))
    }

    /// The oldest order of the bench that holds most too many moves on; who collects one and owes for it pays first.
    async fn move_an_order(&mut self, shop: usize) -> Outcome<Event> {
        let branch = self.shops[shop].branch;
        let benches = sql::benches(&self.pool, branch).await?;
        let fullest = BENCHES
            .iter()
            .filter_map(|(status, room)| {
                let bench = benches.iter().find(|bench| bench.status == *status)?;
                Some((bench.orders - room, bench))
            })
            .max_by_key(|(excess, _)| *excess);
        let Some((1.., bench)) = fullest else { return Ok(Event::Quiet) };
        let Some(next) = bench.status.next() else { return Ok(Event::Quiet) };
        let kasir = self.kasir(shop);
        if next == WorkStatus::Taken && bench.oldest_owes > Rupiah::ZERO {
            let payment = hand_over(&mut self.rng, bench.oldest_owes);
            sales::sql::pay(&self.pool, &kasir, bench.oldest, bench.oldest_owes, payment).await?;
            return Ok(Event::Paid(bench.oldest));
        }
        orders::sql::advance(&self.pool, &kasir, bench.oldest, bench.status, next).await?;
        Ok(Event::Moved(bench.oldest, next))
    }

    async fn restock_what_is_low(&mut self, shop: usize) -> Outcome<Event> {
        let Some(emptiest) = sql::emptiest(&self.pool, self.shops[shop].branch).await? else {
            return Ok(Event::Quiet);
        };
        if emptiest.stok > 0 && emptiest.low <= LOW_AT_MOST {
            return Ok(Event::Quiet);
        }
        self.restock(shop, emptiest.product).await
    }

    async fn restock(&mut self, shop: usize, product: ProductRef) -> Outcome<Event> {
        let admin = self.admin(shop);
        let quantity = self.rng.random_range(15..30);
        stock::sql::restock(&self.pool, &admin, product, quantity, "Kiriman gudang").await?;
        Ok(Event::Restocked(product))
    }
}
