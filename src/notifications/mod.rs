//! What the shop tells its people. Written by the database's triggers and by the nouns; read here.

use serde_json::Value;

use crate::ids::NotificationId;

pub mod pages;
pub mod sql;

/// A notification as a row on screen.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Notice {
    pub id: NotificationId,
    #[sqlx(rename = "type")]
    pub kind: String,
    pub title: String,
    pub message: String,
    pub data: Value,
    pub created_at: time::OffsetDateTime,
    /// `14:05`, `Kemarin 14:05` or `21/11 14:05`, on the reader's clock.
    pub waktu: String,
    pub is_unread: bool,
}

impl Notice {
    pub fn icon(&self) -> &'static str {
        match self.kind.as_str() {
            "stock_alert" => "alert",
            "ready_for_pickup" => "work-taken",
            "new_transaction" => "sale",
            "payment_processed" => "cash",
            "transaction_updated" => "pencil",
            "price_updated" => "tag",
            "day_opened" => "sun",
            "day_closed" => "moon",
            _ => "megaphone",
        }
    }

    pub fn tone(&self) -> &'static str {
        match self.kind.as_str() {
            "stock_alert" => "danger",
            "ready_for_pickup" | "payment_processed" => "success",
            "new_transaction" | "price_updated" | "transaction_updated" => "accent",
            _ => "none",
        }
    }

    /// The page of what it is about.
    pub fn href(&self) -> Option<String> {
        if let Some(id) = self.data.get("transaction_id").and_then(Value::as_i64) {
            return Some(format!("/penjualan/{id}"));
        }
        let jenis = self.data.get("product_type")?.as_str()?.to_lowercase();
        let id = self.data.get("product_id")?.as_i64()?;
        Some(format!("/stok/{jenis}/{id}"))
    }

    /// RFC 3339, for `<time datetime>`.
    pub fn at(&self) -> String {
        self.created_at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
    }
}

/// What the bell shows.
#[derive(Debug, Clone)]
pub struct Inbox {
    pub unread: i64,
    pub latest: Vec<Notice>,
}

impl Inbox {
    pub fn badge(&self) -> String {
        match self.unread {
            count @ ..=99 => count.to_string(),
            _ => "99+".to_owned(),
        }
    }
}
