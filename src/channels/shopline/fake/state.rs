//! What the pretend SHOPLINEs know: stores, tokens, and what they have seen of their callers.

use std::collections::{BTreeMap, HashMap, VecDeque};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use url::Url;

use super::{
    APP_KEY,
    goods::{Goods, Seed},
};
use crate::{
    channels::{
        fake::{Mishap, Recent},
        shopline::Platform,
    },
    secrets::random_text,
};

/// How long the token before works on after Global renewed it.
const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// How much longer Asia's refresh tokens work than the access tokens they came with.
const REFRESH_TOKEN_REST: SignedDuration = SignedDuration::from_hours(24);
/// Global's bucket: so many calls at once, and so many a second.
const BUCKET: f64 = 40.0;
const LEAK: f64 = 4.0;
/// Asia's calls a second.
const ASIA_CALLS: usize = 20;

/// How the pretend platforms behave. The defaults are the vendor's where the vendor says.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long Global's access tokens live: 10 hours.
    pub access_token_life: SignedDuration,
    /// How long Asia's access tokens live: 15,778,476 seconds.
    pub asia_access_token_life: SignedDuration,
    /// How long Global refuses to renew a token it has just issued. The vendor names no time; here a minute.
    pub refresh_rest: SignedDuration,
    /// Whether calls are counted against the documented limits, by the real clock.
    pub limits: bool,
    /// Whether a new consent ends the tokens of the one before at once, but for those made by hand. The vendor does not say; here it
    /// does, since a daemon that relies on the old ones would be the worse for it.
    pub renewal_ends_old_tokens: bool,
    /// Whether a spent refresh token of Asia works once more when the reply to its first use was lost. The vendor does not say.
    pub lost_reply_forgiven: bool,
    /// Whether Global's access tokens tell the store's id.
    pub readable_tokens: bool,
    /// No page has more products than this, whatever is asked for.
    pub page_cap: usize,
    /// Whether Asia knows `previous_id`: some shops do.
    pub previous_id: bool,
    /// Whether each page of Global but the first names itself as the next one.
    pub pages_loop: bool,
    /// Whether Global takes no token of a next page any more.
    pub tokens_forgotten: bool,
    /// Whether Global lists products by title. Its pages of some versions name no such filter, and unknown ones are ignored.
    pub title_filter: bool,
    /// By which name Asia is told that images take the place of others: the vendor's page has both `is_replcae` and `is_replace`.
    pub replace_word: &'static str,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            access_token_life: SignedDuration::from_hours(10),
            asia_access_token_life: SignedDuration::from_secs(15_778_476),
            refresh_rest: SignedDuration::from_mins(1),
            limits: true,
            renewal_ends_old_tokens: true,
            lost_reply_forgiven: false,
            readable_tokens: true,
            page_cap: 999,
            previous_id: false,
            pages_loop: false,
            tokens_forgotten: false,
            title_filter: true,
            replace_word: "is_replcae",
        }
    }
}

/// What the pretend platforms have seen.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Calls by path, without the handle.
    pub calls: BTreeMap<String, u64>,
    /// Calls beyond the rate limit.
    pub rate_violations: u64,
    /// Refresh tokens that came again although the reply to their first use had been sent whole.
    pub refresh_tokens_spent_twice: u64,
    /// Refresh tokens that came again after a reply that was lost.
    pub refresh_tokens_spent_after_lost_reply: u64,
    /// Renewals asked of Global too soon.
    pub refreshes_too_soon: u64,
    /// Tokens renewed.
    pub refreshes: u64,
    /// Codes traded.
    pub exchanges: u64,
    /// Calls with a wrong signature, timestamp, app key or secret.
    pub bad_signatures: u64,
    /// Calls with a token that was expired, revoked or unknown.
    pub bad_tokens: u64,
    /// Calls to Asia that do not say for which shop.
    pub bad_user_agents: u64,
    /// Pages asked of Global by a token with further filters beside it.
    pub mixed_page_info: u64,
    /// Prices changed by the apps.
    pub prices_changed: u64,
    /// Stocks changed by the apps.
    pub stocks_changed: u64,
    /// Products and variants made by the apps.
    pub created: u64,
    /// Products whose images were set by the apps.
    pub images_changed: u64,
    /// Products taken off sale by the apps.
    pub taken_off_sale: u64,
}

