//! A seller's items on a marketplace: what they show of themselves, and what submissions make of them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{api::Refusal, state::Stats};
use crate::{channels::amazon::marketplaces::Marketplace, domain::Currency};

/// The product types that there are.
const PRODUCT_TYPES: [&str; 6] = ["DRINKING_CUP", "HOME", "LUGGAGE", "PRODUCT", "SHIRT", "SHOES"];

/// What a new listing must say of itself, by its requirements.
const NEEDED: [&str; 4] = ["item_name", "brand", "product_description", "condition_type"];
const NEEDED_OF_OFFERS: [&str; 2] = ["condition_type", "purchasable_offer"];
/// One of these names the product.
const NAMES: [&str; 3] = [
    "externally_assigned_product_identifier",
    "supplier_declared_has_product_identifier_exemption",
    "merchant_suggested_asin",
];

/// An item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) product_type: String,
    pub(super) asin: String,
    pub(super) attributes: Map<String, Value>,
    /// Issues that stand, as the model has them.
    pub(super) issues: Vec<Value>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// Why submissions to it are refused.
    pub(super) refused: Option<String>,
}

/// An issue of the vendor's model.
pub(super) fn issue(code: &str, message: &str, attribute: &str, category: &str) -> Value {
    json!({"code": code, "message": message, "severity": "ERROR", "attributeNames": [attribute], "categories": [category]})
}

