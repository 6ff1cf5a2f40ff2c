//! The links of mails where they do not lead on, and the way to a fresh one.

use axum::{
    extract::{RawForm, State, rejection::RawFormRejection},
    http::StatusCode,
    response::Response,
};

use super::{
    Named, People,
    form::Fields,
    oauth::unknown_shop,
    page::{Form, Tone},
};
use crate::{domain::ShopId, keeper::LinkFault};

/// Why a link does not lead on. Whoever has one that was ours may have a fresh one mailed to the shop's people.
pub(super) fn refused(people: &People, shop: &ShopId, token: &str, fault: LinkFault) -> Response {
    let (title, what, next) = match fault {
        LinkFault::Expired => (
            "This link has expired",
            format!("Links in mails work for 35 days, and this one for {} is older.", people.name(shop)),
            "Ask whoever runs shopsyncd for a fresh one, which this command makes:",
        ),
        LinkFault::NotOurs => (
            "This link is not complete",
            "It was cut off on its way, was made for another shop or account, or with a key that has been retired since. \
             Copy it whole from the mail."
                .to_owned(),
            "If that does not help, ask whoever runs shopsyncd for a fresh one, which this command makes:",
        ),
    };
    let mut page = people.page(title, Tone::Bad, vec![what.into()]);
    page.closing = vec![next.into()];
    if fault == LinkFault::Expired && people.settings.mails(shop) {
        page.paragraphs.push("A fresh one can be mailed to those who are reminded of this shop.".into());
        page.form = Some(Form {
            action: people.path(&format!("/authorize/{shop}/fresh")),
            hidden: Some(("link", token.to_owned())),
            asks_password: false,
            error: None,
            button: "Mail me a fresh link",
        });
        page.closing = vec!["Or ask whoever runs shopsyncd for one, which this command makes:".into()];
    }
    page.command = Some(format!("shopsyncd shops authorize {shop}"));
    page.answer(StatusCode::FORBIDDEN)
}

/// Mails a fresh link to the shop's own people, for a link that was ours.
pub(super) async fn fresh(
    State(people): State<People>,
    Named(shop): Named,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    let Some(shop) = shop.parse().ok().filter(|shop: &ShopId| people.keeper.shops().get(shop).is_some()) else {
        return unknown_shop(&people, &shop);
    };
    let token = match Fields::read(form).and_then(|mut fields| fields.take("link")) {
        Ok(token) => token,
        Err(bad) => return bad.answer(&people),
    };
    let account = match people.keeper.account_on_record(&shop).await {
        Ok(account) => account,
        Err(error) => return people.away(&error),
    };
    let verified = people.links.verify(&shop, account.as_deref(), &token, people.clock.now());
    if let Err(fault @ LinkFault::NotOurs) = verified {
        return refused(&people, &shop, &token, fault);
    }
    if !people.settings.mails(&shop) {
        return nobody(&people, &shop);
    }
    let mailed = match people.keeper.owe_fresh_link(&shop).await {
        Ok(mailed) => mailed,
        Err(error) => return people.away(&error),
    };
    let to: Vec<String> = mailed.recipients.iter().map(|address| masked(address)).collect();
    let to = to.join(", ");
    let (title, text) = if mailed.owed {
        ("A fresh link is on its way", format!("It goes to {to}, and works for 35 days."))
    } else {
        ("A fresh link was mailed today", format!("It went to {to}. If it is not there, ask for another one tomorrow."))
    };
    people.page(title, Tone::Good, vec![text.into()]).answer(StatusCode::OK)
}

/// Where no mail would go out, none is promised.
fn nobody(people: &People, shop: &ShopId) -> Response {
    let paragraphs = vec![
        format!(
            "No mail goes out for {}: mail is switched off here, or nobody is reminded of this shop.",
            people.name(shop)
        )
        .into(),
        "Ask whoever runs shopsyncd for a link, which this command makes:".into(),
    ];
    let mut page = people.page("No mail goes out", Tone::Bad, paragraphs);
    page.command = Some(format!("shopsyncd shops authorize {shop}"));
    page.answer(StatusCode::CONFLICT)
}

/// An address for those who know it: `o***@example.com`.
fn masked(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((name, host)) => format!("{}***@{host}", name.chars().next().unwrap_or_default()),
        None => "***".to_owned(),
    }
}
