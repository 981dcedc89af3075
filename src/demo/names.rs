//! The words that the demo chain is made of. Brands and people are invented; the places are real towns.

/// A branch of the demo chain. Its place in [`BRANCHES`], from 1, is its id and the number in its accounts' addresses.
pub struct BranchPlan {
    pub name: &'static str,
    pub kode: &'static str,
    pub timezone: &'static str,
    pub life: Life,
    /// When the first person unlocks the door, in minutes of the branch's day.
    pub opens_at_minute: u32,
    /// Sales of an average day.
    pub daily_sales: f64,
    pub frames: usize,
    pub lensas: usize,
    pub aksesoris: usize,
    pub patients: usize,
    pub admin: &'static str,
    pub kasir: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Busy,
    /// It sold until yesterday and has not opened today. The simulator leaves it alone, too: the screens must show that
    /// a branch is silent, and somebody trying the demo must be able to open a day themselves.
    Idle,
}

pub const BRANCHES: [BranchPlan; 8] = [
    BranchPlan {
        name: "Kemang",
        kode: "KMG",
        timezone: "Asia/Jakarta",
        life: Life::Busy,
        opens_at_minute: 8 * 60 + 2,
        daily_sales: 41.0,
        frames: 240,
        lensas: 380,
        aksesoris: 60,
        patients: 440,
        admin: "Hendra Saputra",
        kasir: &["Rina Wulandari", "Agus Firmansyah", "Fitriani Lubis"],
    },
    BranchPlan {
        name: "Bandung Dago",
        kode: "BDG",
        timezone: "Asia/Jakarta",
        life: Life::Busy,
        opens_at_minute: 8 * 60 + 1,
        daily_sales: 35.0,
        frames: 220,
        lensas: 340,
        aksesoris: 55,
        patients: 410,
        admin: "Neng Rosmiati",
        kasir: &["Asep Kurniawan", "Dewi Anggraeni"],
    },
    BranchPlan {
        name: "Surabaya Darmo",
        kode: "SBY",
        timezone: "Asia/Jakarta",
        life: Life::Busy,
        opens_at_minute: 8 * 60 + 5,
        daily_sales: 44.0,
        frames: 250,
        lensas: 390,
        aksesoris: 60,
        patients: 450,
        admin: "Wahyu Prasetyo",
        kasir: &["Yuliana Hartono", "Dimas Ardiansyah", "Sri Mulyani"],
    },
    BranchPlan {
        name: "Depok",
        kode: "DPK",
        timezone: "Asia/Jakarta",
        life: Life::Busy,
        opens_at_minute: 8 * 60,
        daily_sales: 33.0,
        frames: 200,
        lensas: 320,
        aksesoris: 50,
        patients: 380,
        admin: "Maya Puspita",
        kasir: &["Rizky Ramadhan", "Nurul Hidayah"],
    },
    BranchPlan {
        name: "Bekasi",
        kode: "BKS",
        timezone: "Asia/Jakarta",
        life: Life::Busy,
        opens_at_minute: 8 * 60 + 4,
        daily_sales: 30.0,
        frames: 190,
        lensas: 310,
        aksesoris: 50,
        patients: 370,
        admin: "Joko Widianto",
        kasir: &["Lina Marlina", "Eko Setiawan"],
    },
    BranchPlan {
        name: "Denpasar",
        kode: "DPS",
        timezone: "Asia/Makassar",
        life: Life::Busy,
        opens_at_minute: 8 * 60 + 2,
        daily_sales: 26.0,
        frames: 180,
        lensas: 300,
        aksesoris: 50,
        patients: 340,
        admin: "Ni Luh Ayu Suryani",
        kasir: &["I Made Wirawan", "Ketut Ariani"],
    },
    BranchPlan {
        name: "Makassar",
        kode: "MKS",
        timezone: "Asia/Makassar",
        life: Life::Busy,
        opens_at_minute: 8 * 60 + 3,
        daily_sales: 24.0,
        frames: 180,
        lensas: 300,
        aksesoris: 50,
        patients: 330,
        admin: "Andi Baso Rahman",
        kasir: &["Nurhayati Daeng", "Syamsul Bahri"],
    },
    BranchPlan {
        name: "Jayapura",
        kode: "JYP",
        timezone: "Asia/Jayapura",
        life: Life::Idle,
        opens_at_minute: 8 * 60 + 10,
        daily_sales: 17.0,
        frames: 160,
        lensas: 260,
        aksesoris: 45,
        patients: 300,
        admin: "Yohana Wambrau",
        kasir: &["Markus Rumbiak", "Ester Kambu"],
    },
];

