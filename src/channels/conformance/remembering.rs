//! Fields that a shop does not show as they were sent: images, of which it makes copies, and attributes, which it has in other words.

use std::collections::BTreeMap;

use super::{
    Rig, Verdict, World, checks, ensure, read_all,
    writing::{push, push_by},
};
use crate::{
    channels::{ChannelDef, PushResult},
    domain::{
        Field, Listing, Product, Sku, Values, Variant,
        plan::{self, Change},
    },
};

checks! {
    what_is_not_shown_as_it_was_sent_is_not_compared if |def, rig| rig.remote() && def.abilities.export.contains(&Field::Images);
    images_arrive_as_copies_and_change_nothing_else if copies;
    images_are_replaced_as_a_list if copies;
    a_sku_whose_images_are_refused_keeps_those_it_has if copies;
    attributes_arrive_by_each_mapping if rewords;
    attributes_that_were_set_by_hand_survive if rewords;
    a_sku_whose_attributes_are_refused_keeps_those_it_has if rewords;
    images_and_attributes_arrive_together if |def, rig| copies(def, rig) && rewords(def, rig);
}

fn copies(def: &ChannelDef, _: &dyn Rig) -> bool {
    def.abilities.export.contains(&Field::Images) && def.abilities.remembered.contains(&Field::Images)
}

/// No listing says what attributes it has, so they are never compared.
fn rewords(def: &ChannelDef, _: &dyn Rig) -> bool {
    def.abilities.export.contains(&Field::Attributes)
}

async fn what_is_not_shown_as_it_was_sent_is_not_compared(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let all = def.abilities.remembered.iter().all(|field| def.abilities.export.contains(field));
    ensure!(all, "of what is not exported nothing can be remembered: {:?}", def.abilities.remembered);
    let unseen = def.abilities.export.contains(&Field::Attributes);
    ensure!(!unseen || def.abilities.remembered.contains(&Field::Attributes), "attributes are seen nowhere");

    let world = rig.start(3).await;
    let listing = read_all(world.as_ref()).await?.listings.remove(1);
    let wanted = Values { images: Some(world.images().to_vec()), ..Values::default() };
    accepted(world.as_ref(), &[sends(&listing, wanted.clone())]).await?;
    let after = read_all(world.as_ref()).await?.by_sku();
    let shown = after.get(&listing.sku).ok_or(format!("{} is not read any more", listing.sku))?;
    // As an export does after the import: what is remembered is left out, the rest compared.
    let (_, compared) = wanted.split(def.abilities.remembered);
    let again = plan::change(shown, &compared);
    ensure!(again.is_none(), "it would be sent again after every import: {again:?}");
    Ok(())
}

async fn images_arrive_as_copies_and_change_nothing_else(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let read = read_all(world.as_ref()).await?;
    let (before, skus) = (world.actual().await, read.skus());
    let others = [world.images_of(&skus[0]).await, world.images_of(&skus[2]).await];
    send_images(world.as_ref(), &read.listings[1], 2).await?;
    let shown = world.images_of(&skus[1]).await;
    ensure!(shown.len() == 2 && shown[0] != shown[1], "two images were sent, the shop shows {shown:?}");
    let ours = shown.iter().find(|image| world.images().contains(image));
    ensure!(ours.is_none(), "the shop shows our own image {ours:?}: its rig is kinder than a shop is");
    ensure!(world.actual().await == before, "something else changed");
    let after = [world.images_of(&skus[0]).await, world.images_of(&skus[2]).await];
    ensure!(after == others, "images of other SKUs changed from {others:?} to {after:?}");
    Ok(())
}

async fn images_are_replaced_as_a_list(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let mut listing = read_all(world.as_ref()).await?.listings.remove(0);
    // The same again, fewer, and more again, with and without a pass in between.
    for (count, reads) in [(2, false), (2, true), (1, false), (3, true), (1, true)] {
        if reads {
            listing = read_all(world.as_ref()).await?.listings.remove(0);
        }
        listing = send_images(world.as_ref(), &listing, count).await?;
        let shown = world.images_of(&listing.sku).await;
        ensure!(shown.len() == count, "{count} images were sent, the shop shows {shown:?}");
    }
    Ok(())
}

async fn a_sku_whose_images_are_refused_keeps_those_it_has(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let read = read_all(world.as_ref()).await?;
    let images = Values { images: Some(world.images()[..2].to_vec()), ..Values::default() };
    one_is_refused(world.as_ref(), &read.listings, &images).await?;
    ensure!(world.images_of(&read.listings[0].sku).await.len() == 2, "the others did not get theirs");
    Ok(())
}

async fn a_sku_whose_attributes_are_refused_keeps_those_it_has(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let read = read_all(world.as_ref()).await?;
    let [(name, [value, _]), _] = world.attribute_words();
    let attributes = mapped(world.as_ref(), &[(name, value)])?;
    one_is_refused(world.as_ref(), &read.listings, &attributes).await?;
    has(world.as_ref(), &read.listings[0].sku, &[(name, value)]).await
}

/// Sends the same for three SKUs, of which the shop refuses the second.
async fn one_is_refused(world: &dyn World, listings: &[Listing], wanted: &Values) -> Verdict {
    let refused = &listings[1].sku;
    let before = (world.images_of(refused).await, world.attributes_of(refused).await, world.actual().await);
    world.refuse(refused).await;
    let changes: Vec<Change> = listings.iter().map(|listing| sends(listing, wanted.clone())).collect();
    let (mut done, mut complaints) = (0, Vec::new());
    for result in push(world, &changes).await? {
        match result {
            PushResult::Done { .. } => done += 1,
            PushResult::Refused(complaint) => complaints.push(complaint),
            PushResult::Remarked { remark, .. } => return Err(format!("accepted with a remark: {remark:?}")),
            PushResult::Pending { sku, .. } => return Err(format!("{sku} never settles")),
        }
    }
    let about: Vec<&str> = complaints.iter().map(|complaint| complaint.sku.as_str()).collect();
    ensure!(done == 2 && about == [refused.as_str()], "{done} are accepted, refused are {about:?}");
    let after = (world.images_of(refused).await, world.attributes_of(refused).await, world.actual().await);
    ensure!(after == before, "{refused} was refused and is not as it was: {after:?} instead of {before:?}");
    Ok(())
}

