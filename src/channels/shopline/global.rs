//! SHOPLINE Global: permission without an end, tokens of ten hours that the app's own keys renew.
//!
//! Vendor pages: "App authorization", "App installation status changed".

mod create;
mod listing;
mod product;
mod pull;
mod push;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::{
    Store, TITLE,
    client::TokenCall,
    digest, export, is_globals, refusal_in, sign,
    wire::{Kind, Success},
};
use crate::{
    channels::{
        About, Access, Acted, Callback, Channel, ChannelError, Consent, Credentials, From, Grant, Identity, News,
        OwnersEnd, Page, PushResult, RawWebhook, ShopStatus, Start, Tokens, Webhook, WebhookFault,
        calls::{address, the_one, token_of, unusable},
    },
    domain::{Complaint, Failure, plan::Change},
    secrets::Secret,
};

/// How far a signed request's time may be from ours.
const FRESH: SignedDuration = SignedDuration::from_mins(10);
/// No token lives longer: those made by hand live three years.
const FURTHEST: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);
/// Installing and uninstalling.
const INSTALLED: &str = "apps/installed_uninstalled";
const DOMAIN: &str = ".myshopline.com";

/// One shop on SHOPLINE Global.
pub(super) struct Global(pub(super) Store);

#[async_trait]
impl Channel for Global {
    fn place(&self) -> String {
        self.0.place_id(&self.0.handle)
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        Ok(ShopStatus { name: self.shop_name(token_of(access)?).await?, ends: None })
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
impl Consent for Global {
    fn app(&self) -> String {
        self.0.app()
    }

    fn credentials(&self) -> Credentials {
        self.0.credentials()
    }

    /// The parameters stand behind the `#`, as the vendor's page has them.
    fn link(&self, state: &str) -> Url {
        let store = &self.0;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("appKey", &store.client.app_key)
            .append_pair("responseType", "code")
            .append_pair("scope", &store.scope)
            .append_pair("redirectUri", store.callback.as_str())
            .append_pair("customField", state)
            .finish();
        let mut link = address(&store.consent_url, "/admin/oauth-web/", &[]);
        link.set_fragment(Some(&format!("/oauth/authorize?{query}")));
        link
    }

    fn state_in<'a>(&self, query: &'a [(String, String)]) -> Option<&'a str> {
        the_one(query, "customField")
    }

    /// By the app that it names; by any part of Global's where it names none.
    fn looks_familiar(&self, query: &[(String, String)]) -> bool {
        match the_one(query, "appkey") {
            Some(app_key) => app_key == self.0.client.app_key,
            None => is_globals(query),
        }
    }

    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError> {
        if let Some(refusal) = refusal_in(query) {
            return Err(refusal);
        }
        let code = the_one(query, "code").ok_or_else(|| unusable(TITLE, "the callback carries no code"))?;
        let handle = self.check_signed(query, "callback")?;
        if !handle.eq_ignore_ascii_case(&self.0.handle) {
            let own = &self.0.handle;
            return Err(ChannelError {
                remedy: format!(
                    "sign in at SHOPLINE with the account of store `{own}` and open the link again, or correct the shop's handle in the settings"
                ),
                ..unusable(TITLE, &format!("the callback is of store `{handle}`, not of `{own}`"))
            });
        }
        let state = the_one(query, "customField").map(str::to_owned);
        if state.is_none() && query.iter().any(|(name, _)| name == "customField") {
            return Err(unusable(TITLE, "the callback must carry `customField` once"));
        }
        Ok(Callback { code: Secret::new(code), state, subject: Some(handle.to_owned()) })
    }

    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError> {
        let body = json!({"code": callback.code.expose()}).to_string();
        let grant = self.tokens(Kind::Exchange, "/admin/oauth/token/create", body, Some(&callback.code)).await?;
        Ok(vec![grant])
    }

