//! Changes to what a shop has.

use super::*;
use crate::domain::ListingStatus;

#[tokio::test]
async fn all_models_of_an_item_go_in_one_call_and_are_refused_one_by_one() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    scene.fake.refuse(SHOP, "a", "Price is strange");
    let (listings, ..) = scene.read_by_sku().await;
    let results =
        scene.push(&[price(&listings["a"], "21"), price(&listings["b"], "22"), price(&listings["c"], "23.5")]).await;
    let complaint = refused(&results[0]);
    assert_eq!((complaint.sku.as_str(), complaint.text.as_str()), ("a", "Shopee refused it: Price is strange"));
    assert!(complaint.request_id.is_some());
    assert_eq!(done(&results[1]).prices[0].to_string(), "22 SGD");
    assert_eq!(done(&results[2]), &scene.read_by_sku().await.0["c"], "the answer is what the next import reads");
    assert_eq!(scene.fake.stats().calls["/api/v2/product/update_price"], 2);
}

#[tokio::test]
async fn a_refusal_of_the_whole_call_that_may_be_one_models_fault_sends_each_alone() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b")]);
    let (listings, ..) = scene.read_by_sku().await;
    // Reserved since the last import, so that only the shop knows.
    scene.fake.reserve(SHOP, "a", 3);
    scene.fake.rules(|rules| rules.reserved_stock_refuses_the_call = true);
    let results = scene.push(&[stock(&listings["a"], 1), stock(&listings["b"], 1)]).await;
    assert!(refused(&results[0]).text.contains("larger than reserved stock"), "{results:?}");
    assert!(refused(&results[0]).text.contains("Shopee keeps 3 for promotions"), "{results:?}");
    assert_eq!(done(&results[1]).stock, Some(1));
    assert_eq!(scene.read_by_sku().await.0["a"].stock, Some(3), "as little as can be");
}

#[tokio::test]
async fn of_what_promotions_hold_the_least_that_can_be_stays_on_sale() {
    let scene = Scene::seeded(&[seed("a")]);
    scene.fake.reserve(SHOP, "a", 3);
    for _ in 0..2 {
        let (listings, ..) = scene.read_by_sku().await;
        let results = scene.push(&[stock(&listings["a"], 0)]).await;
        assert_eq!(refused(&results[0]).code, "reserved");
        assert_eq!(scene.fake.listings(SHOP)[0]["stock"], 3);
    }
    assert_eq!(scene.fake.stats().calls["/api/v2/product/update_stock"], 1, "it has no more than that already");
    let (listings, ..) = scene.read_by_sku().await;
    assert_eq!(done(&scene.push(&[stock(&listings["a"], 4)]).await[0]).stock, Some(4));
}

#[tokio::test]
async fn what_promotions_hold_may_lie_elsewhere() {
    let mut scene = Scene::with_locations(&["SGA", "SGB"]);
    scene.fake.seed_items(SHOP, &[seed("a")]).unwrap();
    scene.fake.reserve(SHOP, "a", 7);
    scene.warehouse = Some("SGB");
    let (listings, ..) = scene.read_by_sku().await;
    let results = scene.push(&[stock(&listings["a"], 1)]).await;
    assert_eq!(refused(&results[0]).code, "reserved");
    assert_eq!(scene.fake.listings(SHOP)[0]["stocks"], json!({"SGA": 5, "SGB": 2}));
}

#[tokio::test]
async fn other_locations_go_back_as_they_are_at_that_moment() {
    let mut scene = Scene::with_locations(&["SGA", "SGB"]);
    scene.fake.seed_items(SHOP, &[of_product("p", "a"), of_product("p", "b")]).unwrap();
    scene.warehouse = Some("SGB");
    let (listings, ..) = scene.read_by_sku().await;
    // Sold from the other location since the import.
    scene.fake.seed_items(SHOP, &[Seed { stock: Some(3), ..seed("a") }]).unwrap();
    let results = scene.push(&[stock(&listings["a"], 7), stock(&listings["b"], 8)]).await;
    assert_eq!(done(&results[0]), &scene.read_by_sku().await.0["a"]);
    let stocks: Vec<_> = scene.fake.listings(SHOP).iter().map(|listing| listing["stocks"].clone()).collect();
    assert_eq!(stocks, [json!({"SGA": 3, "SGB": 7}), json!({"SGA": 5, "SGB": 8})]);
}

