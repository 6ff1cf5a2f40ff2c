//! The pretend marketplace over HTTP, as other programs use it.

use super::*;
use crate::http::{Answer, BudgetKey, Call, Method, Rate};

impl Scene {
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Answer {
        let call = Call {
            method,
            url: self.fake.url().join(path).unwrap(),
            headers: headers.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
            body: Some(body.to_owned().into()),
            budget: BudgetKey { channel: "test", app: String::new(), place: String::new(), operation: "any" },
            rate: Rate::per_second(100, 100),
        };
        self.tools.http.send(call).await.unwrap()
    }

    async fn ask_tokens(&self, kind: &str, body: &str) -> (u16, Value) {
        let answer = self.send(Method::POST, "/auth/o2/token", &[("content-type", kind)], body).await;
        assert!(answer.header("x-amzn-requestid").is_some());
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn order(&self, what: &str, order: Value) -> Value {
        let json = [("content-type", "application/json")];
        let answer = self.send(Method::POST, &format!("/_fake/{what}"), &json, &order.to_string()).await;
        assert_eq!(answer.status, 200, "{what}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).unwrap()
    }
}

#[tokio::test]
async fn the_token_host_takes_forms_and_json_and_names_what_is_wrong() {
    let scene = Scene::new();
    let issued = scene.issue();
    let own = json!({"client_id": super::super::fake::CLIENT_ID, "client_secret": APP_SECRET});
    let with = |more: Value| {
        let mut all = own.as_object().cloned().unwrap();
        all.extend(more.as_object().cloned().unwrap());
        all
    };
    let form = |fields: &Map<String, Value>| {
        let pairs = fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let refresh = with(json!({"grant_type": "refresh_token", "refresh_token": issued.refresh_token}));
    let asked = [
        ("application/x-www-form-urlencoded;charset=UTF-8", form(&refresh)),
        ("application/json", Value::Object(refresh).to_string()),
    ];
    for (kind, body) in asked {
        let (status, tokens) = scene.ask_tokens(kind, &body).await;
        assert_eq!((status, &tokens["refresh_token"]), (200, &json!(issued.refresh_token)), "{kind}");
        assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(3600)));
    }
    let table = [
        (with(json!({})), 400, "invalid_request"),
        (with(json!({"grant_type": "password"})), 400, "unsupported_grant_type"),
        (with(json!({"grant_type": "authorization_code"})), 400, "invalid_request"),
        (with(json!({"grant_type": "authorization_code", "code": "made up"})), 400, "invalid_grant"),
        (with(json!({"grant_type": "refresh_token", "refresh_token": "made up"})), 400, "invalid_grant"),
        (with(json!({"grant_type": "client_credentials", "scope": "profile"})), 400, "invalid_scope"),
        (with(json!({"grant_type": "refresh_token", "client_secret": "wrong"})), 401, "invalid_client"),
    ];
    for (fields, status, error) in table {
        let (said, body) = scene.ask_tokens("application/json", &Value::Object(fields).to_string()).await;
        assert_eq!((said, &body["error"]), (status, &json!(error)), "{body}");
    }
    let scope = json!({"grant_type": "client_credentials", "scope": "sellingpartnerapi::notifications"});
    let (status, tokens) = scene.ask_tokens("application/json", &Value::Object(with(scope)).to_string()).await;
    assert_eq!((status, tokens.get("refresh_token")), (200, None), "a token of no seller");
}

#[tokio::test]
async fn the_sellers_api_tells_an_account_and_refuses_in_the_vendors_words() {
    let scene = Scene::new();
    let issued = scene.issue();
    let token = ("x-amz-access-token", issued.access_token.as_str());
    let answer = scene.send(Method::GET, "/sellers/v1/account", &[token], "").await;
    let account: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(account["payload"]["marketplaceParticipationList"].as_array().unwrap().len(), 2, "{account}");
    assert_eq!(answer.header("x-amzn-ratelimit-limit"), Some("0.016"));
    for (path, headers, status, code) in [
        ("/sellers/v1/account", vec![], 403, "Unauthorized"),
        ("/sellers/v1/account", vec![("x-amz-access-token", "Atza|made-up")], 403, "Unauthorized"),
        ("/sellers/v2/account", vec![token], 404, "NotFound"),
    ] {
        let answer = scene.send(Method::GET, path, &headers, "").await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status, &body["errors"][0]["code"]), (status, &json!(code)), "{path}");
    }
    assert_eq!(scene.fake.stats().odd_headers, 4);
}

