//! Passes over a shop's listings.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use rust_decimal::Decimal;

use super::{Read, Rig, Verdict, World, checks, ensure, imports, read_all, read_changes, read_on};
use crate::{
    channels::{ChannelDef, From},
    domain::{PassKind, Price, Sku, Values},
};

checks! {
    every_listing_is_read_exactly_once if |def, _| imports(def);
    two_passes_read_in_the_same_order if |def, _| imports(def);
    a_listing_says_what_the_shop_has if |def, _| imports(def);
    equal_content_gives_equal_listings_and_hashes if |def, _| imports(def);
    a_pass_cut_at_any_page_goes_on_from_its_stored_cursor if |def, _| imports(def);
    an_empty_shop_is_an_empty_pass if |def, rig| imports(def) && rig.remote();
    a_pass_of_changes_sees_a_later_change if |def, _| imports(def);
    a_pass_of_changes_sees_a_change_at_the_instant_of_the_last_pass if |def, _| imports(def);
    a_pass_of_changes_sees_many_changes_that_share_one_time if |def, _| imports(def);
    a_pass_of_changes_sees_a_new_listing if |def, _| imports(def);
    a_complete_pass_does_not_show_a_deleted_listing if |def, _| imports(def);
}

/// Enough for several pages and a rest.
pub(super) fn several_pages(rig: &dyn Rig) -> usize {
    rig.page_size() * 2 + rig.page_size() / 2 + 1
}

async fn every_listing_is_read_exactly_once(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    for count in [1, rig.page_size(), rig.page_size() + 1, several_pages(rig)] {
        let world = rig.start(count).await;
        let read = read_all(world.as_ref()).await?;
        let expected: Vec<Sku> = world.actual().await.into_keys().collect();
        ensure!(expected.len() == count, "the rig made {} listings instead of {count}", expected.len());
        let mut seen = read.skus();
        seen.sort();
        ensure!(seen == expected, "of {count} listings {} were read: {}", seen.len(), difference(&seen, &expected));
        ensure!(read.complaints.is_empty(), "complaints about good listings: {:?}", read.complaints);
    }
    Ok(())
}

async fn two_passes_read_in_the_same_order(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let (first, second) = (read_all(world.as_ref()).await?, read_all(world.as_ref()).await?);
    ensure!(first.skus() == second.skus(), "the second pass reads in another order");
    Ok(())
}

async fn a_listing_says_what_the_shop_has(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    agrees(world.as_ref(), &read_all(world.as_ref()).await?).await
}

async fn equal_content_gives_equal_listings_and_hashes(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let first = read_all(world.as_ref()).await?;
    world.clock().advance(SignedDuration::from_secs(90));
    let second = read_all(world.as_ref()).await?;
    for (a, b) in first.listings.iter().zip(&second.listings) {
        ensure!(a == b, "{} is read differently the second time: {a:?}, then {b:?}", a.sku);
        ensure!(a.content_hash() == b.content_hash(), "{} has another hash the second time", a.sku);
    }
    Ok(())
}

async fn a_pass_cut_at_any_page_goes_on_from_its_stored_cursor(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let whole = read_all(world.as_ref()).await?;
    ensure!(whole.cursors.len() >= 2, "the pass has {} pages, too few to cut", whole.cursors.len() + 1);
    for (page, cursor) in whole.cursors.iter().enumerate() {
        let from = From { kind: PassKind::Full, cursor: Some(cursor.clone()), first: false };
        // Twice: a page whose transaction did not commit is asked for again.
        for _ in 0..2 {
            let rest = read_on(world.as_ref(), from.clone()).await?;
            let seen = &whole.listings[..whole.listings.len().saturating_sub(rest.listings.len())];
            let joined: Vec<Sku> = seen.iter().chain(&rest.listings).map(|listing| listing.sku.clone()).collect();
            ensure!(
                joined == whole.skus(),
                "cut after page {}, the rest has {} listings",
                page + 1,
                rest.listings.len()
            );
            let before = whole.before[page];
            ensure!(seen.len() == before, "cut after page {}, the rest repeats what was read", page + 1);
        }
    }
    Ok(())
}

async fn an_empty_shop_is_an_empty_pass(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(0).await;
    let read = read_all(world.as_ref()).await?;
    ensure!(read.listings.is_empty(), "listings out of nothing: {:?}", read.skus());
    ensure!(read.resume.is_some(), "the pass does not say where the next one resumes");
    Ok(())
}

