//! Changes.

use super::*;

fn stock(listing: &Listing, pieces: i64) -> Change {
    let wanted = Values { stock: Some(pieces), ..Values::default() };
    Change {
        sku: listing.sku.clone(),
        listing: Some(listing.clone()),
        product: None,
        siblings: Vec::new(),
        wanted,
        fields: vec![Field::Stock],
    }
}

fn price(listing: &Listing, amount: &str) -> Change {
    let price = crate::domain::Price { amount: amount.parse().unwrap(), currency: "GBP".parse().unwrap() };
    let wanted = Values { price: Some(price), ..Values::default() };
    Change { wanted, fields: vec![Field::Price], ..stock(listing, 0) }
}

fn retire(listing: &Listing) -> Change {
    let wanted = Values { retired: true, dropped: true, ..Values::default() };
    Change { wanted, fields: Vec::new(), ..stock(listing, 0) }
}

fn refused(result: &PushResult) -> &Complaint {
    match result {
        PushResult::Refused(complaint) => complaint,
        other => panic!("not refused: {other:?}"),
    }
}

fn done(result: &PushResult) -> &Listing {
    match result {
        PushResult::Done { listing, .. } => listing,
        other => panic!("not done: {other:?}"),
    }
}

#[tokio::test]
async fn several_warehouses_without_a_choice_are_summed_and_not_written_to() {
    let scene = Scene::with_warehouses(&["W1", "W2"]);
    scene.fake.set_product(SHOP, seed("a")).unwrap();
    let (listings, complaints) = scene.read().await;
    assert_eq!(listings[0].stock, Some(5));
    assert_eq!(complaints[0].sku, "a");
    assert!(complaints[0].text.contains("(W1, W2); name one as export.warehouse"), "{complaints:?}");
    let results = scene.push(&[stock(&listings[0], 9), price(&listings[0], "21.00")]).await;
    assert_eq!(refused(&results[0]).code, "warehouse");
    assert_eq!(done(&results[1]).prices[0].to_string(), "21.00 GBP", "its price is exported all the same");
    assert_eq!(scene.inventory(), [("a".to_owned(), json!({"W1": 5, "W2": 0}))]);
}

#[tokio::test]
async fn other_warehouses_go_back_as_they_were_read() {
    let mut scene = Scene::with_warehouses(&["W1", "W2"]);
    scene.warehouse = Some("W2");
    scene.fake.set_product(SHOP, seed("a")).unwrap();
    let (listings, complaints) = scene.read().await;
    assert_eq!((listings[0].stock, complaints.len()), (Some(0), 0));
    let results = scene.push(&[stock(&listings[0], 7)]).await;
    assert_eq!(scene.inventory(), [("a".to_owned(), json!({"W1": 5, "W2": 7}))]);
    assert_eq!(done(&results[0]), &scene.read().await.0[0], "the answer is what the next import reads");
}

#[tokio::test]
async fn other_warehouses_go_back_as_they_are_at_that_moment() {
    let mut scene = Scene::with_warehouses(&["W1", "W2"]);
    scene.warehouse = Some("W2");
    scene.fake.set_product(SHOP, of_product("p", "a")).unwrap();
    scene.fake.set_product(SHOP, of_product("p", "b")).unwrap();
    let (listings, _) = scene.read().await;
    // Sold from the other warehouse since the import.
    scene.fake.set_product(SHOP, Seed { stock: Some(3), ..seed("a") }).unwrap();
    let results = scene.push(&[stock(&listings[0], 7), stock(&listings[1], 8)]).await;
    let expected = [("a".to_owned(), json!({"W1": 3, "W2": 7})), ("b".to_owned(), json!({"W1": 5, "W2": 8}))];
    assert_eq!(scene.inventory(), expected);
    assert_eq!(done(&results[0]), &scene.read().await.0[0], "the answer is what the next import reads");
    assert_eq!(scene.fake.stats().calls["/product/202309/inventory/search"], 1);
}

#[tokio::test]
async fn all_skus_of_a_product_go_in_one_call_and_are_refused_one_by_one() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    scene.fake.rules(|rules| rules.refuses_zero_stock = true);
    let (listings, _) = scene.read().await;
    let changes: Vec<_> = listings.iter().zip([0, 8, 9]).map(|(listing, pieces)| stock(listing, pieces)).collect();
    let results = scene.push(&changes).await;
    let complaint = refused(&results[0]);
    assert_eq!((complaint.sku.as_str(), complaint.code.as_str()), ("a", "12019029"));
    assert!(complaint.request_id.is_some());
    assert_eq!((done(&results[1]).stock, done(&results[2]).stock), (Some(8), Some(9)));
    let calls = scene.fake.stats().calls;
    assert_eq!(calls["/product/202309/products/{id}/inventory/update"], 2);
}

