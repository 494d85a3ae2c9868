//! From the settings of a mail server to a mail server.

use std::str::FromStr;

use secrecy::ExposeSecret;

use crate::{
    config::{MailServerSettings, Tls},
    transport::{
        ClientCertificate, Fingerprint, Login, MailServer, ServerSettingsError, ServerTrust,
        TlsMode, TrustError,
    },
};

/// A mail server that cannot be used as it is set.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error(transparent)]
    Settings(#[from] ServerSettingsError),
}

pub(super) fn mail_server(settings: &MailServerSettings) -> Result<MailServer, ServerError> {
    let login = Login { user: settings.user.clone(), password: settings.password.clone() };
    let mut server = MailServer::new(settings.host.clone(), settings.port, login);
    server.tls = match settings.tls {
        Tls::Implicit => TlsMode::Implicit,
        Tls::StartTls => TlsMode::StartTls,
        Tls::None => TlsMode::None,
    };
    server.trust = match (&settings.ca_pem, settings.pins.as_slice()) {
        (None, []) => ServerTrust::Platform,
        (Some(pem), []) => ServerTrust::authorities(pem)?,
        (_, pins) => ServerTrust::Pins(pins.iter().map(fingerprint).collect::<Result<_, _>>()?),
    };
    server.client_certificate = match &settings.client_identity {
        Some(identity) => Some(ClientCertificate::from_pem(
            &identity.certificate_pem,
            identity.key_pem.expose_secret().as_bytes(),
        )?),
        None => None,
    };
    server.check()?;
    Ok(server)
}

fn fingerprint(pin: &[u8; 32]) -> Result<Fingerprint, TrustError> {
    Fingerprint::from_str(&pin.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}
