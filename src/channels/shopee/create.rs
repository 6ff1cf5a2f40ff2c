//! Export: new items, and new variations of items that the shop has.
//!
//! Creating has no key by which a repetition would be noticed. So the SKU is looked for first, and where the answer to a
//! creation never came, it is looked for again a minute later, when the search knows of it, before anything is created. An item
//! with variations takes three calls: it is created off sale under its product's id, gets its variations five seconds later (until
//! then Shopee may not know it), and is put on sale. Whatever is cut off in between is found by the next attempt and gone on with.
//!
//! Vendor pages: "v2.product.add_item", "v2.product.init_tier_variation", "v2.product.update_tier_variation", "v2.product.add_model",
//! "v2.product.search_item", "Variant management" (guide 222).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Shopee,
    items::{Items, refs},
    limits::Limits,
    money::number,
    push::MOST,
    search::{Found, MOST_FOUND},
    terms::pieces,
    text,
    variations::{New, Tier, place_among, refuse_all, take_known, tiers_of},
    waiting::Wait,
    wire::Trouble,
    work::Work,
};
use crate::{
    channels::{Access, ChannelError},
    domain::{Failure, Listing, ListingStatus, Variant, plan::Change},
};

const ADD: &str = "item creation";
const TIERS: &str = "options of an item";
const JOIN: &str = "new variation";

impl Shopee {
    /// Creates the SKUs of one product of the source, in an item of their own or in the one that has their siblings.
    pub(super) async fn create(
        &self,
        access: &Access,
        indices: &[usize],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let mut new = Vec::new();
        for index in indices {
            let work = &mut works[*index];
            match (self.terms.lacks(work.change, self.region.as_deref()), &work.change.product) {
                (Some(complaint), _) => work.lacks(complaint),
                (None, Some((product, variant))) => {
                    new.push(New { index: *index, product, variant, tier_index: Vec::new() });
                }
                (None, None) => {}
            }
        }
        let Some(first) = new.first() else { return Ok(()) };
        if new.len() > MOST {
            let text = format!(
                "the product has {} variants, and an item of Shopee has at most {MOST} variations; split it in the source",
                new.len()
            );
            refuse_all(&new, works, "too_many_variants", &text);
            return Ok(());
        }
        if let Some(item) = works[first.index].joins() {
            let joining: Vec<usize> = new.iter().map(|one| one.index).collect();
            self.join(access, item, new, works).await?;
            for index in joining {
                works[index].complain_off_sale(item);
            }
            return Ok(());
        }
        let single = new.len() == 1 && first.variant.options.is_empty();
        let tiers = if single { Vec::new() } else { tiers_of(&mut new, works) };
        let Some(first) = new.first() else { return Ok(()) };
        let own_sku = if single { first.variant.sku.as_str() } else { first.product.id.as_str() };
        let skus: Vec<&str> = new.iter().map(|one| one.variant.sku.as_str()).collect();
        match self.find(access, own_sku, &skus).await? {
            Found::Nothing => {}
            Found::TooMuch => {
                let text = format!(
                    "more than {MOST_FOUND} items match `{own_sku}` in a search, so nobody can tell whether it is there already; create it in Seller Centre"
                );
                refuse_all(&new, works, "ambiguous", &text);
                return Ok(());
            }
            Found::Item(id) => return self.go_on_with(access, id, single, new, &tiers, works).await,
        }
        let category = self.terms.category(first.product).unwrap_or_default();
        let limits = self.limits(access, category).await?;
        let new = self.within(&limits, new, works);
        let Some(first) = new.first() else { return Ok(()) };
        let images = match self.upload_images(access, limits.images(&first.product.images)).await? {
            Ok(images) => images,
            Err(text) => {
                refuse_all(&new, works, "image", &text);
                return Ok(());
            }
        };
        self.add(access, own_sku, single, &images, new, works).await
    }

