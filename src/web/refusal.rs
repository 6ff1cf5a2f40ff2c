//! Why a consent was not taken, as a page for the person who gave it: what happened, what to do, and that nothing was changed.

use axum::{http::StatusCode, response::Response};

use super::{
    People,
    oauth::unknown_shop,
    page::{Page, Tone},
    text::Text,
};
use crate::{
    domain::{Failure, ShopId},
    keeper::ConsentError,
};

const UNCHANGED: &str = "Nothing was changed.";

/// A refusal is the browser's to mend (4xx); a channel or database that is away is not.
pub(super) fn refused(people: &People, error: &ConsentError) -> Response {
    let page = match error {
        ConsentError::UnknownShop(shop) => return unknown_shop(people, shop.as_str()),
        ConsentError::Store(error) => return people.away(error),
        ConsentError::NoSuchChannel(channel) => people.page(
            "No such channel",
            Tone::Bad,
            vec![
                format!("No shop here is on a channel `{channel}`. Was the address cut off on its way, or mistyped?")
                    .into(),
            ],
        ),
        ConsentError::StateUsed => people.page(
            "This page has done its work",
            Tone::Plain,
            vec![
                "The authorization that led here was finished already, or was begun more than 30 minutes ago.".into(),
                "If you were thanked, all is well and this page can be closed. If not, start again from the link."
                    .into(),
            ],
        ),
        ConsentError::OtherAccount { shop, given, on_record } => other_account(people, shop, given, on_record),
        ConsentError::NotCovered { shop, account, covers } => not_covered(people, shop, account, covers),
        _ => plain(people, error),
    };
    page.answer(status(error))
}

fn status(error: &ConsentError) -> StatusCode {
    match error {
        ConsentError::NoSuchChannel(_) | ConsentError::NotNeeded(_) => StatusCode::NOT_FOUND,
        ConsentError::OtherAccount { .. }
        | ConsentError::OnRecordElsewhere { .. }
        | ConsentError::OtherBrowser
        | ConsentError::CommandLine => StatusCode::FORBIDDEN,
        ConsentError::NotCovered { .. } | ConsentError::SamePlace { .. } | ConsentError::NoShop(_) => {
            StatusCode::CONFLICT
        }
        ConsentError::StateUsed => StatusCode::GONE,
        ConsentError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        // Our own rate, or the channel's word to wait: nothing is out of order.
        ConsentError::Channel(channel) if matches!(channel.failure, Failure::Throttled { .. }) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ConsentError::Channel(_) if !error.is_refusal() => StatusCode::BAD_GATEWAY,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn other_account(people: &People, shop: &ShopId, given: &str, on_record: &str) -> Page {
    let told = format!("{} belongs to another account than the one that consented.", people.name(shop));
    let mut page = people.page("Not authorized", Tone::Bad, vec![told.into()]);
    page.facts = vec![("Account that consented", given.to_owned()), ("Account on record", on_record.to_owned())];
    page.closing =
        vec![format!("Sign in at the marketplace as {on_record}, then open the link again.").into(), UNCHANGED.into()];
    page
}

fn not_covered(people: &People, shop: &ShopId, account: &str, covers: &str) -> Page {
    let told = format!("{} is not a shop of the account that consented.", people.name(shop));
    let mut page = people.page("Not authorized", Tone::Bad, vec![told.into()]);
    page.facts = vec![("Account that consented", account.to_owned()), ("What it has", covers.to_owned())];
    page.closing = vec![
        "Sign in at the marketplace with the account of this shop, then open the link again.".into(),
        format!("If it was the right account, the settings name another shop: ask whoever runs shopsyncd to correct `[shops.{shop}]`.").into(),
        UNCHANGED.into(),
    ];
    page
}

/// In the words of the error, which are those of the command line.
fn plain(people: &People, error: &ConsentError) -> Page {
    let told = error.to_string();
    let mut paragraphs = Text::sentences(&told);
    if !error.says_what_to_do() {
        paragraphs.push("Start again from the link.".into());
    }
    if !told.contains("nothing was changed") {
        paragraphs.push(UNCHANGED.into());
    }
    people.page("Not authorized", Tone::Bad, paragraphs)
}
