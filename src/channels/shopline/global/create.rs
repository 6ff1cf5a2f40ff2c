//! Creating on Global: new products with all their variants, and variants that join a product.
//!
//! The vendor knows no idempotency keys, so whoever did not hear the answer to a creation could make the product twice. Before
//! anything is made it is looked for by its SKUs: in the product of its siblings, among the products of the same title, and, since a
//! title may be edited between two attempts and stores may not know that filter, among those that the shop got lately. What is
//! found is brought to what is wanted instead. A new variant has no pieces; its stock is set where it is stocked, once it is there.
//!
//! Vendor pages: "Create a product", "Create a variant", "Link an inventory item to a location",
//! "Get products".

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Global,
    product::{Product, Variant},
    pull::{LIMIT, written},
};
use crate::{
    channels::shopline::{
        export::{Export, comes_back, push_images},
        items::{Found, list, price},
        products::refuse_all,
        windows::smaller,
        wire::Trouble,
        works::{Ended, Work, amount, status},
    },
    domain::{self, Field, Price},
    http::Method,
    secrets::Secret,
};

/// The most variants of a product.
const MOST_VARIANTS: usize = 500;
/// How many products of the same title are looked through.
const SAME_TITLE: usize = 250;
/// What was made longer ago than this is known by the import.
const LATELY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How many of those that were made lately are looked through.
const MADE_LATELY: usize = 1_000;

