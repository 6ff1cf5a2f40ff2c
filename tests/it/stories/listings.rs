//! Products on Shopee and on the two SHOPLINEs: read, compared, brought in line, and from then on only what is edited is sent.

use std::collections::BTreeMap;

use serde_json::Value;
use shopsyncd::{
    channels::{
        Tools,
        shopee::fake::{self as shopee, FakeShopee},
        shopline::fake::{self as shopline, FakeShopline},
    },
    clock::Clock,
    config::load::Env,
    daemon,
    domain::{Demand, Outcome},
    http::Http,
    settings,
};

use crate::world::{Database, EXPORT, IMPORT, World, minutes, on_both_databases};

on_both_databases! {
    a_shop_on_shopee_is_brought_in_line_and_then_told_only_what_is_edited,
    a_store_on_shopline_global_is_brought_in_line_and_then_told_only_what_is_edited,
    a_shop_on_shopline_asia_is_brought_in_line_and_then_told_only_what_is_edited,
}

const MORNING: &str = "2026-03-02T09:00";
const SHOP_ID: u64 = 22;
const STORE: &str = "1672369729606";
const MERCHANT: &str = "5f0bda5e4e5fca0010c81fef";

/// Where the shop of a story is.
enum Market {
    Shopee(FakeShopee),
    /// With the account.
    Shopline(FakeShopline, &'static str),
}

/// Prices set, stocks set, products made.
type Sent = (u64, u64, u64);

impl Market {
    /// `[channels.X]`.
    fn section(&self) -> String {
        match self {
            Self::Shopee(fake) => {
                let app = toml::to_string(&fake.app_settings()).unwrap();
                format!("[channels.shopee]\n{app}client_secret = \"{}\"\n", shopee::PARTNER_KEY)
            }
            Self::Shopline(fake, _) => {
                let app = toml::to_string(&fake.app_settings()).unwrap();
                let (secret, asia) = (shopline::APP_SECRET, shopline::ASIA_APP_SECRET);
                format!("[channels.shopline]\n{app}client_secret = \"{secret}\"\nasia_client_secret = \"{asia}\"\n")
            }
        }
    }

    /// Puts this into the shop: two variants of a shirt, and something of its own. SKU, price, stock.
    fn offer(&self, items: [(&str, &str, i64); 3]) {
        let product = |sku: &str| if sku == "OWN" { "own" } else { "shirt" };
        let options = |sku: &str| vec![("Size".to_owned(), sku.to_owned())];
        match self {
            Self::Shopee(fake) => {
                let seed = |(sku, price, stock): (&str, &str, i64)| shopee::Seed {
                    sku: sku.to_owned(),
                    product: product(sku).to_owned(),
                    price: price.to_owned(),
                    stock: Some(stock),
                    options: options(sku),
                    ..shopee::Seed::default()
                };
                fake.seed_items(SHOP_ID, &items.map(seed)).unwrap();
            }
            Self::Shopline(fake, account) => {
                let seed = |(sku, price, stock): (&str, &str, i64)| shopline::Seed {
                    sku: sku.to_owned(),
                    product: product(sku).to_owned(),
                    title: product(sku).to_owned(),
                    price: price.to_owned(),
                    stock: Some(stock),
                    options: options(sku),
                    ..shopline::Seed::default()
                };
                fake.seed_products(account, &items.map(seed)).unwrap();
            }
        }
    }

    /// What the shop sells: `SKU PRICE STOCK STATUS`.
    fn offers(&self) -> Vec<String> {
        let listings = match self {
            Self::Shopee(fake) => fake.listings(SHOP_ID),
            Self::Shopline(fake, account) => fake.listings(account),
        };
        let text = |listing: &Value, name: &str| listing[name].as_str().unwrap_or_default().to_owned();
        let line = |one: &Value| {
            let price: f64 = text(one, "price").parse().unwrap();
            format!("{} {price} {} {}", text(one, "sku"), one["stock"], text(one, "status"))
        };
        let mut lines: Vec<_> = listings.iter().map(line).collect();
        lines.sort();
        lines
    }

    fn sent(&self) -> Sent {
        match self {
            Self::Shopee(fake) => {
                let stats = fake.stats();
                (stats.prices_changed, stats.stocks_changed, stats.created)
            }
            Self::Shopline(fake, _) => {
                let stats = fake.stats();
                (stats.prices_changed, stats.stocks_changed, stats.created)
            }
        }
    }

