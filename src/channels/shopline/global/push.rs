//! Export to Global: prices and stocks variant by variant, texts, taking off sale and putting back product
//! by product.
//!
//! A list of images takes the place of the product's. What a variant, or the value of an option, shows is one of these images, so those that
//! are shown so are named with it by their ids, behind ours.
//!
//! The vendor's pages name a default for a product's status even where a product is only updated: every update of a product
//! says the status that the product has. It is read before that, for its owner may have changed it since the import, and before a
//! product goes off sale, for a variant may have joined it.
//!
//! Vendor pages: "Update a variant", "Set the inventory quantity", "Update a product".

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Global, product::Product};
use crate::{
    channels::shopline::{
        client::ApiCall,
        export::{Export, Most},
        items::refs,
        wire::{Success, Trouble},
        works::{Ended, Texts, Work, amount, status},
    },
    domain::{Price, plan::Change},
    http::Method,
    secrets::Secret,
};

/// The longest address of an image.
const LONGEST_ADDRESS: usize = 255;
/// The most images of a product.
const MOST_IMAGES: usize = 502;

#[async_trait]
impl Export for Global {
    type Product = Product;

    /// The vendor names no most of pieces; this is what fits its own pages.
    const MOST: Most = Most { pieces: 999_999_999, options: 5, at_once: 1 };

    fn lacks_besides(&self, change: &Change) -> Option<(&'static str, String)> {
        let new = change.product.as_ref().filter(|_| change.listing.is_none());
        let mut images = new.map(|(product, _)| &product.images).or(change.wanted.images.as_ref())?.iter();
        let image = images.find(|image| image.len() > LONGEST_ADDRESS)?;
        let text = format!("the address of an image is longer than {LONGEST_ADDRESS} characters: {image:.80}…");
        Some(("images", text))
    }

    async fn read_product(&self, token: &Secret, id: &str) -> Result<Product, Trouble> {
        self.product(token, id).await
    }

    fn variants(product: &Product) -> Vec<Option<&str>> {
        product.variants.iter().map(|variant| Some(variant.id.as_str())).collect()
    }

    async fn write_texts(&self, token: &Secret, product: &Product, texts: &Texts) -> Result<Success, Trouble> {
        let mut fields = json!({"status": product.status});
        for (name, text) in [("title", &texts.title), ("body_html", &texts.description)] {
            if let Some(text) = text {
                fields[name] = text.as_str().into();
            }
        }
        self.update_product(token, "product update", &product.id, fields).await
    }

    async fn write_images(&self, token: &Secret, product: &Product, images: &[String]) -> Result<Success, Trouble> {
        let room = MOST_IMAGES.saturating_sub(product.shown_images.len());
        let ours = images.iter().take(room).map(|src| json!({"src": src}));
        let kept = product.shown_images.iter().map(|(id, src)| json!({"id": id, "src": src}));
        let fields = json!({"status": product.status, "images": ours.chain(kept).collect::<Vec<_>>()});
        self.update_product(token, "image update", &product.id, fields).await
    }

    async fn push_prices(&self, token: &Secret, indices: &[usize], works: &mut [Work<'_>]) -> Ended {
        for index in indices {
            if let Some(price) = works[*index].price() {
                self.push_price(token, &mut works[*index], price).await?;
            }
        }
        Ok(())
    }

    async fn push_stock(&self, token: &Secret, work: &mut Work<'_>, pieces: i64) -> Ended {
        let body = json!({
            "inventory_item_id": work.text(refs::ITEM), "location_id": work.text(refs::PLACE), "available": pieces,
        });
        let answer = self.write(token, "stock update", Method::POST, "inventory_levels/set.json", body).await;
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
        read: &mut Option<Vec<Product>>,
    ) -> Ended {
        self.create_product(token, indices, works, read).await
    }

    async fn put_on_sale(
        &self,
        token: &Secret,
        on_sale: bool,
        products: &[Vec<usize>],
        works: &mut [Work<'_>],
    ) -> Ended {
        for indices in products {
            self.put_product_on_sale(token, on_sale, indices, works).await?;
        }
        Ok(())
    }
}

impl Global {
    async fn update_product(
        &self,
        token: &Secret,
        operation: &'static str,
        id: &str,
        fields: Value,
    ) -> Result<Success, Trouble> {
        let body = json!({"product": fields});
        self.write(token, operation, Method::PUT, &format!("products/{id}.json"), body).await
    }

    pub(super) async fn push_price(&self, token: &Secret, work: &mut Work<'_>, price: Price) -> Ended {
        let path = format!("products/variants/{}.json", work.text(refs::VARIANT));
        let body = json!({"variant": {"price": amount(price)}});
        if work.judge(self.write(token, "price update", Method::PUT, &path, body).await)?.is_some() {
            work.note_price(price);
        }
        Ok(())
    }

    pub(super) async fn put_product_on_sale(
        &self,
        token: &Secret,
        on_sale: bool,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Ended {
        let id = works[indices[0]].text(refs::PRODUCT);
        let operation = if on_sale { "putting on sale again" } else { "taking off sale" };
        let answer = self.update_product(token, operation, &id, json!({"status": status(on_sale)})).await;
        for index in indices {
            let work = &mut works[*index];
            match &answer {
                Ok(_) => work.note_status(on_sale),
                Err(trouble) if trouble.is_refusal() => work.refuse_with(trouble),
                Err(_) => continue,
            }
            work.close();
        }
        match answer {
            Err(trouble) if !trouble.is_refusal() => Err(trouble.error),
            _ => Ok(()),
        }
    }

    /// Writes something by the Admin API.
    pub(super) async fn write(
        &self,
        token: &Secret,
        operation: &'static str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<Success, Trouble> {
        let path = self.path(path);
        self.0.client.api(ApiCall { operation, method, path, query: Vec::new(), body: Some(body), token }).await
    }
}
