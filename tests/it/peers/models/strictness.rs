//! The judge itself: what it must refuse, or its approval is worth nothing.

use serde_json::{Value, json};

use super::{Exchange, Judge};

const SELLER: &str = "/listings/2021-08-01/items/A3TH9S8BH6GOGM";
const HERE: &str = "marketplaceIds=A1PA6795UKMFR9";

/// A call and its answer, in JSON where there is any.
fn exchange(method: &str, target: &str, body: Value, status: u16, answer: Value) -> Exchange {
    let json = vec![("content-type".to_owned(), "application/json".to_owned())];
    let bytes = |value: Value| if value.is_null() { String::new() } else { value.to_string() };
    Exchange {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: if body.is_null() { Vec::new() } else { json.clone() },
        body: bytes(body).into(),
        status,
        answer_headers: json,
        answer: Some(bytes(answer).into()),
    }
}

fn get(target: &str, status: u16, answer: Value) -> Exchange {
    exchange("GET", target, Value::Null, status, answer)
}

fn patch(query: &str, body: Value) -> Exchange {
    let accepted = json!({ "sku": "a/b", "status": "ACCEPTED", "submissionId": "f1", "issues": [] });
    exchange("PATCH", &format!("{SELLER}/a%2Fb?{query}"), body, 200, accepted)
}

/// A price as it is changed.
fn patches() -> Value {
    json!({ "productType": "SHIRT", "patches": [{ "op": "replace", "path": "/attributes/list_price", "value": [{}] }] })
}

fn search(query: &str) -> Exchange {
    get(&format!("{SELLER}?{query}"), 200, json!({ "numberOfResults": 0, "items": [] }))
}

fn item(change: impl FnOnce(&mut Value)) -> Exchange {
    let mut item = json!({
        "sku": "a",
        "summaries": [{
            "marketplaceId": "A1PA6795UKMFR9", "productType": "SHIRT", "conditionType": "new_new", "status": ["BUYABLE"],
            "itemName": "Tee", "createdDate": "2026-01-05T08:00:00Z", "lastUpdatedDate": "2026-01-05T08:00:00Z",
        }],
        "offers": [{ "marketplaceId": "A1PA6795UKMFR9", "offerType": "B2C", "price": { "currencyCode": "EUR", "amount": "19.90" } }],
    });
    change(&mut item);
    get(&format!("{SELLER}/a?{HERE}"), 200, item)
}

async fn faults(judge: &mut Judge, exchange: &Exchange) -> String {
    let verdict = judge.judge(exchange).await;
    assert!(verdict.operation.is_some(), "{exchange:?}");
    verdict.faults.join("; ")
}

#[tokio::test]
async fn what_the_models_allow_is_approved() {
    let Some(mut judge) = Judge::start() else { return };
    let fair = [
        item(|_| {}),
        search(HERE),
        search(&format!(
            "{HERE}&includedData=summaries,offers&pageSize=20&sortOrder=ASC&lastUpdatedAfter=2026-01-05T08%3A00%3A00Z"
        )),
        patch(&format!("{HERE}&mode=VALIDATION_PREVIEW"), patches()),
        get(
            &format!("{SELLER}/a?{HERE}"),
            404,
            json!({ "errors": [{ "code": "NOT_FOUND", "message": "SKU 'a' not found" }] }),
        ),
        get("/sellers/v1/marketplaceParticipations", 200, json!({ "payload": [] })),
    ];
    for exchange in &fair {
        assert_eq!(faults(&mut judge, exchange).await, "", "{exchange:?}");
    }
}

