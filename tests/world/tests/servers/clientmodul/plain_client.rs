//! A client that says what a test tells it to, trusting a fingerprint and nothing else.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{
            CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature,
        },
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
        version::{TLS12, TLS13},
    },
};
use umstieg_world::{
    Clientmodul,
    clientmodul::{KimAccount, KimProtocol},
    tls::Issued,
};

pub(super) const PASSWORD: &str = "geheim#pässwort:1";
pub(super) const PRACTICE: &str = "praxis@mueller.kim.telematik";
pub(super) const CLINIC: &str = "klinik@nord_haus.kim.telematik";

/// A Clientmodul with two accounts.
pub(super) async fn practice_and_clinic() -> Clientmodul {
    let module = Clientmodul::start().await.unwrap();
    module.add_account(KimAccount::new(PRACTICE, PASSWORD));
    module.add_account(KimAccount::new(CLINIC, PASSWORD));
    module
}

pub(super) trait BothWays: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> BothWays for S {}

pub(super) struct PlainClient(BufReader<Box<dyn BothWays>>);

/// How to connect.
pub(super) struct PlainTls {
    pub pin: String,
    pub versions: Vec<&'static SupportedProtocolVersion>,
    pub certificate: Option<Issued>,
}

impl PlainTls {
    pub(super) fn to(module: &Clientmodul) -> Self {
        Self { pin: module.pin(), versions: vec![&TLS12, &TLS13], certificate: None }
    }

    /// `None`: the other side, or this one, did not like what it saw.
    pub(super) async fn connect(&self, port: u16) -> Option<PlainClient> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        self.over(Box::new(tcp)).await
    }

    async fn over(&self, stream: Box<dyn BothWays>) -> Option<PlainClient> {
        let provider = Arc::new(provider::default_provider());
        let verifier = PinVerifier { pin: self.pin.clone(), provider: provider.clone() };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        Some(PlainClient(BufReader::new(Box::new(tls))))
    }
}

impl PlainClient {
    pub(super) async fn unencrypted(port: u16) -> Self {
        Self(BufReader::new(Box::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap())))
    }

    /// Goes on over TLS.
    pub(super) async fn encrypted(self, module: &Clientmodul) -> Self {
        PlainTls::to(module).over(self.0.into_inner()).await.unwrap()
    }

    /// A session that has heard the greeting.
    pub(super) async fn open(module: &Clientmodul, protocol: KimProtocol) -> Self {
        let port = match protocol {
            KimProtocol::Smtp => module.ports().smtps,
            KimProtocol::Pop3 => module.ports().pop3s,
        };
        let mut client = PlainTls::to(module).connect(port).await.unwrap();
        client.line().await;
        client
    }

    /// The next line; empty when the connection has ended.
    pub(super) async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        // An end without a goodbye is an end as well.
        drop(read.expect("the server is silent"));
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    pub(super) async fn tells(&mut self, words: &str) {
        self.write(format!("{words}\r\n").as_bytes()).await;
    }

    /// Says a line and returns the answer: of SMTP the last line.
    pub(super) async fn say(&mut self, words: &str) -> String {
        self.tells(words).await;
        loop {
            let line = self.line().await;
            let is_code = line.get(..3).is_some_and(|code| code.parse::<u16>().is_ok());
            if !is_code || line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// The lines up to the dot, unstuffed, without the `+OK`.
    pub(super) async fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.line().await.as_str() {
                "." => return lines,
                line => lines.push(line.strip_prefix('.').unwrap_or(line).to_owned()),
            }
        }
    }

    /// Says a line and returns what comes behind `+OK`, in lines.
    pub(super) async fn ask(&mut self, words: &str) -> String {
        let answer = self.say(words).await;
        assert!(answer.starts_with("+OK"), "{words}: {answer}");
        self.lines().await.join("\r\n")
    }

    /// Logged in over SMTP.
    pub(super) async fn smtp(module: &Clientmodul, address: &str) -> Self {
        let mut client = Self::open(module, KimProtocol::Smtp).await;
        let name = module.user_name(KimProtocol::Smtp, address).unwrap();
        let answer = client.say(&format!("AUTH PLAIN {}", plain(&name, PASSWORD))).await;
        assert!(answer.starts_with("235 "), "{answer}");
        client
    }

    /// Logged in over POP3.
    pub(super) async fn pop3(module: &Clientmodul, address: &str) -> Self {
        let mut client = Self::open(module, KimProtocol::Pop3).await;
        let name = module.user_name(KimProtocol::Pop3, address).unwrap();
        let answer = client.log_in(&name, PASSWORD).await;
        assert_eq!(answer, "+OK");
        client
    }

    pub(super) async fn log_in(&mut self, name: &str, password: &str) -> String {
        assert_eq!(self.say(&format!("USER {name}")).await, "+OK");
        self.say(&format!("PASS {password}")).await
    }

    /// Everything up to the final dot, to these recipients; the answer to it.
    pub(super) async fn submit(&mut self, from: &str, to: &[&str], mail: &[u8]) -> String {
        assert!(self.say(&format!("MAIL FROM:<{from}>")).await.starts_with("250 "));
        for recipient in to {
            let answer = self.say(&format!("RCPT TO:<{recipient}> NOTIFY=SUCCESS,FAILURE")).await;
            assert!(answer.starts_with("250 "), "{answer}");
        }
        assert!(self.say("DATA").await.starts_with("354 "));
        self.write(mail).await;
        self.say("\r\n.").await
    }
}

/// The argument of AUTH PLAIN.
pub(super) fn plain(name: &str, password: &str) -> String {
    STANDARD.encode(format!("\0{name}\0{password}"))
}

pub(super) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

/// Takes the certificate of this fingerprint, whatever name is in it.
#[derive(Debug)]
struct PinVerifier {
    pin: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let hash = digest::digest(&digest::SHA256, certificate);
        let hash: Vec<String> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        if hash.join(":") == self.pin {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("another certificate than the pinned one".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
