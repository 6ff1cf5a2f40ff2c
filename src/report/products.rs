//! Products, as `products list` and `products show` tell them: a SKU as the source wants it and in every shop.

use jiff::Timestamp;
use serde::Serialize;

use super::runs::ComplaintView;
use crate::{
    config::Config,
    domain::{Complaint, Field, JobKind, Listing, Price, Remembered, ShopId, Sku, Values, Variant},
    store::{StoreError, StoredListing, Tx},
};

/// `products list --json`.
#[derive(Debug, Serialize)]
pub struct ProductList {
    /// In order of id.
    pub products: Vec<ProductView>,
}

/// `products list --unmatched --json`.
#[derive(Debug, Serialize)]
pub struct Unmatched {
    /// Unknown to the source, doubled in the shop, or ambiguous by barcode.
    pub unmatched: Vec<ComplaintView>,
}

/// A product with its variants.
#[derive(Debug, Serialize)]
pub struct ProductView {
    /// The source's id.
    pub id: String,
    /// The title.
    pub title: String,
    /// Its SKUs.
    pub variants: Vec<VariantView>,
}

/// One SKU as the source has it.
#[derive(Debug, Serialize)]
pub struct VariantView {
    /// The SKU.
    pub sku: Sku,
    /// GTIN, EAN or UPC.
    pub barcode: Option<String>,
    /// The source's own price, as text.
    pub price: Option<String>,
    /// Its currency.
    pub currency: Option<String>,
    /// Pieces.
    pub stock: Option<i64>,
    /// Options in order.
    pub options: Vec<(String, String)>,
}

/// `products show --json`.
#[derive(Debug, Serialize)]
pub struct ProductShow {
    /// The SKU.
    pub sku: Sku,
    /// The title.
    pub title: Option<String>,
    /// As the source has it; null where it dropped or never had it.
    pub wanted: Option<VariantView>,
    /// In every shop but the source.
    pub shops: Vec<InShop>,
    /// What stands against it anywhere, also in the source's own file or shop.
    pub complaints: Vec<ComplaintView>,
}

/// How a SKU stands in one shop.
#[derive(Debug, Serialize)]
pub struct InShop {
    /// The shop.
    pub shop: ShopId,
    /// The shop's own SKU, where it is another one: the two were matched by barcode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop_sku: Option<Sku>,
    /// As last seen.
    pub seen: Option<SeenView>,
    /// As the source wants it there, by the shop's rules.
    pub wanted: Option<WantedView>,
    /// The fields that differ.
    pub differs: Vec<Field>,
    /// The fields that the shop does not show as they were sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remembered: Vec<RememberedView>,
    /// What the shop said against it.
    pub complaint: Option<ComplaintView>,
}

/// How a field stands that the shop does not show as it was sent.
#[derive(Debug, Serialize)]
pub struct RememberedView {
    /// The field.
    pub field: Field,
    /// `sent`, `to_be_sent` or `refused`.
    pub state: &'static str,
    /// When the shop last accepted it, what is wanted or something else.
    pub accepted_at: Option<Timestamp>,
}

impl RememberedView {
    /// `None`: nothing is wanted of it.
    fn new(remembered: Remembered) -> Option<Self> {
        let state = match &remembered {
            Remembered { wanted: None, .. } => return None,
            one if one.is_refused() => "refused",
            one if one.differs() => "to_be_sent",
            _ => "sent",
        };
        let Remembered { field, accepted, .. } = remembered;
        Some(Self { field, state, accepted_at: accepted.map(|(_, at)| at) })
    }
}

/// A listing as last seen.
#[derive(Debug, Serialize)]
pub struct SeenView {
    /// Price as text.
    pub price: Option<String>,
    /// Its currency.
    pub currency: Option<String>,
    /// Pieces on sale.
    pub stock: Option<i64>,
    /// `active`, `inactive`, `blocked` or `gone`.
    pub status: &'static str,
}

/// What the source wants a listing to be, in the shape in which it was seen.
#[derive(Debug, Default, Serialize)]
pub struct WantedView {
    /// Price as text.
    pub price: Option<String>,
    /// Its currency.
    pub currency: Option<String>,
    /// Pieces on sale.
    pub stock: Option<i64>,
    /// What else is wanted, where the shop's rules choose more fields.
    #[serde(flatten)]
    pub others: Values,
}

