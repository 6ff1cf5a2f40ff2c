//! A page and what follows from it, stored in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Asked, Reading, fingerprint_of,
    matching::{match_barcodes, match_freed},
    still_stands,
};
use crate::{
    crash,
    domain::{Complaint, Counts, Cursor, JobKind, Listing, Pass, PassKind, RunId, ShopId, Sku, counted},
    jobs::{Halt, Work},
    keeper::ShopEntry,
    store::{SeenListing, Tx},
};

/// Stores pages, their complaints and the cursor together; at the end of the pass also what follows from it.
pub(super) async fn store_pages(work: &Work, reading: &mut Reading<'_>, pages: Vec<Asked>) -> Result<(), Halt> {
    let Reading { context, entry, .. } = *reading;
    let shop = &entry.shop.id;
    // Asked before anything is locked: a channel may take its time.
    let restarts = pages.first().is_some_and(|first| first.page.restart);
    let fingerprint = if restarts { Some(entry.channel.fingerprint().await) } else { None };
    let mut tx = work.write(context).await?;
    still_stands(&mut tx, entry).await?;
    if tx.open_pass(shop).await?.is_none_or(|open| open.number != reading.pass.number) {
        // Somebody began another pass: what this one saw is worth nothing to it.
        return Err(Halt::Cancelled);
    }
    if let Some(fingerprint) = fingerprint {
        // The content changed under the pass: what it saw and said so far does not count.
        tx.resolve_complaints_since(shop, JobKind::ProductImport, reading.pass.run).await?;
        reading.pass = tx.begin_pass(shop, reading.pass.kind, context.run).await?;
        reading.seen.clear();
        reading.stand_back.clear();
        reading.fingerprint = fingerprint;
    }
    let mut counts = Counts::default();
    let mut last = None;
    for mut asked in pages {
        counts += store_page(&mut tx, reading, &mut asked).await?;
        last = Some(asked.page);
    }
    let Some(last) = last else { return Ok(()) };
    match &last.next {
        Some(cursor) => tx.move_pass(shop, reading.pass.number, cursor).await?,
        None => counts += end_pass(work, &mut tx, reading, counts, last.resume.as_ref()).await?,
    }
    crash::point("import.before_commit");
    tx.commit().await?;
    crash::point("import.after_commit");
    reading.counts += counts;
    context.progress.set(context.run, reading.counts.seen, last.total);
    Ok(())
}

/// Stores what a page says, which is taken out of it.
async fn store_page(tx: &mut Tx, reading: &mut Reading<'_>, asked: &mut Asked) -> Result<Counts, Halt> {
    let Reading { context, entry, .. } = *reading;
    let shop = &entry.shop.id;
    let page = &mut asked.page;
    let (listings, ambiguous) = match_barcodes(tx, reading, std::mem::take(&mut asked.listings)).await?;
    let (listings, doubled) = first_of_each_sku(tx, reading, listings).await?;
    let mut complaints = std::mem::take(&mut page.complaints);
    complaints.extend(doubled);
    let refused = complaints.len() as u64;
    complaints.extend(std::mem::take(&mut page.remarks));
    complaints.extend(ambiguous);
    let unread = tx.skus_of_listed(shop, &page.unread).await?;
    note_seen(tx, shop, &reading.pass, &listings, &complaints, unread).await?;
    reading.complained |= !complaints.is_empty();
    if reading.complained {
        put_complaints(tx, shop, context.run, &listings, &complaints).await?;
    }
    let counts = put_page(tx, entry, &listings, asked.at).await?;
    Ok(Counts { refused, ..counts })
}

/// Notes what the pass has seen. A SKU with a complaint is there all the same, and so are those of a product of which nothing could be read:
/// a price that cannot be read must not look like a product that was dropped.
async fn note_seen(
    tx: &mut Tx,
    shop: &ShopId,
    pass: &Pass,
    listings: &[SeenListing],
    complaints: &[Complaint],
    unread: Vec<Sku>,
) -> Result<(), Halt> {
    let complained = complaints.iter().filter_map(|complaint| complaint.sku.parse::<Sku>().ok());
    let skus: Vec<Sku> = listings.iter().map(|seen| seen.listing.sku.clone()).chain(complained).chain(unread).collect();
    Ok(tx.note_seen(shop, pass.number, &skus).await?)
}

/// Keeps the page's complaints, and resolves those about its SKUs that have none any more.
async fn put_complaints(
    tx: &mut Tx,
    shop: &ShopId,
    run: RunId,
    listings: &[SeenListing],
    complaints: &[Complaint],
) -> Result<(), Halt> {
    let standing: BTreeSet<&str> = complaints.iter().map(|complaint| complaint.sku.as_str()).collect();
    let skus = listings.iter().map(|seen| &seen.listing.sku);
    let well: Vec<Sku> = skus.filter(|sku| !standing.contains(sku.as_str())).cloned().collect();
    tx.resolve_seen(shop, &well).await?;
    Ok(tx.put_complaints(shop, JobKind::ProductImport, run, complaints).await?)
}

/// Stores valid listings, and from the source their products and variants.
async fn put_page(tx: &mut Tx, entry: &ShopEntry, page: &[SeenListing], asked_at: Timestamp) -> Result<Counts, Halt> {
    let (mut counts, changed) = tx.put_listings(&entry.shop.id, page, asked_at).await?;
    if entry.is_source {
        let changed = tx.put_variants(&with_their_products(page, &changed)).await?.changed;
        (counts.changed, counts.unchanged) = (changed, counts.seen.saturating_sub(changed));
    }
    Ok(counts)
}

