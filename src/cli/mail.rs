//! `mail`: list, retry, test.

use super::{
    MailCommand, Outcome,
    open::{self, Env},
    print,
};
use crate::{control::Request, report};

pub(super) async fn mail(env: &Env, command: MailCommand) -> Outcome {
    let request = match command {
        MailCommand::List { limit } => return list(env, limit).await,
        MailCommand::Retry { id } => Request::MailRetry { id },
        MailCommand::Test { address } => Request::MailTest { address },
    };
    let answer = env.ask(&request).await?;
    if env.json { print::json(&answer) } else { print::text(answer["text"].as_str().unwrap_or("done")) }
}

async fn list(env: &Env, limit: u32) -> Outcome {
    let config = env.settings()?;
    let mut tx = open::reading(&config).await?;
    let list = report::mail_list(&mut tx, None, limit).await.map_err(open::unavailable)?;
    if env.json {
        return print::json(&list);
    }
    let mut table = print::table(&["MAIL", "KIND", "TO", "STATE", "OWED", "SENT", "ATTEMPTS", "SUBJECT", "ERROR"]);
    for mail in list.mail {
        let state = serde_json::to_value(mail.state).unwrap_or_default();
        table.add_row([
            mail.id.to_string(),
            mail.kind,
            mail.to,
            state.as_str().unwrap_or_default().to_owned(),
            mail.owed_at.to_string(),
            mail.sent_at.map_or("-".into(), |at| at.to_string()),
            mail.attempts.to_string(),
            mail.subject.unwrap_or_default(),
            mail.error.unwrap_or_default(),
        ]);
    }
    print::print_table(&table)
}
