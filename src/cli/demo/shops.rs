//! The shops of the demo: on which marketplace they are, who owns them, and by which rules they are kept in line.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::domain::{
    Currency, Price, Product, Variant,
    wanted::{Retire, Rules, wanted},
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
    /// The marketplace's own name of the place: a shop id, a country.
    pub(super) place: &'static str,
    /// What it sells in.
    pub(super) currency: &'static str,
    /// The rest of its section in the settings.
    settings: &'static str,
    /// How many of the shop's money a pound is; `None`: it sells in pounds.
    rate: Option<&'static str>,
    /// The ending of its prices.
    ending: Option<&'static str>,
    /// Further lines of its `export`.
    export: &'static str,
    /// What the marketplace must be told of a new product, beyond what the source says.
    mapping: &'static str,
}

const TIKTOK_MAPPING: &str = "category = \"600001\"\npackage_weight = \"0.4 kg\"\n";
const AMAZON_MAPPING: &str = "category = \"SHIRT\"\nbrand = \"Hafen & Co\"\n\
                              raw = { supplier_declared_has_product_identifier_exemption = [{ value = true }] }\n";
const ZERO_STOCK: &str = "retire = \"zero_stock\"\n";

/// The shop whose tokens are handed in.
pub(super) const HANDED_IN: DemoShop = DemoShop {
    id: "tiktok-de",
    channel: "tiktok_shop",
    account: "seller-hafen",
    place: "7490000000000000002",
    currency: "EUR",
    settings: "name = \"TikTok Shop Germany\"\nshop_id = \"7490000000000000002\"\nregion = \"DE\"\ndetails = false\n\
               remind = [{ address = \"inhaberin@example.com\", language = \"de\" }]\n",
    rate: Some("1.15"),
    ending: None,
    export: ZERO_STOCK,
    mapping: TIKTOK_MAPPING,
};

/// The shops that are authorized on their marketplaces' consent pages. One consent serves both of Amazon's.
pub(super) const BY_CONSENT: [DemoShop; 5] = [
    DemoShop {
        id: "tiktok-uk",
        channel: "tiktok_shop",
        account: "seller-harbour",
        place: "7490000000000000001",
        currency: "GBP",
        settings: "name = \"TikTok Shop UK\"\nshop_id = \"7490000000000000001\"\nregion = \"GB\"\ndetails = false\n",
        rate: None,
        ending: None,
        export: ZERO_STOCK,
        mapping: TIKTOK_MAPPING,
    },
    DemoShop {
        id: "amazon-de",
        channel: "amazon",
        account: "A3TH9S8BH6GOGM",
        place: "DE",
        currency: "EUR",
        settings: "name = \"Amazon Germany\"\nmarketplace = \"DE\"\n",
        rate: Some("1.15"),
        ending: Some("0.99"),
        export: "retire = \"deactivate\"\n",
        mapping: AMAZON_MAPPING,
    },
    DemoShop {
        id: "shopee-sg",
        channel: "shopee",
        account: "14701711",
        place: "14701711",
        currency: "SGD",
        settings: "name = \"Shopee Singapore\"\nshop_id = \"14701711\"\nregion = \"SG\"\n",
        rate: Some("1.72"),
        ending: Some("0.90"),
        export: ZERO_STOCK,
        mapping: "category = \"100017\"\nbrand = \"0\"\nweight_kg = 0.4\nlogistics = [80101]\n",
    },
    DemoShop {
        id: "shopline-global",
        channel: "shopline",
        account: "1607082241210",
        place: "1607082241210",
        currency: "USD",
        settings: "name = \"SHOPLINE store\"\nplatform = \"global\"\nhandle = \"harbour\"\n",
        rate: Some("1.27"),
        ending: None,
        export: ZERO_STOCK,
        mapping: "",
    },
    DemoShop {
        id: "shopline-asia",
        channel: "shopline",
        account: "635a5817fd851b000d2f0001",
        place: "635a5817fd851b000d2f0001",
        currency: "TWD",
        settings: "name = \"SHOPLINE Taiwan\"\nplatform = \"asia\"\nhandle = \"gangwan\"\n",
        rate: Some("41"),
        ending: Some("9"),
        export: ZERO_STOCK,
        mapping: "",
    },
];

/// Shares the consent of `amazon-de`, and its stock: Amazon keeps one number for a SKU in all of Europe.
const SHARED: DemoShop = DemoShop {
    id: "amazon-fr",
    channel: "amazon",
    account: "A3TH9S8BH6GOGM",
    place: "FR",
    currency: "EUR",
    settings: "name = \"Amazon France\"\nmarketplace = \"FR\"\n",
    rate: Some("1.20"),
    ending: Some("0.99"),
    export: "retire = \"deactivate\"\nfields = [\"price\"]    # amazon-de sends the stock of both\n",
    mapping: AMAZON_MAPPING,
};

/// A shop by its id.
pub(super) fn find(id: &str) -> Option<DemoShop> {
    all().find(|shop| shop.id == id)
}

/// Every shop that has an owner.
pub(super) fn all() -> impl Iterator<Item = DemoShop> {
    let [uk, amazon, shopee, global, asia] = BY_CONSENT;
    [uk, HANDED_IN, amazon, SHARED, shopee, global, asia].into_iter()
}

impl DemoShop {
    /// What something costs here that costs so many pounds at the source: by the rules of its settings.
    pub(super) fn price_of(self, pounds: Decimal) -> Decimal {
        let number = |text: &str| text.parse::<Decimal>().unwrap_or_default();
        let currency = |text: &str| text.parse::<Currency>().ok();
        let convert = currency(self.currency).zip(self.rate.map(number));
        let rules = Rules {
            fields: BTreeSet::from([crate::domain::Field::Price]),
            create: true,
            retire: Retire::Keep,
            reserve: 0,
            max: None,
            factor: Decimal::ONE,
            round: self.ending.map(number),
            convert: convert.into_iter().collect::<BTreeMap<_, _>>(),
            guard_retire: Decimal::ONE,
            guard_price: Decimal::ONE,
        };
        let source = currency("GBP").map(|currency| Price { amount: pounds, currency });
        let product = Product {
            id: String::new(),
            title: String::new(),
            description: None,
            brand: None,
            category: None,
            images: Vec::new(),
        };
        let priced = "demo".parse().ok().and_then(|sku| {
            let prices = source.into_iter().collect();
            let variant =
                Variant { sku, product_id: String::new(), barcode: None, prices, stock: None, options: Vec::new() };
            wanted(&product, &variant, currency(self.currency), &rules).ok()?.price
        });
        priced.map(|price| price.amount).unwrap_or_default()
    }

    /// `[shops.X]` with all that belongs to it.
    fn section(self) -> String {
        let Self { id, channel, settings, export, mapping, .. } = self;
        let convert = self.rate.map(|rate| format!("convert = {{ {} = \"{rate}\" }}", self.currency));
        let round = self.ending.map(|ending| format!("round = \"{ending}\""));
        let rules: Vec<_> = convert.into_iter().chain(round).collect();
        let price = if rules.is_empty() { String::new() } else { format!("price = {{ {} }}\n", rules.join(", ")) };
        let mapping = if mapping.is_empty() { String::new() } else { format!("\n[shops.{id}.mapping]\n{mapping}") };
        format!(
            "[shops.{id}]\nchannel = \"{channel}\"\n{settings}\n[shops.{id}.export]\ncreate = true\n{export}{price}{mapping}\n"
        )
    }
}

/// `shops.d/shops.toml`, but for the source.
pub(super) fn sections() -> String {
    all().map(DemoShop::section).collect()
}
