//! Permission: the consent link, what comes back from it, tokens, and the shops that a permission covers.
//!
//! Vendor pages: "Authorization overview (202407)", "Seller authorization guide", "Get authorized shops (202309)".

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::{
    TikTokShop,
    client::{ApiCall, Operation},
    place_id,
    wire::{Reading, Success, WireShop},
};
use crate::{
    channels::{
        Acted, Callback, ChannelError, Consent, Grant, Identity, OwnersEnd, Place, RawWebhook, Tokens, Webhook,
        WebhookFault,
        calls::{address, declined, the_one, unusable},
    },
    domain::{EndSource, Ending, Failure},
    http::Method,
    secrets::Secret,
};

const TITLE: &str = "TikTok Shop";

/// Token exchanges have budgets of their own, so that nothing starves them.
const EXCHANGE: Operation = Operation::read("token exchange");
const REFRESH: Operation = Operation::read("token refresh");
const SHOPS: Operation = Operation::read("shops");

/// Values of `…_expire_in` below this are spans, as one source has them; above, instants in Unix seconds, as the
/// vendor's guide has them.
const FIRST_INSTANT: i64 = 1_000_000_000;
/// Ends further away than this mean "unlimited".
const UNLIMITED: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);

#[async_trait]
impl Consent for TikTokShop {
    fn app(&self) -> String {
        self.client.app_key.clone()
    }

    /// The callback's address is not part of the link: it is set in Partner Center.
    fn link(&self, state: &str) -> Url {
        let query = [("service_id", self.service_id.clone()), ("state", state.to_owned())];
        address(&self.consent_url, "/open/authorize", &query)
    }

    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError> {
        if let Some(error) = query.iter().find(|(name, _)| name == "error").map(|(_, error)| error) {
            return Err(declined(
                TITLE,
                error,
                "open the link again and press \"authorize\"; only the shop's main account can",
            ));
        }
        let code = the_one(query, "code").filter(|code| *code != "null");
        let code = code.ok_or_else(|| unusable(TITLE, "the callback carries no code"))?;
        let state = the_one(query, "state").map(str::to_owned);
        if state.is_none() && query.iter().any(|(name, _)| name == "state") {
            return Err(unusable(TITLE, "the callback carries a state that is empty or doubled"));
        }
        Ok(Callback { code: Secret::new(code), state, subject: None })
    }

    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError> {
        let code = &callback.code;
        let grant = self.tokens(EXCHANGE, "/api/v2/token/get", "auth_code", code, "authorized_code").await?;
        Ok(vec![grant])
    }

    async fn refresh(&self, spent: &Tokens, _account: &str) -> Result<Grant, ChannelError> {
        let token = spent.refresh_token.as_ref().ok_or_else(|| ChannelError {
            failure: Failure::AuthorizationEnded { why: "there is no refresh token".into() },
            text: "TikTok Shop: there is no refresh token to renew with".into(),
            remedy: "ask the shop's owner to authorize the shop again".into(),
            request_id: None,
            acted: Acted::No,
        })?;
        self.tokens(REFRESH, "/api/v2/token/refresh", "refresh_token", token, "refresh_token").await
    }

    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        let (shops, _) = self.shops(&grant.tokens.access_token).await?;
        let place = |shop: &WireShop| Place {
            id: place_id(&shop.id),
            name: format!("{} ({})", shop.name, shop.id),
            data: json!({"id": shop.id, "cipher": shop.cipher, "region": shop.region, "name": shop.name}),
        };
        Ok(Identity { places: shops.iter().map(place).collect(), ends: None })
    }

    fn check_place(&self, place: &Place) -> Result<(), ChannelError> {
        let told = place.data["region"].as_str().unwrap_or_default();
        match &self.region {
            Some(region) if !told.eq_ignore_ascii_case(region) => Err(ChannelError {
                failure: Failure::Rejected,
                text: format!("TikTok Shop: shop {} is in region {told}, the settings say {region}", self.shop_id),
                remedy: "correct the shop's region or shop_id in the settings".into(),
                request_id: None,
                acted: Acted::No,
            }),
            _ => Ok(()),
        }
    }

    /// The vendor does not say whether an old refresh token works again after a reply that was lost: one more try shows.
    fn repeats_after_lost_reply(&self) -> u32 {
        1
    }

    fn end(&self) -> OwnersEnd {
        OwnersEnd::Told
    }

    /// Sellers who start in the App Store of Seller Center arrive without one.
    fn may_lack_state(&self) -> bool {
        true
    }

    fn read_webhook(&self, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        self.webhook(request)
    }
}

impl TikTokShop {
    /// The shops that a permission covers.
    pub(super) async fn shops(&self, token: &Secret) -> Result<(Vec<WireShop>, Option<String>), ChannelError> {
        let call = ApiCall {
            operation: SHOPS,
            method: Method::GET,
            path: "/authorization/202309/shops",
            query: Vec::new(),
            body: None,
            shop: None,
            token,
        };
        let Success { data, request_id } = self.client.api(call).await?;
        let shops = data.get("shops").cloned().unwrap_or(Value::Array(Vec::new()));
        let shops = serde_json::from_value(shops).map_err(|error| {
            self.reading(SHOPS).unexpected(&format!("the list of shops is unreadable: {error}"), request_id.clone())
        })?;
        Ok((shops, request_id))
    }

    async fn tokens(
        &self,
        operation: Operation,
        path: &str,
        name: &'static str,
        spent: &Secret,
        grant_type: &str,
    ) -> Result<Grant, ChannelError> {
        let secret = self.client.secret()?;
        let query = [
            ("app_key", self.client.app_key.clone()),
            ("app_secret", secret.expose().to_owned()),
            (name, spent.expose().to_owned()),
            ("grant_type", grant_type.to_owned()),
        ];
        let secrets = [secret.expose(), spent.expose()];
        let Success { data, request_id } = self.client.token(operation, path, &query, &secrets).await?;
        read_grant(&data, self.client.now()).map_err(|what| self.reading(operation).unexpected(&what, request_id))
    }

