//! What takes its time: reports and feeds, each in the queue, then in progress, then done.

use std::collections::BTreeSet;

use encoding_rs::{Encoding, WINDOWS_1252};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Shared,
    api::{Operation, Passed, Refusal},
    documents::Document,
    items::{Item, written},
    listings::{patch_item, put_item},
    state::{Place, World},
};
use crate::channels::amazon::marketplaces::{MARKETPLACES, Marketplace};

const LISTINGS_FEED: &str = "JSON_LISTINGS_FEED";
/// The feeds that stopped in 2025.
const OLD_FEEDS: [&str; 5] = [
    "POST_PRODUCT_DATA",
    "POST_INVENTORY_AVAILABILITY_DATA",
    "POST_PRODUCT_PRICING_DATA",
    "POST_FLAT_FILE_LISTINGS_DATA",
    "POST_FLAT_FILE_PRICEANDQUANTITYONLY_UPDATE_DATA",
];
const MOST_MESSAGES: usize = 25_000;
/// What reports of this type have, in this order.
const COLUMNS: [&str; 29] = [
    "item-name",
    "item-description",
    "listing-id",
    "seller-sku",
    "price",
    "quantity",
    "open-date",
    "image-url",
    "item-is-marketplace",
    "product-id-type",
    "zshop-shipping-fee",
    "item-note",
    "item-condition",
    "zshop-category1",
    "zshop-browse-path",
    "zshop-storefront-feature",
    "asin1",
    "asin2",
    "asin3",
    "will-ship-internationally",
    "expedited-shipping",
    "zshop-boldface",
    "product-id",
    "bid-for-featured-placement",
    "add-delete",
    "pending-quantity",
    "fulfillment-channel",
    "merchant-shipping-group",
    "status",
];

/// A report or a feed.
pub(super) struct Work {
    kind: String,
    place: Place,
    /// Of a feed: the document with the messages.
    input: Option<String>,
    created_at: Timestamp,
    looks: u32,
    status: &'static str,
    /// The document that came of it.
    result: Option<String>,
}

impl World {
    /// How far a report or feed has come, by the clock or by how often it was looked at.
    fn look(&mut self, id: &str, now: Timestamp) -> Option<()> {
        let (processing, after, ends_as) = (self.rules.processing, self.rules.done_after_looks, self.rules.ends_as);
        let work = self.works.get_mut(id)?;
        work.looks += 1;
        if !matches!(work.status, "IN_QUEUE" | "IN_PROGRESS") {
            return Some(());
        }
        let age = now.duration_since(work.created_at);
        let done = after.map_or(age >= processing, |looks| work.looks >= looks);
        if !done {
            let begun = after.map_or(age >= processing / 3, |_| work.looks > 1);
            work.status = if begun { "IN_PROGRESS" } else { "IN_QUEUE" };
            return Some(());
        }
        let old = OLD_FEEDS.contains(&work.kind.as_str());
        work.status = if old { "FATAL" } else { ends_as.unwrap_or("DONE") };
        if work.status != "DONE" {
            return Some(());
        }
        let (place, input) = (work.place.clone(), work.input.clone());
        let result = match input {
            None => self.report(&place),
            Some(input) => {
                let Some(report) = self.process_feed(id, &place, &input, now) else {
                    self.works.get_mut(id)?.status = "FATAL";
                    return Some(());
                };
                Document::new(report.to_string().into_bytes(), "application/json; charset=UTF-8")
            }
        };
        let document = self.add_document(result);
        self.works.get_mut(id)?.result = Some(document);
        Some(())
    }

    /// The report of all listings, in the character set that its content type says, or that of the marketplace.
    fn report(&self, place: &Place) -> Document {
        let marketplace = marketplace_of(place);
        let mut text = COLUMNS.join("\t") + "\r\n";
        for (sku, item) in self.items.get(place).into_iter().flatten() {
            text += &row(sku, item);
        }
        let kind = self.rules.report_content_type;
        let named = kind.and_then(|kind| kind.split_once("charset=")).map(|(_, label)| label.to_ascii_lowercase());
        let own = if marketplace.country == "JP" { encoding_rs::SHIFT_JIS } else { WINDOWS_1252 };
        let encoding = match named.as_deref() {
            None | Some("cp1252") => own,
            Some(label) => Encoding::for_label(label.as_bytes()).unwrap_or(own),
        };
        Document::new(encoding.encode(&text).0.into_owned(), kind.unwrap_or("text/plain"))
    }

