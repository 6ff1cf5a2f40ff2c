//! Changes sent one by one.

use super::importing::seed;
use super::*;
use crate::channels::{PushResult, amazon::submission};
use crate::domain::{Complaint, Field, Listing, ListingStatus, Price, Product, Values, Variant, plan::Change};

impl Scene {
    pub(super) async fn push(&self, changes: &[Change]) -> Vec<PushResult> {
        self.channel().push(&self.access(), changes).await.unwrap()
    }

    pub(super) fn item(&self, sku: &str) -> Value {
        let items = self.fake.items(SELLER, "DE");
        items.into_iter().find(|item| item["sku"] == sku).unwrap_or_default()
    }
}

pub(super) fn price(text: &str) -> Price {
    let (amount, currency) = text.split_once(' ').unwrap();
    Price { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }
}

pub(super) fn change(listing: &Listing, wanted: Values, fields: &[Field]) -> Change {
    Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: Vec::new(),
        wanted,
        fields: fields.to_vec(),
    }
}

pub(super) fn both(listing: &Listing, amount: &str, stock: i64) -> Change {
    let wanted = Values { price: Some(price(amount)), stock: Some(stock), ..Values::default() };
    change(listing, wanted, &[Field::Price, Field::Stock])
}

pub(super) fn stock(listing: &Listing, stock: i64) -> Change {
    change(listing, Values { stock: Some(stock), ..Values::default() }, &[Field::Stock])
}

pub(super) fn creation(sku: &str) -> Change {
    let product = Product {
        id: "p1".into(),
        title: "Mug".into(),
        description: Some("<p>Big &amp; <b>blue</b></p><p>Holds tea</p>".into()),
        brand: Some("Acme".into()),
        category: Some("Mugs".into()),
        images: vec!["https://img.example/1.jpg".into(), "https://img.example/2.jpg".into()],
    };
    let variant = Variant {
        sku: sku.parse().unwrap(),
        product_id: "p1".into(),
        barcode: Some("4006381333931".into()),
        prices: vec![price("12.50 EUR")],
        stock: Some(3),
        options: vec![("Colour".into(), "Blue".into())],
    };
    Change {
        sku: variant.sku.clone(),
        listing: None,
        product: Some((product, variant)),
        siblings: Vec::new(),
        wanted: Values { price: Some(price("12.50 EUR")), stock: Some(3), ..Values::default() },
        fields: vec![Field::Price, Field::Stock],
    }
}

pub(super) fn mapped() -> Value {
    json!({"marketplace": "DE", "mapping": {
        "category": "SHIRT", "categories": {"Mugs": "DRINKING_CUP"},
        "attributes": {"color": "{option.Colour}", "country_of_origin": "DE"},
        "raw": {"number_of_items": [{"value": 1}], "capacity": [{"unit": "milliliters", "value": 300}]},
    }})
}

pub(super) fn refused(results: &[PushResult]) -> Vec<&Complaint> {
    let refused = results.iter().filter_map(|result| match result {
        PushResult::Refused(complaint) => Some(complaint),
        _ => None,
    });
    refused.collect()
}

pub(super) fn done(result: &PushResult) -> &Listing {
    match result {
        PushResult::Done { listing, .. } => listing,
        other => panic!("not done: {other:?}"),
    }
}

