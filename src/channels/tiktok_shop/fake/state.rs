//! What the pretend marketplace knows: sellers, shops, products, tokens, and what it has seen of its callers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    channels::fake::{Held, Mishap, Recent},
    domain::Currency,
    secrets::random_text,
};

/// How the pretend marketplace behaves. The defaults are the vendor's where the vendor says.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long an access token lives: 7 days.
    pub access_token_life: SignedDuration,
    /// How long an authorization lives that a seller gives on the consent page: 365 days.
    pub authorization_life: SignedDuration,
    /// The most products a search pages through: 10,000.
    pub result_cap: usize,
    /// The most products on a page, whatever the caller asks for: 100.
    pub page_cap: usize,
    /// Calls a second per (shop, endpoint) that read and that write, by the real clock: 10 and 3. `None`: no limit.
    pub rates: Option<(u32, u32)>,
    /// Whether too many calls are told by a code inside a 200 instead of by a 429.
    pub throttles_by_code: bool,
    /// Whether a new consent ends the tokens of the one before. No page of the vendor's says; here it does, since a daemon that
    /// relies on the old ones would be the worse for it.
    pub renewal_ends_old_tokens: bool,
    /// Whether a spent refresh token works once more when the reply to its first use was lost.
    pub lost_reply_forgiven: bool,
    /// Whether the reply to a renewal counts as lost until one of its tokens is used: for callers that are killed, of whom nobody
    /// can tell what they have read.
    pub unread_until_used: bool,
    /// Whether a stock of 0 is refused: the vendor's pages name 1 as the least.
    pub refuses_zero_stock: bool,
    /// Whether each page of a search but the first names itself as the next one.
    pub loops_pages: bool,
    /// What becomes of products that are created, and of edits of their texts.
    pub audit: Audit,
    /// The key of the one app that it knows: where another app is meant, it knows none of that one's tokens.
    pub app_key: String,
}

/// How TikTok's audit goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Audit {
    /// It passes as soon as somebody looks.
    #[default]
    Passes,
    /// It goes on and on.
    Open,
    /// It finds something wrong.
    Fails,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            access_token_life: SignedDuration::from_hours(7 * 24),
            authorization_life: SignedDuration::from_hours(365 * 24),
            result_cap: 10_000,
            page_cap: 100,
            rates: Some((10, 3)),
            throttles_by_code: false,
            renewal_ends_old_tokens: true,
            lost_reply_forgiven: false,
            unread_until_used: false,
            refuses_zero_stock: false,
            loops_pages: false,
            audit: Audit::Passes,
            app_key: super::APP_KEY.to_owned(),
        }
    }
}

/// What the pretend marketplace has seen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Calls by endpoint.
    pub calls: BTreeMap<String, u64>,
    /// Calls beyond the rate limit.
    pub rate_violations: u64,
    /// Refresh tokens that came again although the reply to their first use had been sent whole.
    pub refresh_tokens_spent_twice: u64,
    /// Refresh tokens that came again after a reply that was lost.
    pub refresh_tokens_spent_after_lost_reply: u64,
    /// Tokens renewed.
    pub refreshes: u64,
    /// Codes traded.
    pub exchanges: u64,
    /// Calls with a wrong signature or timestamp.
    pub bad_signatures: u64,
    /// Calls with a token that was expired, revoked or unknown.
    pub bad_tokens: u64,
    /// SKUs whose price was changed by callers.
    pub prices_changed: u64,
    /// SKUs whose stock was changed by callers.
    pub stocks_changed: u64,
    /// Products taken off sale by callers.
    pub deactivated: u64,
    /// Products put on sale again by callers.
    pub activated: u64,
    /// Products created by callers.
    pub created: u64,
    /// Images taken in.
    pub images: u64,
}