#[tokio::test]
async fn a_price_that_is_refused_holds_back_no_other_one() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    let (listings, _) = scene.read().await;
    let amounts = ["20.00", "0", "22.5"];
    let changes: Vec<_> = listings.iter().zip(amounts).map(|(listing, amount)| price(listing, amount)).collect();
    let results = scene.push(&changes).await;
    assert_eq!(done(&results[0]).prices[0].to_string(), "20.00 GBP", "although the call for both was refused");
    assert_eq!((refused(&results[1]).sku.as_str(), refused(&results[1]).code.as_str()), ("b", "12052050"));
    assert_eq!(done(&results[2]).prices[0].to_string(), "22.5 GBP");
    let prices: Vec<_> = scene.fake.listings(SHOP).iter().map(|listing| listing["price"].clone()).collect();
    assert_eq!(prices, ["20.00", "19.90", "22.50"]);
}

#[tokio::test]
async fn a_promotion_refuses_all_prices_of_its_product_in_one_call() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b")]);
    scene.fake.promote(SHOP, "a");
    let (listings, _) = scene.read().await;
    let results = scene.push(&[price(&listings[0], "20"), price(&listings[1], "21")]).await;
    assert!(results.iter().all(|result| refused(result).code == "12052038"), "{results:?}");
    assert_eq!(scene.fake.stats().calls["/product/202309/products/{id}/prices/update"], 1);
}

#[tokio::test]
async fn a_product_is_taken_off_sale_when_all_its_skus_are_dropped() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c"), seed("d")]);
    let (listings, _) = scene.read().await;
    let changes: Vec<_> = listings[..3].iter().map(retire).collect();
    let results = scene.push(&changes).await;
    assert!(results.iter().all(|result| done(result).status == ListingStatus::Inactive));
    let status: Vec<_> = scene.fake.listings(SHOP).iter().map(|listing| listing["status"].clone()).collect();
    assert_eq!(status, ["SELLER_DEACTIVATED", "SELLER_DEACTIVATED", "SELLER_DEACTIVATED", "ACTIVATE"]);
    assert_eq!(scene.fake.stats().calls["/product/202309/products/deactivate"], 1);
}

#[tokio::test]
async fn a_dropped_sku_whose_siblings_sell_on_gets_no_stock_and_a_complaint() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b")]);
    let (listings, _) = scene.read().await;
    let results = scene.push(&[retire(&listings[0])]).await;
    assert_eq!(refused(&results[0]).code, "siblings");
    assert_eq!(scene.inventory(), [("a".to_owned(), json!({"W1": 0})), ("b".to_owned(), json!({"W1": 5}))]);
}

#[tokio::test]
async fn a_product_to_which_a_sku_came_since_the_import_is_not_taken_off_sale() {
    let scene = Scene::seeded(&[of_product("p", "a")]);
    let (listings, _) = scene.read().await;
    scene.fake.set_product(SHOP, of_product("p", "b")).unwrap();
    let results = scene.push(&[retire(&listings[0])]).await;
    assert_eq!(refused(&results[0]).code, "siblings");
    assert!(scene.fake.listings(SHOP).iter().all(|listing| listing["status"] == "ACTIVATE"));
    assert_eq!(scene.inventory(), [("a".to_owned(), json!({"W1": 0})), ("b".to_owned(), json!({"W1": 5}))]);
}

#[tokio::test]
async fn a_product_that_an_earlier_attempt_took_off_sale_is_off_sale() {
    let scene = Scene::seeded(&[seed("a")]);
    let (listings, _) = scene.read().await;
    for _ in 0..2 {
        assert_eq!(done(&scene.push(&[retire(&listings[0])]).await[0]).status, ListingStatus::Inactive);
    }
    assert_eq!(scene.fake.stats().deactivated, 1);
}

#[tokio::test]
async fn a_product_that_is_not_on_sale_is_refused_with_words_and_not_called_for() {
    let scene = Scene::seeded(&[Seed { status: "DRAFT".into(), ..seed("a") }]);
    let (listings, _) = scene.read().await;
    let mut missing = stock(&listings[0], 1);
    missing.listing = None;
    let results = scene.push(&[stock(&listings[0], 1), missing, stock(&listings[0], 100_000)]).await;
    assert!(refused(&results[0]).text.contains("status DRAFT"));
    assert_eq!(refused(&results[1]).code, "not_listed");
    assert_eq!(scene.fake.stats().stocks_changed, 0);
}

