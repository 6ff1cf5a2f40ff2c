//! The marketplaces of the story, a shop on each kind, and what their owners do there.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use jiff::SignedDuration;
use serde_json::{Value, json};
use shopsyncd::{
    channels::{
        RawWebhook,
        amazon::fake::{self as amazon, FakeAmazon},
        fake::Mishap,
        shopee::fake::{self as shopee, FakeShopee},
        shopline::fake::{self as shopline, FakeShopline},
        tiktok_shop::fake::{self as tiktok_shop, FakeTikTok},
    },
    clock::Clock,
};
use url::Url;

use crate::world::marketplace;

/// A marketplace as its shops know it: SHOPLINE is two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Market {
    TikTok,
    Amazon,
    Shopee,
    Global,
    Asia,
}

/// Every shop in the settings.
pub(super) const SHOPS: [(&str, Market); 5] = [
    ("harbour", Market::TikTok),
    ("de", Market::Amazon),
    ("my", Market::Shopee),
    ("store", Market::Global),
    ("stall", Market::Asia),
];
/// Channels with the secrets of their apps.
const APPS: [(&str, &str); 5] = [
    ("tiktok_shop", tiktok_shop::APP_SECRET),
    ("amazon", amazon::APP_SECRET),
    ("shopee", shopee::PARTNER_KEY),
    ("shopline", shopline::APP_SECRET),
    (ASIA, shopline::ASIA_APP_SECRET),
];
/// The other app on SHOPLINE.
const ASIA: &str = "shopline-asia";
const TIKTOK_ACCOUNT: &str = "seller-harbour";
const TIKTOK_SHOP: &str = "7490000000000000001";
const SELLER: &str = "A3TH9S8BH6GOGM";
const SHOPEE_SHOP: u64 = 22;
const STORE: &str = "1672369729606";
const MERCHANT: &str = "5f0bda5e4e5fca0010c81fef";
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Market {
    pub(super) const fn channel(self) -> &'static str {
        match self {
            Self::TikTok => "tiktok_shop",
            Self::Amazon => "amazon",
            Self::Shopee => "shopee",
            Self::Global | Self::Asia => "shopline",
        }
    }

    /// What goes wrong while its tokens are renewed: first an answer breaks off in the midst of its tokens. Of Amazon our side
    /// asks for little more than ten calls in a quarter of an hour.
    pub(super) const fn mishaps(self) -> &'static [Mishap] {
        const ALL: [Mishap; 3] = [Mishap::CutOff, Mishap::UnknownField, Mishap::ServerError];
        match self {
            Self::Amazon => ALL.split_at(1).0,
            _ => &ALL,
        }
    }

    /// What stands in the settings of its shop.
    pub(super) fn shop(self) -> String {
        let own = match self {
            Self::TikTok => format!("shop_id = \"{TIKTOK_SHOP}\""),
            Self::Amazon => "marketplace = \"de\"".to_owned(),
            Self::Shopee => format!("shop_id = \"{SHOPEE_SHOP}\"\nregion = \"MY\""),
            Self::Global => "platform = \"global\"\nhandle = \"teststore\"".to_owned(),
            Self::Asia => "platform = \"asia\"\nhandle = \"teststall\"".to_owned(),
        };
        format!("channel = \"{}\"\n{own}\n", self.channel())
    }
}

/// All of them, pretended on loopback.
pub(super) struct Markets {
    tiktok: FakeTikTok,
    pub(super) amazon: FakeAmazon,
    shopee: FakeShopee,
    pub(super) shopline: FakeShopline,
}