impl Global {
    /// Creates the SKUs of one product of the source. `lately`: the products that the shop got lately, once they have been read.
    pub(super) async fn create_product(
        &self,
        token: &Secret,
        indices: &[usize],
        works: &mut [Work<'_>],
        lately: &mut Option<Vec<Product>>,
    ) -> Ended {
        let home = match self.home(token, indices, works, lately).await {
            Ok(Some(home)) => home,
            Ok(None) => return self.make(token, indices, works).await,
            Err(trouble) => return refuse_all(trouble, indices, works),
        };
        // What joins a product has the product's images.
        let has = |sku: &str| home.variants.iter().any(|variant| variant.sku.as_deref() == Some(sku));
        let known: Vec<usize> =
            indices.iter().copied().filter(|index| has(works[*index].change.sku.as_str())).collect();
        push_images(self, token, &home, &known, works).await?;
        // What is not closed before the product is on sale begins again, should that fail.
        let off = home.status == status(false) && indices.iter().any(|index| works[*index].change.wanted.relisted);
        for index in indices {
            let sku = works[*index].change.sku.as_str();
            match home.variants.iter().find(|variant| variant.sku.as_deref() == Some(sku)) {
                Some(variant) => self.adopt(token, &home, variant, &mut works[*index]).await?,
                None => self.join(token, &home, &mut works[*index]).await?,
            }
            if !off {
                works[*index].close();
            }
        }
        if off {
            if comes_back(self, token, &home, indices, works).await? {
                self.put_product_on_sale(token, true, indices, works).await?;
            }
            for index in indices {
                works[*index].close();
            }
        }
        Ok(())
    }

    /// The product that the SKUs belong to, where the shop has it already.
    async fn home(
        &self,
        token: &Secret,
        indices: &[usize],
        works: &[Work<'_>],
        lately: &mut Option<Vec<Product>>,
    ) -> Result<Option<Product>, Trouble> {
        let change = works[indices[0]].change;
        if let Some(sibling) = change.siblings.first() {
            return self.product(token, &sibling.product_id).await.map(Some);
        }
        let skus: BTreeSet<&str> = indices.iter().map(|index| works[*index].change.sku.as_str()).collect();
        let has = |product: &&Product| {
            product.variants.iter().any(|it| it.sku.as_deref().is_some_and(|sku| skus.contains(sku)))
        };
        let title = change.product.as_ref().map(|(product, _)| product.title.clone()).unwrap_or_default();
        let titled = self.search(token, vec![("title", title)], SAME_TITLE).await?;
        if let Some(found) = titled.iter().find(has) {
            return Ok(Some(found.clone()));
        }
        let lately = match lately {
            Some(known) => known,
            none => none.insert(self.made_lately(token).await?),
        };
        Ok(lately.iter().find(has).cloned())
    }

    /// The products that the shop got lately, newest first.
    async fn made_lately(&self, token: &Secret) -> Result<Vec<Product>, Trouble> {
        let since = self.0.client.now().saturating_sub(LATELY).unwrap_or(Timestamp::MIN);
        let filters = vec![("created_at_min", written(since)), ("order_by", "created_at_desc".to_owned())];
        self.search(token, filters, MADE_LATELY).await
    }

    /// Products that filters let through, `most` of them or a few more.
    async fn search(
        &self,
        token: &Secret,
        filters: Vec<(&'static str, String)>,
        most: usize,
    ) -> Result<Vec<Product>, Trouble> {
        let (mut products, mut query, mut limit) = (Vec::new(), filters, LIMIT);
        loop {
            let limited = [query.clone(), vec![("limit", limit.to_string())]].concat();
            let answer = match self.read("product search", "products/products.json", limited, token).await {
                Ok(answer) => answer,
                Err(trouble) => {
                    limit = smaller(limit, &trouble).ok_or(trouble)?;
                    continue;
                }
            };
            let values = list(&answer.data, "products").unwrap_or_default();
            products.extend(values.iter().filter_map(|value| Product::read(value, &mut Found::default())));
            match answer.next.filter(|_| !values.is_empty() && products.len() < most) {
                // The vendor's token keeps the filters, and may have none beside it.
                Some(next) => query = vec![("page_info", next)],
                None => return Ok(products),
            }
        }
    }

    /// Makes the product with all its variants.
    async fn make(&self, token: &Secret, indices: &[usize], works: &mut [Work<'_>]) -> Ended {
        let Some((product, first)) = works[indices[0]].change.product.as_ref() else { return Ok(()) };
        let names: Vec<&str> = first.options.iter().map(|(name, _)| name.as_str()).collect();
        let (mut variants, mut made) = (Vec::new(), Vec::new());
        for index in indices {
            match variant_of(&works[*index], &names) {
                Ok(_) if made.len() == MOST_VARIANTS => {
                    let text = format!("SHOPLINE takes {MOST_VARIANTS} variants of a product; part it at the source");
                    works[*index].refuse("variants", &text, None);
                    works[*index].close();
                }
                Ok(variant) => {
                    variants.push(variant);
                    made.push(*index);
                }
                Err(text) => {
                    works[*index].refuse("options", &text, None);
                    works[*index].close();
                }
            }
        }
        if made.is_empty() {
            return Ok(());
        }
        let mut body = json!({"title": product.title, "status": "active", "variants": variants});
        let options: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        let images: Vec<Value> = product.images.iter().map(|src| json!({"src": src})).collect();
        for (name, value) in [
            ("body_html", product.description.clone().map(Value::from)),
            ("vendor", self.0.mapping.brand(product).or(product.brand.as_deref()).map(Value::from)),
            ("product_category", self.0.mapping.category(product).or(product.category.as_deref()).map(Value::from)),
            ("options", (!options.is_empty()).then(|| options.into())),
            ("images", (!images.is_empty()).then(|| images.into())),
        ] {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        let answer =
            self.write(token, "product creation", Method::POST, "products/products.json", json!({"product": body}));
        let answer = match answer.await {
            Ok(success) => success,
            Err(trouble) => return refuse_all(trouble, &made, works),
        };
        let product = Product::read(&answer.data["product"], &mut Found::default());
        let odd = |what: &str| Err(Box::new(self.odd("product creation", what, answer.request_id.clone())));
        let Some(product) = product else { return odd("it does not tell the product") };
        for index in made {
            let sku = works[index].change.sku.as_str();
            let Some(variant) = product.variants.iter().find(|variant| variant.sku.as_deref() == Some(sku)) else {
                return odd("it does not tell all variants");
            };
            self.adopt(token, &product, variant, &mut works[index]).await?;
            works[index].close();
        }
        Ok(())
    }

    /// Adds a variant to a product.
    async fn join(&self, token: &Secret, home: &Product, work: &mut Work<'_>) -> Ended {
        let names: Vec<&str> = home.options.iter().map(String::as_str).collect();
        let variant = match variant_of(work, &names) {
            Ok(_) if home.variants.len() >= MOST_VARIANTS => {
                Err(("variants", "SHOPLINE takes 500 variants of a product".to_owned()))
            }
            Ok(variant) => Ok(variant),
            Err(text) => Err(("options", text)),
        };
        let variant = match variant {
            Ok(variant) => variant,
            Err((code, text)) => {
                work.refuse(code, &text, None);
                return Ok(());
            }
        };
        let path = format!("products/{}/variants.json", home.id);
        let answer = self.write(token, "variant creation", Method::POST, &path, json!({"variant": variant})).await;
        let Some(answer) = work.judge(answer)? else { return Ok(()) };
        match Variant::read(&answer.data["variant"]) {
            Some(variant) => self.adopt(token, home, &variant, work).await,
            None => Err(Box::new(self.odd("variant creation", "it does not tell the variant", answer.request_id))),
        }
    }

    /// Takes a variant that the shop has for the one that is wanted, and brings price and stock to what is wanted.
    async fn adopt(&self, token: &Secret, product: &Product, variant: &Variant, work: &mut Work<'_>) -> Ended {
        let Some(wanted) = work.change.wanted.price else { return Ok(()) };
        let items: Vec<&str> = variant.item.as_deref().into_iter().collect();
        let mut stocks = self.stocks(&items, token).await.map_err(|trouble| trouble.error)?;
        if let (Some(item), Some(chosen)) = (&variant.item, &self.0.warehouse)
            && stocks.of(variant).is_none_or(|places| !places.contains_key(chosen))
        {
            let body = json!({"inventory_item_id": item, "location_id": chosen});
            let linked =
                self.write(token, "linking to a location", Method::POST, "inventory_levels/connect.json", body).await;
            if work.judge(linked)?.is_none() {
                return Ok(());
            }
            stocks = self.stocks(&items, token).await.map_err(|trouble| trouble.error)?;
        }
        match self.listing(product, variant, stocks.of(variant), wanted.currency) {
            Ok(listing) => work.listing = Some(listing),
            Err(error) => {
                work.refuse(error.code, &error.to_string(), None);
                return Ok(());
            }
        }
        self.bring_in_line(token, variant, wanted, work).await
    }

    async fn bring_in_line(&self, token: &Secret, variant: &Variant, wanted: Price, work: &mut Work<'_>) -> Ended {
        let seen = variant.price.as_ref().and_then(|value| price(value).ok());
        if seen != Some(wanted.amount) {
            self.push_price(token, work, wanted).await?;
        }
        let stocked = work.listing.as_ref().and_then(|listing| listing.stock);
        if work.change.fields.contains(&Field::Stock)
            && stocked != work.change.wanted.stock
            && let Some(pieces) = work.stock(false, Self::MOST.pieces)
        {
            self.push_stock(token, work, pieces).await?;
        }
        Ok(())
    }
}

/// A variant as it is to be created, with a value for each of these options.
fn variant_of(work: &Work<'_>, names: &[&str]) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    let Some((_, variant)) = &work.change.product else { return Ok(fields) };
    let domain::Variant { sku, barcode, options, .. } = variant;
    if let Some((name, _)) =
        options.iter().find(|(name, _)| !names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    {
        return Err(format!(
            "the variant has an option `{name}` that the product does not have ({}); make its options equal at the source",
            names.join(", ")
        ));
    }
    for (index, name) in names.iter().enumerate() {
        let value = options.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, value) =
            value.ok_or_else(|| format!("the product has an option `{name}`, for which the variant has no value"))?;
        fields.insert(format!("option{}", index + 1), json!(value));
    }
    fields.insert("sku".to_owned(), json!(sku.as_str()));
    fields.insert("inventory_tracker".to_owned(), json!(true));
    fields.extend(barcode.as_ref().map(|barcode| ("barcode".to_owned(), json!(barcode))));
    fields.extend(work.change.wanted.price.map(|price| ("price".to_owned(), json!(amount(price)))));
    Ok(fields)
}
