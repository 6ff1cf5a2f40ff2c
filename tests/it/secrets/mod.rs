//! No secret shows anywhere: every path on which one travels is driven on every channel, and everything that came out is
//! searched for it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod markets;
mod marks;
mod stage;

use serde_json::Value;
use shopsyncd::{
    channels::{RawWebhook, fake::Mishap},
    secrets::Sealer,
};

use markets::{Market, SHOPS, write_app_secrets};
use marks::is_mail;
use stage::{PASSWORD, Stage};

const WRONG_PASSWORD: &str = "marked battery staple";
/// What makes the secrets of the apps wrong.
const WRONG: &str = "marked-wrong-";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_shows_in_logs_pages_errors_metrics_mails_or_the_database() {
    let mut stage = Stage::start().await;
    owners_consent(&mut stage).await;
    somebody_signs_in(&mut stage).await;
    consents_begin_elsewhere(&mut stage).await;
    tokens_are_handed_in(&mut stage).await;
    tokens_are_renewed(&mut stage).await;
    everything_is_sealed_anew(&mut stage).await;
    apps_are_refused(&mut stage).await;
    permissions_end(&mut stage).await;
    an_old_link_is_renewed(&mut stage).await;
    everything_is_looked_at(&mut stage).await;
    nothing_is_found(&mut stage);
}

fn shop<'a>(status: &'a Value, shop: &str) -> &'a Value {
    let mut shops = status["shops"].as_array().into_iter().flatten();
    shops.find(|known| known["id"] == shop).unwrap_or(&Value::Null)
}

/// By the links of their mails, in browsers where nobody signed in: they decline, then the marketplace fails, then they agree.
async fn owners_consent(stage: &mut Stage) {
    for (shop, market) in SHOPS {
        let link = stage.link(shop, 30);
        assert_eq!(stage.walk(&link, |markets, link| markets.decide(market, link, false)).await, 400, "{shop}");
        stage.markets.fail_next_token_call(market, Mishap::ServerError);
        assert_eq!(stage.walk(&link, |markets, link| markets.decide(market, link, true)).await, 502, "{shop}");
        assert_eq!(stage.walk(&link, |markets, link| markets.decide(market, link, true)).await, 200, "{shop}");
    }
    stage.until("all are active", |status| SHOPS.iter().all(|(name, _)| shop(status, name)["state"] == "active")).await;
}

async fn somebody_signs_in(stage: &mut Stage) {
    stage.marks.add("a wrong password", WRONG_PASSWORD);
    let form = |password| [("password", password), ("next", "/authorize/harbour")];
    assert_eq!(stage.send("sign-in", &form(WRONG_PASSWORD), &[]).await.status, 403);
    let entered = stage.send("sign-in", &form(PASSWORD), &[]).await;
    assert_eq!(entered.status, 303);
    stage.session = entered.cookie;
    let cookies = [stage.session.clone()];
    assert_eq!(stage.open(&entered.to.unwrap(), &cookies).await.status, 200);
    let begin = stage.page.join("authorize/harbour").unwrap();
    assert_eq!(stage.open(&begin, &[]).await.status, 303, "whoever has no session is sent to the sign-in");
    let agree = |markets: &markets::Markets, link: &url::Url| markets.decide(Market::TikTok, link, true);
    assert_eq!(stage.walk(&begin, agree).await, 200);
}

/// At the marketplaces, where those let owners begin, and on the command line.
async fn consents_begin_elsewhere(stage: &mut Stage) {
    let begin = stage.markets.begin_at_amazon();
    assert_eq!(stage.walk(&begin, |markets, link| markets.amazon.come_back(link).unwrap()).await, 200);
    let mut begin = stage.page.join("oauth/shopline/start").unwrap();
    begin.query_pairs_mut().extend_pairs(stage.markets.shopline.install_request("teststore"));
    assert_eq!(stage.walk(&begin, |markets, link| markets.decide(Market::Global, link, true)).await, 200);
    stage.authorize_on_the_command_line("my", Market::Shopee);
}

/// First with a slip of the pen, then as they are.
async fn tokens_are_handed_in(stage: &mut Stage) {
    for (shop, market) in SHOPS {
        let tokens = stage.markets.tokens(market).to_string();
        let line = format!("shops authorize {shop}");
        let quoted = serde_json::to_string(&tokens).unwrap();
        let slips = [tokens.replace("\"access_token\"", "\"acces_token\""), format!("[{tokens}]"), quoted];
        for slip in slips.into_iter().chain(["shops.example/oauth/x/callback?code=marked-code-0009".to_owned()]) {
            assert!(!stage.run(&line, &slip).0, "{shop}");
        }
        let (done, said) = stage.run(&line, &format!("\u{feff}{tokens}"));
        assert!(done, "{line}: {said}");
        // What is printed first is a link.
        stage.until_accepted(shop).await;
    }
}

/// Also where answers go wrong. Each mishap is over before the next one happens, and meets one shop.
async fn tokens_are_renewed(stage: &mut Stage) {
    for (shop, market) in SHOPS {
        for mishap in market.mishaps() {
            let before = stage.markets.refreshes(market);
            stage.markets.fail_next_token_call(market, *mishap);
            stage.markets.fail_next(market, *mishap);
            stage.markets.expire(market);
            stage.until_accepted(shop).await;
            assert!(stage.markets.refreshes(market) > before, "{shop} after {mishap:?}");
        }
    }
}

/// With a new key, after a restart: what is open afterwards was sealed.
async fn everything_is_sealed_anew(stage: &mut Stage) {
    stage.stop();
    let old = std::fs::read_to_string(stage.path("seal-keys")).unwrap();
    stage.write_seal_keys(&[Sealer::generate().expose(), &old]);
    stage.serve().await;
    let (_, said) = stage.run("keys reseal", "");
    assert!(said.contains('5'), "{said}");
    for (shop, _) in SHOPS {
        stage.until_accepted(shop).await;
    }
}