#[tokio::test]
async fn a_price_leaves_sales_and_business_prices_as_they_are() {
    let offers = json!({
        "purchasable_offer": [
            {"marketplace_id": "A1PA6795UKMFR9", "currency": "EUR", "our_price": [{"schedule": [{"value_with_tax": 19.9}]}],
                "discounted_price": [{"schedule": [{"value_with_tax": 9.9}]}]},
            {"marketplace_id": "A1PA6795UKMFR9", "currency": "EUR", "audience": "B2B", "our_price": [{"schedule": [{"value_with_tax": 15}]}]},
        ],
        "fulfillment_availability": [{"fulfillment_channel_code": "DEFAULT", "quantity": 5, "lead_time_to_ship_max_days": 3}],
    });
    let scene = Scene::seeded(&[Seed { attributes: offers.as_object().cloned().unwrap(), ..seed("a") }]);
    let listings = scene.read().await;
    assert_eq!(listings[0].prices[0].to_string(), "19.9 EUR");
    let results = scene.push(&[both(&listings[0], "21.50 EUR", 9)]).await;
    let item = scene.item("a");
    let sent = &item["attributes"]["purchasable_offer"];
    assert_eq!(sent[0].pointer("/our_price/0/schedule/0/value_with_tax"), Some(&json!(21.5)));
    assert_eq!(sent[0].pointer("/discounted_price/0/schedule/0/value_with_tax"), Some(&json!(9.9)));
    assert_eq!(sent[1].pointer("/our_price/0/schedule/0/value_with_tax"), Some(&json!(15)));
    let kept = json!([{"fulfillment_channel_code": "DEFAULT", "quantity": 9, "lead_time_to_ship_max_days": 3}]);
    assert_eq!(item["attributes"]["fulfillment_availability"], kept);
    assert_eq!(scene.fake.stats().attributes_lost, 0);
    let seen = done(&results[0]);
    assert_eq!((seen.stock, seen.prices[0]), (Some(9), price("21.50 EUR")));
    assert_eq!(scene.read().await[0].refs, seen.refs, "the answer is what the next import reads");
}

#[tokio::test]
async fn what_amazon_keeps_is_priced_and_never_stocked() {
    let scene = Scene::seeded(&[Seed { stock: None, fba: true, ..seed("FBA-1") }]);
    let listings = scene.read().await;
    let results = scene.push(&[both(&listings[0], "25 EUR", 9)]).await;
    assert_eq!((done(&results[0]).prices[0], done(&results[0]).stock), (price("25 EUR"), None));
    let results = scene.push(&[stock(&listings[0], 9)]).await;
    assert_eq!(refused(&results)[0].code, "fba");
    assert_eq!(scene.fake.stats().fba_converted, 0);
}

#[tokio::test]
async fn an_offer_is_taken_off_sale_here_and_comes_back_with_a_price() {
    let scene = Scene::seeded(&[seed("a")]);
    scene.fake.seed_items(SELLER, "FR", &[seed("a")]).unwrap();
    let listings = scene.read().await;
    let retired = Values { retired: true, dropped: true, ..Values::default() };
    let results = scene.push(&[change(&listings[0], retired, &[])]).await;
    assert_eq!((done(&results[0]).status, done(&results[0]).prices.len()), (ListingStatus::Inactive, 0));
    assert_eq!((&scene.item("a")["price"], &scene.item("a")["stock"]), (&json!(null), &json!(5)));
    assert_eq!(scene.fake.items(SELLER, "FR")[0]["price"], "19.9", "the other marketplace sells on");
    let listings = scene.read().await;
    assert_eq!(listings[0].status, ListingStatus::Inactive);
    scene.push(&[both(&listings[0], "30 EUR", 0)]).await;
    assert_eq!((&scene.item("a")["price"], &scene.item("a")["stock"]), (&json!("30"), &json!(0)));
}

#[tokio::test]
async fn the_shops_own_spelling_names_the_item() {
    let scene = Scene::seeded(&[seed("A/1 ü,x")]);
    let mut listing = scene.read().await.remove(0);
    listing.sku = "SOURCE-1".parse().unwrap();
    let results = scene.push(&[stock(&listing, 7)]).await;
    assert_eq!(done(&results[0]).sku.as_str(), "SOURCE-1");
    assert_eq!(scene.item("A/1 ü,x")["stock"], 7);
    listing.refs["sku"] = json!("..");
    let results = scene.push(&[stock(&listing, 7)]).await;
    assert_eq!(refused(&results)[0].code, "sku", "an address cannot name it");
}

