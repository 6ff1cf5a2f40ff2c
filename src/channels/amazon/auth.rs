//! Permission: the consent link, what comes back from it, tokens, and the marketplaces that a permission covers.
//!
//! Vendor pages: "Website authorization workflow", "Connect to the Selling Partner API", "Renew authorizations".

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    Amazon, OF_CONSENT,
    client::Operation,
    is_seller_id, place_id, start,
    wire::{Asked, Reading, WireParticipation},
};
use crate::{
    channels::{
        Acted, Callback, ChannelError, Consent, Credentials, Grant, Identity, OwnersEnd, Place, Start, Tokens,
        calls::{address, declined, the_one, unusable},
    },
    domain::Failure,
    http::Rate,
    secrets::Secret,
};

pub(super) const TITLE: &str = "Amazon";

/// Token exchanges have budgets of their own, so that nothing starves them. The vendor publishes no rate.
const EXCHANGE: Operation = Operation::new("token exchange", Rate::per_second(4, 4));
const REFRESH: Operation = Operation::new("token refresh", Rate::per_second(4, 4));

/// An authorization lasts this long, says the vendor, and no answer tells it.
const AUTHORIZATION_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// An access token lives an hour. One that is said to live longer than this is not believed.
const LONGEST_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(24);

#[async_trait]
impl Consent for Amazon {
    /// An authorization belongs to one region.
    fn app(&self) -> String {
        format!("{} {}", self.client.client_id, self.marketplace.region.name())
    }

    /// One client serves all regions.
    fn credentials(&self) -> Credentials {
        Credentials { client: self.client.client_id.clone(), keys: ["client_id", "client_secret"] }
    }

    fn link(&self, state: &str) -> Url {
        let mut query = vec![
            ("application_id", self.application_id.clone()),
            ("state", state.to_owned()),
            ("redirect_uri", self.callback.to_string()),
        ];
        if self.draft {
            query.push(("version", "beta".to_owned()));
        }
        address(&self.consent_url, "/apps/authorize/consent", &query)
    }

    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError> {
        let named = |name: &str| query.iter().any(|(known, _)| known == name);
        if let Some((_, error)) = query.iter().find(|(name, _)| name == "error") {
            return Err(declined(TITLE, error, "open the link again and confirm; only the account's owner may"));
        }
        let one = |name: &str| {
            let what = if named(name) { "is empty or there twice" } else { "is missing" };
            the_one(query, name).ok_or_else(|| unusable(TITLE, &format!("the callback's {name} {what}")))
        };
        let code = one("spapi_oauth_code")?;
        let subject = one("selling_partner_id")?;
        if !is_seller_id(subject) {
            return Err(unusable(TITLE, "the callback's selling_partner_id is not a seller's id"));
        }
        let state = if named("state") { Some(one("state")?.to_owned()) } else { None };
        Ok(Callback { code: Secret::new(code), state, subject: Some(subject.to_owned()) })
    }

    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError> {
        let seller = callback.subject.as_deref().ok_or_else(|| ChannelError::bug("the callback names no seller"))?;
        let redirect = self.callback.to_string();
        let form =
            [("grant_type", "authorization_code"), ("code", callback.code.expose()), ("redirect_uri", &redirect)];
        self.tokens(EXCHANGE, Asked::Exchange, &form, &callback.code, seller).await.map(|grant| vec![grant])
    }

