//! How an edit of the product file is followed into every shop: what counts is what the marketplaces have.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    Stage,
    edits::{Edit, Edited, Sign},
    markets::Standing,
    shops::{self, DemoShop},
    watch::{LIMIT, export_of, mails},
};
use crate::{
    cli::{Outcome, exit},
    control::{self, Refusal, Request},
};

/// How soon a mail to the operator leaves that need not wait.
const AT_ONCE: Duration = Duration::from_secs(8);
/// How often is looked.
const GLANCE: Duration = Duration::from_millis(200);

fn failed(error: std::io::Error) -> Refusal {
    Refusal::new(exit::FAILED, format!("the product file cannot be edited: {error}"))
}

impl Stage {
    /// Edits the product file, and tells when each shop has it.
    pub(super) async fn edit(&self, edit: &Edit) -> Outcome {
        let (file, aside) = (self.products(), self.put_aside());
        let is_wrong = aside.exists();
        let refuse = |text: &str| Err(Refusal::new(exit::USAGE, text));
        match edit {
            Edit::Restore if !is_wrong => return refuse("there is nothing to restore: no mistake was made"),
            _ if is_wrong && edit.is_mistake() => return refuse("one mistake at a time; type: edit restore"),
            _ => {}
        }
        let from = if *edit == Edit::Restore { &aside } else { &file };
        let text = fs::read_to_string(from).map_err(failed)?;
        let edited = edit.make(&text, self.markets.image().as_str());
        let hint = if is_wrong { "; type: edit restore" } else { "" };
        let Edited { text: new, done, sign } =
            edited.map_err(|text| Refusal::new(exit::USAGE, format!("{text}{hint}")))?;
        if edit.is_mistake() {
            fs::write(&aside, &text).map_err(failed)?;
        }
        let told = mails(&self.mail(), "operator");
        // As whoever writes such a file should: to another name first.
        let unfinished = self.dir.join("products.csv.part");
        fs::write(&unfinished, new).and_then(|()| fs::rename(unfinished, file)).map_err(failed)?;
        if *edit == Edit::Restore {
            fs::remove_file(aside).map_err(failed)?;
        }
        self.say(&format!("the product file: {done}"))?;
        self.follow(&sign).await?;
        if sign == Sign::Stopped { self.tell_of_mail(&told).await } else { Ok(()) }
    }

    fn products(&self) -> PathBuf {
        self.dir.join("products.csv")
    }

    /// What the product file was before a mistake.
    fn put_aside(&self) -> PathBuf {
        self.dir.join("products.csv.before")
    }

    /// Tells of each shop when it has what the sign says, or why it will not have it for now.
    async fn follow(&self, sign: &Sign) -> Outcome {
        let began = Instant::now();
        let mut waiting: Vec<DemoShop> = shops::all().collect();
        while !waiting.is_empty() {
            let status = control::ask(&self.state_dir, &Request::Status { shop: None, limit: None }, |_| {})
                .await
                .unwrap_or_default();
            let mut still = Vec::new();
            for shop in waiting {
                match self.sees(shop, sign, export_of(&status, shop.id)) {
                    Some(words) => {
                        self.say(&format!("  {:<15} {words:<38} {:>4.1} s", shop.id, began.elapsed().as_secs_f64()))?;
                    }
                    None => still.push(shop),
                }
            }
            waiting = still;
            if began.elapsed() > LIMIT {
                let names: Vec<_> = waiting.iter().map(|shop| shop.id).collect();
                let text = format!("not in time: {}; see {}", names.join(", "), self.log().display());
                return Err(Refusal::new(exit::FAILED, text));
            }
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    /// What is to be told of a shop, once there is something.
    fn sees(&self, shop: DemoShop, sign: &Sign, export: &Value) -> Option<String> {
        let standings = self.markets.standings(shop);
        let on_sale = || standings.values().filter(|standing| standing.on_sale).count();
        let held_by = export["held_by"].as_str();
        let seen = match sign {
            Sign::Stopped => (held_by == Some("guard")).then(|| format!("held by a guard, {} SKUs on sale", on_sale())),
            Sign::GoesOn => {
                let ended = matches!(export["last"]["outcome"].as_str(), Some("done" | "partly"));
                (ended && held_by.is_none()).then(|| format!("goes on, {} SKUs on sale", on_sale()))
            }
            Sign::Price { sku, .. } | Sign::Stock { sku, .. } | Sign::New { sku, .. } | Sign::Gone { sku } => {
                arrived(shop, sign, standings.get(sku))
            }
        };
        seen.or_else(|| match (held_by?, sign) {
            ("guard", Sign::GoesOn) => None,
            ("guard", _) if self.put_aside().exists() => Some("held by a guard; type: edit restore".to_owned()),
            // No mistake to take back: the edit itself is what the guard asks about.
            ("guard", _) => {
                Some("held by a guard; `jobs run … product_export --release-guard` lets it through".to_owned())
            }
            (other, _) => Some(format!("has it once its owner renews ({other})")),
        })
    }

    /// Tells where the operator reads of it: at once, or later where there were mails enough of late.
    async fn tell_of_mail(&self, told: &BTreeSet<PathBuf>) -> Outcome {
        let began = Instant::now();
        loop {
            if let Some(letter) = mails(&self.mail(), "operator").difference(told).next() {
                return self.say(&format!("the operator is told of each shop, in {}", letter.display()));
            }
            if began.elapsed() > AT_ONCE {
                return self
                    .say("the operator is told with the next mail, of which there are a few a day: see `mail list`");
            }
            tokio::time::sleep(GLANCE).await;
        }
    }
}

/// In words how a SKU stands in a shop, once it stands as the sign says.
fn arrived(shop: DemoShop, sign: &Sign, standing: Option<&Standing>) -> Option<String> {
    let money = |amount: Decimal| format!("{amount} {}", shop.currency);
    match (sign, standing) {
        (Sign::Price { pounds, .. }, Some(known)) => {
            let wanted = shop.price_of(*pounds);
            (known.price == Some(wanted)).then(|| money(wanted))
        }
        (Sign::Stock { pieces, .. }, Some(known)) => (known.stock == *pieces).then(|| format!("{pieces} pieces")),
        (Sign::New { pounds, pieces, .. }, Some(known)) => {
            let wanted = shop.price_of(*pounds);
            let arrived = known.on_sale && known.price == Some(wanted) && known.stock == *pieces;
            arrived.then(|| format!("on sale: {}, {pieces} pieces", money(wanted)))
        }
        (Sign::Gone { .. }, None) => Some("not there".to_owned()),
        (Sign::Gone { .. }, Some(Standing { on_sale: false, .. })) => Some("taken off sale".to_owned()),
        (Sign::Gone { .. }, Some(Standing { stock: 0, .. })) => Some("0 pieces".to_owned()),
        _ => None,
    }
}
