//! The daemon's long tasks: one that ends by itself, or panics, ends the daemon, loudly.

use std::{future::Future, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::Ended;

/// The tasks, each with its name.
pub(super) type Parts = JoinSet<(&'static str, Result<(), String>)>;

/// Starts a part.
pub(super) fn part(
    parts: &mut Parts,
    name: &'static str,
    work: impl Future<Output = Result<(), String>> + Send + 'static,
) {
    parts.spawn(async move { (name, tokio::spawn(work).await.unwrap_or_else(|panic| Err(panic.to_string()))) });
}

/// How long what may be cut off anywhere has to end by itself when the daemon stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// Starts a part that may be cut off anywhere: a database that says nothing must not keep the daemon from stopping.
pub(super) fn until(
    parts: &mut Parts,
    name: &'static str,
    work: impl Future<Output = Result<(), String>> + Send + 'static,
    stop: CancellationToken,
) {
    part(parts, name, async move {
        tokio::select! {
            ended = work => ended,
            () = async { stop.cancelled().await; tokio::time::sleep(FAREWELL).await } => Ok(()),
        }
    });
}

/// Starts a listener.
pub(super) fn serve(
    parts: &mut Parts,
    name: &'static str,
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) {
    let service = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    // A browser that keeps its connection open must not keep the daemon.
    until(parts, name, async move { serving.await.map_err(|error| error.to_string()) }, stop);
}

/// Tells, once, that a part's end is the daemon's.
pub(super) fn ended(part: &'static str, cause: String, remedy: &'static str) -> Ended {
    let ended = Ended { part, cause, remedy };
    tracing::error!(event = "daemon.failed", error.kind = "part", "{ended}");
    ended
}

/// Waits for all parts. The first that ends before `stop` has fired ends the others. What goes wrong after that is only told: it is
/// as after a kill, and the next start goes on from there.
pub(super) async fn all(mut parts: Parts, stop: &CancellationToken) -> Result<(), Ended> {
    let mut first = Ok(());
    while let Some(joined) = parts.join_next().await {
        let (part, result) = joined.unwrap_or_else(|error| ("a part", Err(error.to_string())));
        let early = !stop.is_cancelled();
        let why = match result {
            Ok(()) if early => Some("it had nothing more to do".to_owned()),
            Ok(()) => None,
            Err(cause) if early => Some(cause),
            Err(cause) => {
                tracing::warn!(
                    event = "daemon.cut_off",
                    "{part} did not come to its end: {cause}; the next start goes on from there"
                );
                None
            }
        };
        if let (Some(cause), true) = (why, first.is_ok()) {
            first = Err(ended(part, cause, "this is a fault of the program, report it with the log"));
            stop.cancel();
        }
    }
    first
}
