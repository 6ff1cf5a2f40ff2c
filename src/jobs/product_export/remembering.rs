//! The fields that a shop does not show as they were sent: what is wanted of them, what differs from what it last accepted, and what has
//! become of it. They go their own way from planning to complaints, after the fields that are compared.

use std::collections::{BTreeMap, BTreeSet};

use super::planning::{CHUNK, Plan};
use crate::{
    domain::{
        Complaint, Field, JobKind, Part, Remembered, RunId, ShopId, Sku, Values,
        plan::{Change, of_listing},
        wanted,
    },
    jobs::Halt,
    keeper::ShopEntry,
    store::{Complaining, StoredListing, StoredVariant, Tx},
};

/// Who complains of these fields.
pub(super) const COMPLAINING: Complaining = Complaining { job: JobKind::ProductExport, part: Part::Remembered };

/// What is wanted of a variant in these fields, and why that is less than was chosen.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) wanted: Values,
    pub(super) unsaid: Option<Complaint>,
}

/// What is wanted of a variant in these fields. An attribute that cannot be filled keeps nothing else from being wanted.
pub(super) fn remembered_of(row: &StoredVariant, entry: &ShopEntry) -> Wanted {
    if row.gone || entry.remembered().next().is_none() {
        return Wanted::default();
    }
    let (wanted, _) = wanted::wanted_of_product(&row.product, &entry.rules).split(entry.abilities.remembered);
    if !entry.remembered().any(|field| field == Field::Attributes) {
        return Wanted { wanted, unsaid: None };
    }
    match entry.channel.attributes(&row.product, &row.variant) {
        Ok(attributes) => {
            let attributes = Some(attributes).filter(|attributes| !attributes.is_empty());
            Wanted { wanted: Values { attributes, ..wanted }, unsaid: None }
        }
        Err(unsaid) => {
            let (sku, code) = (row.variant.sku.to_string(), Complaint::UNSAID_ATTRIBUTE.to_owned());
            Wanted { wanted, unsaid: Some(Complaint { sku, code, text: unsaid.to_string(), request_id: None }) }
        }
    }
}

/// Computes and stores what is wanted of variants that the shop lists, and complains where an attribute cannot be filled.
pub(super) async fn want_remembered(
    tx: &mut Tx,
    run: RunId,
    entry: &ShopEntry,
    variants: &[StoredVariant],
    listings: &BTreeMap<Sku, StoredListing>,
) -> Result<(), Halt> {
    if entry.abilities.remembered.is_empty() {
        return Ok(());
    }
    let (shop, job) = (&entry.shop.id, JobKind::ProductExport);
    let listed = |row: &&StoredVariant| {
        listings.get(&row.variant.sku).is_some_and(|stored| !stored.gone && stored.listing.is_some())
    };
    let wanted: Vec<(Sku, Wanted)> =
        variants.iter().filter(listed).map(|row| (row.variant.sku.clone(), remembered_of(row, entry))).collect();
    for field in entry.remembered() {
        let (mut hashed, mut unwanted) = (Vec::new(), Vec::new());
        for (sku, of) in &wanted {
            match of.wanted.hash_of(field) {
                Some(hash) => hashed.push((sku.clone(), hash)),
                None => unwanted.push(sku.clone()),
            }
        }
        tx.put_remembered(shop, field, &hashed, &unwanted).await?;
    }
    let skus: Vec<String> = variants.iter().map(|row| row.variant.sku.to_string()).collect();
    let unsaid: Vec<Complaint> = wanted.into_iter().filter_map(|(_, of)| of.unsaid).collect();
    let unfilled: BTreeSet<&str> = unsaid.iter().map(|complaint| complaint.sku.as_str()).collect();
    let filled: Vec<String> = skus.into_iter().filter(|sku| !unfilled.contains(sku.as_str())).collect();
    tx.resolve_coded(shop, job, Complaint::UNSAID_ATTRIBUTE, &filled).await?;
    Ok(tx.put_complaints(shop, COMPLAINING, run, &unsaid).await?)
}

/// Everything of these fields that is to be sent to the shop as things stand, but for SKUs of which the shop has not judged the last
/// change yet, of whatever fields.
pub(super) async fn plan_remembered(tx: &mut Tx, entry: &ShopEntry) -> Result<Plan, Halt> {
    if entry.remembered().next().is_none() {
        return Ok(Plan::default());
    }
    let shop = &entry.shop.id;
    let mut differing = tx.remembered_differences(shop).await?;
    for part in [Part::Compared, Part::Remembered] {
        for sku in tx.waiting_skus(shop, part).await? {
            differing.remove(&sku);
        }
    }
    let skus: Vec<Sku> = differing.keys().cloned().collect();
    let mut changes = Vec::new();
    for skus in skus.chunks(CHUNK as usize) {
        let variants = tx.variants_of(skus).await?.into_iter();
        let variants: BTreeMap<Sku, StoredVariant> = variants.map(|row| (row.variant.sku.clone(), row)).collect();
        for stored in tx.listings_of(shop, skus).await? {
            if let (Some(row), Some(fields)) = (variants.get(&stored.sku), differing.remove(&stored.sku)) {
                changes.extend(change_of(&stored, row, &fields, entry));
            }
        }
    }
    let disagreed =
        if entry.abilities.remembered_shared { take_disagreed(tx, entry, &mut changes).await? } else { Vec::new() };
    let mut plan = Plan::judged(entry, changes);
    plan.lacking.extend(disagreed);
    Ok(plan)
}