    pub(super) fn reading(&self, operation: Operation) -> Reading<'static> {
        Reading { operation: operation.name, now: self.client.now(), secrets: &[], confidential: true }
    }
}

/// Reads tokens and their ends. The error names the field that is wrong, never its value.
fn read_grant(data: &Value, now: Timestamp) -> Result<Grant, String> {
    let text = |name: &str| {
        data.get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| format!("the answer has no {name}"))
    };
    match data.get("user_type").and_then(Value::as_i64) {
        None | Some(0) => {}
        Some(other) => return Err(format!("the authorization is not a seller's (user_type {other})")),
    }
    let access_ends =
        read_end(data, "access_token_expire_in", now)?.ok_or("access_token_expire_in is absurdly far away")?;
    let refresh_ends = read_end(data, "refresh_token_expire_in", now)?;
    Ok(Grant {
        account: text("open_id")?,
        account_name: text("seller_name").ok(),
        access_token_ends_at: access_ends,
        refresh_token_ends_at: refresh_ends,
        // The vendor's note: the refresh token ends with the authorization that the seller chose.
        ends: refresh_ends.map(|at| Ending { at, source: EndSource::Told }),
        tokens: Tokens {
            access_token: Secret::new(text("access_token")?),
            refresh_token: Some(Secret::new(text("refresh_token")?)),
        },
    })
}

/// Reads an `…_expire_in`, which despite its name is an instant. `None`: so far away that it means "unlimited".
fn read_end(data: &Value, name: &str, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let value =
        data.get(name).and_then(Value::as_number).ok_or_else(|| format!("{name} is missing or not a number"))?;
    let Some(seconds) = value.as_i64() else {
        return if value.as_u64().is_some() { Ok(None) } else { Err(format!("{name} is not a whole number")) };
    };
    if seconds <= 0 {
        return Err(format!("{name} is not after 1970"));
    }
    let at = if seconds < FIRST_INSTANT {
        now.checked_add(SignedDuration::from_secs(seconds))
    } else {
        Timestamp::from_second(seconds)
    };
    match at {
        Ok(at) if at <= now => Err(format!("{name} is in the past")),
        Ok(at) if at.duration_since(now) <= UNLIMITED => Ok(Some(at)),
        _ => Ok(None),
    }
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
            "access_token": "TTP_access", "access_token_expire_in": noon().as_second() + 604_800,
            "refresh_token": "TTP_refresh", "refresh_token_expire_in": noon().as_second() + 31_536_000,
            "open_id": "7010736057180325637", "seller_name": "Jjj test shop", "seller_base_region": "ID",
            "user_type": 0, "granted_scopes": ["seller.product.basic"], "something_new": [1]
        })
    }

    #[test]
    fn the_ends_are_instants_despite_their_names() {
        let grant = read_grant(&data(), noon()).unwrap();
        assert_eq!(grant.access_token_ends_at.to_string(), "2026-06-08T12:00:00Z");
        let end: Timestamp = "2027-06-01T12:00:00Z".parse().unwrap();
        assert_eq!(grant.ends, Some(Ending { at: end, source: EndSource::Told }));
        assert_eq!(grant.refresh_token_ends_at, Some(end));
        assert_eq!(grant.account, "7010736057180325637");
        assert_eq!(grant.account_name.as_deref(), Some("Jjj test shop"));
    }

    #[test]
    fn small_values_are_spans_and_absurdly_far_ends_are_unlimited() {
        let mut data = data();
        data["access_token_expire_in"] = json!(604_800);
        for far in [json!(noon().as_second() + 30 * 31_536_000), json!(i64::MAX), json!(u64::MAX)] {
            data["refresh_token_expire_in"] = far;
            let grant = read_grant(&data, noon()).unwrap();
            assert_eq!(grant.access_token_ends_at.to_string(), "2026-06-08T12:00:00Z");
            assert_eq!((grant.ends, grant.refresh_token_ends_at), (None, None));
        }
    }

    #[test]
    fn every_strange_field_is_named_and_no_value_is_repeated() {
        let cases = [
            ("access_token", json!(null), "the answer has no access_token"),
            ("access_token", json!(""), "the answer has no access_token"),
            ("refresh_token", json!(7), "the answer has no refresh_token"),
            ("open_id", json!(null), "the answer has no open_id"),
            ("access_token_expire_in", json!(null), "access_token_expire_in is missing or not a number"),
            ("access_token_expire_in", json!("1790000000"), "access_token_expire_in is missing or not a number"),
            ("access_token_expire_in", json!(1.5), "access_token_expire_in is not a whole number"),
            ("access_token_expire_in", json!(-1), "access_token_expire_in is not after 1970"),
            ("access_token_expire_in", json!(0), "access_token_expire_in is not after 1970"),
            ("access_token_expire_in", json!(1_600_000_000), "access_token_expire_in is in the past"),
            ("access_token_expire_in", json!(i64::MAX), "access_token_expire_in is absurdly far away"),
            ("refresh_token_expire_in", json!(null), "refresh_token_expire_in is missing or not a number"),
            ("refresh_token_expire_in", json!(-1), "refresh_token_expire_in is not after 1970"),
            ("user_type", json!(1), "the authorization is not a seller's (user_type 1)"),
        ];
        for (field, value, expected) in cases {
            let mut data = data();
            data[field] = value;
            assert_eq!(read_grant(&data, noon()).unwrap_err(), expected);
        }
    }
}