    /// Does what the messages of a feed say; its processing report. `None`: the file is not what it should be.
    fn process_feed(&mut self, id: &str, place: &Place, input: &str, now: Timestamp) -> Option<Value> {
        let feed: Value = serde_json::from_slice(&self.documents.get(input)?.bytes).ok()?;
        let header = &feed["header"];
        let messages = feed["messages"].as_array()?.clone();
        let ids: BTreeSet<i64> = messages.iter().filter_map(|message| message["messageId"].as_i64()).collect();
        let sound = header["sellerId"] == place.0.as_str()
            && header["version"] == "2.0"
            && (1..=MOST_MESSAGES).contains(&messages.len())
            && ids.len() == messages.len()
            && ids.iter().all(|id| (1..=i64::from(i32::MAX)).contains(id));
        if !sound {
            return None;
        }
        let mut issues = Vec::new();
        let mut invalid = 0;
        for message in &messages {
            let found = self.process_message(place, message, now);
            invalid += usize::from(!found.is_empty());
            for mut issue in found {
                let attribute = issue["attributeNames"][0].take();
                let mut told = json!({"messageId": message["messageId"], "code": issue["code"], "severity": "ERROR",
                    "message": issue["message"]});
                if message["sku"].as_str().is_some_and(|sku| !sku.is_empty()) {
                    told["sku"] = message["sku"].clone();
                }
                if attribute.is_string() {
                    told["attributeName"] = attribute;
                }
                issues.push(told);
            }
        }
        Some(json!({
            "header": {"sellerId": place.0, "version": "2.0", "feedId": id},
            "issues": issues,
            "summary": {
                "errors": issues.len(), "warnings": 0, "messagesProcessed": messages.len(),
                "messagesAccepted": messages.len() - invalid, "messagesInvalid": invalid,
            },
        }))
    }

    fn process_message(&mut self, place: &Place, message: &Value, now: Timestamp) -> Vec<Value> {
        let marketplace = marketplace_of(place);
        let sku = message["sku"].as_str().unwrap_or_default();
        let judged = match message["operationType"].as_str() {
            _ if sku.is_empty() => Err(Refusal::bad("sku is missing")),
            Some("PATCH") if message.get("attributes").is_none() => {
                patch_item(self, (place, marketplace), sku, message, (false, now))
            }
            Some("UPDATE") if message.get("patches").is_none() => {
                put_item(self, (place, marketplace), sku, message, (false, now))
            }
            Some("DELETE") => {
                self.items.entry(place.clone()).or_default().remove(sku);
                Ok(Vec::new())
            }
            _ => Err(Refusal::bad("operationType does not go with the rest")),
        };
        judged.unwrap_or_else(|refusal| {
            self.stats.bad_requests += 1;
            vec![json!({"code": "4000000", "message": refusal.words()})]
        })
    }
}

fn marketplace_of(place: &Place) -> &'static Marketplace {
    MARKETPLACES.iter().find(|one| one.id == place.1).unwrap_or(&MARKETPLACES[0])
}

fn row(sku: &str, item: &Item) -> String {
    let plain = |text: &str| text.replace(['\t', '\r', '\n'], " ");
    let value = |column: &str| match column {
        "item-name" => plain(item.text("item_name").unwrap_or_default()),
        "item-description" => plain(item.text("product_description").unwrap_or_default()),
        "listing-id" => "0601A1B2C3D".to_owned(),
        "seller-sku" => sku.to_owned(),
        "price" => item.price().map(|(amount, _)| amount.to_string()).unwrap_or_default(),
        "quantity" if !item.is_fba() => item.stock().map(|pieces| pieces.to_string()).unwrap_or_default(),
        "open-date" => item.created_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        "item-is-marketplace" => "y".to_owned(),
        "product-id-type" => "1".to_owned(),
        "item-condition" => "11".to_owned(),
        "asin1" | "product-id" => item.asin.clone(),
        "pending-quantity" => "0".to_owned(),
        "fulfillment-channel" => if item.is_fba() { "AMAZON_EU" } else { "DEFAULT" }.to_owned(),
        "status" => "Active".to_owned(),
        _ => String::new(),
    };
    COLUMNS.map(value).join("\t") + "\r\n"
}

