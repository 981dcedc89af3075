//! The log of what matters: sign-ins, rights, prices, stock corrections, announcements, refunds. Triggers write most of it, whoever
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
    SignInLimited,
    SignOut,
    SessionsEnded,
    PasswordChanged,
    UserAdded,
    UserChanged,
    UserRemoved,
    PriceChanged,
    StockCorrected,
    Announced,
    ProductAdded,
    ProductChanged,
    ProductRemoved,
    StockImported,
    Opname,
    Transfer,
    BranchAdded,
    BranchChanged,
    PatientChanged,
    Refund,
    StreamCut,
}

impl Action {
    const ALL: [Self; 23] = [
        Self::SignIn,
        Self::SignInFailed,
        Self::SignInLimited,
        Self::SignOut,
        Self::SessionsEnded,
        Self::PasswordChanged,
        Self::UserAdded,
        Self::UserChanged,
        Self::UserRemoved,
        Self::PriceChanged,
        Self::StockCorrected,
        Self::Announced,
        Self::ProductAdded,
        Self::ProductChanged,
        Self::ProductRemoved,
        Self::StockImported,
        Self::Opname,
        Self::Transfer,
        Self::BranchAdded,
        Self::BranchChanged,
        Self::PatientChanged,
        Self::Refund,
        Self::StreamCut,
    ];

    /// As in addresses: `/audit?jenis=masuk`.
    fn slug(self) -> &'static str {
        match self {
            Self::SignIn => "masuk",
            Self::SignInFailed => "gagal-masuk",
            Self::SignInLimited => "dibatasi",
            Self::SignOut => "keluar",
            Self::SessionsEnded => "keluar-semua",
            Self::PasswordChanged => "sandi",
            Self::UserAdded => "akun-baru",
            Self::UserChanged => "hak",
            Self::UserRemoved => "akun-hapus",
            Self::PriceChanged => "harga",
            Self::StockCorrected => "koreksi",
            Self::Announced => "pengumuman",
            Self::ProductAdded => "produk-baru",
            Self::ProductChanged => "produk-ubah",
            Self::ProductRemoved => "produk-hapus",
            Self::StockImported => "impor",
            Self::Opname => "opname",
            Self::Transfer => "transfer",
            Self::StreamCut => "putus",
            Self::BranchAdded => "cabang-baru",
            Self::BranchChanged => "cabang",
            Self::PatientChanged => "pasien",
            Self::Refund => "pembatalan",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::SignIn => "Masuk",
            Self::SignInFailed => "Gagal masuk",
            Self::SignInLimited => "Terlalu banyak percobaan",
            Self::SignOut => "Keluar",
            Self::SessionsEnded => "Keluar di semua perangkat",
            Self::PasswordChanged => "Kata sandi diganti",
            Self::UserAdded => "Akun dibuat",
            Self::UserChanged => "Akun atau hak diubah",
            Self::UserRemoved => "Akun dihapus",
            Self::PriceChanged => "Harga diubah",
            Self::StockCorrected => "Stok dikoreksi",
            Self::Announced => "Pengumuman",
            Self::ProductAdded => "Produk baru",
            Self::ProductChanged => "Produk diubah",
            Self::ProductRemoved => "Produk dihapus",
            Self::StockImported => "Impor stok",
            Self::Opname => "Stok opname",
            Self::Transfer => "Kiriman antar cabang",
            Self::StreamCut => "Sambungan diputus",
            Self::BranchAdded => "Cabang dibuat",
            Self::BranchChanged => "Cabang diubah",
            Self::PatientChanged => "Data pasien diubah",
            Self::Refund => "Penjualan dibatalkan",
        }
    }
}
