//! Variants of Global as the domain sees them: each a listing, with its stock where the shop keeps it.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Global,
    product::{Product, Variant},
};
use crate::{
    channels::shopline::items::{Found, price, refs},
    domain::{Currency, InvalidListing, Listing, ListingStatus, Price},
};

/// Pieces by location; `None`: stocked nowhere.
pub(super) type Places<'a> = Option<&'a BTreeMap<String, i64>>;

/// Pieces by item and location.
#[derive(Debug, Default)]
pub(super) struct Stocks(pub(super) BTreeMap<String, BTreeMap<String, i64>>);

impl Stocks {
    /// Where a variant is stocked.
    pub(super) fn of(&self, variant: &Variant) -> Places<'_> {
        self.0.get(variant.item.as_deref()?)
    }
}

impl Global {
    /// Notes what a variant is.
    pub(super) fn note(
        &self,
        product: &Product,
        variant: &Variant,
        places: Places<'_>,
        currency: Currency,
        found: &mut Found,
    ) {
        let Some(sku) = variant.sku.clone() else {
            let text = format!("a variant of \"{}\" has no SKU; give it one at SHOPLINE", product.title);
            return found.complain(format!("product {}, variant {}", product.id, variant.id), "no_sku", text);
        };
        let listing = match self.listing(product, variant, places, currency) {
            Ok(listing) => listing,
            Err(error) => return found.complain(sku, error.code, error.to_string()),
        };
        if let Some(text) = self.place_fault(variant, places) {
            found.complain(sku, "warehouse", text);
        } else if !variant.tracked {
            let text = "SHOPLINE does not track the stock of this variant, so it is neither read nor exported";
            found.remark(sku, "untracked", text.to_owned());
        }
        found.listings.push(listing);
    }

    /// A variant as the domain sees it.
    pub(super) fn listing(
        &self,
        product: &Product,
        variant: &Variant,
        places: Places<'_>,
        currency: Currency,
    ) -> Result<Listing, InvalidListing> {
        let place = self.place_of_stock(places);
        let stock = match (variant.tracked, place, places) {
            (false, ..) => None,
            (true, Some(place), Some(places)) => places.get(place).copied(),
            (true, None, Some(places)) => Some(places.values().copied().fold(0, i64::saturating_add)),
            (true, _, None) => variant.quantity,
        };
        let names = product.options.iter().cloned();
        let options = names.zip(&variant.options).filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        Ok(Listing {
            sku: variant.sku.as_deref().unwrap_or_default().parse()?,
            shop_sku: None,
            product_id: product.id.clone(),
            refs: json!({
                refs::PRODUCT: product.id, refs::VARIANT: variant.id, refs::ITEM: variant.item, refs::SKU: variant.sku,
                refs::STATUS: product.status, refs::PLACES: places, refs::PLACE: place,
                refs::COUNTED: variant.tracked && place.is_some(), refs::OPTIONS: product.options,
            }),
            title: product.title.clone(),
            description: product.description.clone(),
            brand: product.vendor.clone(),
            category: product.category.clone(),
            barcode: variant.barcode.clone(),
            images: product.images.clone(),
            options,
            prices: match &variant.price {
                None => Vec::new(),
                Some(value) => vec![Price { amount: price(value)?, currency }],
            },
            stock,
            status: status(&product.status),
        })
    }

    /// The location that export writes to: the chosen one, or the only one.
    fn place_of_stock<'a>(&self, places: Places<'a>) -> Option<&'a str> {
        let places = places?;
        let mut known = places.keys().map(String::as_str);
        match &self.0.warehouse {
            Some(chosen) => known.find(|id| id == chosen),
            None => known.next().filter(|_| places.len() == 1),
        }
    }

    fn place_fault(&self, variant: &Variant, places: Places<'_>) -> Option<String> {
        if !variant.tracked || self.place_of_stock(places).is_some() {
            return None;
        }
        let known = places.into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect::<Vec<_>>().join(", ");
        Some(match &self.0.warehouse {
            _ if known.is_empty() => {
                "the variant is stocked at no location; stock it at one at SHOPLINE, until then its stock is not exported"
                    .to_owned()
            }
            Some(chosen) => {
                format!("the variant is not stocked at location {chosen} but at {known}; its stock is not exported")
            }
            None => format!(
                "the variant is stocked at several locations ({known}); name one as export.warehouse, until then its stock is not exported"
            ),
        })
    }
}

/// Whether buyers can find a product, by the vendor's word.
fn status(word: &str) -> ListingStatus {
    match word {
        "active" => ListingStatus::Active,
        // draft, archived, and whatever comes new: not known to be on sale.
        _ => ListingStatus::Inactive,
    }
}

