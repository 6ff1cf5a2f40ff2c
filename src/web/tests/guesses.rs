//! Wrong passwords: few of each sender are looked at, and nobody shuts out others.

use super::{
    sign_in::{RIGHT, Site, hash},
    *,
};

#[tokio::test]
async fn after_ten_wrong_passwords_of_one_sender_in_a_minute_none_of_it_is_looked_at() {
    let site = Site::new().await;
    for number in 1..=10 {
        let answer = site.sign_in("password=wrong&next=%2Fauthorize%2Fa").await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let page = text(answer).await;
        assert!(page.contains("That is not the password.") && page.contains(r#"role="alert""#), "{page}");
        assert!(page.contains(r#"name="next" value="/authorize/a""#), "{page}");
        assert!(!page.contains("wrong"), "what was typed is not shown: {page}");
        if number == 1 {
            site.bench.clock.advance(SignedDuration::from_secs(20));
        }
    }
    let refused = site.sign_in(RIGHT).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "not even the right one");
    assert_eq!(header_of(&refused, header::RETRY_AFTER), "41");
    assert!(text(refused).await.contains("Try again in 41 seconds."));
    let elsewhere = post_from("203.0.113.8", &site.router, "/sign-in", RIGHT, &[]).await;
    assert_eq!(elsewhere.status(), StatusCode::SEE_OTHER, "nobody else is shut out");

    site.bench.clock.advance(SignedDuration::from_millis(39_999));
    assert_eq!(site.sign_in(RIGHT).await.status(), StatusCode::TOO_MANY_REQUESTS);
    site.bench.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(site.sign_in("password=&next=%2F").await.status(), StatusCode::FORBIDDEN, "the first has grown old");
    assert_eq!(site.sign_in(RIGHT).await.status(), StatusCode::TOO_MANY_REQUESTS, "the other nine have not");
    // A clock that was set back by far must not shut the page for as long.
    site.bench.clock.advance(DAY * -300);
    assert_eq!(site.sign_in(RIGHT).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_sender_is_an_address_or_the_half_of_one_that_its_owner_cannot_choose() {
    let site = Site::new().await;
    // The first ten of each pair are wrong; what comes after is not looked at if both are one sender.
    for (guesser, other, one) in [
        ("198.51.100.1", "198.51.100.1", true),
        ("198.51.100.2", "198.51.100.3", false),
        ("198.51.100.4", "::ffff:198.51.100.4", true),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true),
        ("2001:db8:0:2::1", "2001:db8:0:3::1", false),
        ("127.0.0.1", "::1", false),
    ] {
        for _ in 0..10 {
            let wrong = post_from(guesser, &site.router, "/sign-in", "password=wrong&next=%2F", &[]).await;
            assert_eq!(wrong.status(), StatusCode::FORBIDDEN, "{guesser}");
        }
        let status = post_from(other, &site.router, "/sign-in", RIGHT, &[]).await.status();
        let wanted = if one { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::SEE_OTHER };
        assert_eq!(status, wanted, "{guesser} {other}");
    }
}

#[tokio::test]
async fn whoever_signed_in_before_is_not_shut_out_by_guesses_behind_the_same_proxy() {
    let site = Site::new().await;
    let known = site.sign_in(RIGHT).await;
    let known = known.headers().get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    let known = known.filter(|cookie| cookie.starts_with("__Host-shopsyncd-known=")).collect::<Vec<_>>();
    let [known] = known[..] else { panic!("{known:?}") };
    let (pair, attributes) = known.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000; Secure");
    for _ in 0..10 {
        assert_eq!(site.sign_in("password=wrong&next=%2F").await.status(), StatusCode::FORBIDDEN);
    }
    let with = async |cookie: &str, body: &str| {
        let cookies = [(header::COOKIE, cookie)];
        post(&site.router, "/sign-in", body, &cookies).await.status()
    };
    let (name, mark) = pair.split_once('=').unwrap();
    let (id, proof) = mark.split_once('.').unwrap();
    for forged in
        ["", id, &format!("{id}."), &format!("{id}.zz"), &format!("x{mark}"), &format!("{id}.{}", &proof[2..])]
    {
        let status = with(&format!("{name}={forged}"), RIGHT).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{forged}");
    }
    assert_eq!(with(pair, RIGHT).await, StatusCode::SEE_OTHER);
    for _ in 0..10 {
        assert_eq!(with(pair, "password=wrong&next=%2F").await, StatusCode::FORBIDDEN);
    }
    assert_eq!(with(pair, RIGHT).await, StatusCode::TOO_MANY_REQUESTS, "its own guesses are counted, too");
    site.bench.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(with(pair, RIGHT).await, StatusCode::SEE_OTHER);
    // With a new password nobody is known.
    *site.password.lock().unwrap() = Some(hash("battery staple"));
    for _ in 0..10 {
        assert_eq!(site.sign_in("password=wrong&next=%2F").await.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(with(pair, "password=battery+staple&next=%2F").await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn right_passwords_do_not_count() {
    let site = Site::new().await;
    for _ in 0..30 {
        assert_eq!(site.sign_in(RIGHT).await.status(), StatusCode::SEE_OTHER);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_are_counted_however_many_come_at_once() {
    let site = Site::new().await;
    let guesses = (0..30).map(|_| {
        let router = site.router.clone();
        tokio::spawn(async move { post(&router, "/sign-in", "password=wrong&next=%2F", &[]).await.status() })
    });
    let mut looked_at = 0;
    for guess in guesses.collect::<Vec<_>>() {
        looked_at += u32::from(guess.await.unwrap() == StatusCode::FORBIDDEN);
    }
    assert_eq!(looked_at, 10);
}