async fn attributes_arrive_by_each_mapping(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let mut listing = read_all(world.as_ref()).await?.listings.remove(1);
    let before = world.actual().await;
    let [(one, values), (other, [plain, _])] = world.attribute_words();
    let mut hashes = Vec::new();
    for words in [vec![(one, values[0])], vec![(one, values[1])], vec![(one, values[1]), (other, plain)]] {
        let wanted = mapped(world.as_ref(), &words)?;
        hashes.push(wanted.hash_of(Field::Attributes));
        listing = send_by(world.as_ref(), &words, &listing, wanted).await?;
        has(world.as_ref(), &listing.sku, &words).await?;
    }
    hashes.dedup();
    ensure!(hashes.len() == 3, "a changed mapping is not told from the one before");
    let unmapped = world.mapping(&[]).attributes(&product(), &variant()).map_err(|error| error.to_string())?;
    ensure!(unmapped.is_empty(), "attributes without a mapping: {unmapped:?}");
    ensure!(world.actual().await == before, "something else changed");
    Ok(())
}

async fn attributes_that_were_set_by_hand_survive(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let [(ours, [value, _]), (by_hand, [_, set])] = world.attribute_words();
    let sku = read_all(world.as_ref()).await?.listings[0].sku.clone();
    world.set_attribute(&sku, by_hand, set).await;
    let listing = read_all(world.as_ref()).await?.listings.remove(0);
    let words = [(ours, value)];
    send_by(world.as_ref(), &words, &listing, mapped(world.as_ref(), &words)?).await?;
    has(world.as_ref(), &sku, &[(ours, value), (by_hand, set)]).await
}

async fn images_and_attributes_arrive_together(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let listing = read_all(world.as_ref()).await?.listings.remove(1);
    let [(name, [value, _]), _] = world.attribute_words();
    let words = [(name, value)];
    let images = Values { images: Some(world.images()[..2].to_vec()), ..Values::default() };
    let wanted = mapped(world.as_ref(), &words)?.or(images);
    send_by(world.as_ref(), &words, &listing, wanted).await?;
    has(world.as_ref(), &listing.sku, &words).await?;
    ensure!(world.images_of(&listing.sku).await.len() == 2, "the images did not arrive");
    Ok(())
}

/// A change of whatever is wanted.
fn sends(listing: &Listing, wanted: Values) -> Change {
    let fields = Field::EVERY.into_iter().filter(|field| wanted.hash_of(*field).is_some()).collect();
    plan::of_listing(listing, &wanted, fields)
}

async fn send_images(world: &dyn World, listing: &Listing, count: usize) -> Result<Listing, String> {
    let images = world.images()[..count].to_vec();
    let wanted = Values { images: Some(images), ..Values::default() };
    let mut listings = accepted(world, &[sends(listing, wanted)]).await?;
    Ok(listings.remove(0))
}

/// Sends something by the channel that has these words in its mapping; answers the listing as it then is.
async fn send_by(
    world: &dyn World,
    words: &[(&str, &str)],
    listing: &Listing,
    wanted: Values,
) -> Result<Listing, String> {
    match push_by(world.mapping(words).as_ref(), world, &[sends(listing, wanted)]).await?.as_slice() {
        [PushResult::Done { listing, .. }] => Ok((**listing).clone()),
        other => Err(format!("not accepted: {other:?}")),
    }
}

async fn accepted(world: &dyn World, changes: &[Change]) -> Result<Vec<Listing>, String> {
    let results = push(world, changes).await?.into_iter();
    let done: Result<Vec<Listing>, String> = results
        .map(|result| match result {
            PushResult::Done { listing, .. } => Ok(*listing),
            other => Err(format!("not accepted: {other:?}")),
        })
        .collect();
    let done = done?;
    ensure!(done.len() == changes.len(), "{} answers to {} changes", done.len(), changes.len());
    Ok(done)
}

/// What the channel makes of a mapping with these words.
fn mapped(world: &dyn World, words: &[(&str, &str)]) -> Result<Values, String> {
    let attributes = world.mapping(words).attributes(&product(), &variant()).map_err(|error| error.to_string())?;
    ensure!(attributes.len() == words.len(), "{words:?} became {attributes:?}");
    Ok(Values { attributes: Some(attributes), ..Values::default() })
}

async fn has(world: &dyn World, sku: &Sku, words: &[(&str, &str)]) -> Verdict {
    let has: BTreeMap<String, String> = world.attributes_of(sku).await;
    for (name, value) in words {
        ensure!(has.get(*name).is_some_and(|has| has == value), "`{name}` should be `{value}`; {sku} has {has:?}");
    }
    Ok(())
}

fn product() -> Product {
    Product {
        id: "conformance-product".to_owned(),
        title: "A thing that the suite of all channels describes".to_owned(),
        description: None,
        brand: None,
        category: Some("Things".to_owned()),
        images: Vec::new(),
    }
}

fn variant() -> Variant {
    Variant {
        sku: "conformance-variant".parse().expect("a constant"),
        product_id: "conformance-product".to_owned(),
        barcode: None,
        prices: Vec::new(),
        stock: None,
        options: Vec::new(),
    }
}
