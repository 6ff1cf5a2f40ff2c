//! What can happen, at the press of a key: the seller edits the product file; an owner takes the permission back, its time is
//! over, its owner renews it.

use jiff::SignedDuration;

use super::{
    Stage, browser,
    edits::Edit,
    shop,
    shops::{self, DemoShop},
    watch,
};
use crate::{
    cli::{Outcome, exit, print},
    control::{self, Refusal, Request},
};

/// How long a permission still lasts whose end is announced.
const LEFT: SignedDuration = SignedDuration::from_secs(5);

/// What the words are that may be typed.
pub(super) const WORDS: &str =
    "  edit price [SKU [POUNDS]]     edit stock [SKU [PIECES]]     edit new     edit remove [SKU]
  edit comma, edit loss         mistakes in the product file, which a guard stops; edit restore: back again
  revoke SHOP, lapse tiktok-uk (or tiktok-de), renew SHOP     what becomes of an owner's permission
  help";

/// The edits that are played by themselves.
const PLAYED: [&str; 8] = ["price", "stock", "new", "remove", "loss", "restore", "comma", "restore"];

/// What may be done to a shop's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Revoke,
    Lapse,
    Renew,
}

/// What somebody typed.
#[derive(Debug)]
enum Order {
    Help,
    Edit(Edit),
    Do(What, DemoShop),
}

impl Order {
    fn read(line: &str) -> Result<Self, Refusal> {
        let unknown = |text: String| Refusal::new(exit::USAGE, text);
        let mut words = line.split_whitespace();
        let what = match words.next() {
            None | Some("help") => return Ok(Self::Help),
            Some("edit") => return Edit::read(words).map(Self::Edit).map_err(unknown),
            Some("revoke") => What::Revoke,
            Some("lapse") => What::Lapse,
            Some("renew") => What::Renew,
            Some(other) => return Err(unknown(format!("`{other}` is not understood; {}", help()))),
        };
        let id = words.next().unwrap_or_default();
        let shop = shops::find(id).ok_or_else(|| {
            let known: Vec<&str> = shops::all().map(|shop| shop.id).collect();
            let wrong = if id.is_empty() { "name a shop".to_owned() } else { format!("there is no shop `{id}`") };
            unknown(format!("{wrong}; the shops are {}", known.join(", ")))
        })?;
        Ok(Self::Do(what, shop))
    }
}

fn help() -> String {
    format!("type:\n{WORDS}")
}

impl Stage {
    /// Makes every edit. Then revokes one permission, lets another lapse, sees both held, and renews them: everything goes on
    /// without another touch.
    pub(super) async fn play(&self) -> Outcome {
        for word in PLAYED {
            let edit = Edit::read([word].into_iter()).map_err(|text| Refusal::new(exit::USAGE, text))?;
            self.edit(&edit).await?;
        }
        let [revoked, lapsed] = [shops::BY_CONSENT[2], shops::BY_CONSENT[0]];
        self.revoke(revoked).await?;
        self.lapse(lapsed).await?;
        for (shop, state) in [(revoked, "revoked"), (lapsed, "lapsed")] {
            let why = watch::until_state(self, shop.id, state).await?;
            self.say(&format!("{}: {state}, its jobs are held: {why}", shop.id))?;
        }
        for shop in [revoked, lapsed] {
            self.renew(shop).await?;
            watch::until_state(self, shop.id, "active").await?;
            self.say(&format!("{}: renewed by its owner, everything goes on by itself", shop.id))?;
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
        match Order::read(line)? {
            Order::Help => print::text(&help()),
            Order::Edit(edit) => self.edit(&edit).await,
            Order::Do(what, shop) => {
                match what {
                    What::Revoke => {
                        self.revoke(shop).await?;
                        watch::until_state(self, shop.id, "revoked").await?;
                    }
                    What::Lapse => self.lapse(shop).await?,
                    What::Renew => {
                        self.renew(shop).await?;
                        watch::until_state(self, shop.id, "active").await?;
                    }
                }
                print::text(&self.look_at(what, shop.id))
            }
        }
    }

    /// Where to see what an order came to.
    fn look_at(&self, what: What, shop: &str) -> String {
        let command = self.command();
        let done = match what {
            What::Renew => return format!("renewed; everything of {shop} goes on by itself: {command} status"),
            What::Revoke => "revoked",
            What::Lapse => "its end is announced and comes in 5 seconds",
        };
        format!(
            "{done}; see why its jobs wait: {command} jobs why {shop} authorization_refresh\n\
             and the mail to its owner, the newest in {mail}",
            mail = self.mail().display()
        )
    }

    async fn revoke(&self, owned: DemoShop) -> Outcome {
        let hook = self.webhook_address(owned)?;
        if let Some(webhook) = self.markets.revoke(owned, &hook) {
            return self.send(&hook, webhook).await;
        }
        // Without a webhook the next live call would tell; whoever runs shopsyncd may ask for one.
        match control::ask(&self.state_dir, &Request::Test { shop: shop(owned.id)? }, |_| {}).await {
            // The call was not made, so that nobody knows of it yet.
            Err(refusal) if refusal.exit == exit::TRY_LATER => {
                let text = format!(
                    "it is revoked, but the daemon cannot look now ({}); {} tells once it has",
                    refusal.text,
                    self.command()
                );
                Err(Refusal::new(exit::TRY_LATER, text))
            }
            _ => Ok(()),
        }
    }

    async fn lapse(&self, owned: DemoShop) -> Outcome {
        let Some(webhook) = self.markets.lapse(owned, LEFT) else {
            let text = format!(
                "the marketplace of {} sends no notice before a permission ends; type: lapse tiktok-uk, or revoke {0}",
                owned.id
            );
            return Err(Refusal::new(exit::USAGE, text));
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_understood_or_answered_with_what_can_be_typed() {
        let shop = |line: &str| match Order::read(line).unwrap() {
            Order::Do(what, shop) => (what, shop.id),
            other => panic!("{line} is {other:?}"),
        };
        assert_eq!(shop("revoke amazon-de"), (What::Revoke, "amazon-de"));
        assert_eq!(shop("  renew  tiktok-uk "), (What::Renew, "tiktok-uk"));
        assert!(matches!(Order::read("").unwrap(), Order::Help));
        assert!(matches!(Order::read("help").unwrap(), Order::Help));
        let told = ["ravoke amazon-de", "revoke", "lapse amazon"].map(|line| Order::read(line).unwrap_err().text);
        insta::assert_snapshot!(told.join("\n"), @r"
        `ravoke` is not understood; type:
          edit price [SKU [POUNDS]]     edit stock [SKU [PIECES]]     edit new     edit remove [SKU]
          edit comma, edit loss         mistakes in the product file, which a guard stops; edit restore: back again
          revoke SHOP, lapse tiktok-uk (or tiktok-de), renew SHOP     what becomes of an owner's permission
          help
        name a shop; the shops are tiktok-uk, tiktok-de, amazon-de, amazon-fr, shopee-sg, shopline-global, shopline-asia
        there is no shop `amazon`; the shops are tiktok-uk, tiktok-de, amazon-de, amazon-fr, shopee-sg, shopline-global, shopline-asia
        ");
        let Order::Edit(edit) = Order::read("edit stock C-002-3 5").unwrap() else { panic!("it is an edit") };
        assert_eq!(edit, Edit::Stock { sku: "C-002-3".to_owned(), pieces: Some(5) });
    }
}
