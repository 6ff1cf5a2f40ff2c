//! Export: the way of a batch through either platform, product by product.
//!
//! A product is read before something is sent that its SKUs share, and before it goes off sale: others may have changed it since the
//! import, and a variant may have joined it. Products go on or off sale at the end, as many at once as the platform takes.

use async_trait::async_trait;

use super::{
    items::refs,
    products::{
        all_leave, any_leaves, by_product, judge_images, judge_texts, refuse_all, refuse_partly, returns,
        wanted_images, wanted_texts,
    },
    wire::{Success, Trouble},
    works::{self, Ended, Texts, Work, complaint, results},
};
use crate::{
    channels::{ChannelError, PushResult},
    domain::{Complaint, Listing, Values, plan::Change},
    secrets::Secret,
};

/// What becomes of a product beside what is sent of its SKUs.
enum Way {
    Stays,
    /// All of it is taken off sale.
    Leaves,
    /// It is put on sale again.
    Returns,
}

/// What a platform takes of a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Pieces of a variant.
    pub(super) pieces: i64,
    /// Options.
    pub(super) options: usize,
    /// Products that are put on or off sale at once.
    pub(super) at_once: usize,
}

/// A platform, by what its calls are.
#[async_trait]
pub(super) trait Export: Sync {
    /// A product as it is told.
    type Product: Send + Sync;

    const MOST: Most;