    /// The SKUs that are within the category's bounds; what is out of them is named with each of the others.
    fn within<'a>(&self, limits: &Limits, mut new: Vec<New<'a>>, works: &mut [Work<'_>]) -> Vec<New<'a>> {
        let of_item = new.first().map(|first| limits.of_item(first.product, self.terms.days_to_ship()));
        let of_item = of_item.unwrap_or_default();
        new.retain(|one| {
            let work = &mut works[one.index];
            let wanted = pieces(work.change, one.variant).unwrap_or(0);
            let own = limits.of_sku(work.change, one.variant, wanted);
            for (code, text) in of_item.iter().chain(&own) {
                work.refuse(code, text, None);
            }
            of_item.is_empty() && own.is_empty()
        });
        new
    }

    async fn add(
        &self,
        access: &Access,
        own_sku: &str,
        single: bool,
        images: &[String],
        new: Vec<New<'_>>,
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let first = &new[0];
        let change = works[first.index].change;
        let mut body = match self.terms.item(first.product, first.variant, images) {
            Ok(body) => body,
            Err(text) => {
                refuse_all(&new, works, "mapping", &text);
                return Ok(());
            }
        };
        let now = self.client.now().as_second();
        body["item_sku"] = own_sku.into();
        body["original_price"] = change.wanted.price.map_or(Value::Null, |price| number(price.amount));
        // Until its variations are there, nobody is to find it, or buy it.
        body["item_status"] = if single { "NORMAL" } else { "UNLIST" }.into();
        body["seller_stock"] = self.stock_of_new(if single { pieces(change, first.variant).unwrap_or(0) } else { 0 });
        if let (true, Some(code)) = (single, self.gtin(first.variant)) {
            body["gtin_code"] = code.into();
        }
        let success = match self.write(access, ADD, "/api/v2/product/add_item", body).await {
            Ok(success) => success,
            Err(trouble) => return waits_or_refused(trouble, &new, works, now),
        };
        let Some(id) = success.response().get("item_id").and_then(Value::as_u64) else {
            return Err(self.reading_products(ADD).unexpected("the answer has no item_id", success.request_id));
        };
        if single {
            let listing = self.created(change, first, id, 0, 1);
            works[first.index].listing = Some(listing);
            return Ok(());
        }
        for one in &new {
            works[one.index].pending = Some(Wait::Item { id, at: now }.ticket());
        }
        Ok(())
    }

    /// An item that has these SKUs already, or that an earlier attempt left without its variations.
    async fn go_on_with(
        &self,
        access: &Access,
        id: u64,
        single: bool,
        new: Vec<New<'_>>,
        tiers: &[Tier],
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let Some((item, models, read)) = self.read_item(access, id).await? else {
            refuse_all(&new, works, "gone", "the item that has the SKU was deleted meanwhile");
            return Ok(());
        };
        let left = self.adopt(access, id, &read, new, works).await?;
        if left.is_empty() {
            return Ok(());
        }
        if !models.model.is_empty() {
            return self.join(access, id, left, works).await;
        }
        let title = text::line_of_title(&left[0].product.title);
        let is_ours = !single && !tiers.is_empty() && item.item_status == "UNLIST" && item.item_name == title;
        if !is_ours {
            let text = format!(
                "the shop has another item under the SKU `{}` (item {id}); give it another SKU in Seller Centre, or the product another id in the source",
                item.item_sku
            );
            refuse_all(&left, works, "sku_taken", &text);
            return Ok(());
        }
        for one in &left {
            works[one.index].pending = Some(Wait::Item { id, at: item.create_time }.ticket());
        }
        Ok(())
    }

    /// Takes those that an item has already, as it has them; the images and attributes that they want it gets. Answers the others.
    async fn adopt<'a>(
        &self,
        access: &Access,
        id: u64,
        read: &Items,
        new: Vec<New<'a>>,
        works: &mut [Work<'_>],
    ) -> Result<Vec<New<'a>>, ChannelError> {
        let all: Vec<usize> = new.iter().map(|one| one.index).collect();
        let left = take_known(read, new, works);
        let known: Vec<usize> = all.into_iter().filter(|index| left.iter().all(|one| one.index != *index)).collect();
        self.push_attributes(access, id, &known, works).await?;
        self.push_images(access, id, &known, works).await?;
        Ok(left)
    }