/// Tokens, as handed to an app.
#[derive(Debug, Clone, Serialize)]
pub struct Issued {
    /// Whose they are.
    #[serde(rename = "account")]
    pub open_id: String,
    /// For calls.
    pub access_token: String,
    /// When it ends.
    #[serde(skip)]
    pub access_token_ends_at: Timestamp,
    /// For renewing.
    pub refresh_token: String,
    /// When the seller gave the authorization.
    pub authorized_at: Timestamp,
    /// When the authorization ends.
    pub ends_at: Timestamp,
}

/// A seller.
#[derive(Debug, Clone)]
pub(super) struct Seller {
    pub(super) name: String,
    pub(super) region: String,
}

/// A shop.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    pub(super) open_id: String,
    pub(super) name: String,
    pub(super) region: String,
    pub(super) currency: Currency,
    pub(super) cipher: String,
    pub(super) warehouses: Vec<String>,
    pub(super) closed: bool,
    pub(super) products: BTreeMap<String, Product>,
}

/// A product.
#[derive(Debug, Clone, Default)]
pub(super) struct Product {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) brand: String,
    pub(super) category: String,
    /// Addresses or, of images taken in, their names.
    pub(super) images: Vec<String>,
    /// `AUDITING`, `APPROVED` or `FAILED`.
    pub(super) audit: String,
    /// What an edit wants them to be, until the audit has passed.
    pub(super) edited: Option<Edited>,
    /// The values of its attributes, by the attribute's id.
    pub(super) attributes: BTreeMap<String, Vec<Value>>,
    pub(super) status: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// In a promotion: neither price nor stock may be changed.
    pub(super) promoted: bool,
    pub(super) skus: Vec<ShopSku>,
}

/// What an edit makes of a product.
#[derive(Debug, Clone)]
pub(super) struct Edited {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) images: Vec<String>,
    pub(super) attributes: BTreeMap<String, Vec<Value>>,
}

impl Product {
    /// As the edit that waits for the audit, or as it is.
    pub(super) fn under_review(&self) -> Edited {
        self.edited.clone().unwrap_or_else(|| Edited {
            title: self.title.clone(),
            description: self.description.clone(),
            images: self.images.clone(),
            attributes: self.attributes.clone(),
        })
    }
}

/// A SKU.
#[derive(Debug, Clone)]
pub(super) struct ShopSku {
    pub(super) id: String,
    pub(super) barcode: String,
    pub(super) seller_sku: String,
    pub(super) price: Decimal,
    pub(super) inventory: BTreeMap<String, i64>,
    pub(super) options: Vec<(String, String)>,
}

/// A product as tests and the control address hand it in: one SKU each unless `product` repeats.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Seed {
    /// The seller's SKU: known ones are changed, new ones added.
    pub sku: String,
    /// Joins SKUs into one product; empty: its own.
    pub product: String,
    /// The title; empty: `Product SKU`, or as it was.
    pub title: String,
    /// The price in the shop's currency, as decimal text; empty: 10.00, or as it was.
    pub price: String,
    /// Pieces in the shop's first warehouse; default: none, or as it was.
    pub stock: Option<i64>,
    /// The vendor's word; empty: ACTIVATE, or as it was.
    pub status: String,
    /// Options such as ("Size", "M").
    pub options: Vec<(String, String)>,
    /// The description, in HTML; new products only, as are the following.
    pub description: String,
    /// The brand's name.
    pub brand: String,
    /// Addresses of images.
    pub images: Vec<String>,
    /// GTIN, EAN or UPC.
    pub barcode: String,
}

pub(super) struct Access {
    pub(super) open_id: String,
    pub(super) ends_at: Timestamp,
    pub(super) revoked: bool,
    /// The refresh token that it was traded for, until it is used.
    pub(super) traded_for: Option<String>,
}

pub(super) struct Refresh {
    pub(super) open_id: String,
    pub(super) authorized_at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) revoked: bool,
    pub(super) spent: bool,
    /// The reply to its use was lost, and what it was renewed to.
    pub(super) unread: Option<String>,
}

pub(super) struct Code {
    pub(super) open_id: String,
    pub(super) until: Timestamp,
    pub(super) life: SignedDuration,
    pub(super) used: bool,
}

