//! The examples in Amazon's models, which its static sandbox answers with: our channel must be able to read them, and our pretend
//! Amazon must know the calls and answer in the same shape.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use shopsyncd::{
    channels::{
        Access, Channel, ChannelError, From, Page, PushResult, Settled,
        amazon::fake::{APPLICATION_ID, CLIENT_ID, Exchange, FakeAmazon, Journal, Seed},
        fake::Server,
    },
    clock::Clock,
    domain::{Failure, ListingStatus, PassKind, Price, Values, plan::change},
    http::{BudgetKey, Call, Http, Method, Rate},
};
use url::{Url, form_urlencoded};

use super::{Judge, SELLER, access, channel, file};

/// The marketplace of most examples.
const COUNTRY: &str = "US";
const MARKETPLACE: &str = "ATVPDKIKX0DER";
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// A documented call and its answer.
#[derive(Debug, Clone)]
struct Example {
    operation: String,
    method: String,
    /// With names in braces.
    path: String,
    /// With the values of the example. What it leaves open has a value of ours.
    target: String,
    body: Value,
    status: u16,
    answer: Value,
}

/// All of them.
fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    let mut models: Vec<_> = fs::read_dir(file("amazon-models")).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.sort();
    for path in models.iter().filter(|path| path.extension().is_some_and(|ending| ending == "json")) {
        let model: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for (path, item) in model["paths"].as_object().into_iter().flatten() {
            for method in METHODS {
                let operation = &item[method];
                for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                    for pair in response["x-amzn-api-sandbox"]["static"].as_array().into_iter().flatten() {
                        let given = &pair["request"]["parameters"];
                        found.push(Example {
                            operation: operation["operationId"].as_str().unwrap().to_owned(),
                            method: method.to_uppercase(),
                            path: path.clone(),
                            target: target(path, operation["parameters"].as_array().unwrap(), given),
                            body: given["body"]["value"].clone(),
                            status: status.parse().unwrap(),
                            answer: pair["response"].clone(),
                        });
                    }
                }
            }
        }
    }
    found
}

fn target(path: &str, parameters: &[Value], given: &Value) -> String {
    let (mut path, mut query) = (path.to_owned(), form_urlencoded::Serializer::new(String::new()));
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap();
        let value = match &given[name]["value"] {
            Value::Null if parameter["required"] != true => continue,
            Value::Null if name == "marketplaceIds" => MARKETPLACE.to_owned(),
            Value::Null if name == "sellerId" => SELLER.to_owned(),
            Value::Null => "GM-ZDPI-9B4E".to_owned(),
            Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(","),
            one => text(one),
        };
        match parameter["in"].as_str().unwrap() {
            "path" => path = path.replace(&format!("{{{name}}}"), &value),
            "query" => drop(query.append_pair(name, &value)),
            _ => {}
        }
    }
    let query = query.finish();
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Example {
    /// As if it had been said.
    fn exchange(&self) -> Exchange {
        let json = vec![("content-type".to_owned(), "application/json".to_owned())];
        let written = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
        // Where the model has no answer, the examples have an empty one.
        let answer = if self.answer == json!({}) { &Value::Null } else { &self.answer };
        Exchange {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: json.clone(),
            body: written(&self.body).into(),
            status: self.status,
            answer_headers: json,
            answer: Some(written(answer).into()),
        }
    }
}

#[tokio::test]
async fn the_judge_approves_of_amazons_examples_but_for_those_that_show_a_fault() {
    let Some(mut judge) = Judge::start() else { return };
    let mut refused = Vec::new();
    for example in examples() {
        let verdict = judge.judge(&example.exchange()).await;
        assert_eq!(verdict.operation.as_ref(), Some(&example.operation), "{example:?}");
        // The examples of writing say no more of the body than that there is one.
        let no_body = example.body.is_null() && ["PUT", "PATCH"].contains(&example.method.as_str());
        let told = verdict.faults.iter().filter(|fault| !(no_body && fault.starts_with("body request.body was not")));
        refused.extend(told.map(|fault| format!("{} {}: {fault}", example.operation, example.status)));
    }
    refused.sort();
    let expected = [
        "createFeed 400: body feedType must have required property 'feedType'",
        "createFeedDocument 400: body contentType must have required property 'contentType'",
        "createReportSchedule 400: body marketplaceIds must have required property 'marketplaceIds'",
        // Here the model and its own example differ. Nothing of ours makes this call.
        "getAccount 200: answer 200: payload/marketplaceParticipationList/0/marketplace must have required property 'defaultCurrencyCode'",
        "getAccount 200: answer 200: payload/marketplaceParticipationList/0/marketplace must have required property 'defaultLanguageCode'",
        "getFeeds 400: query processingStatuses.0 must be equal to one of the allowed values",
        "getReports 400: query processingStatuses.0 must be equal to one of the allowed values",
    ];
    assert_eq!(refused, expected);
}

