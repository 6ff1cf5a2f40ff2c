//! What people are told when a permission begins or ends, in the transaction in which it does.

use std::sync::Arc;

use super::{ShopEntry, TokenKeeper};
use crate::{
    domain::{Authorization, ChannelName, ShopId},
    notices,
    store::{AppAlarm, StoreError, Tx},
};

impl TokenKeeper {
    /// The owner renewed: owed reminders are cancelled, a note is owed, the ladder begins anew.
    pub(super) async fn tell_renewed(&self, tx: &mut Tx, authorization: &Authorization) -> Result<(), StoreError> {
        let people = self.0.people.load_full();
        notices::note_renewal(tx, &people, authorization).await
    }

    /// An end date was learnt or has moved: the reminders are worked out again.
    pub(super) async fn tell_end_moved(&self, tx: &mut Tx) -> Result<(), StoreError> {
        notices::note_end_moved(tx).await
    }

    /// The permission has ended: the owner is asked at once, with the reason.
    pub(super) async fn tell_ended(&self, tx: &mut Tx, authorization: &Authorization) -> Result<(), StoreError> {
        let people = self.0.people.load_full();
        notices::note_ended(tx, &people, authorization).await
    }

    /// What had ended works again, without the owner having given it anew.
    pub(super) async fn tell_works_again(&self, tx: &mut Tx, authorization: &Authorization) -> Result<(), StoreError> {
        let people = self.0.people.load_full();
        notices::note_works_again(tx, &people, authorization).await
    }

    /// The channel has just closed a shop to us, or a right is missing: its people hear once.
    pub(super) async fn tell_obstacle(&self, tx: &mut Tx, shop: &ShopId) -> Result<(), StoreError> {
        notices::note_obstacle(tx, &self.0.people.load_full(), shop).await
    }

    /// The channel refuses the app of these shops: the operator hears once.
    pub(super) async fn tell_app_refused(
        &self,
        tx: &mut Tx,
        channel: &ChannelName,
        refused: &[Arc<ShopEntry>],
        alarm: &AppAlarm,
    ) -> Result<(), StoreError> {
        let shops: Vec<ShopId> = refused.iter().map(|entry| entry.shop.id.clone()).collect();
        notices::note_app_refused(tx, &self.0.people.load_full(), channel, &shops, alarm).await
    }
}
