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

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Shopee,
    client::Ask,
    items::{Items, WireItem, WireModels, refs},
    limits::Limits,
    money::number,
    push::{MOST, Work},
    terms::pieces,
    text,
    wire::Trouble,
};
use crate::{
    channels::{Access, ChannelError, Settled, Ticket, calls::token_of},
    domain::{Failure, Listing, ListingStatus, Product, Variant, plan::Change},
};

const ADD: &str = "item creation";
const INIT: &str = "variations of an item";
const TIERS: &str = "options of an item";
const JOIN: &str = "new variation";
const RELIST: &str = "putting on sale";
const SEARCH: &str = "search by SKU";
/// A new item rests this long before it gets its variations.
const REST_SECONDS: i64 = 5;
/// After a creation of which nobody knows whether it was done, the search is asked this much later.
const SEARCH_LAG_SECONDS: i64 = 60;
/// A new item that is not to be seen for so long will not be.
const LOST_SECONDS: i64 = 600;
/// The most that a search is followed; a SKU that is part of more is looked for by hand.
const MOST_FOUND: usize = 500;

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Wait {
    /// An item without its variations yet, created at this second.
    Item { id: u64, at: i64 },
    /// Nobody knows whether it was created, at this second.
    Unclear { at: i64 },
}

impl Wait {
    fn ticket(&self) -> Ticket {
        Ticket(serde_json::to_string(self).expect("a ticket is plain data"))
    }
}

/// A variation to be created.
struct New<'a> {
    index: usize,
    product: &'a Product,
    variant: &'a Variant,
    /// Which value of each option.
    tier_index: Vec<usize>,
}

/// Names of options with their values, and Shopee's ids of them; 0 where they are of no standard.
#[derive(Debug, Clone)]
struct Tier {
    id: u64,
    group: u64,
    name: String,
    values: Vec<(u64, String, String)>,
}

impl Tier {
    fn body(tiers: &[Self]) -> Value {
        let value = |(id, name, image): &(u64, String, String)| {
            let mut value = json!({"variation_option_id": id, "variation_option_name": name});
            if !image.is_empty() {
                value["image_id"] = image.as_str().into();
            }
            value
        };
        let tier = |tier: &Self| {
            let values: Vec<_> = tier.values.iter().map(value).collect();
            let mut body =
                json!({"variation_id": tier.id, "variation_name": tier.name, "variation_option_list": values});
            if tier.group != 0 {
                body["variation_group_id"] = tier.group.into();
            }
            body
        };
        tiers.iter().map(tier).collect()
    }

    fn of(models: &WireModels) -> Vec<Self> {
        if models.standardise_tier_variation.is_empty() {
            let own = |(name, values): (String, Vec<String>)| Self {
                id: 0,
                group: 0,
                name,
                values: values.into_iter().map(|value| (0, value, String::new())).collect(),
            };
            return models.tiers().into_iter().map(own).collect();
        }
        let standard = models.standardise_tier_variation.iter().map(|tier| Self {
            id: tier.variation_id,
            group: tier.variation_group_id,
            name: tier.variation_name.clone(),
            values: tier
                .variation_option_list
                .iter()
                .map(|one| (one.variation_option_id, one.variation_option_name.clone(), one.image_id.clone()))
                .collect(),
        });
        standard.collect()
    }