/// All of it.
#[derive(Default)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) redirect_url: Option<url::Url>,
    pub(super) sellers: BTreeMap<String, Seller>,
    pub(super) shops: BTreeMap<String, Shop>,
    pub(super) access: HashMap<String, Access>,
    pub(super) refresh: HashMap<String, Refresh>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) broken: Option<Mishap>,
    pub(super) next_of_api: VecDeque<Mishap>,
    pub(super) next_of_tokens: VecDeque<Mishap>,
    pub(super) held_of_tokens: Option<Held>,
    pub(super) stats: Stats,
    /// Calls within the last second per (shop, endpoint).
    pub(super) recent: HashMap<(String, String), Recent>,
    /// What idempotency keys were answered with.
    pub(super) answered: HashMap<String, Value>,
    /// The names of images taken in.
    pub(super) images: std::collections::BTreeSet<String>,
    numbers: u64,
}

impl World {
    /// A fresh id: 19 digits, as the vendor's are.
    pub(super) fn id(&mut self) -> String {
        self.numbers += 1;
        (1_729_000_000_000_000_000 + self.numbers).to_string()
    }

    /// Hands out tokens.
    pub(super) fn issue(
        &mut self,
        open_id: &str,
        authorized_at: Timestamp,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> Issued {
        let access_token = format!("TTP_{}", random_text(24));
        let refresh_token = format!("TTR_{}", random_text(24));
        let access_ends = (now + self.rules.access_token_life).min(ends_at);
        let access = Access { open_id: open_id.to_owned(), ends_at: access_ends, revoked: false, traded_for: None };
        self.access.insert(access_token.clone(), access);
        let refresh =
            Refresh { open_id: open_id.to_owned(), authorized_at, ends_at, revoked: false, spent: false, unread: None };
        self.refresh.insert(refresh_token.clone(), refresh);
        Issued {
            open_id: open_id.to_owned(),
            access_token,
            access_token_ends_at: access_ends,
            refresh_token,
            authorized_at,
            ends_at,
        }
    }

    /// An access token is used: whoever got it has read the reply that brought it.
    pub(super) fn note_use(&mut self, access_token: &str) {
        let traded_for = self.access.get_mut(access_token).and_then(|token| token.traded_for.take());
        if let Some(token) = traded_for.and_then(|text| self.refresh.get_mut(&text)) {
            token.unread = None;
        }
    }

    /// Ends the permission of a seller.
    pub(super) fn revoke(&mut self, open_id: &str) {
        self.access.values_mut().filter(|token| token.open_id == open_id).for_each(|token| token.revoked = true);
        self.refresh.values_mut().filter(|token| token.open_id == open_id).for_each(|token| token.revoked = true);
    }

    pub(super) fn end_at(&mut self, open_id: &str, at: Timestamp) {
        self.refresh.values_mut().filter(|token| token.open_id == open_id).for_each(|token| token.ends_at = at);
        let access = self.access.values_mut().filter(|token| token.open_id == open_id);
        access.for_each(|token| token.ends_at = token.ends_at.min(at));
    }

    /// Adds SKUs or changes known ones.
    pub(super) fn seed(&mut self, shop_id: &str, seeds: &[Seed], now: Timestamp) -> Result<(), String> {
        for seed in seeds {
            let price = if seed.price.is_empty() { None } else { Some(&seed.price) }
                .map(|text| text.parse::<Decimal>().map_err(|_| format!("`{text}` is not a price")))
                .transpose()?;
            let ids = [self.id(), self.id()];
            let shop = self.shops.get_mut(shop_id).ok_or_else(|| format!("there is no shop `{shop_id}`"))?;
            shop.seed(seed, price, ids, now);
        }
        Ok(())
    }
}

impl Shop {
    /// The product and SKU with this seller's SKU.
    pub(super) fn find(&mut self, seller_sku: &str) -> Option<(&mut Product, usize)> {
        self.products.values_mut().filter(|product| product.status != "DELETED").find_map(|product| {
            let index = product.skus.iter().position(|sku| sku.seller_sku == seller_sku)?;
            Some((product, index))
        })
    }

