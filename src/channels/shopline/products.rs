//! Changes of the SKUs of one product together: what they share, and what becomes of all of them at once.

use std::collections::BTreeMap;

use super::{
    items::refs,
    wire::Trouble,
    works::{Ended, Texts, Work},
};

/// The changes of each product, listed ones by the shop's id and new ones by the source's.
pub(super) fn by_product(works: &[Work<'_>]) -> Vec<Vec<usize>> {
    let mut products: BTreeMap<(bool, String), Vec<usize>> = BTreeMap::new();
    for (index, work) in works.iter().enumerate() {
        let key = match (&work.listing, &work.change.product) {
            (Some(listing), _) => (false, listing.product_id.clone()),
            (None, Some((product, _))) => (true, product.id.clone()),
            (None, None) => (true, String::new()),
        };
        products.entry(key).or_default().push(index);
    }
    products.into_values().collect()
}

/// Whether a product is to be put on sale again: a SKU of it is, and nothing that was sent of any was refused. Where something was,
/// the others are told.
pub(super) fn returns(works: &mut [Work<'_>], indices: &[usize]) -> bool {
    if !indices.iter().any(|index| works[*index].change.wanted.relisted) {
        return false;
    }
    if indices.iter().all(|index| !works[*index].is_refused()) {
        return true;
    }
    for index in indices.iter().filter(|index| !works[**index].is_refused()).copied().collect::<Vec<_>>() {
        let text = "the product is not put on sale again, because SHOPLINE refused a change of another of its SKUs";
        works[index].refuse("siblings", text, None);
    }
    false
}

/// Whether a whole product is to go off sale: something of it is, and nothing that the product has now stays. `now`: its variants by
/// the vendor's ids, as just read. What was known of it may be older than a variant that joined it since.
pub(super) fn all_leave(works: &[Work<'_>], indices: &[usize], now: &[Option<&str>]) -> bool {
    let leaving = || indices.iter().filter(|index| works[**index].change.wanted.retired);
    let leaves = |id: Option<&str>| leaving().any(|index| works[*index].word(refs::VARIANT) == id);
    leaving().next().is_some() && now.iter().copied().all(leaves)
}

/// Whether any of these is to be taken off sale.
pub(super) fn any_leaves(works: &[Work<'_>], indices: &[usize]) -> bool {
    indices.iter().any(|index| works[*index].change.wanted.retired)
}

/// The texts that are to be sent to a product, if any.
pub(super) fn wanted_texts(works: &[Work<'_>], indices: &[usize]) -> Option<Texts> {
    indices.iter().map(|index| works[*index].texts()).find(|texts| !texts.is_empty())
}

/// The images that are to be sent to a product, if any.
pub(super) fn wanted_images(works: &[Work<'_>], indices: &[usize]) -> Option<Vec<String>> {
    indices.iter().find_map(|index| works[*index].images()).map(<[String]>::to_vec)
}

/// What became of the texts of a product, which its SKUs share: those that were sent are noted, or refused, with each of them.
pub(super) fn judge_texts(works: &mut [Work<'_>], indices: &[usize], sent: &Texts, trouble: Option<Trouble>) -> Ended {
    judge_shared(works, indices, trouble, |work, trouble| {
        let own = work.texts();
        match trouble {
            _ if own.is_empty() => {}
            Some(trouble) => work.refuse_with(trouble),
            None if own == *sent => work.note_texts(&own),
            None => work.refuse("texts", "the product's SKUs are wanted with different texts, but share them", None),
        }
    })
}

/// What became of the images of a product, which its SKUs share.
pub(super) fn judge_images(
    works: &mut [Work<'_>],
    indices: &[usize],
    sent: &[String],
    trouble: Option<Trouble>,
) -> Ended {
    judge_shared(works, indices, trouble, |work, trouble| match (work.images(), trouble) {
        (None, _) => {}
        (Some(_), Some(trouble)) => work.refuse_with(trouble),
        (Some(own), None) if own == sent => {}
        (Some(_), None) => {
            work.refuse("images", "the product's SKUs are wanted with different images, but share them", None);
        }
    })
}

/// A refusal concerns these changes, each as `judge` has it; any other trouble what comes after them, too.
fn judge_shared(
    works: &mut [Work<'_>],
    indices: &[usize],
    trouble: Option<Trouble>,
    judge: impl Fn(&mut Work<'_>, Option<&Trouble>),
) -> Ended {
    match trouble {
        Some(trouble) if !trouble.is_refusal() => return Err(trouble.error),
        refusal => indices.iter().for_each(|index| judge(&mut works[*index], refusal.as_ref())),
    }
    Ok(())
}

/// A refusal of what was sent concerns all of these changes; any other trouble what comes after them, too.
pub(super) fn refuse_all(trouble: Trouble, indices: &[usize], works: &mut [Work<'_>]) -> Ended {
    if !trouble.is_refusal() {
        return Err(trouble.error);
    }
    for index in indices {
        works[*index].refuse_with(&trouble);
        works[*index].close();
    }
    Ok(())
}

/// Tells that a SKU stays off sale by having no stock, because the product's others are on sale.
pub(super) fn refuse_partly(works: &mut [Work<'_>], indices: &[usize]) {
    for index in indices.iter().filter(|index| works[**index].change.wanted.retired).copied().collect::<Vec<_>>() {
        let text = "the product's other SKUs are still on sale, and only whole products can be taken off sale; its stock was set to 0 instead";
        works[index].refuse("siblings", text, None);
    }
}
