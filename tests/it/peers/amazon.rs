//! Amazon's own SDK calls our pretend Amazon, and our channel is asked the same: both must understand the same.

use std::{process::Stdio, sync::Arc};

use jiff::SignedDuration;
use serde_json::{Value, json};
use shopsyncd::{
    channels::{
        Access, Channel, ChannelError, ShopSettings, Tokens, Tools,
        amazon::{
            self,
            fake::{APP_SECRET, CLIENT_ID, FakeAmazon, Issued, Mishap, Seed},
        },
    },
    clock::Clock,
    domain::{Failure, Shop},
    http::Http,
    secrets::Secret,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{file, is_installed};

const SELLER: &str = "A3TH9S8BH6GOGM";
const PARTICIPATIONS: &str = "get_marketplace_participations";

/// The SDK, and what it calls. It ends when dropped.
struct Desk {
    fake: FakeAmazon,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Desk {
    /// `None`: the SDK is not installed.
    fn new() -> Option<Self> {
        let python = "venv/bin/python";
        if !is_installed("Amazon's SDK amzn-sp-api", python) {
            return None;
        }
        let fake = FakeAmazon::new(Clock::system()).unwrap();
        fake.add_seller(SELLER, "Harbour Ltd", &["DE", "FR", "GB", "SE"]);
        assert!(fake.set_participating(SELLER, "SE", false) && fake.set_closed(SELLER, "GB", true));
        let mut command = Command::new(file(python));
        command.arg(file("amazon-sdk.py")).arg(fake.url().as_str());
        // Loopback is reached as it is, whatever proxy the environment names.
        command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { fake, orders: child.stdin.take().unwrap(), answers, _child: child })
    }

    async fn order(&mut self, order: Value) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        let answer = self.answers.next_line().await.unwrap().expect("the SDK broke off; what it said stands above");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["strange"].is_null() || answer["strange"] == json!([]), "{order}: {answer}");
        answer
    }

    /// The SDK renews its token.
    async fn begin(&mut self, issued: &Issued, secret: &str) -> Value {
        let token = &issued.refresh_token;
        self.order(json!({ "client_id": CLIENT_ID, "client_secret": secret, "refresh_token": token })).await
    }

    async fn call(&mut self, operation: &str) -> Value {
        self.call_with(operation, json!({})).await
    }

    async fn call_with(&mut self, operation: &str, arguments: Value) -> Value {
        self.order(json!({ "operation": operation, "arguments": arguments })).await
    }

    fn issue(&self) -> Issued {
        self.fake.grant_tokens(SELLER, SignedDuration::from_hours(1))
    }

    /// Our channel, with this secret of the app.
    fn channel(&self, secret: &str) -> Arc<dyn Channel> {
        let settings = ShopSettings {
            shop: Shop { id: "shop".parse().unwrap(), channel: amazon::NAME.into(), name: "Shop".into() },
            own: json!({ "marketplace": "DE" }).as_object().cloned().unwrap(),
            channel: self.fake.app_settings(),
            client_secret: Some(Secret::new(secret)),
            secrets: std::collections::BTreeMap::new(),
            warehouse: None,
            folder: "/".into(),
            callback: "https://shops.example.com/oauth/amazon/callback".parse().unwrap(),
        };
        let clock = Clock::system();
        (amazon::DEF.build)(&settings, &Tools { http: Http::new(clock.clone()), clock }).unwrap()
    }

    async fn refresh(&self, issued: &Issued, secret: &str) -> ChannelError {
        let tokens = Tokens {
            access_token: Secret::new(&issued.access_token),
            refresh_token: Some(Secret::new(&issued.refresh_token)),
        };
        self.channel(secret).consent().unwrap().refresh(&tokens, SELLER).await.unwrap_err()
    }

    async fn probe(&self, issued: &Issued) -> ChannelError {
        let token = Some(Secret::new(&issued.access_token));
        let access = Access { token, place: json!({ "seller_id": SELLER }) };
        self.channel(APP_SECRET).probe(&access).await.unwrap_err()
    }
}

