//! Variations of Asia, and products without any, as the domain sees them: each a listing, with its stock where the shop keeps it.

use serde_json::{Value, json};

use super::{
    Asia,
    product::{Product, Variation, amount},
};
use crate::{
    channels::shopline::items::{Found, refs},
    domain::{InvalidListing, Listing, ListingStatus},
};

impl Asia {
    /// Notes what a variation is.
    pub(super) fn note(&self, product: &Product, variation: &Variation, warehouses: &[String], found: &mut Found) {
        let Some(sku) = variation.sku.clone() else {
            let id = variation.id.as_deref().unwrap_or("-");
            let text = format!("a variation of \"{}\" has no SKU; give it one at SHOPLINE", product.title);
            return found.complain(format!("product {}, variation {id}", product.id), "no_sku", text);
        };
        let listing = match self.listing(product, variation, warehouses) {
            Ok(listing) => listing,
            Err(error) => return found.complain(sku, error.code, error.to_string()),
        };
        if variation.unlimited {
            let text = "SHOPLINE sells this without counting it, so its stock is neither read nor exported".to_owned();
            found.remark(sku, "unlimited", text);
        } else if listing.refs[refs::COUNTED] != json!(true) {
            let text = match &self.0.warehouse {
                Some(chosen) => format!("it is not kept in warehouse {chosen}; its stock is not exported"),
                None => format!(
                    "the shop has several warehouses ({}); name one as export.warehouse, until then stock is not exported",
                    warehouses.join(", ")
                ),
            };
            found.complain(sku, "warehouse", text);
        } else if let Some(sale) = variation.sale.as_ref().and_then(|sale| amount(sale).ok().flatten()) {
            let text = format!(
                "buyers pay {sale} while SHOPLINE's special price stands; the regular price is what is compared"
            );
            found.remark(sku, "special_price", text);
        }
        found.listings.push(listing);
    }

    /// A variation, or a product without any, as the domain sees it.
    pub(super) fn listing(
        &self,
        product: &Product,
        variation: &Variation,
        warehouses: &[String],
    ) -> Result<Listing, InvalidListing> {
        let chosen = self.0.warehouse.as_ref();
        let place =
            chosen.filter(|chosen| variation.places.as_ref().is_some_and(|places| places.contains_key(*chosen)));
        let counted = !variation.unlimited && (place.is_some() || (chosen.is_none() && warehouses.len() < 2));
        let stock = match (variation.unlimited, place, &variation.places) {
            (true, ..) => None,
            (false, Some(place), Some(places)) => places.get(place).copied(),
            _ => variation.quantity,
        };
        let places = match &variation.places {
            Some(places) => json!(places),
            // Only their names, for who must choose one.
            None if warehouses.len() > 1 => warehouses.iter().map(|id| (id.clone(), Value::Null)).collect(),
            None => Value::Null,
        };
        Ok(Listing {
            sku: variation.sku.as_deref().unwrap_or_default().parse()?,
            shop_sku: None,
            product_id: product.id.clone(),
            refs: json!({
                refs::PRODUCT: product.id, refs::VARIANT: variation.id, refs::SKU: variation.sku,
                refs::STATUS: product.status, refs::SIBLINGS: product.variations.len(), refs::PLACES: places,
                refs::PLACE: place, refs::COUNTED: counted, refs::SAME_PRICE: product.same_price,
                refs::OPTIONS: product.options,
            }),
            title: product.title.clone(),
            description: product.description.clone(),
            brand: product.brand.clone(),
            category: None,
            barcode: variation.barcode.clone(),
            images: product.images.clone(),
            options: product
                .options
                .iter()
                .map(|(_, name)| name.clone())
                .zip(variation.values.iter().cloned())
                .collect(),
            prices: variation.price.as_ref().map(amount).transpose()?.flatten().into_iter().collect(),
            stock,
            status: status(&product.status),
        })
    }
}

/// Whether buyers can find a product, by the vendor's word.
fn status(word: &str) -> ListingStatus {
    match word {
        "active" => ListingStatus::Active,
        "removed" => ListingStatus::Gone,
        // draft, hidden (there for who knows the address), and whatever comes new: not known to be found by buyers.
        _ => ListingStatus::Inactive,
    }
}

