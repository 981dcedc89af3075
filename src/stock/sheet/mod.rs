//! Products as a sheet for a spreadsheet program: out, and in again. What goes out and comes back untouched changes nothing.
//!
//! Coming in, a sheet is first only read: [`plan`] says what it would change and what is wrong with it, line by line. The
//! stock is judged against `stok_saat_ekspor`, what the books said when the sheet went out, so that what was sold while
//! somebody edited it stays sold.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::ProductType;
use super::catalog::{Column, Details, MOST, Shelved, amount};
use crate::ids::BranchId;

pub mod sql;

/// Some 15 000 products. The whole request may be a little larger (web/limits.rs).
pub const LARGEST_BYTES: usize = 1_900_000;
const MOST_LINES: usize = 20_000;
/// So many are named; who has more begins anew anyway.
const MOST_PROBLEMS: usize = 200;

const STOK: &str = "stok";
const STOK_WHEN_EXPORTED: &str = "stok_saat_ekspor";

/// Why stock moves with a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Reason {
    Koreksi,
    Restok,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Koreksi => "koreksi",
            Self::Restok => "restok",
        }
    }
}

/// Something that must be put right in the sheet before any of it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// As the spreadsheet counts, from 1.
    pub line: u64,
    pub message: String,
}

/// A product that would be added, or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub line: u64,
    pub was: Option<Shelved>,
    pub now: Details,
    pub delta: i32,
}

impl Change {
    pub fn stok(&self) -> i32 {
        self.was.as_ref().map_or(0, |was| was.stok) + self.delta
    }
}

#[derive(Debug, Default)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub problems: Vec<Problem>,
    pub unchanged: usize,
}

impl Plan {
    pub fn added(&self) -> usize {
        self.changes.iter().filter(|change| change.was.is_none()).count()
    }

    pub fn changed(&self) -> usize {
        self.changes.len() - self.added()
    }

    /// What two plans that do the same have in common: what somebody agreed to is what is done.
    pub fn mark(&self) -> String {
        let mut hasher = DefaultHasher::new();
        for Change { was, now, delta, .. } in &self.changes {
            (was.as_ref().map(|was| (was.id, &was.details)), now, delta).hash(&mut hasher);
        }
        format!("{:x}", hasher.finish())
    }

    fn problem(&mut self, line: u64, message: impl Into<String>) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem { line, message: message.into() });
        }
    }
}

/// The bytes of a file as text, or why they are none.
pub fn text_of(bytes: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    let text = text.ok_or("Berkas ini bukan CSV berbentuk UTF-8. Di Excel pilih Simpan Sebagai, lalu “CSV UTF-8”.")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() { Err("Berkas ini kosong.") } else { Ok(text) }
}

/// What crate::csv does to a cell that looks like a formula, [`plan`] undoes.
pub fn export(product_type: ProductType, shelf: &[Shelved]) -> Vec<u8> {
    let columns = Column::of(product_type);
    let mut sheet = crate::csv::BOM.to_owned();
    let head = columns.iter().map(|column| column.name(product_type)).chain([STOK, STOK_WHEN_EXPORTED]);
    crate::csv::line(&mut sheet, head);
    for Shelved { details, stok, .. } in shelf {
        let cells = columns.iter().map(|column| details.text(*column)).chain([stok.to_string(), stok.to_string()]);
        crate::csv::line(&mut sheet, cells);
    }
    sheet.into_bytes()
}

/// What a cell of the sheet is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Of(Column),
    Stok,
    StokWhenExported,
    /// A column without a name, as spreadsheets leave them at the right.
    Nothing,
}