/// What is changed in an example's answer.
type Change = fn(&mut Value);

/// Amazon's static sandbox: each operation answers with the example that was chosen, at first with that of success. Its documents
/// are kept here.
struct Sandbox {
    stage: Arc<Stage>,
    server: Server,
}

struct Stage {
    examples: Vec<Example>,
    chosen: Mutex<BTreeMap<String, Example>>,
    document: Mutex<String>,
}

/// Where the documents of the examples are.
const STORE: &str = "https://d34o8swod1owfl.cloudfront.net/";

impl Sandbox {
    fn start() -> Self {
        let stage = Stage { examples: examples(), chosen: Mutex::default(), document: Mutex::default() };
        let stage = Arc::new(stage);
        let server = Server::start(0, Router::new().fallback(play).with_state(stage.clone())).unwrap();
        Self { stage, server }
    }

    /// From now on this operation answers with its first example of this status, changed so.
    fn choose(&self, operation: &str, status: u16, change: impl FnOnce(&mut Value)) {
        self.choose_where(operation, |example| example.status == status, change);
    }

    fn choose_where(&self, operation: &str, fits: impl Fn(&Example) -> bool, change: impl FnOnce(&mut Value)) {
        let found = self.stage.examples.iter().find(|one| one.operation == operation && fits(one));
        let mut example = found.unwrap().clone();
        change(&mut example.answer);
        self.stage.chosen.lock().unwrap().insert(operation.to_owned(), example);
    }

    /// What is in the store.
    fn keep(&self, document: &str) {
        document.clone_into(&mut self.stage.document.lock().unwrap());
    }

    /// The channel of a shop in the country of the examples.
    fn channel(&self, clock: &Clock) -> Arc<dyn Channel> {
        let url = self.server.url();
        let app = json!({
            "client_id": CLIENT_ID, "application_id": APPLICATION_ID, "api_url": url, "token_url": url, "consent_url": url,
        });
        channel(app.as_object().unwrap(), json!({ "marketplace": COUNTRY }), clock)
    }
}

async fn play(State(stage): State<Arc<Stage>>, request: Request) -> Response {
    if request.uri().path().starts_with("/store/") {
        return stage.document.lock().unwrap().clone().into_response();
    }
    let called = |example: &&Example| {
        let split = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
        let (known, asked) = (split(&example.path), split(request.uri().path()));
        let fits = |(known, asked): (&String, &String)| known.starts_with('{') || known == asked;
        example.method == request.method().as_str() && known.len() == asked.len() && known.iter().zip(&asked).all(fits)
    };
    let Some(first) = stage.examples.iter().find(called) else { return StatusCode::IM_A_TEAPOT.into_response() };
    let chosen = stage.chosen.lock().unwrap().get(&first.operation).cloned().unwrap_or_else(|| first.clone());
    let host = request.headers()[header::HOST].to_str().unwrap();
    let answer = chosen.answer.to_string().replace(STORE, &format!("http://{host}/store/"));
    let json = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::from_u16(chosen.status).unwrap(), json, answer).into_response()
}

