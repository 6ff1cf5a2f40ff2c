//! Changes sent to a shop.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{Actual, Rig, Verdict, World, checks, ensure, exports, read_all};
use crate::{
    channels::{Channel, ChannelDef, PushResult, Settled, Ticket},
    domain::{
        Complaint, Field, Listing, ListingStatus, Price, Sku, Values,
        plan::{self, Change},
        wanted::Retire,
    },
};

checks! {
    a_push_changes_just_what_it_names if exports;
    every_field_that_can_be_exported_arrives if exports;
    the_next_pass_shows_what_was_pushed if exports;
    an_accepted_change_answers_the_listing_as_it_stands if exports;
    pushing_twice_is_harmless if exports;
    an_empty_push_does_nothing if exports;
    a_refused_sku_does_not_stop_the_rest if exports;
    a_dropped_sku_is_set_to_zero_stock if |def, _| def.abilities.retire.contains(&Retire::ZeroStock);
    a_sku_that_was_taken_off_sale_comes_back_with_what_is_wanted_by_then if deactivates;
}

async fn a_push_changes_just_what_it_names(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    for field in [Field::Stock, Field::Price].into_iter().filter(|field| def.abilities.export.contains(field)) {
        let world = rig.start(5).await;
        let read = read_all(world.as_ref()).await?;
        let mut expected = world.actual().await;
        let change = change(&read.listings[2], &[field])?;
        apply(&mut expected, &change);
        accepted(world.as_ref(), &[change]).await?;
        let actual = world.actual().await;
        ensure!(actual == expected, "after a change of {field:?} the shop has {actual:?} instead of {expected:?}");
    }
    Ok(())
}

async fn every_field_that_can_be_exported_arrives(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let fields: Vec<Field> = [Field::Price, Field::Stock, Field::Title]
        .into_iter()
        .filter(|field| def.abilities.export.contains(field))
        .collect();
    let world = rig.start(4).await;
    let read = read_all(world.as_ref()).await?;
    let mut expected = world.actual().await;
    let changes = read.listings[1..].iter().map(|listing| change(listing, &fields)).collect::<Result<Vec<_>, _>>()?;
    for change in &changes {
        apply(&mut expected, change);
    }
    accepted(world.as_ref(), &changes).await?;
    let actual = world.actual().await;
    ensure!(actual == expected, "the shop has {actual:?} instead of {expected:?}");
    Ok(())
}

async fn the_next_pass_shows_what_was_pushed(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let read = read_all(world.as_ref()).await?;
    let change = change(&read.listings[0], &number_fields(def))?;
    accepted(world.as_ref(), std::slice::from_ref(&change)).await?;
    let after = read_all(world.as_ref()).await?.by_sku();
    let listing = after.get(&change.sku).ok_or(format!("{} is not read any more", change.sku))?;
    shows(listing, &change)
}

async fn an_accepted_change_answers_the_listing_as_it_stands(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let read = read_all(world.as_ref()).await?;
    let change = change(&read.listings[1], &number_fields(def))?;
    for result in push(world.as_ref(), std::slice::from_ref(&change)).await? {
        let PushResult::Done { sku, listing } = result else { return Err(format!("not accepted: {result:?}")) };
        ensure!(sku == change.sku && listing.sku == change.sku, "the answer is about {sku}");
        shows(&listing, &change)?;
        ensure!(listing.title == read.listings[1].title, "the answer has another title: `{}`", listing.title);
    }
    Ok(())
}

async fn pushing_twice_is_harmless(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let read = read_all(world.as_ref()).await?;
    let changes: Vec<Change> =
        read.listings.iter().map(|listing| change(listing, &number_fields(def))).collect::<Result<_, _>>()?;
    accepted(world.as_ref(), &changes).await?;
    let once = world.actual().await;
    accepted(world.as_ref(), &changes).await?;
    ensure!(world.actual().await == once, "the second push changed something");
    Ok(())
}

async fn an_empty_push_does_nothing(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let before = world.actual().await;
    let results = push(world.as_ref(), &[]).await?;
    ensure!(results.is_empty(), "answers to no change: {results:?}");
    ensure!(world.actual().await == before, "no change changed something");
    Ok(())
}