pub const SUPER_ADMIN: &str = "Lestari Soedibyo";

pub const WOMEN: &[&str] = &[
    "Siti", "Dewi", "Sri", "Nur", "Rina", "Ayu", "Fitri", "Indah", "Lestari", "Wulan", "Ratna", "Yuni", "Maya",
    "Putri", "Dian", "Endang", "Hartini", "Kartika", "Lilis", "Mega", "Nita", "Novi", "Rahma", "Sari", "Tuti", "Umi",
    "Vina", "Wati", "Yanti", "Zahra", "Aisyah", "Bunga", "Citra", "Desi", "Eka", "Farida", "Gita", "Hesti", "Intan",
    "Juwita",
];

pub const MEN: &[&str] = &[
    "Budi", "Agus", "Bambang", "Joko", "Eko", "Hendra", "Dedi", "Andi", "Rudi", "Slamet", "Wahyu", "Yanto", "Ahmad",
    "Muhammad", "Rizky", "Fajar", "Dimas", "Arif", "Bayu", "Candra", "Doni", "Edi", "Ferry", "Gunawan", "Heru",
    "Irfan", "Jaka", "Kurnia", "Lukman", "Made", "Nugroho", "Oki", "Prasetyo", "Rahmat", "Surya", "Taufik", "Usman",
    "Wawan", "Yusuf", "Zainal",
];

/// Family names, and second names that anyone may bear.
pub const SURNAMES: &[&str] = &[
    "Siregar",
    "Nasution",
    "Simanjuntak",
    "Lubis",
    "Harahap",
    "Wijaya",
    "Kusuma",
    "Hidayat",
    "Santoso",
    "Wibowo",
    "Hartono",
    "Gunawan",
    "Tanjung",
    "Pangestu",
    "Salim",
    "Hakim",
    "Iskandar",
    "Halim",
    "Sitompul",
    "Tarigan",
    "Sinaga",
    "Daulay",
    "Matondang",
    "Pane",
    "Latuconsina",
    "Pattimura",
    "Tuhuteru",
    "Manuputty",
    "Rumengan",
    "Mandagi",
];

pub const SURNAMES_OF_WOMEN: &[&str] = &[
    "Rahmawati",
    "Lestari",
    "Utami",
    "Handayani",
    "Anggraini",
    "Puspitasari",
    "Safitri",
    "Wulandari",
    "Yuliani",
    "Hasanah",
    "Rohmah",
    "Maharani",
    "Wahyuni",
    "Kusumawati",
    "Fitriani",
    "Setyowati",
    "Astuti",
    "Oktaviani",
    "Permatasari",
    "Nurjanah",
];

pub const SURNAMES_OF_MEN: &[&str] = &[
    "Sutrisno",
    "Saputra",
    "Nugraha",
    "Permana",
    "Pratama",
    "Susanto",
    "Setiawan",
    "Suryadi",
    "Maulana",
    "Ramadhan",
    "Firmansyah",
    "Kurniawan",
    "Purnomo",
    "Mulyadi",
    "Fauzi",
    "Suhartono",
    "Darmawan",
    "Basuki",
    "Irawan",
    "Hermawan",
];

/// Frame houses: name, and what a plain frame of theirs costs in thousands of rupiah.
pub const FRAME_BRANDS: &[(&str, i64)] = &[
    ("Sendja", 560),
    ("Arunika", 380),
    ("Kirana", 720),
    ("Nusa", 320),
    ("Larasati", 840),
    ("Samudra", 460),
    ("Cempaka", 290),
    ("Bahtera", 510),
    ("Wastra", 640),
    ("Pelita", 250),
];