/// Pages of a complete pass, from the beginning until none follows or one fails.
async fn pull(channel: &dyn Channel, access: &Access) -> (Vec<Page>, Option<ChannelError>) {
    let (mut pages, mut cursor) = (Vec::<Page>::new(), None);
    loop {
        let from = From { kind: PassKind::Full, cursor, first: pages.is_empty() };
        match channel.pull(access, &from).await {
            Ok(page) => pages.push(page),
            Err(error) => return (pages, Some(error)),
        }
        cursor = pages.last().unwrap().next.clone();
        if cursor.is_none() {
            return (pages, None);
        }
    }
}

/// What is in the examples.
fn assert_is_luggage(page: &Page) {
    let listing = &page.listings[0];
    assert_eq!((listing.sku.as_str(), listing.stock), ("GM-ZDPI-9B4E", Some(100)));
    assert_eq!(listing.title, "Hardside Carry-On Spinner Suitcase Luggage");
    assert_eq!(listing.prices, [Price { amount: "100.00".parse().unwrap(), currency: "USD".parse().unwrap() }]);
    assert_eq!((listing.status, listing.images.len()), (ListingStatus::Active, 1));
    let codes: Vec<_> = page.remarks.iter().map(|remark| remark.code.as_str()).collect();
    assert_eq!(codes, ["18027", "18155", "18742", "90220", "99300"]);
    assert_eq!(page.complaints, []);
}

#[tokio::test]
async fn our_channel_reads_the_examples_of_reading() {
    let (sandbox, clock) = (Sandbox::start(), Clock::manual("2026-06-01T12:00:00Z".parse().unwrap()));
    let (channel, access) = (sandbox.channel(&clock), access("Atza|sandbox"));
    assert_eq!(channel.probe(&access).await.unwrap().name.as_deref(), Some("BestSellerStore"));

    // The sandbox has one page, again and again.
    let (pages, error) = pull(&*channel, &access).await;
    assert_is_luggage(&pages[0]);
    assert_eq!((pages.len(), pages[0].total), (1, Some(3)));
    assert!(error.unwrap().text.contains("token"), "a page that leads to itself");

    // So many that a report is asked for, which takes its time.
    sandbox.choose("searchListingsItems", 200, |answer| answer["numberOfResults"] = json!(1001));
    let (_, error) = pull(&*channel, &access).await;
    assert!(matches!(error.as_ref().unwrap().failure, Failure::Throttled { .. }), "{error:?}");
    sandbox.choose("getReport", 200, |answer| {
        answer["processingStatus"] = json!("DONE");
        answer["reportDocumentId"] = json!("0356cf79-b8b0-4226-b4b9-0ee058ea5760");
    });
    // The second cannot be in a list of SKUs, and is asked for alone.
    sandbox.keep(
        "item-name\tlisting-id\tseller-sku\tprice\tquantity\nTee\t1\tGM-ZDPI-9B4E\t100\t3\nTee\t2\tGM,ZDPI\t1\t1\n",
    );
    let (pages, error) = pull(&*channel, &access).await;
    assert!(error.is_none(), "{error:?}");
    let last = pages.last().unwrap();
    assert_eq!((last.listings.len(), last.total), (2, Some(2)));
    assert_is_luggage(&Page {
        listings: last.listings[1..].to_vec(),
        remarks: last.remarks[..5].to_vec(),
        ..Page::default()
    });
}

#[tokio::test]
async fn our_channel_tells_what_the_examples_refuse() {
    let (sandbox, clock) = (Sandbox::start(), Clock::manual("2026-06-01T12:00:00Z".parse().unwrap()));
    let (channel, access) = (sandbox.channel(&clock), access("Atza|sandbox"));
    for operation in ["getReportDocument", "getReport", "createReport", "searchListingsItems"] {
        sandbox.choose(operation, 400, |_| {});
    }
    // One after the other is mended, and the next refuses.
    let mended: [(&str, u16, Change); 4] = [
        ("searchListingsItems", 200, |answer| answer["numberOfResults"] = json!(1001)),
        ("createReport", 202, |_| {}),
        ("getReport", 200, |answer| {
            answer["processingStatus"] = json!("DONE");
            answer["reportDocumentId"] = json!("1");
        }),
        ("getReportDocument", 200, |_| {}),
    ];
    for (operation, status, change) in mended {
        let (_, error) = pull(&*channel, &access).await;
        let error = error.unwrap_or_else(|| panic!("{operation} was refused"));
        assert!(error.text.contains("Invalid input"), "{operation}: {error}");
        assert!(matches!(error.failure, Failure::Rejected), "{operation}: {error:?}");
        sandbox.choose(operation, status, change);
    }
}