/// The listings of the products of which one has changed. The others' products and variants are as they were: they follow from the
/// listings, and were stored with them.
fn with_their_products<'a>(page: &'a [SeenListing], changed: &BTreeSet<Sku>) -> Vec<&'a SeenListing> {
    let product = |seen: &'a SeenListing| seen.listing.product_id.as_str();
    let products: BTreeSet<&str> = page.iter().filter(|it| changed.contains(&it.listing.sku)).map(product).collect();
    page.iter().filter(|it| products.contains(product(it))).collect()
}

/// Ends the pass, whose last pages did `last`. After a complete one, what it did not see is gone, and what it did not
/// complain of is resolved.
async fn end_pass(
    work: &Work,
    tx: &mut Tx,
    reading: &Reading<'_>,
    last: Counts,
    resume: Option<&Cursor>,
) -> Result<Counts, Halt> {
    let Reading { entry, pass, fingerprint, .. } = reading;
    let shop: &ShopId = &entry.shop.id;
    let mut counts = Counts::default();
    let complete = pass.kind == PassKind::Full;
    if complete {
        if entry.is_source {
            tx.drop_unseen_variants(shop, pass.number).await?;
        }
        let gone = tx.drop_unseen_listings(shop, pass.number, pass.started_at).await?;
        counts.gone = gone.saturating_sub(match_freed(tx, reading).await?);
    }
    if entry.is_source {
        tx.resolve_known().await?;
        if complete && tx.last_pass(shop, PassKind::Full).await?.is_none() {
            tx.put_unknown_elsewhere(shop).await?;
        }
    } else if let Some(source) = work.shops.source()
        && (complete || reading.counts.changed + last.changed > 0)
    {
        name_unknown(tx, shop, &source, reading.context.run, complete).await?;
    }
    if complete {
        tx.resolve_complaints_before(shop, JobKind::ProductImport, pass.run).await?;
        tx.retry_refused(shop).await?;
        tx.set_seen_fingerprint(shop, fingerprint.as_deref()).await?;
        // What is wanted depends on the listing too (its currency): computed anew by the next export.
        tx.forget_wanted_mark(shop).await?;
    }
    tx.end_pass(shop, pass.number, resume).await?;
    Ok(counts)
}

/// Names the SKUs of the shop that the product source does not know, as far as it has told what it knows. They are no
/// failure of the run: whether they are one at all is for people to say.
pub(crate) async fn name_unknown(
    tx: &mut Tx,
    shop: &ShopId,
    source: &ShopId,
    run: RunId,
    again: bool,
) -> Result<(), Halt> {
    if !tx.is_source_read(source).await? {
        return Ok(());
    }
    let count = tx.put_unknown(shop, run, again).await?;
    if count > 0 {
        tracing::info!(
            event = "listings.unknown",
            shop.id = %shop,
            run.id = %run,
            count,
            "product source `{source}` does not know {} of shop `{shop}`; `shopsyncd runs show {run}` names them",
            counted(count, "SKU", "SKUs")
        );
    }
    Ok(())
}

/// A SKU that stands in the shop twice is ambiguous: the first that the pass came upon stands, each further one is a
/// complaint. One that comes again because it changed while the pass was under way is not another: its product is the same.
async fn first_of_each_sku(
    tx: &mut Tx,
    reading: &mut Reading<'_>,
    listings: Vec<SeenListing>,
) -> Result<(Vec<SeenListing>, Vec<Complaint>), Halt> {
    let suspects: Vec<Sku> = listings
        .iter()
        .map(|seen| &seen.listing.sku)
        // Which one is the first, a pass of changes cannot tell: the last complete one has.
        .filter(|sku| {
            let known = reading.pass.kind == PassKind::Changes && reading.doubled.contains(sku.as_str());
            known || reading.seen.contains(&fingerprint_of(sku))
        })
        .cloned()
        .collect();
    let mut firsts: BTreeMap<Sku, String> = BTreeMap::new();
    if !suspects.is_empty() {
        let own: BTreeSet<&Sku> =
            listings.iter().map(|seen| &seen.listing).filter(|it| it.shop_sku.is_none()).map(|it| &it.sku).collect();
        let stored = tx.listings_of(&reading.entry.shop.id, &suspects).await?.into_iter().filter(|stored| !stored.gone);
        // Whoever stands there by barcode alone makes room for a listing of that very SKU.
        let stands =
            stored.filter_map(|stored| stored.listing).filter(|it| it.shop_sku.is_none() || !own.contains(&it.sku));
        firsts.extend(stands.map(|listing| (listing.sku, listing.product_id)));
    }
    let (mut stand, mut doubled, mut on_page) = (Vec::new(), Vec::new(), BTreeSet::new());
    for seen in listings {
        let Listing { sku, product_id, .. } = &seen.listing;
        let first = firsts.entry(sku.clone()).or_insert_with(|| product_id.clone());
        if *first == *product_id && on_page.insert(sku.clone()) {
            stand.push(seen);
        } else {
            let text = format!(
                "SKU `{sku}` stands in the shop twice, in product {first} and again in product {product_id}; the first \
                 one counts; give each variant a SKU of its own"
            );
            let code = Complaint::DUPLICATE_SKU.to_owned();
            doubled.push(Complaint { sku: sku.to_string(), code, text, request_id: None });
        }
    }
    reading.seen.extend(stand.iter().map(|seen| fingerprint_of(&seen.listing.sku)));
    Ok((stand, doubled))
}
