//! The `stock-updates` stream: products that changed, each in its latest version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::dashboard::totals;
use super::{now, rfc3339};
use crate::feed::{Change, Op, Table};
use crate::hub::{Message, Topic};
use crate::ids::{BranchId, ProductId};
use crate::money::Rupiah;
use crate::omset::{Days, StockTotals};
use crate::scope::Branches;
use crate::stock::alerts::AlertRow;
use crate::stock::{Level, ProductType};

/// More products than this in one message would keep a tablet's main thread busy.
const PRODUCTS_A_MESSAGE: usize = 500;

/// `body` of a product's change, as the feed's SQL builds it.
#[derive(Deserialize)]
struct Body {
    kode: String,
    product_name: String,
    new_stock: i32,
    price: Rupiah,
    alert_level: Level,
    /// The open alert, as `open_alert` in the schema builds it; none unless it is low.
    #[serde(default)]
    alert: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Update<'a> {
    r#type: &'static str,
    product_type: ProductType,
    product_id: ProductId,
    product_name: String,
    new_stock: i32,
    kode: String,
    branch_id: BranchId,
    branch_name: &'a str,
    price: Rupiah,
    updated_at: String,
    alert_level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

#[derive(Serialize)]
struct StockUpdates<'a> {
    timestamp: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
    total_updates: usize,
    low_stock_alerts: usize,
    medium_stock_alerts: usize,
    updates: &'a [&'a Update<'a>],
    summary: Summary,
    totals: StockTotals,
}

#[derive(Default, Serialize)]
struct Summary {
    frames_updated: usize,
    lensas_updated: usize,
    aksesoris_updated: usize,
}

fn product_type(table: Table) -> Option<ProductType> {
    match table {
        Table::Frames => Some(ProductType::Frame),
        Table::Lensas => Some(ProductType::Lensa),
        Table::Aksesoris => Some(ProductType::Aksesoris),
        _ => None,
    }
}

fn update_name(product_type: ProductType) -> &'static str {
    match product_type {
        ProductType::Frame => "frame_stock_update",
        ProductType::Lensa => "lensa_stock_update",
        ProductType::Aksesoris => "aksesoris_stock_update",
    }
}

fn branch_name(days: &Days, branch: BranchId) -> &str {
    days.get(&branch).map_or("", |day| &day.branch_name)
}

fn update<'a>(change: &Change, days: &'a Days) -> Option<Update<'a>> {
    let product_type = product_type(change.table)?;
    let branch_id = change.branch?;
    let body: Body = match serde_json::from_str(change.body.as_deref()?) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(table = ?change.table, id = change.id, %error, "a product's row cannot be told; correct it in the database");
            return None;
        }
    };
    Some(Update {
        r#type: update_name(product_type),
        product_type,
        product_id: ProductId(change.id),
        product_name: body.product_name,
        new_stock: body.new_stock,
        kode: body.kode,
        branch_id,
        branch_name: branch_name(days, branch_id),
        price: body.price,
        updated_at: rfc3339(change.updated_at),
        alert_level: body.alert_level,
        alert: body.alert,
        deleted: change.op == Op::Gone,
    })
}

fn messages(updates: &[&Update], totals: StockTotals, snapshot: bool) -> Vec<Message> {
    let timestamp = rfc3339(now());
    let count =
        |updates: &[&Update], wanted: fn(&Update) -> bool| updates.iter().filter(|update| wanted(update)).count();
    let parts: Vec<&[&Update]> =
        if updates.is_empty() { vec![updates] } else { updates.chunks(PRODUCTS_A_MESSAGE).collect() };
    parts
        .into_iter()
        .map(|part| StockUpdates {
            timestamp: timestamp.clone(),
            snapshot,
            total_updates: part.len(),
            low_stock_alerts: count(part, |update| !update.deleted && update.alert_level == Level::Low),
            medium_stock_alerts: count(part, |update| !update.deleted && update.alert_level == Level::Medium),
            updates: part,
            summary: Summary {
                frames_updated: count(part, |update| update.product_type == ProductType::Frame),
                lensas_updated: count(part, |update| update.product_type == ProductType::Lensa),
                aksesoris_updated: count(part, |update| update.product_type == ProductType::Aksesoris),
            },
            totals,
        })
        .map(|message| serde_json::to_vec(&message).expect("strings and numbers always serialise"))
        .map(|json| Message { event: "stock-updates", json: json.into() })
        .collect()
}

/// What a tick says to each branch, and to those who see them all.
pub fn tick(changes: &[Change], days: &Days) -> Vec<(Topic, Message)> {
    let updates: Vec<Update> = changes.iter().filter_map(|change| update(change, days)).collect();
    let mut scopes: BTreeMap<BranchId, Vec<&Update>> = BTreeMap::new();
    for update in &updates {
        scopes.entry(update.branch_id).or_default().push(update);
    }
    let scopes = scopes.into_iter().map(|(branch, updates)| (Branches::One(branch), updates));
    let everywhere = (!updates.is_empty()).then(|| (Branches::All, updates.iter().collect()));
    let said = |(branches, updates): (Branches, Vec<&Update>)| {
        let messages = messages(&updates, totals(days, branches), false);
        messages.into_iter().map(move |message| (Topic::Stock(branches), message))
    };
    scopes.chain(everywhere).flat_map(said).collect()
}

/// The changes in a scope as messages; none if nothing changed.
pub fn missed(changes: &[&Change], days: &Days, branches: Branches) -> Vec<Message> {
    let updates: Vec<_> = changes.iter().filter_map(|change| update(change, days)).collect();
    if updates.is_empty() {
        Vec::new()
    } else {
        messages(&updates.iter().collect::<Vec<_>>(), totals(days, branches), false)
    }
}

/// The products that are low or medium now: where a client without a cursor starts from. Said also when there are none.
pub fn snapshot(rows: Vec<AlertRow>, days: &Days, branches: Branches) -> Vec<Message> {
    let updates: Vec<_> = rows
        .into_iter()
        .map(|row| Update {
            r#type: update_name(row.product_type),
            product_type: row.product_type,
            product_id: row.product_id,
            product_name: row.product_name,
            new_stock: row.stok,
            kode: row.kode,
            branch_id: row.branch_id,
            branch_name: branch_name(days, row.branch_id),
            price: row.price,
            updated_at: rfc3339(row.updated_at),
            alert_level: row.alert_level,
            alert: row.alert.map(|sqlx::types::Json(alert)| alert),
            deleted: false,
        })
        .collect();
    messages(&updates.iter().collect::<Vec<_>>(), totals(days, branches), true)
}
