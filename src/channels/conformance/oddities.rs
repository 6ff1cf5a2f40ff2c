//! What shops hold and do that nobody would have made up: SKUs with slashes and emoji, money without cents, pages that
//! change while they are read or never end, and limits on how fast one may ask.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::{
    Read, Rig, Verdict, World, checks, ensure, imports, read_all, read_on,
    reading::{agrees, another, difference, several_pages},
    stored,
    writing::{accepted, apply, change, number_fields},
};
use crate::{
    channels::{ChannelDef, ChannelError, From},
    domain::{Cursor, Failure, Field, PassKind, Price, Sku},
};

checks! {
    odd_skus_are_read_to_the_letter if |def, _| imports(def);
    odd_skus_are_written_to if |def, _| imports(def) && !def.abilities.export.is_empty();
    whole_prices_are_read_and_written_whole if |def, rig| imports(def) && !rig.whole_currencies().is_empty();
    a_listing_deleted_while_a_pass_runs_hides_no_other if |def, _| imports(def);
    a_listing_added_while_a_pass_runs_hides_no_other if |def, _| imports(def);
    listings_that_change_while_a_pass_runs_hide_no_other if |def, _| imports(def);
    pages_that_go_in_a_circle_end_in_an_error if |def, rig| imports(def) && rig.loops_pages();
    passes_and_pushes_stay_within_the_documented_rates if |def, rig| imports(def) && rig.counts_violations();
}

