//! Sales: what a cart costs, who pays which part of it, and what a payment may be. The rules here are pure; [`sql`] applies
//! them inside the transaction that sells, so that the figures of a quote and of the sale cannot differ.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use uuid::Uuid;

use crate::ids::{BranchId, PatientId, SaleId};
use crate::money::Rupiah;
use crate::patients::ServiceType;
use crate::refusal::{Outcome, Refusal};
use crate::stock::{ProductRef, ProductType};

pub mod pages;
pub mod sql;

/// Lines in one sale. A real cart has under ten; a request with thousands would hold locks on half the shop.
pub const MAX_LINES: usize = 100;
/// Pieces in one line.
pub const MAX_QUANTITY: i32 = 999;

/// A wish: so many of this product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub struct Item {
    #[serde(flatten)]
    pub product: ProductRef,
    pub quantity: i32,
}

#[derive(Debug, Clone)]
pub struct NewSale {
    /// Made by the page that sells: the same one again is the same sale, however often it is sent.
    pub client_ref: Uuid,
    pub branch: BranchId,
    pub pasien_id: PatientId,
    pub items: Vec<Item>,
    /// None: everything is owed.
    pub payment: Option<Payment>,
    /// What the patient was told: another price by now is refused. None: whatever it costs (other programs).
    pub agreed: Option<Agreed>,
}

/// The figures of the quote that was on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub struct Agreed {
    pub total: Rupiah,
    pub omset_umum: Rupiah,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    pub id: SaleId,
    pub kode_penjualan: String,
    /// This `client_ref` had sold before; nothing was sold now.
    pub repeated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    pub metode: Metode,
    pub jumlah: Rupiah,
    /// Cash handed over; what exceeds `jumlah` is the change. Other ways of paying hand over exactly `jumlah`.
    pub diterima: Rupiah,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Metode {
    Tunai,
    Transfer,
    Qris,
}

impl fmt::Display for Metode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tunai => "Tunai",
            Self::Transfer => "Transfer",
            Self::Qris => "QRIS",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::Type)]
#[sqlx(type_name = "text")]
pub enum PaymentStatus {
    Lunas,
    #[serde(rename = "Belum Lunas")]
    #[sqlx(rename = "Belum Lunas")]
    BelumLunas,
}

impl PaymentStatus {
    pub fn of_debt(kekurangan: Rupiah) -> Self {
        if kekurangan == Rupiah::ZERO { Self::Lunas } else { Self::BelumLunas }
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lunas => "Lunas",
            Self::BelumLunas => "Belum Lunas",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, sqlx::Type)]
#[sqlx(type_name = "text")]
pub enum TransactionStatus {
    Normal,
    #[serde(rename = "Naik Kelas")]
    #[sqlx(rename = "Naik Kelas")]
    NaikKelas,
}

impl fmt::Display for TransactionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "Normal",
            Self::NaikKelas => "Naik Kelas",
        })
    }
}

/// A sale is taken back: goods to the shelf, money to the patient.
#[derive(Debug, Clone)]
pub struct Cancellation {
    pub alasan: String,
    /// How the money goes back.
    pub metode: Metode,
    /// What the page said was paid: what came in since then would go back unseen.
    pub bayar: Rupiah,
}

/// How a sale stands, as lists filter by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text")]
pub enum Standing {
    Lunas,
    #[sqlx(rename = "Belum Lunas")]
    BelumLunas,
    Dibatalkan,
}

impl Standing {
    pub const ALL: [Self; 3] = [Self::Lunas, Self::BelumLunas, Self::Dibatalkan];
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lunas => "Lunas",
            Self::BelumLunas => "Belum Lunas",
            Self::Dibatalkan => "Dibatalkan",
        })
    }
}

/// A product as it is priced, with what the shelf holds.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Product {
    #[sqlx(flatten)]
    pub product: ProductRef,
    pub product_name: String,
    /// The price on the label.
    pub price: Rupiah,
    pub stok: i32,
    pub is_custom_order: bool,
    /// Whom a frame is made for; nothing else has it.
    pub service_type: Option<ServiceType>,
}

/// What BPJS pays for a frame of a patient of this class, today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    pub class: ServiceType,
    pub price: Rupiah,
}

/// One line of a quote or a sale.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    #[serde(flatten)]
    pub product: ProductRef,
    pub nama: String,
    pub quantity: i32,
    /// What one costs, whoever pays.
    pub price: Rupiah,
    /// Of which BPJS pays.
    pub price_bpjs: Rupiah,
    pub subtotal: Rupiah,
    pub naik_kelas: bool,
    /// What the shelf holds; none when the product is made to order and the shelf does not matter.
    pub stok: Option<i32>,
}