async fn a_refused_sku_does_not_stop_the_rest(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(4).await;
    let read = read_all(world.as_ref()).await?;
    let changes: Vec<Change> =
        read.listings.iter().map(|listing| change(listing, &number_fields(def))).collect::<Result<_, _>>()?;
    let refused = changes[1].sku.clone();
    world.refuse(&refused).await;
    let mut expected = world.actual().await;
    changes.iter().filter(|change| change.sku != refused).for_each(|change| apply(&mut expected, change));
    let results = push(world.as_ref(), &changes).await?;
    let mut done: Vec<Sku> = Vec::new();
    let mut complaints: Vec<Complaint> = Vec::new();
    for result in results {
        match result {
            PushResult::Done { sku, .. } => done.push(sku),
            PushResult::Refused(complaint) => complaints.push(complaint),
            PushResult::Remarked { remark, .. } => return Err(format!("accepted with a remark: {remark:?}")),
            PushResult::Pending { sku, .. } => return Err(format!("{sku} never settles")),
        }
    }
    ensure!(done.len() == 3 && !done.contains(&refused), "accepted are {done:?}; refused should be {refused} alone");
    let [complaint] = complaints.as_slice() else { return Err(format!("not one complaint: {complaints:?}")) };
    ensure!(complaint.sku == refused.as_str(), "the complaint is about `{}`, not {refused}", complaint.sku);
    ensure!(!complaint.text.is_empty() && !complaint.code.is_empty(), "the complaint has no words: {complaint:?}");
    let actual = world.actual().await;
    ensure!(actual == expected, "the shop has {actual:?} instead of {expected:?}");
    Ok(())
}

async fn a_dropped_sku_is_set_to_zero_stock(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let read = read_all(world.as_ref()).await?;
    let mut expected = world.actual().await;
    let listing = &read.listings[1];
    let wanted = Values { stock: Some(0), ..Values::default() };
    let change = Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: Vec::new(),
        wanted,
        fields: vec![Field::Stock],
    };
    apply(&mut expected, &change);
    accepted(world.as_ref(), &[change]).await?;
    ensure!(world.actual().await == expected, "something else than the stock changed");
    Ok(())
}

fn deactivates(def: &ChannelDef, _: &dyn Rig) -> bool {
    def.abilities.retire.contains(&Retire::Deactivate)
}

async fn a_sku_that_was_taken_off_sale_comes_back_with_what_is_wanted_by_then(
    def: &ChannelDef,
    rig: &dyn Rig,
) -> Verdict {
    for moved in [false, true] {
        let world = rig.start(3).await;
        let read = read_all(world.as_ref()).await?;
        let before = world.actual().await;
        let sku = read.listings[1].sku.clone();
        let fields = if moved { number_fields(def) } else { Vec::new() };
        let wanted = change(&read.listings[1], &fields)?.wanted;

        let dropped = Values { retired: true, dropped: true, ..Values::default() };
        brought_to(world.as_ref(), &read.listings[1], &dropped).await?;
        let shop = world.actual().await;
        ensure!(shop.get(&sku).is_none_or(|actual| !actual.on_sale), "{sku} is still on sale");
        ensure!(others(&shop, &sku) == others(&before, &sku), "another SKU is not as it was: {shop:?}");

        let read = read_all(world.as_ref()).await?.by_sku();
        let off = read.get(&sku).ok_or(format!("{sku} is not read any more once it is off sale"))?;
        ensure!(off.status == ListingStatus::Inactive, "off sale it reads as {:?}", off.status);
        let answered = brought_to(world.as_ref(), off, &Values { relisted: true, ..wanted.clone() }).await?;
        ensure!(answered.status == ListingStatus::Active, "the answer has it as {:?}", answered.status);
        let mut expected = before;
        if let (Some(actual), Some(price), Some(stock)) = (expected.get_mut(&sku), wanted.price, wanted.stock) {
            (actual.price, actual.stock) = (price, stock);
        }
        let shop = world.actual().await;
        ensure!(shop == expected, "the shop has {shop:?} instead of {expected:?}");
    }
    Ok(())
}

fn others(shop: &BTreeMap<Sku, Actual>, but: &Sku) -> BTreeMap<Sku, Actual> {
    shop.iter().filter(|(sku, _)| *sku != but).map(|(sku, actual)| (sku.clone(), actual.clone())).collect()
}

/// Sends what differs until nothing does, as an export does; answers the listing as it then is.
async fn brought_to(world: &dyn World, listing: &Listing, wanted: &Values) -> Result<Listing, String> {
    let mut listing = listing.clone();
    for _ in 0..3 {
        let Some(change) = plan::change(&listing, wanted) else { return Ok(listing) };
        match push(world, &[change]).await?.as_slice() {
            [PushResult::Done { listing: done, .. }] => listing = (**done).clone(),
            other => return Err(format!("not accepted: {other:?}")),
        }
    }
    Err(format!("there is still something to send after three times: {:?}", plan::change(&listing, wanted)))
}

