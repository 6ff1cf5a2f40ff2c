//! The pretend marketplaces of the demo, and who owns which shop on them.

use std::io;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};
use url::Url;

use super::catalogue;
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

/// A shop of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct DemoShop {
    /// Its id in the settings.
    pub(super) id: &'static str,
    /// Its channel.
    pub(super) channel: &'static str,
    /// Who owns it, as the marketplace's consent page has it.
    pub(super) account: &'static str,
    /// The rest of its section in the settings.
    settings: &'static str,
}

/// The shop whose tokens are handed in.
pub(super) const HANDED_IN: DemoShop = DemoShop {
    id: "tiktok-de",
    channel: "tiktok_shop",
    account: "seller-hafen",
    settings: "name = \"TikTok Shop Germany\"\nshop_id = \"7490000000000000002\"\nregion = \"DE\"\ndetails = false\n\
               remind = [{ address = \"inhaberin@example.com\", language = \"de\" }]\n\n\
               [shops.tiktok-de.export]\nprice = { convert = { EUR = \"1.15\" } }\n",
};

/// The shops that are authorized on their marketplaces' consent pages. One consent serves both of Amazon's.
pub(super) const BY_CONSENT: [DemoShop; 5] = [
    DemoShop {
        id: "tiktok-uk",
        channel: "tiktok_shop",
        account: "seller-harbour",
        settings: "name = \"TikTok Shop UK\"\nshop_id = \"7490000000000000001\"\nregion = \"GB\"\ndetails = false\n",
    },
    DemoShop {
        id: "amazon-de",
        channel: "amazon",
        account: "A3TH9S8BH6GOGM",
        settings: "name = \"Amazon Germany\"\nmarketplace = \"DE\"\n",
    },
    DemoShop {
        id: "shopee-sg",
        channel: "shopee",
        account: "14701711",
        settings: "name = \"Shopee Singapore\"\nshop_id = \"14701711\"\nregion = \"SG\"\n",
    },
    DemoShop {
        id: "shopline-global",
        channel: "shopline",
        account: "1607082241210",
        settings: "name = \"SHOPLINE store\"\nplatform = \"global\"\nhandle = \"harbour\"\n",
    },
    DemoShop {
        id: "shopline-asia",
        channel: "shopline",
        account: "635a5817fd851b000d2f0001",
        settings: "name = \"SHOPLINE Taiwan\"\nplatform = \"asia\"\nhandle = \"gangwan\"\n",
    },
];

/// A secret under its key in `[channels.…]`.
type AppSecret = (&'static str, &'static str);

const CLIENT_SECRET: &str = "client_secret";
/// The two platforms of SHOPLINE have an app each.
const SHOPLINE_SECRETS: &[AppSecret] =
    &[(CLIENT_SECRET, shopline::APP_SECRET), ("asia_client_secret", shopline::ASIA_APP_SECRET)];

/// Shares the consent of `amazon-de`.
const SHARED: DemoShop = DemoShop {
    id: "amazon-fr",
    channel: "amazon",
    account: "A3TH9S8BH6GOGM",
    settings: "name = \"Amazon France\"\nmarketplace = \"FR\"\n",
};

/// A shop by its id.
pub(super) fn find(id: &str) -> Option<DemoShop> {
    all().find(|shop| shop.id == id)
}

/// Every shop that has an owner.
pub(super) fn all() -> impl Iterator<Item = DemoShop> {
    BY_CONSENT.into_iter().chain([SHARED, HANDED_IN])
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
        for (account, name, region, id, factor) in [
            (BY_CONSENT[0].account, "Harbour Ltd", "GB", "7490000000000000001", 100),
            (HANDED_IN.account, "Hafen GmbH", "DE", "7490000000000000002", 115),
        ] {
            self.tiktok.add_seller(account, name, region);
            self.tiktok.add_shop(account, id, name, region);
            self.tiktok.seed_products(id, &catalogue::listed(factor)).map_err(io::Error::other)?;
        }
        self.amazon.add_seller(SHARED.account, "Hafen GmbH", &["DE", "FR", "IT"]);
        self.shopee.add_shop(14_701_711, "Harbour SG", "SG");
        self.shopline.add_global("harbour", BY_CONSENT[3].account, "Harbour store");
        self.shopline.add_asia("gangwan", BY_CONSENT[4].account, "Gangwan");
        Ok(())
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
                Some(self.tiktok.webhook(6, place_of(shop), json!({"message": "the seller deauthorized the app"})))
            }
            "amazon" => {
                self.amazon.revoke(shop.account);
                None
            }
            "shopee" => {
                let id = shop.account.parse().ok()?;
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
        Some(self.tiktok.webhook(7, place_of(shop), data))
    }
}

/// The marketplace's id of a shop on TikTok Shop.
fn place_of(shop: DemoShop) -> &'static str {
    if shop.id == HANDED_IN.id { "7490000000000000002" } else { "7490000000000000001" }
}

/// `shops.d/shops.toml`.
pub(super) fn sections() -> String {
    let section = |shop: DemoShop| format!("[shops.{}]\nchannel = \"{}\"\n{}\n", shop.id, shop.channel, shop.settings);
    all().map(section).collect()
}
