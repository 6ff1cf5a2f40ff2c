//! What items are read into.

use super::*;
use crate::channels::amazon::marketplaces::of_country;

fn us() -> &'static Marketplace {
    of_country("US").unwrap()
}

/// The vendor's sample, as far as it concerns us.
fn tee() -> Value {
    json!({
        "sku": "TS-RED-M",
        "summaries": [{"marketplaceId": "ATVPDKIKX0DER", "asin": "B000000001", "productType": "SHIRT",
            "conditionType": "new_new", "status": ["BUYABLE", "DISCOVERABLE"], "itemName": "Catalog's tee",
            "createdDate": "2026-01-05T08:00:00Z", "lastUpdatedDate": "2026-09-01T10:15:00Z",
            "mainImage": {"link": "https://img.example.test/1.jpg", "height": 500, "width": 500}}],
        "attributes": {
            "item_name": [{"value": "Camiseta", "language_tag": "es_US", "marketplace_id": "ATVPDKIKX0DER"},
                {"value": "Tee, red, M", "language_tag": "en_US", "marketplace_id": "ATVPDKIKX0DER"}],
            "color": [{"value": "Red", "language_tag": "en_US", "marketplace_id": "ATVPDKIKX0DER"}],
            "size": [{"value": 38}],
            "brand": [{"value": "Acme", "marketplace_id": "A2EUQ1WTGCTBG2"}, {"value": "Acme US", "marketplace_id": "ATVPDKIKX0DER"}],
            "externally_assigned_product_identifier": [{"type": "ean", "value": "4006381333931"}],
            "other_product_image_locator_1": [{"media_location": "https://img.example.test/2.jpg"}],
        },
        "offers": [{"marketplaceId": "ATVPDKIKX0DER", "offerType": "B2C",
            "price": {"currencyCode": "USD", "amount": "19.90"}}],
        "fulfillmentAvailability": [{"fulfillmentChannelCode": "DEFAULT", "quantity": 12}],
        "relationships": [{"marketplaceId": "ATVPDKIKX0DER", "relationships": [{"type": "VARIATION", "parentSkus": ["TS"],
            "variationTheme": {"attributes": ["color", "size", "unknown"], "theme": "SIZE/COLOR"}}]}],
        "issues": [],
        "productTypes": [{"marketplaceId": "ATVPDKIKX0DER", "productType": "SHIRT"}],
        "somethingNew": {"of": "tomorrow"},
    })
}

fn listing(value: &Value, chosen: Option<&str>) -> Result<Listing, InvalidListing> {
    let wire = read(value).unwrap();
    Item::new(&wire, us()).listing(chosen)
}

fn with(path: &str, value: Value) -> Value {
    let mut item = tee();
    let (parent, name) = path.rsplit_once('/').unwrap();
    item.pointer_mut(parent).unwrap()[name] = value;
    item
}

#[test]
fn the_vendors_sample_is_read_with_the_sellers_own_words() {
    let listing = listing(&tee(), None).unwrap();
    assert_eq!(listing.sku.as_str(), "TS-RED-M");
    assert_eq!((listing.title.as_str(), listing.product_id.as_str()), ("Tee, red, M", "TS"));
    assert_eq!((listing.brand.as_deref(), listing.category.as_deref()), (Some("Acme US"), Some("SHIRT")));
    assert_eq!(listing.barcode.as_deref(), Some("4006381333931"));
    assert_eq!(listing.images, ["https://img.example.test/1.jpg", "https://img.example.test/2.jpg"]);
    let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(listing.options, [option("color", "Red"), option("size", "38")]);
    assert_eq!((listing.prices[0].to_string().as_str(), listing.stock), ("19.90 USD", Some(12)));
    assert_eq!(listing.status, ListingStatus::Active);
    assert_eq!(listing.refs[refs::THEME], "SIZE/COLOR");
}

#[test]
fn what_the_seller_set_goes_before_what_a_sale_makes_of_it() {
    let offer = |amount: Value| {
        json!([
            {"audience": "B2B", "currency": "USD", "our_price": [{"schedule": [{"value_with_tax": 1}]}]},
            {"marketplace_id": "A2EUQ1WTGCTBG2", "currency": "CAD", "our_price": [{"schedule": [{"value_with_tax": 2}]}]},
            {"marketplace_id": "ATVPDKIKX0DER", "currency": "USD", "our_price": [{"schedule": [{"value_with_tax": amount}]}],
                "discounted_price": [{"schedule": [{"value_with_tax": 9.99}]}]},
        ])
    };
    for (amount, expected) in
        [(json!(24.9), "24.9 USD"), (json!(0.1), "0.1 USD"), (json!("24.90"), "24.90 USD"), (json!(1299), "1299 USD")]
    {
        let read = listing(&with("/attributes/purchasable_offer", offer(amount)), None).unwrap();
        assert_eq!(read.prices[0].to_string(), expected);
    }
    for odd in [json!(-1), json!("free"), json!({})] {
        let error = listing(&with("/attributes/purchasable_offer", offer(odd)), None).unwrap_err();
        assert_eq!(error.code, "price");
    }
    let business = json!([{"marketplaceId": "ATVPDKIKX0DER", "offerType": "B2B", "price": {"currencyCode": "USD", "amount": "1"}}]);
    assert_eq!(listing(&with("/offers", business), None).unwrap().prices, []);
}

