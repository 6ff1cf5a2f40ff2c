//! The fields that a shop does not show as they were sent: what is wanted of them, what differs from what it last accepted, and what has
//! become of it. They go their own way from planning to complaints, after the fields that are compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use jiff::{SignedDuration, Timestamp};

use super::{
    LOOK_AGAIN, ProductExport,
    planning::{CHUNK, Plan, next_batch},
    soon,
};
use crate::{
    domain::{
        Complaint, Counts, Field, JobKind, Part, Remembered, RunId, ShopId, Sku, Values,
        plan::{Change, Guarded, of_listing},
        wanted,
    },
    jobs::Halt,
    keeper::ShopEntry,
    scheduler::Context,
    store::{Complaining, StoredListing, StoredVariant, Tx},
};

/// Who complains of these fields.
const COMPLAINING: Complaining = Complaining { job: JobKind::ProductExport, part: Part::Remembered };

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

/// How long remembered fields are asked after and sent until prices and stock are looked at again.
const SPELL: SignedDuration = SignedDuration::from_secs(30);
/// How many fields are planned at once at least: about what an attempt can send where each image is uploaded.
const AT_ONCE: usize = 500;

/// Products, by the shop's ids in order: those behind `after`, to `upto` where that is told.
#[derive(Debug, PartialEq, Eq)]
struct Stretch {
    after: String,
    upto: Option<String>,
}

/// All products of a shop, those behind `place` first.
fn circle(place: Option<String>) -> Vec<Stretch> {
    let Some(place) = place else { return vec![Stretch { after: String::new(), upto: None }] };
    let rest = Stretch { after: String::new(), upto: Some(place.clone()) };
    vec![Stretch { after: place, upto: None }, rest]
}

/// What is to be sent of some products.
struct Chunk {
    plan: Plan,
    /// The last of the products.
    last: String,
}

/// What of these fields is to be sent to the shop as things stand of the first products of a stretch, but for SKUs of which the shop has not
/// judged the last change yet, of whatever fields. `None`: nothing is.
async fn plan_remembered(tx: &mut Tx, entry: &ShopEntry, stretch: &Stretch) -> Result<Option<Chunk>, Halt> {
    if entry.remembered().next().is_none() {
        return Ok(None);
    }
    let shop = &entry.shop.id;
    let whole_batch = entry.abilities.remembered_batch * entry.abilities.remembered.len();
    let at_once = whole_batch.max(AT_ONCE);
    let mut differing = tx.remembered_differences(shop, &stretch.after, at_once).await?;
    differing.retain(|(product, _), _| stretch.upto.as_ref().is_none_or(|upto| product <= upto));
    let Some(((last, _), _)) = differing.last_key_value() else { return Ok(None) };
    let last = last.clone();
    let mut differing: BTreeMap<Sku, Vec<Field>> =
        differing.into_iter().map(|((_, sku), fields)| (sku, fields)).collect();
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
    Ok(Some(Chunk { plan, last }))
}

impl ProductExport {
    /// Sends the fields that the shop does not show as they were sent, some products at a time from where the last attempt stood. Images are
    /// uploaded one by one: a while after `begun` the attempt ends, and the next one looks at prices and stock first.
    pub(super) async fn export_remembered(
        &self,
        context: &Context,
        entry: &ShopEntry,
        source: &ShopId,
        begun: Timestamp,
        counts: &mut Counts,
    ) -> Result<(), Halt> {
        if entry.abilities.remembered.is_empty() {
            return Ok(());
        }
        let shop = &entry.shop.id;
        let mut tx = self.work.write(context).await?;
        resolve_settled(&mut tx, shop).await?;
        tx.commit().await?;
        // At least once, however long the questions took.
        let (mut sent, mut begins) = (0, true);
        for mut stretch in circle(self.place(shop)) {
            loop {
                let mut tx = self.work.store.read(self.work.clock.now()).await?;
                let Some(Chunk { plan: Plan { changes, lacking }, last }) =
                    plan_remembered(&mut tx, entry, &stretch).await?
                else {
                    break;
                };
                drop(tx);
                self.ask_time(entry, begun, begins)?;
                let mut tx = self.work.write(context).await?;
                tx.replace_complaints(shop, COMPLAINING, context.run, &lacking).await?;
                tx.commit().await?;
                let mut rest = changes.as_slice();
                while !rest.is_empty() {
                    self.ask_time(entry, begun, begins)?;
                    begins = false;
                    let (batch, after) = rest.split_at(next_batch(rest, entry.abilities.remembered_batch));
                    rest = after;
                    // Before it is sent: what cannot be keeps nothing else from its turn.
                    self.stand(shop, batch.last().and_then(|change| Some(&change.listing.as_ref()?.product_id)));
                    let nothing = &mut Guarded::default();
                    self.send_batch(context, entry, source, Part::Remembered, batch, nothing, counts).await?;
                    sent += batch.len() as u64;
                    context.progress.set(context.run, sent, None);
                }
                begins = false;
                self.stand(shop, Some(&last));
                stretch.after = last;
            }
        }
        self.stand(shop, None);
        Ok(())
    }

    /// Ends the attempt where remembered fields have been asked after and sent long enough.
    fn ask_time(&self, entry: &ShopEntry, begun: Timestamp, begins: bool) -> Result<(), Halt> {
        let now = self.work.clock.now();
        if begins || now.duration_since(begun) < SPELL {
            return Ok(());
        }
        let text = format!("shop `{}` is sent more changes of images or attributes", entry.shop.id);
        Err(soon(now, LOOK_AGAIN, text, String::new()))
    }

    fn place(&self, shop: &ShopId) -> Option<String> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).get(shop).cloned()
    }

    /// From now on the remembered fields of a shop are sent behind this product; `None`: from the first on.
    fn stand(&self, shop: &ShopId, product: Option<&String>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        match product {
            Some(product) => places.insert(shop.clone(), product.clone()),
            None => places.remove(shop),
        };
    }
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
async fn resolve_settled(tx: &mut Tx, shop: &ShopId) -> Result<(), Halt> {
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