    /// What else a change lacks on this platform: a code and words.
    fn lacks_besides(&self, change: &Change) -> Option<(&'static str, String)>;

    /// One product, as it stands now.
    async fn read_product(&self, token: &Secret, id: &str) -> Result<Self::Product, Trouble>;

    /// The ids of a product's variants; `None`: it is its only variant itself.
    fn variants(product: &Self::Product) -> Vec<Option<&str>>;

    async fn write_texts(&self, token: &Secret, product: &Self::Product, texts: &Texts) -> Result<Success, Trouble>;

    async fn write_images(
        &self,
        token: &Secret,
        product: &Self::Product,
        images: &[String],
    ) -> Result<Success, Trouble>;

    async fn push_prices(&self, token: &Secret, indices: &[usize], works: &mut [Work<'_>]) -> Ended;

    async fn push_stock(&self, token: &Secret, work: &mut Work<'_>, pieces: i64) -> Ended;

    /// Creates the SKUs of one product of the source. `read`: what was read for the products before, to be looked through once more.
    async fn create(
        &self,
        token: &Secret,
        indices: &[usize],
        works: &mut [Work<'_>],
        read: &mut Option<Vec<Self::Product>>,
    ) -> Ended;

    /// Puts products on or off sale, [`Most::at_once`] of them at the most, each by its changes; closes those that were judged.
    async fn put_on_sale(
        &self,
        token: &Secret,
        on_sale: bool,
        products: &[Vec<usize>],
        works: &mut [Work<'_>],
    ) -> Ended;
}

/// What a change lacks.
pub(super) fn lacking<E: Export>(platform: &E, change: &Change) -> Option<Complaint> {
    let besides = || platform.lacks_besides(change).map(|(code, text)| complaint(change, code, text));
    works::lacking(change, E::MOST).or_else(besides)
}

/// Sends changes.
pub(super) async fn push_changes<E: Export>(
    platform: &E,
    token: &Secret,
    changes: &[Change],
) -> Result<Vec<PushResult>, ChannelError> {
    let mut works: Vec<_> = changes.iter().map(Work::of).collect();
    let ended = push_products(platform, token, &mut works).await;
    results(works, ended)
}

async fn push_products<E: Export>(platform: &E, token: &Secret, works: &mut [Work<'_>]) -> Ended {
    let (mut leaving, mut returning, mut read) = (Vec::new(), Vec::new(), None);
    for indices in by_product(works) {
        let (listed, new) = (works[indices[0]].listing.is_some(), works[indices[0]].change.product.is_some());
        let way = match (listed, new) {
            (true, _) => push_product(platform, token, &indices, works).await?,
            (false, true) => {
                platform.create(token, &indices, works, &mut read).await?;
                continue;
            }
            (false, false) => Way::Stays,
        };
        match way {
            Way::Stays => indices.iter().for_each(|index| works[*index].close()),
            Way::Leaves => leaving.push(indices),
            Way::Returns => returning.push(indices),
        }
    }
    for (on_sale, products) in [(false, leaving), (true, returning)] {
        for batch in products.chunks(E::MOST.at_once) {
            platform.put_on_sale(token, on_sale, batch, works).await?;
        }
    }
    Ok(())
}

/// Sends what concerns one product, but for whether it is on sale.
async fn push_product<E: Export>(
    platform: &E,
    token: &Secret,
    indices: &[usize],
    works: &mut [Work<'_>],
) -> Result<Way, Box<ChannelError>> {
    let texts = wanted_texts(works, indices);
    let mut all_gone = false;
    if texts.is_some() || wanted_images(works, indices).is_some() || any_leaves(works, indices) {
        let product = match platform.read_product(token, &works[indices[0]].text(refs::PRODUCT)).await {
            Ok(product) => product,
            Err(trouble) => return refuse_all(trouble, indices, works).map(|()| Way::Stays),
        };
        if let Some(texts) = texts {
            let answer = platform.write_texts(token, &product, &texts).await;
            judge_texts(works, indices, &texts, answer.err())?;
        }
        push_images(platform, token, &product, indices, works).await?;
        all_gone = all_leave(works, indices, &E::variants(&product));
    }
    platform.push_prices(token, indices, works).await?;
    for index in indices {
        if let Some(pieces) = works[*index].stock(!all_gone, E::MOST.pieces) {
            platform.push_stock(token, &mut works[*index], pieces).await?;
        }
    }
    if all_gone {
        return Ok(Way::Leaves);
    }
    let returns = returns(works, indices);
    refuse_partly(works, indices);
    Ok(if returns { Way::Returns } else { Way::Stays })
}

/// Sends the images that these changes want of their product.
pub(super) async fn push_images<E: Export>(
    platform: &E,
    token: &Secret,
    product: &E::Product,
    indices: &[usize],
    works: &mut [Work<'_>],
) -> Ended {
    let Some(images) = wanted_images(works, indices) else { return Ok(()) };
    let answer = platform.write_images(token, product, &images).await;
    judge_images(works, indices, &images, answer.err())
}

/// Whether the product that new SKUs joined comes back on sale: it is off sale because the source dropped all that it had, and whatever
/// would come back with them has no pieces by then.
pub(super) async fn comes_back<E: Export>(
    platform: &E,
    token: &Secret,
    product: &E::Product,
    indices: &[usize],
    works: &mut [Work<'_>],
) -> Result<bool, Box<ChannelError>> {
    if !returns(works, indices) {
        return Ok(false);
    }
    let now = E::variants(product);
    let siblings = works[indices[0]].change.siblings.iter();
    let along: Vec<_> = siblings.filter(|one| now.contains(&one.refs[refs::VARIANT].as_str())).map(emptied).collect();
    for change in &along {
        let mut work = Work::of(change);
        if let Some(pieces) = work.stock(true, E::MOST.pieces) {
            platform.push_stock(token, &mut work, pieces).await?;
        }
        if let Some(complaint) = work.refusal() {
            let text = format!(
                "the product stays off sale: with it `{}` would be sold, which the source dropped, and its stock cannot be set to 0 ({})",
                change.sku, complaint.text
            );
            for index in indices {
                works[*index].refuse("siblings", &text, None);
            }
            return Ok(false);
        }
    }
    Ok(true)
}

/// The change that leaves a SKU without pieces: one that the source dropped, of a product that comes back on sale with others.
fn emptied(listing: &Listing) -> Change {
    Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: Vec::new(),
        wanted: Values { retired: true, dropped: true, ..Values::default() },
        fields: Vec::new(),
    }
}