    /// The index of a value, which is added where it is new.
    fn index_of(&mut self, value: &str) -> usize {
        let known = self.values.iter().position(|(_, known, _)| known == value);
        known.unwrap_or_else(|| {
            self.values.push((0, value.to_owned(), String::new()));
            self.values.len() - 1
        })
    }
}

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
        let siblings = &works[first.index].change.siblings;
        if let Some(item) = siblings.iter().find_map(|sibling| sibling.refs.get(refs::ITEM)?.as_u64()) {
            return self.join(access, item, new, works).await;
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
        let images = match self.upload_images(access, limits.images(first.product)).await? {
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
        let left = take_known(&read, new, works);
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

    /// Asks what became of new items.
    pub(super) async fn settle_created(
        &self,
        access: &Access,
        ticket: &Ticket,
        changes: &[Change],
    ) -> Result<Settled, ChannelError> {
        let wait: Wait = serde_json::from_str(&ticket.0)
            .map_err(|_| ChannelError::bug("the ticket of a new item cannot be read"))?;
        let now = self.client.now().as_second();
        let mut works: Vec<_> = changes.iter().map(Work::of).collect();
        let indices: Vec<usize> = (0..works.len()).collect();
        match wait {
            Wait::Unclear { at } if now < at + SEARCH_LAG_SECONDS => return Ok(Settled::Open),
            Wait::Item { at, .. } if now < at + REST_SECONDS => return Ok(Settled::Open),
            Wait::Unclear { .. } => self.create(access, &indices, &mut works).await?,
            Wait::Item { id, at } => {
                if !self.vary(access, id, now < at + LOST_SECONDS, &mut works).await? {
                    return Ok(Settled::Open);
                }
            }
        }
        Ok(Settled::Judged(works.into_iter().map(Work::result).collect()))
    }

    /// Gives an item its variations and puts it on sale; `false`: it is not to be seen yet.
    async fn vary(
        &self,
        access: &Access,
        id: u64,
        may_wait: bool,
        works: &mut [Work<'_>],
    ) -> Result<bool, ChannelError> {
        let changes: Vec<&Change> = works.iter().map(|work| work.change).collect();
        let mut new: Vec<New<'_>> = changes
            .iter()
            .enumerate()
            .filter_map(|(index, change)| {
                let (product, variant) = change.product.as_ref()?;
                Some(New { index, product, variant, tier_index: Vec::new() })
            })
            .collect();
        let Some((_, models, read)) = self.read_item(access, id).await? else {
            if may_wait {
                return Ok(false);
            }
            refuse_all(&new, works, "gone", "the new item is not to be found; it is created again by a later export");
            return Ok(true);
        };
        if models.model.is_empty() {
            let tiers = tiers_of(&mut new, works);
            if new.is_empty() {
                return Ok(true);
            }
            let models: Vec<_> = new.iter().map(|one| self.model_body(works[one.index].change, one)).collect();
            let body = json!({"item_id": id, "standardise_tier_variation": Tier::body(&tiers), "model": models});
            match self.write(access, INIT, "/api/v2/product/init_tier_variation", body).await {
                Ok(success) => self.note_models(success.response(), id, &new, new.len(), works),
                Err(trouble) if trouble.error.failure == Failure::Rejected => {
                    for one in &new {
                        works[one.index].refuse_for(&trouble);
                    }
                    return Ok(true);
                }
                Err(trouble) => return Err(trouble.into()),
            }
        } else {
            let left = take_known(&read, new, works);
            if !left.is_empty() {
                self.join(access, id, left, works).await?;
            }
        }
        self.relist(access, id, works).await?;
        Ok(true)
    }

    async fn relist(&self, access: &Access, id: u64, works: &mut [Work<'_>]) -> Result<(), ChannelError> {
        let body = json!({"item_list": [{"item_id": id, "unlist": false}]});
        let answer = self.write(access, RELIST, "/api/v2/product/unlist_item", body).await;
        let fault = match answer {
            Ok(success) => {
                let list = success.response().get("failure_list").and_then(Value::as_array);
                let entry = list.and_then(|list| list.first());
                let reason = entry.and_then(|entry| entry.get("failed_reason")).and_then(Value::as_str);
                reason.map(text::line)
            }
            Err(trouble) if trouble.error.failure == Failure::Rejected => Some(trouble.error.text.clone()),
            Err(trouble) => return Err(trouble.into()),
        };
        for work in works.iter_mut().filter(|work| !work.is_refused()) {
            match (&fault, &mut work.listing) {
                (Some(reason), _) => {
                    let text =
                        format!("the item was created but not put on sale: {reason}; put it on sale in Seller Centre");
                    work.refuse("not_on_sale", &text, None);
                }
                (None, Some(listing)) => {
                    listing.status = ListingStatus::Active;
                    listing.refs[refs::STATUS] = "NORMAL".into();
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Adds variations to an item that has some.
    async fn join(
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
        let mut new = take_known(&read, new, works);
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
    fn model_body(&self, change: &Change, new: &New<'_>) -> Value {
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
    fn note_models(&self, response: &Value, id: u64, new: &[New<'_>], count: usize, works: &mut [Work<'_>]) {
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

    /// Looks for an item under its own SKU, or with one of these among its variations.
    async fn find(&self, access: &Access, own_sku: &str, skus: &[&str]) -> Result<Found, ChannelError> {
        let mut seen = 0;
        let mut asked: Vec<&str> = vec![own_sku];
        asked.extend(skus.first().filter(|sku| **sku != own_sku));
        for sku in asked {
            let mut offset = String::new();
            loop {
                let (ids, next) = self.search(access, sku, &offset).await?;
                seen += ids.len();
                for some in ids.chunks(MOST) {
                    let mut read = Items::default();
                    let (told, _) = self.base_info(access, some, &mut read).await?;
                    for (id, item) in told {
                        if self.is_it(access, &item, own_sku, skus).await? {
                            return Ok(Found::Item(id));
                        }
                    }
                }
                if next.is_empty() || next == offset || ids.is_empty() {
                    break;
                }
                if seen > MOST_FOUND {
                    return Ok(Found::TooMuch);
                }
                offset = next;
            }
        }
        Ok(Found::Nothing)
    }

    async fn is_it(
        &self,
        access: &Access,
        item: &WireItem,
        own_sku: &str,
        skus: &[&str],
    ) -> Result<bool, ChannelError> {
        if item.item_status.ends_with("_DELETE") {
            return Ok(false);
        }
        let own = item.item_sku.trim();
        if !item.has_model {
            return Ok(own == own_sku || skus.contains(&own));
        }
        let models = self.models_of(access, item.item_id).await?.unwrap_or_default();
        let has = |sku: &&str| models.model.iter().any(|model| model.model_sku.trim() == *sku);
        Ok(skus.iter().any(has) || (own == own_sku && !skus.contains(&own)))
    }

    /// One page of items whose SKU, or one of whose variations' SKUs, has this in it; and where the next one begins.
    async fn search(&self, access: &Access, sku: &str, offset: &str) -> Result<(Vec<u64>, String), ChannelError> {
        let mut query = vec![("page_size", "100".to_owned()), ("item_sku", sku.to_owned())];
        if !offset.is_empty() {
            query.push(("offset", offset.to_owned()));
        }
        let ask = Ask { operation: SEARCH, path: "/api/v2/product/search_item", query, body: None };
        let success = self.client.of_products(ask, self.shop_id, token_of(access)?).await?;
        let response = success.response();
        let ids = response.get("item_id_list").and_then(Value::as_array).into_iter().flatten();
        let next = response.get("next_offset").and_then(Value::as_str).unwrap_or_default();
        Ok((ids.filter_map(Value::as_u64).collect(), next.to_owned()))
    }
}

/// What a search found.
enum Found {
    Nothing,
    Item(u64),
    /// So much that nobody can look at it all.
    TooMuch,
}

fn refuse_all(new: &[New<'_>], works: &mut [Work<'_>], code: &str, text: &str) {
    for one in new {
        works[one.index].refuse(code, text, None);
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

/// Takes those that an item has already, as it has them; answers the others.
fn take_known<'a>(read: &Items, new: Vec<New<'a>>, works: &mut [Work<'_>]) -> Vec<New<'a>> {
    let mut left = Vec::new();
    for one in new {
        match read.listings.iter().find(|listing| listing.sku == one.variant.sku) {
            Some(listing) => {
                let sku = works[one.index].change.sku.clone();
                works[one.index].listing = Some(Listing { sku, ..listing.clone() });
            }
            None => left.push(one),
        }
    }
    left
}

/// The options of variants that become an item of their own. A variant whose options do not fit is refused and left out.
fn tiers_of(new: &mut Vec<New<'_>>, works: &mut [Work<'_>]) -> Vec<Tier> {
    let names: Vec<String> = new
        .iter()
        .map(|one| &one.variant.options)
        .find(|options| !options.is_empty())
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect();
    let empty = |name: String| Tier { id: 0, group: 0, name, values: Vec::new() };
    let mut tiers: Vec<Tier> = names.into_iter().map(empty).collect();
    let mut taken = Vec::new();
    new.retain_mut(|one| match place_among(&mut tiers, one.variant, &taken) {
        Ok(tier_index) => {
            taken.push(tier_index.clone());
            one.tier_index = tier_index;
            true
        }
        Err(text) => {
            works[one.index].refuse("options", &text, None);
            false
        }
    });
    tiers
}

/// Where a variant stands among the options of an item; an error says why it cannot.
fn place_among(tiers: &mut [Tier], variant: &Variant, taken: &[Vec<usize>]) -> Result<Vec<usize>, String> {
    let value_of =
        |tier: &Tier| variant.options.iter().find(|(name, _)| name.trim().eq_ignore_ascii_case(tier.name.trim()));
    let values: Option<Vec<&str>> = tiers.iter().map(|tier| value_of(tier).map(|(_, value)| value.as_str())).collect();
    let values = values.filter(|values| !values.is_empty() && values.len() == variant.options.len()).ok_or_else(|| {
        let names = |all: Vec<&str>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        format!(
            "its variations differ by {}, and this SKU has the options {}; give all SKUs of the product the same options",
            names(tiers.iter().map(|tier| tier.name.as_str()).collect()),
            names(variant.options.iter().map(|(name, _)| name.as_str()).collect()),
        )
    })?;
    // Looked up first, so that a place that is taken adds no value.
    let known: Option<Vec<usize>> = tiers
        .iter()
        .zip(&values)
        .map(|(tier, value)| tier.values.iter().position(|(_, known, _)| known == value))
        .collect();
    if known.is_some_and(|index| taken.contains(&index)) {
        return Err(format!(
            "another SKU has the options {} already; tell them apart in the source",
            values.join(", ")
        ));
    }
    Ok(tiers.iter_mut().zip(values).map(|(tier, value)| tier.index_of(value)).collect())
}
