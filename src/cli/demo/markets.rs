//! The pretend marketplaces of the demo: what stands in their shops, and what can happen there.

use std::{collections::BTreeMap, io};

use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use url::Url;

use super::{
    catalogue::{self, Variant},
    shops::{self, BY_CONSENT, DemoShop, HANDED_IN},
};
use crate::{
    channels::{
        RawWebhook,
        amazon::fake::{self as amazon, FakeAmazon},
        shopee::fake::{self as shopee, FakeShopee},
        shopline::fake::{self as shopline, FakeShopline},
        tiktok_shop::fake::{self as tiktok_shop, FakeTikTok},
    },
    clock::Clock,
};

/// A secret under its key in `[channels.…]`.
type AppSecret = (&'static str, &'static str);

const CLIENT_SECRET: &str = "client_secret";
/// The two platforms of SHOPLINE have an app each.
const SHOPLINE_SECRETS: &[AppSecret] =
    &[(CLIENT_SECRET, shopline::APP_SECRET), ("asia_client_secret", shopline::ASIA_APP_SECRET)];

/// How long Amazon takes to judge a feed: minutes in earnest.
const FEED_TIME: SignedDuration = SignedDuration::from_secs(2);
/// How long ago everything in the shops was changed last when the demo begins.
const AGE: SignedDuration = SignedDuration::from_hours(24 * 7);
/// What stands in every shop and is none of the source's.
const OWN_SKU: &str = "WINDOW-DISPLAY";

/// How a SKU stands in a shop, by the marketplace's own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) price: Option<Decimal>,
    pub(super) stock: i64,
    pub(super) on_sale: bool,
}

/// The pretend marketplaces.
pub(super) struct Markets {
    pub(super) tiktok: FakeTikTok,
    amazon: FakeAmazon,
    shopee: FakeShopee,
    shopline: FakeShopline,
}

impl Markets {
    /// Starts them, with `page` as the place to which consents lead back.
    pub(super) fn open(page: &str) -> io::Result<Self> {
        let clock = Clock::system;
        let markets = Self {
            tiktok: FakeTikTok::new(clock())?,
            amazon: FakeAmazon::new(clock())?,
            shopee: FakeShopee::new(clock())?,
            shopline: FakeShopline::new(clock())?,
        };
        let callback = |channel: &str| -> io::Result<Url> {
            format!("{page}/oauth/{channel}/callback").parse().map_err(io::Error::other)
        };
        markets.tiktok.set_redirect_url(callback("tiktok_shop")?);
        markets.amazon.set_redirect_url(callback("amazon")?);
        markets.amazon.set_login_url(format!("{page}/oauth/amazon/start").parse().map_err(io::Error::other)?);
        markets.shopee.set_redirect_url(callback("shopee")?);
        markets.shopline.set_redirect_url(callback("shopline")?);
        markets.settle()?;
        Ok(markets)
    }

    /// The sellers and what they have.
    fn settle(&self) -> io::Result<()> {
        for (shop, name, region) in [(BY_CONSENT[0], "Harbour Ltd", "GB"), (HANDED_IN, "Hafen GmbH", "DE")] {
            self.tiktok.add_seller(shop.account, name, region);
            self.tiktok.add_shop(shop.account, shop.place, name, region);
        }
        self.amazon.add_seller(BY_CONSENT[1].account, "Hafen GmbH", &["DE", "FR", "IT"]);
        self.amazon.rules(|rules| rules.processing = FEED_TIME);
        self.shopee.add_shop(14_701_711, "Harbour SG", "SG");
        self.shopline.add_global("harbour", BY_CONSENT[3].account, "Harbour store");
        self.shopline.add_asia("gangwan", BY_CONSENT[4].account, "Gangwan");
        for (number, shop) in shops::all().enumerate() {
            self.stock(shop, &listed(shop, number)).map_err(io::Error::other)?;
        }
        self.tiktok.age(AGE);
        self.amazon.age(AGE);
        self.shopee.age(AGE);
        self.shopline.age(AGE);
        Ok(())
    }

    /// Puts this into a shop.
    fn stock(&self, shop: DemoShop, variants: &[Variant]) -> Result<(), String> {
        match shop.channel {
            "tiktok_shop" => {
                let seed = |one: &Variant| tiktok_shop::Seed {
                    sku: one.sku.clone(),
                    product: one.product.clone(),
                    title: one.title.clone(),
                    price: one.price.to_string(),
                    stock: Some(one.stock),
                    options: options(one),
                    ..tiktok_shop::Seed::default()
                };
                self.tiktok.seed_products(shop.place, &variants.iter().map(seed).collect::<Vec<_>>())
            }
            "amazon" => {
                let seed = |one: &Variant| amazon::Seed {
                    sku: one.sku.clone(),
                    title: Some(one.title.clone()),
                    price: Some(one.price.to_string()),
                    stock: Some(one.stock),
                    ..amazon::Seed::default()
                };
                self.amazon.seed_items(shop.account, shop.place, &variants.iter().map(seed).collect::<Vec<_>>())
            }
            "shopee" => {
                let seed = |one: &Variant| shopee::Seed {
                    sku: one.sku.clone(),
                    product: one.product.clone(),
                    title: one.title.clone(),
                    price: one.price.to_string(),
                    stock: Some(one.stock),
                    options: options(one),
                    ..shopee::Seed::default()
                };
                self.shopee.seed_items(shopee_id(shop), &variants.iter().map(seed).collect::<Vec<_>>())
            }
            _ => {
                let seed = |one: &Variant| shopline::Seed {
                    sku: one.sku.clone(),
                    product: one.product.clone(),
                    title: one.title.clone(),
                    price: one.price.to_string(),
                    stock: Some(one.stock),
                    options: options(one),
                    ..shopline::Seed::default()
                };
                self.shopline.seed_products(shop.account, &variants.iter().map(seed).collect::<Vec<_>>())
            }
        }
    }

