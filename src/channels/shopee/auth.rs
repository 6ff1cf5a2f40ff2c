//! Permission: the consent link in its two forms, what comes back from it, tokens, and the shop that a permission covers.
//!
//! Vendor pages: "Authorization and authentication" (guide 20), `token/get`, `access_token/get`, `get_shop_info`.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    ConsentForm, Shopee, TITLE, place_id, read_id,
    wire::{LOOK_INTO_SELLER_CENTRE, Reading, Success},
};
use crate::{
    channels::{
        Acted, Callback, ChannelError, Consent, Grant, Identity, OwnersEnd, Place, RawWebhook, Tokens, Webhook,
        WebhookFault,
        calls::{address, declined, the_one, unusable},
    },
    domain::{EndSource, Ending, Failure},
    secrets::Secret,
};

const EXCHANGE: &str = "token exchange";
const REFRESH: &str = "token refresh";
const SHOP_INFO: &str = "shop info";

/// The signed form of the consent link.
const SIGNED_LINK: &str = "/api/v2/shop/auth_partner";
/// The parameters by which a callback says who consented.
const SHOP: &str = "shop_id";
const MAIN_ACCOUNT: &str = "main_account_id";

/// `expire_in` above this is an instant in Unix seconds, as one of the vendor's samples has it; below, a span.
const FIRST_INSTANT: i64 = 1_000_000_000;
/// An access token lives four hours. An end further away than this is no end of one.
const LONGEST_ACCESS: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How long a refresh token lives. The vendor's guide says so, no answer does.
const REFRESH_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

#[async_trait]
impl Consent for Shopee {
    fn app(&self) -> String {
        self.client.partner_id.to_string()
    }

    fn link(&self, state: &str) -> Url {
        match self.form {
            ConsentForm::Page => {
                let query = [
                    ("partner_id", self.app()),
                    ("auth_type", "seller".to_owned()),
                    ("redirect_uri", self.callback.to_string()),
                    ("response_type", "code".to_owned()),
                    ("state", state.to_owned()),
                ];
                address(&self.consent_url, "/auth", &query)
            }
            ConsentForm::Signed => {
                // Without a key that can be read here nothing can be signed, and Shopee says so to whoever opens the link.
                let mut query = match self.client.key() {
                    Ok(key) => self.client.common(key, SIGNED_LINK, None),
                    Err(_) => vec![("partner_id", self.app())],
                };
                let mut back = self.callback.clone();
                back.query_pairs_mut().append_pair("state", state);
                query.push(("redirect", back.into()));
                address(&self.consent_url, SIGNED_LINK, &query)
            }
        }
    }

    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError> {
        let there = |name: &str| query.iter().any(|(known, _)| known == name);
        if let Some((_, error)) = query.iter().find(|(name, _)| name == "error") {
            let remedy = "open the link again and confirm the authorization; only a shop's or a main account can";
            return Err(declined(TITLE, error, remedy));
        }
        let code = the_one(query, "code").ok_or_else(|| unusable(TITLE, "the callback does not carry one code"))?;
        let id = |name| the_one(query, name).filter(|id| read_id(id).is_some());
        let subject = match (there(SHOP), there(MAIN_ACCOUNT)) {
            (true, false) => id(SHOP).map(|id| format!("{SHOP} {id}")),
            (false, true) => id(MAIN_ACCOUNT).map(|id| format!("{MAIN_ACCOUNT} {id}")),
            _ => None,
        };
        let subject =
            subject.ok_or_else(|| unusable(TITLE, "the callback does not name one shop_id or main_account_id"))?;
        let state = the_one(query, "state").map(str::to_owned);
        if there("state") && state.is_none() {
            return Err(unusable(TITLE, "the callback carries a state that is empty or doubled"));
        }
        Ok(Callback { code: Secret::new(code), state, subject: Some(subject) })
    }

