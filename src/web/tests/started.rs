//! Flows that the channel begins by itself.

use super::*;

async fn several() -> (Bench, Router) {
    let bench = Bench::new(&["a", "b"], Period::Every(SignedDuration::from_mins(30))).await;
    let router = router(&bench);
    (bench, router)
}

#[tokio::test]
async fn a_flow_that_the_channel_began_leads_on_to_the_channel_and_back() {
    let (bench, router) = bench().await;
    let answer = get(&router, "/oauth/market/start?for=seller-1", &[]).await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    let go = Url::parse(&header_of(&answer, header::LOCATION)).unwrap();
    assert_eq!(go.host_str(), Some("market.example"));
    let state = go.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let cookie = header_of(&answer, header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let back = format!("/oauth/market/callback?code=c&state={state}");
    assert_eq!(get(&router, &back, &[(header::COOKIE, &cookie)]).await.status(), StatusCode::OK);
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
}

#[tokio::test]
async fn where_several_shops_wait_a_person_chooses() {
    let (_bench, router) = several().await;
    let answer = get(&router, "/oauth/market/start?for=seller-1&x=%22%3E", &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = text(answer).await;
    assert!(page.contains("Shop a <small>a</small>") && page.contains("Shop b <small>b</small>"), "{page}");
    let way = page.split("href=\"").map(|rest| rest.split('"').next().unwrap()).find(|way| way.ends_with("shop=b"));
    let way = way.unwrap().replace("&amp;", "&").replace("&#38;", "&");
    let chosen = get(&router, &way, &[]).await;
    assert_eq!(chosen.status(), StatusCode::FOUND, "{way}");
    for strange in ["&shopsyncd_shop=z", "&shopsyncd_shop=%3Cb%3E"] {
        let answer = get(&router, &format!("/oauth/market/start?for=seller-1{strange}"), &[]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{strange}");
    }
}

#[tokio::test]
async fn what_concerns_no_shop_or_is_not_the_channels_is_refused_with_the_reason() {
    let (bench, router) = bench().await;
    bench.consent("a").await.unwrap();
    for (path, status, words) in [
        ("/oauth/market/start?for=seller-9", StatusCode::CONFLICT, "no shop in the settings waits for"),
        ("/oauth/market/start", StatusCode::BAD_REQUEST, "Not authorized"),
        ("/oauth/nowhere/start?for=seller-1", StatusCode::NOT_FOUND, "nowhere"),
    ] {
        let answer = get(&router, path, &[]).await;
        assert_eq!(answer.status(), status, "{path}");
        let page = text(answer).await;
        assert!(page.contains(words), "{path}: {page}");
    }
}

#[tokio::test]
async fn strangers_sign_in_first_and_come_back_to_the_same_address() {
    let (bench, router) = bench().await;
    publish(&bench);
    for path in ["/oauth/market/start?for=seller-1", "/oauth/market/callback?code=c"] {
        let answer = get(&router, path, &[PUBLIC]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        let to = Url::parse("https://shops.example.com").unwrap().join(&header_of(&answer, header::LOCATION)).unwrap();
        assert_eq!(to.path(), "/sync/sign-in");
        let next = to.query_pairs().find(|(key, _)| key == "next").unwrap().1.into_owned();
        assert_eq!(next, path);
    }
    assert_eq!(bench.market().exchanges, 0, "no code was spent for a stranger");
}

#[tokio::test]
async fn a_callback_without_a_state_is_taken_on_a_page_for_this_machine_alone() {
    let (bench, router) = bench().await;
    let answer = get(&router, "/oauth/market/callback?code=c", &[]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(bench.authorization("a").await.unwrap().state, AuthorizationState::Active);
}
