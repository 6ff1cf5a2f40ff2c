//! Flows that Amazon begins: from the Appstore, and from "Manage your apps", where sellers renew.
//!
//! Vendor page: "Selling Partner Appstore authorization workflow".

use url::Url;

use super::{
    Amazon,
    auth::TITLE,
    is_seller_id,
    marketplaces::{Region, is_marketplace, region_of_central},
};
use crate::channels::{
    ChannelError, Start,
    calls::{the_one, unusable},
};

/// Names that we write into the way back ourselves.
const OURS: [&str; 4] = ["redirect_uri", "amazon_state", "state", "version"];

/// Reads a request to the app's login URI, and says where the browser goes with `state`.
pub(super) fn read(shop: &Amazon, query: &[(String, String)], state: &str) -> Result<Option<Start>, ChannelError> {
    let one = |name: &str| {
        the_one(query, name)
            .ok_or_else(|| unusable(TITLE, &format!("the request's {name} is missing, empty or there twice")))
    };
    let (back, amazon_state, seller) = (one("amazon_callback_uri")?, one("amazon_state")?, one("selling_partner_id")?);
    if !is_seller_id(seller) {
        return Err(unusable(TITLE, "the request's selling_partner_id is not a seller's id"));
    }
    let (back, region) = way_back(shop, back)
        .ok_or_else(|| unusable(TITLE, "the request's amazon_callback_uri does not lead to Amazon"))?;
    let elsewhere = region.is_some_and(|region| region != shop.marketplace.region);
    if elsewhere || shop.seller_id.as_deref().is_some_and(|known| known != seller) {
        return Ok(None);
    }
    let draft = shop.draft || the_one(query, "version") == Some("beta");
    let go = with_answer(back, amazon_state, state, shop.callback.as_str(), draft);
    Ok(Some(Start { go, account: Some(seller.to_owned()) }))
}

/// The address that the browser goes back to, with its region where the host tells it. Only Amazon's own are taken: anything
/// else would make our page a springboard to wherever somebody likes.
fn way_back(shop: &Amazon, text: &str) -> Option<(Url, Option<Region>)> {
    let url: Url = text.parse().ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let host = url.host_str()?.to_owned();
    if let Some(region) = region_of_central(&host).filter(|_| is_plain_https(&url)) {
        return Some((url, Some(region)));
    }
    // The vendor's own example leads to amazon.com, where other pages lead on.
    let example = is_plain_https(&url) && is_marketplace(&host) && url.path().starts_with("/apps/authorize/");
    (example || url.origin() == shop.consent_url.origin()).then_some((url, None))
}

fn is_plain_https(url: &Url) -> bool {
    url.scheme() == "https" && url.port().is_none()
}

fn with_answer(mut back: Url, amazon_state: &str, state: &str, redirect: &str, draft: bool) -> Url {
    let kept: Vec<(String, String)> =
        back.query_pairs().into_owned().filter(|(name, _)| !OURS.contains(&name.as_str())).collect();
    back.set_fragment(None);
    let mut query = back.query_pairs_mut();
    query.clear().extend_pairs(kept);
    query.append_pair("redirect_uri", redirect).append_pair("amazon_state", amazon_state).append_pair("state", state);
    if draft {
        query.append_pair("version", "beta");
    }
    drop(query);
    back
}