    /// A main account's tokens are shared by all its shops until each shop has been refreshed once: the documented exception
    /// to the single use of refresh tokens. So each shop is granted the same pair, this one first.
    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError> {
        let subject = callback.subject.as_deref().and_then(|subject| subject.split_once(' '));
        let Some((kind, id)) = subject.and_then(|(kind, id)| Some((kind, read_id(id)?))) else {
            return Err(ChannelError::bug("the callback came without its subject"));
        };
        let mut body = json!({"code": callback.code.expose(), "partner_id": self.client.partner_id});
        body[kind] = id.into();
        let path = "/api/v2/auth/token/get";
        let Success { fields, request_id } = self.client.trade(EXCHANGE, path, id, &body, &callback.code).await?;
        let strange = |what: String| self.reading(EXCHANGE).unexpected(&what, request_id.clone());
        let pair = Pair::read(&fields, self.client.now()).map_err(strange)?;
        if kind == SHOP {
            return Ok(vec![pair.grant(id)]);
        }
        let mut shops = shops_of(&fields).map_err(strange)?;
        if shops.is_empty() {
            return Err(unusable(TITLE, "the main account's consent covers no shop"));
        }
        shops.sort_by_key(|shop| (*shop != self.shop_id, *shop));
        shops.dedup();
        Ok(shops.into_iter().map(|shop| pair.grant(shop)).collect())
    }

    async fn refresh(&self, spent: &Tokens, account: &str) -> Result<Grant, ChannelError> {
        let shop_id = shop_of(account)?;
        let token = spent.refresh_token.as_ref().ok_or_else(|| ChannelError {
            failure: Failure::AuthorizationEnded { why: "there is no refresh token".into() },
            text: format!("{TITLE}: there is no refresh token to renew with"),
            remedy: "ask the shop's owner to authorize the shop again".into(),
            request_id: None,
            acted: Acted::No,
        })?;
        let body = json!({"refresh_token": token.expose(), "partner_id": self.client.partner_id, "shop_id": shop_id});
        let path = "/api/v2/auth/access_token/get";
        let Success { fields, request_id } = self.client.trade(REFRESH, path, shop_id, &body, token).await?;
        let strange = |what: &str| self.reading(REFRESH).unexpected(what, request_id.clone());
        if fields.get(SHOP).is_some_and(|told| id_of(told) != Some(shop_id)) {
            return Err(strange("shop_id is not the shop whose tokens were renewed"));
        }
        Ok(Pair::read(&fields, self.client.now()).map_err(|what| strange(&what))?.grant(shop_id))
    }

    /// A suspended shop stays a place of its permission: the probe says that it is closed.
    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        let shop_id = shop_of(&grant.account)?;
        let shop = match self.shop_info(shop_id, &grant.tokens.access_token).await {
            Err(error) if matches!(error.failure, Failure::ShopClosed { .. }) => ShopInfo::default(),
            other => other?,
        };
        let name = shop.name.unwrap_or_else(|| "shop".to_owned());
        let place = Place {
            id: place_id(shop_id),
            name: format!("{name} ({shop_id})"),
            data: json!({"id": shop_id, "region": shop.region}),
        };
        Ok(Identity { places: vec![place], ends: shop.ends })
    }

    fn check_place(&self, place: &Place) -> Result<(), ChannelError> {
        match (&self.region, place.data["region"].as_str()) {
            (Some(region), Some(told)) if !told.eq_ignore_ascii_case(region) => Err(ChannelError {
                failure: Failure::Rejected,
                text: format!("{TITLE}: shop {} is in region {told}, the settings say {region}", self.shop_id),
                remedy: "correct the shop's region or shop_id in the settings".into(),
                request_id: None,
                acted: Acted::No,
            }),
            _ => Ok(()),
        }
    }

    /// The vendor's FAQ: the same call once again, within hours, brings the same new tokens. The guide does not say so.
    fn repeats_after_lost_reply(&self) -> u32 {
        1
    }

    fn end(&self) -> OwnersEnd {
        OwnersEnd::Told
    }

    fn read_webhook(&self, request: &RawWebhook) -> Result<Webhook, WebhookFault> {
        super::webhook::read(self.client.partner_key.as_ref(), request)
    }
}

impl Shopee {
    /// What Shopee says of a shop.
    pub(super) async fn shop_info(&self, shop_id: u64, token: &Secret) -> Result<ShopInfo, ChannelError> {
        let path = "/api/v2/shop/get_shop_info";
        let Success { fields, request_id } = self.client.get_of_shop(SHOP_INFO, path, shop_id, token).await?;
        ShopInfo::read(&fields).map_err(|what| self.reading(SHOP_INFO).unexpected(&what, request_id))
    }