#[cfg(all(test, feature = "fakes"))]
mod tests {
    use super::*;

    /// What is noted of a product with two variations, changed a little.
    fn noted(change: fn(&mut Value)) -> Found {
        let money = |dollars: i64| json!({"cents": dollars, "dollars": dollars, "currency_iso": "TWD", "label": "NT$"});
        let mut value = json!({
            "id": "p1", "title_translations": {"en": "Tee", "zh-hant": "T恤"}, "status": "active", "price": money(500),
            "price_sale": money(0), "same_price": false, "unlimited_quantity": false, "quantity": 9, "sku": "", "brand": "",
            "field_titles": [{"key": "size", "label": "Size", "name_translations": {"zh-hant": "尺寸"}}],
            "medias": [{"id": "m1", "images": {"original": {"url": "https://img.example.test/1.jpg"}}}],
            "variations": [
                {"id": "v1", "sku": "TS-M", "price": money(490), "quantity": 4, "fields_translations": {"zh-hant": ["中"]}},
                {"id": "v2", "sku": "TS-L", "price": money(0), "quantity": 5, "fields_translations": {"zh-hant": ["大"]}},
            ],
        });
        change(&mut value);
        let mut found = Found::default();
        let asia = crate::channels::shopline::tests::made::asia();
        if let Some(product) = Product::read(&value, "zh-hant", &mut found) {
            product.variations.iter().for_each(|variation| asia.note(&product, variation, &[], &mut found));
        }
        found
    }

    fn shown(change: fn(&mut Value)) -> Vec<String> {
        let found = noted(change);
        let listing = |it: &Listing| {
            let price = it.prices.first().map_or("-".to_owned(), ToString::to_string);
            let stock = it.stock.map_or("-".to_owned(), |stock| stock.to_string());
            format!("{} {price} {stock} {} {:?}", it.sku, it.title, it.status)
        };
        let said = found.complaints.iter().chain(&found.remarks).map(|it| format!("{}: {}", it.sku, it.code));
        found.listings.iter().map(listing).chain(said).collect()
    }

    #[test]
    fn variations_are_listings_and_their_products_price_is_theirs_where_they_have_none() {
        assert_eq!(shown(|_| ()), ["TS-M 490 TWD 4 T恤 Active", "TS-L 500 TWD 5 T恤 Active"]);
        let listing = &noted(|_| ()).listings[0];
        assert_eq!(listing.options, [("尺寸".to_owned(), "中".to_owned())]);
        assert_eq!(listing.images, ["https://img.example.test/1.jpg"]);
        assert_eq!(
            shown(|it| it["same_price"] = json!(true)),
            ["TS-M 500 TWD 4 T恤 Active", "TS-L 500 TWD 5 T恤 Active"]
        );
    }

    #[test]
    fn what_is_strange_is_complained_of_and_never_a_wrong_listing() {
        for (change, expected) in [
            ((|it| it["unlimited_quantity"] = json!(true)) as fn(&mut Value), "TS-M: unlimited"),
            (|it| it["variations"][0]["sku"] = json!(" "), "product p1, variation v1: no_sku"),
            (|it| it["variations"][0]["id"] = json!(null), "product p1: unreadable"),
            (|it| it["variations"] = json!({}), "product p1: unreadable"),
            (|it| it["variations"][0]["price"]["dollars"] = json!("x"), "TS-M: price"),
            (|it| it["variations"][0]["price"]["currency_iso"] = json!("$"), "TS-M: currency"),
            (
                |it| it["variations"][0]["price_sale"] = json!({"dollars": 400, "currency_iso": "TWD"}),
                "TS-M: special_price",
            ),
            (|it| it["title_translations"] = json!({"vi": "Áo"}), "TS-M 490 TWD 4 Áo Active"),
            (|it| it["status"] = json!("hidden"), "TS-M 490 TWD 4 T恤 Inactive"),
        ] {
            let shown = shown(change);
            assert!(shown.contains(&expected.to_owned()), "{expected}: {shown:?}");
        }
    }
}
