//! Settings, places and links.

use super::*;

fn app() -> Map<String, Value> {
    json!({"client_id": "client", "application_id": "app id"}).as_object().cloned().unwrap()
}

fn built(own: Value, app: Map<String, Value>) -> std::sync::Arc<dyn Channel> {
    (DEF.build)(&settings(&own, app), &tools(&Clock::manual(Timestamp::UNIX_EPOCH))).unwrap()
}

fn faults(own: Value, app: Value) -> String {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let faults = (DEF.build)(&settings(&own, app.as_object().cloned().unwrap()), &tools(&clock)).err().unwrap();
    let mut told: Vec<_> = faults.iter().map(|it| format!("{}: {}; {}", it.key, it.cause, it.remedy)).collect();
    told.sort();
    told.join("\n")
}

#[test]
fn every_fault_in_the_settings_is_named_at_once() {
    let app = json!({
        "client_id": ["x"], "draft": "yes", "api_url": "http://shop.example", "token_url": "no", "consent_url": "https://x/?a=b",
    });
    insta::assert_snapshot!(faults(json!({"marketplace": "XX", "seller_id": "not one"}), app), @r#"
    channel.api_url: `api_url` is neither https nor on loopback; use https
    channel.application_id: `application_id` is missing; copy it from the app's page in the Solution Provider Portal
    channel.client_id: `client_id` is not a text; copy it from the app's page in the Solution Provider Portal, in quotes
    channel.consent_url: `consent_url` has a query or fragment; leave it out: origin and path prefix only
    channel.draft: `draft` is "yes", not true or false; write true or false
    channel.token_url: `token_url` is not an address; use one like https://api.amazon.com/
    marketplace: `marketplace` is "XX", not the country of an Amazon marketplace; use one of AE, AU, BE, BR, CA, DE, EG, ES, FR, GB, IE, IN, IT, JP, MX, NL, PL, SA, SE, SG, TR, US, ZA
    seller_id: `seller_id` is "not one", not a seller's id; copy the merchant token from Seller Central (Settings, Account Info), in quotes, or leave it out
    "#);
    insta::assert_snapshot!(faults(json!({}), json!({"client_id": "c", "application_id": "a"})), @"marketplace: `marketplace` is missing; set it to the country of the marketplace, one of AE, AU, BE, BR, CA, DE, EG, ES, FR, GB, IE, IN, IT, JP, MX, NL, PL, SA, SE, SG, TR, US, ZA");
}

#[test]
fn the_marketplace_tells_the_consent_page_and_the_app_of_its_region() {
    let table = [
        ("de", "sellercentral.amazon.de", "client eu"),
        ("GB", "sellercentral.amazon.co.uk", "client eu"),
        ("US", "sellercentral.amazon.com", "client na"),
        ("BR", "sellercentral.amazon.com.br", "client na"),
        ("JP", "sellercentral.amazon.co.jp", "client fe"),
    ];
    for (country, host, known_app) in table {
        let channel = built(json!({"marketplace": country}), app());
        let consent = channel.consent().unwrap();
        assert_eq!(consent.app(), known_app);
        let redirect = "redirect_uri=https%3A%2F%2Fshops.example.com%2Foauth%2Famazon%2Fcallback";
        let path = format!("/apps/authorize/consent?application_id=app+id&state=a+b&{redirect}");
        assert_eq!(consent.link("a b").as_str(), format!("https://{host}{path}"));
    }
}

#[test]
fn the_link_of_a_draft_says_so_and_an_address_of_ones_own_is_kept_with_its_prefix() {
    let mut app = app();
    app.insert("draft".into(), json!(true));
    app.insert("consent_url".into(), json!("https://gateway.example/amazon/"));
    let link = built(json!({"marketplace": "DE"}), app).consent().unwrap().link("s");
    assert!(link.as_str().starts_with("https://gateway.example/amazon/apps/authorize/consent?"), "{link}");
    assert!(link.as_str().ends_with("&version=beta"), "{link}");
}

#[test]
fn shops_of_sellers_that_the_settings_do_not_name_are_told_apart_by_consent() {
    let known = built(json!({"marketplace": "DE", "seller_id": SELLER}), app());
    assert_eq!(known.place(), "amazon A1PA6795UKMFR9 A3TH9S8BH6GOGM");
    assert_eq!(known.place(), known.place_of(SELLER));
    let unknown = built(json!({"marketplace": "DE"}), app());
    assert_ne!(unknown.place(), known.place());
    assert_eq!(unknown.place_of(SELLER), known.place());
    let mut other = settings(&json!({"marketplace": "DE"}), app());
    other.shop.id = "other".parse().unwrap();
    let other = (DEF.build)(&other, &tools(&Clock::manual(Timestamp::UNIX_EPOCH))).unwrap();
    assert_ne!(other.place(), unknown.place(), "two sellers may each have a shop there");
}

#[tokio::test]
async fn links_of_a_draft_and_of_a_strange_address_are_refused_on_the_consent_page() {
    let mut scene = Scene::new();
    let consent = |scene: &Scene| {
        let link = scene.channel().consent().unwrap().link("s");
        scene.fake.consent(&link, Some(SELLER))
    };
    scene.fake.rules(|rules| rules.draft = true);
    assert!(consent(&scene).unwrap_err().starts_with("MD1000"));
    scene.app.insert("draft".into(), json!(true));
    consent(&scene).unwrap();
    scene.fake.set_redirect_url("https://shops.example.com/other".parse().unwrap());
    assert!(consent(&scene).unwrap_err().starts_with("MD5101"));
    scene.app.insert("application_id".into(), json!("another"));
    assert!(consent(&scene).unwrap_err().contains("application_id"));
}

#[test]
fn naming_the_seller_that_authorized_a_shop_or_no_longer_naming_it_moves_nothing() {
    let unnamed = built(json!({"marketplace": "DE"}), app());
    let named = built(json!({"marketplace": "DE", "seller_id": SELLER}), app());
    let french = built(json!({"marketplace": "FR", "seller_id": SELLER}), app());
    assert!(named.is_still(&unnamed.place(), SELLER));
    assert!(unnamed.is_still(&named.place(), SELLER));
    assert!(!named.is_still(&unnamed.place(), "A3OTHER"), "another seller authorized it");
    assert!(!unnamed.is_still(&named.place(), "A3OTHER"));
    assert!(
        !french.is_still(&unnamed.place(), SELLER) && !french.is_still(&named.place(), SELLER),
        "another marketplace"
    );
}
