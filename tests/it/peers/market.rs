//! A channel of the test's own, which speaks OAuth as the standard has it (RFC 6749) with a server that we did not write.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::Value;
use shopsyncd::{
    channels::{
        Access, Acted, Callback, Channel, ChannelError, Consent, Grant, Identity, OwnersEnd, Place, ShopStatus, Tokens,
        calls::address,
    },
    clock::Clock,
    domain::Failure,
    http::{BudgetKey, Call, Http, HttpError, Method, Rate},
    secrets::Secret,
};
use url::{Url, form_urlencoded};

use super::server::{CALLBACK, CLIENT};

/// One shop: everything that the server's user may do.
pub(super) struct Market {
    pub(super) http: Http,
    pub(super) clock: Clock,
    /// The server's pages.
    pub(super) pages: Url,
    /// Where tokens are had: the server, or what stands before it.
    pub(super) tokens: Url,
    /// The app's secret, as the settings have it.
    pub(super) secret: Arc<Mutex<String>>,
    /// What was granted last: for a test that acts as the owner.
    pub(super) granted: Arc<Mutex<Option<Tokens>>>,
}

#[async_trait]
impl Channel for Market {
    fn place(&self) -> String {
        "peer everything".to_owned()
    }

    async fn probe(&self, access: &Access) -> Result<ShopStatus, ChannelError> {
        let user = self.user(access.token.as_ref().unwrap()).await?;
        Ok(ShopStatus { name: user["name"].as_str().map(str::to_owned), ends: None })
    }

    fn consent(&self) -> Option<&dyn Consent> {
        Some(self)
    }
}

#[async_trait]
impl Consent for Market {
    fn app(&self) -> String {
        CLIENT.to_owned()
    }

    fn link(&self, state: &str) -> Url {
        let query = [
            ("response_type", "code".to_owned()),
            ("client_id", CLIENT.to_owned()),
            ("redirect_uri", CALLBACK.to_owned()),
            ("scope", "openid profile".to_owned()),
            ("prompt", "consent".to_owned()),
            ("state", state.to_owned()),
        ];
        address(&self.pages, "/auth", &query)
    }

    fn read_callback(&self, query: &[(String, String)]) -> Result<Callback, ChannelError> {
        let get = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        match (get("code"), get("error")) {
            (Some(code), None) => Ok(Callback { code: Secret::new(code), state: get("state"), subject: None }),
            (_, error) => Err(refused(Failure::AuthorizationEnded { why: error.unwrap_or_default() })),
        }
    }

    async fn exchange(&self, callback: &Callback) -> Result<Vec<Grant>, ChannelError> {
        let form = [("grant_type", "authorization_code"), ("code", callback.code.expose()), ("redirect_uri", CALLBACK)];
        let grant = self.grant(&form, "").await?;
        let user = self.user(&grant.tokens.access_token).await?;
        let text = |name: &str| user[name].as_str().unwrap().to_owned();
        Ok(vec![Grant { account: text("sub"), account_name: Some(text("name")), ..grant }])
    }

    async fn refresh(&self, spent: &Tokens, account: &str) -> Result<Grant, ChannelError> {
        let token = spent.refresh_token.as_ref().unwrap().expose();
        self.grant(&[("grant_type", "refresh_token"), ("refresh_token", token)], account).await
    }

    async fn identify(&self, grant: &Grant) -> Result<Identity, ChannelError> {
        let user = self.user(&grant.tokens.access_token).await?;
        let place = Place { id: self.place(), name: user["name"].to_string(), data: Value::Null };
        Ok(Identity { places: vec![place], ends: None })
    }

    fn end(&self) -> OwnersEnd {
        OwnersEnd::Never
    }
}

impl Market {
    async fn grant(&self, form: &[(&str, &str)], account: &str) -> Result<Grant, ChannelError> {
        let secret = self.secret.lock().unwrap().clone();
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .extend_pairs([("client_id", CLIENT), ("client_secret", &secret)])
            .finish();
        let sent_at = self.clock.now();
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let (status, body) = self.call(Method::POST, address(&self.tokens, "/token", &[]), headers, Some(form)).await?;
        let why = format!("{}: {}", body["error"].as_str().unwrap_or_default(), body["error_description"]);
        match (status, body["error"].as_str()) {
            (200, None) => {}
            (_, Some("invalid_grant")) => return Err(refused(Failure::AuthorizationEnded { why })),
            (_, Some("invalid_client")) => return Err(refused(Failure::AppCredentialRejected { why })),
            _ => return Err(refused(Failure::Unexpected { sample: format!("{status} {body}") })),
        }
        let token = |name: &str| Secret::new(body[name].as_str().unwrap());
        let tokens = Tokens { access_token: token("access_token"), refresh_token: Some(token("refresh_token")) };
        *self.granted.lock().unwrap() = Some(tokens.clone());
        Ok(Grant {
            tokens,
            account: account.to_owned(),
            account_name: None,
            access_token_ends_at: sent_at + SignedDuration::from_secs(body["expires_in"].as_i64().unwrap()),
            refresh_token_ends_at: None,
            ends: None,
        })
    }

    /// Whose token it is, by the server's userinfo.
    async fn user(&self, token: &Secret) -> Result<Value, ChannelError> {
        let headers = vec![("authorization", format!("Bearer {}", token.expose()))];
        match self.call(Method::GET, address(&self.pages, "/me", &[]), headers, None).await? {
            (200, user) => Ok(user),
            (401, _) => Err(refused(Failure::TokenRejected)),
            (status, body) => Err(refused(Failure::Unexpected { sample: format!("{status} {body}") })),
        }
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        headers: Vec<(&'static str, String)>,
        form: Option<String>,
    ) -> Result<(u16, Value), ChannelError> {
        let call = Call {
            method,
            url,
            headers,
            body: form.map(Into::into),
            budget: BudgetKey { channel: "peer", app: String::new(), place: String::new(), operation: "any" },
            rate: Rate::per_second(1000, 1000),
        };
        let answer = self.http.send(call).await.map_err(unanswered)?;
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
    }
}

fn refused(failure: Failure) -> ChannelError {
    let text = format!("the server refused: {failure:?}");
    ChannelError { failure, text, remedy: String::new(), request_id: None, acted: Acted::No }
}

fn unanswered(error: HttpError) -> ChannelError {
    let HttpError { failure, text, not_acted } = error;
    let acted = if not_acted { Acted::No } else { Acted::Unheard };
    ChannelError { failure, text, remedy: String::new(), request_id: None, acted }
}