impl Markets {
    /// With the shops, and owners who are led back to this page.
    pub(super) fn new(page: &Url) -> Self {
        let clock = Clock::system();
        let markets = Self {
            tiktok: FakeTikTok::new(clock.clone()).unwrap(),
            amazon: FakeAmazon::new(clock.clone()).unwrap(),
            shopee: FakeShopee::new(clock.clone()).unwrap(),
            shopline: FakeShopline::new(clock).unwrap(),
        };
        let callback = |channel: &str| page.join(&format!("oauth/{channel}/callback")).unwrap();
        let Self { tiktok, amazon, shopee, shopline } = &markets;
        tiktok.set_redirect_url(callback("tiktok_shop"));
        tiktok.rules(|rules| rules.lost_reply_forgiven = true);
        tiktok.add_seller(TIKTOK_ACCOUNT, "Harbour Ltd", "GB");
        tiktok.add_shop(TIKTOK_ACCOUNT, TIKTOK_SHOP, "Harbour", "GB");
        amazon.set_redirect_url(callback("amazon"));
        amazon.set_login_url(page.join("oauth/amazon/start").unwrap());
        amazon.rules(|rules| rules.rates = false);
        amazon.add_seller(SELLER, "Seller Ltd", &["DE"]);
        shopee.set_redirect_url(callback("shopee"));
        shopee.add_shop(SHOPEE_SHOP, "Mine", "MY");
        shopline.set_redirect_url(callback("shopline"));
        shopline.rules(|rules| {
            rules.lost_reply_forgiven = true;
            rules.refresh_rest = SignedDuration::ZERO;
        });
        shopline.add_global("teststore", STORE, "Store");
        shopline.add_asia("teststall", MERCHANT, "Stall");
        markets
    }

    /// The settings of all channels and shops. The secrets of the apps stand in files of this folder.
    pub(super) fn settings(&self, folder: &Path) -> String {
        let mut text = marketplace(&self.tiktok, &secret_file(folder, "tiktok_shop"), ["1 hour"; 3]);
        for (channel, app) in [
            ("amazon", self.amazon.app_settings()),
            ("shopee", self.shopee.app_settings()),
            ("shopline", self.shopline.app_settings()),
        ] {
            let (mut app, secret) = (toml::to_string(&app).unwrap(), secret_file(folder, channel));
            if channel == "shopline" {
                writeln!(app, "asia_client_secret = {{ file = \"{}\" }}", secret_file(folder, ASIA).display()).unwrap();
            }
            write!(
                text,
                "[channels.{channel}]\n{app}client_secret = {{ file = \"{}\" }}\n\
                 [channels.{channel}.jobs]\nauthorization_refresh = \"1 hour\"\n",
                secret.display()
            )
            .unwrap();
        }
        for (shop, market) in SHOPS {
            write!(text, "[shops.{shop}]\n{}", market.shop()).unwrap();
        }
        text
    }

    /// The owner opens a consent link and agrees (or not): where the browser goes next.
    pub(super) fn decide(&self, market: Market, link: &Url, agrees: bool) -> Url {
        match market {
            Market::TikTok => self.tiktok.consent(link, agrees.then_some(TIKTOK_ACCOUNT)),
            Market::Amazon => self.amazon.consent(link, agrees.then_some(SELLER)),
            Market::Shopee => self.shopee.consent(link, agrees.then_some(SHOPEE_SHOP)),
            Market::Global => self.shopline.consent(link, agrees.then_some(STORE)),
            Market::Asia => self.shopline.consent(link, agrees.then_some(MERCHANT)),
        }
        .unwrap()
    }

    /// The seller begins at Amazon: the daemon's address to which the browser is sent.
    pub(super) fn begin_at_amazon(&self) -> Url {
        self.amazon.begin(SELLER).unwrap()
    }

    /// What the operator has of an older consent. On TikTok Shop that one nears its end, so that mails are owed.
    pub(super) fn tokens(&self, market: Market) -> Value {
        let given = Clock::system().now() - DAY * 345;
        match market {
            Market::TikTok => {
                let mut tokens = json!(self.tiktok.grant_tokens(TIKTOK_ACCOUNT, DAY * 345, DAY * 20));
                tokens["authorized_at"] = json!(given);
                tokens
            }
            Market::Amazon => json!(self.amazon.grant_tokens(SELLER, DAY)),
            Market::Shopee => json!(self.shopee.grant_tokens(SHOPEE_SHOP, DAY, DAY * 300)),
            Market::Global => json!(self.shopline.grant_tokens(STORE)),
            Market::Asia => json!(self.shopline.grant_tokens(MERCHANT)),
        }
    }