/// What a cart costs and who pays it: `omset_bpjs + omset_umum = total`, always.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Quote {
    pub lines: Vec<Line>,
    pub total: Rupiah,
    pub omset_bpjs: Rupiah,
    pub omset_umum: Rupiah,
    pub transaction_status: TransactionStatus,
}

/// A cart with one line a product, in the order in which they were picked.
pub fn merge(items: &[Item]) -> Outcome<Vec<Item>> {
    if items.is_empty() {
        return Err(Refusal::invalid("items", "Keranjang masih kosong."));
    }
    if items.len() > MAX_LINES {
        return Err(Refusal::invalid("items", format!("Paling banyak {MAX_LINES} baris dalam satu penjualan.")));
    }
    let mut merged: Vec<Item> = Vec::with_capacity(items.len());
    let mut places: HashMap<ProductRef, usize> = HashMap::new();
    let mut wrong = BTreeMap::new();
    for item in items {
        let place = *places.entry(item.product).or_insert(merged.len());
        match merged.get_mut(place) {
            Some(line) => line.quantity = line.quantity.saturating_add(item.quantity),
            None => merged.push(*item),
        }
        if item.quantity < 1 || merged[place].quantity > MAX_QUANTITY {
            wrong.insert(item.product.to_string(), format!("Jumlah harus 1 sampai {MAX_QUANTITY}."));
        }
    }
    if wrong.is_empty() { Ok(merged) } else { Err(Refusal::Invalid(wrong)) }
}

/// Prices a cart. `coverage` is none for a patient who pays alone. A product that is not among `products` is refused.
pub fn quote(items: &[Item], products: &[Product], coverage: Option<Coverage>) -> Outcome<Quote> {
    let known: HashMap<ProductRef, &Product> = products.iter().map(|product| (product.product, product)).collect();
    let mut lines = Vec::with_capacity(items.len());
    let mut missing = BTreeMap::new();
    for item in items {
        match known.get(&item.product) {
            Some(product) => lines.push(line(product, item.quantity, coverage)),
            None => _ = missing.insert(item.product.to_string(), "Barang ini tidak ada di cabang ini.".to_owned()),
        }
    }
    if !missing.is_empty() {
        return Err(Refusal::Invalid(missing));
    }
    let total = lines.iter().map(|line| line.subtotal).sum();
    let omset_bpjs = lines.iter().map(|line| line.price_bpjs * i64::from(line.quantity)).sum();
    let transaction_status = match lines.iter().any(|line| line.naik_kelas) {
        true => TransactionStatus::NaikKelas,
        false => TransactionStatus::Normal,
    };
    Ok(Quote { lines, total, omset_bpjs, omset_umum: total - omset_bpjs, transaction_status })
}

fn line(product: &Product, quantity: i32, coverage: Option<Coverage>) -> Line {
    let (price, price_bpjs, naik_kelas) = match coverage {
        Some(covered) if product.product.product_type == ProductType::Frame => {
            if product.service_type == Some(covered.class) {
                // a frame of the patient's class costs what BPJS pays, whatever its label says
                (covered.price, covered.price, false)
            } else {
                let extra = (product.price - covered.price).max(Rupiah::ZERO);
                (covered.price + extra, covered.price, true)
            }
        }
        _ => (product.price, Rupiah::ZERO, false),
    };
    Line {
        product: product.product,
        nama: product.product_name.clone(),
        quantity,
        price,
        price_bpjs,
        subtotal: price * i64::from(quantity),
        naik_kelas,
        stok: (!product.is_custom_order).then_some(product.stok),
    }
}

impl Quote {
    /// Refuses a cart that the shelf cannot fill, naming each product and what is left of it.
    pub fn in_stock(&self) -> Outcome<()> {
        let short: BTreeMap<String, String> = self
            .lines
            .iter()
            .filter_map(|line| match line.stok? {
                stok if stok >= line.quantity => None,
                0 => Some((line.product.to_string(), format!("{} sudah habis", line.nama))),
                stok => Some((line.product.to_string(), format!("{} tinggal {stok}", line.nama))),
            })
            .collect();
        if short.is_empty() {
            return Ok(());
        }
        let message = format!("Stok tidak cukup: {}.", short.values().cloned().collect::<Vec<_>>().join(", "));
        Err(Refusal::Conflict { code: "stock", message, fields: short })
    }
}

