#![doc = include_str!("README.md")]

mod attributes;
mod auth;
mod client;
mod create;
#[cfg(feature = "fakes")]
pub mod fake;
mod images;
mod item_fields;
mod items;
mod limits;
mod money;
mod on_sale;
mod places;
mod pull;
mod push;
mod reading;
mod search;
pub mod sign;
mod terms;
#[cfg(all(test, feature = "fakes"))]
mod tests;
mod text;
mod variations;
mod waiting;
mod webhook;
mod wire;
mod wire_items;
mod work;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::Value;
use url::Url;

use self::{client::Client, terms::Terms};
use super::{
    Abilities, Access, AuthorizationKind, Built, Channel, ChannelDef, ChannelError, Consent, From, Key, Page,
    PushResult, Settled, ShopSettings, ShopStatus, Ticket, Tools, Unsaid, calls::token_of, reader::Reader,
};
use crate::domain::{Complaint, Field, JobKind, Product, Variant, plan::Change, wanted::Retire};

/// The channel's name in the settings.
pub const NAME: &str = "shopee";
/// What people call it.
const TITLE: &str = "Shopee";

const API_URL: &str = "https://partner.shopeemobile.com";
const API_URL_BRAZIL: &str = "https://openplatform.shopee.com.br";
const CONSENT_URL: &str = "https://open.shopee.com";
const CONSENT_URL_BRAZIL: &str = "https://open.shopee.com.br";

/// The countries in which Shopee sells.
const REGIONS: [&str; 11] = ["BR", "CL", "CO", "ID", "MX", "MY", "PH", "SG", "TH", "TW", "VN"];

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Shopee.
pub static DEF: ChannelDef = ChannelDef {
    name: NAME,
    title: TITLE,
    page: include_str!("README.md"),
    app_secrets: &[],
    abilities: Abilities {
        authorization: AuthorizationKind::Consent,
        export: &[Field::Price, Field::Stock, Field::Title, Field::Description, Field::Images, Field::Attributes],
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
    token_life: Some(SignedDuration::from_hours(4)),
    refresh_token_end: crate::domain::EndSource::Computed,
    app_keys: &[Key {
        name: "consent",
        doc: "the form of the consent link: \"page\", Shopee's consent portal, or \"signed\", the older link that works for 5 minutes. Default: \"page\"",
        required: false,
    }],
    shop_keys: &[
        Key { name: "shop_id", doc: "Shopee's id of the shop, as text. Example: \"14701711\"", required: true },
        Key {
            name: "region",
            doc: "the shop's country, checked against what Shopee says; \"BR\" also selects the hosts of Brazil. Default: not checked. Example: \"SG\"",
            required: false,
        },
        Key {
            name: "mapping",
            doc: "how new items are made, for export.create: category, brand, attributes, weight_kg, logistics; attributes also for items that are there; see the channel's page. Default: none are made. Example: { category = \"100017\", weight_kg = 0.3, logistics = [80101] }",
            required: false,
        },
    ],
    build,
    #[cfg(feature = "fakes")]
    rigs: &[("fake", fake::rig)],
};

/// One shop on Shopee.
struct Shopee {
    client: Client,
    form: ConsentForm,
    /// Where the consent link leads.
    consent_url: Url,
    /// Where the browser comes back to.
    callback: Url,
    shop_id: u64,
    region: Option<String>,
    /// The location of stock chosen in the settings.
    warehouse: Option<String>,
    /// How new items are made.
    terms: Terms,
}

/// The form of the consent link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ConsentForm {
    /// Shopee's portal: not signed, with a `state`.
    Page,
    /// A signed address of the API's host, valid for five minutes; the state travels in the address to return to.
    Signed,
}

fn build(settings: &ShopSettings, tools: &Tools) -> Built {
    let mut reader = Reader::new(settings, "the app's page in the console of Shopee Open Platform");
    let region = reader.one_of("region", "a country in which Shopee sells", &REGIONS);
    let brazil = region.as_deref() == Some("BR");
    let api_url = reader.url("api_url", if brazil { API_URL_BRAZIL } else { API_URL });
    let form = consent_form(&mut reader);
    let consent_url = match form {
        ConsentForm::Page => reader.url("consent_url", if brazil { CONSENT_URL_BRAZIL } else { CONSENT_URL }),
        ConsentForm::Signed => reader.url("consent_url", api_url.as_str()),
    };
    let shop = Shopee {
        form,
        consent_url,
        callback: settings.callback.clone(),
        shop_id: shop_id(&mut reader),
        region,
        warehouse: settings.warehouse.clone(),
        terms: Terms::read(&mut reader),
        client: Client {
            http: tools.http.clone(),
            clock: tools.clock.clone(),
            partner_id: partner_id(&mut reader),
            partner_key: settings.client_secret.clone(),
            token_url: reader.url("token_url", api_url.as_str()),
            api_url,
        },
    };
    Ok(Arc::new(reader.finish(shop)?))
}

fn consent_form(reader: &mut Reader<'_>) -> ConsentForm {
    match reader.settings.channel.get("consent").map(|value| value.as_str().unwrap_or_default()) {
        None | Some("page") => ConsentForm::Page,
        Some("signed") => ConsentForm::Signed,
        Some(_) => {
            reader.fault("channel.consent", "`consent` is no form of the consent link", "use \"page\" or \"signed\"");
            ConsentForm::Page
        }
    }
}

fn partner_id(reader: &mut Reader<'_>) -> u64 {
    let text = reader.app_text("client_id");
    match read_id(&text) {
        Some(id) => return id,
        // Missing: said already.
        None if text.is_empty() => {}
        None => reader.fault(
            "channel.client_id",
            "`client_id` is not a partner id: it is a whole number",
            "copy the live partner id from the app's page in the console of Shopee Open Platform",
        ),
    }
    0
}

fn shop_id(reader: &mut Reader<'_>) -> u64 {
    let value = reader.settings.own.get("shop_id");
    if let Some(id) = value.and_then(Value::as_str).and_then(|text| read_id(text.trim())) {
        return id;
    }
    let cause = match value {
        None => "is missing",
        Some(Value::Number(_)) => "is a number, not a text",
        Some(_) => "is not a Shopee shop id",
    };
    let remedy = "set it to the shop's id, digits in quotes; the address that a consent ends on names it as `shop_id`";
    reader.fault("shop_id", format!("`shop_id` {cause}"), remedy);
    0
}

/// An id as Shopee has them: a whole number above 0, in digits.
fn read_id(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id > 0)
}

/// A shop as [`Channel::place`] writes it.
fn place_id(shop_id: u64) -> String {
    format!("{NAME} {shop_id}")
}

#[async_trait]
impl Channel for Shopee {
    fn place(&self) -> String {
        place_id(self.shop_id)
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        let shop = self.shop_info(self.shop_id, token_of(access)?).await?;
        shop.check_open(self.shop_id)?;
        Ok(ShopStatus { ends: shop.ends, name: shop.name })
    }

    async fn pull(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        self.pull_page(access, from).await
    }

    fn lacks(&self, change: &Change) -> Option<Complaint> {
        self.terms.lacks(change, self.region.as_deref())
    }

    fn attributes(&self, product: &Product, variant: &Variant) -> Result<BTreeMap<String, String>, Unsaid> {
        self.terms.wanted_attributes(product, variant)
    }

    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        self.push_changes(access, changes).await
    }

    async fn settle(&self, access: &Access, ticket: &Ticket, changes: &[Change]) -> Result<Settled, ChannelError> {
        self.settle_created(access, ticket, changes).await
    }

    fn consent(&self) -> Option<&dyn Consent> {
        Some(self)
    }
}
