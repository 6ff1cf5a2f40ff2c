//! SHOPLINE Asia: tokens of half a year in pairs that replace each other.
//!
//! Vendor pages: "Token Exchange", "Refresh Token", "Token Info", "Webhook Signature", "Complete Integration Example 1".

mod create;
mod listing;
mod product;
mod pull;
mod push;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::{
    Store, TITLE,
    client::TokenCall,
    digest, export, is_globals, refusal_in, sign,
    wire::{Kind, Success},
};
use crate::{
    channels::{
        About, Access, Acted, Callback, Channel, ChannelError, Consent, Credentials, From, Grant, Identity, News,
        OwnersEnd, Page, PushResult, RawWebhook, ShopStatus, Tokens, Webhook, WebhookFault,
        calls::{address, the_one, token_of, unusable},
    },
    domain::{Complaint, Failure, plan::Change},
    secrets::Secret,
};

/// How much longer the refresh token works than the access token.
const REFRESH_TOKEN_REST: SignedDuration = SignedDuration::from_hours(24);
/// No token lives longer.
const FURTHEST: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);
/// How far the vendor's clock may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// One shop on SHOPLINE Asia.
pub(super) struct Asia(pub(super) Store);

/// What `token/info` says of a token.
struct TokenInfo {
    merchant: Option<String>,
    handle: Option<String>,
    name: Option<String>,
}

#[async_trait]
impl Channel for Asia {
    fn place(&self) -> String {
        self.0.place_id(&self.0.handle)
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        Ok(ShopStatus { name: self.token_info(token_of(access)?).await?.name, ends: None })
    }

    async fn pull(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        self.pull_page(token_of(access)?, from).await
    }

    fn lacks(&self, change: &Change) -> Option<Complaint> {
        export::lacking(self, change)
    }

    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        export::push_changes(self, token_of(access)?, changes).await
    }

    fn consent(&self) -> Option<&dyn Consent> {
        Some(self)
    }
}

#[async_trait]
impl Consent for Asia {
    fn app(&self) -> String {
        self.0.app()
    }

    fn credentials(&self) -> Credentials {
        self.0.credentials()
    }

    fn link(&self, state: &str) -> Url {
        let store = &self.0;
        let query = [
            ("client_id", store.client.app_key.clone()),
            ("redirect_uri", store.callback.to_string()),
            ("response_type", "code".to_owned()),
            ("scope", store.scope.clone()),
            ("state", state.to_owned()),
        ];
        address(&store.consent_url, "/oauth/authorize", &query)
    }

    fn looks_familiar(&self, query: &[(String, String)]) -> bool {
        !is_globals(query)
    }

    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError> {
        if let Some(refusal) = refusal_in(query) {
            return Err(refusal);
        }
        if let Some((name, _)) = query.iter().find(|(name, _)| ["appkey", "handle", "sign"].contains(&name.as_str())) {
            return Err(unusable(
                TITLE,
                &format!("the callback carries `{name}`: it is SHOPLINE Global's, not Asia's"),
            ));
        }
        let code = the_one(query, "code").ok_or_else(|| unusable(TITLE, "the callback must carry `code` once"))?;
        let state = the_one(query, "state").map(str::to_owned);
        if state.is_none() && query.iter().any(|(name, _)| name == "state") {
            return Err(unusable(TITLE, "the callback must carry `state` once"));
        }
        Ok(Callback { code: Secret::new(code), state, subject: None })
    }

    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError> {
        let code = &callback.code;
        Ok(vec![self.tokens(Kind::Exchange, "authorization_code", "code", code).await?])
    }

