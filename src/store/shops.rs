//! What a shop has beyond its settings, and what holds its jobs.

use super::{StoreError, Tx};
use crate::domain::{AuthorizationId, ChannelName, ShopId, hold::Facts};

/// A shop as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopRow {
    /// Its id.
    pub id: ShopId,
    /// Its channel.
    pub channel: ChannelName,
    /// What people call it.
    pub name: String,
    /// The channel's word for the place of sale.
    pub place: Option<String>,
    /// What the channel noted for its calls; null without.
    pub place_data: serde_json::Value,
    /// Its authorization.
    pub authorization: Option<AuthorizationId>,
    /// Whether it stands in the settings.
    pub configured: bool,
    /// Whether a person paused it.
    pub paused: bool,
    /// The channel's word that it is closed.
    pub closed_why: Option<String>,
    /// A right its authorization lacks.
    pub scope_missing: Option<String>,
    /// The rules that `wanted` was computed with.
    pub rules_digest: Option<String>,
    /// The variants' revision that `wanted` was computed from.
    pub wanted_revision: i64,
    /// The content that the last complete import read.
    pub seen_fingerprint: Option<String>,
    /// The guarded plan that a person let through.
    pub released_plan: Option<String>,
}

/// A shop as the settings want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedShop {
    /// Its id.
    pub id: ShopId,
    /// Its channel.
    pub channel: ChannelName,
    /// What people call it.
    pub name: String,
    /// The channel's word for the place of sale.
    pub place: String,
}

impl Tx {
    /// Brings the table in line with the settings: new shops come, others stay with `configured` off and lose nothing.
    pub async fn sync_shops(&mut self, wanted: &[WantedShop]) -> Result<(), StoreError> {
        todo!()
    }

    /// One shop.
    pub async fn shop(&mut self, id: &ShopId) -> Result<Option<ShopRow>, StoreError> {
        todo!()
    }

    /// All shops, in order of id, those that left the settings too.
    pub async fn shops(&mut self) -> Result<Vec<ShopRow>, StoreError> {
        todo!()
    }

    /// The configured shops that work with an authorization.
    pub async fn shops_of(&mut self, authorization: AuthorizationId) -> Result<Vec<ShopRow>, StoreError> {
        todo!()
    }

    /// Ties a shop to its authorization, with what the channel noted about the place.
    pub async fn tie_shop(
        &mut self,
        shop: &ShopId,
        authorization: AuthorizationId,
        place_data: &serde_json::Value,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Pauses a shop, or ends its pause.
    pub async fn set_paused(&mut self, shop: &ShopId, paused: bool) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes or clears the channel's word that the shop is closed.
    pub async fn set_closed(&mut self, shop: &ShopId, why: Option<&str>) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes or clears a missing right.
    pub async fn set_scope_missing(&mut self, shop: &ShopId, scope: Option<&str>) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes what `wanted` was computed with.
    pub async fn set_wanted_mark(
        &mut self,
        shop: &ShopId,
        rules_digest: &str,
        revision: i64,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes the content that the last complete import read.
    pub async fn set_seen_fingerprint(&mut self, shop: &ShopId, fingerprint: Option<&str>) -> Result<(), StoreError> {
        todo!()
    }

    /// Notes the guarded plan that a person let through; `None` after it was used.
    pub async fn set_released_plan(&mut self, shop: &ShopId, digest: Option<&str>) -> Result<(), StoreError> {
        todo!()
    }

    /// Raises the alarm that a channel refuses our app. `false`: it stands already.
    pub async fn raise_channel_alarm(&mut self, channel: &ChannelName, why: &str) -> Result<bool, StoreError> {
        todo!()
    }

    /// Ends it. `false`: there was none.
    pub async fn clear_channel_alarm(&mut self, channel: &ChannelName) -> Result<bool, StoreError> {
        todo!()
    }

    /// The channel's alarm, if one stands: why.
    pub async fn channel_alarm(&mut self, channel: &ChannelName) -> Result<Option<String>, StoreError> {
        todo!()
    }

    /// The facts that hold a shop's jobs, as the database knows them. The caller fills in what the settings say.
    pub async fn hold_facts(
        &mut self,
        shop: &ShopId,
        needs_authorization: bool,
        has_source: bool,
    ) -> Result<Facts, StoreError> {
        todo!()
    }

    /// Deletes everything kept about a shop that is not in the settings; its authorization too when no other shop uses it.
    /// Returns what went, in words: ("listings", 120) and so on.
    pub async fn forget_shop(&mut self, shop: &ShopId) -> Result<Vec<(String, u64)>, StoreError> {
        todo!()
    }
}
