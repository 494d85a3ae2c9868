//! A private certificate authority and the certificate of the mail servers.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::error::{Result, WorldError};

/// The name the mail servers call themselves, as a KIM service would.
pub const MAIL_HOST: &str = "mail.example.kim.telematik";

/// What [`Authority::issue`] makes, in PEM.
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

/// A certificate authority that exists for one world only; nothing else trusts it.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self> {
        let mut params = params(&[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Umstieg test world CA");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// The certificate of the authority, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for these names (DNS names or addresses).
    ///
    /// # Errors
    /// When a name is not one.
    pub fn issue(&self, names: &[&str]) -> Result<Issued> {
        let mut params = params(names)?;
        let common_name = names.first().copied().unwrap_or(MAIL_HOST);
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    /// A certificate for a client of this name.
    ///
    /// # Errors
    /// When the name is not one.
    pub fn issue_to_client(&self, name: &str) -> Result<Issued> {
        let mut params = params(&[name])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        std::fs::write(file, &self.pem)
            .map_err(|error| WorldError::io("write the certificate of the authority", error))
    }
}

/// A server certificate that nothing but its fingerprint vouches for.
///
/// # Errors
/// When the name is not one.
pub fn self_signed(name: &str) -> Result<Issued> {
    let mut params = params(&[name])?;
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?.pem();
    Ok(Issued { certificate, key: key.serialize_pem() })
}

fn params(names: &[&str]) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    // Fixed and wide, because the world has no clock.
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    Ok(params)
}

fn failed(error: rcgen::Error) -> WorldError {
    WorldError::refused("make a certificate", error)
}