    async fn refresh(&self, spent: &Tokens, account: &str) -> Result<Grant, ChannelError> {
        let token = spent.refresh_token.as_ref().ok_or_else(|| ChannelError {
            failure: Failure::AuthorizationEnded { why: "an API token made by hand cannot be renewed".into() },
            text: format!("{TITLE}: the API token was made by hand and cannot be renewed"),
            remedy: "make a new one in the shop's admin and hand it in, or let the owner authorize the app".into(),
            request_id: None,
            acted: Acted::No,
        })?;
        let grant = self.tokens(Kind::Refresh, "refresh_token", "refresh_token", token).await?;
        if grant.account != account {
            return Err(self.0.client.unreadable(Kind::Refresh, "resource_owner_id is another merchant's", None));
        }
        Ok(grant)
    }

    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        let TokenInfo { merchant, handle, name } = self.token_info(&grant.tokens.access_token).await?;
        if let Some(merchant) = merchant.filter(|merchant| *merchant != grant.account) {
            return Err(ChannelError {
                failure: Failure::Rejected,
                text: format!("{TITLE}: the token is of account `{merchant}`, not of `{}`", grant.account),
                remedy: format!("hand it in with `account` \"{merchant}\", if that is the right shop"),
                request_id: None,
                acted: Acted::No,
            });
        }
        // Fields may be missing, by the merchant's plan: then the handle that was called with stands.
        let handle = handle.map_or_else(|| self.0.handle.clone(), |handle| handle.to_ascii_lowercase());
        Ok(Identity { places: vec![self.0.place(&handle, name.as_deref())], ends: None })
    }

    /// The vendor does not say whether an old refresh token works again after a reply that was lost: one more try shows.
    fn repeats_after_lost_reply(&self) -> u32 {
        1
    }

    /// Each renewal moves it: a machine's clock.
    fn end(&self) -> OwnersEnd {
        OwnersEnd::Never
    }

    fn read_webhook(&self, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        let signature = the_one(&query, "sign").ok_or(WebhookFault::Forged)?;
        let timestamp = request.header("x-shopline-developer-event-timestamp").ok_or(WebhookFault::Forged)?;
        let secret = self.0.client.app_secret.as_ref().ok_or(WebhookFault::Forged)?;
        if !sign::asia_webhook_is_genuine(secret, timestamp, &request.body, signature) {
            return Err(WebhookFault::Forged);
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|error| WebhookFault::Unreadable(error.to_string()))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let kind = text("topic").or_else(|| text("event")).unwrap_or_default().to_owned();
        let about_permission = matches!(
            kind.as_str(),
            "application/uninstall" | "access_token/revoke" | "access_token/app_installation_token_revoke"
        );
        let news = if about_permission {
            let merchant = text("merchant_id").or_else(|| body["resource"]["merchant_id"].as_str());
            let merchant = merchant.ok_or_else(|| WebhookFault::Unreadable("merchant_id is missing".into()))?;
            vec![News { about: About::Account(merchant.to_owned()), ends: None }]
        } else {
            Vec::new()
        };
        let id = text("trace_id").map_or_else(|| digest(request), str::to_owned);
        let said_at = timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let said_at = said_at.ok_or_else(|| WebhookFault::Unreadable("its timestamp is not Unix seconds".into()))?;
        Ok(Webhook { id, kind, said_at: Some(said_at), news })
    }
}

impl Asia {
    async fn tokens(&self, kind: Kind, grant_type: &str, name: &str, spent: &Secret) -> Result<Grant, ChannelError> {
        let client = &self.0.client;
        let body = json!({
            "grant_type": grant_type, name: spent.expose(), "client_id": client.app_key,
            "client_secret": client.secret()?.expose(), "redirect_uri": self.0.callback,
        });
        let call =
            TokenCall { kind, path: "/oauth/token", headers: Vec::new(), body: body.to_string(), spent: Some(spent) };
        let Success { data, request_id, .. } = client.token(call).await?;
        read_grant(&data, client.now()).map_err(|what| client.unreadable(kind, &what, request_id))
    }