    /// The app's keys suffice: there is no refresh token, and the body is empty.
    async fn refresh(&self, spent: &Tokens, account: &str) -> Result<Grant, ChannelError> {
        if spent.refresh_token.is_none() {
            return Err(ChannelError {
                failure: Failure::AuthorizationEnded { why: "a token made by hand cannot be renewed".into() },
                text: format!("{TITLE}: the token was made by hand and cannot be renewed"),
                remedy: "make a new one in the store's admin and hand it in, or let the owner authorize the app".into(),
                request_id: None,
                acted: Acted::No,
            });
        }
        let grant =
            self.tokens(Kind::Refresh, "/admin/oauth/token/refresh", String::new(), Some(&spent.access_token)).await?;
        if grant.account != account && grant.account != self.0.handle && account != self.0.handle {
            return Err(self.0.client.unreadable(Kind::Refresh, "the renewed token is another store's", None));
        }
        // The account on record stands, even where one of the two tokens does not tell the store's id.
        Ok(Grant { account: account.to_owned(), ..grant })
    }

    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        // Whose a token is that opens nothing, is not worth a word.
        let name = self.shop_name(&grant.tokens.access_token).await.map_err(not_valid)?;
        let own = self.account_of(&grant.tokens.access_token);
        if own != grant.account {
            return Err(ChannelError {
                failure: Failure::Rejected,
                text: format!("{TITLE}: the token is of account `{own}`, not of `{}`", grant.account),
                remedy: format!("hand it in with `account` \"{own}\", if that is the right store"),
                request_id: None,
                acted: Acted::No,
            });
        }
        Ok(Identity { places: vec![self.0.place(&self.0.handle, name.as_deref())], ends: None })
    }

    /// A renewal that nobody read the answer of is simply made again: it spends nothing.
    fn repeats_after_lost_reply(&self) -> u32 {
        u32::MAX
    }

    fn end(&self) -> OwnersEnd {
        OwnersEnd::Never
    }

    /// The install request: a merchant pressed "install" at SHOPLINE.
    fn start(&self, query: &[(String, String)], state: &str) -> Result<Option<Start>, ChannelError> {
        let handle = self.check_signed(query, "install request")?;
        let own = handle.eq_ignore_ascii_case(&self.0.handle);
        Ok(own.then(|| Start { go: self.link(state), account: None }))
    }

    fn read_webhook(&self, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        let signature = request.header("x-shopline-hmac-sha256").ok_or(WebhookFault::Forged)?;
        let secret = self.0.client.app_secret.as_ref().ok_or(WebhookFault::Forged)?;
        if !sign::webhook_is_genuine(secret, &request.body, signature) {
            return Err(WebhookFault::Forged);
        }
        let kind = request.header("x-shopline-topic").unwrap_or_default().to_owned();
        // The header is not signed: what was signed is part of what a repetition is told by.
        let id = request.header("x-shopline-webhook-id").unwrap_or_default();
        let id = format!("{}{id}", digest(request));
        let news = if kind == INSTALLED { vec![self.news_of(request)?] } else { Vec::new() };
        Ok(Webhook { id, kind, said_at: None, news })
    }
}

impl Global {
    /// Checks that a browser brings something from SHOPLINE that is meant for our app, and recent; answers the store's handle.
    fn check_signed<'a>(&self, query: &'a [(String, String)], what: &str) -> Result<&'a str, ChannelError> {
        let client = &self.0.client;
        let secret = client.secret()?;
        let one = |name: &str| {
            the_one(query, name).ok_or_else(|| unusable(TITLE, &format!("the {what} must carry `{name}` once")))
        };
        let [app_key, handle, timestamp, _] = [one("appkey")?, one("handle")?, one("timestamp")?, one("sign")?];
        if app_key != client.app_key {
            return Err(unusable(TITLE, &format!("the {what} is meant for another app")));
        }
        if !sign::query_is_genuine(secret, query) {
            return Err(unusable(
                TITLE,
                &format!("the signature of the {what} is wrong; if it stays so, {} is", client.keys[1]),
            ));
        }
        let sent = timestamp.parse().ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        match sent.map(|sent| client.now().duration_since(sent).abs()) {
            Some(age) if age <= FRESH => Ok(handle),
            Some(_) => Err(ChannelError {
                remedy: "start the authorization again; if that does not help, set this machine's clock".into(),
                ..unusable(TITLE, &format!("the {what} is not from the last 10 minutes"))
            }),
            None => Err(unusable(TITLE, &format!("`timestamp` of the {what} is no instant in milliseconds"))),
        }
    }

    async fn tokens(
        &self,
        kind: Kind,
        path: &'static str,
        body: String,
        spent: Option<&Secret>,
    ) -> Result<Grant, ChannelError> {
        let client = &self.0.client;
        let timestamp = client.now().as_millisecond().to_string();
        let sign = sign::of_call(client.secret()?, &body, &timestamp);
        let headers = vec![("appkey", client.app_key.clone()), ("timestamp", timestamp), ("sign", sign)];
        let Success { data, request_id, .. } = client.token(TokenCall { kind, path, headers, body, spent }).await?;
        self.read_grant(&data).map_err(|what| client.unreadable(kind, what, request_id))
    }

    /// Reads a token and its end. The error names the field that is wrong, never its value.
    fn read_grant(&self, data: &Value) -> Result<Grant, &'static str> {
        let token = data.get("accessToken").and_then(Value::as_str).filter(|token| !token.trim().is_empty());
        let access_token = Secret::new(token.ok_or("the answer has no accessToken")?);
        Ok(Grant {
            account: self.account_of(&access_token),
            account_name: Some(self.0.handle.clone()),
            access_token_ends_at: read_end(data, self.0.client.now())?,
            refresh_token_ends_at: None,
            ends: None,
            tokens: Tokens { access_token, refresh_token: Some(Secret::new(&self.0.handle)) },
        })
    }

    /// Whose a token is: the store's id as the token tells it, else the handle.
    fn account_of(&self, token: &Secret) -> String {
        store_id(token.expose()).unwrap_or_else(|| self.0.handle.clone())
    }

    async fn shop_name(&self, token: &Secret) -> Result<Option<String>, ChannelError> {
        let path = format!("/admin/openapi/{}/merchants/shop.json", self.0.version);
        let Success { data, .. } = self.0.client.get("shop", &path, token).await?;
        Ok(data["data"]["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned))
    }

    /// Which store a webhook is about: its body says so, and where it does not its (unsigned) header.
    fn news_of(&self, request: &RawWebhook) -> Result<News, WebhookFault> {
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|error| WebhookFault::Unreadable(error.to_string()))?;
        let domain = request.header("x-shopline-shop-domain").and_then(|domain| domain.strip_suffix(DOMAIN));
        let handle = body["handle"].as_str().filter(|handle| !handle.is_empty()).or(domain);
        let handle = handle.ok_or_else(|| WebhookFault::Unreadable("it names no store".into()))?;
        Ok(News { about: About::Place(self.0.place_id(&handle.to_ascii_lowercase())), ends: None })
    }
}

