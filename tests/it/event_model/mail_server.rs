//! A mail server that does what a sequence wants, and lets things happen during the dialogue.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
};

use super::{HandOverMoment, MailServerAnswer, run::Scene};

pub(crate) struct ModelMailServer {
    pub(crate) port: u16,
    talking: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

impl ModelMailServer {
    /// Starts it for what `scene` holds at the moment.
    pub(crate) async fn start(scene: Arc<Mutex<Option<Scene>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let talking = Arc::new(AtomicUsize::new(0));
        let count = talking.clone();
        let mut server = JoinSet::new();
        server.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                talk(connection, &scene).await;
                count.fetch_sub(1, Ordering::SeqCst);
            }
        });
        Self { port, talking, _server: server }
    }

    /// Waits until it has no dialogue.
    pub(crate) async fn is_silent(&self) {
        while self.talking.load(Ordering::SeqCst) > 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn talk(connection: TcpStream, scene: &Mutex<Option<Scene>>) -> Option<()> {
    let (reading, mut writing) = connection.into_split();
    let mut reading = BufReader::new(reading);
    writing.write_all(b"220 bereit\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if reading.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let word = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        let happens = async |moment| {
            if let Some(scene) = scene.lock().await.as_mut() {
                scene.meanwhile(moment).await;
            }
        };
        let answers = match scene.lock().await.as_ref() {
            Some(scene) => scene.answers,
            None => MailServerAnswer::BusyAtRecipient,
        };
        let answer: &[u8] = match word.as_str() {
            "EHLO" => b"250-modell\r\n250 AUTH PLAIN LOGIN\r\n",
            "AUTH" if answers == MailServerAnswer::RefusesLogin => b"535 5.7.8 nein\r\n",
            "AUTH" => b"235 2.7.0 gut\r\n",
            "RCPT" => {
                happens(HandOverMoment::AtRecipient).await;
                match answers {
                    MailServerAnswer::RefusesRecipient => b"550 5.1.1 unbekannt\r\n",
                    MailServerAnswer::BusyAtRecipient => b"451 4.3.0 spaeter\r\n",
                    _ => b"250 2.1.5 gut\r\n",
                }
            }
            "DATA" => {
                happens(HandOverMoment::BeforeBody).await;
                writing.write_all(b"354 bitte\r\n").await.ok()?;
                let mut mail = Vec::new();
                while !mail.ends_with(b"\r\n.\r\n") {
                    let mut some = [0; 4096];
                    let read = reading.read(&mut some).await.ok()?;
                    if read == 0 {
                        return None;
                    }
                    mail.extend_from_slice(&some[..read]);
                }
                let mail = String::from_utf8_lossy(&mail).into_owned();
                if let Some(scene) = scene.lock().await.as_mut() {
                    scene.body_came(&mail);
                }
                happens(HandOverMoment::AfterBody).await;
                match answers {
                    MailServerAnswer::RefusesBody => b"550 5.6.0 nein\r\n",
                    MailServerAnswer::BusyAfterBody => b"451 4.3.0 spaeter\r\n",
                    MailServerAnswer::HangsUpAfterBody => return None,
                    _ => b"250 2.0.0 gut\r\n",
                }
            }
            "QUIT" => b"221 2.0.0 bis bald\r\n",
            _ => b"250 2.0.0 gut\r\n",
        };
        writing.write_all(answer).await.ok()?;
    }
}