    async fn token_info(&self, token: &Secret) -> Result<TokenInfo, ChannelError> {
        let Success { data, .. } = self.0.client.get("token info", "/v1/token/info", token).await?;
        let merchant = &data["merchant"];
        let text = |name: &str| merchant[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(TokenInfo { merchant: text("_id"), handle: text("handle"), name: text("name") })
    }
}

/// Reads tokens and their ends. The error names the field that is wrong, never its value.
fn read_grant(data: &Value, now: Timestamp) -> Result<Grant, String> {
    let text = |name: &str| {
        let text = data.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        text.map(str::to_owned).ok_or_else(|| format!("the answer has no {name}"))
    };
    let number = |name: &str| {
        let number = data.get(name).and_then(Value::as_number);
        let number = number.ok_or_else(|| format!("{name} is missing or not a number"))?;
        number.as_i64().filter(|number| *number > 0).ok_or_else(|| format!("{name} is not a whole number above 0"))
    };
    let created_at = Timestamp::from_second(number("created_at")?).ok().filter(|at| *at <= now + AHEAD);
    let created_at = created_at.ok_or("created_at is in the future")?;
    let life = Some(number("expires_in")?).filter(|life| *life <= FURTHEST.as_secs());
    let life = life.ok_or("expires_in is absurdly long")?;
    let ends_at = created_at + SignedDuration::from_secs(life);
    if ends_at <= now {
        return Err("created_at and expires_in are of a token that has ended".to_owned());
    }
    Ok(Grant {
        account: text("resource_owner_id")?,
        account_name: None,
        access_token_ends_at: ends_at,
        refresh_token_ends_at: Some(ends_at + REFRESH_TOKEN_REST),
        ends: None,
        tokens: Tokens {
            access_token: Secret::new(text("access_token")?),
            refresh_token: Some(Secret::new(text("refresh_token")?)),
        },
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn data() -> Value {
        json!({
            "access_token": "eyJ.access", "token_type": "Bearer", "expires_in": 15_778_476, "refresh_token": "bc2c",
            "scope": "products orders", "created_at": noon().as_second(), "resource_owner_id": "5f0bda5e4e5fca0010c81fef",
        })
    }

    #[test]
    fn the_refresh_token_ends_a_day_after_the_access_token_and_the_permission_never() {
        let grant = read_grant(&data(), noon()).unwrap();
        assert_eq!(grant.access_token_ends_at.to_string(), "2026-12-01T02:54:36Z");
        assert_eq!(grant.refresh_token_ends_at.unwrap().to_string(), "2026-12-02T02:54:36Z");
        assert_eq!((grant.ends, grant.account.as_str()), (None, "5f0bda5e4e5fca0010c81fef"));
    }

    #[test]
    fn every_strange_field_is_named_and_no_value_is_repeated() {
        let second = noon().as_second();
        for (field, value, expected) in [
            ("access_token", json!(null), "the answer has no access_token"),
            ("access_token", json!(""), "the answer has no access_token"),
            ("refresh_token", json!(" "), "the answer has no refresh_token"),
            ("refresh_token", json!(7), "the answer has no refresh_token"),
            ("resource_owner_id", json!(null), "the answer has no resource_owner_id"),
            ("expires_in", json!(null), "expires_in is missing or not a number"),
            ("expires_in", json!("15778476"), "expires_in is missing or not a number"),
            ("expires_in", json!(0), "expires_in is not a whole number above 0"),
            ("expires_in", json!(-1), "expires_in is not a whole number above 0"),
            ("expires_in", json!(1.5), "expires_in is not a whole number above 0"),
            ("expires_in", json!(u64::MAX), "expires_in is not a whole number above 0"),
            ("expires_in", json!(i64::MAX), "expires_in is absurdly long"),
            ("created_at", json!(null), "created_at is missing or not a number"),
            ("created_at", json!(-5), "created_at is not a whole number above 0"),
            ("created_at", json!(i64::MAX), "created_at is in the future"),
            ("created_at", json!(second + 90_000), "created_at is in the future"),
            ("created_at", json!(second * 1000), "created_at is in the future"),
            ("created_at", json!(1), "created_at and expires_in are of a token that has ended"),
        ] {
            let mut data = data();
            data[field] = value;
            assert_eq!(read_grant(&data, noon()).unwrap_err(), expected);
        }
        assert_eq!(read_grant(&json!([]), noon()).unwrap_err(), "created_at is missing or not a number");
    }
}