    fn seed(&mut self, seed: &Seed, price: Option<Decimal>, [product_id, sku_id]: [String; 2], now: Timestamp) {
        let first = self.warehouses[0].clone();
        if let Some((product, index)) = self.find(&seed.sku) {
            let sku = &mut product.skus[index];
            sku.price = price.unwrap_or(sku.price);
            if let Some(pieces) = seed.stock {
                sku.inventory.insert(first, pieces);
            }
            if !seed.title.is_empty() {
                product.title.clone_from(&seed.title);
            }
            if !seed.status.is_empty() {
                product.status.clone_from(&seed.status);
            }
            product.updated_at = now;
            return;
        }
        let mut inventory: BTreeMap<_, _> = self.warehouses.iter().map(|id| (id.clone(), 0)).collect();
        inventory.insert(first, seed.stock.unwrap_or(0));
        let price = price.unwrap_or(Decimal::TEN);
        let sku = ShopSku {
            id: sku_id,
            barcode: seed.barcode.clone(),
            seller_sku: seed.sku.clone(),
            price,
            inventory,
            options: seed.options.clone(),
        };
        let joined = (!seed.product.is_empty()).then(|| format!("1728{:0>15}", digits(&seed.product)));
        let or = |text: &str, other: String| if text.is_empty() { other } else { text.to_owned() };
        let product = self.products.entry(joined.unwrap_or(product_id)).or_insert_with(|| Product {
            title: or(&seed.title, format!("Product {}", seed.sku)),
            description: seed.description.clone(),
            brand: seed.brand.clone(),
            category: "600001".to_owned(),
            images: seed.images.clone(),
            audit: if seed.status == "FAILED" { "FAILED".to_owned() } else { "APPROVED".to_owned() },
            status: or(&seed.status, "ACTIVATE".to_owned()),
            created_at: now,
            updated_at: now,
            ..Product::default()
        });
        product.updated_at = now;
        product.skus.push(sku);
    }

    /// Gives the product of a SKU an attribute of the seller's own words, as in Seller Center; answers whether there is such a SKU.
    pub(super) fn set_attribute(&mut self, seller_sku: &str, id: &str, value: &str) -> bool {
        let found = self.find(seller_sku);
        found
            .map(|(product, _)| product.attributes.insert(id.to_owned(), vec![json!({"id": "", "name": value})]))
            .is_some()
    }

    /// Everything in the shop, one entry a SKU, for comparing.
    pub(super) fn listings(&self) -> Vec<Value> {
        let skus =
            self.products.iter().flat_map(|(id, product)| product.skus.iter().map(move |sku| (id, product, sku)));
        skus.map(|(id, product, sku)| {
            json!({
                "sku": sku.seller_sku, "product_id": id, "title": product.title, "status": product.status,
                "category": product.category, "images": product.images, "attributes": product.attributes,
                "price": self.amount(sku.price), "currency": self.currency,
                "stock": sku.inventory[&self.warehouses[0]], "inventory": sku.inventory,
            })
        })
        .collect()
    }

    /// An amount with the digits of the shop's currency.
    pub(super) fn amount(&self, amount: Decimal) -> String {
        format!("{:.*}", self.currency.digits() as usize, amount)
    }
}

/// A number made of a text, for ids.
fn digits(text: &str) -> u64 {
    text.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_000_000_000_000)
}

/// The currency of a country that TikTok Shop serves.
pub(super) fn currency_of(region: &str) -> &'static str {
    match region {
        "GB" => "GBP",
        "US" => "USD",
        "JP" => "JPY",
        "MX" => "MXN",
        "BR" => "BRL",
        "ID" => "IDR",
        "MY" => "MYR",
        "PH" => "PHP",
        "SG" => "SGD",
        "TH" => "THB",
        "VN" => "VND",
        _ => "EUR",
    }
}