/// Shapes and lines: name, and its price against a plain one in per cent.
pub const FRAME_LINES: &[(&str, i64)] = &[
    ("Oval", 100),
    ("Kotak", 100),
    ("Bulat", 105),
    ("Klasik", 90),
    ("Tera", 95),
    ("Slim", 125),
    ("Ringan", 140),
    ("Titan", 190),
    ("Pilot", 115),
    ("Anak", 70),
    ("Lipat", 120),
    ("Senja", 110),
];

pub const LENS_BRANDS: &[(&str, i64)] = &[
    ("Lentera", 100),
    ("Bening", 80),
    ("Embun", 95),
    ("Cakra", 130),
    ("Tirta", 110),
    ("Nayana", 160),
    ("Surya Optik", 90),
];

/// What a lens does: name, and the price of a plain one in thousands of rupiah.
pub const LENS_KINDS: &[(&str, i64)] = &[("Single Vision", 130), ("Bifokal", 200), ("Kantor", 290), ("Progresif", 430)];

/// Refractive index and its price in per cent. [`TO_ORDER`] is ground for one patient; nobody keeps it in a drawer.
pub const LENS_INDICES: &[(&str, i64)] = &[("1.50", 80), ("1.56", 100), ("1.60", 140), ("1.67", 190), (TO_ORDER, 280)];
pub const TO_ORDER: &str = "1.74";

/// Coating as it stands in a lens's type, in full, and its price in per cent.
pub const LENS_COATINGS: &[(&str, &str, i64)] = &[
    ("", "Tanpa lapisan", 100),
    (" MC", "Multi coating", 120),
    (" BC", "Blue control", 145),
    (" FC", "Fotokromik", 185),
    (" HL", "Hidro-lipofobik", 160),
];

/// Accessories: name, selling price in thousands of rupiah.
pub const ACCESSORIES: &[(&str, i64)] = &[
    ("Kain lap Sendja", 15),
    ("Kain lap mikrofiber besar", 20),
    ("Kotak kacamata keras", 35),
    ("Kotak kacamata lipat", 45),
    ("Kotak kacamata anak", 30),
    ("Kantong serut beludru", 18),
    ("Cairan pembersih 30 ml", 22),
    ("Cairan pembersih 60 ml", 35),
    ("Cairan pembersih 120 ml", 55),
    ("Tisu lensa isi 30", 25),
    ("Tisu lensa isi 100", 65),
    ("Tali kacamata hitam", 25),
    ("Tali kacamata manik", 40),
    ("Tali kacamata olahraga", 35),
    ("Rantai kacamata Larasati", 75),
    ("Bantalan hidung silikon", 12),
    ("Bantalan hidung tempel", 15),
    ("Pengait telinga silikon", 18),
    ("Obeng mini 3 in 1", 28),
    ("Set sekrup kacamata", 20),
    ("Semprotan anti embun", 48),
    ("Krim anti embun", 42),
    ("Clip-on gelap", 95),
    ("Clip-on polarized", 165),
    ("Kacamata baca +1,00", 85),
    ("Kacamata baca +1,50", 85),
    ("Kacamata baca +2,00", 85),
    ("Kacamata baca +2,50", 85),
    ("Kacamata renang minus", 180),
    ("Kacamata pelindung debu", 60),
    ("Wadah softlens", 15),
    ("Cairan softlens 120 ml", 48),
    ("Cairan softlens 355 ml", 98),
    ("Tetes mata pelembap", 38),
    ("Pinset softlens", 14),
    ("Kaca pembesar saku", 55),
    ("Kaca pembesar baca LED", 135),
    ("Stan kacamata kayu", 110),
    ("Stan kacamata akrilik", 85),
    ("Kotak perjalanan isi 4", 150),
    ("Gantungan kacamata mobil", 32),
    ("Penahan gagang anak", 22),
    ("Masker mata hangat", 68),
    ("Lampu periksa saku", 72),
    ("Kartu uji baca", 10),
];

/// Colours that make a second article of an accessory.
pub const COLOURS: &[&str] = &["hitam", "biru", "merah muda", "cokelat"];
