#![doc = include_str!("README.md")]

mod auth;
mod client;
mod create;
#[cfg(feature = "fakes")]
pub mod fake;
mod feed;
mod items;
mod marketplaces;
mod pull;
mod push;
mod remembered;
mod report;
mod start;
mod submission;
#[cfg(all(test, feature = "fakes"))]
mod tests;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::Value;
use url::Url;

use self::{
    client::{ApiCall, Client, Operation},
    create::New,
    marketplaces::{MARKETPLACES, Marketplace},
    wire::WireParticipation,
};
use super::{
    Abilities, Access, Acted, AuthorizationKind, Built, Channel, ChannelDef, ChannelError, Consent, From, Key, Page,
    PushResult, Settled, ShopSettings, ShopStatus, Ticket, Tools, Unsaid,
    calls::token_of,
    reader::{Reader, text_of},
};
use crate::{
    domain::{Complaint, Failure, Field, JobKind, Product, Variant, plan::Change, wanted::Retire},
    http::Rate,
    secrets::Secret,
};

/// The channel's name in the settings.
pub const NAME: &str = "amazon";

const TOKEN_URL: &str = "https://api.amazon.com";
/// The language in which issues are told: that of our own words around them.
const ISSUE_LOCALE: &str = "en_US";
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The vendor allows 0.016 calls a second and 15 at once, per app and seller. A part of them is kept for consents, whose code is
/// spent when this is asked: the daily probes of a seller with many marketplaces must not use them up.
const PROBE: Operation = participations("marketplace participations", 11, 10);
/// See [`PROBE`].
const OF_CONSENT: Operation = participations("marketplace participations of a consent", 5, 5);

const fn participations(name: &'static str, calls: u32, burst: u32) -> Operation {
    Operation::part(name, Rate::per(calls, Duration::from_secs(1000), burst))
}

/// Amazon.
pub static DEF: ChannelDef = ChannelDef {
    name: NAME,
    title: "Amazon",
    page: include_str!("README.md"),
    app_secrets: &[],
    abilities: Abilities {
        authorization: AuthorizationKind::Consent,
        export: &Field::EVERY,
        remembered: &[Field::Images, Field::Attributes],
        create: true,
        retire: &[Retire::ZeroStock, Retire::Deactivate],
        periods: &[
            (JobKind::AuthorizationRefresh, SECOND, "30 minutes"),
            (JobKind::ProductImport, SECOND, "1 hour"),
            (JobKind::ProductExport, SECOND, "15 minutes"),
        ],
        push_batch: push::MANY,
        remembered_shared: false,
        remembered_batch: push::MANY,
        changes_are_full: false,
    },
    token_life: Some(SignedDuration::from_hours(1)),
    refresh_token_end: crate::domain::EndSource::Told,
    app_keys: &[
        Key {
            name: "application_id",
            doc: "the app's id in the Solution Provider Portal, for the consent link. Example: \"amzn1.sp.solution.0a1b2c3d-1111-2222-3333-444455556666\"",
            required: true,
        },
        Key {
            name: "draft",
            doc: "whether the app is still a draft there: consent links then say version=beta. Default: false. Example: true",
            required: false,
        },
    ],
    shop_keys: &[
        Key {
            name: "marketplace",
            doc: "the country of the marketplace, which also tells the region and the Seller Central. Example: \"DE\"",
            required: true,
        },
        Key {
            name: "seller_id",
            doc: "the seller's id (\"merchant token\"): the consent of another seller is then refused. Default: not checked. Example: \"A3TH9S8BH6GOGM\"",
            required: false,
        },
        Key {
            name: "mapping",
            doc: "how new listings are made: category (the product type), brand, attributes, raw, condition, requirements. Example: { category = \"SHIRT\" }",
            required: false,
        },
    ],
    build,
    #[cfg(feature = "fakes")]
    rigs: &[("fake", fake::rig), ("report", fake::by_report)],
};

