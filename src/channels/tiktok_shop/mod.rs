#![doc = include_str!("README.md")]

mod auth;
mod client;
#[cfg(feature = "fakes")]
pub mod fake;
mod pull;
mod push;
pub mod sign;
#[cfg(all(test, feature = "fakes"))]
mod tests;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Map, Value};
use url::Url;

use self::client::{Client, token_of};
use super::{
    Abilities, Access, AuthorizationKind, Channel, ChannelDef, ChannelError, Consent, From, Key, Page, PushResult,
    SettingFault, ShopSettings, ShopStatus, Tools,
};
use crate::{
    domain::{Failure, Field, JobKind, plan::Change, wanted::Retire},
    http::may_be_called,
};

/// The channel's name in the settings.
pub const NAME: &str = "tiktok_shop";

const API_URL: &str = "https://open-api.tiktokglobalshop.com";
const TOKEN_URL: &str = "https://auth.tiktok-shops.com";
const CONSENT_URL: &str = "https://services.tiktokshop.com";
/// The vendor's pages disagree about this one: README, "Settings".
const CONSENT_URL_US: &str = "https://services.us.tiktokshop.com";

/// The countries in which TikTok Shop sells.
const REGIONS: [&str; 16] =
    ["BR", "DE", "ES", "FR", "GB", "ID", "IE", "IT", "JP", "MX", "MY", "PH", "SG", "TH", "US", "VN"];

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// TikTok Shop.
pub static DEF: ChannelDef = ChannelDef {
    name: NAME,
    title: "TikTok Shop",
    page: include_str!("README.md"),
    abilities: Abilities {
        authorization: AuthorizationKind::Consent,
        export: &[Field::Price, Field::Stock],
        create: false,
        retire: &[Retire::ZeroStock, Retire::Deactivate],
        periods: &[
            (JobKind::AuthorizationRefresh, SECOND, "30 minutes"),
            (JobKind::ProductImport, SECOND, "1 hour"),
            (JobKind::ProductExport, SECOND, "15 minutes"),
        ],
        push_batch: 50,
        changes_are_full: false,
    },
    app_keys: &[Key {
        name: "service_id",
        doc: "the app's service id in Partner Center, for the consent link. Example: \"7312345678901234567\"",
        required: true,
    }],
    shop_keys: &[
        Key {
            name: "shop_id",
            doc: "TikTok's id of the shop, as text. Example: \"7494049642642441621\"",
            required: true,
        },
        Key {
            name: "region",
            doc: "the shop's country, checked against what TikTok says; \"US\" also selects the consent page of the United States. Default: not checked. Example: \"GB\"",
            required: false,
        },
    ],
    build,
    #[cfg(feature = "fakes")]
    rig: fake::rig,
};

/// One shop on TikTok Shop.
struct TikTokShop {
    client: Client,
    consent_url: Url,
    service_id: String,
    shop_id: String,
    region: Option<String>,
    warehouse: Option<String>,
}

fn build(settings: &ShopSettings, tools: &Tools) -> Result<Arc<dyn Channel>, Vec<SettingFault>> {
    let mut reader = Reader { settings, faults: Vec::new() };
    let region = reader.region();
    let consent = if region.as_deref() == Some("US") { CONSENT_URL_US } else { CONSENT_URL };
    let shop = TikTokShop {
        consent_url: reader.url("consent_url", consent),
        service_id: reader.app_text("service_id"),
        shop_id: reader.shop_id(),
        region,
        warehouse: settings.warehouse.clone(),
        client: Client {
            http: tools.http.clone(),
            clock: tools.clock.clone(),
            app_key: reader.app_text("client_id"),
            app_secret: settings.client_secret.clone(),
            api_url: reader.url("api_url", API_URL),
            token_url: reader.url("token_url", TOKEN_URL),
        },
    };
    if reader.faults.is_empty() { Ok(Arc::new(shop)) } else { Err(reader.faults) }
}

/// Reads settings and gathers what is wrong with them.
struct Reader<'a> {
    settings: &'a ShopSettings,
    faults: Vec<SettingFault>,
}

impl Reader<'_> {
    fn fault(&mut self, key: &str, cause: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(SettingFault { key: key.to_owned(), cause: cause.into(), remedy: remedy.into() });
    }

    fn app_text(&mut self, name: &str) -> String {
        let key = format!("channel.{name}");
        match text_of(&self.settings.channel, name) {
            Some(text) => text,
            None if self.settings.channel.contains_key(name) => {
                self.fault(&key, format!("`{name}` is not a text"), "copy it from Partner Center, in quotes");
                String::new()
            }
            None => {
                self.fault(&key, format!("`{name}` is missing"), "copy it from the app's page in Partner Center");
                String::new()
            }
        }
    }

    fn shop_id(&mut self) -> String {
        let id = self.settings.own.get("shop_id").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            let cause = match self.settings.own.get("shop_id") {
                None => "is missing",
                Some(Value::Number(_)) => "is a number, not a text",
                Some(_) => "is not a TikTok shop id",
            };
            let remedy = "set it to the shop's id, digits in quotes; `shopsyncd shops authorize SHOP` lists those of an authorization";
            self.fault("shop_id", format!("`shop_id` {cause}"), remedy);
        }
        id
    }

    fn region(&mut self) -> Option<String> {
        let value = self.settings.own.get("region")?;
        match value.as_str() {
            Some(text) if REGIONS.contains(&&*text.to_ascii_uppercase()) => Some(text.to_ascii_uppercase()),
            _ => {
                let cause = format!("`region` is {value}, not a country in which TikTok Shop sells");
                self.fault("region", cause, format!("use one of {}", REGIONS.join(", ")));
                None
            }
        }
    }

    fn url(&mut self, name: &str, default: &str) -> Url {
        let default: Url = default.parse().expect("the defaults are addresses");
        let Some(value) = self.settings.channel.get(name) else { return default };
        let key = format!("channel.{name}");
        let Some(url) = value.as_str().and_then(|text| text.parse::<Url>().ok()).filter(Url::has_host) else {
            self.fault(&key, format!("`{name}` is not an address"), format!("use one like {default}"));
            return default;
        };
        if !may_be_called(&url) {
            self.fault(&key, format!("`{name}` is neither https nor on loopback"), "use https");
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.fault(&key, format!("`{name}` has a query or fragment"), "leave it out: origin and path prefix only");
        }
        url
    }
}

/// A text, or a whole number as text: ids are often written without quotes.
fn text_of(settings: &Map<String, Value>, name: &str) -> Option<String> {
    match settings.get(name)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

#[async_trait]
impl Channel for TikTokShop {
    fn place(&self) -> String {
        format!("{NAME} {}", self.shop_id)
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        let (shops, request_id) = self.shops(token_of(access)?).await?;
        match shops.into_iter().find(|shop| shop.id == self.shop_id) {
            Some(shop) => Ok(ShopStatus { name: Some(shop.name).filter(|name| !name.is_empty()) }),
            None => Err(ChannelError {
                failure: Failure::ShopClosed { why: "the authorization does not cover this shop".into() },
                text: format!("TikTok Shop: shop {} is not among those of this authorization", self.shop_id),
                remedy: "correct shop_id, or let the owner of that shop authorize".into(),
                request_id,
                not_acted: true,
            }),
        }
    }

    async fn pull(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        self.pull_page(access, from).await
    }

    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        self.push_changes(access, changes).await
    }

    fn consent(&self) -> Option<&dyn Consent> {
        Some(self)
    }
}