#[tokio::test]
async fn a_wrong_call_is_refused() {
    let Some(mut judge) = Judge::start() else { return };
    let without = |name: &str| {
        let mut body = patches();
        body.as_object_mut().unwrap().remove(name);
        body
    };
    let changed = |change: fn(&mut Value)| {
        let mut body = patches();
        change(&mut body);
        body
    };
    let participations = "/sellers/v1/marketplaceParticipations";
    let wrong = [
        (search("includedData=summaries"), "query marketplaceIds must have required property 'marketplaceIds'"),
        (search(&format!("{HERE}&sku=a")), "query: sku is unknown"),
        (search(&format!("{HERE}&pageSize=21")), "query pageSize must be <= 20"),
        (search(&format!("{HERE}&pageSize=many")), "query pageSize must be integer"),
        (search(&format!("{HERE}&{HERE}")), "query: marketplaceIds is given twice"),
        (
            search(&format!("{HERE}&includedData=summaries,prices")),
            "query includedData.1 must be equal to one of the allowed values",
        ),
        (search(&format!("{HERE}&sortOrder=asc")), "query sortOrder must be equal to one of the allowed values"),
        (
            search(&format!("{HERE}&lastUpdatedAfter=yesterday")),
            "query lastUpdatedAfter must match format \"date-time\"",
        ),
        (get(&format!("{participations}?page=2"), 200, json!({ "payload": [] })), "query: page is unknown"),
        (patch(HERE, without("productType")), "body productType must have required property 'productType'"),
        (patch(HERE, changed(|body| body["patches"] = json!([]))), "body patches must NOT have fewer than 1 items"),
        (
            patch(HERE, changed(|body| body["patches"][0]["op"] = json!("set"))),
            "body patches.0.op must be equal to one of the allowed values",
        ),
        (
            patch(HERE, changed(|body| body["requirement"] = json!("LISTING"))),
            "body must NOT have additional properties",
        ),
        (patch(HERE, Value::Null), "body request.body was not present"),
        (patch("mode=PREVIEW&marketplaceIds=A", patches()), "query mode must be equal to one of the allowed values"),
    ];
    for (exchange, expected) in &wrong {
        let faults = faults(&mut judge, exchange).await;
        assert!(faults.contains(expected), "{faults:?} does not tell {expected:?}: {exchange:?}");
    }
    let mut unsaid = patch(HERE, patches());
    unsaid.headers.clear();
    assert_eq!(faults(&mut judge, &unsaid).await, "body: its type is ");
    let nowhere = get("/listings/2021-08-01/listings", 200, Value::Null);
    assert_eq!(judge.judge(&nowhere).await.operation, None);
}

#[tokio::test]
async fn a_wrong_answer_is_refused() {
    let Some(mut judge) = Judge::start() else { return };
    let error = json!({ "errors": [{ "code": "InvalidInput", "message": "no" }] });
    let wrong = [
        (
            item(|item| item["summaries"][0]["status"][0] = json!("ON_SALE")),
            "summaries/0/status/0 must be equal to one of the allowed values",
        ),
        (
            item(|item| drop(item["summaries"][0].as_object_mut().unwrap().remove("createdDate"))),
            "must have required property 'createdDate'",
        ),
        (
            item(|item| item["summaries"][0]["createdDate"] = json!("5 January")),
            "summaries/0/createdDate must match format \"date-time\"",
        ),
        (item(|item| item["offers"][0]["price"]["amount"] = json!(19.9)), "offers/0/price/amount must be string"),
        (item(|item| item["offers"][0]["price"]["currency"] = json!("EUR")), "must NOT have additional properties"),
        (item(|item| item["title"] = json!("Tee")), "must NOT have additional properties"),
        (
            get(&format!("{SELLER}/a?{HERE}"), 404, json!({ "errors": [{ "code": "NOT_FOUND" }] })),
            "must have required property 'message'",
        ),
        (get(&format!("{SELLER}/a?{HERE}"), 418, error.clone()), "An unknown status code was used"),
        (get(&format!("{SELLER}/a?{HERE}"), 404, Value::Null), "must be object"),
        (
            exchange("POST", "/feeds/2021-06-30/documents", json!({ "contentType": "text/plain" }), 200, error),
            "An unknown status code was used",
        ),
    ];
    for (exchange, expected) in &wrong {
        let faults = faults(&mut judge, exchange).await;
        assert!(faults.contains(expected), "{faults:?} does not tell {expected:?}: {exchange:?}");
    }
    let mut page = item(|_| {});
    page.answer_headers[0].1 = "text/plain".to_owned();
    assert_eq!(faults(&mut judge, &page).await, "answer: its type is text/plain");
}

const FEED: &str = "/pretend/store/feed-1?signature=x";
const REPORT: &str = "/pretend/store/report-1?signature=x";

/// A document on its way: `PUT` with a body, `GET` with an answer.
fn document(method: &str, target: &str, kind: &str, text: &str) -> Exchange {
    let json = vec![("content-type".to_owned(), kind.to_owned())];
    let put = method == "PUT";
    Exchange {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: if put { json.clone() } else { Vec::new() },
        body: if put { text.to_owned().into() } else { bytes::Bytes::new() },
        status: 200,
        answer_headers: json,
        answer: Some(if put { bytes::Bytes::new() } else { text.to_owned().into() }),
    }
}