impl VariantView {
    fn new(variant: Variant) -> Self {
        let price = variant.prices.first().copied();
        Self {
            sku: variant.sku,
            barcode: variant.barcode,
            price: price.map(|price| price.written()),
            currency: price.map(|price| price.currency.to_string()),
            stock: variant.stock,
            options: variant.options,
        }
    }
}

impl SeenView {
    fn new(listing: &Listing, gone: bool) -> Self {
        let price = listing.prices.first();
        Self {
            price: price.map(Price::written),
            currency: price.map(|price| price.currency.to_string()),
            stock: listing.stock,
            status: if gone { "gone" } else { listing.status.as_str() },
        }
    }
}

impl WantedView {
    fn new(wanted: Values) -> Self {
        Self {
            price: wanted.price.map(|price| price.written()),
            currency: wanted.price.map(|price| price.currency.to_string()),
            stock: wanted.stock,
            others: Values { price: None, stock: None, ..wanted },
        }
    }
}

/// The source's products, at most `limit` variants from the one after `after`.
pub async fn products(tx: &mut Tx, after: Option<&Sku>, limit: u32) -> Result<ProductList, StoreError> {
    let mut products: Vec<ProductView> = Vec::new();
    for stored in tx.variants(after, limit).await? {
        let variant = VariantView::new(stored.variant);
        match products.last_mut().filter(|product| product.id == stored.product.id) {
            Some(product) => product.variants.push(variant),
            None => products.push(ProductView {
                id: stored.product.id,
                title: stored.product.title,
                variants: vec![variant],
            }),
        }
    }
    Ok(ProductList { products })
}

/// What keeps listings from standing for one SKU of the source each, in order of shop and SKU.
pub async fn unmatched(tx: &mut Tx) -> Result<Unmatched, StoreError> {
    let standing = tx.complaints_coded(&Complaint::UNMATCHED).await?;
    Ok(Unmatched { unmatched: standing.into_iter().map(ComplaintView::new).collect() })
}

/// A SKU as the source wants it and in every shop. `None`: nobody knows it.
pub async fn product_show(tx: &mut Tx, config: &Config, sku: &Sku) -> Result<Option<ProductShow>, StoreError> {
    let variant = tx.variant(sku).await?;
    let listings = tx.listings_by_sku(sku).await?;
    let complaints: Vec<ComplaintView> =
        tx.complaints_about(sku.as_str()).await?.into_iter().map(ComplaintView::new).collect();
    if variant.is_none() && listings.is_empty() && complaints.is_empty() {
        return Ok(None);
    }
    let title = variant.as_ref().map(|stored| stored.product.title.clone());
    let mut remembered = tx.remembered_by_sku(sku).await?;
    let mut shops = Vec::new();
    for (shop, stored) in listings {
        if config.product_source.as_ref() != Some(&shop) {
            let of_shop = || complaints.iter().filter(|complaint| complaint.shop == shop);
            // What keeps the SKU from being as it is wanted, before what is worth knowing of it.
            let complaint = of_shop().find(|it| it.job == JobKind::ProductExport).or_else(|| of_shop().next()).cloned();
            let remembered = remembered.remove(&shop).unwrap_or_default();
            let remembered = remembered.into_iter().filter_map(RememberedView::new).collect();
            shops.push(InShop { remembered, ..in_shop(config, shop, stored, complaint) });
        }
    }
    let wanted = variant.filter(|stored| !stored.gone).map(|stored| VariantView::new(stored.variant));
    Ok(Some(ProductShow { sku: sku.clone(), title, wanted, shops, complaints }))
}

fn in_shop(config: &Config, shop: ShopId, stored: StoredListing, complaint: Option<ComplaintView>) -> InShop {
    let fields = config.shops.get(&shop).map(|shop| shop.export.fields.clone()).unwrap_or_default();
    let differs = match (&stored.wanted, &stored.listing) {
        (Some(wanted), Some(listing)) => wanted.differs(&listing.values(&fields)),
        (Some(_), None) => fields.into_iter().collect(),
        (None, _) => Vec::new(),
    };
    let seen = stored.listing.as_ref().map(|listing| SeenView::new(listing, stored.gone));
    let shop_sku = stored.listing.as_ref().and_then(|listing| listing.shop_sku.clone());
    let wanted = stored.wanted.map(WantedView::new);
    InShop { shop, shop_sku, seen, wanted, differs, remembered: Vec::new(), complaint }
}
