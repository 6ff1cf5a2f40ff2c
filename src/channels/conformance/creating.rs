//! SKUs that a shop does not have yet.

use std::collections::BTreeSet;

use super::{
    Read, Rig, Verdict, World, checks, ensure, read_all,
    writing::{accepted, push},
};
use crate::{
    channels::{ChannelDef, PushResult},
    domain::{Field, Listing, Price, Product, Sku, Values, Variant, plan::Change},
};

checks! {
    a_created_listing_is_there_once if creates;
    a_product_with_several_variants_is_created_whole if creates;
    a_new_sku_joins_its_siblings if |def, rig| creates(def, rig) && rig.groups_variants();
    what_a_creation_lacks_is_named_and_nothing_is_sent if |def, rig| creates(def, rig) && rig.maps();
}

fn creates(def: &ChannelDef, _: &dyn Rig) -> bool {
    def.abilities.create
}

async fn a_created_listing_is_there_once(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let change = creation(world.as_ref(), &read_all(world.as_ref()).await?, "conformance-created", None)?;
    created_once(world.as_ref(), &[change]).await
}

async fn a_product_with_several_variants_is_created_whole(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let read = read_all(world.as_ref()).await?;
    let changes = sizes(world.as_ref(), &read, &["S", "M", "L"])?;
    created_once(world.as_ref(), &changes).await?;
    let after = read_all(world.as_ref()).await?.by_sku();
    let products: BTreeSet<_> = changes.iter().filter_map(|change| after.get(&change.sku)).map(product_of).collect();
    ensure!(products.len() == 1 || !rig.groups_variants(), "one product became {}: {products:?}", products.len());
    Ok(())
}

async fn a_new_sku_joins_its_siblings(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let read = read_all(world.as_ref()).await?;
    created_once(world.as_ref(), &sizes(world.as_ref(), &read, &["S", "M"])?).await?;
    let before = world.actual().await;
    let siblings: Vec<Listing> =
        read_all(world.as_ref()).await?.listings.into_iter().filter(|listing| is_size(&listing.sku)).collect();
    ensure!(siblings.len() == 2, "of 2 siblings {} are read", siblings.len());
    let mut changes = sizes(world.as_ref(), &read, &["L", "XL"])?;
    for change in &mut changes {
        change.siblings.clone_from(&siblings);
    }
    created_once(world.as_ref(), &changes).await?;
    let actual = world.actual().await;
    let moved: Vec<_> = before.iter().filter(|(sku, value)| actual.get(sku) != Some(value)).collect();
    ensure!(moved.is_empty(), "others changed when SKUs joined them; they were {moved:?}");
    let after = read_all(world.as_ref()).await?;
    let products: BTreeSet<_> = after.listings.iter().filter(|one| is_size(&one.sku)).map(product_of).collect();
    ensure!(products.len() == 1, "the siblings stand in several products: {products:?}");
    Ok(())
}

async fn what_a_creation_lacks_is_named_and_nothing_is_sent(_: &ChannelDef, rig: &dyn Rig) -> Verdict {
    let world = rig.start(2).await;
    let change = creation(world.as_ref(), &read_all(world.as_ref()).await?, "conformance-created", None)?;
    let lacking = world.channel().lacks(&change);
    ensure!(lacking.is_none(), "with a mapping something is lacking: {lacking:?}");
    let complaint = world.unmapped().lacks(&change).ok_or("without a mapping nothing is lacking")?;
    ensure!(complaint.sku == change.sku.as_str(), "the complaint is about `{}`", complaint.sku);
    ensure!(!complaint.code.is_empty() && complaint.text.contains("mapping"), "no way out is told: {complaint:?}");
    let before = world.actual().await;
    let results = world.unmapped().push(&world.access(), &[change]).await.map_err(|error| format!("push: {error}"))?;
    let refused = matches!(results.as_slice(), [PushResult::Refused(_)]);
    ensure!(refused, "what lacks something was not refused: {results:?}");
    ensure!(world.actual().await == before, "what lacks something was sent");
    Ok(())
}

/// Pushes creations twice, and expects them to be there once, as wanted.
async fn created_once(world: &dyn World, changes: &[Change]) -> Verdict {
    let before = world.actual().await.len();
    for _ in 0..2 {
        accepted(world, changes).await?;
        let actual = world.actual().await;
        let expected = before + changes.len();
        ensure!(actual.len() == expected, "the shop has {} listings instead of {expected}", actual.len());
        for change in changes {
            let created = actual.get(&change.sku).ok_or(format!("{} is not there", change.sku))?;
            ensure!(Some(created.price) == change.wanted.price, "{} has the price {}", change.sku, created.price);
            ensure!(Some(created.stock) == change.wanted.stock, "{} has {} pieces", change.sku, created.stock);
        }
    }
    let answers = push(world, changes).await?;
    let told: BTreeSet<_> = answers
        .iter()
        .filter_map(|answer| match answer {
            PushResult::Done { sku, listing } if listing.sku == *sku => Some(sku.clone()),
            _ => None,
        })
        .collect();
    let wanted: BTreeSet<_> = changes.iter().map(|change| change.sku.clone()).collect();
    ensure!(told == wanted, "the answers are about {told:?}");
    Ok(())
}

const SIZED: &str = "conformance-size-";

fn is_size(sku: &Sku) -> bool {
    sku.as_str().starts_with(SIZED)
}

fn product_of(listing: &Listing) -> &str {
    &listing.product_id
}

/// Variants of one product in these sizes, to be created.
fn sizes(world: &dyn World, read: &Read, sizes: &[&str]) -> Result<Vec<Change>, String> {
    sizes.iter().map(|size| creation(world, read, &format!("{SIZED}{size}"), Some(size))).collect()
}

/// A SKU to be created, priced as the shop's first listing.
fn creation(world: &dyn World, read: &Read, sku: &str, size: Option<&str>) -> Result<Change, String> {
    let sku: Sku = sku.parse().map_err(|error| format!("{error}"))?;
    let first = read.listings.first().ok_or("nothing was read")?;
    let price: Price = *first.prices.first().ok_or("the first listing has no price")?;
    let product = Product {
        id: format!("conformance-product-{}", if size.is_some() { "sized" } else { "single" }),
        title: "A thing that the suite of all channels creates".to_owned(),
        description: Some("A listing that the suite creates, with words enough for any channel.".to_owned()),
        brand: None,
        category: Some("Things".to_owned()),
        images: vec![world.image()],
    };
    let variant = Variant {
        sku: sku.clone(),
        product_id: product.id.clone(),
        barcode: None,
        prices: vec![price],
        stock: Some(4),
        options: size.map(|size| ("Size".to_owned(), size.to_owned())).into_iter().collect(),
    };
    let wanted = Values { price: Some(price), stock: Some(4), title: Some(product.title.clone()), ..Values::default() };
    let fields = vec![Field::Price, Field::Stock, Field::Title];
    Ok(Change { sku, listing: None, product: Some((product, variant)), siblings: Vec::new(), wanted, fields })
}