/// SKUs that sellers really give, the longest that the channel has among them.
fn odd_skus(rig: &dyn Rig) -> Vec<Sku> {
    let longest = format!("long-{}", "x".repeat(rig.longest_sku().saturating_sub(5)));
    let texts = [
        "a/b/c",
        "../up",
        "two  spaces inside",
        "Grö\u{df}e \u{d6}-\u{fc}",
        "\u{1f455}-\u{1f1e9}\u{1f1ea}",
        "100%25 & more?=#1",
        "a+b,c;d|e",
        "\"quoted\" 'too'",
        "<b>bold</b>",
        "0017",
        "1e5",
        "UPPER-lower",
        "upper-LOWER",
        &longest,
    ];
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// A world with odd SKUs beside two usual ones.
async fn odd_world(rig: &dyn Rig) -> Result<(Box<dyn World>, BTreeSet<Sku>), String> {
    let world = rig.start(2).await;
    let before = read_all(world.as_ref()).await?;
    let mut expected: BTreeSet<Sku> = before.skus().into_iter().collect();
    let odd = odd_skus(rig);
    ensure!(odd.len() == 14, "the suite's own SKUs are not valid: {} of 14 are", odd.len());
    for sku in odd {
        world.add(&sku, &another(&before, &before.listings[0].sku)?).await;
        expected.insert(sku);
    }
    Ok((world, expected))
}

async fn odd_skus_are_read_to_the_letter(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let (world, expected) = odd_world(rig).await?;
    let read = read_all(world.as_ref()).await?;
    let (mut seen, expected): (Vec<_>, Vec<_>) = (read.skus(), expected.into_iter().collect());
    seen.sort();
    ensure!(seen == expected, "the SKUs differ: {}", difference(&seen, &expected));
    agrees(world.as_ref(), &read).await
}

async fn odd_skus_are_written_to(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let (world, _) = odd_world(rig).await?;
    let read = read_all(world.as_ref()).await?;
    let mut expected = world.actual().await;
    let changes =
        read.listings.iter().map(|listing| change(listing, &number_fields(def))).collect::<Result<Vec<_>, _>>()?;
    for change in &changes {
        apply(&mut expected, change);
    }
    for batch in changes.chunks(def.abilities.push_batch.max(1)) {
        accepted(world.as_ref(), batch).await?;
    }
    let actual = world.actual().await;
    let wrong = expected.iter().find(|(sku, value)| actual.get(sku) != Some(value));
    ensure!(wrong.is_none(), "should be {wrong:?}, but is {:?}", wrong.and_then(|(sku, _)| actual.get(sku)));
    ensure!(actual.len() == expected.len(), "the shop has {} listings instead of {}", actual.len(), expected.len());
    Ok(())
}

async fn whole_prices_are_read_and_written_whole(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    for &currency in rig.whole_currencies() {
        let world = rig.start_in(currency, 2).await;
        let read = read_all(world.as_ref()).await?;
        ensure!(read.complaints.is_empty(), "complaints about good listings: {:?}", read.complaints);
        agrees(world.as_ref(), &read).await?;
        let listing = read.listings.first().ok_or("nothing was read")?;
        let price = *listing.prices.first().ok_or(format!("{} has no price", listing.sku))?;
        ensure!(price.currency.as_str() == currency, "the price is read as {price}, the shop sells in {currency}");
        if !def.abilities.export.contains(&Field::Price) {
            continue;
        }
        let mut change = change(listing, &[Field::Price])?;
        let wanted = Price { amount: price.amount + Decimal::from(1_234), ..price };
        change.wanted.price = Some(wanted);
        accepted(world.as_ref(), &[change]).await?;
        let has = world.actual().await.get(&listing.sku).map(|actual| actual.price);
        ensure!(has == Some(wanted), "after a push of {wanted} the shop has {has:?}");
    }
    Ok(())
}

/// The first page with listings of a complete pass, and where it goes on.
async fn first_page(world: &dyn World) -> Result<(Read, Cursor), String> {
    let mut from = From { kind: PassKind::Full, cursor: None, first: true };
    for _ in 0..50 {
        let page = match world.channel().pull(&world.access(), &from).await {
            Ok(page) => page,
            Err(ChannelError { failure: Failure::Throttled { until }, .. }) if until > world.clock().now() => {
                world.clock().set(until);
                continue;
            }
            Err(error) => return Err(format!("pull: {error}")),
        };
        let next = stored(&page.next.ok_or("several pages of listings are one page")?)?;
        if !page.listings.is_empty() {
            return Ok((Read { listings: page.listings, ..Read::default() }, next));
        }
        from = From { kind: PassKind::Full, cursor: Some(next), first: false };
    }
    Err("50 pages have no listing".to_owned())
}

/// The SKUs of a pass whose first page was `first`.
async fn rest_of(world: &dyn World, first: &Read, next: Cursor) -> Result<BTreeSet<Sku>, String> {
    let from = From { kind: PassKind::Full, cursor: Some(next), first: false };
    let rest = read_on(world, from).await?;
    Ok(first.skus().into_iter().chain(rest.skus()).collect())
}

async fn a_listing_deleted_while_a_pass_runs_hides_no_other(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let (first, next) = first_page(world.as_ref()).await?;
    let deleted = first.skus().into_iter().next().ok_or("the first page is empty")?;
    world.delete(&deleted).await;
    let seen = rest_of(world.as_ref(), &first, next).await?;
    let missing: Vec<_> = world.actual().await.into_keys().filter(|sku| !seen.contains(sku)).collect();
    ensure!(missing.is_empty(), "{deleted} was deleted, and the pass missed {missing:?}");
    Ok(())
}

async fn a_listing_added_while_a_pass_runs_hides_no_other(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let before: Vec<Sku> = world.actual().await.into_keys().collect();
    let (first, next) = first_page(world.as_ref()).await?;
    let values = another(&first, &first.listings.first().ok_or("the first page is empty")?.sku)?;
    for text in ["0-first", "zz-last"] {
        world.add(&text.parse().map_err(|error| format!("{error}"))?, &values).await;
    }
    let seen = rest_of(world.as_ref(), &first, next).await?;
    let missing: Vec<_> = before.into_iter().filter(|sku| !seen.contains(sku)).collect();
    ensure!(missing.is_empty(), "listings were added, and the pass missed {missing:?}");
    Ok(())
}

async fn listings_that_change_while_a_pass_runs_hide_no_other(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    let whole = read_all(world.as_ref()).await?;
    let (first, next) = first_page(world.as_ref()).await?;
    world.clock().advance(jiff::SignedDuration::from_mins(1));
    // One that was read already, one of the page to come, and the last one.
    let ahead = whole.listings.get(first.listings.len()).ok_or("the second page is empty")?;
    for listing in [first.listings.first(), Some(ahead), whole.listings.last()].into_iter().flatten() {
        world.alter(&listing.sku, &another(&whole, &listing.sku)?).await;
    }
    let seen = rest_of(world.as_ref(), &first, next).await?;
    let missing: Vec<_> = whole.skus().into_iter().filter(|sku| !seen.contains(sku)).collect();
    ensure!(missing.is_empty(), "listings changed, and the pass missed {missing:?}");
    Ok(())
}

async fn pages_that_go_in_a_circle_end_in_an_error(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    world.loop_pages().await;
    let mut from = From { kind: PassKind::Full, cursor: None, first: true };
    for _ in 0..50 {
        let page = match world.channel().pull(&world.access(), &from).await {
            Ok(page) => page,
            Err(error) => {
                ensure!(!error.text.is_empty(), "the error has no words: {error:?}");
                return Ok(());
            }
        };
        let next = page.next.ok_or("the pass ends as if it were complete")?;
        from = From { kind: PassKind::Full, cursor: Some(stored(&next)?), first: false };
    }
    Err("the pass does not end: 50 pages were read".to_owned())
}

async fn passes_and_pushes_stay_within_the_documented_rates(def: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(several_pages(rig)).await;
    for _ in 0..2 {
        let read = read_all(world.as_ref()).await?;
        let fields = number_fields(def);
        let changes = read.listings.iter().map(|listing| change(listing, &fields)).collect::<Result<Vec<_>, _>>()?;
        for batch in changes.chunks(def.abilities.push_batch.max(1)).filter(|_| !fields.is_empty()) {
            accepted(world.as_ref(), batch).await?;
        }
    }
    ensure!(world.violations() == 0, "{} calls went beyond the documented rates", world.violations());
    Ok(())
}
