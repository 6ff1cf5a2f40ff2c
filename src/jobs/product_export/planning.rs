//! What is wanted of a shop, computed where something changed, and the plan that follows from it.

use std::collections::{BTreeMap, BTreeSet};

use super::remembering::{remembered_of, want_remembered};
use crate::{
    domain::{
        Complaint, Currency, Field, JobKind, Listing, ListingStatus, Part, RunId, ShopId, Sku, Values,
        plan::{Change, change, rest},
        wanted,
    },
    jobs::Halt,
    keeper::ShopEntry,
    store::{StoredListing, StoredVariant, Tx, WantedRow},
};

/// How many rows are computed in one transaction.
pub(super) const CHUNK: u32 = 1_000;

/// How far the computing of what is wanted has come.
pub(super) enum Progress {
    Begin,
    /// The seen values are hashed anew, because the chosen fields may have changed: done up to this SKU.
    Hashing(Option<Sku>),
    /// Variants changed since this revision: done up to this SKU.
    Variants {
        since: i64,
        upto: i64,
        after: Option<Sku>,
    },
    /// Listings that came into the shop after their variant had been computed: done up to this SKU.
    Newcomers(Option<Sku>),
}

impl Progress {
    /// Whether anything was computed until then.
    pub(super) fn has_computed(&self) -> bool {
        match self {
            Self::Begin => false,
            Self::Hashing(_) => true,
            Self::Variants { after, .. } | Self::Newcomers(after) => after.is_some(),
        }
    }
}

/// One transaction's worth of computing; returns where to go on.
pub(super) async fn want_chunk(
    tx: &mut Tx,
    run: RunId,
    entry: &ShopEntry,
    at: Progress,
) -> Result<Option<Progress>, Halt> {
    let shop = &entry.shop.id;
    let digest = entry.rules.digest_with(&entry.own);
    match at {
        Progress::Begin => {
            let row = tx.shop(shop).await?;
            let (known, since) = row.map_or((None, 0), |row| (row.rules_digest, row.wanted_revision));
            if known.as_deref() == Some(&digest) {
                let upto = tx.variants_revision().await?;
                Ok(Some(Progress::Variants { since, upto, after: None }))
            } else {
                for field in entry.abilities.remembered.iter().filter(|field| !entry.rules.fields.contains(field)) {
                    tx.unwant_remembered(shop, *field).await?;
                }
                Ok(Some(Progress::Hashing(None)))
            }
        }
        Progress::Hashing(after) => {
            let (rows, compared) = (tx.listings(shop, after.as_ref(), CHUNK).await?, entry.compared());
            let hashes: Vec<_> = rows
                .iter()
                .filter_map(|row| Some((row.sku.clone(), row.listing.as_ref()?.values(&compared).hash())))
                .collect();
            tx.put_seen_hashes(shop, &hashes).await?;
            if let Some(last) = rows.last() {
                return Ok(Some(Progress::Hashing(Some(last.sku.clone()))));
            }
            let upto = tx.variants_revision().await?;
            Ok(Some(Progress::Variants { since: 0, upto, after: None }))
        }
        Progress::Variants { since, upto, after } => {
            let variants = tx.variants_since(since, after.as_ref(), CHUNK).await?;
            let Some(last) = variants.last().map(|row| row.variant.sku.clone()) else {
                tx.set_wanted_mark(shop, &digest, upto).await?;
                return Ok(Some(Progress::Newcomers(None)));
            };
            want_variants(tx, run, entry, &variants).await?;
            Ok(Some(Progress::Variants { since, upto, after: Some(last) }))
        }
        Progress::Newcomers(after) => {
            let variants = tx.newcomers(shop, after.as_ref(), CHUNK).await?;
            let Some(last) = variants.last().map(|row| row.variant.sku.clone()) else {
                return Ok(None);
            };
            want_variants(tx, run, entry, &variants).await?;
            Ok(Some(Progress::Newcomers(Some(last))))
        }
    }
}