/// What a token that was handed in is told by.
fn not_valid(error: ChannelError) -> ChannelError {
    if error.failure != Failure::TokenRejected {
        return error;
    }
    ChannelError {
        text: format!("{TITLE}: the token is not valid for this store ({})", error.text),
        remedy: "hand in one that works, or let the store's owner authorize the app".into(),
        ..error
    }
}

/// Reads `expireTime`: an ISO 8601 instant, which is meant as UTC where it does not say.
fn read_end(data: &Value, now: Timestamp) -> Result<Timestamp, &'static str> {
    let text = data.get("expireTime").and_then(Value::as_str).ok_or("expireTime is missing or not a text")?;
    let local = || text.parse::<DateTime>().ok().and_then(|local| local.to_zoned(TimeZone::UTC).ok());
    let at = text.parse::<Timestamp>().ok().or_else(|| local().map(|zoned| zoned.timestamp()));
    match at.ok_or("expireTime is not an instant")? {
        at if at <= now => Err("expireTime is in the past"),
        at if at.duration_since(now) > FURTHEST => Err("expireTime is absurdly far away"),
        at => Ok(at),
    }
}

/// The store's id in an access token, which is a JSON Web Token. It is not ours to verify: we got it from the vendor.
fn store_id(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()?;
    let id = claims.get("storeId")?;
    let id = id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string()))?;
    let sound = !id.is_empty() && id.len() <= 40 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    sound.then_some(id)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_end_is_read_as_utc_in_every_form_of_iso_8601() {
        let forms = [
            "2026-06-01T22:00:00Z",
            "2026-06-01T22:00:00.000+00:00",
            "2026-06-01T22:00:00.000+0000",
            "2026-06-01T22:00:00",
        ];
        for text in forms.into_iter().chain(["2026-06-02T06:00:00+08:00"]) {
            let end = read_end(&json!({"expireTime": text}), noon()).unwrap();
            assert_eq!(end.to_string(), "2026-06-01T22:00:00Z", "{text}");
        }
    }

    #[test]
    fn an_absurd_end_is_named() {
        for (value, expected) in [
            (json!(null), "expireTime is missing or not a text"),
            (json!(1_790_000_000), "expireTime is missing or not a text"),
            (json!(""), "expireTime is not an instant"),
            (json!("soon"), "expireTime is not an instant"),
            (json!("-1"), "expireTime is not an instant"),
            (json!("2026-06-01T12:00:00Z"), "expireTime is in the past"),
            (json!("1970-01-01T00:00:00Z"), "expireTime is in the past"),
            (json!("9999-01-01T00:00:00Z"), "expireTime is absurdly far away"),
        ] {
            assert_eq!(read_end(&json!({"expireTime": value}), noon()).unwrap_err(), expected, "{value}");
        }
        assert_eq!(read_end(&Value::Null, noon()).unwrap_err(), "expireTime is missing or not a text");
    }

    /// The second part of the token that the vendor's pages show in examples of calls.
    #[test]
    fn the_store_id_is_read_from_the_vendors_example_of_a_token() {
        let claims = "eyJhcHBLZXkiOiJmMjM3OWQyMTYyOGMzM2QxMWRiMWZkYjY5N2EzZjdjMjZlNGMwYTA5Iiwic2VsbGVySWQiOiIyMDAwMjM0ODgwIiwic3RvcmVJZCI6IjE2NzIzNjk3Mjk2MDYiLCJ2ZXJzaW9uIjoiVjIiLCJkb21haW4iOiJodHRwczovL3NsLW9wZW4tc2cubXlzaG9wbGluZS5jb20iLCJ0aW1lc3RhbXAiOjE2NzUzMTk0OTI0MzksImlzcyI6Inlzb3VsIiwiZXhwIjoxNzY5OTI3NDkyfQ";
        assert_eq!(store_id(&format!("eyJhbGciOiJIUzUxMiJ9.{claims}.UwQz")).as_deref(), Some("1672369729606"));
        let token = |claims: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(store_id(&token(r#"{"storeId":1672369729606}"#)).as_deref(), Some("1672369729606"));
        for strange in ["", "a.b", "a.b.c", &token("{}"), &token(r#"{"storeId":""}"#), &token(r#"{"storeId":"a b"}"#)] {
            assert_eq!(store_id(strange), None, "{strange}");
        }
    }
}
