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

use serde_json::{Value, json};

use super::{Global, pull::Product};
use crate::{
    channels::{
        ChannelError, PushResult,
        shopline::{
            client::ApiCall,
            items::{object, refs},
            wire::{Success, Trouble},
            works::{
                Texts, Work, all_leave, amount, any_leaves, by_product, judge_images, judge_texts, lacking, refuse_all,
                refuse_partly, results, returns, status, wanted_images, wanted_texts,
            },
        },
    },
    domain::{Complaint, Price, plan::Change},
    http::Method,
    secrets::Secret,
};

/// The most pieces of a variant. The vendor names no most; this is what fits its own pages.
pub(super) const MOST_PIECES: i64 = 999_999_999;
/// The most options of a product.
const MOST_OPTIONS: usize = 5;
/// The longest address of an image.
const LONGEST_ADDRESS: usize = 255;
/// The most images of a product.
const MOST_IMAGES: usize = 502;

type Ended = Result<(), Box<ChannelError>>;

impl Global {
    /// What a change lacks.
    pub(super) fn lacking(change: &Change) -> Option<Complaint> {
        if let Some(complaint) = lacking(change, MOST_PIECES) {
            return Some(complaint);
        }
        let new = change.product.as_ref().filter(|_| change.listing.is_none());
        let told = |code: &str, text: String| {
            Some(Complaint { sku: change.sku.as_str().to_owned(), code: code.to_owned(), text, request_id: None })
        };
        if let Some((_, variant)) = new.filter(|(_, variant)| variant.options.len() > MOST_OPTIONS) {
            let text = format!("the variant has {} options, SHOPLINE takes {MOST_OPTIONS}", variant.options.len());
            return told("options", text);
        }
        let images = new.map(|(product, _)| &product.images).or(change.wanted.images.as_ref());
        if let Some(image) = images.into_iter().flatten().find(|image| image.len() > LONGEST_ADDRESS) {
            let text = format!("the address of an image is longer than {LONGEST_ADDRESS} characters: {image:.80}…");
            return told("images", text);
        }
        None
    }

    /// Sends changes.
    pub(super) async fn push_changes(
        &self,
        token: &Secret,
        changes: &[Change],
    ) -> Result<Vec<PushResult>, ChannelError> {
        let mut works: Vec<_> = changes.iter().map(Work::of).collect();
        let ended = self.push_products(token, &mut works).await;
        results(works, ended)
    }

    async fn push_products(&self, token: &Secret, works: &mut [Work<'_>]) -> Ended {
        let mut lately = None;
        for indices in by_product(works) {
            if works[indices[0]].listing.is_some() {
                self.push_product(token, &indices, works).await?;
            } else if works[indices[0]].change.product.is_some() {
                self.create(token, &indices, works, &mut lately).await?;
            } else {
                for index in indices {
                    works[index].close();
                }
            }
        }
        Ok(())
    }

    async fn push_product(&self, token: &Secret, indices: &[usize], works: &mut [Work<'_>]) -> Ended {
        let (texts, images) = (wanted_texts(works, indices), wanted_images(works, indices));
        let mut all_gone = false;
        if texts.is_some() || images.is_some() || any_leaves(works, indices) {
            let product = match self.product(token, &works[indices[0]].text(refs::PRODUCT)).await {
                Ok(product) => product,
                Err(trouble) => return refuse_all(trouble, indices, works),
            };
            if let Some(texts) = texts {
                self.push_texts(token, &product, &texts, indices, works).await?;
            }
            if let Some(images) = images {
                self.push_images(token, &product, &images, indices, works).await?;
            }
            let now: Vec<_> = product.variants.iter().map(|variant| Some(variant.id.as_str())).collect();
            all_gone = all_leave(works, indices, &now);
        }
        for index in indices {
            let work = &mut works[*index];
            if let Some(price) = work.price() {
                self.push_price(token, work, price).await?;
            }
            if let Some(pieces) = work.stock(!all_gone, MOST_PIECES) {
                self.push_stock(token, work, pieces).await?;
            }
        }
        let returns = !all_gone && returns(works, indices);
        if !all_gone {
            refuse_partly(works, indices);
        }
        if all_gone || returns {
            return self.put_on_sale(token, returns, indices, works).await;
        }
        for index in indices {
            works[*index].close();
        }
        Ok(())
    }

    /// `product`: as just read, so that it keeps the status that it has now.
    async fn push_texts(
        &self,
        token: &Secret,
        product: &Product,
        texts: &Texts,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Ended {
        let Texts { title, description } = texts.clone();
        let mut fields = object(json!({"status": product.status}));
        fields.extend(title.map(|title| ("title".to_owned(), Value::from(title))));
        fields.extend(description.map(|text| ("body_html".to_owned(), Value::from(text))));
        let answer = self.update_product(token, "product update", &product.id, fields).await;
        judge_texts(works, indices, texts, answer.err())
    }

    /// `product`: as just read, with its status and the images that its variants show.
    pub(super) async fn push_images(
        &self,
        token: &Secret,
        product: &Product,
        images: &[String],
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Ended {
        let room = MOST_IMAGES.saturating_sub(product.shown_images.len());
        let ours = images.iter().take(room).map(|src| json!({"src": src}));
        let kept = product.shown_images.iter().map(|(id, src)| json!({"id": id, "src": src}));
        let fields = object(json!({"status": product.status, "images": ours.chain(kept).collect::<Vec<_>>()}));
        let answer = self.update_product(token, "image update", &product.id, fields).await;
        judge_images(works, indices, images, answer.err())
    }

    async fn update_product(
        &self,
        token: &Secret,
        operation: &'static str,
        id: &str,
        fields: serde_json::Map<String, Value>,
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

    pub(super) async fn push_stock(&self, token: &Secret, work: &mut Work<'_>, pieces: i64) -> Ended {
        let body = json!({
            "inventory_item_id": work.text(refs::ITEM), "location_id": work.text(refs::PLACE), "available": pieces,
        });
        let answer = self.write(token, "stock update", Method::POST, "inventory_levels/set.json", body).await;
        if work.judge(answer)?.is_some() {
            work.note_stock(pieces);
        }
        Ok(())
    }

    pub(super) async fn put_on_sale(
        &self,
        token: &Secret,
        on_sale: bool,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Ended {
        let id = works[indices[0]].text(refs::PRODUCT);
        let fields = object(json!({"status": status(on_sale)}));
        let operation = if on_sale { "putting on sale again" } else { "taking off sale" };
        let answer = self.update_product(token, operation, &id, fields).await;
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