/// What Amazon shows as an example.
fn sample(name: &str) -> Value {
    let path = super::file("amazon-models").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The judge is told by answers of the API which document is behind which address.
async fn tell_of_documents(judge: &mut Judge) {
    let url = |target: &str| format!("http://127.0.0.1:1{target}");
    let times = json!({ "createdTime": "2026-01-05T08:00:00Z", "processingStatus": "DONE" });
    let with = |more: Value| {
        let mut all = times.as_object().cloned().unwrap();
        all.extend(more.as_object().cloned().unwrap());
        Value::Object(all)
    };
    let feed = with(json!({ "feedId": "f", "feedType": "JSON_LISTINGS_FEED", "resultFeedDocumentId": "result" }));
    let report =
        with(json!({ "reportId": "r", "reportType": "GET_MERCHANT_LISTINGS_ALL_DATA", "reportDocumentId": "table" }));
    let told = [
        exchange(
            "POST",
            "/feeds/2021-06-30/documents",
            json!({ "contentType": "application/json; charset=UTF-8" }),
            201,
            json!({ "feedDocumentId": "d", "url": url(FEED) }),
        ),
        get("/feeds/2021-06-30/feeds/f", 200, feed),
        get("/feeds/2021-06-30/documents/result", 200, json!({ "feedDocumentId": "result", "url": url("/result") })),
        get("/reports/2021-06-30/reports/r", 200, report),
        get("/reports/2021-06-30/documents/table", 200, json!({ "reportDocumentId": "table", "url": url(REPORT) })),
    ];
    for exchange in &told {
        assert_eq!(faults(judge, exchange).await, "", "{exchange:?}");
    }
}

#[tokio::test]
async fn documents_are_judged_by_what_they_are() {
    let Some(mut judge) = Judge::start() else { return };
    tell_of_documents(&mut judge).await;
    let utf8 = "application/json; charset=UTF-8";
    let (feed, result) = (
        sample("listings-feed-schema-v2.example.json"),
        sample("listings-feed-processing-report-schema-v2.example.json"),
    );
    let header = "item-name\titem-description\tlisting-id\tseller-sku\tprice\tquantity\topen-date";
    let row = "Tee\t\tL1\ta\t19.90\t3\t05/01/2026 08:00:00 GMT";
    let table = format!("{header}\n{row}\n");
    let put = |text: &Value| document("PUT", FEED, utf8, &text.to_string());
    let changed = |of: &Value, change: fn(&mut Value)| {
        let mut changed = of.clone();
        change(&mut changed);
        changed
    };
    for fair in [
        put(&feed),
        document("GET", "/result", utf8, &result.to_string()),
        document("GET", REPORT, "text/plain; charset=Cp1252", &table),
    ] {
        assert_eq!(faults(&mut judge, &fair).await, "", "{fair:?}");
    }
    let mut shown = put(&feed);
    shown.headers.push(("x-amz-access-token".to_owned(), "Atza|1".to_owned()));
    let report = |text: &str| document("GET", REPORT, "text/plain; charset=UTF-8", text);
    let wrong = [
        (shown, "the access token is shown"),
        (document("PUT", FEED, "application/json", &feed.to_string()), "its type is application/json, not"),
        (document("PUT", FEED, utf8, "{"), "JSON"),
        (
            put(&changed(&feed, |feed| feed["header"]["version"] = json!("1.0"))),
            "/header/version must be equal to constant",
        ),
        (
            put(&changed(&feed, |feed| drop(feed["header"].as_object_mut().unwrap().remove("sellerId")))),
            "must have required property 'sellerId'",
        ),
        (
            put(&changed(&feed, |feed| feed["messages"][1]["operationType"] = json!("UPSERT"))),
            "/messages/1/operationType must be equal to one of the allowed values",
        ),
        (
            put(&changed(&feed, |feed| drop(feed["messages"][1].as_object_mut().unwrap().remove("productType")))),
            "/messages/1",
        ),
        (
            put(&changed(&feed, |feed| feed["messages"][0]["messageId"] = json!("1"))),
            "/messages/0/messageId must be integer",
        ),
        (
            put(&changed(&feed, |feed| feed["messages"][0]["quantity"] = json!(1))),
            "must NOT have additional properties",
        ),
        (document("PUT", REPORT, "text/plain", &table), "it is not to be written"),
        (
            document("GET", "/result", utf8, &changed(&result, |result| result["summary"] = json!({})).to_string()),
            "/summary must have required property 'errors'",
        ),
        (
            document(
                "GET",
                "/result",
                utf8,
                &changed(&result, |result| result["issues"][0]["severity"] = json!("FATAL")).to_string(),
            ),
            "/issues/0/severity must be equal to one of",
        ),
        (report(&table.replace("seller-sku", "sku")), "the column seller-sku is missing"),
        (report(&format!("{table}Tee\n")), "line 3 has another number of columns"),
    ];
    for (exchange, expected) in &wrong {
        let faults = faults(&mut judge, exchange).await;
        assert!(faults.contains(expected), "{faults:?} does not tell {expected:?}: {exchange:?}");
    }
}
