//! Flows that a channel begins by itself: its page sends the owner here first, and here they are sent on.

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use url::form_urlencoded;

use super::{
    Named, People, guard, oauth,
    page::{Link, Tone},
    refusal::refused,
};
use crate::{
    domain::{ChannelName, Shop, ShopId},
    keeper::Started,
};

/// What names the shop that a person chose, beside what the channel sent.
const CHOSEN: &str = "shopsyncd_shop";

/// The address that the app names at the channel for this: Amazon's login URI, SHOPLINE's app URL.
pub(super) async fn start(
    State(people): State<People>,
    Named(channel): Named,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if let Some(home) = guard::led_home(&people, &headers, &uri) {
        return home;
    }
    if let Err(sign_in) = guard::signed_in(&people, &headers, &uri).await {
        return sign_in;
    }
    let channel = ChannelName::from(channel.as_str());
    let query = query.into_iter().filter(|(name, _)| name != guard::LED);
    let (chosen, sent): (Vec<_>, Vec<_>) = query.partition(|(name, _)| name == CHOSEN);
    let chosen = match chosen.first().map(|(_, shop)| shop.parse::<ShopId>()) {
        Some(Err(_)) => return oauth::unknown_shop(&people, &chosen[0].1),
        Some(Ok(shop)) => Some(shop),
        None => None,
    };
    let browser = oauth::Browser::of(&people, &headers);
    match people.keeper.begin_started(&channel, &sent, &browser.cookie, chosen.as_ref()).await {
        Ok(Started::Go(url)) => browser.led_to(&people, &url),
        Ok(Started::Choose(shops)) => choose(&people, &channel, &sent, &shops),
        Err(error) => refused(&people, &error),
    }
}

/// Several shops wait for an owner: which one is this?
fn choose(people: &People, channel: &ChannelName, sent: &[(String, String)], shops: &[Shop]) -> Response {
    let paragraphs = vec![
        format!(
            "Channel `{channel}` asks shopsyncd to take an authorization over. Several shops wait for their owner."
        )
        .into(),
        "Which one is it for?".into(),
    ];
    let mut page = people.page("Which shop?", Tone::Plain, paragraphs);
    page.links = shops
        .iter()
        .map(|shop| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(sent).append_pair(CHOSEN, shop.id.as_str());
            let address = people.path(&format!("/oauth/{channel}/start?{}", query.finish()));
            Link { address, name: shop.name.clone(), note: Some(shop.id.to_string()) }
        })
        .collect();
    page.answer(StatusCode::OK)
}
