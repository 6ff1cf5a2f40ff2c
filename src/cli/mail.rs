//! `mail`: list, retry, test.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{
    MailCommand, Outcome,
    open::{self, Env},
    print,
    table::Table,
    upcoming::in_short,
};
use crate::{
    clock::Clock,
    control::Request,
    daemon, notices, report,
    store::{MailFilter, MailState},
};

pub(super) async fn mail(env: &Env, command: MailCommand) -> Outcome {
    let request = match command {
        MailCommand::List { state, to, shop, limit } => return list(env, MailFilter { state, to, shop }, limit).await,
        MailCommand::Retry { id } => Request::MailRetry { id },
        MailCommand::Test { address } => Request::MailTest { address },
    };
    let answer = env.ask(&request).await?;
    if env.json { print::json(&answer) } else { print::text(answer["text"].as_str().unwrap_or("done")) }
}

/// The states of mails, by name.
pub(super) fn state() -> impl TypedValueParser<Value = MailState> {
    let all = [MailState::Owed, MailState::Sent, MailState::Refused, MailState::Cancelled];
    PossibleValuesParser::new(all.map(MailState::as_str))
        .map(|name| MailState::from_name(&name).expect("one of the names of states"))
}

async fn list(env: &Env, filter: MailFilter, limit: u32) -> Outcome {
    let (config, mut tx) = env.look().await?;
    if let Some(shop) = &filter.shop
        && tx.shop(shop).await.map_err(open::unavailable)?.is_none()
    {
        // A shop that was taken out of the settings keeps its mails.
        open::known_shop(&config, shop)?;
    }
    let mut list = report::mail_list(&mut tx, &filter, limit).await.map_err(open::unavailable)?;
    // With broken settings nobody can say how a mail would be composed.
    if let Ok(people) = daemon::people_of(&config) {
        for view in list.mail.iter_mut().filter(|view| view.subject.is_none()) {
            if let Some(mail) = tx.mail(view.id).await.map_err(open::unavailable)? {
                view.subject = notices::subject(&mut tx, &people, &mail).await.map_err(open::unavailable)?;
            }
        }
    }
    if env.json {
        return print::json(&list);
    }
    let now = &Clock::system().now().to_zoned(config.timezone.clone());
    let mut table = Table::new(&["MAIL", "KIND", "TO", "STATE", "OWED", "SENT", "ATTEMPTS", "SHOPS", "SUBJECT"])
        .wide("SUBJECT")
        .spare(&["ATTEMPTS", "SENT", "OWED", "SHOPS"]);
    for mail in list.mail {
        table.row([
            mail.id.to_string(),
            mail.kind.to_string(),
            mail.to,
            mail.state.as_str().to_owned(),
            report::at_a_glance(mail.owed_at, now),
            mail.sent_at.map_or("-".into(), |at| report::at_a_glance(at, now)),
            mail.attempts.to_string(),
            in_short(&mail.shops),
            mail.subject.unwrap_or_default(),
        ]);
        table.note(mail.error.as_deref());
    }
    table.print()
}