#[tokio::test]
async fn our_channel_reads_the_examples_of_writing() {
    let (sandbox, clock) = (Sandbox::start(), Clock::manual("2026-06-01T12:00:00Z".parse().unwrap()));
    let (channel, access) = (sandbox.channel(&clock), access("Atza|sandbox"));
    let (pages, _) = pull(&*channel, &access).await;
    let wanted = Values { stock: Some(5), ..Values::default() };
    let stock = change(&pages[0].listings[0], &wanted).unwrap();
    let push = || channel.push(&access, std::slice::from_ref(&stock));
    let codes = |results: &[PushResult]| -> Vec<String> {
        let told = results.iter().map(|result| match result {
            PushResult::Refused(complaint) => complaint.code.clone(),
            PushResult::Done { listing, .. } => format!("done with {:?}", listing.stock),
            PushResult::Remarked { .. } => "remarked".to_owned(),
            PushResult::Pending { .. } => "pending".to_owned(),
        });
        told.collect()
    };
    assert_eq!(codes(&push().await.unwrap()), ["done with Some(5)"]);
    sandbox.choose_where("patchListingsItem", |example| example.answer["status"] == "INVALID", |_| {});
    assert_eq!(codes(&push().await.unwrap()), ["90000900"]);
    sandbox.choose("patchListingsItem", 400, |_| {});
    assert_eq!(codes(&push().await.unwrap()), ["BAD_REQUEST"]);

    // So many that they go as a feed, which the example cancels.
    let many: Vec<_> = (0..21)
        .map(|number| {
            let mut one = stock.clone();
            one.sku = format!("many-{number}").parse().unwrap();
            one.listing.as_mut().unwrap().refs["sku"] = json!(format!("many-{number}"));
            one
        })
        .collect();
    let sent = channel.push(&access, &many).await.unwrap();
    assert_eq!(codes(&sent), ["pending"; 21]);
    let PushResult::Pending { ticket, .. } = &sent[0] else { panic!("{sent:?}") };
    let Settled::Judged(judged) = channel.settle(&access, ticket, &many).await.unwrap() else {
        panic!("it is cancelled")
    };
    assert_eq!(codes(&judged), ["feed"; 21]);
    sandbox.choose("getFeed", 400, |_| {});
    let error = channel.settle(&access, ticket, &many).await.unwrap_err();
    assert!(error.text.contains("Invalid input"), "{error}");
    // It is done, and the report is Amazon's own example.
    sandbox.choose("getFeed", 200, |answer| {
        answer["processingStatus"] = json!("DONE");
        answer["resultFeedDocumentId"] = json!("1");
    });
    let report = file("amazon-models").join("listings-feed-processing-report-schema-v2.example.json");
    sandbox.keep(&fs::read_to_string(report).unwrap());
    let Settled::Judged(judged) = channel.settle(&access, ticket, &many).await.unwrap() else { panic!("it is done") };
    assert_eq!(judged.len(), 21, "{judged:?}");
}