/// Tokens, as handed to an app: what `shops authorize` takes from standard input.
#[derive(Debug, Clone, Serialize)]
pub struct Issued {
    /// Whose they are.
    pub account: String,
    /// For calls.
    pub access_token: String,
    /// When it ends.
    #[serde(skip)]
    pub access_token_ends_at: Timestamp,
    /// For renewing: on Global the handle. `None` for tokens made by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// When the owner gave the permission.
    pub authorized_at: Timestamp,
    /// When a token made by hand ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

/// Whether a store is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    /// Not paid for.
    Frozen,
    /// By the security layer.
    Locked,
}

/// A store.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) platform: Platform,
    pub(super) handle: String,
    pub(super) name: String,
    pub(super) standing: Standing,
    pub(super) installed: bool,
    /// When Global last issued a token.
    pub(super) issued_at: Option<Timestamp>,
    pub(super) goods: Goods,
}

impl Store {
    pub(super) fn new(platform: Platform, handle: String, name: String) -> Self {
        let goods = Goods::of(platform);
        Self { platform, handle, name, standing: Standing::Open, installed: false, issued_at: None, goods }
    }
}

pub(super) struct Access {
    pub(super) account: String,
    pub(super) ends_at: Timestamp,
    pub(super) revoked: bool,
    /// Made by hand: other tokens are none of its business.
    by_hand: bool,
}

pub(super) struct Refresh {
    pub(super) account: String,
    pub(super) ends_at: Timestamp,
    pub(super) revoked: bool,
    pub(super) spent: bool,
    /// The reply to its use was lost, and what it was renewed to.
    pub(super) unread: Option<String>,
}

pub(super) struct Code {
    pub(super) account: String,
    pub(super) until: Timestamp,
    pub(super) redirect: String,
    pub(super) used: bool,
}

/// All of it.
#[derive(Default)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) redirect_url: Option<Url>,
    /// By account: Global's store ids and Asia's merchant ids.
    pub(super) stores: BTreeMap<String, Store>,
    pub(super) access: HashMap<String, Access>,
    pub(super) refresh: HashMap<String, Refresh>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) broken: Option<Mishap>,
    pub(super) next_of_api: VecDeque<Mishap>,
    pub(super) next_of_tokens: VecDeque<Mishap>,
    pub(super) stats: Stats,
    buckets: HashMap<String, (f64, Instant)>,
    recent: HashMap<String, Recent>,
}

impl World {
    /// The account of a store.
    pub(super) fn account(&self, platform: Platform, handle: &str) -> Option<String> {
        let found = self.stores.iter().find(|(_, store)| store.platform == platform && store.handle == handle);
        found.map(|(account, _)| account.clone())
    }

    /// Everybody who could agree on a platform, for the consent page.
    pub(super) fn accounts(&self, platform: Platform, handle: Option<&str>) -> Vec<(String, String)> {
        let mine = |store: &&Store| store.platform == platform && handle.is_none_or(|handle| store.handle == handle);
        let stores = self.stores.iter().filter(|(_, store)| mine(store));
        stores.map(|(account, store)| (account.clone(), store.name.clone())).collect()
    }

    /// Hands out the tokens of a consent.
    pub(super) fn grant(&mut self, account: &str, now: Timestamp) -> Option<Issued> {
        if self.rules.renewal_ends_old_tokens {
            let access = self.access.values_mut().filter(|token| token.account == account && !token.by_hand);
            access.for_each(|token| token.revoked = true);
            self.refresh.values_mut().filter(|token| token.account == account).for_each(|token| token.revoked = true);
        }
        self.issue(account, now)
    }

    /// Hands out tokens to the app.
    pub(super) fn issue(&mut self, account: &str, now: Timestamp) -> Option<Issued> {
        let store = self.stores.get_mut(account)?;
        store.installed = true;
        store.issued_at = Some(now);
        let (platform, handle) = (store.platform, store.handle.clone());
        let life = match platform {
            Platform::Global => self.rules.access_token_life,
            Platform::Asia => self.rules.asia_access_token_life,
        };
        // Both tell whole seconds.
        let ends_at = Timestamp::from_second((now + life).as_second()).unwrap_or(now);
        if platform == Platform::Global {
            let before = self.access.values_mut().filter(|token| token.account == account && !token.by_hand);
            before.for_each(|token| token.ends_at = token.ends_at.min(now + GRACE));
        }
        let access_token = self.make_access_token(account, ends_at, now, false);
        let refresh_token = match platform {
            Platform::Global => handle,
            Platform::Asia => {
                let text = random_text(48);
                let (account, ends_at) = (account.to_owned(), ends_at + REFRESH_TOKEN_REST);
                let token = Refresh { account, ends_at, revoked: false, spent: false, unread: None };
                self.refresh.insert(text.clone(), token);
                text
            }
        };
        Some(Issued {
            account: account.to_owned(),
            access_token,
            access_token_ends_at: ends_at,
            refresh_token: Some(refresh_token),
            authorized_at: now,
            ends_at: None,
        })
    }

