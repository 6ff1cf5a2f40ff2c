//! Flows that a channel begins by itself.

use std::sync::Arc;

use url::Url;

use super::{ConsentError, Refusals, consent_of};
use crate::{
    channels::Start,
    domain::{ChannelName, Shop, ShopId},
    keeper::{ShopEntry, TokenKeeper},
};

/// What comes next in a flow that the channel began by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// The browser goes there.
    Go(Url),
    /// A person says which of these shops is meant.
    Choose(Vec<Shop>),
}

impl TokenKeeper {
    /// Where the browser goes next after the channel began a flow by itself: to the channel with a fresh state, or (where
    /// several shops may be meant) first to a person who chooses. `chosen`: what that person chose.
    pub async fn begin_started(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
        browser: &str,
        chosen: Option<&ShopId>,
    ) -> Result<Started, ConsentError> {
        let meant = self.meant_by_start(channel, query).await?;
        let entry = match (&meant[..], chosen) {
            ([], _) => {
                return Err(ConsentError::NoShop(format!(
                    "channel `{channel}` asks for an authorization that no shop in the settings waits for; add the shop to the settings, or forget the one that another account authorized, and start again"
                )));
            }
            (_, Some(chosen)) => meant
                .iter()
                .find(|entry| entry.shop.id == *chosen)
                .ok_or_else(|| ConsentError::UnknownShop(chosen.clone()))?,
            ([one], None) => one,
            (several, None) => return Ok(Started::Choose(several.iter().map(|entry| entry.shop.clone()).collect())),
        };
        let state = self.new_state(&entry.shop.id, Some(browser)).await?;
        let start = consent_of(entry)?.start(query, &state).map_err(ConsentError::Channel)?;
        Ok(Started::Go(start.ok_or_else(|| ConsentError::UnknownShop(entry.shop.id.clone()))?.go))
    }

    /// The shops that a flow begun by the channel may be for: one of the account it names, else those that wait for an owner.
    async fn meant_by_start(
        &self,
        channel: &ChannelName,
        query: &[(String, String)],
    ) -> Result<Vec<Arc<ShopEntry>>, ConsentError> {
        let entries = self.0.shops.of_channel(channel);
        let (mut waiting, mut understood, mut refusals) = (Vec::new(), false, Refusals::default());
        for entry in entries {
            let consent = consent_of(&entry)?;
            let start = match consent.start(query, "") {
                Ok(start) => start,
                Err(error) => {
                    refusals.add(consent, query, error);
                    continue;
                }
            };
            understood = true;
            let Some(Start { account, .. }) = start else { continue };
            let on_record = self.account_of(&entry).await?;
            match (account, on_record) {
                (None, _) | (Some(_), None) => waiting.push(entry),
                // One renewal serves all shops of the account.
                (Some(account), Some((known, _))) if account == known => return Ok(vec![entry]),
                (Some(_), Some(_)) => {}
            }
        }
        match refusals.told() {
            Some(error) if !understood => Err(ConsentError::Channel(error)),
            None if !understood => Err(ConsentError::NoSuchChannel(channel.clone())),
            _ => Ok(waiting),
        }
    }
}