#[tokio::test]
async fn our_pretend_amazon_answers_the_calls_of_the_examples_in_their_shape() {
    let Some(mut judge) = Judge::start() else { return };
    let (journal, clock) = (Journal::default(), Clock::manual("2026-06-01T12:00:00Z".parse().unwrap()));
    let fake = FakeAmazon::with_journal(clock.clone(), &journal).unwrap();
    fake.add_seller(SELLER, "Harbour Ltd", &[COUNTRY, "CA"]);
    fake.rules(|rules| rules.rates = false);
    let sku = |sku: &str| Seed {
        sku: sku.to_owned(),
        title: Some("Suitcase".to_owned()),
        price: Some("100.25".to_owned()),
        stock: Some(100),
        product_type: Some("LUGGAGE".to_owned()),
        ..Seed::default()
    };
    let issued = fake.grant_tokens(SELLER, SignedDuration::from_hours(1));
    let http = Http::new(clock.clone());
    let mut answered = BTreeSet::new();
    for mut example in examples() {
        fake.seed_items(SELLER, COUNTRY, &["GM-ZDPI-9B4E", "VALIDATION_VALID", "VALIDATION_INVALID"].map(sku)).unwrap();
        fake.refuse_item(SELLER, COUNTRY, "VALIDATION_INVALID", "The attributes are invalid.");
        // The examples of writing leave open what is written.
        if example.body.is_null() {
            example.body = match example.operation.as_str() {
                "patchListingsItem" => json!({ "productType": "LUGGAGE", "patches": [
                    { "op": "merge", "path": "/attributes/fulfillment_availability", "value": [{ "fulfillment_channel_code": "DEFAULT", "quantity": 5 }] },
                ]}),
                "putListingsItem" => {
                    json!({ "productType": "LUGGAGE", "requirements": "LISTING_OFFER_ONLY", "attributes": {
                        "condition_type": [{ "value": "new_new" }], "merchant_suggested_asin": [{ "value": "B071VG5N9D" }],
                        "purchasable_offer": [{ "currency": "USD", "our_price": [{ "schedule": [{ "value_with_tax": 100.25 }] }] }],
                    }})
                }
                _ => Value::Null,
            };
        }
        let status = ask(&http, &fake.url(), &clock, &issued.access_token, &example).await;
        let told = journal.take().remove(0);
        if String::from_utf8_lossy(told.answer.as_ref().unwrap()).contains(NOT_THERE) {
            continue;
        }
        let verdict = judge.judge(&told).await;
        let faults: Vec<_> = verdict.faults.iter().filter(|fault| fault.starts_with("answer")).collect();
        assert!(faults.is_empty(), "{example:?}: {faults:?}: {told:?}");
        answered.insert(format!("{} {}: {status}", example.operation, example.status));
    }
    // What is documented: what it answers. It has no words of its own for the SKU `BadSKU`, nor the works and documents of the
    // examples; and it takes one marketplace a call, which is what our channel asks of it, and of one region.
    let expected = [
        "createFeed 202: 400",
        "createFeed 400: 400",
        "createFeedDocument 201: 201",
        "createFeedDocument 400: 400",
        "createReport 202: 400",
        "createReport 400: 400",
        "deleteListingsItem 200: 200",
        "deleteListingsItem 400: 200",
        "getAccount 200: 200",
        "getAccount 400: 200",
        "getFeed 200: 404",
        "getFeed 400: 404",
        "getFeedDocument 200: 404",
        "getFeedDocument 400: 404",
        "getListingsItem 200: 200",
        "getListingsItem 400: 404",
        "getMarketplaceParticipations 200: 200",
        "getReport 200: 404",
        "getReport 400: 404",
        "getReportDocument 200: 404",
        "getReportDocument 400: 404",
        "patchListingsItem 200: 200",
        "patchListingsItem 400: 200",
        "putListingsItem 200: 200",
        "putListingsItem 400: 200",
        "searchListingsItems 200: 400",
        "searchListingsItems 400: 403",
    ];
    assert_eq!(answered.iter().collect::<Vec<_>>(), expected);
}

/// What it says where it does not have an operation.
const NOT_THERE: &str = "The specified resource does not exist.";

async fn ask(http: &Http, url: &Url, clock: &Clock, token: &str, example: &Example) -> u16 {
    let said = example.exchange();
    let call = Call {
        method: Method::from_bytes(said.method.as_bytes()).unwrap(),
        url: url.join(&said.target).unwrap(),
        headers: vec![
            ("x-amz-access-token", token.to_owned()),
            ("x-amz-date", clock.now().strftime("%Y%m%dT%H%M%SZ").to_string()),
            ("user-agent", "peers/1 (Language=Rust)".to_owned()),
            ("content-type", "application/json".to_owned()),
        ],
        body: (!said.body.is_empty()).then_some(said.body),
        budget: BudgetKey { channel: "test", app: String::new(), place: String::new(), operation: "any" },
        rate: Rate::per_second(1000, 1000),
    };
    http.send(call).await.unwrap().status
}
