//! The way to a channel's consent page, and the address the channel sends the browser back to.

use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{Named, People, guard, links, page::Tone, refusal::refused, text::sentence};
use crate::{
    domain::{ChannelName, ShopId},
    keeper::{By, ConsentError, Consented},
    secrets::random_text,
};

/// Leads to the consent page: with a signed link from a mail, after a sign-in, or on a page that serves this
/// machine alone.
pub(super) async fn authorize(
    State(people): State<People>,
    Named(shop): Named,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Ok(shop) = shop.parse::<ShopId>() else { return unknown_shop(&people, &shop) };
    if let Some(home) = guard::led_home(&people, &headers, &uri) {
        return home;
    }
    let link = query.iter().find(|(key, _)| key == "link").map(|(_, token)| token.as_str());
    if let Err(refusal) = may_begin(&people, &shop, link, &headers, &uri).await {
        return refusal;
    }
    let browser = Browser::of(&people, &headers);
    match people.keeper.begin_consent(&shop, Some(&browser.cookie)).await {
        Ok(consent) => browser.led_to(&people, &consent),
        Err(error) => refused(&people, &error),
    }
}

/// The browser that a consent is bound to.
pub(super) struct Browser {
    pub(super) cookie: String,
}

impl Browser {
    /// The one that asks, which gets a cookie where it has none.
    pub(super) fn of(people: &People, headers: &HeaderMap) -> Self {
        match guard::cookie(headers, guard::browser_cookie(people)) {
            Some(cookie) => Self { cookie },
            None => Self { cookie: random_text(32) },
        }
    }

    /// Sends it to the channel, with its cookie for as long as the way may take, from now.
    pub(super) fn led_to(&self, people: &People, url: &Url) -> Response {
        let Ok(location) = HeaderValue::from_str(url.as_str()) else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut answer = (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
        let cookie = guard::set_cookie(people, guard::browser_cookie(people), &self.cookie, 3600);
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        answer
    }
}

/// Finishes a consent.
pub(super) async fn callback(
    State(people): State<People>,
    Named(channel): Named,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let back = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let channel = ChannelName::from(channel.as_str());
    let browser = guard::cookie(&headers, guard::browser_cookie(&people));
    let signed_in = match guard::is_signed_in(&people, &headers).await {
        Ok(signed_in) => signed_in,
        Err(error) => return people.away(&error),
    };
    // Whoever closes the browser now does not stop the exchange: a code works only once.
    let keeper = people.keeper.clone();
    let finishing = tokio::spawn(async move {
        let by = By::Browser { cookie: browser.as_deref(), signed_in };
        keeper.finish_consent(&channel, &query, by).await
    });
    match finishing.await {
        Ok(Ok(consented)) => done(&people, &consented),
        // The channel began it by itself: whoever signs in may finish it.
        Ok(Err(ConsentError::NoState)) => Redirect::to(&guard::sign_in_address(&people, &back)).into_response(),
        Ok(Err(error)) => refused(&people, &error),
        Err(error) => {
            tracing::error!(event = "page.failed", "a consent broke off: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Whether this browser may begin: with a link that is ours, after a sign-in, or on a page for this machine alone.
async fn may_begin(
    people: &People,
    shop: &ShopId,
    link: Option<&str>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<(), Response> {
    if let Some(token) = link {
        let account = people.keeper.account_on_record(shop).await.map_err(|error| people.away(&error))?;
        let verified = people.links.verify(shop, account.as_deref(), token, people.clock.now());
        return verified.map_err(|fault| links::refused(people, shop, token, fault));
    }
    if people.settings.password().is_some() || guard::is_for_this_machine(people, headers) {
        return guard::signed_in(people, headers, uri).await;
    }
    let paragraphs = vec![
        "This page opens with the link from a reminder mail, or with a fresh one from whoever runs shopsyncd:".into(),
    ];
    let mut page = people.page("A link is needed", Tone::Bad, paragraphs);
    page.command = Some(format!("shopsyncd shops authorize {shop}"));
    Err(page.answer(StatusCode::FORBIDDEN))
}

pub(super) fn unknown_shop(people: &People, shop: &str) -> Response {
    let paragraphs = vec![format!("There is no shop `{shop}` here. Was the link cut off on its way?").into()];
    people.page("No such shop", Tone::Bad, paragraphs).answer(StatusCode::NOT_FOUND)
}

fn done(people: &People, consented: &Consented) -> Response {
    let shops: Vec<String> = consented.shops.iter().map(|shop| people.name(shop)).collect();
    let mut paragraphs = vec![format!("Account {} authorized {}.", consented.account, shops.join(", ")).into()];
    if let Some(ends_at) = consented.ends_at {
        let day = ends_at.to_zoned(people.settings.zone()).date();
        let reminder =
            if people.settings.mails(&consented.shop) { " A reminder comes by mail before it ends." } else { "" };
        paragraphs.push(format!("The authorization is good until {day}.{reminder}").into());
    }
    paragraphs.push(match &consented.held[..] {
        [] => "Everything that waited for this goes on by itself. This page can be closed.".into(),
        _ => format!("{} This page can be closed.", sentence(&consented.what_follows())).into(),
    });
    people.page("Thank you", Tone::Good, paragraphs).answer(StatusCode::OK)
}