impl Item {
    /// The text of a plain attribute.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.pointer("/0/value")?.as_str()
    }

    pub(super) fn is_parent(&self) -> bool {
        self.text("parentage_level") == Some("parent")
    }

    pub(super) fn parent(&self) -> Option<&str> {
        self.attributes.get("child_parent_sku_relationship")?.pointer("/0/parent_sku")?.as_str()
    }

    /// The offer of everybody: its regular price and currency.
    pub(super) fn price(&self) -> Option<(Decimal, Currency)> {
        let offers = self.attributes.get("purchasable_offer")?.as_array()?;
        let offer = offers.iter().find(|offer| offer.get("audience").is_none_or(|audience| audience == "ALL"))?;
        let amount = offer.pointer("/our_price/0/schedule/0/value_with_tax")?.to_string();
        Some((amount.parse().ok()?, offer["currency"].as_str()?.parse().ok()?))
    }

    fn availability(&self) -> &[Value] {
        let all = self.attributes.get("fulfillment_availability").and_then(Value::as_array);
        all.map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn is_fba(&self) -> bool {
        let amazons =
            |place: &Value| place["fulfillment_channel_code"].as_str().is_some_and(|code| code.starts_with("AMAZON_"));
        self.availability().iter().any(amazons)
    }

    /// Pieces that the seller ships.
    pub(super) fn stock(&self) -> Option<i64> {
        self.availability().iter().filter_map(|place| place["quantity"].as_i64()).reduce(|a, b| a + b)
    }

    fn statuses(&self) -> Vec<&'static str> {
        let suppressed = self.issues.iter().any(|issue| {
            let actions = issue.pointer("/enforcements/actions").and_then(Value::as_array);
            actions.is_some_and(|actions| {
                actions
                    .iter()
                    .any(|one| matches!(one["action"].as_str(), Some("LISTING_SUPPRESSED" | "CATALOG_ITEM_REMOVED")))
            })
        });
        let stocked = self.is_fba() || self.stock().is_some_and(|pieces| pieces > 0);
        let mut statuses = Vec::new();
        if !self.is_parent() && !suppressed && stocked && self.price().is_some() {
            statuses.push("BUYABLE");
        }
        if !suppressed {
            statuses.push("DISCOVERABLE");
        }
        statuses
    }

    /// An `Item` of the vendor's model, with the data sets that were asked for. `children`: the SKUs that name it their parent.
    pub(super) fn shown(
        &self,
        sku: &str,
        marketplace: &Marketplace,
        included: &[String],
        children: &[String],
    ) -> Value {
        let mut shown = json!({"sku": sku});
        let wants = |name: &str| included.iter().any(|one| one == name);
        if wants("summaries") {
            shown["summaries"] = json!([self.summary(marketplace)]);
        }
        if wants("attributes") {
            shown["attributes"] = Value::Object(self.attributes.clone());
        }
        if wants("issues") {
            shown["issues"] = json!(self.issues);
        }
        if wants("offers") {
            let offer = |(amount, currency): (Decimal, Currency)| {
                json!({"marketplaceId": marketplace.id, "offerType": "B2C",
                    "price": {"currencyCode": currency.as_str(), "amount": amount.to_string()},
                    "audience": {"value": "ALL", "displayName": "Sell on Amazon"}})
            };
            shown["offers"] = self.price().map(offer).into_iter().collect();
        }
        if wants("fulfillmentAvailability") {
            let place = |place: &Value| {
                let mut shown = json!({"fulfillmentChannelCode": place["fulfillment_channel_code"]});
                if let Some(quantity) = place.get("quantity") {
                    shown["quantity"] = quantity.clone();
                }
                shown
            };
            shown["fulfillmentAvailability"] = self.availability().iter().map(place).collect();
        }
        if wants("relationships") {
            shown["relationships"] = self.relationships(marketplace, children);
        }
        if wants("productTypes") {
            shown["productTypes"] = json!([{"marketplaceId": marketplace.id, "productType": self.product_type}]);
        }
        shown
    }

    fn summary(&self, marketplace: &Marketplace) -> Value {
        let mut summary = json!({
            "marketplaceId": marketplace.id, "asin": self.asin, "productType": self.product_type,
            "status": self.statuses(), "itemName": self.text("item_name").unwrap_or_default(),
            "createdDate": written(self.created_at), "lastUpdatedDate": written(self.updated_at),
        });
        if let Some(condition) = self.text("condition_type") {
            summary["conditionType"] = condition.into();
        }
        let image = self.attributes.get("main_product_image_locator").and_then(|all| all.pointer("/0/media_location"));
        if let Some(link) = image {
            summary["mainImage"] = json!({"link": link, "height": 500, "width": 500});
        }
        summary
    }

    fn relationships(&self, marketplace: &Marketplace, children: &[String]) -> Value {
        let theme = self.attributes.get("variation_theme").and_then(|all| all.pointer("/0/name")?.as_str());
        let theme = theme.unwrap_or("SIZE/COLOR");
        let names: Vec<String> = theme.split('/').map(str::to_ascii_lowercase).collect();
        let theme = json!({"attributes": names, "theme": theme});
        let relationship = match self.parent() {
            _ if self.is_parent() => json!({"type": "VARIATION", "childSkus": children, "variationTheme": theme}),
            Some(parent) => json!({"type": "VARIATION", "parentSkus": [parent], "variationTheme": theme}),
            None => return json!([]),
        };
        json!([{"marketplaceId": marketplace.id, "relationships": [relationship]}])
    }

    /// The attributes as patches would leave them.
    pub(super) fn patched(
        &self,
        body: &Value,
        marketplace: &Marketplace,
        stats: &mut Stats,
    ) -> Result<(Map<String, Value>, Vec<Value>), Refusal> {
        let mut issues = check_product_type(body, Some(&self.product_type))?;
        let patches = body["patches"].as_array().filter(|patches| !patches.is_empty());
        let patches = patches.ok_or_else(|| Refusal::bad("patches is missing or empty"))?;
        let mut attributes = self.attributes.clone();
        for (index, patch) in patches.iter().enumerate() {
            let name = patch["path"].as_str().and_then(|path| path.strip_prefix("/attributes/")).unwrap_or_default();
            if patch["op"] == "delete" && is_locator(name) && !attributes.contains_key(name) {
                issues.push(issue("4000001", &format!("There is no '{name}' to delete."), name, "INVALID_ATTRIBUTE"));
                continue;
            }
            apply(&mut attributes, patch, marketplace, stats)
                .map_err(|what| Refusal::bad(format!("Invalid {what} provided in patch at index of {index}")))?;
        }
        issues.extend(self.judged(&attributes, marketplace));
        Ok((attributes, issues))
    }

    /// The attributes of a full submission.
    pub(super) fn put(body: &Value, marketplace: &Marketplace) -> Result<(Self, Vec<Value>), Refusal> {
        let mut issues = check_product_type(body, None)?;
        let requirements = body.get("requirements").map_or(Some("LISTING"), Value::as_str);
        let needed: &[&str] = match requirements {
            Some("LISTING") => &NEEDED,
            Some("LISTING_PRODUCT_ONLY") => &NEEDED[..3],
            Some("LISTING_OFFER_ONLY") => &NEEDED_OF_OFFERS,
            _ => return Err(Refusal::bad("requirements is none of those that there are")),
        };
        let attributes = body["attributes"].as_object().ok_or_else(|| Refusal::bad("attributes is missing"))?;
        let missing =
            |name: &str| issue("90220", &format!("'{name}' is required but not supplied."), name, "MISSING_ATTRIBUTE");
        issues.extend(needed.iter().filter(|name| !attributes.contains_key(**name)).map(|name| missing(name)));
        let child = attributes.get("parentage_level").and_then(|all| all.pointer("/0/value")) != Some(&json!("parent"));
        if child && !NAMES.iter().any(|name| attributes.contains_key(*name)) {
            issues.push(missing(NAMES[0]));
        }
        let item = Self {
            product_type: body["productType"].as_str().unwrap_or_default().to_owned(),
            asin: String::new(),
            attributes: attributes.clone(),
            issues: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            refused: None,
        };
        issues.extend(item.judged(&item.attributes, marketplace));
        Ok((item, issues))
    }

    /// What is wrong with attributes that are submitted to it.
    fn judged(&self, attributes: &Map<String, Value>, marketplace: &Marketplace) -> Vec<Value> {
        let invalid = |name: &str, category: &str| {
            issue("4000001", &format!("The provided value for '{name}' is invalid."), name, category)
        };
        let mut issues: Vec<Value> =
            self.refused.iter().map(|why| issue("18742", why, "item_name", "QUALIFICATION_REQUIRED")).collect();
        for (name, values) in attributes {
            let objects = values.as_array().filter(|all| all.iter().all(Value::is_object));
            if objects.is_none() {
                issues.push(invalid(name, "INVALID_ATTRIBUTE"));
            }
        }
        let of = |name: &str| attributes.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if !of("purchasable_offer").iter().all(|offer| is_offer(offer, marketplace)) {
            issues.push(invalid("purchasable_offer", "INVALID_PRICE"));
        }
        let in_range = |place: &Value| {
            let told = place["quantity"].as_i64().is_some_and(|pieces| (0..=999_999_999).contains(&pieces));
            place["fulfillment_channel_code"].is_string() && (place.get("quantity").is_none() || told)
        };
        if !of("fulfillment_availability").iter().all(in_range) {
            issues.push(invalid("fulfillment_availability", "INVALID_ATTRIBUTE"));
        }
        let parent = of("parentage_level").first().is_some_and(|level| level["value"] == "parent");
        let sells = ["purchasable_offer", "fulfillment_availability"].into_iter().find(|name| !of(name).is_empty());
        if let (true, Some(name)) = (parent, sells) {
            issues.push(invalid(name, "INVALID_ATTRIBUTE"));
        }
        for (name, most) in [("item_name", 200), ("product_description", 2_000)] {
            let text = of(name).first().and_then(|value| value["value"].as_str()).unwrap_or_default();
            let markup = name == "product_description" && text.contains("</");
            if text.chars().count() > most || text.chars().any(|c| c.is_control() && c != '\n') || markup {
                issues.push(invalid(name, "INVALID_ATTRIBUTE"));
            }
        }
        issues
    }
}

