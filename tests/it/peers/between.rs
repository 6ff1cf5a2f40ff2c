//! What stands between us and a server: it carries bytes, and swallows an answer when told.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use url::Url;

/// A TCP proxy on loopback. It stops when dropped.
pub(super) struct Between {
    pub(super) url: Url,
    swallows: Arc<AtomicBool>,
    carrying: JoinHandle<()>,
}

impl Between {
    /// Starts it before a server.
    pub(super) async fn start(server: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let address = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap());
        let swallows = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&swallows);
        let carrying = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&address).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&told)));
            }
        });
        Self { url, swallows, carrying }
    }

    /// The next answer is lost: the server has given it, nobody receives it, and the connection breaks.
    pub(super) fn swallow_an_answer(&self) {
        self.swallows.store(true, Ordering::SeqCst);
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, swallows: Arc<AtomicBool>) {
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        tokio::select! {
            Ok(count @ 1..) = client.read(&mut asked) => server.write_all(&asked[..count]).await.unwrap(),
            Ok(count @ 1..) = server.read(&mut answered) => {
                if swallows.swap(false, Ordering::SeqCst) || client.write_all(&answered[..count]).await.is_err() {
                    return;
                }
            }
            else => return,
        }
    }
}