/// The one marketplace that a body names.
fn place(world: &World, call: &Passed<'_>, body: &Value) -> Result<Place, Refusal> {
    let ids = body["marketplaceIds"].as_array().filter(|ids| (1..=25).contains(&ids.len()));
    let id = ids.and_then(|ids| ids[0].as_str()).ok_or_else(|| Refusal::bad("marketplaceIds is missing"))?;
    let known = MARKETPLACES.iter().find(|one| one.id == id);
    let known = known.ok_or_else(|| Refusal::bad("marketplaceIds is not valid"))?;
    let sells = world.sellers.get(&call.seller).is_some_and(|seller| seller.marketplaces.contains_key(known.country));
    if sells { Ok((call.seller.clone(), known.id)) } else { Err(Refusal::bad("marketplaceIds is not valid")) }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    body[name].as_str().filter(|text| !text.is_empty()).ok_or_else(|| Refusal::bad(format!("{name} is missing")))
}

fn begin(world: &mut World, kind: &str, place: Place, input: Option<String>, now: Timestamp) -> String {
    let id = world.id().to_string();
    let work =
        Work { kind: kind.to_owned(), place, input, created_at: now, looks: 0, status: "IN_QUEUE", result: None };
    world.works.insert(id.clone(), work);
    id
}

pub(super) fn create_report(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let body = call.json()?;
    let kind = text(&body, "reportType")?;
    if kind != "GET_MERCHANT_LISTINGS_ALL_DATA" {
        return Err(Refusal::bad("reportType is not one that the pretend marketplace makes"));
    }
    let place = place(world, call, &body)?;
    Ok(json!({"reportId": begin(world, kind, place, None, call.now)}))
}

pub(super) fn create_feed(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let body = call.json()?;
    let (kind, input) = (text(&body, "feedType")?, text(&body, "inputFeedDocumentId")?);
    if kind != LISTINGS_FEED && !OLD_FEEDS.contains(&kind) {
        return Err(Refusal::bad("feedType is not valid"));
    }
    // Five in five minutes of this type, whatever is left of the operation's own.
    if kind == LISTINGS_FEED
        && !world.within_rate(&call.seller, &Operation::limit("listings feeds", 1.0 / 60.0, 5.0), call.now)
    {
        return Err(Refusal::throttled());
    }
    let uploaded = world.documents.get(input).is_some_and(|document| document.uploaded);
    if !uploaded {
        return Err(Refusal::bad("inputFeedDocumentId names no document that was uploaded"));
    }
    let place = place(world, call, &body)?;
    Ok(json!({"feedId": begin(world, kind, place, Some(input.to_owned()), call.now)}))
}

fn work<'a>(world: &'a mut World, call: &Passed<'_>, feed: bool) -> Result<(&'a Work, SignedDuration), Refusal> {
    let id = call.id(0).to_owned();
    let processing = world.rules.processing;
    world.look(&id, call.now);
    let found = world.works.get(&id).filter(|work| work.place.0 == call.seller && work.input.is_some() == feed);
    found.map(|work| (work, processing)).ok_or_else(|| Refusal::not_found("The resource was not found."))
}

/// What reports and feeds have in common.
fn shown(work: &Work, processing: SignedDuration) -> Value {
    let mut shown = json!({
        "marketplaceIds": [work.place.1], "createdTime": written(work.created_at), "processingStatus": work.status,
    });
    if !matches!(work.status, "IN_QUEUE" | "CANCELLED") {
        shown["processingStartTime"] = written(work.created_at + processing / 3).into();
    }
    if matches!(work.status, "DONE" | "FATAL") {
        shown["processingEndTime"] = written(work.created_at + processing).into();
    }
    shown
}

pub(super) fn get_report(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let (work, processing) = work(world, call, false)?;
    let mut said = shown(work, processing);
    said["reportId"] = call.id(0).into();
    said["reportType"] = work.kind.as_str().into();
    if let Some(document) = &work.result {
        said["reportDocumentId"] = document.as_str().into();
    }
    Ok(said)
}

pub(super) fn get_feed(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let (work, processing) = work(world, call, true)?;
    let mut said = shown(work, processing);
    said["feedId"] = call.id(0).into();
    said["feedType"] = work.kind.as_str().into();
    if let Some(document) = &work.result {
        said["resultFeedDocumentId"] = document.as_str().into();
    }
    Ok(said)
}