fn is_locator(name: &str) -> bool {
    name.contains("_product_image_locator")
}

/// Where Amazon's copy of an image is found.
pub(super) fn copy_of(image: &str) -> String {
    const COPIES: &str = "https://m.media-amazon.com/images/I/";
    if image.starts_with(COPIES) {
        return image.to_owned();
    }
    let hash = Sha256::digest(image);
    format!("{COPIES}{}.jpg", hex::encode(&hash[..5]))
}

/// Images are fetched, and shown as copies from then on.
pub(super) fn fetch_images(attributes: &mut Map<String, Value>) {
    let locators = attributes.iter_mut().filter(|(name, _)| is_locator(name));
    for value in locators.flat_map(|(_, values)| values.as_array_mut().into_iter().flatten()) {
        if let Some(image) = value["media_location"].as_str().map(copy_of) {
            value["media_location"] = image.into();
        }
    }
}

fn check_product_type(body: &Value, own: Option<&str>) -> Result<Vec<Value>, Refusal> {
    let named = body["productType"].as_str().ok_or_else(|| Refusal::bad("productType is missing"))?;
    if !PRODUCT_TYPES.contains(&named) {
        return Err(Refusal::bad(format!("productType {named} is not valid")));
    }
    let other = own.is_some_and(|own| own != named && named != "PRODUCT");
    let wrong = || issue("90000902", "The product type is not the listing's.", "product_type", "INVALID_ATTRIBUTE");
    Ok(if other { vec![wrong()] } else { Vec::new() })
}