    /// The access tokens of a shop are too old from now on.
    pub(super) fn expire(&self, market: Market) {
        match market {
            Market::TikTok => self.tiktok.expire_access_tokens(TIKTOK_ACCOUNT),
            Market::Amazon => self.amazon.expire_access_tokens(SELLER),
            Market::Shopee => self.shopee.expire_access_tokens(SHOPEE_SHOP),
            Market::Global => self.shopline.expire_access_tokens(STORE),
            Market::Asia => self.shopline.expire_access_tokens(MERCHANT),
        }
    }

    /// The next answer for tokens has this mishap.
    pub(super) fn fail_next_token_call(&self, market: Market, mishap: Mishap) {
        match market {
            Market::TikTok => self.tiktok.fail_next_token_call(mishap),
            Market::Amazon => self.amazon.fail_next_token_call(mishap),
            Market::Shopee => self.shopee.fail_next_token_call(mishap),
            Market::Global | Market::Asia => self.shopline.fail_next_token_call(mishap),
        }
    }

    /// The next answer to any other call has this mishap.
    pub(super) fn fail_next(&self, market: Market, mishap: Mishap) {
        match market {
            Market::TikTok => self.tiktok.fail_next(mishap),
            Market::Amazon => self.amazon.fail_next(mishap),
            Market::Shopee => self.shopee.fail_next(mishap),
            Market::Global | Market::Asia => self.shopline.fail_next(mishap),
        }
    }

    /// How often tokens were renewed.
    pub(super) fn refreshes(&self, market: Market) -> u64 {
        match market {
            Market::TikTok => self.tiktok.stats().refreshes,
            Market::Amazon => self.amazon.stats().refreshes,
            Market::Shopee => self.shopee.stats().refreshes,
            Market::Global | Market::Asia => self.shopline.stats().refreshes,
        }
    }

    /// The owner takes the permission back.
    pub(super) fn revoke(&self, market: Market) {
        match market {
            Market::TikTok => self.tiktok.revoke(TIKTOK_ACCOUNT),
            Market::Amazon => self.amazon.revoke(SELLER),
            Market::Shopee => self.shopee.revoke(SHOPEE_SHOP),
            Market::Global => self.shopline.revoke(STORE),
            Market::Asia => self.shopline.revoke(MERCHANT),
        }
    }

    /// The webhook that says so; `None`: the marketplace sends none.
    pub(super) fn webhook(&self, market: Market, page: &Url) -> Option<RawWebhook> {
        match market {
            Market::TikTok => Some(self.tiktok.webhook(6, TIKTOK_SHOP, json!({}))),
            Market::Amazon => None,
            Market::Shopee => {
                Some(self.shopee.signed_webhook(&page.join("webhooks/shopee").unwrap(), 2, &[SHOPEE_SHOP]))
            }
            Market::Global => self.shopline.signed_webhook(STORE, "apps/installed_uninstalled"),
            Market::Asia => self.shopline.signed_webhook(MERCHANT, "application/uninstall"),
        }
    }

    /// Every token and code that they ever gave, and the secrets of the apps, by channel.
    pub(super) fn secrets(&self) -> [(&'static str, Vec<String>); 4] {
        [
            ("a secret of TikTok Shop", self.tiktok.secrets()),
            ("a secret of Amazon", self.amazon.secrets()),
            ("a secret of Shopee", self.shopee.secrets()),
            ("a secret of SHOPLINE", self.shopline.secrets()),
        ]
    }
}

/// Writes the secrets of the apps into their files; what makes them wrong is put before each.
pub(super) fn write_app_secrets(folder: &Path, wrong: &str) {
    for (channel, secret) in APPS {
        fs::write(secret_file(folder, channel), format!("{wrong}{secret}")).unwrap();
    }
}

fn secret_file(folder: &Path, channel: &str) -> PathBuf {
    folder.join(format!("secret-of-{channel}"))
}