#[tokio::test]
async fn titles_and_descriptions_arrive_or_say_what_is_wrong_with_them() {
    let scene = Scene::seeded(&[seed("a")]);
    let listing = scene.read().await.remove(0);
    let of = |title: &str, description: &str| {
        let wanted = Values { title: Some(title.into()), description: Some(description.into()), ..Values::default() };
        change(&listing, wanted, &[Field::Title, Field::Description])
    };
    let results = scene.push(&[of("Neuer Titel", "Größe 3 < 4 & schön\nzwei")]).await;
    assert_eq!(done(&results[0]).title, "Neuer Titel");
    let again = scene.read().await.remove(0);
    assert_eq!(
        (again.title.as_str(), again.description.as_deref()),
        ("Neuer Titel", Some("Größe 3 < 4 & schön\nzwei"))
    );
    let (long, longer) = ("x".repeat(201), "x".repeat(2_000_000));
    for (title, description, code) in [
        ("", "fine", "title"),
        (long.as_str(), "fine", "title"),
        ("two\nlines", "fine", "title"),
        ("fine", "<b>bold</b>", "description"),
        ("fine", "bell\u{7}", "description"),
        ("fine", longer.as_str(), "description"),
    ] {
        let results = scene.push(&[of(title, description)]).await;
        assert_eq!(refused(&results)[0].code, code);
    }
    assert_eq!(scene.fake.stats().calls["patchListingsItem"], 1);
}

#[tokio::test]
async fn prices_that_amazon_does_not_take_are_not_sent() {
    let scene = Scene::seeded(&[seed("a")]);
    let listing = scene.read().await.remove(0);
    for (amount, code) in [("0 EUR", "price"), ("1.999 EUR", "price"), ("5 USD", "currency"), ("-1 EUR", "price")] {
        let results = scene.push(&[both(&listing, amount, 1)]).await;
        assert_eq!(refused(&results)[0].code, code, "{amount}");
    }
    let results = scene.push(&[stock(&listing, -1)]).await;
    assert_eq!(refused(&results)[0].code, "stock");
    assert!(!scene.fake.stats().calls.contains_key("patchListingsItem"));
    let yen = crate::channels::amazon::marketplaces::of_country("JP").unwrap();
    assert_eq!(
        submission::offer(price("1299.00 JPY"), yen).unwrap().pointer("/our_price/0/schedule/0/value_with_tax"),
        Some(&json!(1299))
    );
    assert_eq!(submission::offer(price("1299.5 JPY"), yen).unwrap_err().0, "price");
}

#[tokio::test]
async fn a_new_sku_is_looked_at_first_and_submitted_with_what_the_mapping_says() {
    let mut scene = Scene::new();
    scene.own = mapped();
    let results = scene.push(&[creation("MUG-1")]).await;
    assert_eq!(done(&results[0]).status, ListingStatus::Inactive, "accepted is not on sale");
    let item = scene.item("MUG-1");
    assert_eq!(
        (&item["product_type"], &item["price"], &item["stock"]),
        (&json!("DRINKING_CUP"), &json!("12.5"), &json!(3))
    );
    let id = "A1PA6795UKMFR9";
    let expected = json!({
        "item_name": [{"value": "Mug", "language_tag": "de_DE", "marketplace_id": id}],
        "brand": [{"value": "Acme", "language_tag": "de_DE", "marketplace_id": id}],
        "product_description": [{"value": "Big & blue\nHolds tea", "language_tag": "de_DE", "marketplace_id": id}],
        "color": [{"value": "Blue", "language_tag": "de_DE", "marketplace_id": id}],
        "country_of_origin": [{"value": "DE", "marketplace_id": id}],
        "number_of_items": [{"value": 1, "marketplace_id": id}],
        "capacity": [{"unit": "milliliters", "value": 300, "marketplace_id": id}],
        "condition_type": [{"value": "new_new", "marketplace_id": id}],
        "externally_assigned_product_identifier": [{"type": "ean", "value": "4006381333931", "marketplace_id": id}],
        "main_product_image_locator": [{"media_location": FakeAmazon::copy_of("https://img.example/1.jpg"), "marketplace_id": id}],
        "other_product_image_locator_1": [{"media_location": FakeAmazon::copy_of("https://img.example/2.jpg"), "marketplace_id": id}],
        "fulfillment_availability": [{"fulfillment_channel_code": "DEFAULT", "quantity": 3}],
        "purchasable_offer": [{"marketplace_id": id, "currency": "EUR", "audience": "ALL",
            "our_price": [{"schedule": [{"value_with_tax": 12.5}]}]}],
    });
    assert_eq!(item["attributes"], expected);
    assert_eq!(scene.fake.stats().calls["putListingsItem"], 2);
    let (seen, read) = (done(&results[0]).clone(), scene.read().await.remove(0));
    assert_eq!((seen.sku, seen.prices, seen.stock, seen.title), (read.sku, read.prices, read.stock, read.title));
}

