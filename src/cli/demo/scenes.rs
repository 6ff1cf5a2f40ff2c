//! What can happen to a permission, at the press of a key: its owner takes it back, its time is over, its owner renews it.

use jiff::SignedDuration;

use super::{Stage, browser, markets, markets::DemoShop, shop, watch};
use crate::{
    cli::{Outcome, exit, print},
    control::{self, Refusal, Request},
};

/// How long a permission still lasts whose end is announced.
const LEFT: SignedDuration = SignedDuration::from_secs(5);

/// What the words are that may be typed.
pub(super) const WORDS: &str = "revoke SHOP, lapse tiktok-uk (or tiktok-de), renew SHOP";

impl Stage {
    /// Revokes one, lets another lapse, sees both held, and renews them: everything goes on without another touch.
    pub(super) async fn play(&self, say: impl Fn(String) -> Outcome) -> Outcome {
        let [revoked, lapsed] = [markets::BY_CONSENT[2], markets::BY_CONSENT[0]];
        self.revoke(revoked).await?;
        self.lapse(lapsed).await?;
        for (shop, state) in [(revoked, "revoked"), (lapsed, "lapsed")] {
            let why = watch::until_state(self, shop.id, state).await?;
            say(format!("{}: {state}, its jobs are held: {why}", shop.id))?;
        }
        for shop in [revoked, lapsed] {
            self.renew(shop).await?;
            watch::until_state(self, shop.id, "active").await?;
            say(format!("{}: renewed by its owner, everything goes on by itself", shop.id))?;
        }
        Ok(())
    }

    /// Does what is typed, a line at a time, until nothing more can come.
    pub(super) async fn obey(&self) -> Outcome {
        let (typed, mut lines) = tokio::sync::mpsc::channel(1);
        // Whoever reads a terminal cannot be interrupted: a thread that nobody waits for.
        std::thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if typed.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        while let Some(line) = lines.recv().await {
            if let Err(refusal) = self.obey_line(&line).await {
                print::aside(&refusal.text);
            }
        }
        std::future::pending().await
    }

    async fn obey_line(&self, line: &str) -> Outcome {
        let mut words = line.split_whitespace();
        let Some(verb) = words.next() else { return Ok(()) };
        let known = words.next().and_then(markets::find);
        let unknown = || Refusal::new(exit::USAGE, format!("that was not understood; type: {WORDS}"));
        let shop = known.ok_or_else(unknown)?;
        match verb {
            "revoke" => self.revoke(shop).await?,
            "lapse" => self.lapse(shop).await?,
            "renew" => self.renew(shop).await?,
            _ => return Err(unknown()),
        }
        print::text(&format!("{verb} {}: done; see `status`", shop.id))
    }

    async fn revoke(&self, owned: DemoShop) -> Outcome {
        let hook = self.webhook_address(owned)?;
        if let Some(webhook) = self.markets.revoke(owned, &hook) {
            return self.send(&hook, webhook).await;
        }
        // Without a webhook the next live call would tell; whoever runs shopsyncd may ask for one.
        let _ = control::ask(&self.state_dir, &Request::Test { shop: shop(owned.id)? }, |_, _| {}).await;
        Ok(())
    }

    async fn lapse(&self, owned: DemoShop) -> Outcome {
        let Some(webhook) = self.markets.lapse(owned, LEFT) else {
            return Err(Refusal::new(exit::USAGE, format!("this marketplace announces no end; type: {WORDS}")));
        };
        self.send(&self.webhook_address(owned)?, webhook).await
    }

    async fn renew(&self, owned: DemoShop) -> Outcome {
        self.agree(owned).await
    }

    /// The owner opens the link and agrees, in a pretend browser.
    pub(super) async fn agree(&self, owned: DemoShop) -> Outcome {
        let agreed = browser::consent(&self.page, owned.id, owned.account).await;
        agreed.map_err(|error| Refusal::new(exit::FAILED, format!("{}: {error}", owned.id)))
    }

    fn webhook_address(&self, owned: DemoShop) -> Result<url::Url, Refusal> {
        let address = format!("{}/webhooks/{}", self.page, owned.channel);
        address.parse().map_err(|error: url::ParseError| Refusal::new(exit::FAILED, error.to_string()))
    }

    async fn send(&self, address: &url::Url, webhook: crate::channels::RawWebhook) -> Outcome {
        let mut to = address.clone();
        to.set_query(webhook.url.query());
        let sent = browser::send(&to, webhook).await;
        sent.map_err(|error| Refusal::new(exit::FAILED, format!("the webhook was not taken: {error}")))
    }
}