/// Computes and stores what is wanted of some variants, and complains where nothing can be.
async fn want_variants(tx: &mut Tx, run: RunId, entry: &ShopEntry, variants: &[StoredVariant]) -> Result<(), Halt> {
    let shop = &entry.shop.id;
    let usual = tx.usual_currency(shop).await?;
    let listings = listings_of(tx, shop, variants).await?;
    let (mut rows, mut complaints) = (Vec::new(), Vec::new());
    for row in variants {
        let listing = listings.get(&row.variant.sku).filter(|stored| !stored.gone);
        match wanted_of(row, listing, usual, entry) {
            Ok(wanted) => rows.push(WantedRow { sku: row.variant.sku.clone(), wanted }),
            Err(complaint) => {
                complaints.push(complaint);
                // What is to be off sale stays wanted so, or nobody would know that it is to come back.
                let wanted = listing.and_then(|stored| stored.wanted.clone()).filter(|wanted| wanted.retired);
                rows.push(WantedRow { sku: row.variant.sku.clone(), wanted });
            }
        }
    }
    tx.put_wanted(shop, &rows).await?;
    want_remembered(tx, run, entry, variants, &listings).await?;
    // Only what this step itself complains of: a refusal by the shop stands until the shop accepts.
    let resolved: Vec<String> = variants.iter().map(|row| row.variant.sku.to_string()).collect();
    tx.resolve_coded(shop, JobKind::ProductExport, wanted::COMPLAINT, &resolved).await?;
    Ok(tx.replace_complaints(shop, JobKind::ProductExport, run, &complaints).await?)
}

/// How a shop has these variants, gone ones too.
pub(super) async fn listings_of(
    tx: &mut Tx,
    shop: &ShopId,
    variants: &[StoredVariant],
) -> Result<BTreeMap<Sku, StoredListing>, Halt> {
    let skus: Vec<Sku> = variants.iter().map(|row| row.variant.sku.clone()).collect();
    let stored = tx.listings_of(shop, &skus).await?;
    Ok(stored.into_iter().map(|stored| (stored.sku.clone(), stored)).collect())
}

/// What is wanted of a variant in a shop, whose listings are priced in `usual` where there is none of it yet. `None`: nothing.
pub(super) fn wanted_of(
    row: &StoredVariant,
    listing: Option<&StoredListing>,
    usual: Option<Currency>,
    entry: &ShopEntry,
) -> Result<Option<Values>, Complaint> {
    let listed = listing.and_then(|stored| stored.listing.as_ref());
    if row.gone {
        let wanted = listed.and_then(|_| wanted::wanted_of_dropped(&entry.rules));
        let rested = listing.is_some_and(rests);
        return Ok(wanted.map(|wanted| Values { rested: wanted.retired && rested, ..wanted }));
    }
    if listed.is_none() && !entry.rules.create {
        return Ok(None);
    }
    let currency = listed.and_then(|listing| listing.prices.first()).map(|price| price.currency).or(usual);
    let wanted = wanted::wanted(&row.product, &row.variant, currency, &entry.rules)?;
    let (_, wanted) = wanted.split(entry.abilities.remembered);
    Ok(Some(Values { relisted: listing.is_some_and(returns), ..wanted }))
}

/// Whether a listing that the source has again is off sale because the source did not have it: what was wanted of it last says so.
/// What its owner took off sale while the source had it stays off sale, and so does what was sold out then, where a shop calls that so.
fn returns(stored: &StoredListing) -> bool {
    let ours = |wanted: &Values| (wanted.retired && !wanted.rested) || wanted.relisted;
    is_off(stored) && stored.wanted.as_ref().is_some_and(ours)
}

/// Whether a listing that the source drops is off sale for another reason.
fn rests(stored: &StoredListing) -> bool {
    match &stored.wanted {
        Some(wanted) if wanted.retired || wanted.relisted => wanted.rested && is_off(stored),
        _ => is_off(stored),
    }
}

fn is_off(stored: &StoredListing) -> bool {
    stored.listing.as_ref().is_some_and(|listing| listing.status == ListingStatus::Inactive)
}

