//! The plan of an export before it is one, for `--dry-run`: only reads, and computes everything that an export would note.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    planning::{CHUNK, Differences, Plan, listings_of, wanted_of},
    remembering::{Wanted, change_of, remembered_of},
};
use crate::{
    domain::{
        Complaint, ErrorKind, Failure, Field, Part, PassKind, Remembered, RunError, ShopId, Sku,
        plan::{Change, GuardStop, guard, retires},
    },
    jobs::Halt,
    keeper::ShopEntry,
    store::{Store, StoredVariant, Tx},
};

/// What an export would do now.
#[derive(Debug, Default)]
pub struct Preview {
    /// What has to happen before there can be a plan, in words; the plan is empty then.
    pub first: Option<String>,
    /// What it would send, refused SKUs too: an export that a person asks for tries them again.
    pub plan: Vec<Change>,
    /// The fields in it that the shop does not show as they are sent: there is nothing to compare them with.
    pub remembered: &'static [Field],
    /// What other changes lack before they can be sent, one each.
    pub lacking: Vec<Complaint>,
    /// How many SKUs wait for the shop's judgement of the last change: nothing else is sent for them until then.
    pub waiting: usize,
    /// Why a guard would stop it.
    pub stop: Option<GuardStop>,
}

/// The plan as it would be carried out now. `source`: the product source. `resend`: a field of which it would be forgotten what the shop accepted.
pub async fn preview(
    store: &Store,
    now: Timestamp,
    entry: &ShopEntry,
    source: Option<&ShopId>,
    resend: Option<Field>,
) -> Result<Preview, RunError> {
    let shop = &entry.shop.id;
    let rejected = |text: String, remedy: &str| RunError {
        failure: Failure::Rejected,
        kind: ErrorKind::Rejected,
        text,
        remedy: remedy.to_owned(),
    };
    let Some(source) = source else {
        return Err(rejected("no product source is named".to_owned(), "set `product_source` in the settings"));
    };
    if source == shop {
        let text = format!("shop `{shop}` is the product source; nothing is exported to it");
        return Err(rejected(text, "name a shop that sells what the source says"));
    }
    let previewed = async {
        let mut tx = store.read(now).await?;
        if let Some(first) = comes_first(&mut tx, shop, source).await? {
            return Ok(Preview { first: Some(first), ..Preview::default() });
        }
        let mut waiting = Waiting::new();
        for part in [Part::Compared, Part::Remembered] {
            waiting.insert(part, tx.waiting_skus(shop, part).await?.into_iter().collect());
        }
        let Plan { changes: plan, lacking } = planned(&mut tx, entry, &waiting, resend).await?;
        let live = if retires(&plan) { tx.live_listings(shop).await? } else { 0 };
        let stop = guard(&plan, live, &entry.rules);
        let waiting = waiting.into_values().flatten().collect::<BTreeSet<_>>().len();
        Ok(Preview { first: None, plan, remembered: entry.abilities.remembered, lacking, waiting, stop })
    };
    previewed.await.map_err(|halt| match halt {
        Halt::Failed(error) => error,
        Halt::Cancelled => unreachable!("nothing cancels a look"),
    })
}

async fn comes_first(tx: &mut Tx, shop: &ShopId, source: &ShopId) -> Result<Option<String>, Halt> {
    if !tx.is_source_read(source).await? {
        return Ok(Some(format!(
            "product source `{source}` has not been read completely yet since it became the source; an export would wait for its import"
        )));
    }
    if tx.last_pass(shop, PassKind::Full).await?.is_none() {
        return Ok(Some(format!(
            "shop `{shop}` has not been read completely yet; an export would import it first, and compare then"
        )));
    }
    Ok(None)
}

/// The SKUs that wait for the shop's judgement of the last change.
type Waiting = BTreeMap<Part, BTreeSet<Sku>>;

/// Everything that the source wants and the shop does not have.
async fn planned(tx: &mut Tx, entry: &ShopEntry, waiting: &Waiting, resend: Option<Field>) -> Result<Plan, Halt> {
    let shop = &entry.shop.id;
    let usual = tx.usual_currency(shop).await?;
    let waits = |part: Part, sku: &Sku| waiting.get(&part).is_some_and(|skus| skus.contains(sku));
    let (mut found, mut unwantable, mut after) = (Differences::default(), Vec::new(), None);
    let mut remembered = Vec::new();
    loop {
        let variants = tx.variants_since(0, after.as_ref(), CHUNK).await?;
        let Some(last) = variants.last() else { break };
        after = Some(last.variant.sku.clone());
        let mut listings = listings_of(tx, shop, &variants).await?;
        let known = known_of(tx, entry, &variants).await?;
        for row in variants {
            let sku = &row.variant.sku;
            let stored = listings.remove(sku);
            if let Some(stored) = &stored
                && !waits(Part::Compared, sku)
                && !waits(Part::Remembered, sku)
            {
                let accepted = |field: &Field| {
                    let of = known.get(sku).into_iter().flatten().find(|one| one.field == *field);
                    of.filter(|_| resend != Some(*field)).and_then(|one| one.accepted.as_ref()).map(|(hash, _)| hash)
                };
                let Wanted { wanted, unsaid } = remembered_of(&row, entry);
                let differs = |field: &Field| {
                    wanted.hash_of(*field).is_some_and(|wanted| accepted(field).is_none_or(|hash| *hash != wanted))
                };
                let fields: Vec<Field> = entry.remembered().filter(differs).collect();
                remembered.extend(change_of(stored, &row, &fields, entry));
                unwantable.extend(unsaid.filter(|_| !stored.gone));
            }
            if waits(Part::Compared, sku) {
                continue;
            }
            // A listing that is gone is not brought back.
            if stored.as_ref().is_some_and(|stored| stored.gone) {
                continue;
            }
            match wanted_of(&row, stored.as_ref(), usual, entry) {
                Ok(Some(wanted)) => {
                    let listing = stored.and_then(|stored| stored.listing);
                    found.add(row.variant.sku.clone(), listing, wanted, Some(row), entry);
                }
                Ok(None) => {}
                Err(complaint) => unwantable.push(complaint),
            }
        }
    }
    let mut plan = Plan::of(tx, entry, found).await?;
    let Plan { changes, lacking } = Plan::judged(entry, remembered);
    plan.changes.extend(changes);
    plan.lacking.extend(lacking.into_iter().chain(unwantable));
    Ok(plan)
}

/// What is remembered of these variants, where anything is.
async fn known_of(
    tx: &mut Tx,
    entry: &ShopEntry,
    variants: &[StoredVariant],
) -> Result<BTreeMap<Sku, Vec<Remembered>>, Halt> {
    if entry.remembered().next().is_none() {
        return Ok(BTreeMap::new());
    }
    let skus: Vec<Sku> = variants.iter().map(|row| row.variant.sku.clone()).collect();
    Ok(tx.remembered_of(&entry.shop.id, &skus).await?)
}
