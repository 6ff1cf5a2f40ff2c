#![doc = include_str!("README.md")]

mod auth;
mod client;
mod create;
mod creating;
mod edits;
#[cfg(feature = "fakes")]
pub mod fake;
mod images;
mod on_sale;
mod product;
mod pull;
mod push;
mod settle;
pub mod sign;
mod stocks;
#[cfg(all(test, feature = "fakes"))]
mod tests;
mod webhook;
mod wire;
mod wire_products;
mod work;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::Value;
use url::Url;

use self::client::Client;
use super::{
    Abilities, Access, Acted, AuthorizationKind, Built, Channel, ChannelDef, ChannelError, Consent, From, Key, Page,
    PushResult, Settled, ShopSettings, ShopStatus, Ticket, Tools, Unsaid, calls::token_of, mapping::Mapping,
    reader::Reader,
};
use crate::domain::{Complaint, Failure, Field, JobKind, Product, Variant, plan::Change, wanted::Retire};

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
    app_secrets: &[],
    abilities: Abilities {
        authorization: AuthorizationKind::Consent,
        export: &[Field::Price, Field::Stock, Field::Title, Field::Images, Field::Attributes],
        remembered: &[Field::Images, Field::Attributes],
        create: true,
        retire: &[Retire::ZeroStock, Retire::Deactivate],
        periods: &[
            (JobKind::AuthorizationRefresh, SECOND, "30 minutes"),
            (JobKind::ProductImport, SECOND, "1 hour"),
            (JobKind::ProductExport, SECOND, "15 minutes"),
        ],
        push_batch: 50,
        remembered_shared: true,
        remembered_batch: 5,
        changes_are_full: false,
    },
    token_life: Some(SignedDuration::from_hours(7 * 24)),
    refresh_token_end: crate::domain::EndSource::Told,
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
            name: "details",
            doc: "whether imports ask for brand, description, images, options and barcodes: one more call for each product. Default: true. Without it only titles, prices and stock are known, which is enough where only price and stock are exported. Example: false",
            required: false,
        },
        Key {
            name: "mapping",
            doc: "TikTok's words for products that are created: a section of its own, see below. Example: { category = \"600001\", package_weight = \"0.5 kg\" }",
            required: false,
        },
        Key {
            name: "region",
            doc: "the shop's country, checked against what TikTok says; \"US\" also selects the consent page of the United States. Default: not checked. Example: \"GB\"",
            required: false,
        },
    ],
    build,
    #[cfg(feature = "fakes")]
    rigs: &[("fake", fake::rig)],
};

/// One shop on TikTok Shop.
struct TikTokShop {
    client: Client,
    consent_url: Url,
    service_id: String,
    shop_id: String,
    region: Option<String>,
    warehouse: Option<String>,
    /// Whether an import asks for the details of each product.
    details: bool,
    /// The channel's words for what is created.
    mapping: Mapping,
    /// The package's weight and dimensions, as the vendor writes them.
    weight: Option<Value>,
    dimensions: Option<Value>,
}

fn build(settings: &ShopSettings, tools: &Tools) -> Built {
    let mut reader = Reader::new(settings, "the app's page in Partner Center");
    let region = reader.one_of("region", "a country in which TikTok Shop sells", &REGIONS);
    let mapping = Mapping::read(&mut reader, &create::OWN_KEYS);
    check_ids(&mut reader);
    let consent = if region.as_deref() == Some("US") { CONSENT_URL_US } else { CONSENT_URL };
    let shop = TikTokShop {
        consent_url: reader.url("consent_url", consent),
        service_id: reader.app_text("service_id"),
        shop_id: shop_id(&mut reader),
        region,
        warehouse: settings.warehouse.clone(),
        details: details(&mut reader),
        weight: measure(&mut reader, &mapping, "package_weight", "\"0.5 kg\"", create::weight),
        dimensions: measure(&mut reader, &mapping, "package_dimensions", "\"20 x 15 x 5 cm\"", create::dimensions),
        mapping,
        client: Client {
            http: tools.http.clone(),
            clock: tools.clock.clone(),
            app_key: reader.app_text("client_id"),
            app_secret: settings.client_secret.clone(),
            api_url: reader.url("api_url", API_URL),
            token_url: reader.url("token_url", TOKEN_URL),
        },
    };
    Ok(Arc::new(reader.finish(shop)?))
}