/// What differs, as it is found.
#[derive(Debug, Default)]
pub(super) struct Differences {
    changes: Vec<Change>,
    /// What is off sale and is to stay there.
    resting: Vec<Change>,
}

impl Differences {
    /// Adds what is to be done with a SKU of which something is wanted: changed where the shop lists it, else created.
    pub(super) fn add(
        &mut self,
        sku: Sku,
        listing: Option<Listing>,
        wanted: Values,
        variant: Option<StoredVariant>,
        entry: &ShopEntry,
    ) {
        let Some(listing) = listing else {
            // What is new is sent as a whole.
            let remembered = variant.as_ref().map(|stored| remembered_of(stored, entry).wanted);
            let wanted = wanted.or(remembered.unwrap_or_default());
            let product = variant.map(|stored| (stored.product, stored.variant));
            let fields = entry.rules.fields.iter().copied().collect();
            self.changes.push(Change { sku, listing: None, product, siblings: Vec::new(), wanted, fields });
            return;
        };
        self.changes.extend(change(&listing, &wanted));
        self.resting.extend(rest(&listing, &wanted));
    }

    /// All changes. What rests comes along where a SKU of its product is put on sale again.
    fn into_changes(self) -> Vec<Change> {
        let Self { mut changes, resting } = self;
        let product = |change: &Change| change.listing.as_ref().map(|listing| listing.product_id.clone());
        let returning: BTreeSet<_> = changes.iter().filter(|change| change.wanted.relisted).map(product).collect();
        changes.extend(resting.into_iter().filter(|change| returning.contains(&product(change))));
        changes
    }
}

/// What is to be sent to a shop.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The changes, product by product.
    pub(super) changes: Vec<Change>,
    /// What other changes lack before they can be sent.
    pub(super) lacking: Vec<Complaint>,
}

impl Plan {
    /// Changes as they are found, in order, each with its siblings; those that lack something are told apart.
    pub(super) async fn of(tx: &mut Tx, entry: &ShopEntry, found: Differences) -> Result<Self, Halt> {
        let mut changes = found.into_changes();
        join_siblings(tx, &entry.shop.id, &mut changes).await?;
        keep_joined(&mut changes);
        Ok(Self::judged(entry, changes))
    }

    /// Changes in order; those that lack something are told apart.
    pub(super) fn judged(entry: &ShopEntry, mut changes: Vec<Change>) -> Self {
        in_order(&mut changes);
        let mut plan = Self::default();
        for change in changes {
            match entry.channel.lacks(&change) {
                Some(complaint) => plan.lacking.push(complaint),
                None => plan.changes.push(change),
            }
        }
        plan
    }
}

/// Everything of the compared fields, and every new SKU, that is to be sent to the shop as things stand, but for SKUs of which the shop has
/// not judged the last such change yet.
pub(super) async fn plan(tx: &mut Tx, entry: &ShopEntry) -> Result<Plan, Halt> {
    let waiting: BTreeSet<Sku> = tx.waiting_skus(&entry.shop.id, Part::Compared).await?.into_iter().collect();
    let mut found = Differences::default();
    let mut after = None;
    loop {
        let rows = tx.differences(&entry.shop.id, after.as_ref(), CHUNK).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.sku.clone());
        let new: Vec<Sku> = rows.iter().filter(|row| row.listing.is_none()).map(|row| row.sku.clone()).collect();
        let variants = if new.is_empty() { Vec::new() } else { tx.variants_of(&new).await? };
        let mut variants: BTreeMap<Sku, StoredVariant> =
            variants.into_iter().map(|row| (row.variant.sku.clone(), row)).collect();
        for row in rows.into_iter().filter(|row| !waiting.contains(&row.sku)) {
            let variant = variants.remove(&row.sku);
            if let Some(wanted) = row.wanted {
                found.add(row.sku, row.listing, wanted, variant, entry);
            }
        }
    }
    Plan::of(tx, entry, found).await
}