    /// A token that somebody makes in the shop's admin.
    pub(super) fn make_by_hand(&mut self, account: &str, ends_at: Timestamp, now: Timestamp) -> Option<Issued> {
        self.stores.get(account)?;
        let access_token = self.make_access_token(account, ends_at, now, true);
        let account = account.to_owned();
        let (access_token_ends_at, authorized_at) = (ends_at, now);
        let (refresh_token, ends_at) = (None, Some(ends_at));
        Some(Issued { account, access_token, access_token_ends_at, refresh_token, authorized_at, ends_at })
    }

    fn make_access_token(&mut self, account: &str, ends_at: Timestamp, now: Timestamp, by_hand: bool) -> String {
        let global = self.stores.get(account).is_some_and(|store| store.platform == Platform::Global);
        let claims = match (global, self.rules.readable_tokens) {
            (true, true) => json!({
                "appKey": APP_KEY, "sellerId": "2000234880", "storeId": account, "version": "V2",
                "domain": "https://sl-open.example", "timestamp": now.as_millisecond(), "iss": "fake",
                "exp": ends_at.as_second(),
            }),
            (true, false) => json!({"version": "V3"}),
            (false, _) => json!({"data": {"merchant_id": account}, "aud": [], "sub": account}),
        };
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let header = part(json!({"alg": "HS512"}).to_string());
        let text = format!("{header}.{}.{}", part(claims.to_string()), random_text(43));
        let token = Access { account: account.to_owned(), ends_at, revoked: false, by_hand };
        self.access.insert(text.clone(), token);
        text
    }

    /// The owner uninstalls the app: all its tokens die.
    pub(super) fn uninstall(&mut self, account: &str) {
        if let Some(store) = self.stores.get_mut(account) {
            store.installed = false;
        }
        self.access.values_mut().filter(|token| token.account == account).for_each(|token| token.revoked = true);
        self.refresh.values_mut().filter(|token| token.account == account).for_each(|token| token.revoked = true);
    }

    /// Makes every access token too old.
    pub(super) fn expire(&mut self, account: &str, now: Timestamp) {
        self.access.values_mut().filter(|token| token.account == account).for_each(|token| token.ends_at = now);
    }

    /// The last end is reached: on Asia that of the refresh token. On Global there is none, and the app is uninstalled.
    pub(super) fn end(&mut self, account: &str, now: Timestamp) {
        if self.stores.get(account).is_some_and(|store| store.platform == Platform::Global) {
            return self.uninstall(account);
        }
        self.expire(account, now);
        self.refresh.values_mut().filter(|token| token.account == account).for_each(|token| token.ends_at = now);
    }

    /// Puts products into a store, or changes them.
    pub(super) fn seed(&mut self, account: &str, seeds: &[Seed], now: Timestamp) -> Result<(), String> {
        let store = self.stores.get_mut(account).ok_or("there is no such store")?;
        seeds.iter().try_for_each(|seed| store.goods.put(store.platform, seed, now))
    }

    /// Deletes the product of a SKU, as its owner would.
    pub(super) fn delete(&mut self, account: &str, sku: &str, now: Timestamp) -> Result<(), String> {
        let store = self.stores.get_mut(account).ok_or("there is no such store")?;
        let (product, _) = store.goods.find(sku).ok_or("there is no such SKU")?;
        "removed".clone_into(&mut product.status);
        product.updated_at = now;
        if store.platform == Platform::Global {
            store.goods.products.retain(|product| product.status != "removed");
        }
        Ok(())
    }

    /// Counts a call; `false`: it is one too many.
    pub(super) fn within_limits(&mut self, platform: Platform, account: &str) -> bool {
        if !self.rules.limits {
            return true;
        }
        let within = match platform {
            Platform::Global => {
                let now = Instant::now();
                let (level, at) = self.buckets.entry(account.to_owned()).or_insert((0.0, now));
                *level = (*level - now.duration_since(*at).as_secs_f64() * LEAK).max(0.0);
                *at = now;
                let within = *level < BUCKET;
                *level += if within { 1.0 } else { 0.0 };
                within
            }
            Platform::Asia => self.recent.entry(account.to_owned()).or_default().admits(ASIA_CALLS),
        };
        self.stats.rate_violations += u64::from(!within);
        within
    }
}
