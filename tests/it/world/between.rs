//! What stands between us and a server: it carries bytes, swallows an answer when told, falls silent, or is cut.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use url::Url;

/// A TCP proxy on loopback. It stops when dropped.
pub(crate) struct Between {
    address: SocketAddr,
    swallows: Arc<AtomicBool>,
    silent: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    carrying: JoinHandle<()>,
}

impl Between {
    /// Starts it before a server.
    pub(crate) async fn start(server: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
        let swallows = Arc::new(AtomicBool::new(false));
        let (silent, cut) = (watch::Sender::new(false), watch::Sender::new(false));
        let (told, hears, mut severed) = (Arc::clone(&swallows), silent.subscribe(), cut.subscribe());
        let carrying = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *severed.borrow_and_update() {
                    continue;
                }
                let server = TcpStream::connect(&server).await.unwrap();
                let (carried, mut severed) = (carry(client, server, Arc::clone(&told), hears.clone()), severed.clone());
                tokio::spawn(async move {
                    tokio::select! { () = carried => {}, _ = severed.wait_for(|cut| *cut) => {} }
                });
            }
        });
        Self { address, swallows, silent, cut, carrying }
    }

    /// The address under which the server is reached through this.
    pub(crate) fn to(&self, server: &Url) -> Url {
        let mut through = server.clone();
        through.set_host(Some("127.0.0.1")).unwrap();
        through.set_port(Some(self.address.port())).unwrap();
        through
    }

    /// The next answer is lost: the server has given it, nobody receives it, and the connection breaks.
    pub(crate) fn swallow_an_answer(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }

    /// From now on nothing is carried, either way, and no connection breaks: as when a cable is pulled.
    pub(crate) fn fall_silent(&self) {
        self.silent.send_replace(true);
    }

    /// Every connection breaks, and every new one as soon as it is made: as when the server is stopped.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// New connections are carried again.
    pub(crate) fn mend(&self) {
        self.cut.send_replace(false);
    }

    /// What was held back goes on its way, and everything after it.
    pub(crate) fn speak_again(&self) {
        self.silent.send_replace(false);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    swallows: Arc<AtomicBool>,
    mut silent: watch::Receiver<bool>,
) {
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    // Whoever fell silent for ever is gone.
    while silent.wait_for(|silent| !silent).await.is_ok() {
        tokio::select! {
            biased;
            Ok(()) = silent.changed() => {}
            Ok(count @ 1..) = client.read(&mut asked) => {
                if server.write_all(&asked[..count]).await.is_err() {
                    return;
                }
            }
            Ok(count @ 1..) = server.read(&mut answered) => {
                if swallows.swap(false, Ordering::SeqCst) || client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
