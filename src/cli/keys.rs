//! `keys`: the keys that seal tokens at rest.

use super::{KeysCommand, Outcome, open::Env, print};
use crate::{control::Request, secrets::Sealer};

pub(super) async fn keys(env: &Env, command: KeysCommand) -> Outcome {
    match command {
        // The one place where a secret is printed: it is asked for.
        KeysCommand::Generate if env.json => print::json(&serde_json::json!({ "key": Sealer::generate().expose() })),
        KeysCommand::Generate => print::text(Sealer::generate().expose()),
        KeysCommand::Reseal => {
            let answer = env.ask(&Request::Reseal).await?;
            if env.json { print::json(&answer) } else { print::text(answer["text"].as_str().unwrap_or("done")) }
        }
    }
}