#[cfg(all(test, feature = "fakes"))]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::channels::shopline::tests::made;

    /// A product as the vendor shows it, changed a little.
    fn product(change: impl FnOnce(&mut Value)) -> (Global, Vec<Product>, Found) {
        let mut value = json!({
            "id": "16070822412102455208", "title": "Tee", "handle": "tee", "status": "active", "spu": "TS",
            "vendor": "Acme", "tags": "new,summer", "body_html": "<p>Tee</p>", "created_at": "2026-01-05T08:00:00+00:00",
            "updated_at": "2026-09-01T10:15:00+00:00", "options": [{"id": "o1", "name": "Size", "values": ["M", "L"]}],
            "images": [{"id": "i1", "src": "https://img.example.test/1.jpg"}],
            "variants": [{
                "id": "18070822412102455209", "product_id": "16070822412102455208", "sku": "TS-M", "barcode": "",
                "price": "19.90", "compare_at_price": "25.00", "inventory_item_id": "59000000001",
                "inventory_quantity": 12, "inventory_tracker": true, "inventory_policy": "deny", "option1": "M",
                "weight": "0.2", "weight_unit": "kg", "taxable": true, "required_shipping": true,
            }],
        });
        change(&mut value);
        let mut found = Found::default();
        let products = Product::read(&value, &mut found).into_iter().collect();
        (made::global(), products, found)
    }

    /// What is noted of it where it is stocked at one location.
    fn noted(change: impl FnOnce(&mut Value)) -> Found {
        let (global, products, mut found) = product(change);
        let places = BTreeMap::from([("57".to_owned(), 12)]);
        for product in &products {
            for variant in &product.variants {
                let places = variant.item.as_ref().map(|_| &places);
                global.note(product, variant, places, "EUR".parse().unwrap(), &mut found);
            }
        }
        found
    }

    #[test]
    fn the_vendors_product_is_a_listing() {
        let found = noted(|_| ());
        assert_eq!((found.listings.len(), found.complaints.len(), found.remarks.len()), (1, 0, 0));
        let listing = &found.listings[0];
        assert_eq!((listing.sku.as_str(), listing.title.as_str()), ("TS-M", "Tee"));
        assert_eq!(listing.prices[0].to_string(), "19.90 EUR");
        assert_eq!((listing.stock, listing.status), (Some(12), ListingStatus::Active));
        assert_eq!((listing.brand.as_deref(), listing.description.as_deref()), (Some("Acme"), Some("<p>Tee</p>")));
        assert_eq!(
            (listing.barcode.as_deref(), listing.options.as_slice()),
            (None, &[("Size".to_owned(), "M".to_owned())][..])
        );
        assert_eq!(listing.images, ["https://img.example.test/1.jpg"]);
        assert_eq!(listing.refs[refs::PLACE], "57");
    }

    #[test]
    fn what_is_strange_is_complained_of_and_never_a_wrong_listing() {
        let code = |change: fn(&mut Value)| {
            let found = noted(change);
            let said = found.complaints.iter().chain(&found.remarks).map(|it| it.code.clone()).collect::<Vec<_>>();
            (said.join(" "), found.listings.first().map(|listing| (listing.prices.len(), listing.stock)))
        };
        let none = || None;
        for (change, expected, listing) in [
            ((|it| it["variants"] = json!([])) as fn(&mut Value), "no_variants", none()),
            (|it| it["variants"] = json!("x"), "unreadable", none()),
            (|it| it["id"] = json!(null), "unreadable", none()),
            (|it| it["variants"][0]["id"] = json!(null), "unreadable", none()),
            (|it| it["variants"][0]["sku"] = json!(""), "no_sku", none()),
            (|it| it["variants"][0]["sku"] = json!("a\u{7}b"), "sku", none()),
            (|it| it["variants"][0]["price"] = json!("free"), "price", none()),
            (|it| it["variants"][0]["price"] = json!(null), "", Some((0, Some(12)))),
            (|it| it["variants"][0]["price"] = json!(19.9), "", Some((1, Some(12)))),
            (|it| it["variants"][0]["inventory_tracker"] = json!(false), "untracked", Some((1, None))),
            (|it| it["variants"][0]["inventory_item_id"] = json!(null), "warehouse", Some((1, Some(12)))),
            (|it| it["id"] = json!(16_070_822), "", Some((1, Some(12)))),
            (|it| it["title"] = json!(null), "", Some((1, Some(12)))),
        ] {
            assert_eq!(code(change), (expected.to_owned(), listing), "{expected}");
        }
    }
}