/// One seller's shop on one marketplace.
struct Amazon {
    client: Client,
    consent_url: Url,
    application_id: String,
    draft: bool,
    marketplace: &'static Marketplace,
    seller_id: Option<String>,
    /// Our name for the shop.
    shop: String,
    callback: Url,
    /// The fulfillment channel chosen for export.
    channel: Option<String>,
    /// How new items are made.
    new: New,
    /// The SKUs of the report that a complete pass is reading, with the id of its document: a page reads twenty of them, and the
    /// document can be asked for once a minute.
    report: Mutex<Option<(String, Arc<Vec<String>>)>>,
}

fn build(settings: &ShopSettings, tools: &Tools) -> Built {
    let mut reader = Reader::new(settings, "the app's page in the Solution Provider Portal");
    let marketplace = marketplace(&mut reader);
    let shop = Amazon {
        consent_url: reader.url("consent_url", &marketplace.consent_url()),
        application_id: reader.app_text("application_id"),
        draft: draft(&mut reader),
        marketplace,
        seller_id: seller_id(&mut reader),
        shop: settings.shop.id.to_string(),
        callback: settings.callback.clone(),
        channel: settings.warehouse.clone(),
        new: New::read(&mut reader),
        report: Mutex::default(),
        client: Client {
            http: tools.http.clone(),
            clock: tools.clock.clone(),
            client_id: reader.app_text("client_id"),
            client_secret: settings.client_secret.clone(),
            api_url: reader.url("api_url", marketplace.region.api_url()),
            token_url: reader.url("token_url", TOKEN_URL),
        },
    };
    Ok(Arc::new(reader.finish(shop)?))
}