#[tokio::test]
async fn an_item_to_which_a_model_came_since_the_import_is_not_taken_off_sale() {
    let scene = Scene::seeded(&[of_product("p", "a")]);
    let (listings, ..) = scene.read_by_sku().await;
    scene.fake.seed_items(SHOP, &[of_product("p", "b")]).unwrap();
    let results = scene.push(&[retire(&listings["a"])]).await;
    assert_eq!(refused(&results[0]).code, "siblings");
    let after = scene.read_by_sku().await.0;
    assert_eq!(
        ["a", "b"].map(|sku| (after[sku].status, after[sku].stock)),
        [(ListingStatus::Active, Some(0)), (ListingStatus::Active, Some(5))]
    );
}

#[tokio::test]
async fn a_promotion_refuses_the_item_in_one_call_and_no_other() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    scene.fake.promote(SHOP, "a");
    let (listings, ..) = scene.read_by_sku().await;
    let changes = [price(&listings["a"], "21"), price(&listings["b"], "22"), price(&listings["c"], "23")];
    let results = scene.push(&changes).await;
    assert_eq!(refused(&results[0]).code, "error_cannt_edit_price_in_promotion");
    assert_eq!(refused(&results[1]).sku, "b");
    assert_eq!(done(&results[2]).prices[0].to_string(), "23 SGD");
    assert_eq!(scene.fake.stats().calls["/api/v2/product/update_price"], 2, "not tried one by one");
}

#[tokio::test]
async fn other_locations_go_back_as_they_were_read_and_a_single_one_is_not_named() {
    let mut scene = Scene::with_locations(&["SGA", "SGB"]);
    scene.fake.seed_items(SHOP, &[seed("a")]).unwrap();
    let (listings, ..) = scene.read_by_sku().await;
    assert_eq!(refused(&scene.push(&[stock(&listings["a"], 9)]).await[0]).code, "warehouse");
    scene.warehouse = Some("SGB");
    let (listings, ..) = scene.read_by_sku().await;
    let results = scene.push(&[stock(&listings["a"], 7)]).await;
    assert_eq!(done(&results[0]), &scene.read_by_sku().await.0["a"]);
    assert_eq!(scene.fake.listings(SHOP)[0]["stocks"], json!({"SGA": 5, "SGB": 7}));

    let scene = Scene::seeded(&[seed("a")]);
    scene.fake.rules(|rules| rules.names_locations = false);
    let (listings, ..) = scene.read_by_sku().await;
    assert_eq!(done(&scene.push(&[stock(&listings["a"], 4)]).await[0]).stock, Some(4));
}

#[tokio::test]
async fn an_item_is_taken_off_sale_when_all_its_models_are_dropped() {
    let scene = Scene::seeded(&[
        of_product("p", "a"),
        of_product("p", "b"),
        seed("c"),
        of_product("q", "d"),
        of_product("q", "e"),
    ]);
    let (listings, ..) = scene.read_by_sku().await;
    let results = scene.push(&["a", "b", "c", "d"].map(|sku| retire(&listings[sku]))).await;
    assert!(results[..3].iter().all(|result| done(result).status == ListingStatus::Inactive), "{results:?}");
    assert_eq!(refused(&results[3]).code, "siblings");
    let after = scene.read_by_sku().await.0;
    assert_eq!(["a", "c", "d", "e"].map(|sku| after[sku].status == ListingStatus::Active), [false, false, true, true]);
    assert_eq!((after["d"].stock, after["e"].stock), (Some(0), Some(5)));
    assert_eq!(scene.fake.stats().calls["/api/v2/product/unlist_item"], 1);
}