impl Quote {
    /// Refuses a price that is not the one agreed upon: the patient has heard another, and the kasir has counted the change.
    pub fn as_agreed(&self, agreed: Option<Agreed>) -> Outcome<()> {
        match agreed {
            Some(told) if told.total != self.total => Err(Refusal::conflict(
                "price_changed",
                format!(
                    "Harga baru saja berubah: totalnya sekarang {}, tadi {}. Beri tahu pasien, lalu simpan lagi.",
                    self.total, told.total
                ),
            )),
            Some(told) if told.omset_umum != self.omset_umum => Err(Refusal::conflict(
                "price_changed",
                format!(
                    "Bagian BPJS baru saja berubah: pasien sekarang membayar {}, tadi {}. Beri tahu pasien, lalu simpan lagi.",
                    self.omset_umum, told.omset_umum
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// What is written down of a payment when `due` is asked for; nothing when nothing is paid.
pub fn settle(payment: Option<Payment>, due: Rupiah) -> Outcome<Option<Payment>> {
    let Some(payment) = payment.filter(|payment| payment.jumlah != Rupiah::ZERO) else { return Ok(None) };
    if payment.jumlah < Rupiah::ZERO {
        return Err(Refusal::invalid("jumlah", "Jumlah bayar tidak boleh minus."));
    }
    if payment.jumlah > due {
        return Err(Refusal::invalid("jumlah", format!("Pasien cukup membayar {due}.")));
    }
    match payment.metode {
        Metode::Tunai if payment.diterima < payment.jumlah => {
            let short = payment.jumlah - payment.diterima;
            Err(Refusal::invalid("diterima", format!("Uang diterima masih kurang {short}.")))
        }
        Metode::Tunai => Ok(Some(payment)),
        Metode::Transfer | Metode::Qris => Ok(Some(Payment { diterima: payment.jumlah, ..payment })),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::ProductId;

    fn product(product_type: ProductType, id: i64, price: i64, service_type: Option<ServiceType>) -> Product {
        Product {
            product: ProductRef { product_type, product_id: ProductId(id) },
            product_name: "Sendja".into(),
            price: Rupiah(price),
            stok: 10,
            is_custom_order: false,
            service_type,
        }
    }

    fn one(product: Product, coverage: Option<Coverage>) -> Quote {
        quote(&[Item { product: product.product, quantity: 1 }], &[product], coverage).unwrap()
    }

    const CLASS_II: Option<Coverage> = Some(Coverage { class: ServiceType::BpjsII, price: Rupiah(220_000) });

    /// (total, BPJS, patient, naik kelas)
    fn figures(quote: &Quote) -> (i64, i64, i64, bool) {
        let up = quote.transaction_status == TransactionStatus::NaikKelas;
        (quote.total.0, quote.omset_bpjs.0, quote.omset_umum.0, up)
    }

    #[test]
    fn a_frame_of_the_class_costs_the_class_price() {
        let frame = product(ProductType::Frame, 1, 240_000, Some(ServiceType::BpjsII));
        assert_eq!(figures(&one(frame, CLASS_II)), (220_000, 220_000, 0, false));
    }

    #[test]
    fn another_frame_is_an_upgrade_that_the_patient_pays() {
        let dear = product(ProductType::Frame, 1, 685_000, Some(ServiceType::Umum));
        assert_eq!(figures(&one(dear, CLASS_II)), (685_000, 220_000, 465_000, true));
        let cheap = product(ProductType::Frame, 1, 100_000, Some(ServiceType::BpjsIII));
        assert_eq!(figures(&one(cheap, CLASS_II)), (220_000, 220_000, 0, true));
    }

    #[test]
    fn everything_else_is_the_patients() {
        let frame = product(ProductType::Frame, 1, 220_000, Some(ServiceType::BpjsII));
        assert_eq!(figures(&one(frame, None)), (220_000, 0, 220_000, false));
        let lensa = product(ProductType::Lensa, 1, 190_000, None);
        assert_eq!(figures(&one(lensa, CLASS_II)), (190_000, 0, 190_000, false));
    }

    #[test]
    fn a_shortage_names_the_product_and_what_is_left() {
        let mut frame = product(ProductType::Frame, 12, 1, None);
        frame.stok = 1;
        let items = [Item { product: frame.product, quantity: 2 }];
        match quote(&items, &[frame.clone()], None).unwrap().in_stock() {
            Err(Refusal::Conflict { code: "stock", fields, .. }) => assert_eq!(fields["Frame:12"], "Sendja tinggal 1"),
            other => panic!("{other:?}"),
        }
        frame.is_custom_order = true;
        quote(&items, &[frame], None).unwrap().in_stock().unwrap();
    }

    #[test]
    fn what_was_agreed_is_what_is_charged() {
        let now = one(product(ProductType::Frame, 1, 685_000, Some(ServiceType::Umum)), CLASS_II);
        let agreed = |total, umum| now.as_agreed(Some(Agreed { total: Rupiah(total), omset_umum: Rupiah(umum) }));
        now.as_agreed(None).unwrap();
        agreed(685_000, 465_000).unwrap();
        for (total, umum, says) in [(650_000, 430_000, "Rp\u{a0}685.000"), (685_000, 485_000, "Rp\u{a0}465.000")] {
            match agreed(total, umum) {
                Err(Refusal::Conflict { code: "price_changed", message, .. }) => {
                    assert!(message.contains(says), "{message}")
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn payments_are_what_is_due_or_less() {
        let due = Rupiah(880_000);
        let pay = |metode, jumlah, diterima| {
            settle(Some(Payment { metode, jumlah: Rupiah(jumlah), diterima: Rupiah(diterima) }), due)
        };
        assert_eq!(pay(Metode::Tunai, 880_000, 900_000).unwrap().unwrap().diterima, Rupiah(900_000));
        assert_eq!(pay(Metode::Qris, 80_000, 900_000).unwrap().unwrap().diterima, Rupiah(80_000));
        assert_eq!(pay(Metode::Tunai, 0, 0).unwrap(), None);
        assert!(pay(Metode::Tunai, 880_001, 900_000).is_err());
        assert!(pay(Metode::Tunai, 880_000, 879_999).is_err());
        assert!(pay(Metode::Transfer, -1, 0).is_err());
    }

    fn any_type() -> impl Strategy<Value = ProductType> {
        prop_oneof![Just(ProductType::Frame), Just(ProductType::Lensa), Just(ProductType::Aksesoris)]
    }

    fn any_service() -> impl Strategy<Value = ServiceType> {
        prop_oneof![
            Just(ServiceType::Umum),
            Just(ServiceType::BpjsI),
            Just(ServiceType::BpjsII),
            Just(ServiceType::BpjsIII)
        ]
    }

    proptest! {
        /// What the old app got wrong.
        #[test]
        fn the_parts_always_add_up(
            cart in proptest::collection::vec((any_type(), 0..5_000_000_i64, any_service(), 1..=MAX_QUANTITY), 1..20),
            class in any_service(),
            rate in 0..1_000_000_i64,
        ) {
            let products: Vec<Product> = (1..).zip(&cart)
                .map(|(id, &(kind, price, service, _))| {
                    product(kind, id, price, (kind == ProductType::Frame).then_some(service))
                })
                .collect();
            let items: Vec<Item> = products.iter().zip(&cart)
                .map(|(product, line)| Item { product: product.product, quantity: line.3 })
                .collect();
            let coverage = (class != ServiceType::Umum).then_some(Coverage { class, price: Rupiah(rate) });
            let quote = quote(&items, &products, coverage).unwrap();

            prop_assert_eq!(quote.omset_bpjs + quote.omset_umum, quote.total);
            prop_assert_eq!(quote.lines.iter().map(|line| line.subtotal).sum::<Rupiah>(), quote.total);
            let bpjs = quote.lines.iter().map(|line| line.price_bpjs * i64::from(line.quantity)).sum::<Rupiah>();
            prop_assert_eq!(bpjs, quote.omset_bpjs);
            for (line, product) in quote.lines.iter().zip(&products) {
                prop_assert_eq!(line.price * i64::from(line.quantity), line.subtotal);
                prop_assert!(Rupiah::ZERO <= line.price_bpjs && line.price_bpjs <= line.price);
                // nobody pays more than the dearer of the label and what BPJS pays
                prop_assert!(line.price <= product.price.max(Rupiah(rate)));
                prop_assert!(!line.naik_kelas || product.product.product_type == ProductType::Frame);
            }
            prop_assert!(coverage.is_some() || quote.omset_bpjs == Rupiah::ZERO);
        }

        #[test]
        fn merging_keeps_every_piece(picks in proptest::collection::vec((any_type(), 1..4_i64, 1..=9), 1..=MAX_LINES)) {
            let items: Vec<Item> = picks.iter()
                .map(|&(product_type, id, quantity)| {
                    Item { product: ProductRef { product_type, product_id: ProductId(id) }, quantity }
                })
                .collect();
            let merged = merge(&items).unwrap();
            for item in &merged {
                let asked: i32 = items.iter().filter(|i| i.product == item.product).map(|i| i.quantity).sum();
                prop_assert_eq!(item.quantity, asked);
                prop_assert_eq!(merged.iter().filter(|i| i.product == item.product).count(), 1);
            }
            prop_assert!(items.iter().all(|i| merged.iter().any(|m| m.product == i.product)));
        }
    }

    #[test]
    fn carts_that_cannot_be_meant_are_refused() {
        let item = |quantity| Item {
            product: ProductRef { product_type: ProductType::Frame, product_id: ProductId(1) },
            quantity,
        };
        assert!(merge(&[]).is_err());
        assert!(merge(&[item(0)]).is_err());
        assert!(merge(&[item(5), item(-4)]).is_err());
        assert!(merge(&[item(998), item(2)]).is_err());
        assert!(merge(&[item(1); MAX_LINES + 1]).is_err());
        assert!(merge(&[item(998), item(1)]).is_ok());
    }
}