pub(super) fn number_fields(def: &ChannelDef) -> Vec<Field> {
    [Field::Price, Field::Stock].into_iter().filter(|field| def.abilities.export.contains(field)).collect()
}

/// A change of these fields; what else is wanted equals what was seen.
pub(super) fn change(listing: &Listing, fields: &[Field]) -> Result<Change, String> {
    let price = *listing.prices.first().ok_or(format!("{} has no price", listing.sku))?;
    let stock = listing.stock.ok_or(format!("{} has no stock", listing.sku))?;
    let mut wanted = Values { price: Some(price), stock: Some(stock), ..Values::default() };
    for field in fields {
        match field {
            Field::Price => wanted.price = Some(Price { amount: price.amount + Decimal::TWO, ..price }),
            Field::Stock => wanted.stock = Some(stock + 7),
            Field::Title => wanted.title = Some(format!("{} II", listing.title)),
            Field::Description | Field::Images | Field::Attributes => {}
        }
    }
    Ok(Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: Vec::new(),
        wanted,
        fields: fields.to_vec(),
    })
}

pub(super) fn apply(shop: &mut BTreeMap<Sku, Actual>, change: &Change) {
    let Some(actual) = shop.get_mut(&change.sku) else { return };
    for field in &change.fields {
        match field {
            Field::Price => actual.price = change.wanted.price.unwrap_or(actual.price),
            Field::Stock => actual.stock = change.wanted.stock.unwrap_or(actual.stock),
            Field::Title => actual.title = change.wanted.title.clone().unwrap_or_default(),
            Field::Description | Field::Images | Field::Attributes => {}
        }
    }
}

fn shows(listing: &Listing, change: &Change) -> Verdict {
    for field in &change.fields {
        match field {
            Field::Price => ensure!(
                listing.prices.first().copied() == change.wanted.price,
                "the price is {:?} instead of {:?}",
                listing.prices,
                change.wanted.price
            ),
            Field::Stock => ensure!(
                listing.stock == change.wanted.stock,
                "the stock is {:?} instead of {:?}",
                listing.stock,
                change.wanted.stock
            ),
            Field::Title | Field::Description | Field::Images | Field::Attributes => {}
        }
    }
    Ok(())
}

/// Pushes and expects every change to be accepted.
pub(super) async fn accepted(world: &dyn World, changes: &[Change]) -> Verdict {
    let results = push(world, changes).await?;
    ensure!(results.len() == changes.len(), "{} answers to {} changes", results.len(), changes.len());
    for result in results {
        ensure!(matches!(result, PushResult::Done { .. }), "not accepted: {result:?}");
    }
    Ok(())
}

/// Pushes, and asks on until nothing is pending.
pub(super) async fn push(world: &dyn World, changes: &[Change]) -> Result<Vec<PushResult>, String> {
    push_by(world.channel().as_ref(), world, changes).await
}

/// The same by another channel of the world.
pub(super) async fn push_by(
    channel: &dyn Channel,
    world: &dyn World,
    changes: &[Change],
) -> Result<Vec<PushResult>, String> {
    let access = world.access();
    let said = |error: crate::channels::ChannelError| format!("push: {error} ({:?})", error.failure);
    let mut open = channel.push(&access, changes).await.map_err(said)?;
    let mut closed = Vec::new();
    for _ in 0..20 {
        let mut tickets: Vec<(Ticket, Vec<Change>)> = Vec::new();
        for result in open.drain(..) {
            match result {
                PushResult::Pending { sku, ticket } => {
                    let change = changes.iter().find(|change| change.sku == sku);
                    let change = change.ok_or_else(|| format!("{sku} is pending and was not sent"))?.clone();
                    match tickets.iter_mut().find(|(known, _)| *known == ticket) {
                        Some((_, waiting)) => waiting.push(change),
                        None => tickets.push((ticket, vec![change])),
                    }
                }
                other => closed.push(other),
            }
        }
        if tickets.is_empty() {
            return Ok(closed);
        }
        world.clock().advance(jiff::SignedDuration::from_mins(1));
        for (ticket, waiting) in tickets {
            match channel.settle(&access, &ticket, &waiting).await.map_err(said)? {
                Settled::Judged(results) => open.extend(results),
                Settled::Open => {
                    let pending = |change: Change| PushResult::Pending { sku: change.sku, ticket: ticket.clone() };
                    open.extend(waiting.into_iter().map(pending));
                }
            }
        }
    }
    Err("changes stay pending: 20 questions were asked".to_owned())
}
