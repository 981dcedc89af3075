//! The `orders` stream: sales on their way through the workshop. It says which have changed; the pages that list them read
//! themselves again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{now, rfc3339};
use crate::feed::{Change, Op, Table};
use crate::hub::{Message, Topic};
use crate::ids::{BranchId, SaleId};
use crate::money::Rupiah;
use crate::scope::Branches;

/// `body` of a sale's change, as the feed's SQL builds it.
#[derive(Deserialize, Serialize)]
struct Body {
    no_transaksi: String,
    /// The work status.
    status: String,
    kekurangan: Rupiah,
}

#[derive(Serialize)]
struct Update {
    id: SaleId,
    branch_id: Option<BranchId>,
    updated_at: String,
    #[serde(flatten)]
    body: Option<Body>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

#[derive(Serialize)]
struct OrderUpdates<'a> {
    timestamp: String,
    total_updates: usize,
    updates: &'a [Update],
}

/// As with products: more in one message would keep a tablet busy.
const ORDERS_A_MESSAGE: usize = 500;

fn update(change: &Change) -> Update {
    let body = change.body.as_deref().and_then(|body| {
        serde_json::from_str(body)
            .inspect_err(|error| tracing::error!(id = change.id, %error, "a sale's row cannot be told in full"))
            .ok()
    });
    Update {
        id: SaleId(change.id),
        branch_id: change.branch,
        updated_at: rfc3339(change.updated_at),
        body,
        deleted: change.op == Op::Gone,
    }
}

/// The changed orders among these; no message if there are none.
pub fn missed<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<Message> {
    let orders = changes.into_iter().filter(|change| change.table == Table::Penjualans);
    let updates: Vec<Update> = orders.map(update).collect();
    updates
        .chunks(ORDERS_A_MESSAGE)
        .map(|updates| OrderUpdates { timestamp: rfc3339(now()), total_updates: updates.len(), updates })
        .map(|message| serde_json::to_vec(&message).expect("strings and numbers always serialise"))
        .map(|json| Message { event: "orders", json: json.into() })
        .collect()
}

/// What a tick says to each branch, and to those who see them all.
pub fn tick(changes: &[Change]) -> Vec<(Topic, Message)> {
    let mut by_branch: BTreeMap<BranchId, Vec<&Change>> = BTreeMap::new();
    for change in changes.iter().filter(|change| change.table == Table::Penjualans) {
        if let Some(branch) = change.branch {
            by_branch.entry(branch).or_default().push(change);
        }
    }
    let mut out = Vec::new();
    for (branch, changes) in by_branch {
        out.extend(missed(changes).into_iter().map(|message| (Topic::Orders(Branches::One(branch)), message)));
    }
    out.extend(missed(changes).into_iter().map(|message| (Topic::Orders(Branches::All), message)));
    out
}
