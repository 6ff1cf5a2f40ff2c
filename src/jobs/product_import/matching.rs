//! Matching by barcode, where the shop's settings switch it on: a listing whose SKU the product source does not know stands for the
//! one variant that has its barcode.

use std::collections::{BTreeMap, BTreeSet};

use super::Reading;
use crate::{
    domain::{Complaint, Listing, Sku, barcode_key},
    jobs::Halt,
    store::{SeenListing, Tx},
};

/// A listing that could not be matched because another one stood for the variant before this pass.
pub(super) struct StandsBack {
    listing: Listing,
    variant: Sku,
}

/// The listings of a page, those that were matched under the source's SKU; and a complaint for each that could mean several.
pub(super) async fn match_barcodes(
    tx: &mut Tx,
    reading: &mut Reading<'_>,
    mut page: Vec<SeenListing>,
) -> Result<(Vec<SeenListing>, Vec<Complaint>), Halt> {
    if !reading.entry.match_barcode || reading.entry.is_source {
        return Ok((page, Vec::new()));
    }
    let skus: Vec<Sku> = page.iter().map(|seen| seen.listing.sku.clone()).collect();
    let known = tx.variants_of(&skus).await?.into_iter().filter(|stored| !stored.gone);
    let known: BTreeSet<Sku> = known.map(|stored| stored.variant.sku).collect();
    let key =
        |listing: &Listing| listing.barcode.as_deref().and_then(barcode_key).filter(|_| !known.contains(&listing.sku));
    let keys: Vec<String> = page.iter().filter_map(|seen| key(&seen.listing)).collect();
    let mut variants: BTreeMap<String, Vec<Sku>> = BTreeMap::new();
    for (barcode, sku) in tx.skus_with_barcodes(&keys).await? {
        variants.entry(barcode).or_default().push(sku);
    }
    let meant: Vec<Sku> = variants.values().flatten().cloned().collect();
    // Whom the shop's listings stand for already: their own SKU, or that of another.
    let mut taken: BTreeMap<Sku, Sku> = known.iter().map(|sku| (sku.clone(), sku.clone())).collect();
    let stored = tx.listings_of(&reading.entry.shop.id, &meant).await?.into_iter().filter(|stored| !stored.gone);
    for listing in stored.filter_map(|stored| stored.listing) {
        taken.entry(listing.sku.clone()).or_insert_with(|| listing.shop_sku.unwrap_or(listing.sku));
    }
    let mut complaints = Vec::new();
    let compared = reading.entry.compared();
    for seen in &mut page {
        let listing = &mut seen.listing;
        let Some((key, meant)) = key(listing).and_then(|key| variants.get_key_value(&key)) else {
            continue;
        };
        let [variant] = meant.as_slice() else {
            let all = meant.iter().map(|sku| format!("`{sku}`")).collect::<Vec<_>>().join(", ");
            let cause = format!("barcode {key} is that of several SKUs of the product source ({all})");
            complaints.push(ambiguous(listing, &cause));
            continue;
        };
        let holder = taken.entry(variant.clone()).or_insert_with(|| listing.sku.clone());
        if *holder == listing.sku {
            listing.shop_sku = Some(std::mem::replace(&mut listing.sku, variant.clone()));
            *seen = SeenListing::of(listing.clone(), &compared);
        } else {
            let cause =
                format!("barcode {key} is that of `{variant}`, for which the shop's SKU `{holder}` stands already");
            complaints.push(ambiguous(listing, &cause));
            reading.stand_back.push(StandsBack { listing: listing.clone(), variant: variant.clone() });
        }
    }
    Ok((page, complaints))
}

/// Matches what stood back for a listing that a complete pass, which has just ended, did not find any more: a SKU that was renamed in
/// the shop. Returns how many.
pub(super) async fn match_freed(tx: &mut Tx, reading: &Reading<'_>) -> Result<u64, Halt> {
    let Reading { entry, pass, stand_back, .. } = reading;
    let shop = &entry.shop.id;
    let variants: Vec<Sku> = stand_back.iter().map(|one| one.variant.clone()).collect();
    if variants.is_empty() {
        return Ok(0);
    }
    let stored = tx.listings_of(shop, &variants).await?.into_iter();
    let mut freed: BTreeSet<Sku> = stored.filter(|stored| stored.gone).map(|stored| stored.sku).collect();
    let mut matched = 0;
    // Of several the first, as on a page.
    for StandsBack { listing, variant } in stand_back.iter().filter(|one| freed.remove(&one.variant)) {
        let own = listing.sku.clone();
        let renamed = Listing { sku: variant.clone(), shop_sku: Some(own.clone()), ..listing.clone() };
        tx.forget_listing(shop, &own).await?;
        tx.put_listings(shop, &[SeenListing::of(renamed, &entry.compared())], pass.started_at).await?;
        tx.resolve_seen(shop, &[own]).await?;
        matched += 1;
    }
    Ok(matched)
}

fn ambiguous(listing: &Listing, cause: &str) -> Complaint {
    Complaint {
        sku: listing.sku.to_string(),
        code: Complaint::AMBIGUOUS_BARCODE.to_owned(),
        text: format!("{cause}, so it is not matched; give the listing the SKU that is meant, or correct the barcode"),
        request_id: None,
    }
}