#[tokio::test]
async fn a_new_sku_without_a_stock_has_the_one_that_its_seller_has_elsewhere_in_the_region() {
    let mut scene = Scene::new();
    scene.own = mapped();
    let elsewhere = Seed { sku: "MUG-1".to_owned(), price: Some("9.00".to_owned()), stock: Some(9), ..Seed::default() };
    scene.fake.set_item(SELLER, "FR", elsewhere).unwrap();
    let mut change = creation("MUG-1");
    change.wanted.stock = None;
    change.fields = vec![Field::Price];
    let results = scene.push(&[change]).await;
    assert_eq!(done(&results[0]).stock, None, "nothing was said of it");
    assert_eq!((&scene.item("MUG-1")["stock"], &scene.item("MUG-1")["price"]), (&json!(9), &json!("12.5")));
}

#[tokio::test]
async fn what_amazon_finds_missing_in_a_new_sku_is_a_complaint_each_and_nothing_is_made() {
    let mut scene = Scene::new();
    scene.own = mapped();
    let mut bare = creation("MUG-1");
    if let Some((product, _)) = &mut bare.product {
        product.description = None;
    }
    let results = scene.push(&[bare]).await;
    let complaints = refused(&results);
    assert_eq!(
        (complaints[0].code.as_str(), complaints[0].text.as_str()),
        ("90220", "'product_description' is required but not supplied.")
    );
    assert!(complaints[0].request_id.is_some());
    assert_eq!((scene.fake.stats().calls["putListingsItem"], scene.fake.items(SELLER, "DE").len()), (1, 0));
}

#[tokio::test]
async fn a_new_sku_that_is_there_already_is_changed_and_loses_nothing() {
    let mut scene =
        Scene::seeded(&[seed("MUG-1"), Seed { is_parent: true, price: None, stock: None, ..seed("MUG-2") }]);
    scene.own = mapped();
    let results = scene.push(&[creation("MUG-1"), creation("MUG-2")]).await;
    assert_eq!(done(&results[0]).prices[0], price("12.50 EUR"));
    assert_eq!(refused(&results)[0].code, "parent");
    let item = scene.item("MUG-1");
    assert_eq!((&item["title"], &item["price"], &item["stock"]), (&json!("Title of MUG-1"), &json!("12.5"), &json!(3)));
    let stats = scene.fake.stats();
    assert_eq!((stats.attributes_lost, stats.calls.get("putListingsItem")), (0, None));
}

#[tokio::test]
async fn a_new_sku_joins_the_family_of_its_siblings() {
    let child = Seed { parent: Some("TS".into()), ..seed("TS-RED") };
    let mut scene = Scene::seeded(&[child, Seed { is_parent: true, price: None, stock: None, ..seed("TS") }]);
    scene.own = mapped();
    let siblings = scene.read().await;
    let results = scene.push(&[Change { siblings, ..creation("TS-BLUE") }]).await;
    assert_eq!(done(&results[0]).product_id, "TS");
    let read = scene.read().await;
    assert_eq!(read.iter().map(|one| one.product_id.as_str()).collect::<Vec<_>>(), ["TS", "TS"]);
}