/// Takes out what SKUs of one product of the shop do not agree about: it has room for one of them alone, and whichever was sent last would
/// stand for all. Judged by all that is wanted of the product, not by what happens to be sent together.
async fn take_disagreed(tx: &mut Tx, entry: &ShopEntry, changes: &mut Vec<Change>) -> Result<Vec<Complaint>, Halt> {
    let product =
        |change: &Change| change.listing.as_ref().map(|listing| listing.product_id.clone()).unwrap_or_default();
    let products: BTreeSet<String> = changes.iter().map(product).collect();
    let asked = products.iter().map(String::as_str).collect();
    let disagreements = tx.remembered_disagreements(&entry.shop.id, &asked).await?;
    let mut complaints = Vec::new();
    for change in changes.iter_mut() {
        let id = product(change);
        let (disagreed, agreed): (Vec<Field>, Vec<Field>) =
            change.fields.iter().partition(|field| disagreements.contains(&(id.clone(), **field)));
        if disagreed.is_empty() {
            continue;
        }
        let names = disagreed.iter().map(|field| field.as_str()).collect::<Vec<_>>().join(" and ");
        let text = format!(
            "product {id} of the shop has one list of {names} for all its SKUs, and these want different ones, so none is sent; make them equal at the source, or in the mapping"
        );
        complaints.push(Complaint { sku: change.sku.to_string(), code: "conflict".to_owned(), text, request_id: None });
        (change.wanted, _) = change.wanted.clone().split(&agreed);
        change.fields = agreed;
    }
    changes.retain(|change| !change.fields.is_empty());
    Ok(complaints)
}

/// The change that sends these fields of a listing that is there.
pub(super) fn change_of(
    stored: &StoredListing,
    row: &StoredVariant,
    fields: &[Field],
    entry: &ShopEntry,
) -> Option<Change> {
    let listing = stored.listing.as_ref().filter(|_| !stored.gone)?;
    let Wanted { wanted, .. } = remembered_of(row, entry);
    let fields: Vec<Field> = fields.iter().copied().filter(|field| wanted.hash_of(*field).is_some()).collect();
    let (wanted, _) = wanted.split(&fields);
    (!fields.is_empty()).then(|| of_listing(listing, &wanted, fields))
}

/// Notes what the shop accepted, or refused, of the fields of these changes.
pub(super) async fn note_remembered<'a>(
    tx: &mut Tx,
    entry: &ShopEntry,
    changes: impl IntoIterator<Item = &'a Change> + Clone,
    accepted: bool,
) -> Result<(), Halt> {
    for field in entry.abilities.remembered.iter().copied() {
        let of = changes.clone().into_iter().filter(|change| change.fields.contains(&field));
        let hashed: Vec<_> =
            of.filter_map(|change| Some((change.sku.clone(), change.wanted.hash_of(field)?))).collect();
        if accepted {
            tx.put_remembered_accepted(&entry.shop.id, field, &hashed).await?;
        } else {
            tx.put_remembered_refused(&entry.shop.id, field, &hashed).await?;
        }
    }
    Ok(())
}

/// Resolves refusals that are no matter any more: something else was accepted since, nothing is wanted, or the listing is gone. What the
/// shop said beside accepting stands for as long as anything is wanted.
pub(super) async fn resolve_settled(tx: &mut Tx, shop: &ShopId) -> Result<(), Halt> {
    let standing = tx.complaints_of(shop, JobKind::ProductExport).await?.into_iter();
    let of_these = standing.filter(|one| one.part == Part::Remembered).map(|one| one.complaint);
    let codes: BTreeMap<Sku, String> = of_these.filter_map(|one| Some((one.sku.parse().ok()?, one.code))).collect();
    let mut settled: BTreeSet<Sku> = codes.keys().cloned().collect();
    for skus in settled.iter().cloned().collect::<Vec<_>>().chunks(CHUNK as usize) {
        for (sku, fields) in tx.remembered_of(shop, skus).await? {
            let remark = codes.get(&sku).is_some_and(|code| code == Complaint::REMARK);
            let stands = |field: &Remembered| field.differs() || (remark && field.wanted.is_some());
            if fields.iter().any(stands) {
                settled.remove(&sku);
            }
        }
    }
    let settled: Vec<String> = settled.iter().map(ToString::to_string).collect();
    if settled.is_empty() { Ok(()) } else { Ok(tx.resolve_complaints(shop, COMPLAINING, &settled).await?) }
}