    /// Adds variations to an item that has some.
    pub(super) async fn join(
        &self,
        access: &Access,
        id: u64,
        new: Vec<New<'_>>,
        works: &mut [Work<'_>],
    ) -> Result<(), ChannelError> {
        let Some((_, models, read)) = self.read_item(access, id).await? else {
            refuse_all(&new, works, "gone", "the item that the SKU belongs to was deleted; wait for the next import");
            return Ok(());
        };
        let mut new = self.adopt(access, id, &read, new, works).await?;
        if new.is_empty() {
            return Ok(());
        }
        if models.model.is_empty() {
            let text = format!(
                "item {id} of the same product has no variations; give it some in Seller Centre, for Shopee would replace what it is now"
            );
            refuse_all(&new, works, "no_variations", &text);
            return Ok(());
        }
        if models.model.len() + new.len() > MOST {
            let text = format!("item {id} has {} variations, and no item has more than {MOST}", models.model.len());
            refuse_all(&new, works, "too_many_variants", &text);
            return Ok(());
        }
        let mut tiers = Tier::of(&models);
        let values_before: usize = tiers.iter().map(|tier| tier.values.len()).sum();
        let mut taken: Vec<Vec<usize>> = models.model.iter().map(|model| model.tier_index.clone()).collect();
        new.retain_mut(|one| match place_among(&mut tiers, one.variant, &taken) {
            Ok(tier_index) => {
                taken.push(tier_index.clone());
                one.tier_index = tier_index;
                true
            }
            Err(text) => {
                works[one.index].refuse("options", &format!("item {id}: {text}"), None);
                false
            }
        });
        if new.is_empty() {
            return Ok(());
        }
        if tiers.iter().map(|tier| tier.values.len()).sum::<usize>() > values_before {
            let known: Vec<_> = models
                .model
                .iter()
                .map(|model| json!({"model_id": model.model_id, "tier_index": model.tier_index}))
                .collect();
            let body = json!({"item_id": id, "standardise_tier_variation": Tier::body(&tiers), "model_list": known});
            match self.write(access, TIERS, "/api/v2/product/update_tier_variation", body).await {
                Ok(_) => {}
                Err(trouble) if trouble.error.failure == Failure::Rejected => {
                    for one in &new {
                        works[one.index].refuse_for(&trouble);
                    }
                    return Ok(());
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
        let list: Vec<_> = new.iter().map(|one| self.model_body(works[one.index].change, one)).collect();
        let now = self.client.now().as_second();
        let body = json!({"item_id": id, "model_list": list});
        match self.write(access, JOIN, "/api/v2/product/add_model", body).await {
            Ok(success) => {
                let count = models.model.len() + new.len();
                self.note_models(success.response(), id, &new, count, works);
                let like = read.listings.first();
                for (one, like) in new.iter().filter_map(|one| Some((one, like?))) {
                    if let Some(listing) = &mut works[one.index].listing {
                        listing.status = like.status;
                        listing.refs[refs::STATUS] = like.refs[refs::STATUS].clone();
                        listing.title.clone_from(&like.title);
                        listing.description.clone_from(&like.description);
                        listing.images.clone_from(&like.images);
                    }
                }
                Ok(())
            }
            Err(trouble) => waits_or_refused(trouble, &new, works, now),
        }
    }

    /// A variation as a call names it.
    pub(super) fn model_body(&self, change: &Change, new: &New<'_>) -> Value {
        let mut body = json!({
            "tier_index": new.tier_index,
            "model_sku": new.variant.sku.as_str(),
            "original_price": change.wanted.price.map_or(Value::Null, |price| number(price.amount)),
            "seller_stock": self.stock_of_new(pieces(change, new.variant).unwrap_or(0)),
        });
        if let Some(code) = self.gtin(new.variant) {
            body["gtin_code"] = code.into();
        }
        body
    }

    fn stock_of_new(&self, pieces: i64) -> Value {
        match &self.warehouse {
            Some(id) => json!([{"location_id": id, "stock": pieces}]),
            None => json!([{"stock": pieces}]),
        }
    }

    /// A GTIN, where sellers may name one: in TW and BR.
    fn gtin<'a>(&self, variant: &'a Variant) -> Option<&'a str> {
        let code = variant.barcode.as_deref()?.trim();
        let digits = (8..=14).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
        (digits && matches!(self.region.as_deref(), Some("TW" | "BR"))).then_some(code)
    }

    /// Notes the variations that Shopee made, told apart by their place among the options.
    pub(super) fn note_models(&self, response: &Value, id: u64, new: &[New<'_>], count: usize, works: &mut [Work<'_>]) {
        let made: BTreeMap<Vec<usize>, u64> = response
            .get("model")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|model| {
                let index: Vec<usize> = serde_json::from_value(model.get("tier_index")?.clone()).ok()?;
                Some((index, model.get("model_id")?.as_u64()?))
            })
            .collect();
        for one in new {
            let model = made.get(&one.tier_index).copied().unwrap_or(0);
            let work = &mut works[one.index];
            work.listing = Some(self.created(work.change, one, id, model, count));
        }
    }

    /// A new SKU as it stands, as far as we know: what was sent. The next import reads the rest.
    fn created(&self, change: &Change, new: &New<'_>, item: u64, model: u64, models: usize) -> Listing {
        let pieces = pieces(change, new.variant).unwrap_or(0);
        let location = self.warehouse.clone().unwrap_or_default();
        Listing {
            sku: change.sku.clone(),
            product_id: item.to_string(),
            refs: json!({
                refs::ITEM: item,
                refs::MODEL: model,
                refs::MODELS: models,
                refs::STATUS: "NORMAL",
                refs::SKU: new.variant.sku.as_str(),
                refs::LOCATIONS: {&location: pieces},
                refs::LOCATION: location,
                refs::SHOPEE_STOCK: 0,
                refs::RESERVED: 0,
            }),
            title: text::line_of_title(&new.product.title),
            description: new.product.description.as_deref().map(text::plain),
            brand: new.product.brand.clone(),
            category: None,
            shop_sku: None,
            barcode: new.variant.barcode.clone(),
            images: Vec::new(),
            options: new.variant.options.clone(),
            prices: change.wanted.price.into_iter().collect(),
            stock: Some(pieces),
            status: ListingStatus::Active,
        }
    }
}

/// A creation that failed: refused for good, certainly not done, or (nobody knows) to be looked for later.
fn waits_or_refused(trouble: Trouble, new: &[New<'_>], works: &mut [Work<'_>], now: i64) -> Result<(), ChannelError> {
    if trouble.error.failure == Failure::Rejected {
        for one in new {
            works[one.index].refuse_for(&trouble);
        }
        return Ok(());
    }
    if trouble.error.not_acted() {
        return Err(trouble.into());
    }
    for one in new {
        works[one.index].pending = Some(Wait::Unclear { at: now }.ticket());
    }
    Ok(())
}