async fn a_pass_of_changes_sees_a_later_change(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let before = read_all(world.as_ref()).await?;
    world.clock().advance(SignedDuration::from_hours(1));
    let sku = before.skus().swap_remove(1);
    world.alter(&sku, &another(&before, &sku)?).await;
    world.clock().advance(SignedDuration::from_mins(5));
    let changes = read_changes(world.as_ref(), &before).await?;
    ensure!(changes.by_sku().contains_key(&sku), "the change of {sku} was not seen");
    agrees(world.as_ref(), &changes).await?;
    // And it is a pass like any other: the one after it starts where it ended.
    let sku = before.skus().swap_remove(2);
    world.alter(&sku, &another(&before, &sku)?).await;
    world.clock().advance(SignedDuration::from_mins(5));
    let changes = read_changes(world.as_ref(), &changes).await?;
    ensure!(changes.by_sku().contains_key(&sku), "the change of {sku} after a pass of changes was not seen");
    agrees(world.as_ref(), &changes).await
}

async fn a_pass_of_changes_sees_a_change_at_the_instant_of_the_last_pass(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let before = read_all(world.as_ref()).await?;
    let sku = before.skus().swap_remove(0);
    world.alter(&sku, &another(&before, &sku)?).await;
    world.clock().advance(SignedDuration::from_mins(5));
    let changes = read_changes(world.as_ref(), &before).await?;
    ensure!(changes.by_sku().contains_key(&sku), "the change of {sku} was not seen");
    agrees(world.as_ref(), &changes).await
}

async fn a_pass_of_changes_sees_many_changes_that_share_one_time(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let before = read_all(world.as_ref()).await?;
    world.clock().advance(SignedDuration::from_hours(1));
    for sku in before.skus() {
        world.alter(&sku, &another(&before, &sku)?).await;
    }
    world.clock().advance(SignedDuration::from_mins(5));
    let changes = read_changes(world.as_ref(), &before).await?;
    agrees(world.as_ref(), &changes).await?;
    let (mut seen, mut expected) = (changes.skus(), before.skus());
    seen.sort();
    seen.dedup();
    expected.sort();
    ensure!(seen == expected, "of {} changes {} were seen", expected.len(), seen.len());
    for cursor in &changes.cursors {
        let from = From { kind: PassKind::Changes, cursor: Some(cursor.clone()), first: false };
        let rest = read_on(world.as_ref(), from).await?;
        let start = changes.listings.len().saturating_sub(rest.listings.len());
        ensure!(rest.listings == changes.listings[start..], "cut at a page, the pass of changes ends differently");
    }
    Ok(())
}

async fn a_pass_of_changes_sees_a_new_listing(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(3).await;
    let before = read_all(world.as_ref()).await?;
    world.clock().advance(SignedDuration::from_hours(1));
    let sku: Sku = "conformance-new".parse().map_err(|error| format!("{error}"))?;
    world.add(&sku, &another(&before, &before.listings[0].sku)?).await;
    world.clock().advance(SignedDuration::from_mins(5));
    let changes = read_changes(world.as_ref(), &before).await?;
    ensure!(changes.by_sku().contains_key(&sku), "the new listing was not seen");
    agrees(world.as_ref(), &changes).await
}

async fn a_complete_pass_does_not_show_a_deleted_listing(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let before = read_all(world.as_ref()).await?;
    let sku = before.skus().swap_remove(1);
    world.delete(&sku).await;
    let after = read_all(world.as_ref()).await?;
    ensure!(!after.by_sku().contains_key(&sku), "{sku} is still read after it was deleted");
    ensure!(after.listings.len() + 1 == before.listings.len(), "with {sku} others disappeared");
    Ok(())
}

/// That each listing says what the shop really has.
pub(super) async fn agrees(world: &dyn World, read: &Read) -> Verdict {
    let actual = world.actual().await;
    for (sku, listing) in read.by_sku() {
        let has = actual.get(&sku).ok_or(format!("{sku} was read and is not there"))?;
        ensure!(listing.prices.first() == Some(&has.price), "{sku}: read {:?}, has {}", listing.prices, has.price);
        ensure!(listing.stock == Some(has.stock), "{sku}: read {:?} pieces, has {}", listing.stock, has.stock);
        ensure!(listing.title == has.title, "{sku}: read title `{}`, has `{}`", listing.title, has.title);
    }
    Ok(())
}

/// Other values than a listing has, still sensible ones.
pub(super) fn another(read: &Read, sku: &Sku) -> Result<Values, String> {
    let by_sku = read.by_sku();
    let listing = by_sku.get(sku).ok_or(format!("{sku} was not read"))?;
    let price = listing.prices.first().ok_or(format!("{sku} has no price"))?;
    Ok(Values {
        price: Some(Price { amount: price.amount + Decimal::ONE, currency: price.currency }),
        stock: Some(listing.stock.unwrap_or_default() + 3),
        title: Some(format!("{} (new)", listing.title)),
        ..Values::default()
    })
}

pub(super) fn difference(seen: &[Sku], expected: &[Sku]) -> String {
    let (unique, wanted): (BTreeSet<_>, BTreeSet<_>) = (seen.iter().collect(), expected.iter().collect());
    let missing: Vec<_> = wanted.difference(&unique).take(5).collect();
    format!("missing {missing:?}, doubled {}", seen.len() - unique.len())
}