    fn consent(&self, link: &url::Url) -> url::Url {
        match self {
            Self::Shopee(fake) => fake.consent(link, Some(SHOP_ID)).unwrap(),
            Self::Shopline(fake, account) => fake.consent(link, Some(account)).unwrap(),
        }
    }
}

/// What `--dry-run` says would be sent: `SKU FIELDS`, and `SKU new`.
async fn plan(world: &World) -> Vec<String> {
    let file = world.state_dir().parent().unwrap().join("shopsyncd.toml");
    let env = Env { vars: BTreeMap::new(), serving: false, now: world.clock.now() };
    let tools = Tools { http: Http::new(world.clock.clone()), clock: world.clock.clone() };
    let config = settings::load(Some(&file), &env, &tools).config.unwrap();
    let preview = daemon::dry_run(config, &"mine".parse().unwrap(), None).await.unwrap();
    assert!(preview.first.is_none() && preview.stop.is_none() && preview.lacking.is_empty(), "{preview:?}");
    let line = |change: &shopsyncd::domain::plan::Change| {
        let fields: Vec<_> = change.fields.iter().map(|field| format!("{field:?}").to_lowercase()).collect();
        let what = if change.listing.is_none() { "new".to_owned() } else { fields.join("+") };
        format!("{} {what}", change.sku)
    };
    let mut lines: Vec<_> = preview.plan.iter().map(line).collect();
    lines.sort();
    lines
}

/// The source's rows: a price and stock for each of the shirt's sizes, and a mug that the shop does not have at first.
fn rows([small, medium]: [(&str, i64); 2]) -> String {
    let head = "sku,product_id,title,description,price,currency,stock,images,option.Size\n";
    let shirt =
        |sku: &str, (price, stock): (&str, i64)| format!("{sku},shirt,Shirt,Soft,{price},GBP,{stock},IMAGE,{sku}\n");
    format!("{head}{}{}MUG,mug,Harbour mug,Holds tea,8.00,GBP,3,IMAGE,\n", shirt("S", small), shirt("M", medium))
}

/// The whole story. `shop`: its section; `offered` and `brought`: what it sells before and after the first export, of which `sent` is what
/// was sent; `edited`: what it sells after the price of one SKU was edited.
struct Story<'a> {
    shop: &'a str,
    open: fn(Clock) -> Market,
    offered: [(&'a str, &'a str, i64); 3],
    brought: [&'a str; 4],
    sent: Sent,
    edited: [&'a str; 4],
}

async fn told(database: Database, story: Story<'_>) {
    let Story { shop, open, offered, brought, sent, edited } = story;
    let mut world = World::new(database, MORNING, &[]);
    let market = open(world.clock.clone());
    let image = FakeShopee::new(world.clock.clone()).unwrap();
    let source = |prices| rows(prices).replace("IMAGE", image.image().as_str());
    world.source_text(&source([("10.00", 5), ("10.00", 7)]));
    world.add_to_main(&market.section());
    world.write_shop_file("mine", &format!("{shop}\n[shops.mine.jobs]\nproduct_export = \"None\"\n"));
    market.offer(offered);
    world.start().await;
    assert_eq!(world.owner_decides("mine", |link| market.consent(link)).await, 200);
    world.pass(minutes(15)).await;

    // Read, and compared.
    let import = world.last_run("mine", IMPORT).await;
    assert_eq!((import.outcome, import.counts.seen), (Some(Outcome::Done), 3), "{import:?}");
    assert_eq!(plan(&world).await, ["M price", "MUG new", "S price+stock"]);
    assert_eq!(market.sent(), (0, 0, 0), "nothing is sent where export is `None`");

    // Brought in line, by a person.
    let run = world.run_now("mine", EXPORT, Demand::default()).await.unwrap();
    assert_eq!((&run["outcome"], &run["counts"]["sent"]), (&"done".into(), &3.into()), "{run:#}");
    assert_eq!(market.offers(), brought);
    assert_eq!(market.sent(), sent);
    assert_eq!(plan(&world).await, <[&str; 0]>::default());

    // What is read again is what is known. Of the new one the shop tells more than was sent, once.
    // A page that was asked for in the very instant of a change may not have it yet.
    let full = Demand { full: true, ..Demand::default() };
    world.pass(minutes(1)).await;
    world.run_now("mine", IMPORT, full).await.unwrap();
    world.pass(minutes(10)).await;
    let again = world.run_now("mine", IMPORT, full).await.unwrap();
    let counts = [&again["counts"]["seen"], &again["counts"]["changed"], &again["counts"]["unchanged"]];
    assert_eq!(counts, [4, 0, 4], "{again:#}");
    let idle = world.run_now("mine", EXPORT, Demand::default()).await.unwrap();
    assert_eq!((&idle["counts"]["sent"], market.sent()), (&0.into(), sent));

    // An edit: nothing but its difference.
    world.source_text(&source([("10.00", 5), ("12.00", 7)]));
    world.run_now("erp", IMPORT, full).await.unwrap();
    assert_eq!(plan(&world).await, ["M price"]);
    let run = world.run_now("mine", EXPORT, Demand::default()).await.unwrap();
    assert_eq!(run["counts"]["sent"], 1, "{run:#}");
    assert_eq!(market.offers(), edited);
    assert_eq!(market.sent(), (sent.0 + 1, sent.1, sent.2));
    world.end().await;
}

async fn a_shop_on_shopee_is_brought_in_line_and_then_told_only_what_is_edited(database: Database) {
    let open = |clock| {
        let fake = FakeShopee::new(clock).unwrap();
        fake.set_redirect_url("http://127.0.0.1/".parse().unwrap());
        fake.add_shop(SHOP_ID, "Mine", "SG");
        Market::Shopee(fake)
    };
    let shop = "channel = \"shopee\"\nshop_id = \"22\"\nregion = \"SG\"\n\
                [shops.mine.export]\ncreate = true\nprice = { convert = { SGD = \"1.70\" } }\n\
                [shops.mine.mapping]\ncategory = \"100017\"\nbrand = \"0\"\nweight_kg = 0.3\nlogistics = [80101]\n";
    let story = Story {
        shop,
        open,
        offered: [("S", "16.00", 4), ("M", "16.00", 7), ("OWN", "3.00", 3)],
        brought: ["M 17 7 NORMAL", "MUG 13.6 3 NORMAL", "OWN 3 3 NORMAL", "S 17 5 NORMAL"],
        sent: (2, 1, 1),
        edited: ["M 20.4 7 NORMAL", "MUG 13.6 3 NORMAL", "OWN 3 3 NORMAL", "S 17 5 NORMAL"],
    };
    told(database, story).await;
}

fn shopline_with(clock: Clock, account: &'static str) -> Market {
    let fake = FakeShopline::new(clock).unwrap();
    fake.add_global("teststore", STORE, "Test Store");
    fake.add_asia("teststore", MERCHANT, "Test Shop");
    fake.set_redirect_url("http://127.0.0.1:0/oauth/shopline/callback".parse().unwrap());
    Market::Shopline(fake, account)
}

async fn a_store_on_shopline_global_is_brought_in_line_and_then_told_only_what_is_edited(database: Database) {
    let shop = "channel = \"shopline\"\nplatform = \"global\"\nhandle = \"teststore\"\n\
                [shops.mine.export]\ncreate = true\nprice = { convert = { USD = \"1.25\" } }\n";
    let story = Story {
        shop,
        open: |clock| shopline_with(clock, STORE),
        offered: [("S", "12.00", 4), ("M", "12.00", 7), ("OWN", "3.00", 3)],
        brought: ["M 12.5 7 active", "MUG 10 3 active", "OWN 3 3 active", "S 12.5 5 active"],
        sent: (2, 2, 1),
        edited: ["M 15 7 active", "MUG 10 3 active", "OWN 3 3 active", "S 12.5 5 active"],
    };
    told(database, story).await;
}

async fn a_shop_on_shopline_asia_is_brought_in_line_and_then_told_only_what_is_edited(database: Database) {
    let shop = "channel = \"shopline\"\nplatform = \"asia\"\nhandle = \"teststore\"\n\
                [shops.mine.export]\ncreate = true\nprice = { convert = { TWD = \"40\" } }\n";
    let story = Story {
        shop,
        open: |clock| shopline_with(clock, MERCHANT),
        offered: [("S", "380", 4), ("M", "380", 7), ("OWN", "30", 3)],
        brought: ["M 400 7 active", "MUG 320 3 active", "OWN 30 3 active", "S 400 5 active"],
        sent: (2, 1, 1),
        edited: ["M 480 7 active", "MUG 320 3 active", "OWN 30 3 active", "S 400 5 active"],
    };
    told(database, story).await;
}