#[test]
fn where_the_stock_is_kept_decides_what_is_told_and_written() {
    let kept = |all: Value, chosen: Option<&str>| {
        let listing = listing(&with("/fulfillmentAvailability", all), chosen).unwrap();
        (listing.stock, listing.refs[refs::CHANNEL].clone(), listing.refs[refs::FBA].clone())
    };
    let two =
        json!([{"fulfillmentChannelCode": "DEFAULT", "quantity": 3}, {"fulfillmentChannelCode": "W2", "quantity": 4}]);
    assert_eq!(kept(json!([]), None), (None, json!("DEFAULT"), json!(false)));
    assert_eq!(kept(json!([{"fulfillmentChannelCode": "DEFAULT"}]), None), (None, json!("DEFAULT"), json!(false)));
    assert_eq!(kept(json!([{"fulfillmentChannelCode": "AMAZON_NA"}]), None), (None, json!(null), json!(true)));
    let told = json!([{"fulfillmentChannelCode": "AMAZON_NA", "quantity": 9}]);
    assert_eq!(kept(told, Some("DEFAULT")), (Some(9), json!(null), json!(true)));
    assert_eq!(kept(two.clone(), None), (Some(7), json!(null), json!(false)));
    assert_eq!(kept(two.clone(), Some("W2")), (Some(4), json!("W2"), json!(false)));
    for (chosen, words) in
        [(None, "several fulfillment channels (DEFAULT, W2)"), (Some("W3"), "not kept in fulfillment channel W3")]
    {
        let wire = read(&with("/fulfillmentAvailability", two.clone())).unwrap();
        assert!(Item::new(&wire, us()).channel_fault(chosen).unwrap().contains(words));
    }
}

#[test]
fn the_heads_of_variation_families_are_known_by_their_children_or_their_word() {
    let by_word = with("/attributes/parentage_level", json!([{"value": "parent"}]));
    let children =
        json!([{"marketplaceId": "ATVPDKIKX0DER", "relationships": [{"type": "VARIATION", "childSkus": ["a"]}]}]);
    let elsewhere =
        json!([{"marketplaceId": "A2EUQ1WTGCTBG2", "relationships": [{"type": "VARIATION", "childSkus": ["a"]}]}]);
    let table = [
        (tee(), false),
        (by_word, true),
        (with("/relationships", children), true),
        (with("/relationships", elsewhere), false),
    ];
    for (item, expected) in table {
        assert_eq!(Item::new(&read(&item).unwrap(), us()).is_parent(), expected, "{item}");
    }
}

#[test]
fn a_listing_is_blocked_by_an_enforcement_alone_and_only_where_it_is_off_sale() {
    let suppressed = |status: &str| {
        json!([{"code": "18742", "message": "Policy", "severity": "ERROR", "categories": [],
            "enforcements": {"actions": [{"action": "LISTING_SUPPRESSED"}], "exemption": {"status": status}}}])
    };
    let of = |statuses: Value, issues: Value| {
        let mut item = with("/issues", issues);
        item["summaries"][0]["status"] = statuses;
        listing(&item, None).unwrap().status
    };
    assert_eq!(of(json!(["DISCOVERABLE"]), json!([])), ListingStatus::Inactive);
    assert_eq!(of(json!([]), suppressed("NOT_EXEMPT")), ListingStatus::Blocked);
    assert_eq!(of(json!([]), suppressed("EXEMPT")), ListingStatus::Inactive);
    assert_eq!(of(json!(["BUYABLE"]), suppressed("NOT_EXEMPT")), ListingStatus::Active);
}

#[test]
fn issues_become_one_complaint_for_each_code() {
    let issues = json!([
        {"code": "90220", "message": "'size' is required but not supplied.", "severity": "ERROR", "categories": []},
        {"code": "90220", "message": "'color' is required but not supplied.", "severity": "ERROR", "categories": []},
        {"code": "18027", "message": "Bad\u{7} image", "severity": "ERROR", "categories": [], "marketplaceIds": ["ATVPDKIKX0DER"]},
        {"code": "18155", "message": "Elsewhere", "severity": "ERROR", "categories": [], "marketplaceIds": ["A2EUQ1WTGCTBG2"]},
        {"code": "18448", "message": "Only a hint", "severity": "WARNING", "categories": []},
    ]);
    let wire = read(&with("/issues", issues)).unwrap();
    let errors: Vec<_> = Item::new(&wire, us()).errors().cloned().collect();
    let told: Vec<_> =
        complaints("TS-RED-M", &errors, Some("r1")).into_iter().map(|one| (one.code, one.text)).collect();
    let both = "'size' is required but not supplied.; 'color' is required but not supplied.";
    assert_eq!(told, [("18027".to_owned(), "Bad image".to_owned()), ("90220".to_owned(), both.to_owned())]);
}

#[test]
fn nulls_mean_the_same_as_fields_that_are_missing() {
    let mut item = tee();
    for name in ["offers", "issues", "relationships", "productTypes", "fulfillmentAvailability", "attributes"] {
        item[name] = Value::Null;
    }
    item["summaries"][0]["mainImage"] = Value::Null;
    let listing = listing(&item, None).unwrap();
    assert_eq!((listing.title.as_str(), listing.stock, listing.prices.len()), ("Catalog's tee", None, 0));
    assert_eq!(listing.refs[refs::PRODUCT_TYPE], "SHIRT");
    assert!(read(&json!({"sku": 7})).is_err());
}