#[tokio::test]
async fn the_sdk_reads_the_same_marketplaces_as_our_channel_and_knows_every_field() {
    let Some(mut desk) = Desk::new() else { return };
    let issued = desk.issue();
    assert_eq!(desk.begin(&issued, APP_SECRET).await["result"], "begun");
    let told = desk.call(PARTICIPATIONS).await;
    let all = told["result"]["payload"].as_array().unwrap();
    let facts = |one: &Value| {
        let (market, taking) = (&one["marketplace"], &one["participation"]);
        json!([
            market["country_code"],
            market["default_currency_code"],
            taking["is_participating"],
            taking["has_suspended_listings"]
        ])
    };
    let facts: Vec<_> = all.iter().map(facts).collect();
    let expected = json!([
        ["DE", "EUR", true, false],
        ["FR", "EUR", true, false],
        ["GB", "GBP", true, true],
        ["SE", "SEK", false, false]
    ]);
    assert_eq!(json!(facts), expected);

    let tokens = Tokens {
        access_token: Secret::new(&issued.access_token),
        refresh_token: Some(Secret::new(&issued.refresh_token)),
    };
    let channel = desk.channel(APP_SECRET);
    let consent = channel.consent().unwrap();
    let grant = consent.refresh(&tokens, SELLER).await.unwrap();
    let ours: Vec<_> = consent.identify(&grant).await.unwrap().places;
    let ours: Vec<_> = ours.iter().map(|place| place.data["marketplace_id"].clone()).collect();
    let taking = all.iter().filter(|one| one["participation"]["is_participating"] == true);
    assert_eq!(ours, taking.map(|one| one["marketplace"]["id"].clone()).collect::<Vec<_>>());

    let account = desk.call("get_account").await;
    assert_eq!(account["result"]["payload"]["business"]["name"], "Harbour Ltd");
}

#[tokio::test]
async fn the_sdk_and_our_channel_are_refused_alike() {
    let Some(mut desk) = Desk::new() else { return };
    let issued = desk.issue();
    let refused = desk.begin(&issued, "another secret").await;
    assert_eq!((&refused["status"], &refused["body"]["error"]), (&json!(401), &json!("invalid_client")));
    let ours = desk.refresh(&issued, "another secret").await;
    assert!(matches!(ours.failure, Failure::AppCredentialRejected { .. }), "{ours}");

    desk.begin(&issued, APP_SECRET).await;
    desk.fake.expire_access_tokens(SELLER);
    let expired = desk.call(PARTICIPATIONS).await;
    let error = &expired["body"]["errors"][0];
    assert_eq!((&expired["status"], &error["code"]), (&json!(403), &json!("Unauthorized")));
    assert_eq!(error["details"], "The access token you provided has expired.");
    assert_eq!(desk.probe(&issued).await.failure, Failure::TokenRejected);

    let fresh = desk.issue();
    desk.begin(&fresh, APP_SECRET).await;
    desk.fake.fail_next(Mishap::Throttled { retry_after: None });
    let throttled = desk.call(PARTICIPATIONS).await;
    assert_eq!((&throttled["status"], &throttled["body"]["errors"][0]["code"]), (&json!(429), &json!("QuotaExceeded")));
    desk.fake.fail_next(Mishap::Throttled { retry_after: None });
    let ours = desk.probe(&fresh).await;
    assert!(matches!(ours.failure, Failure::Throttled { .. }), "{ours}");

    desk.fake.revoke(SELLER);
    let revoked = desk.call(PARTICIPATIONS).await;
    assert_eq!(
        revoked["body"]["errors"][0]["details"],
        "The access token you provided is revoked, malformed or invalid."
    );
    assert_eq!(desk.probe(&fresh).await.failure, Failure::TokenRejected);
    let ended = desk.begin(&fresh, APP_SECRET).await;
    assert_eq!((&ended["status"], &ended["body"]["error"]), (&json!(400), &json!("invalid_grant")));
    let ours = desk.refresh(&fresh, APP_SECRET).await;
    assert!(matches!(ours.failure, Failure::AuthorizationEnded { .. }), "{ours}");
}

/// In Germany.
const HERE: &str = "A1PA6795UKMFR9";