/// Tells each SKU that is to be created how the shop has others of its product.
async fn join_siblings(tx: &mut Tx, shop: &ShopId, changes: &mut [Change]) -> Result<(), Halt> {
    let product = |change: &Change| change.product.as_ref().map(|(product, _)| product.id.clone());
    let products: BTreeSet<String> = changes.iter().filter_map(product).collect();
    let products: Vec<&str> = products.iter().map(String::as_str).collect();
    let mut siblings: BTreeMap<String, Vec<StoredListing>> = BTreeMap::new();
    for products in products.chunks(CHUNK as usize) {
        let of: BTreeMap<Sku, String> =
            tx.skus_of_products(products).await?.into_iter().map(|(product, sku)| (sku, product)).collect();
        let skus: Vec<Sku> = of.keys().cloned().collect();
        for stored in tx.listings_of(shop, &skus).await?.into_iter().filter(|stored| !stored.gone) {
            if let Some(product) = of.get(&stored.sku)
                && stored.listing.is_some()
            {
                siblings.entry(product.clone()).or_default().push(stored);
            }
        }
    }
    for change in changes {
        if let Some(stored) = product(change).and_then(|product| siblings.get(&product)) {
            // A product that went off sale with all that the source dropped of it comes back with a SKU that joins it.
            change.wanted.relisted = stored.iter().all(returns);
            change.siblings = stored.iter().filter_map(|stored| stored.listing.clone()).collect();
        }
    }
    Ok(())
}

/// A product that a new SKU joins stays on sale: what the source dropped of it goes by having no stock. A SKU that got another name would
/// take its product off sale otherwise, and the new one with it.
fn keep_joined(changes: &mut Vec<Change>) {
    let joined: BTreeSet<String> =
        changes.iter().flat_map(|change| &change.siblings).map(|sibling| sibling.product_id.clone()).collect();
    let is_joined = |listing: &Listing| joined.contains(&listing.product_id);
    for change in changes.iter_mut().filter(|change| change.listing.as_ref().is_some_and(is_joined)) {
        if change.wanted.retired {
            change.wanted = Values { stock: Some(0), dropped: true, ..Values::default() };
            change.fields = vec![Field::Stock];
        }
    }
    changes.retain(|change| {
        let sold_out = change.listing.as_ref().is_some_and(|listing| is_joined(listing) && listing.stock == Some(0));
        !(sold_out && change.wanted.dropped && change.fields == [Field::Stock])
    });
}

/// Product by product: those that the shop has by its own ids, with what joins them, then new ones by the source's.
fn in_order(plan: &mut [Change]) {
    plan.sort_by(|a, b| (product_of(a), &a.sku).cmp(&(product_of(b), &b.sku)));
}

/// The product that a change belongs to, and whether it is new. A SKU that joins others belongs to theirs: a channel that takes whole
/// products off sale must know of it before the last of them goes.
fn product_of(change: &Change) -> (bool, Option<&str>) {
    match change.listing.as_ref().or(change.siblings.first()) {
        Some(listing) => (false, Some(&listing.product_id)),
        None => (true, change.product.as_ref().map(|(product, _)| product.id.as_str())),
    }
}

/// How many changes from the front of a plan make the next batch of at most `most` SKUs. Those of one product stay together where they
/// fit. What is new of a product is never parted: it is made in one call. Nor is a product of which something is taken off sale: some
/// channels take only whole products off. Nor one of which images or attributes are sent, which most channels have once for all its SKUs.
pub(super) fn next_batch(plan: &[Change], most: usize) -> usize {
    let most = most.max(1);
    if plan.len() <= most {
        return plan.len();
    }
    let parts =
        |end: &usize| product_of(&plan[end - 1]) != product_of(&plan[*end]) || product_of(&plan[end - 1]).1.is_none();
    if let Some(end) = (1..=most).rev().find(parts) {
        return end;
    }
    let whole = (most..plan.len()).find(parts).unwrap_or(plan.len());
    let shares = |change: &Change| change.fields.iter().any(|field| matches!(field, Field::Images | Field::Attributes));
    let is_whole = |change: &Change| change.wanted.retired || change.listing.is_none() || shares(change);
    if plan[..whole].iter().any(is_whole) { whole } else { most }
}
