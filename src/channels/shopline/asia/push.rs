//! Export to Asia: prices and stocks variation by variation, texts product by product, and taking products off sale and putting
//! them back many at a time.
//!
//! The vendor does not say whether a product's texts in other languages stay when one is sent, so the others are read and go
//! back as they are. Before a product goes off sale it is read as well, for a variation may have joined it. Where variations are tied to the product's price, the product's price is the one to write.
//!
//! Images are told by their addresses, and take the place of the product's main ones. Those of its variations, and the further ones below its
//! description, are lists of their own, which stay.
//!
//! Vendor pages: "Update Product Price", "Update Product Variation Price", "Update Product Quantity", "Update Stock",
//! "Update Product", "Add Product Images", "Bulk Publish/Unpublish Product in Online Store".

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Asia, product::Product};
use crate::{
    channels::shopline::{
        client::ApiCall,
        export::{Export, Most},
        items::{list, object, refs, text},
        wire::{Success, Trouble},
        works::{Ended, Texts, Work, status},
    },
    domain::{Price, plan::Change},
    http::Method,
    secrets::Secret,
};

/// The longest brand.
const LONGEST_BRAND: usize = 100;
/// The most main images of a product.
const MOST_IMAGES: usize = 12;

#[async_trait]
impl Export for Asia {
    type Product = Product;

    const MOST: Most = Most { pieces: 9_999_999, options: 3, at_once: 100 };

    fn lacks_besides(&self, change: &Change) -> Option<(&'static str, String)> {
        let (product, _) = change.product.as_ref().filter(|_| change.listing.is_none())?;
        let brand = self.0.mapping.brand(product).or(product.brand.as_deref())?;
        (brand.chars().count() > LONGEST_BRAND).then(|| {
            let text = format!("the brand is longer than {LONGEST_BRAND} characters; name another in mapping.brands");
            ("brand", text)
        })
    }

    async fn read_product(&self, token: &Secret, id: &str) -> Result<Product, Trouble> {
        self.product(token, id).await
    }

    fn variants(product: &Product) -> Vec<Option<&str>> {
        product.variations.iter().map(|variation| variation.id.as_deref()).collect()
    }

    async fn write_texts(&self, token: &Secret, product: &Product, texts: &Texts) -> Result<Success, Trouble> {
        let mut body = json!({});
        for (name, told, wanted) in [
            ("title_translations", &product.titles, &texts.title),
            ("description_translations", &product.descriptions, &texts.description),
        ] {
            if let Some(wanted) = wanted {
                let mut words = object(told.clone());
                words.retain(|_, word| !word.is_null());
                words.insert(self.0.locale.clone(), json!(wanted));
                body[name] = words.into();
            }
        }
        self.write(token, "product update", Method::PUT, &format!("products/{}", product.id), body).await
    }

    async fn write_images(&self, token: &Secret, product: &Product, images: &[String]) -> Result<Success, Trouble> {
        // The vendor's page spells the last name in both ways.
        let body = json!({
            "urls": main_images(images), "image_type": "main", "is_replace": true, "is_replcae": true,
        });
        self.write(token, "image update", Method::POST, &format!("products/{}/add_images", product.id), body).await
    }

