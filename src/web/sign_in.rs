//! Signing in with the page's one password, and out again.

use std::net::SocketAddr;

use axum::{
    Extension,
    extract::{ConnectInfo, Query, RawForm, State, rejection::RawFormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};
use jiff::SignedDuration;

use super::{
    People,
    failures::{Failures, Sender, Verdict, new_mark},
    form::Fields,
    guard,
    page::{Form, Link, Tone},
};
use crate::{
    secrets::{Secret, random_text},
    store::StoreError,
};

/// How long a session lasts.
const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long a browser is known after a sign-in.
const KNOWN_FOR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// The form; whoever has signed in is led on.
pub(super) async fn show(
    State(people): State<People>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let asked = query.into_iter().find(|(key, _)| key == "next").map(|(_, value)| value);
    let next = on_this_page(asked);
    match guard::is_signed_in(&people, &headers).await {
        Ok(true) => lead_on(&people, &next),
        Ok(false) if people.settings.password().is_none() => no_password(&people),
        Ok(false) => ask(&people, next, None, StatusCode::OK),
        Err(error) => people.away(&error),
    }
}

/// Judges a password and begins a session.
pub(super) async fn enter(
    State(people): State<People>,
    Extension(failures): Extension<Failures>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: Result<RawForm, RawFormRejection>,
) -> Response {
    let read = Fields::read(form).and_then(|mut fields| {
        let password = fields.take("password").map(Secret::new)?;
        Ok((password, on_this_page(Some(fields.take("next")?))))
    });
    let (password, next) = match read {
        Ok(read) => read,
        Err(bad) => return bad.answer(&people),
    };
    let Some(hash) = people.settings.password() else { return no_password(&people) };
    let known = guard::known_cookie(&people);
    let sender = Sender::of(guard::cookie(&headers, known), peer.ip(), &hash);
    match failures.judge(&people.clock, sender, password, hash.clone()).await {
        Verdict::Right => match begin_session(&people, &hash).await {
            Ok(session) => {
                tracing::info!(event = "page.signed_in", "somebody signed in on the page");
                let address = guard::sign_in_address(&people, &next);
                let known = guard::set_cookie(&people, known, &new_mark(&hash), KNOWN_FOR.as_secs());
                let cookies = [(header::SET_COOKIE, session), (header::SET_COOKIE, known)];
                (AppendHeaders(cookies), Redirect::to(&address)).into_response()
            }
            Err(error) => people.away(&error),
        },
        Verdict::Wrong => ask(&people, next, Some("That is not the password.".into()), StatusCode::FORBIDDEN),
        Verdict::Later(seconds) => {
            let error = format!("Too many wrong passwords came from where you are. Try again in {seconds} seconds.");
            let mut answer = ask(&people, next, Some(error), StatusCode::TOO_MANY_REQUESTS);
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            answer
        }
        Verdict::NoHash => no_password(&people),
    }
}

/// Ends the session.
pub(super) async fn leave(State(people): State<People>, headers: HeaderMap) -> Response {
    let name = guard::session_cookie(&people);
    let ended = async {
        let Some(id) = guard::cookie(&headers, name) else { return Ok(()) };
        let mut tx = people.store.write(people.clock.now()).await?;
        tx.end_session(&guard::digest(&id)).await?;
        tx.commit().await
    };
    match ended.await {
        Ok(()) => {
            let forget = guard::set_cookie(&people, name, "", 0);
            ([(header::SET_COOKIE, forget)], Redirect::to(&people.path("/"))).into_response()
        }
        Err(error) => people.away(&error),
    }
}

/// Returns the cookie that carries it.
async fn begin_session(people: &People, hash: &Secret) -> Result<String, StoreError> {
    let id = random_text(32);
    let mut tx = people.store.write(people.clock.now()).await?;
    let ends_at = tx.now + SESSION_LIFE;
    tx.begin_session(&guard::digest(&id), &guard::digest(hash.expose()), ends_at).await?;
    tx.commit().await?;
    Ok(guard::set_cookie(people, guard::session_cookie(people), &id, SESSION_LIFE.as_secs()))
}

/// Where a sign-in leads: a path on this page, whatever was asked for. Browsers read `//` and `/\` as another host, and drop
/// blanks and control characters before they look.
fn on_this_page(asked: Option<String>) -> String {
    let fits = |path: &String| {
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        plain && path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/sign-")
    };
    asked.filter(fits).unwrap_or_else(|| "/".to_owned())
}

fn ask(people: &People, next: String, error: Option<String>, status: StatusCode) -> Response {
    let tone = if error.is_some() { Tone::Bad } else { Tone::Plain };
    let paragraphs = vec![
        "This is for those who run shopsyncd. Owners of shops need no password: they come through the link in a mail."
            .into(),
    ];
    let mut page = people.page("Sign in", tone, paragraphs);
    page.form = Some(Form {
        action: people.path("/sign-in"),
        hidden: Some(("next", next)),
        asks_password: true,
        error,
        button: "Sign in",
    });
    page.answer(status)
}

/// A page that leads on by itself. Not a redirect: from here the way may go to a marketplace, and browsers hold every redirect
/// that follows a form to that form's `form-action 'self'`.
fn lead_on(people: &People, next: &str) -> Response {
    let address = people.path(next);
    let mut page = people.page("Signed in", Tone::Good, Vec::new());
    page.links = vec![Link { address: address.clone(), name: "Go on".to_owned(), note: None }];
    ([(header::REFRESH, format!("0; url={address}"))], page.answer(StatusCode::OK)).into_response()
}

fn no_password(people: &People) -> Response {
    let paragraphs = vec![
        "There is no password for this page. Whoever runs shopsyncd makes one with this command, and puts what it prints into the settings as `web.password_hash`:".into(),
    ];
    let mut page = people.page("Nobody can sign in", Tone::Bad, paragraphs);
    page.command = Some("shopsyncd password".into());
    page.answer(StatusCode::FORBIDDEN)
}