#[tokio::test]
async fn a_title_that_the_audit_takes_long_over_counts_as_accepted_and_is_not_sent_again() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b")]);
    scene.fake.rules(|rules| rules.audit = crate::channels::tiktok_shop::fake::Audit::Open);
    let (listings, _) = scene.read().await;
    let titled = |listing: &Listing| {
        let wanted = Values { title: Some("Tee, blue".into()), ..Values::default() };
        Change { wanted, fields: vec![Field::Title], ..stock(listing, 0) }
    };
    let changes: Vec<_> = listings.iter().map(titled).collect();
    let results = scene.push(&changes).await;
    let PushResult::Pending { ticket, .. } = &results[0] else { panic!("{results:?}") };
    let (channel, access) = (scene.channel(), scene.access().await);
    assert_eq!(channel.settle(&access, ticket, &changes).await.unwrap(), crate::channels::Settled::Open);
    scene.clock.advance(SignedDuration::from_mins(31));
    let settled = channel.settle(&access, ticket, &changes).await.unwrap();
    let crate::channels::Settled::Judged(results) = settled else { panic!("still open") };
    assert!(results.iter().all(|result| done(result).title == "Tee, blue"), "{results:?}");
    assert!(scene.read().await.0.iter().all(|listing| listing.title == "Tee, blue"), "imports show it, too");
    assert_eq!(scene.fake.listings(SHOP)[0]["title"], "Product a", "buyers still see the old one");
    assert_eq!(scene.fake.stats().calls["/product/202509/products/{id}/partial_edit"], 1);
}

/// As the source wants what it has again.
fn relist(listing: &Listing, pieces: i64) -> Change {
    let change = stock(listing, pieces);
    Change { wanted: Values { relisted: true, ..change.wanted.clone() }, ..change }
}

#[tokio::test]
async fn a_product_that_comes_back_is_audited_first_whatever_was_cut_off_before() {
    let scene = Scene::seeded(&[of_product("p", "a"), of_product("p", "b"), seed("c")]);
    let (listings, _) = scene.read().await;
    scene.push(&listings.iter().map(retire).collect::<Vec<_>>()).await;
    let (off, _) = scene.read().await;
    // All of this happens within one second of the scene's clock.
    scene.fake.rules(|rules| (rules.audit, rules.rates) = (crate::channels::tiktok_shop::fake::Audit::Open, None));
    // The product's other SKU stays away, and waits with it.
    let changes = [relist(&off[0], 9), retire(&off[1])];
    for _ in 0..2 {
        // The second time it is on its way already, and the marketplace says that it cannot be put there.
        let results = scene.push(&changes).await;
        assert!(results.iter().all(|result| matches!(result, PushResult::Pending { .. })), "{results:?}");
        assert_eq!(scene.fake.stats().activated, 1);
    }
    let (pending, _) = scene.read().await;
    let results = scene.push(&[relist(&pending[0], 9)]).await;
    let PushResult::Pending { ticket, .. } = &results[0] else { panic!("{results:?}") };
    let (channel, access) = (scene.channel(), scene.access().await);
    assert_eq!(channel.settle(&access, ticket, &changes).await.unwrap(), crate::channels::Settled::Open);
    assert_eq!(
        scene.fake.stats().calls["/product/202309/products/activate"],
        2,
        "not once it is known to be on its way"
    );
    scene.fake.rules(|rules| rules.audit = crate::channels::tiktok_shop::fake::Audit::Passes);
    let crate::channels::Settled::Judged(results) = channel.settle(&access, ticket, &changes).await.unwrap() else {
        panic!("still open")
    };
    assert!(results.iter().all(|result| done(result).status == ListingStatus::Active), "{results:?}");
    // Then what differs goes, and what stays away has no stock.
    let results = scene.push(&[stock(done(&results[0]), 9), retire(done(&results[1]))]).await;
    assert_eq!((done(&results[0]).stock, refused(&results[1]).code.as_str()), (Some(9), "siblings"));
    let (c, status) = (&scene.fake.listings(SHOP)[2], "SELLER_DEACTIVATED");
    assert_eq!((&c["sku"], &c["status"]), (&json!("c"), &json!(status)), "nobody asked for it");
}

#[tokio::test]
async fn a_product_that_the_audit_does_not_let_back_is_refused_with_its_words() {
    let scene = Scene::seeded(&[seed("a")]);
    let (listings, _) = scene.read().await;
    scene.push(&[retire(&listings[0])]).await;
    let (off, _) = scene.read().await;
    scene.fake.rules(|rules| rules.audit = crate::channels::tiktok_shop::fake::Audit::Fails);
    let changes = [relist(&off[0], 5)];
    let results = scene.push(&changes).await;
    let PushResult::Pending { ticket, .. } = &results[0] else { panic!("{results:?}") };
    let settled = scene.channel().settle(&scene.access().await, ticket, &changes).await.unwrap();
    let crate::channels::Settled::Judged(results) = settled else { panic!("still open") };
    assert_eq!(refused(&results[0]).code, "audit_failed");
}