    fn reading(&self, operation: &'static str) -> Reading<'static> {
        Reading { operation, now: self.client.now(), secrets: &[], of_tokens: true, of_products: false }
    }
}

/// What Shopee says of a shop, as far as it is looked at.
#[derive(Debug, Default)]
pub(super) struct ShopInfo {
    pub(super) name: Option<String>,
    region: Option<String>,
    status: String,
    /// When the time is over for which the owner gave permission.
    pub(super) ends: Option<Ending>,
}

impl ShopInfo {
    fn read(fields: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let ends = match fields.get("expire_time") {
            None | Some(Value::Null) => None,
            Some(value) => {
                let seconds = value.as_i64().ok_or("expire_time is not a whole number")?;
                let at = Some(seconds).filter(|seconds| *seconds > 0).and_then(|s| Timestamp::from_second(s).ok());
                Some(Ending { at: at.ok_or("expire_time is no instant after 1970")?, source: EndSource::Told })
            }
        };
        Ok(Self {
            name: text("shop_name").map(str::to_owned),
            region: text("region").map(str::to_owned),
            status: text("status").unwrap_or_default().to_ascii_uppercase(),
            ends,
        })
    }

    /// That the shop is not suspended.
    pub(super) fn check_open(&self, shop_id: u64) -> Result<(), ChannelError> {
        if !matches!(self.status.as_str(), "BANNED" | "FROZEN") {
            return Ok(());
        }
        Err(ChannelError {
            failure: Failure::ShopClosed { why: format!("its status is {}", self.status) },
            text: format!("{TITLE}: shop {shop_id} is suspended, its status is {}", self.status),
            remedy: LOOK_INTO_SELLER_CENTRE.to_owned(),
            request_id: None,
            acted: Acted::No,
        })
    }
}

/// A pair of tokens as Shopee hands it out.
struct Pair {
    tokens: Tokens,
    access_ends: Timestamp,
    refresh_ends: Timestamp,
}

impl Pair {
    /// Reads tokens and their end. The error names the field that is wrong, never its value.
    fn read(fields: &Map<String, Value>, now: Timestamp) -> Result<Self, String> {
        let token = |name: &str| {
            let text = fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(Secret::new).ok_or_else(|| format!("the answer has no {name}"))
        };
        Ok(Self {
            tokens: Tokens { access_token: token("access_token")?, refresh_token: Some(token("refresh_token")?) },
            access_ends: read_end(fields, now)?,
            refresh_ends: now + REFRESH_TOKEN_LIFE,
        })
    }