/// What `text` would do to this inventory.
pub fn plan(product_type: ProductType, reason: Reason, text: &str, shelf: &[Shelved]) -> Plan {
    let mut plan = Plan::default();
    // Excel's own way to name the delimiter, a line of its own before the head
    let (skipped, delimiter, text) = match text.split_once('\n') {
        Some((first, rest)) if first.trim_end().len() == 5 && first.starts_with("sep=") => {
            (1, first.as_bytes()[4], rest)
        }
        _ => (0, delimiter_of(text), text),
    };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut head: Option<Vec<Cell>> = None;
    let known = Known::of(shelf);
    let mut seen: HashMap<Identity, u64> = HashMap::new();
    let mut lines = 0;
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                let line = error.position().map_or(1, |at| at.line()) + skipped;
                plan.problem(line, "Baris ini tidak terbaca. Periksa tanda kutipnya.");
                break;
            }
        }
        let line = record.position().map_or(1, |at| at.line()) + skipped;
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let Some(cells) = &head else {
            match read_head(product_type, &record) {
                Ok(cells) => head = Some(cells),
                Err(message) => {
                    plan.problem(line, message);
                    return plan;
                }
            }
            continue;
        };
        let record: csv::StringRecord = record.iter().map(crate::csv::unguard).collect();
        lines += 1;
        if lines > MOST_LINES {
            plan.problem(line, "Paling banyak 20.000 baris sekali impor. Bagi menjadi beberapa berkas.");
            break;
        }
        let row = Row { product_type, reason, cells, record: &record };
        let known_as = row.known_as(&known);
        if let Some(first) = seen.insert(known_as.clone(), line)
            && known_as != Identity::Nameless
        {
            plan.problem(line, format!("Kode {} sudah ada di baris {first}. Sisakan satu.", row.code()));
            continue;
        }
        match row.read(known_as, shelf) {
            Ok((was, now, delta)) => {
                if was.is_some_and(|was| was.details == now) && delta == 0 {
                    plan.unchanged += 1;
                } else {
                    plan.changes.push(Change { line, was: was.cloned(), now, delta });
                }
            }
            Err(messages) => messages.into_iter().for_each(|message| plan.problem(line, message)),
        }
    }
    if head.is_none() && plan.problems.is_empty() {
        plan.problem(1, "Berkas ini kosong.");
    }
    plan
}

/// Of the first line, outside of quotes, whichever occurs most. A sheet of one column has none.
fn delimiter_of(text: &str) -> u8 {
    let mut counts = [(b';', 0), (b',', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for byte in text.bytes() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => break,
            _ if !is_quoted => counts.iter_mut().filter(|(one, _)| *one == byte).for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b';', |(delimiter, _)| delimiter)
}

fn read_head(product_type: ProductType, record: &csv::StringRecord) -> Result<Vec<Cell>, String> {
    let columns = Column::of(product_type);
    let mut cells = Vec::new();
    for name in record {
        let name = name.trim().to_lowercase().replace(' ', "_");
        let cell = match name.as_str() {
            "" => Cell::Nothing,
            STOK => Cell::Stok,
            STOK_WHEN_EXPORTED => Cell::StokWhenExported,
            name => match columns.iter().find(|column| column.name(product_type) == name) {
                Some(column) => Cell::Of(*column),
                None => {
                    let known: Vec<&str> = columns.iter().map(|column| column.name(product_type)).collect();
                    let name: String = name.chars().take(40).collect();
                    return Err(format!(
                        "Kolom “{name}” tidak dikenal. Judul kolom {}: {}, {STOK}, {STOK_WHEN_EXPORTED}.",
                        product_type.slug(),
                        known.join(", ")
                    ));
                }
            },
        };
        if cell != Cell::Nothing && cells.contains(&cell) {
            return Err(format!("Kolom “{name}” ada dua kali. Hapus salah satu."));
        }
        cells.push(cell);
    }
    if !cells.contains(&Cell::Of(Column::Kode)) {
        return Err("Kolom “kode” tidak ada. Unduh ekspor sebagai contoh, lalu isi di situ.".to_owned());
    }
    Ok(cells)
}

/// Which product a line means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Identity {
    Known(usize),
    /// By its code, in one case of letters.
    New(String),
    /// A new accessory: its code is still to be made.
    Nameless,
}

/// Products by their code: as it is written, or in another case where only one fits.
struct Known<'a> {
    exact: HashMap<&'a str, usize>,
    folded: HashMap<String, Option<usize>>,
}

impl<'a> Known<'a> {
    fn of(shelf: &'a [Shelved]) -> Self {
        let mut folded: HashMap<String, Option<usize>> = HashMap::new();
        for (at, product) in shelf.iter().enumerate() {
            folded.entry(fold(&product.details.kode)).and_modify(|one| *one = None).or_insert(Some(at));
        }
        Self { exact: shelf.iter().enumerate().map(|(at, one)| (one.details.kode.as_str(), at)).collect(), folded }
    }

    fn find(&self, code: &str) -> Option<usize> {
        let exact = self.exact.get(code).or_else(|| self.exact.get(code.trim()));
        exact.copied().or_else(|| self.folded.get(&fold(code)).copied().flatten())
    }
}

fn fold(code: &str) -> String {
    code.trim().to_uppercase()
}

struct Row<'a> {
    product_type: ProductType,
    reason: Reason,
    cells: &'a [Cell],
    record: &'a csv::StringRecord,
}