fn shop_id(reader: &mut Reader<'_>) -> String {
    let id = reader.settings.own.get("shop_id").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        let cause = match reader.settings.own.get("shop_id") {
            None => "is missing",
            Some(Value::Number(_)) => "is a number, not a text",
            Some(_) => "is not a TikTok shop id",
        };
        let remedy = "set it to the shop's id, digits in quotes; `shopsyncd shops authorize SHOP` lists those of an authorization";
        reader.fault("shop_id", format!("`shop_id` {cause}"), remedy);
    }
    id
}

fn details(reader: &mut Reader<'_>) -> bool {
    match reader.settings.own.get("details") {
        None | Some(Value::Bool(true)) => true,
        Some(Value::Bool(false)) => false,
        Some(other) => {
            let cause = format!("`details` is {other}, neither true nor false");
            reader.fault("details", cause, "use true or false, without quotes");
            true
        }
    }
}

/// One of the mapping's measures.
fn measure(
    reader: &mut Reader<'_>,
    mapping: &Mapping,
    name: &str,
    example: &str,
    read: impl Fn(&str) -> Option<Value>,
) -> Option<Value> {
    let value = mapping.own.get(name)?;
    let read = value.as_str().and_then(read);
    if read.is_none() {
        let key = format!("mapping.{name}");
        reader.fault(
            &key,
            format!("`{name}` is {value}, which is no measure with its unit"),
            format!("write it like {example}"),
        );
    }
    read
}

/// That categories, brands and attributes are named by the vendor's ids.
fn check_ids(reader: &mut Reader<'_>) {
    let Some(Value::Object(mapping)) = reader.settings.own.get("mapping").cloned() else { return };
    let mut ids: Vec<(String, String)> = Vec::new();
    for (name, value) in &mapping {
        let key = |word: &str| format!("mapping.{name}.{word}");
        match (name.as_str(), value) {
            ("category" | "brand", Value::String(id)) => ids.push((format!("mapping.{name}"), id.clone())),
            ("categories" | "brands", Value::Object(words)) => {
                ids.extend(words.iter().filter_map(|(word, id)| Some((key(word), id.as_str()?.to_owned()))));
            }
            ("attributes", Value::Object(words)) => ids.extend(words.keys().map(|id| (key(id), id.clone()))),
            _ => {}
        }
    }
    for (key, id) in ids.into_iter().filter(|(_, id)| id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit())) {
        reader.fault(&key, format!("`{id}` is not an id of TikTok Shop"), "use TikTok's own id, digits in quotes");
    }
}

/// A shop as [`Channel::place`] writes it.
fn place_id(shop_id: &str) -> String {
    format!("{NAME} {shop_id}")
}

#[async_trait]
impl Channel for TikTokShop {
    fn place(&self) -> String {
        place_id(&self.shop_id)
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        let (shops, request_id) = self.shops(token_of(access)?).await?;
        match shops.into_iter().find(|shop| shop.id == self.shop_id) {
            Some(shop) => Ok(ShopStatus { name: Some(shop.name).filter(|name| !name.is_empty()), ends: None }),
            None => Err(ChannelError {
                failure: Failure::ScopeMissing { scope: format!("access to shop {}", self.shop_id) },
                text: format!("TikTok Shop: shop {} is not among those of this authorization", self.shop_id),
                remedy: "correct shop_id, or let the owner of that shop authorize".into(),
                request_id,
                acted: Acted::No,
            }),
        }
    }

    async fn pull(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        self.pull_page(access, from).await
    }

    fn lacks(&self, change: &Change) -> Option<Complaint> {
        self.lacking(change)
    }

    fn attributes(&self, product: &Product, variant: &Variant) -> Result<BTreeMap<String, String>, Unsaid> {
        self.mapping.wanted(product, variant)
    }

    async fn settle(&self, access: &Access, ticket: &Ticket, changes: &[Change]) -> Result<Settled, ChannelError> {
        self.settle_changes(access, ticket, changes).await
    }

    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        self.push_changes(access, changes).await
    }

    fn consent(&self) -> Option<&dyn Consent> {
        Some(self)
    }
}
