//! The log of what matters: sign-ins, rights, prices, stock corrections, announcements. Triggers write most of it, whoever
//! changes the data; here is what they cannot know: sign-ins, and where somebody is.

use std::net::IpAddr;

pub mod pages;
pub mod sql;

tokio::task_local! {
    // Only the log asks for it, so it travels beside the handlers instead of through every one of them.
    static ADDRESS: IpAddr;
}

/// What is done in `work` is done from `address`.
pub async fn acting_from<F: Future>(address: IpAddr, work: F) -> F::Output {
    ADDRESS.scope(address, work).await
}

/// Where the request of this task comes from; none where nobody asked (the simulator, the command line).
fn address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}

/// What is recorded; the names are those of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Action {
    SignIn,
    SignInFailed,
    SignOut,
    SessionsEnded,
    PasswordChanged,
    UserAdded,
    UserChanged,
    UserRemoved,
    PriceChanged,
    StockCorrected,
    Announced,
}

impl Action {
    const ALL: [Self; 11] = [
        Self::SignIn,
        Self::SignInFailed,
        Self::SignOut,
        Self::SessionsEnded,
        Self::PasswordChanged,
        Self::UserAdded,
        Self::UserChanged,
        Self::UserRemoved,
        Self::PriceChanged,
        Self::StockCorrected,
        Self::Announced,
    ];

    /// As in addresses: `/audit?jenis=masuk`.
    fn slug(self) -> &'static str {
        match self {
            Self::SignIn => "masuk",
            Self::SignInFailed => "gagal-masuk",
            Self::SignOut => "keluar",
            Self::SessionsEnded => "keluar-semua",
            Self::PasswordChanged => "sandi",
            Self::UserAdded => "akun-baru",
            Self::UserChanged => "hak",
            Self::UserRemoved => "akun-hapus",
            Self::PriceChanged => "harga",
            Self::StockCorrected => "koreksi",
            Self::Announced => "pengumuman",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::SignIn => "Masuk",
            Self::SignInFailed => "Gagal masuk",
            Self::SignOut => "Keluar",
            Self::SessionsEnded => "Keluar di semua perangkat",
            Self::PasswordChanged => "Kata sandi diganti",
            Self::UserAdded => "Akun dibuat",
            Self::UserChanged => "Akun atau hak diubah",
            Self::UserRemoved => "Akun dihapus",
            Self::PriceChanged => "Harga diubah",
            Self::StockCorrected => "Stok dikoreksi",
            Self::Announced => "Pengumuman",
        }
    }
}