    async fn refresh(&self, spent: &Tokens, account: &str) -> Result<Grant, ChannelError> {
        let token = spent.refresh_token.as_ref().ok_or_else(|| ChannelError {
            failure: Failure::AuthorizationEnded { why: "there is no refresh token".into() },
            text: "Amazon: there is no refresh token to renew with".into(),
            remedy: "ask the shop's owner to authorize the app again".into(),
            request_id: None,
            acted: Acted::No,
        })?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose())];
        self.tokens(REFRESH, Asked::Refresh, &form, token, account).await
    }

    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        if !is_seller_id(&grant.account) {
            // Amazon says nowhere whose tokens these are, so at least it must be able to be one.
            return Err(ChannelError {
                remedy: "hand the tokens in with the merchant token of Seller Central as their account".into(),
                ..unusable(TITLE, &format!("`{}` is not a seller's id", grant.account))
            });
        }
        let (all, _) = self.participations(OF_CONSENT, &grant.account, &grant.tokens.access_token).await?;
        let place = |one: &WireParticipation| Place {
            id: place_id(&one.marketplace.id, &grant.account),
            name: format!("{} ({})", one.marketplace.name, one.marketplace.id),
            data: json!({
                "seller_id": grant.account,
                "marketplace_id": one.marketplace.id,
                "region": self.marketplace.region.name(),
            }),
        };
        let places = all.iter().filter(|one| one.participation.is_participating).map(place).collect();
        Ok(Identity { places, ends: None })
    }

    fn check_place(&self, place: &Place) -> Result<(), ChannelError> {
        let given = place.data["seller_id"].as_str().unwrap_or_default();
        match &self.seller_id {
            Some(wanted) if wanted != given => Err(ChannelError {
                failure: Failure::Rejected,
                text: format!(
                    "Amazon: seller {given} consented, but the settings say that the shop is seller {wanted}'s"
                ),
                remedy: format!(
                    "sign in at Seller Central as {wanted}, or correct the shop's seller_id in the settings"
                ),
                request_id: None,
                acted: Acted::No,
            }),
            _ => Ok(()),
        }
    }

    /// Refresh tokens are not spent by use: a reply that was lost has cost nothing.
    fn repeats_after_lost_reply(&self) -> u32 {
        u32::MAX
    }

    fn end(&self) -> OwnersEnd {
        OwnersEnd::After(AUTHORIZATION_LIFE)
    }

    /// The tokens name no seller: who consented is only what the callback's address says.
    /// A seller's id is Amazon's, not an app's.
    fn account_outlives_app(&self) -> bool {
        true
    }

    fn proves_account(&self) -> bool {
        false
    }

    fn start(&self, query: &[(String, String)], state: &str) -> Result<Option<Start>, ChannelError> {
        start::read(self, query, state)
    }
}

impl Amazon {
    async fn tokens(
        &self,
        operation: Operation,
        asked: Asked,
        form: &[(&str, &str)],
        spent: &Secret,
        account: &str,
    ) -> Result<Grant, ChannelError> {
        let secret = self.client.secret()?.expose();
        let own = [("client_id", self.client.client_id.as_str()), ("client_secret", secret)];
        let form = [form, &own].concat();
        let answer = self.client.token(operation, asked, &form, &[secret, spent.expose()]).await?;
        let kept = (asked == Asked::Refresh).then_some(spent);
        read_grant(&answer, kept, account, self.client.now())
            .map_err(|what| self.reading(operation).unexpected(&what, None))
    }

    pub(super) fn reading(&self, operation: Operation) -> Reading<'static> {
        Reading { operation: operation.name, now: self.client.now(), secrets: &[] }
    }
}

/// Reads tokens. `kept`: the refresh token that stays where the answer has none. The error names the field that is wrong, never
/// its value.
fn read_grant(
    answer: &Map<String, Value>,
    kept: Option<&Secret>,
    account: &str,
    now: Timestamp,
) -> Result<Grant, String> {
    let refresh_token = match (answer.get("refresh_token"), kept) {
        (None | Some(Value::Null), Some(kept)) => kept.clone(),
        _ => token(answer, "refresh_token")?,
    };
    match answer.get("token_type").map(|kind| kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"))) {
        None | Some(true) => {}
        Some(false) => return Err("token_type is not bearer".to_owned()),
    }
    let seconds = match answer.get("expires_in") {
        None | Some(Value::Null) => return Err("the answer has no expires_in".to_owned()),
        Some(value) => value.as_i64().ok_or("expires_in is not a whole number")?,
    };
    let life = SignedDuration::from_secs(seconds);
    if life <= SignedDuration::ZERO {
        return Err("expires_in is not above zero".to_owned());
    }
    if life > LONGEST_TOKEN_LIFE {
        return Err("expires_in is absurdly long".to_owned());
    }
    Ok(Grant {
        account: account.to_owned(),
        account_name: None,
        access_token_ends_at: now + life,
        refresh_token_ends_at: None,
        ends: None,
        tokens: Tokens { access_token: token(answer, "access_token")?, refresh_token: Some(refresh_token) },
    })
}

/// A token: one that could not travel in a header is none.
fn token(answer: &Map<String, Value>, name: &str) -> Result<Secret, String> {
    let text = match answer.get(name) {
        None | Some(Value::Null) => return Err(format!("the answer has no {name}")),
        Some(value) => value.as_str().ok_or_else(|| format!("{name} is not a text"))?,
    };
    if text.is_empty() {
        return Err(format!("{name} is empty"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{name} has characters that no token has"));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
#[path = "tests/tokens.rs"]
mod tests;
