//! A fresh link for whoever followed an old one: by mail, to the shop's own people.

use super::TokenKeeper;
use crate::{domain::ShopId, notices, store::StoreError};

/// What became of the wish for a fresh link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshLink {
    /// The addresses of those who are reminded of the shop.
    pub recipients: Vec<String>,
    /// Whether a mail is owed to any of them that was not owed or sent today before.
    pub owed: bool,
}

impl TokenKeeper {
    /// The account on record of a shop, whichever app it authorized: whose its links are.
    pub async fn account_on_record(&self, shop: &ShopId) -> Result<Option<String>, StoreError> {
        self.0.store.read(self.0.clock.now()).await?.account_on_record(shop).await
    }

    /// Owes the people of a shop a mail with a fresh link, at most one each in a local day, and has it delivered at once.
    pub async fn owe_fresh_link(&self, shop: &ShopId) -> Result<FreshLink, StoreError> {
        let people = self.0.people.load_full();
        let known = people.shops.get(shop).into_iter().flat_map(|shop| &shop.recipients);
        let recipients: Vec<String> = known.map(|recipient| recipient.address.clone()).collect();
        let mut tx = self.0.store.write(self.0.clock.now()).await?;
        let owed = notices::owe_fresh_link(&mut tx, &people, shop).await?;
        tx.commit().await?;
        if owed {
            self.wake();
        }
        Ok(FreshLink { recipients, owed })
    }
}