#[tokio::test]
async fn what_a_new_sku_lacks_is_told_without_a_call() {
    let mut scene = Scene::new();
    scene.own = json!({"marketplace": "DE"});
    let lacks = |scene: &Scene, change: &Change| scene.channel().lacks(change).map(|complaint| complaint.code);
    assert_eq!(lacks(&scene, &creation("a")).as_deref(), Some("category"));
    scene.own = mapped();
    let mut table: Vec<(Change, Option<&str>)> = vec![(creation("a"), None)];
    let mut with = |expected: Option<&'static str>, edit: &dyn Fn(&mut Change)| {
        let mut change = creation("a");
        edit(&mut change);
        table.push((change, expected));
    };
    fn of(change: &mut Change) -> &mut (Product, Variant) {
        change.product.as_mut().unwrap()
    }
    with(Some("no_product"), &|change| change.product = None);
    with(Some("sku"), &|change| change.sku = "x".repeat(41).parse().unwrap());
    with(Some("brand"), &|change| of(change).0.brand = None);
    with(Some("image"), &|change| of(change).0.images.clear());
    with(Some("title"), &|change| of(change).0.title = "x".repeat(300));
    with(Some("barcode"), &|change| of(change).1.barcode = None);
    with(Some("barcode"), &|change| of(change).1.barcode = Some("12345".into()));
    with(Some("attribute"), &|change| of(change).1.options.clear());
    with(Some("price"), &|change| change.wanted.price = None);
    with(Some("currency"), &|change| change.wanted.price = Some(price("1 USD")));
    with(Some("stock"), &|change| change.wanted.stock = Some(-1));
    for (change, expected) in table {
        assert_eq!(lacks(&scene, &change).as_deref(), expected, "{change:?}");
    }
    assert_eq!(scene.fake.stats().calls.len(), 0);
}

#[tokio::test]
async fn faults_in_the_mapping_are_named() {
    let own = json!({"marketplace": "DE", "mapping": {
        "condition": "shiny", "requirements": "ALL", "raw": {"a": 1, "b": [{"value": "{size}"}]},
    }});
    let scene = Scene::new();
    let Err(faults) = (DEF.build)(&settings(&own, scene.app.clone()), &scene.tools) else { panic!("it was built") };
    let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(keys, ["mapping.condition", "mapping.requirements", "mapping.raw.a", "mapping.raw.b"]);
}

#[tokio::test]
async fn what_was_judged_before_trouble_came_is_kept_and_the_rest_is_sent_later() {
    let scene = Scene::seeded(&["a", "b", "c", "d", "e", "f", "g"].map(seed));
    let listings = scene.read().await;
    let changes: Vec<_> = listings.iter().map(|listing| stock(listing, 8)).collect();
    // The vendor takes five at once; the sixth is answered with 429, whatever our own pace.
    scene.fake.rules(|rules| rules.patches_left = Some(3));
    let results = scene.push(&changes).await;
    assert_eq!(results.len(), 3);
    let error = scene.channel().push(&scene.access(), &changes[3..]).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Throttled { .. }), "{error}");
    scene.fake.rules(|rules| rules.patches_left = None);
    scene.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(scene.push(&changes[3..]).await.len(), 4);
}

#[test]
fn descriptions_become_plain_text() {
    for (text, expected) in [
        ("plain & simple", "plain & simple"),
        ("<p>a</p><p>b</p>", "a\nb"),
        ("a<br/>b<BR>c", "a\nb\nc"),
        ("3 < 4 > 2", "3 < 4 > 2"),
        ("<script>x</script>y", "xy"),
        ("a &lt;b&gt; &amp;amp;", "a <b> &amp;"),
        ("open <b", "open <b"),
        ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
        ("bell\u{7}", "bell"),
    ] {
        assert_eq!(submission::plain(text), expected, "{text}");
    }
}