fn marketplace(reader: &mut Reader<'_>) -> &'static Marketplace {
    let countries: Vec<&str> = MARKETPLACES.iter().map(|one| one.country).collect();
    if !reader.settings.own.contains_key("marketplace") {
        let remedy = format!("set it to the country of the marketplace, one of {}", countries.join(", "));
        reader.fault("marketplace", "`marketplace` is missing", remedy);
    }
    let country = reader.one_of("marketplace", "the country of an Amazon marketplace", &countries);
    // Where there is none the shop is not built: which one stands in for it does not matter.
    country.and_then(|country| marketplaces::of_country(&country)).unwrap_or(&MARKETPLACES[0])
}

fn draft(reader: &mut Reader<'_>) -> bool {
    match reader.settings.channel.get("draft") {
        None => false,
        Some(Value::Bool(draft)) => *draft,
        Some(other) => {
            reader.fault("channel.draft", format!("`draft` is {other}, not true or false"), "write true or false");
            false
        }
    }
}

fn seller_id(reader: &mut Reader<'_>) -> Option<String> {
    let value = reader.settings.own.get("seller_id")?;
    let text = text_of(&reader.settings.own, "seller_id").filter(|text| is_seller_id(text));
    if text.is_none() {
        let remedy = "copy the merchant token from Seller Central (Settings, Account Info), in quotes, or leave it out";
        reader.fault("seller_id", format!("`seller_id` is {value}, not a seller's id"), remedy);
    }
    text
}

/// Whether a text can be a seller's id: capital letters and digits.
fn is_seller_id(text: &str) -> bool {
    (3..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A marketplace of a seller as [`Channel::place_of`] writes it.
fn place_id(marketplace_id: &str, seller_id: &str) -> String {
    format!("{NAME} {marketplace_id} {seller_id}")
}

impl Amazon {
    /// The place of a shop whose settings name no seller.
    fn unnamed(&self) -> String {
        format!("{NAME} {} of the seller of {}", self.marketplace.id, self.shop)
    }
}

#[async_trait]
impl Channel for Amazon {
    /// Two sellers may each have a shop on one marketplace; where the settings do not name them, they are told apart by consent.
    fn place(&self) -> String {
        match &self.seller_id {
            Some(seller_id) => place_id(self.marketplace.id, seller_id),
            None => self.unnamed(),
        }
    }

    fn place_of(&self, account: &str) -> String {
        place_id(self.marketplace.id, account)
    }

    /// Naming the seller that authorized the shop, or no longer naming it, moves nothing.
    fn is_still(&self, before: &str, account: &str) -> bool {
        [self.unnamed(), self.place_of(account)].iter().any(|place| before == place)
            && self.seller_id.as_deref().is_none_or(|seller| seller == account)
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        let seller = access.place["seller_id"].as_str().or(self.seller_id.as_deref()).unwrap_or_default();
        let (all, request_id) = self.participations(PROBE, seller, token_of(access)?).await?;
        let own = all.into_iter().find(|one| one.marketplace.id == self.marketplace.id);
        let (why, remedy) = match own {
            Some(own) if !own.participation.is_participating => NOT_PARTICIPATING,
            Some(own) if own.participation.has_suspended_listings => SUSPENDED,
            Some(own) => {
                return Ok(ShopStatus { name: Some(own.store_name).filter(|name| !name.is_empty()), ends: None });
            }
            None => NOT_PARTICIPATING,
        };
        Err(ChannelError {
            failure: Failure::ShopClosed { why: why.to_owned() },
            text: format!("Amazon {} ({}): {why}", self.marketplace.country, self.marketplace.id),
            remedy: remedy.to_owned(),
            request_id,
            acted: Acted::No,
        })
    }

    async fn pull(&self, access: &Access, from: &From) -> Result<Page, ChannelError> {
        self.pull_page(access, from).await
    }

    fn lacks(&self, change: &Change) -> Option<Complaint> {
        self.lacks_of(change)
    }

    fn attributes(&self, product: &Product, variant: &Variant) -> Result<BTreeMap<String, String>, Unsaid> {
        self.wanted_attributes(product, variant)
    }

    async fn push(&self, access: &Access, changes: &[Change]) -> Result<Vec<PushResult>, ChannelError> {
        self.push_changes(access, changes).await
    }

    async fn settle(&self, access: &Access, ticket: &Ticket, changes: &[Change]) -> Result<Settled, ChannelError> {
        self.settle_feed(access, ticket, changes).await
    }

    fn consent(&self) -> Option<&dyn Consent> {
        Some(self)
    }
}

/// The seller whose items a call is about.
fn seller_of(access: &Access) -> Result<&str, ChannelError> {
    let seller = access.place["seller_id"].as_str().filter(|seller| is_seller_id(seller));
    seller.ok_or_else(|| ChannelError {
        remedy: "run `shopsyncd jobs run SHOP authorization_refresh`".to_owned(),
        ..ChannelError::bug("Amazon: the shop's seller is not known: its authorization has not been looked at yet")
    })
}

const NOT_PARTICIPATING: (&str, &str) = (
    "the seller does not take part in this marketplace",
    "correct the shop's marketplace, or let the seller join it in Seller Central",
);

const SUSPENDED: (&str, &str) = (
    "the seller's listings on this marketplace are suspended",
    "ask the shop's owner to look into Seller Central: the listing status is inactive, or the account has a problem",
);

impl Amazon {
    /// The marketplaces of the region that the seller has, with the vendor's id of the request.
    async fn participations(
        &self,
        operation: Operation,
        seller: &str,
        token: &Secret,
    ) -> Result<(Vec<WireParticipation>, Option<String>), ChannelError> {
        let call = ApiCall::get(operation, "/sellers/v1/marketplaceParticipations", seller, token);
        let mut answer = self.client.api(call).await?;
        let read = match answer.body["payload"].take() {
            Value::Null => Err("the answer has no payload".to_owned()),
            payload => serde_json::from_value(payload).map_err(|error| format!("the payload is unreadable: {error}")),
        };
        match read {
            Ok(all) => Ok((all, answer.request_id)),
            Err(what) => Err(self.reading(operation).unexpected(&what, answer.request_id)),
        }
    }
}