#[tokio::test]
async fn texts_are_sent_once_for_an_item_and_html_is_named() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    let (listings, ..) = scene.read_by_sku().await;
    let titled = |sku: &str, title: &str, description: &str| {
        let wanted = Values { title: Some(title.into()), description: Some(description.into()), ..Values::default() };
        Change { wanted, fields: vec![Field::Title, Field::Description], ..stock(&listings[sku], 0) }
    };
    let changes = [titled("a", "New", "Soft"), titled("b", "New", "Soft"), titled("c", "Other", "<p>Soft</p>")];
    let results = scene.push(&changes).await;
    assert_eq!((done(&results[0]).title.as_str(), done(&results[1]).description.as_deref()), ("New", Some("Soft")));
    assert!(refused(&results[2]).text.contains("it is HTML"), "{results:?}");
    assert_eq!(scene.read_by_sku().await.0["c"].title, "Other", "the title went all the same");
    assert_eq!(scene.fake.stats().texts_changed, 2);
}

#[tokio::test]
async fn prices_that_shopee_would_round_are_named_and_not_sent() {
    let mut scene = Scene::new();
    scene.fake.add_shop(SHOP, "Bangkok", "TH");
    scene.own = json!({"shop_id": ACCOUNT, "region": "TH"});
    scene.fake.seed_items(SHOP, &[seed("a"), seed("b")]).unwrap();
    let (listings, ..) = scene.read_by_sku().await;
    let of = |sku: &str, amount: &str| {
        let mut change = price(&listings[sku], amount);
        change.wanted.price = Some(Price { currency: "THB".parse().unwrap(), ..change.wanted.price.unwrap() });
        change
    };
    let results = scene.push(&[of("a", "199.50"), of("b", "199.00")]).await;
    assert!(refused(&results[0]).text.contains("whole prices in THB"), "{results:?}");
    assert_eq!(done(&results[1]).prices[0].amount, "199".parse().unwrap());
}

#[tokio::test]
async fn what_was_judged_before_an_outage_is_answered_and_the_rest_is_left() {
    let scene = Scene::seeded(&[seed("a"), seed("b"), seed("c")]);
    let (listings, ..) = scene.read_by_sku().await;
    let tokens = scene.issue();
    scene.fake.fail_next(Mishap::UnknownField);
    scene.fake.fail_next(Mishap::ServerError);
    let changes = ["a", "b", "c"].map(|sku| stock(&listings[sku], 9));
    let results = scene.channel().push(&access(&tokens), &changes).await.unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(done(&results[0]).sku.as_str(), "a");
    scene.fake.fail_next(Mishap::ServerError);
    let error = scene.channel().push(&access(&tokens), &changes).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn an_item_comes_back_with_one_sku_while_the_other_gets_no_stock() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    let (listings, ..) = scene.read_by_sku().await;
    scene.push(&listings.values().map(retire).collect::<Vec<_>>()).await;
    let (off, ..) = scene.read_by_sku().await;
    let back = |change: Change| Change { wanted: Values { relisted: true, ..change.wanted.clone() }, ..change };
    // Not with a stock that the shop refuses: reserved since the last import, so that only the shop knows.
    scene.fake.reserve(SHOP, "a", 3);
    let results = scene.push(&[back(stock(&off["a"], 1)), retire(&off["b"])]).await;
    assert!(refused(&results[0]).text.contains("larger than reserved stock"), "{results:?}");
    assert!(scene.fake.listings(SHOP).iter().all(|listing| listing["status"] == "UNLIST"));
    let results = scene.push(&[back(stock(&off["a"], 8)), retire(&off["b"])]).await;
    assert_eq!((done(&results[0]).stock, done(&results[0]).status), (Some(8), ListingStatus::Active));
    assert_eq!(refused(&results[1]).code, "siblings");
    let shop = scene.fake.listings(SHOP).into_iter();
    let shop: Vec<_> = shop.map(|one| format!("{} {} {}", one["sku"], one["status"], one["stock"])).collect();
    assert_eq!(shop, [r#""a" "NORMAL" 8"#, r#""b" "NORMAL" 0"#, r#""c" "UNLIST" 5"#]);
    let read = &scene.read_by_sku().await.0["a"];
    assert_eq!((read.stock, read.status), (Some(8), ListingStatus::Active));
}
