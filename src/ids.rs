//! Ids that cannot be taken for one another.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, sqlx::Type,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// `branches.id`, a shop of the chain.
    BranchId,
    /// `users.id`.
    UserId,
    /// `pasiens.id`, a patient.
    PatientId,
    /// `penjualans.id`, a sale and the order it makes.
    SaleId,
    /// `stock_alerts.id`.
    AlertId,
    /// `notifications.id`.
    NotificationId,
    /// The id within one of the three product tables; see [`crate::stock::ProductRef`].
    ProductId,
}