#[tokio::test]
async fn scenes_are_set_and_counters_read_over_http() {
    let scene = Scene::new();
    scene.order("seller", json!({"seller": "A9NEW", "name": "New", "countries": ["US"]})).await;
    let granted = scene.order("grant", json!({"seller": "A9NEW", "consent_age_days": 3})).await;
    assert_eq!((&granted["account"], &granted["authorized_at"]), (&json!("A9NEW"), &json!("2026-05-29T12:00:00Z")));
    let begun = scene.order("begin", json!({"seller": "A9NEW"})).await;
    assert!(begun["go"].as_str().unwrap().contains("selling_partner_id=A9NEW"), "{begun}");
    scene.order("close", json!({"seller": SELLER, "country": "DE", "closed": true})).await;
    let error = scene.channel().probe(&scene.access()).await.unwrap_err();
    assert!(matches!(error.failure, Failure::ShopClosed { .. }), "{error}");
    let issued = scene.issue();
    scene.order("fail_next", json!({"of": "token", "mishap": "server_error"})).await;
    assert!(matches!(scene.refresh(&issued).await.unwrap_err().failure, Failure::Unavailable { .. }));
    scene.order("end", json!({"seller": SELLER})).await;
    let error = scene.refresh(&issued).await.unwrap_err();
    assert!(matches!(error.failure, Failure::AuthorizationEnded { .. }), "{error}");
    let fresh = scene.order("rotate_client_secret", json!({})).await;
    assert!(fresh["client_secret"].as_str().unwrap().starts_with("amzn1.oa2-cs.v1."));
    let products = json!([{"sku": "a", "title": "A", "price": "5", "stock": 1}, {"sku": "b"}]);
    scene.order("products", json!({"seller": "A9NEW", "country": "US", "products": products})).await;
    scene.order("delete", json!({"seller": "A9NEW", "country": "US", "sku": "b"})).await;
    scene.order("refuse", json!({"seller": "A9NEW", "country": "US", "sku": "a"})).await;
    let listings = scene.send(Method::GET, "/_fake/listings?seller=A9NEW&country=US", &[], "").await;
    let listings: Value = serde_json::from_slice(&listings.body).unwrap();
    assert_eq!((listings.as_array().unwrap().len(), &listings[0]["currency"]), (1, &json!("USD")), "{listings}");
    let stats = scene.send(Method::GET, "/_fake/stats", &[], "").await;
    let stats: Value = serde_json::from_slice(&stats.body).unwrap();
    assert_eq!(stats["calls"]["/auth/o2/token"], 2, "{stats}");
}

#[tokio::test]
async fn a_browser_finds_pages_to_agree_on_and_to_begin_from() {
    let scene = Scene::new();
    let link = scene.channel().consent().unwrap().link("s1");
    let page = scene.send(Method::GET, link.as_str(), &[], "").await;
    assert!(String::from_utf8_lossy(&page.body).contains("Signed in as Seller Ltd"), "{page:?}");
    let agreed = format!("/apps/authorize/consent/decide?{}&account={SELLER}", link.query().unwrap());
    let agreed = scene.send(Method::GET, &agreed, &[], "").await;
    assert_eq!(agreed.status, 302);
    assert!(
        agreed.header("location").unwrap().starts_with(&format!("{CALLBACK}?state=s1&selling_partner_id={SELLER}&"))
    );

    let manage = scene.send(Method::GET, "/apps/manage", &[], "").await;
    assert!(String::from_utf8_lossy(&manage.body).contains("/apps/manage/decide"), "{manage:?}");
    let begun = scene.send(Method::GET, &format!("/apps/manage/decide?account={SELLER}"), &[], "").await;
    let begun: url::Url = begun.header("location").unwrap().parse().unwrap();
    let start = scene.channel().consent().unwrap().start(&pairs(&begun), "s2").unwrap().unwrap();
    let back = scene.send(Method::GET, start.go.as_str(), &[], "").await;
    assert!(back.header("location").unwrap().starts_with(&format!("{CALLBACK}?state=s2&")));
    scene.fake.set_redirect_url("https://shops.example.com/other".parse().unwrap());
    let refused = scene.send(Method::GET, link.as_str(), &[], "").await;
    assert_eq!((refused.status, &refused.body[..6]), (400, &b"MD5101"[..]));
}