    /// How every SKU stands in a shop, asked of the marketplace.
    pub(super) fn standings(&self, shop: DemoShop) -> BTreeMap<String, Standing> {
        let (listings, on_sale) = match shop.channel {
            "tiktok_shop" => (self.tiktok.listings(shop.place), "ACTIVATE"),
            "amazon" => (self.amazon.items(shop.account, shop.place), ""),
            "shopee" => (self.shopee.listings(shopee_id(shop)), "NORMAL"),
            _ => (self.shopline.listings(shop.account), "active"),
        };
        let standing = |listing: Value| {
            let price = listing["price"].as_str().and_then(|text| text.parse().ok());
            // Amazon has no word for it: what has a price is offered.
            let on_sale = if on_sale.is_empty() { price.is_some() } else { listing["status"] == on_sale };
            let stock = listing["stock"].as_i64().unwrap_or_default();
            Some((listing["sku"].as_str()?.to_owned(), Standing { price, stock, on_sale }))
        };
        listings.into_iter().filter_map(standing).collect()
    }

    /// An image that new products can have.
    pub(super) fn image(&self) -> Url {
        self.shopee.image()
    }

    /// Where each of them listens.
    pub(super) fn addresses(&self) -> [(&'static str, Url); 4] {
        [
            ("TikTok Shop", self.tiktok.url()),
            ("Amazon", self.amazon.url()),
            ("Shopee", self.shopee.url()),
            ("SHOPLINE", self.shopline.url()),
        ]
    }

    /// `[channels.…]` of all of them, without secrets, beside which the secrets of their apps.
    pub(super) fn apps(&self) -> [(&'static str, Map<String, Value>, &'static [AppSecret]); 4] {
        [
            ("tiktok_shop", self.tiktok.app_settings(), &[(CLIENT_SECRET, tiktok_shop::APP_SECRET)]),
            ("amazon", self.amazon.app_settings(), &[(CLIENT_SECRET, amazon::APP_SECRET)]),
            ("shopee", self.shopee.app_settings(), &[(CLIENT_SECRET, shopee::PARTNER_KEY)]),
            ("shopline", self.shopline.app_settings(), SHOPLINE_SECRETS),
        ]
    }

    /// Tokens as an operator would bring them from a former program: agreed to 345 days ago, 20 days left.
    pub(super) fn old_tokens(&self) -> Value {
        let day = SignedDuration::from_hours(24);
        let issued = self.tiktok.grant_tokens(HANDED_IN.account, day * 345, day * 20);
        let mut tokens = serde_json::to_value(&issued).unwrap_or_default();
        tokens["authorized_at"] = json!(Clock::system().now() - day * 345);
        tokens
    }

    /// The owner takes the permission back; where the marketplace has a webhook for that, the one it sends.
    pub(super) fn revoke(&self, shop: DemoShop, webhook: &Url) -> Option<RawWebhook> {
        match shop.channel {
            "tiktok_shop" => {
                self.tiktok.revoke(shop.account);
                Some(self.tiktok.webhook(6, shop.place, json!({"message": "the seller deauthorized the app"})))
            }
            "amazon" => {
                self.amazon.revoke(shop.account);
                None
            }
            "shopee" => {
                let id = shopee_id(shop);
                self.shopee.revoke(id);
                Some(self.shopee.signed_webhook(webhook, 2, &[id]))
            }
            _ => {
                self.shopline.revoke(shop.account);
                self.shopline.uninstall_webhook(shop.account)
            }
        }
    }

    /// The time for which the owner agreed is over in `left`, and the marketplace says so beforehand. `None`: this
    /// marketplace has no such notice.
    pub(super) fn lapse(&self, shop: DemoShop, left: SignedDuration) -> Option<RawWebhook> {
        if shop.channel != "tiktok_shop" {
            return None;
        }
        let ends_at = Clock::system().now() + left;
        self.tiktok.end_at(shop.account, ends_at);
        let data = json!({"message": "the authorization ends", "expiration_time": ends_at.as_second().to_string()});
        Some(self.tiktok.webhook(7, shop.place, data))
    }
}

fn shopee_id(shop: DemoShop) -> u64 {
    shop.account.parse().unwrap_or_default()
}

fn options(variant: &Variant) -> Vec<(String, String)> {
    variant.options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// How the catalogue stands in the shop of this number before the first export: most SKUs as the source wants them, some with an
/// old price or stock; and something that the source does not know.
fn listed(shop: DemoShop, number: usize) -> Vec<Variant> {
    let as_it_stands = |(index, mut variant): (usize, Variant)| {
        let increase = if (index + number) % 45 == 4 { Decimal::TWO } else { Decimal::ZERO };
        variant.price = shop.price_of(variant.price + increase);
        // What Amazon's shops have in stock is one number.
        if shop.place != "FR" && (index + number) % 47 == 6 {
            variant.stock += 5;
        }
        variant
    };
    let own = catalogue::variants().into_iter().take(1).map(|variant| Variant {
        sku: OWN_SKU.to_owned(),
        product: "window-display".to_owned(),
        title: "Not for sale at the source".to_owned(),
        ..variant
    });
    let known = catalogue::variants().into_iter().chain(own);
    known.enumerate().map(as_it_stands).collect()
}