fn is_offer(offer: &Value, marketplace: &Marketplace) -> bool {
    let amount = offer.pointer("/our_price/0/schedule/0/value_with_tax").filter(|amount| amount.is_number());
    let amount = amount.and_then(|amount| amount.to_string().parse::<Decimal>().ok());
    let digits = marketplace.currency.parse::<Currency>().map_or(2, Currency::digits);
    amount.is_some_and(|amount| amount > Decimal::ZERO && amount.normalize().scale() <= digits)
        && offer["currency"] == marketplace.currency
        && offer.get("marketplace_id").is_none_or(|id| id == marketplace.id)
}

/// What tells the values of an attribute apart.
fn selectors(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "purchasable_offer" => &[("marketplace_id", ""), ("currency", ""), ("audience", "ALL")],
        "fulfillment_availability" => &[("fulfillment_channel_code", "")],
        _ => &[("marketplace_id", ""), ("language_tag", "")],
    }
}

fn matches(value: &Value, wanted: &Value, name: &str, partly: bool) -> bool {
    let part = |value: &Value, name: &str, default: &str| {
        value.get(name).and_then(Value::as_str).unwrap_or(default).to_owned()
    };
    selectors(name).iter().all(|(selector, default)| {
        (partly && wanted.get(*selector).is_none()) || part(value, selector, default) == part(wanted, selector, default)
    })
}

/// Carries out a patch; an error names the part of it that is wrong.
fn apply(
    attributes: &mut Map<String, Value>,
    patch: &Value,
    marketplace: &Marketplace,
    stats: &mut Stats,
) -> Result<(), &'static str> {
    let path = patch["path"].as_str().and_then(|path| path.strip_prefix("/attributes/"));
    let name = path.filter(|name| !name.is_empty() && !name.contains('/')).ok_or("path")?;
    let wanted = patch["value"].as_array().filter(|all| !all.is_empty() && all.iter().all(Value::is_object));
    // Nothing is deleted by its name alone.
    let mut wanted = wanted.ok_or(if patch["op"] == "delete" { "path" } else { "value" })?.clone();
    if name != "fulfillment_availability" {
        for value in &mut wanted {
            let fields = value.as_object_mut().ok_or("value")?;
            fields.entry("marketplace_id").or_insert(marketplace.id.into());
        }
    }
    let mut values = attributes.remove(name).and_then(|all| all.as_array().cloned()).unwrap_or_default();
    if name == "fulfillment_availability" {
        let is_amazons =
            |value: &Value| value["fulfillment_channel_code"].as_str().is_some_and(|code| code.starts_with("AMAZON_"));
        if values.iter().any(is_amazons) && !wanted.iter().all(is_amazons) {
            stats.fba_converted += 1;
        }
    }
    match patch["op"].as_str() {
        Some("add" | "replace") => {
            for value in &values {
                let kept = wanted.iter().find(|wanted| matches(value, wanted, name, false));
                let fields = value.as_object().into_iter().flatten();
                let lost = fields
                    .filter(|(field, _)| *field != "audience")
                    .any(|(field, _)| kept.is_none_or(|kept| kept.get(field).is_none()));
                stats.attributes_lost += u64::from(lost);
            }
            values = wanted;
        }
        Some("merge") => {
            for value in wanted {
                let known = values.iter_mut().find(|known| matches(known, &value, name, false));
                match (known.and_then(Value::as_object_mut), value) {
                    (Some(known), Value::Object(fields)) => {
                        known.extend(fields);
                        known.retain(|_, value| !value.is_null());
                    }
                    (_, value) => values.push(value),
                }
            }
        }
        Some("delete") => values.retain(|value| !wanted.iter().any(|wanted| matches(value, wanted, name, true))),
        _ => return Err("op"),
    }
    if !values.is_empty() {
        attributes.insert(name.to_owned(), values.into());
    }
    Ok(())
}

/// An instant as the vendor writes it.
pub(super) fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