    async fn push_prices(&self, token: &Secret, indices: &[usize], works: &mut [Work<'_>]) -> Ended {
        let mut wanted: Vec<(usize, Price)> = Vec::new();
        for index in indices {
            wanted.extend(works[*index].price().map(|price| (*index, price)));
        }
        let Some((first, price)) = wanted.first().copied() else { return Ok(()) };
        let siblings = works[first].note(refs::SIBLINGS).as_u64().unwrap_or(1);
        if works[first].note(refs::SAME_PRICE) != &json!(true) || siblings < 2 {
            for (index, price) in wanted {
                let work = &mut works[index];
                let path = format!("{}/update_price", path_of(work));
                if work.judge(self.write(token, "price update", Method::PUT, &path, priced(price)).await)?.is_some() {
                    work.note_price(price);
                }
            }
            return Ok(());
        }
        let prices: BTreeSet<Price> = wanted.iter().map(|(_, price)| *price).collect();
        if prices.len() > 1 || wanted.len() as u64 != siblings {
            for (index, _) in wanted {
                let text = "SHOPLINE ties all variations of this product to one price, and different ones are wanted; untie them there";
                works[index].refuse("same_price", text, None);
            }
            return Ok(());
        }
        let path = format!("products/{}/update_price", works[first].text(refs::PRODUCT));
        let answer = self.write(token, "price update", Method::PUT, &path, priced(price)).await;
        for (index, _) in wanted {
            match &answer {
                Ok(_) => works[index].note_price(price),
                Err(trouble) if trouble.is_refusal() => works[index].refuse_with(trouble),
                Err(_) => {}
            }
        }
        match answer {
            Err(trouble) if !trouble.is_refusal() => Err(trouble.error),
            _ => Ok(()),
        }
    }

    async fn push_stock(&self, token: &Secret, work: &mut Work<'_>, pieces: i64) -> Ended {
        let place = work.text(refs::PLACE);
        let (path, body) = if place.is_empty() {
            (format!("{}/update_quantity", path_of(work)), json!({"quantity": pieces, "replace": true}))
        } else {
            let mut body = json!({"warehouse_id": place, "quantity": pieces, "is_replace": true});
            if !work.note(refs::VARIANT).is_null() {
                body["variation_id"] = work.note(refs::VARIANT).clone();
            }
            (format!("products/{}/stocks", work.text(refs::PRODUCT)), body)
        };
        let answer = self.write(token, "stock update", Method::PUT, &path, body).await;
        if work.judge(answer)?.is_some() {
            work.note_stock(pieces);
        }
        Ok(())
    }

    async fn create(
        &self,
        token: &Secret,
        indices: &[usize],
        works: &mut [Work<'_>],
        _: &mut Option<Vec<Product>>,
    ) -> Ended {
        self.create_product(token, indices, works).await
    }

    async fn put_on_sale(
        &self,
        token: &Secret,
        on_sale: bool,
        products: &[Vec<usize>],
        works: &mut [Work<'_>],
    ) -> Ended {
        let ids: Vec<String> = products.iter().map(|indices| works[indices[0]].text(refs::PRODUCT)).collect();
        let answer = self.set_status(token, &ids, status(on_sale)).await;
        let (refused, request_id) = match answer {
            Ok(answer) => answer,
            Err(trouble) if trouble.is_refusal() => {
                for index in products.iter().flatten() {
                    works[*index].refuse_with(&trouble);
                    works[*index].close();
                }
                return Ok(());
            }
            Err(trouble) => return Err(trouble.error),
        };
        for (id, indices) in ids.iter().zip(products) {
            let refusal = refused.iter().find(|(refused, ..)| refused == id);
            for index in indices {
                match refusal {
                    Some((_, code, text)) => works[*index].refuse(code, text, request_id.as_deref()),
                    None => works[*index].note_status(on_sale),
                }
                works[*index].close();
            }
        }
        Ok(())
    }
}

impl Asia {
    /// Puts products on or off sale. Answers those that were refused, with code and words.
    pub(super) async fn set_status(
        &self,
        token: &Secret,
        ids: &[String],
        status: &str,
    ) -> Result<(Vec<(String, String, String)>, Option<String>), Trouble> {
        let products: Vec<Value> = ids.iter().map(|id| json!({"id": id, "status": status})).collect();
        let body = json!({"products": products});
        let Success { data, request_id, .. } =
            self.write(token, "change of status", Method::PUT, "products/status/bulk", body).await?;
        let updated: BTreeSet<String> = list(&data, "updated_product_ids")
            .unwrap_or_default()
            .iter()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect();
        let errors = list(&data, "errors").unwrap_or_default();
        let refused = ids.iter().filter(|id| !updated.contains(*id)).map(|id| {
            let own = errors
                .iter()
                .find(|error| ["id", "product_id"].iter().any(|name| text(error, name).as_ref() == Some(id)));
            let said = |name: &str| own.and_then(|error| text(error, name));
            let code = said("code").unwrap_or_else(|| "status".to_owned());
            let words = said("message").or_else(|| said("error")).unwrap_or_else(|| "no words".to_owned());
            (id.clone(), code, format!("SHOPLINE did not change the product's status: {words}"))
        });
        Ok((refused.collect(), request_id))
    }

    /// Writes something by the API.
    pub(super) async fn write(
        &self,
        token: &Secret,
        operation: &'static str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Success, Trouble> {
        let path = format!("/v1/{path}");
        self.0.client.api(ApiCall { operation, method, path, query: Vec::new(), body: Some(body), token }).await
    }
}

/// Where a SKU is addressed: a variation, or a product without any.
pub(super) fn path_of(work: &Work<'_>) -> String {
    let product = work.text(refs::PRODUCT);
    match work.note(refs::VARIANT).as_str() {
        Some(variation) => format!("products/{product}/variations/{variation}"),
        None => format!("products/{product}"),
    }
}

/// Those of a product's images that are shown first, as many as the vendor takes.
pub(super) fn main_images(images: &[String]) -> &[String] {
    &images[..images.len().min(MOST_IMAGES)]
}

/// A price as it is sent: a number.
pub(super) fn number(price: Price) -> Value {
    let text = price.amount.normalize().to_string();
    let number: Result<serde_json::Number, _> = text.parse();
    number.map_or(Value::Null, Value::Number)
}

fn priced(price: Price) -> Value {
    json!({"price": number(price)})
}