/// Their secrets are wrong ones, for renewals and for consents; then right again.
async fn apps_are_refused(stage: &mut Stage) {
    stage.marks.add("a wrong secret of an app", WRONG);
    write_app_secrets(&stage.path(""), WRONG);
    assert!(stage.run("reload", "").0);
    for (name, market) in SHOPS {
        stage.markets.expire(market);
        let refused = |stage: &mut Stage| {
            assert!(!stage.run(&format!("shops test {name}"), "").0);
            let status = serde_json::from_str(&stage.run("--json status", "").1).unwrap();
            shop(&status, name).to_string().contains("app_alarm").then_some(())
        };
        stage.wait("the app is refused", refused).await;
        let begin = stage.page.join(&format!("authorize/{name}")).unwrap();
        let ended = stage.walk(&begin, |markets, link| markets.decide(market, link, true)).await;
        assert_ne!(ended, 200, "{name}");
    }
    write_app_secrets(&stage.path(""), "");
    assert!(stage.run("reload", "").0);
    for (shop, _) in SHOPS {
        stage.until_accepted(shop).await;
    }
}

/// Forged webhooks say so, then true ones; where none are sent, a call notices.
async fn permissions_end(stage: &mut Stage) {
    for (name, market) in SHOPS {
        stage.markets.revoke(market);
        let page = stage.page.clone();
        if let Some(webhook) = stage.markets.webhook(market, &page) {
            let mut forged = RawWebhook { headers: vec![("authorization".into(), "00".into())], ..webhook.clone() };
            forged.url.set_query(None);
            assert_eq!(stage.post(market.channel(), &forged).await, 401, "{name}");
            assert_eq!(stage.post(market.channel(), &webhook).await, 200, "{name}");
        } else {
            stage.markets.expire(market);
            assert!(!stage.run(&format!("shops test {name}"), "").0);
        }
        stage.until("the shop is held", |status| shop(status, name)["state"] == "revoked").await;
    }
}

/// The page of a link that has expired offers to mail another, which leads on.
async fn an_old_link_is_renewed(stage: &mut Stage) {
    let old = stage.link("de", 36);
    assert_eq!(stage.open(&old, &[]).await.status, 403);
    let mails = stage.mails().len();
    let token = old.query_pairs().next().unwrap().1.into_owned();
    assert_eq!(stage.send("authorize/de/fresh", &[("link", &token)], &[]).await.status, 200);
    stage.wait("the mail with a fresh link", |stage| (stage.mails().len() > mails).then_some(())).await;
    let fresh = stage.mailed_links().into_iter().filter(|link| link.path() == "/authorize/de").collect::<Vec<_>>();
    for link in &fresh {
        assert_eq!(stage.open(link, &[]).await.status, 302, "{link}");
    }
    assert!(!fresh.is_empty());
}

async fn everything_is_looked_at(stage: &mut Stage) {
    for line in [
        "status",
        "check",
        "--json check --diff",
        "shops list",
        "runs list",
        "--json runs list",
        "runs show 1",
        "jobs run harbour authorization_refresh",
        "mail list",
        "--json mail list",
        "upcoming",
        "channels list",
    ] {
        stage.run(line, "");
    }
    for (shop, _) in SHOPS {
        for line in ["shops show", "--json shops show"] {
            stage.run(&format!("{line} {shop}"), "");
        }
        stage.run(&format!("jobs why {shop} authorization_refresh"), "");
    }
    for (_, market) in SHOPS {
        let path = format!("oauth/{}/callback?code=marked-code-0009&state=marked-state-0009", market.channel());
        let url = stage.page.join(&path).unwrap();
        stage.open(&url, &[]).await;
    }
    for path in ["", "authorize/harbour?link=marked-link-0009", "authorize/nowhere", "nowhere"] {
        let (url, cookies) = (stage.page.join(path).unwrap(), [stage.session.clone()]);
        stage.open(&url, &cookies).await;
    }
    for path in ["metrics", "readyz"] {
        let url = stage.internal.join(path).unwrap();
        assert!(stage.open(&url, &[]).await.status < 504);
    }
    let cookies = [stage.session.take()];
    assert_eq!(stage.send("sign-out", &[], &cookies).await.status, 303);
}

fn nothing_is_found(stage: &mut Stage) {
    stage.stop();
    stage.mailed_links();
    stage.keep_files();
    for (what, secrets) in stage.markets.secrets() {
        for secret in secrets {
            stage.marks.add(what, &secret);
        }
    }
    for text in ["marked-code-0009", "marked-state-0009", "marked-link-0009"] {
        stage.marks.add("what a stranger brought", text);
    }
    for (what, least) in [
        ("a secret of TikTok Shop", 12),
        ("a secret of Amazon", 10),
        ("a secret of Shopee", 12),
        ("a secret of SHOPLINE", 20),
        ("a state", 20),
        ("a cookie", 20),
        ("the token of a link", 8),
        ("a seal key", 3),
    ] {
        assert!(stage.marks.count(what) >= least, "there was much to find of {what}: {}", stage.marks.count(what));
    }
    let mails = stage.seen.keys().filter(|place| is_mail(place)).count();
    let database = stage.seen.keys().any(|place| place.ends_with("shopsyncd.db"));
    assert!(mails > 5 && database && stage.log().lines().count() > 1000, "what is searched is there");
    let found = stage.marks.found_in(&stage.seen);
    assert!(found.is_empty(), "{} are told:\n{}", found.len(), found.join("\n"));
}