    fn grant(&self, shop_id: u64) -> Grant {
        Grant {
            tokens: self.tokens.clone(),
            account: shop_id.to_string(),
            account_name: None,
            access_token_ends_at: self.access_ends,
            refresh_token_ends_at: Some(self.refresh_ends),
            ends: None,
        }
    }
}

/// Reads `expire_in`: a span, or (in one of the vendor's samples) an instant.
fn read_end(fields: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, String> {
    let value = fields.get("expire_in").and_then(Value::as_number).ok_or("expire_in is missing or not a number")?;
    let seconds = value.as_i64().ok_or("expire_in is not a whole number")?;
    if seconds <= 0 {
        return Err("expire_in is not above 0".to_owned());
    }
    let at = if seconds > FIRST_INSTANT {
        Timestamp::from_second(seconds)
    } else {
        now.checked_add(SignedDuration::from_secs(seconds))
    };
    match at {
        Ok(at) if at <= now => Err("expire_in is in the past".to_owned()),
        Ok(at) if at.duration_since(now) <= LONGEST_ACCESS => Ok(at),
        _ => Err("expire_in is absurdly far away".to_owned()),
    }
}

/// The shops of a main account that its consent covers.
fn shops_of(fields: &Map<String, Value>) -> Result<Vec<u64>, String> {
    let listed = fields.get("shop_id_list").and_then(Value::as_array).ok_or("the answer has no shop_id_list")?;
    listed.iter().map(|id| id_of(id).ok_or_else(|| "shop_id_list holds something that is no id".to_owned())).collect()
}

/// An id, which the vendor writes as a number and in places as a text.
pub(super) fn id_of(value: &Value) -> Option<u64> {
    value.as_u64().filter(|id| *id > 0).or_else(|| read_id(value.as_str()?))
}

/// The shop that an account is.
fn shop_of(account: &str) -> Result<u64, ChannelError> {
    read_id(account).ok_or_else(|| ChannelError {
        failure: Failure::Rejected,
        text: format!("{TITLE}: the account is not a shop id"),
        remedy: "hand in the shop's id as `account`: digits only".into(),
        request_id: None,
        acted: Acted::No,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn fields(changed: &[(&str, Value)]) -> Map<String, Value> {
        let mut fields = json!({
            "access_token": "a1", "refresh_token": "r1", "expire_in": 14_400, "request_id": "x", "error": "",
            "message": "", "shop_id_list": [1, "2"], "merchant_id_list": [], "something_new": [1],
        });
        for (name, value) in changed {
            fields[*name] = value.clone();
        }
        fields.as_object().cloned().unwrap()
    }

    #[test]
    fn an_end_is_a_span_or_an_instant() {
        for expire_in in [14_400, noon().as_second() + 14_400] {
            let pair = Pair::read(&fields(&[("expire_in", json!(expire_in))]), noon()).unwrap();
            assert_eq!(pair.access_ends.to_string(), "2026-06-01T16:00:00Z");
            let grant = pair.grant(7);
            assert_eq!(grant.refresh_token_ends_at.unwrap().to_string(), "2026-07-01T12:00:00Z");
            assert_eq!((grant.account.as_str(), grant.ends), ("7", None));
        }
    }

    #[test]
    fn every_strange_field_is_named_and_no_value_is_repeated() {
        let cases = [
            ("access_token", json!(null), "the answer has no access_token"),
            ("access_token", json!(""), "the answer has no access_token"),
            ("refresh_token", json!(7), "the answer has no refresh_token"),
            ("expire_in", json!(null), "expire_in is missing or not a number"),
            ("expire_in", json!("14400"), "expire_in is missing or not a number"),
            ("expire_in", json!(1.5), "expire_in is not a whole number"),
            ("expire_in", json!(u64::MAX), "expire_in is not a whole number"),
            ("expire_in", json!(-1), "expire_in is not above 0"),
            ("expire_in", json!(0), "expire_in is not above 0"),
            ("expire_in", json!(1_600_000_000), "expire_in is in the past"),
            ("expire_in", json!(i64::MAX), "expire_in is absurdly far away"),
            ("expire_in", json!(999_999_999), "expire_in is absurdly far away"),
        ];
        for (field, value, expected) in cases {
            assert_eq!(Pair::read(&fields(&[(field, value)]), noon()).err().as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_list_of_shops_holds_ids_and_nothing_else() {
        assert_eq!(shops_of(&fields(&[])).unwrap(), [1, 2]);
        for (list, expected) in [
            (json!(null), "the answer has no shop_id_list"),
            (json!([1, -2]), "shop_id_list holds something that is no id"),
            (json!([{}]), "shop_id_list holds something that is no id"),
        ] {
            assert_eq!(shops_of(&fields(&[("shop_id_list", list)])).unwrap_err(), expected);
        }
    }

    #[test]
    fn the_end_of_a_permission_is_told_with_the_shop_or_not_at_all() {
        let ends = |expire_time: Value| {
            ShopInfo::read(&fields(&[("expire_time", expire_time)])).map(|shop| shop.ends.map(|ends| ends.at))
        };
        assert_eq!(ends(json!(1_780_000_000)).unwrap(), Some(Timestamp::from_second(1_780_000_000).unwrap()));
        assert_eq!(ends(json!(null)).unwrap(), None);
        for strange in [json!("1780000000"), json!(1.5)] {
            assert_eq!(ends(strange).unwrap_err(), "expire_time is not a whole number");
        }
        for strange in [json!(0), json!(-1), json!(i64::MAX)] {
            assert_eq!(ends(strange).unwrap_err(), "expire_time is no instant after 1970");
        }
    }
}
