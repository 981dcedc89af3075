//! The `notifications` stream: a log. Each notification once, in order.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::rfc3339;
use crate::feed::{Change, Table};
use crate::hub::{Message, Topic};
use crate::ids::{BranchId, NotificationId};
use crate::omset::Days;
use crate::scope::{Branches, Role};

/// `body` of a notification's change, as the feed's SQL builds it.
#[derive(Deserialize)]
struct Body<'a> {
    r#type: &'a str,
    title: String,
    message: String,
    #[serde(borrow)]
    data: &'a RawValue,
    audience: Option<Role>,
}

#[derive(Serialize)]
struct Notification<'a> {
    id: NotificationId,
    r#type: &'a str,
    title: &'a str,
    message: &'a str,
    data: &'a RawValue,
    branch_id: Option<BranchId>,
    timestamp: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    snapshot: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It happened just now, or since the client's cursor.
    News,
    /// It stands in the centre; the client starts afresh and has perhaps seen it. Marked, so that no toast is shown.
    Snapshot,
}

fn message(change: &Change, kind: Kind) -> Option<(Option<Role>, Message)> {
    if change.table != Table::Notifications {
        return None;
    }
    let body: Body = match serde_json::from_str(change.body.as_deref()?) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(id = change.id, %error, "a notification cannot be told; see its row in the database");
            return None;
        }
    };
    let notification = Notification {
        id: NotificationId(change.id),
        r#type: body.r#type,
        title: &body.title,
        message: &body.message,
        data: body.data,
        branch_id: change.branch,
        timestamp: rfc3339(change.updated_at),
        snapshot: kind == Kind::Snapshot,
    };
    let json = serde_json::to_vec(&notification).expect("strings and numbers always serialise");
    Some((body.audience, Message { event: "notifications", json: json.into() }))
}

/// Whether this role is told what is meant for `audience`; none means everyone. Super admins see all.
fn is_for(audience: Option<Role>, role: Role) -> bool {
    role == Role::SuperAdmin || audience.is_none_or(|audience| audience == role)
}

/// What somebody of this role missed; the branches are narrowed to theirs already.
pub fn missed<'a>(changes: impl IntoIterator<Item = &'a Change>, role: Role, kind: Kind) -> Vec<Message> {
    let all = changes.into_iter().filter_map(|change| message(change, kind));
    all.filter(|(audience, _)| is_for(*audience, role)).map(|(_, message)| message).collect()
}

/// What a tick says, to whom: the branch it is for (or every branch), and the roles its audience names. Super admins see all,
/// whether they look at one branch or at the chain.
pub fn tick(changes: &[Change], days: &Days) -> Vec<(Topic, Message)> {
    let mut out = Vec::new();
    for change in changes {
        let Some((audience, message)) = message(change, Kind::News) else { continue };
        let branches: Vec<BranchId> =
            change.branch.map_or_else(|| days.keys().copied().collect(), |branch| vec![branch]);
        for branch in branches {
            for role in [Role::Kasir, Role::Admin, Role::SuperAdmin] {
                if is_for(audience, role) {
                    out.push((Topic::Notifications(Branches::One(branch), role), message.clone()));
                }
            }
        }
        out.push((Topic::Notifications(Branches::All, Role::SuperAdmin), message));
    }
    out
}
