//! What could not be told to one person, or to nobody: it is told as soon as it can be.

use super::*;
use crate::notices::{note_obstacle, note_works_again};

impl World {
    /// The channel says that a shop is closed, or open again.
    async fn close(&self, shop: &str, why: Option<&str>) {
        let shop: ShopId = shop.parse().unwrap();
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        tx.set_closed(&shop, why, None).await.unwrap();
        if why.is_some() {
            note_obstacle(&mut tx, &self.people.load(), &shop).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// A right is found to be missing, or to be there again.
    async fn lack(&self, shop: &str, scope: Option<&str>) {
        let shop: ShopId = shop.parse().unwrap();
        let mut tx = self.store.write(self.clock.now()).await.unwrap();
        tx.set_scope_missing(&shop, scope, None).await.unwrap();
        if scope.is_some() {
            note_obstacle(&mut tx, &self.people.load(), &shop).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    fn name(&self, shop: &str, addresses: &[&str]) {
        let named = addresses.iter().map(|address| recipient(address)).collect();
        self.change_people(|people| {
            people.shops.get_mut(&shop.parse::<ShopId>().unwrap()).unwrap().recipients = named;
        });
    }
}

#[tokio::test]
async fn a_closed_shop_is_told_once_to_whoever_is_named_while_it_lasts() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[])]).await;
    world.close("uk", Some("holiday")).await;
    assert_eq!(world.until("2027-05-01T13:00").await, Vec::<String>::new(), "nobody is named");
    world.name("uk", &["wrong@example.com"]);
    world.relay.refuse_to("wrong@example.com", Some(MailError::permanent("550 no such user")));
    world.change_people(|people| people.operator.clear());
    world.settings_changed().await;
    assert_eq!(world.until("2027-05-01T14:00").await, Vec::<String>::new());
    world.name("uk", &[OWNER]);
    world.settings_changed().await;
    world.settings_changed().await;
    let told = "reminder owner@example.com: UK: TikTok Shop says that the shop is closed";
    assert_eq!(world.until("2027-05-02T00:00").await, [format!("2027-05-01 14:00 {told}")]);
    world.settings_changed().await;
    assert_eq!(world.until("2027-05-03T00:00").await, Vec::<String>::new(), "once");
    world.close("uk", None).await;
    world.settings_changed().await;
    assert_eq!(world.until("2027-05-03T12:00").await, Vec::<String>::new());
    world.close("uk", Some("holiday")).await;
    assert_eq!(world.until("2027-05-04T12:00").await, [format!("2027-05-03 12:00 {told}")], "once more");
}

#[tokio::test]
async fn a_right_that_was_missing_for_a_moment_is_told_when_it_is_missing_again() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2028-06-30T12:00").await;
    world.until("2027-05-01T12:00").await;
    world.lack("uk", Some("product.write")).await;
    world.lack("uk", None).await;
    assert_eq!(world.until("2027-05-01T13:00").await, Vec::<String>::new());
    world.lack("uk", Some("product.write")).await;
    let told = ["2027-05-01 13:00 reminder owner@example.com: UK: the permission lacks a right"];
    assert_eq!(world.until("2027-05-01T14:00").await, told);
    world.lack("uk", None).await;
    world.lack("uk", Some("product.write")).await;
    world.settings_changed().await;
    assert_eq!(world.until("2027-05-02T14:00").await, Vec::<String>::new(), "once for each permission");
}

#[tokio::test]
async fn mail_that_is_off_keeps_nothing_from_anybody_for_good() {
    let both: &[&str] = &["a@example.com", "b@example.com"];
    let world = World::new("2027-05-01T12:00", &[("de", both), ("fr", &[OWNER]), ("uk", both)]).await;
    world.grant("stands", &["uk"], "2027-06-30T12:00").await;
    world.grant("ends", &["de"], "2027-05-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_to("b@example.com", Some(MailError::passing("450 later")));
    let mut heard = world.until("2027-05-30T12:01").await;
    heard.retain(|line| !line.contains("operator"));
    assert_eq!(
        heard,
        [
            "2027-05-30 08:00 reminder a@example.com: UK: permission ends in 31 days, on 30 June",
            "2027-05-30 12:00 ended a@example.com: DE: permission ended on 30 May",
        ]
    );
    world.mailer.replace(Mailer::None);
    world.close("fr", Some("holiday")).await;
    assert_eq!(world.until("2027-06-01T09:00").await, Vec::<String>::new());
    world.relay.refuse_to("b@example.com", None);
    world.mailer.replace(Mailer::Memory(world.relay.clone()));
    world.settings_changed().await;
    let mut heard = world.until("2027-06-05T00:00").await;
    heard.retain(|line| !line.contains("operator"));
    heard.sort();
    assert_eq!(
        heard,
        [
            "2027-06-01 09:00 ended b@example.com: DE: permission ended on 30 May",
            "2027-06-01 09:00 reminder b@example.com: UK: permission ends in 29 days, on 30 June",
            "2027-06-01 09:00 reminder owner@example.com: FR: TikTok Shop says that the shop is closed",
        ]
    );
}

#[tokio::test]
async fn a_later_end_of_what_is_refused_keeps_the_notice_from_nobody() {
    let world = World::new("2027-05-01T12:00", &[("uk", &["a@example.com", "b@example.com"])]).await;
    world.change_people(|people| people.operator.clear());
    let given = world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-02T12:00").await;
    world.relay.refuse_to("b@example.com", Some(MailError::passing("450 later")));
    world.revoke(&given).await;
    let told = "UK: the marketplace no longer accepts the permission";
    assert_eq!(world.until("2027-05-02T12:01").await, [format!("2027-05-02 12:00 ended a@example.com: {told}")]);
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    let ends = Ending { at: at("2028-06-30T12:00"), source: EndSource::Told };
    assert!(tx.set_end(given.id, ends, true).await.unwrap());
    let later = tx.authorization(given.id).await.unwrap().unwrap();
    assert_eq!((later.grant_number, later.state), (2, AuthorizationState::Revoked));
    note_renewal(&mut tx, &world.people.load(), &later).await.unwrap();
    tx.commit().await.unwrap();
    world.relay.refuse_to("b@example.com", None);
    assert_eq!(world.until("2027-05-03T12:00").await, [format!("2027-05-02 12:05 ended b@example.com: {told}")]);
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    tx.set_authorization_state(given.id, later.generation, AuthorizationState::Active, None).await.unwrap();
    let works = tx.authorization(given.id).await.unwrap().unwrap();
    note_works_again(&mut tx, &world.people.load(), &works).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.until("2027-05-04T12:00").await.len(), 2, "both are thanked");
}

#[tokio::test]
async fn an_operator_hears_of_no_mail_that_has_left_after_all() {
    let world = World::new("2027-05-01T12:00", &[("uk", &[OWNER])]).await;
    world.grant("acme", &["uk"], "2027-06-30T12:00").await;
    world.until("2027-05-30T07:59").await;
    world.relay.refuse_next(MailError::permanent("550 no such user"));
    world.until("2027-05-30T08:00").await;
    let refused = world.mails().await.into_iter().find(|mail| mail.state == MailState::Refused).unwrap();
    let mut tx = world.store.write(world.clock.now()).await.unwrap();
    assert!(tx.retry_mail(refused.id).await.unwrap());
    tx.look_by(None, JobKind::SendMail, world.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        world.until("2027-05-31T08:00").await,
        ["2027-05-30 08:00 reminder owner@example.com: UK: permission ends in 31 days, on 30 June"]
    );
}