impl Row<'_> {
    fn cell(&self, wanted: Cell) -> Option<&str> {
        let at = self.cells.iter().position(|cell| *cell == wanted)?;
        self.record.get(at)
    }

    fn code(&self) -> &str {
        self.cell(Cell::Of(Column::Kode)).unwrap_or_default()
    }

    fn known_as(&self, known: &Known<'_>) -> Identity {
        let code = self.code();
        match known.find(code) {
            Some(at) => Identity::Known(at),
            None if code.trim().is_empty() => Identity::Nameless,
            None => Identity::New(fold(code)),
        }
    }

    fn read<'s>(
        &self,
        known_as: Identity,
        shelf: &'s [Shelved],
    ) -> Result<(Option<&'s Shelved>, Details, i32), Vec<String>> {
        let mut wrong = Vec::new();
        if self.record.iter().skip(self.cells.len()).any(|cell| !cell.trim().is_empty()) {
            wrong.push("Baris ini punya lebih banyak kolom daripada judulnya. Apit isi yang memuat pemisah dengan tanda kutip.".to_owned());
        }
        let was = match known_as {
            Identity::Known(at) => shelf.get(at),
            Identity::New(_) | Identity::Nameless => None,
        };
        let mut now = was.map_or_else(|| Details::new(self.product_type), |was| was.details.clone());
        for column in Column::of(self.product_type) {
            let Some(text) = self.cell(Cell::Of(*column)) else { continue };
            let is_as_it_was = was.is_some_and(|was| *column == Column::Kode || was.details.text(*column) == text);
            let is_left_out =
                text.trim().is_empty() && (column.may_be_left_empty() || (was.is_none() && *column == Column::Kode));
            if is_as_it_was || is_left_out {
                continue;
            }
            if let Err(message) = now.set(self.product_type, *column, text) {
                wrong.push(message);
            }
        }
        if was.is_none() && wrong.is_empty() {
            wrong.extend(now.missing(self.product_type).into_iter().map(|(_, message)| message));
        }
        let delta = self.delta(was).unwrap_or_else(|message| {
            wrong.push(message);
            0
        });
        if wrong.is_empty() { Ok((was, now, delta)) } else { Err(wrong) }
    }

    /// How the stock would move.
    fn delta(&self, was: Option<&Shelved>) -> Result<i32, String> {
        let number = |cell| match self.cell(cell).map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => amount("stok", text).map(Some),
        };
        let here = was.map_or(0, |was| was.stok);
        let Some(stok) = number(Cell::Stok)? else { return Ok(0) };
        let base = match was {
            Some(_) => number(Cell::StokWhenExported)?.unwrap_or(here),
            None => 0,
        };
        let delta = stok - base;
        if self.reason == Reason::Restok && delta < 0 {
            return Err(format!(
                "Stok turun dari {base} menjadi {stok}, padahal alasannya restok. Pilih koreksi, atau perbaiki angkanya."
            ));
        }
        if !(0..=MOST).contains(&(here + delta)) {
            return Err(format!(
                "Stok sekarang {here}; berubah {delta} menjadi di luar 0 sampai 100.000. Hitung lagi."
            ));
        }
        Ok(delta)
    }
}

/// A sheet that was sent in, and is looked at before it is taken.
#[derive(Debug, sqlx::FromRow)]
pub struct Import {
    pub id: i64,
    pub branch_id: BranchId,
    pub product_type: ProductType,
    pub reason: Reason,
    pub file_name: String,
    pub body: String,
    pub is_applied: bool,
    pub added: i32,
    pub changed: i32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::ProductId;
    use crate::money::Rupiah;

    fn oval() -> Shelved {
        let details = Details {
            kode: "FR000412".into(),
            nama: "Sendja Oval".into(),
            jenis: "Umum".into(),
            harga_beli: Rupiah(300_000),
            harga_jual: Rupiah(685_000),
            stok_minimum: 5,
            ..Details::default()
        };
        Shelved { id: ProductId(1), details, stok: 12 }
    }

    fn plan_of(text: &str) -> Plan {
        plan(ProductType::Frame, Reason::Koreksi, text, &[oval()])
    }

    fn problems(text: &str) -> Vec<(u64, String)> {
        plan_of(text).problems.into_iter().map(|problem| (problem.line, problem.message)).collect()
    }

