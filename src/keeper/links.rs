//! Signed links: what a mail carries so that its reader can renew without signing in.
//!
//! A link's token is its end, sealed for one shop and the account on record of it with the daemon's own key: nobody else can make
//! one, and it opens for no other shop, nor once the shop is another account's. It may be used more than once, because mail scanners open links; it only leads to the channel's consent
//! page, where the account on record must consent.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::ShopBook;
use crate::{
    domain::ShopId,
    secrets::{Sealed, Sealer, Secret},
};

/// How long a link in a mail works.
pub const LINK_LIFE: SignedDuration = SignedDuration::from_hours(35 * 24);

/// Makes and reads signed links.
#[derive(Clone)]
pub struct Links {
    sealer: Sealer,
    shops: ShopBook,
}

/// Why a link does not lead on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// Not made by us, made for another shop or account, or cut off on its way.
    #[error("the link is not complete, or was made for another shop or account")]
    NotOurs,
    /// Its 35 days are over.
    #[error("the link has expired; links in mails work for 35 days")]
    Expired,
}

impl Links {
    /// With the daemon's own key, for the shops in force.
    pub fn new(sealer: Sealer, shops: ShopBook) -> Self {
        Self { sealer, shops }
    }

    /// A link that renews a shop's authorization by the account on record, good for [`LINK_LIFE`] from `now`.
    pub fn renew_link(&self, shop: &ShopId, account: Option<&str>, now: Timestamp) -> Url {
        let ends = Secret::new((now + LINK_LIFE).as_millisecond().to_string());
        let token = URL_SAFE_NO_PAD.encode(self.sealer.seal(&ends, &row(shop, account)).0);
        let mut url = self.shops.page().address(&format!("authorize/{shop}"));
        url.query_pairs_mut().append_pair("link", &token);
        url
    }

    /// Whether the token of a link leads on for this shop and the account on record at `now`.
    pub fn verify(&self, shop: &ShopId, account: Option<&str>, token: &str, now: Timestamp) -> Result<(), LinkFault> {
        let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| LinkFault::NotOurs)?;
        let ends = self.sealer.open(&Sealed(sealed), &row(shop, account)).map_err(|_| LinkFault::NotOurs)?;
        let ends: i64 = ends.expose().parse().map_err(|_| LinkFault::NotOurs)?;
        if now.as_millisecond() < ends { Ok(()) } else { Err(LinkFault::Expired) }
    }
}

fn row(shop: &ShopId, account: Option<&str>) -> String {
    format!("link/renew/{shop}/{}", account.unwrap_or_default())
}
