//! Flows that Amazon begins.

use super::*;

const STATE: (&str, &str) = ("amazon_state", "their state");
const WHO: (&str, &str) = ("selling_partner_id", SELLER);

fn channel(own: Value, draft: bool) -> std::sync::Arc<dyn Channel> {
    let app = json!({"client_id": "k", "application_id": "a", "draft": draft}).as_object().cloned().unwrap();
    (DEF.build)(&settings(&own, app), &tools(&Clock::manual(Timestamp::UNIX_EPOCH))).unwrap()
}

fn german() -> Value {
    json!({"marketplace": "DE"})
}

#[test]
fn the_browser_goes_back_to_amazon_with_our_address_and_both_states() {
    let back = "https://sellercentral.amazon.de/apps/authorize/confirm/amzn1.sp.solution.1?x=1&state=theirs#f";
    let shop = channel(german(), false);
    let sent = query(&[("amazon_callback_uri", back), STATE, WHO]);
    let start = shop.consent().unwrap().start(&sent, "our state").unwrap().unwrap();
    assert_eq!(start.account.as_deref(), Some(SELLER));
    insta::assert_snapshot!(start.go, @"https://sellercentral.amazon.de/apps/authorize/confirm/amzn1.sp.solution.1?x=1&redirect_uri=https%3A%2F%2Fshops.example.com%2Foauth%2Famazon%2Fcallback&amazon_state=their+state&state=our+state");
}

#[test]
fn a_draft_says_so_on_the_way_back_whether_we_or_amazon_know_it() {
    let back = ("amazon_callback_uri", "https://sellercentral.amazon.de/apps/authorize/confirm/1");
    for (draft, beta) in [(true, None), (false, Some(("version", "beta")))] {
        let pairs: Vec<_> = [back, STATE, WHO].into_iter().chain(beta).collect();
        let channel = channel(german(), draft);
        let start = channel.consent().unwrap().start(&query(&pairs), "s").unwrap().unwrap();
        assert!(start.go.as_str().ends_with("&state=s&version=beta"), "{}", start.go);
    }
}

#[test]
fn our_page_is_a_springboard_to_amazon_alone() {
    let shop = channel(german(), false);
    let start = |back| shop.consent().unwrap().start(&query(&[("amazon_callback_uri", back), STATE, WHO]), "s");
    let taken = [
        "https://sellercentral.amazon.de/apps/authorize/confirm/1",
        "https://sellercentral-europe.amazon.com/apps/authorize/confirm/1",
        "https://vendorcentral.amazon.fr/apps/authorize/confirm/1",
        "https://SELLERCENTRAL.amazon.de:443/apps/authorize/confirm/1",
        "https://amazon.com/apps/authorize/confirm/amzn1.sellerapps.app.2eca283f",
    ];
    for back in taken {
        assert!(start(back).unwrap().is_some(), "{back}");
    }
    let refused = [
        "http://sellercentral.amazon.de/apps/authorize/confirm/1",
        "https://sellercentral.amazon.de:8443/apps/authorize/confirm/1",
        "https://sellercentral.amazon.de@evil.example/apps/authorize/confirm/1",
        "https://user@sellercentral.amazon.de/apps/authorize/confirm/1",
        "https://sellercentral.amazon.de.evil.example/apps/authorize/confirm/1",
        "https://evil.example/apps/authorize/confirm/1",
        "https://evil.example/?https://sellercentral.amazon.de/",
        "https://www.amazon.com/gp/redirect.html",
        "https:evil.example",
        "//sellercentral.amazon.de/apps",
        "javascript:alert(1)",
        "not an address",
    ];
    for back in refused {
        let error = start(back).unwrap_err();
        assert_eq!(error.failure, Failure::Rejected, "{back}");
        assert_eq!(error.text, "Amazon: the request's amazon_callback_uri does not lead to Amazon");
    }
}

#[test]
fn requests_that_are_not_whole_are_refused_by_name() {
    let back = ("amazon_callback_uri", "https://sellercentral.amazon.de/apps/authorize/confirm/1");
    let missing = "is missing, empty or there twice";
    let table: [(&[(&str, &str)], String); 5] = [
        (&[STATE, WHO], format!("amazon_callback_uri {missing}")),
        (&[back, back, STATE, WHO], format!("amazon_callback_uri {missing}")),
        (&[back, ("amazon_state", ""), WHO], format!("amazon_state {missing}")),
        (&[back, STATE], format!("selling_partner_id {missing}")),
        (&[back, STATE, ("selling_partner_id", "x y")], "selling_partner_id is not a seller's id".to_owned()),
    ];
    let shop = channel(german(), false);
    for (pairs, expected) in table {
        assert_eq!(
            shop.consent().unwrap().start(&query(pairs), "s").unwrap_err().text,
            format!("Amazon: the request's {expected}")
        );
    }
}

#[test]
fn a_flow_of_another_seller_or_region_is_another_shops() {
    let pairs = |host: &str| {
        let back = format!("https://{host}/apps/authorize/confirm/1");
        query(&[("amazon_callback_uri", &back), STATE, WHO])
    };
    let table = [
        (json!({"marketplace": "DE", "seller_id": SELLER}), "sellercentral.amazon.de", true),
        (json!({"marketplace": "DE", "seller_id": SELLER}), "sellercentral.amazon.fr", true),
        (json!({"marketplace": "DE", "seller_id": OTHER}), "sellercentral.amazon.de", false),
        (json!({"marketplace": "US"}), "sellercentral.amazon.de", false),
        (json!({"marketplace": "US"}), "sellercentral.amazon.com.mx", true),
        (json!({"marketplace": "JP"}), "sellercentral-europe.amazon.com", false),
        (json!({"marketplace": "JP"}), "amazon.com", true),
    ];
    for (own, host, ours) in table {
        let shop = channel(own.clone(), false);
        let start = shop.consent().unwrap().start(&pairs(host), "s").unwrap();
        assert_eq!(start.is_some(), ours, "{own} {host}");
    }
}

#[tokio::test]
async fn a_flow_that_a_seller_begins_at_amazon_ends_in_tokens_and_works_once() {
    let mut scene = Scene::new();
    scene.fake.rules(|rules| rules.draft = true);
    scene.app.insert("draft".into(), json!(true));
    let channel = scene.channel();
    let consent = channel.consent().unwrap();
    let begun = scene.fake.begin(SELLER).unwrap();
    assert!(begun.as_str().starts_with("https://shops.example.com/oauth/amazon/start?"), "{begun}");
    let start = consent.start(&pairs(&begun), "s9").unwrap().unwrap();
    assert_eq!(start.account.as_deref(), Some(SELLER));
    let back = scene.fake.come_back(&start.go).unwrap();
    let callback = consent.read_callback(&pairs(&back)).unwrap();
    assert_eq!(callback.state.as_deref(), Some("s9"));
    assert_eq!(consent.exchange(&callback).await.unwrap()[0].account, SELLER);
    assert!(scene.fake.come_back(&start.go).unwrap_err().contains("amazon_state"));
    assert_eq!(scene.fake.stats().starts, 1);
}