    /// Names as only other programs write them, too: with line breaks, quotes, formulas, spaces at the ends.
    fn odd() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ -~]{0,12}",
            "['=+@\\-\t\r\n\";,]{0,6}[a-z ]{0,4}",
            any::<String>().prop_map(|text| text.replace('\0', "")),
        ]
    }

    fn shelf() -> impl Strategy<Value = (ProductType, Vec<Shelved>)> {
        let product = (odd(), odd(), odd(), odd(), odd(), any::<(u32, u32, bool)>(), (0..4_usize, 0..MOST, 0..MOST));
        (prop::sample::select(ProductType::ALL.to_vec()), prop::collection::vec(product, 0..8)).prop_map(
            |(product_type, products)| {
                let frame = product_type == ProductType::Frame;
                let lensa = product_type == ProductType::Lensa;
                let only = |when: bool, text: String| if when { text } else { String::new() };
                let shelved =
                    products.into_iter().enumerate().map(|(at, (kode, nama, tipe, indeks, coating, prices, rest))| {
                        let details = Details {
                            // of one branch, codes differ; here by their ends
                            kode: if product_type == ProductType::Aksesoris {
                                format!("AKS-{at:06}")
                            } else {
                                format!("{kode}{at}")
                            },
                            nama,
                            jenis: only(frame, crate::stock::catalog::FRAME_CLASSES[rest.0].to_owned()),
                            tipe: only(lensa, tipe),
                            indeks: only(lensa, indeks),
                            coating: only(lensa, coating),
                            harga_beli: Rupiah(prices.0.into()),
                            harga_jual: Rupiah(prices.1.into()),
                            stok_minimum: rest.1,
                            is_custom_order: lensa && prices.2,
                        };
                        Shelved { id: ProductId(at as i64), details, stok: rest.2 }
                    });
                (product_type, shelved.collect())
            },
        )
    }

    proptest! {
        #[test]
        fn what_goes_out_and_comes_back_changes_nothing((product_type, shelf) in shelf()) {
            let bytes = export(product_type, &shelf);
            let plan = plan(product_type, Reason::Koreksi, text_of(&bytes).unwrap(), &shelf);
            prop_assert_eq!(plan.problems, vec![]);
            prop_assert_eq!(plan.changes, vec![]);
            prop_assert_eq!(plan.unchanged, shelf.len());
        }

        #[test]
        fn no_cell_that_goes_out_is_a_formula((product_type, shelf) in shelf()) {
            let bytes = export(product_type, &shelf);
            let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(&bytes[3..]);
            for record in reader.records() {
                for cell in &record.unwrap() {
                    prop_assert!(!cell.trim_start().starts_with(['=', '+', '@', '＝', '＋', '－', '＠']), "{cell:?}");
                }
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "(kode|merk|stok|harga_jual|[;,\n\"' =]|[0-9]{1,12}|.){0,60}", bytes: Vec<u8>) {
            for product_type in ProductType::ALL {
                plan(product_type, Reason::Restok, &text, &[oval()]);
            }
            let _ = text_of(&bytes);
        }
    }

    #[test]
    fn each_delimiter_line_end_and_head_is_understood() {
        for text in [
            "kode;merk;harga_jual;stok\r\nFR000412;Sendja Bulat;700.000;12\r\n",
            "kode,merk,harga_jual,stok\nfr000412 ,Sendja Bulat,\"700.000\",12\n",
            "sep=;\r\nKode;MERK;Harga Jual;stok\r\nFR000412;Sendja Bulat;Rp 700.000,00;\r\n;;;\r\n",
            "stok\tkode\tmerk\tharga_jual\n12\tFR000412\tSendja Bulat\t700000",
        ] {
            let plan = plan_of(text);
            assert_eq!(plan.problems, [], "{text}");
            let [change] = &plan.changes[..] else { panic!("{text}: {:?}", plan.changes) };
            assert_eq!(
                (change.now.nama.as_str(), change.now.harga_jual, change.delta),
                ("Sendja Bulat", Rupiah(700_000), 0),
                "{text}"
            );
            assert_eq!(change.now.harga_beli, Rupiah(300_000), "a column that is not there stays");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let found = problems(
            "kode;merk;harga_jual;stok\nFR000412;;1.5;-3\nFR9;Baru;;\nFR9;Baru;1.000;1\n\"a\nb\";Baru;1.000;1\nFR8;Baru;1.000;1;x\n",
        );
        let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 2, 2, 3, 4, 5, 7], "{found:?}");
        assert!(found[3].1.contains("harga jual") && found[4].1.contains("baris 3"), "{found:?}");
        assert!(problems("merk;stok\nA;1")[0].1.contains("kode"));
        assert!(problems("kode;harga\nA;1")[0].1.contains("“harga”"));
        assert!(problems("kode;stok;stok\nA;1;1")[0].1.contains("dua kali"));
        assert!(!problems("").is_empty());
    }

    #[test]
    fn what_was_sold_while_the_sheet_was_out_stays_sold() {
        let sheet = "kode;stok;stok_saat_ekspor\nFR000412;18;15\n";
        let [change] = &plan_of(sheet).changes[..] else { panic!("one change") };
        assert_eq!((change.delta, change.stok()), (3, 15), "three were found; since the export three were sold");
        let plan = plan(ProductType::Frame, Reason::Restok, "kode;stok\nFR000412;5\n", &[oval()]);
        assert!(plan.problems[0].message.contains("restok"), "a delivery takes nothing away");
    }
}