#[tokio::test]
async fn the_sdk_searches_reads_and_changes_items_and_knows_every_field() {
    let Some(mut desk) = Desk::new() else { return };
    let seed = |sku: &str, stock| Seed {
        sku: sku.to_owned(),
        title: Some(format!("Thing {sku}")),
        price: Some("21.35".to_owned()),
        stock: Some(stock),
        ..Seed::default()
    };
    let mut seeds = [seed("a/b c+d,ü", 3), seed("child", 4), Seed { is_parent: true, ..Seed::default() }];
    seeds[1].parent = Some("head".to_owned());
    seeds[2].sku = "head".to_owned();
    desk.fake.seed_items(SELLER, "DE", &seeds).unwrap();
    let issued = desk.issue();
    desk.begin(&issued, APP_SECRET).await;

    let all = "summaries attributes issues offers fulfillmentAvailability relationships productTypes";
    let all: Vec<_> = all.split(' ').collect();
    let here = json!({ "seller_id": SELLER, "marketplace_ids": [HERE], "included_data": all });
    let with = |more: Value| {
        let mut arguments = here.as_object().cloned().unwrap();
        arguments.extend(more.as_object().cloned().unwrap());
        Value::Object(arguments)
    };
    let first = with(json!({ "page_size": 2, "sort_by": "sku", "sort_order": "ASC" }));
    let first = desk.call_with("search_listings_items", first).await;
    assert_eq!(first["result"]["number_of_results"], 3, "{first}");
    assert_eq!(first["result"]["items"].as_array().unwrap().len(), 2);
    let token = &first["result"]["pagination"]["next_token"];
    let rest = with(json!({ "page_size": 2, "sort_by": "sku", "sort_order": "ASC", "page_token": token }));
    let rest = desk.call_with("search_listings_items", rest).await;
    let skus: Vec<_> = [&first, &rest].iter().flat_map(|page| page["result"]["items"].as_array().unwrap()).collect();
    let skus: Vec<_> = skus.iter().map(|item| item["sku"].as_str().unwrap()).collect();
    assert_eq!(skus, ["a/b c+d,ü", "child", "head"]);

    let one = with(json!({ "sku": "a/b c+d,ü" }));
    let read = desk.call_with("get_listings_item", one.clone()).await;
    let item = &read["result"];
    assert_eq!(
        (&item["offers"][0]["price"]["amount"], &item["fulfillment_availability"][0]["quantity"]),
        (&json!("21.35"), &json!(3))
    );

    let stock = |pieces: i64| {
        let value = json!([{ "fulfillment_channel_code": "DEFAULT", "quantity": pieces }]);
        json!({ "productType": "SHIRT", "patches": [{ "op": "replace", "path": "/attributes/fulfillment_availability", "value": value }] })
    };
    let patch = |mode: Option<&str>, pieces| {
        let mut arguments =
            json!({ "seller_id": SELLER, "sku": "a/b c+d,ü", "marketplace_ids": [HERE], "body": stock(pieces) });
        if let Some(mode) = mode {
            arguments["mode"] = mode.into();
        }
        arguments
    };
    let preview = Some("VALIDATION_PREVIEW");
    for (arguments, status, left) in
        [(patch(preview, 8), "VALID", 3), (patch(preview, -1), "INVALID", 3), (patch(None, 8), "ACCEPTED", 8)]
    {
        let told = desk.call_with("patch_listings_item", arguments).await;
        assert_eq!(told["result"]["status"], status, "{told}");
        assert_eq!(told["result"]["issues"].as_array().unwrap().is_empty(), status != "INVALID");
        let read = desk.call_with("get_listings_item", one.clone()).await;
        assert_eq!(read["result"]["fulfillment_availability"][0]["quantity"], left, "after {status}");
    }
    let gone = desk.call_with("get_listings_item", with(json!({ "sku": "nobody" }))).await;
    assert_eq!((&gone["status"], gone["body"]["errors"][0]["code"].is_string()), (&json!(404), true), "{gone}");
    let closed =
        desk.call_with("get_listings_item", with(json!({ "sku": "child", "seller_id": "A1ANOTHERSELLER" }))).await;
    assert_eq!(closed["status"], 403, "{closed}");
}

#[tokio::test]
async fn the_sdk_asks_for_a_report_and_opens_a_feed() {
    let Some(mut desk) = Desk::new() else { return };
    desk.fake.rules(|rules| rules.done_after_looks = Some(2));
    let issued = desk.issue();
    desk.begin(&issued, APP_SECRET).await;
    let body = json!({ "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "marketplaceIds": [HERE] });
    let report = desk.call_with("create_report", json!({ "body": body })).await["result"]["report_id"].clone();
    let asked = json!({ "report_id": report });
    let looks = [desk.call_with("get_report", asked.clone()).await, desk.call_with("get_report", asked).await];
    assert_eq!(
        (&looks[0]["result"]["processing_status"], &looks[1]["result"]["processing_status"]),
        (&json!("IN_QUEUE"), &json!("DONE"))
    );
    let document = json!({ "report_document_id": looks[1]["result"]["report_document_id"] });
    let document = desk.call_with("get_report_document", document).await;
    assert!(document["result"]["url"].as_str().unwrap().starts_with(desk.fake.url().as_str()), "{document}");

    let body = json!({ "contentType": "application/json; charset=UTF-8" });
    let document = desk.call_with("create_feed_document", json!({ "body": body })).await["result"].clone();
    assert!(document["url"].is_string(), "{document}");
    let feed = |kind: &str| json!({ "feedType": kind, "marketplaceIds": [HERE], "inputFeedDocumentId": document["feed_document_id"] });
    // Nothing was put into it.
    let told = desk.call_with("create_feed", json!({ "body": feed("JSON_LISTINGS_FEED") })).await;
    assert!(told["status"] == 400 || told["result"]["feed_id"].is_string(), "{told}");
}
