//! The Listings Items API, version 2021-08-01: searching.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Query, Shared,
    api::{Passed, Refusal, denied},
    get,
    items::Item,
    state::World,
};
use crate::channels::amazon::marketplaces::{MARKETPLACES, Marketplace};

const INCLUDED: [&str; 8] = [
    "summaries",
    "attributes",
    "issues",
    "offers",
    "fulfillmentAvailability",
    "procurement",
    "relationships",
    "productTypes",
];
const KNOWN: [&str; 15] = [
    "marketplaceIds",
    "issueLocale",
    "includedData",
    "identifiers",
    "identifiersType",
    "variationParentSku",
    "packageHierarchySku",
    "createdAfter",
    "createdBefore",
    "lastUpdatedAfter",
    "lastUpdatedBefore",
    "sortBy",
    "sortOrder",
    "pageSize",
    "pageToken",
];

/// The marketplace that a call names; the pretend seller must sell there.
pub(super) fn marketplace(world: &World, call: &Passed<'_>) -> Result<&'static Marketplace, Refusal> {
    let id = get(&call.query, "marketplaceIds").filter(|ids| !ids.is_empty());
    let id = id.ok_or_else(|| Refusal::bad("marketplaceIds is missing"))?;
    let known = MARKETPLACES.iter().find(|one| one.id == id);
    let known = known.ok_or_else(|| Refusal::bad(format!("marketplaceIds {id} is not valid")))?;
    let taking = world.sellers.get(&call.seller).and_then(|seller| seller.marketplaces.get(known.country));
    taking.filter(|taking| taking.participates).map(|_| known).ok_or_else(|| denied(""))
}

/// The data sets that are asked for.
pub(super) fn included_data(query: &Query) -> Result<Vec<String>, Refusal> {
    let asked: Vec<String> = get(query, "includedData").unwrap_or("summaries").split(',').map(str::to_owned).collect();
    match asked.iter().find(|one| !INCLUDED.contains(&one.as_str())) {
        Some(odd) => Err(Refusal::bad(format!("includedData {odd} is not valid"))),
        None => Ok(asked),
    }
}

pub(super) fn check_locale(query: &Query) -> Result<(), Refusal> {
    let Some(locale) = get(query, "issueLocale") else { return Ok(()) };
    let sound = locale.len() == 5 && locale.as_bytes()[2] == b'_';
    if sound { Ok(()) } else { Err(Refusal::bad("issueLocale is not valid")) }
}

fn instant(query: &Query, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let read =
        get(query, name).map(|text| text.parse().map_err(|_| Refusal::bad(format!("{name} is not a date-time"))));
    read.transpose()
}

/// What a search looks for.
struct Search {
    created: [Option<Timestamp>; 2],
    updated: [Option<Timestamp>; 2],
    identifiers: Option<(String, Vec<String>)>,
    parent: Option<String>,
}

impl Search {
    fn of(query: &Query) -> Result<Self, Refusal> {
        let identifiers = get(query, "identifiers").map(|all| all.split(',').map(str::to_owned).collect::<Vec<_>>());
        let kind = get(query, "identifiersType");
        let identifiers = match (identifiers, kind) {
            (None, None) => None,
            (Some(all), Some("SKU" | "ASIN")) if all.len() <= 20 => Some((kind.unwrap_or_default().to_owned(), all)),
            _ => return Err(Refusal::bad("identifiers and identifiersType do not go together")),
        };
        Ok(Self {
            created: [instant(query, "createdAfter")?, instant(query, "createdBefore")?],
            updated: [instant(query, "lastUpdatedAfter")?, instant(query, "lastUpdatedBefore")?],
            identifiers,
            parent: get(query, "variationParentSku").map(str::to_owned),
        })
    }

    fn finds(&self, sku: &str, item: &Item) -> bool {
        // To the millisecond, as it is shown; bounds belong to the span.
        let within = |at: Timestamp, [from, to]: [Option<Timestamp>; 2]| {
            let at = at.as_millisecond();
            from.is_none_or(|from| at >= from.as_millisecond()) && to.is_none_or(|to| at <= to.as_millisecond())
        };
        let named = self.identifiers.as_ref().is_none_or(|(kind, all)| {
            let own = if kind == "SKU" { sku } else { &item.asin };
            all.iter().any(|one| one == own)
        });
        let child = self.parent.as_deref().is_none_or(|parent| item.parent() == Some(parent));
        within(item.created_at, self.created) && within(item.updated_at, self.updated) && named && child
    }
}

pub(super) fn serve(world: &mut World, _: &Shared, call: &Passed<'_>) -> Result<Value, Refusal> {
    let query = &call.query;
    if call.id(0) != call.seller {
        return Err(denied(""));
    }
    if let Some((odd, _)) = query.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        return Err(Refusal::bad(format!("{odd} is not a parameter")));
    }
    check_locale(query)?;
    let marketplace = marketplace(world, call)?;
    let included = included_data(query)?;
    let size = get(query, "pageSize").map_or(Ok(10), str::parse::<usize>);
    let size = size
        .ok()
        .filter(|size| (1..=20).contains(size))
        .ok_or_else(|| Refusal::bad("pageSize must be from 1 to 20"))?;
    let size = size.min(world.rules.page_cap);
    let search = Search::of(query)?;
    let place = (call.seller.clone(), marketplace.id);
    let items = world.items.get(&place).into_iter().flatten();
    let mut found: Vec<(&String, &Item)> = items.filter(|(sku, item)| search.finds(sku, item)).collect();
    let by = get(query, "sortBy").unwrap_or("lastUpdatedDate");
    match by {
        "sku" => {}
        "createdDate" => found.sort_by_key(|(_, item)| item.created_at),
        "lastUpdatedDate" => found.sort_by_key(|(_, item)| item.updated_at),
        _ => return Err(Refusal::bad("sortBy is none of those that there are")),
    }
    match get(query, "sortOrder").unwrap_or("DESC") {
        "ASC" => {}
        "DESC" => found.reverse(),
        _ => return Err(Refusal::bad("sortOrder is none of those that there are")),
    }
    let asked = question(query);
    let at = match get(query, "pageToken") {
        None => 0,
        Some(token) => read_token(token, &asked).ok_or_else(|| Refusal::bad("pageToken is not valid"))?,
    };
    let reach = found.len().min(world.rules.search_reach);
    let end = (at + size).min(reach).max(at);
    let shown = found.iter().take(end).skip(at);
    let shown: Vec<Value> =
        shown.map(|(sku, item)| item.shown(sku, marketplace, &included, &world.children(&place, sku))).collect();
    let mut pagination = json!({});
    if end < reach {
        let next = if world.rules.loops_token && at > 0 { at } else { end };
        pagination["nextToken"] = token(next, &asked).into();
    }
    if at > 0 {
        pagination["previousToken"] = token(at.saturating_sub(size), &asked).into();
    }
    let more = if world.rules.tells_more_than_there_are && search.identifiers.is_none() { 1_001 } else { 0 };
    let mut said = json!({"numberOfResults": found.len() + more, "items": shown});
    if pagination.as_object().is_some_and(|tokens| !tokens.is_empty()) {
        said["pagination"] = pagination;
    }
    Ok(said)
}

/// A token is good for the question that it was given to.
fn question(query: &Query) -> String {
    let parts: Vec<String> = query
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "pageToken" | "includedData" | "issueLocale"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    hex::encode(&Sha256::digest(parts.join("&"))[..6])
}

fn token(at: usize, question: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{question} {at}"))
}

fn read_token(token: &str, question: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (of, at) = text.split_once(' ')?;
    (of == question).then(|| at.parse().ok()).flatten()
}
