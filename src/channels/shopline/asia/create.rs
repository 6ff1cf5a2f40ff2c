//! Creating on Asia: new products, variation by variation, and variations that join a product.
//!
//! The vendor knows no idempotency keys, so before anything is made it is looked for: in the product of its siblings, or by
//! SKU. A product with options is made as a draft, gets its variations one by one, and goes on sale when all are there; what
//! an interruption leaves behind is found by its SKUs and completed.
//!
//! Vendor pages: "Create Product", "Create Product Variation", "Search Products".

use serde_json::{Value, json};

use super::{
    Asia,
    product::{Product, Variation},
    push::{main_images, number, path_of},
};
use crate::{
    channels::{
        ChannelError,
        shopline::{
            export::{Export, comes_back, push_images},
            items::{Found, list},
            products::refuse_all,
            wire::Trouble,
            works::{Ended, Work, status},
        },
    },
    domain::{self, Field},
    http::Method,
    secrets::Secret,
};

/// The types of options that are not called by one of the vendor's names, in order.
const CUSTOM: [&str; 3] = ["custom_1", "custom_2", "custom_3"];

impl Asia {
    /// Creates the SKUs of one product of the source.
    pub(super) async fn create_product(&self, token: &Secret, indices: &[usize], works: &mut [Work<'_>]) -> Ended {
        let known = match self.home(token, indices, works).await {
            Ok(known) => known,
            Err(trouble) => return refuse_all(trouble, indices, works),
        };
        let Some((source, first)) = works[indices[0]].change.product.as_ref() else { return Ok(()) };
        let single = first.options.is_empty();
        let (home, new) = match known {
            Some(home) => (home, false),
            None => match self.make(token, source, &works[indices[0]], single).await {
                Ok(home) => (home, true),
                Err(trouble) => return refuse_all(trouble, indices, works),
            },
        };
        // A product that its owner took off sale stays so, whoever joins it; one that is off sale because the source dropped all that
        // it had does not.
        let draft = home.status == status(false);
        let relists = draft && indices.iter().any(|index| works[*index].change.wanted.relisted);
        let begun = draft && works[indices[0]].change.siblings.is_empty() && !single;
        let warehouses = self.warehouses(token).await.map_err(|trouble| trouble.error)?;
        // What was made by this very call has the images already; what joins a product has the product's.
        let known: Vec<usize> =
            indices.iter().copied().filter(|index| !new && has(&home, works[*index].change.sku.as_str())).collect();
        push_images(self, token, &home, &known, works).await?;
        let mut home = home;
        for index in indices {
            let work = &mut works[*index];
            if !has(&home, work.change.sku.as_str()) {
                let Some(joined) = self.join(token, &home, work).await? else {
                    work.close();
                    continue;
                };
                home = joined;
            }
            self.adopt(token, &mut home, &warehouses, work).await?;
        }
        let goes_on_sale = if relists {
            comes_back(self, token, &home, indices, works).await?
        } else {
            (begun || (new && !single)) && indices.iter().any(|index| !works[*index].is_refused())
        };
        if goes_on_sale {
            self.put_on_sale(token, &home.id, indices, works).await?;
        }
        for index in indices {
            works[*index].close();
        }
        Ok(())
    }

    /// The product that the SKUs belong to, where the shop has it already.
    async fn home(&self, token: &Secret, indices: &[usize], works: &[Work<'_>]) -> Result<Option<Product>, Trouble> {
        if let Some(sibling) = works[indices[0]].change.siblings.first() {
            return self.product(token, &sibling.product_id).await.map(Some);
        }
        for index in indices {
            let sku = works[*index].change.sku.as_str();
            let body = json!({"sku": sku, "per_page": 50});
            let data = self.write(token, "product search", Method::POST, "products/search", body).await?.data;
            let items = list(&data, "items").unwrap_or_default();
            let there = items.iter().filter(|item| item["status"] != "removed");
            let mut products = there.filter_map(|item| Product::read(item, &self.0.locale, &mut Found::default()));
            if let Some(found) = products.find(|product| has(product, sku)) {
                return Ok(Some(found));
            }
        }
        match &works[indices[0]].change.product {
            Some((product, first)) if !first.options.is_empty() => self.left_behind(token, &product.title).await,
            _ => Ok(None),
        }
    }

    /// A draft of this title that no variation has joined yet.
    async fn left_behind(&self, token: &Secret, title: &str) -> Result<Option<Product>, Trouble> {
        let body = json!({"title_translations": title, "status": "draft", "per_page": 50});
        let data = self.write(token, "product search", Method::POST, "products/search", body).await?.data;
        let items = list(&data, "items").unwrap_or_default();
        let mut products = items.iter().filter_map(|item| Product::read(item, &self.0.locale, &mut Found::default()));
        let found = products.find(|product| {
            let bare = |it: &Variation| it.id.is_none() && it.sku.is_none();
            product.status == "draft" && product.title == title && product.variations.iter().all(bare)
        });
        Ok(found.map(|mut product| {
            product.variations.clear();
            product
        }))
    }

    /// Makes the product: as the one SKU it is, or as a draft that variations will join.
    async fn make(
        &self,
        token: &Secret,
        product: &domain::Product,
        work: &Work<'_>,
        single: bool,
    ) -> Result<Product, Trouble> {
        let change = work.change;
        let locale = &self.0.locale;
        let mut body = json!({
            "title_translations": {locale: product.title}, "same_price": false, "unlimited_quantity": false,
            "status": if single { "active" } else { "draft" }, "price": change.wanted.price.map(number),
        });
        if single {
            body["sku"] = json!(change.sku.as_str());
            body["quantity"] =
                json!(change.wanted.stock.filter(|_| change.fields.contains(&Field::Stock)).unwrap_or(0));
        }
        let barcode = change.product.as_ref().and_then(|(_, variant)| variant.barcode.clone()).filter(|_| single);
        for (name, value) in [
            ("description_translations", product.description.as_ref().map(|text| json!({locale: text}))),
            ("brand", self.0.mapping.brand(product).or(product.brand.as_deref()).map(Value::from)),
            ("category_ids", self.0.mapping.category(product).map(|id| json!([id]))),
            ("images", (!product.images.is_empty()).then(|| json!(main_images(&product.images)))),
            ("gtin", barcode.map(Value::from)),
        ] {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        let success = self.write(token, "product creation", Method::POST, "products", json!({"product": body})).await?;
        let made = Product::read(&success.data, locale, &mut Found::default());
        made.ok_or_else(|| self.odd("product creation", "it does not tell the product", success.request_id).into())
    }

    /// Adds a variation to a product; answers the product with it. `None`: it was refused.
    async fn join(
        &self,
        token: &Secret,
        home: &Product,
        work: &mut Work<'_>,
    ) -> Result<Option<Product>, Box<ChannelError>> {
        let options = match options_of(work, home, &self.0.locale) {
            Ok(options) => options,
            Err(text) => {
                work.refuse("options", &text, None);
                return Ok(None);
            }
        };
        let wanted = &work.change.wanted;
        let mut body = json!({
            "sku": work.change.sku.as_str(), "price": wanted.price.map(number), "variant_options": options,
            "quantity": wanted.stock.filter(|_| work.change.fields.contains(&Field::Stock)).unwrap_or(0),
        });
        if let Some(barcode) = work.change.product.as_ref().and_then(|(_, variant)| variant.barcode.as_ref()) {
            body["gtin"] = json!(barcode);
        }
        let path = format!("products/{}/variations", home.id);
        let answer = self.write(token, "variation creation", Method::POST, &path, body).await;
        let Some(answer) = work.judge(answer)? else { return Ok(None) };
        let joined = Product::read(&answer.data, &self.0.locale, &mut Found::default());
        let odd =
            || Box::new(self.odd("variation creation", "it does not tell the variation", answer.request_id.clone()));
        joined.filter(|joined| has(joined, work.change.sku.as_str())).map(Some).ok_or_else(odd)
    }

    /// Takes a variation that the shop has for the one that is wanted, and brings price and stock to what is wanted.
    async fn adopt(&self, token: &Secret, home: &mut Product, warehouses: &[String], work: &mut Work<'_>) -> Ended {
        if self.0.warehouse.is_some() {
            self.read_stocks(home, token).await.map_err(|trouble| trouble.error)?;
        }
        let sku = work.change.sku.as_str();
        let Some(variation) = home.variations.iter().find(|it| it.sku.as_deref() == Some(sku)) else { return Ok(()) };
        match self.listing(home, variation, warehouses) {
            Ok(listing) => work.listing = Some(listing),
            Err(error) => {
                work.refuse(error.code, &error.to_string(), None);
                return Ok(());
            }
        }
        let seen = work.listing.as_ref().map(|listing| (listing.prices.first().copied(), listing.stock));
        let wanted = work.change.wanted.price;
        if let (Some(wanted), Some((seen, _))) = (wanted, seen)
            && seen.map(|price| price.amount) != Some(wanted.amount)
        {
            let path = format!("{}/update_price", path_of(work));
            let body = json!({"price": number(wanted)});
            if work.judge(self.write(token, "price update", Method::PUT, &path, body).await)?.is_some() {
                work.note_price(wanted);
            }
        }
        if work.change.fields.contains(&Field::Stock)
            && seen.and_then(|(_, stock)| stock) != work.change.wanted.stock
            && let Some(pieces) = work.stock(false, Self::MOST.pieces)
        {
            self.push_stock(token, work, pieces).await?;
        }
        Ok(())
    }

    async fn put_on_sale(&self, token: &Secret, id: &str, indices: &[usize], works: &mut [Work<'_>]) -> Ended {
        let refused = match self.set_status(token, &[id.to_owned()], "active").await {
            Ok((refused, _)) => refused,
            Err(trouble) => return refuse_all(trouble, indices, works),
        };
        for index in indices {
            if let Some((_, code, text)) = refused.first() {
                works[*index].refuse(code, text, None);
            } else if let Some(listing) = &mut works[*index].listing {
                listing.status = domain::ListingStatus::Active;
                listing.refs["status"] = json!("active");
            }
        }
        Ok(())
    }
}

fn has(product: &Product, sku: &str) -> bool {
    product.variations.iter().any(|variation| variation.sku.as_deref() == Some(sku))
}

/// The options of a variation as they are sent, by the types that the product has, or by new ones.
fn options_of(work: &Work<'_>, home: &Product, locale: &str) -> Result<Vec<Value>, String> {
    let Some((_, variant)) = &work.change.product else { return Ok(Vec::new()) };
    let domain::Variant { options, .. } = variant;
    if options.is_empty() {
        return Err("the product has variations already, and this variant has no options; give it some at the source"
            .to_owned());
    }
    if !home.options.is_empty() && home.options.len() != options.len() {
        return Err(format!(
            "the product has {} options, and the variant has {}; make its options equal at the source",
            home.options.len(),
            options.len()
        ));
    }
    let mut custom = CUSTOM.iter();
    let mut sent = Vec::new();
    for (name, value) in options {
        let known = home
            .options
            .iter()
            .find(|(kind, known)| known.eq_ignore_ascii_case(name) || kind.eq_ignore_ascii_case(name));
        // An option that this program made is known by the type that it chose for it.
        let own = usual_kind(name).or_else(|| custom.next().copied()).unwrap_or(CUSTOM[0]);
        let made = home.options.iter().find(|(kind, _)| kind == own);
        let kind = match (known.or(made), home.options.is_empty()) {
            (Some((kind, _)), _) => kind.as_str(),
            (None, false) => {
                let names: Vec<&str> = home.options.iter().map(|(_, name)| name.as_str()).collect();
                return Err(format!(
                    "the product has no option `{name}` but {}; name it so at the source",
                    names.join(", ")
                ));
            }
            (None, true) => own,
        };
        sent.push(json!({"type": kind, "name_translations": {locale: value}}));
    }
    Ok(sent)
}

/// The vendor's type of an option that is called by one of the usual names.
fn usual_kind(name: &str) -> Option<&'static str> {
    match name.trim().to_lowercase().as_str() {
        "size" | "größe" | "尺寸" | "尺碼" => Some("size"),
        "color" | "colour" | "farbe" | "顏色" => Some("color"),
        _ => None,
    }
}
