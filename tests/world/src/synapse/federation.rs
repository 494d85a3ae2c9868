//! Homeservers that federate with each other, on this machine alone.

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};

use super::{NO_LIMIT, SynapseOptions};
use crate::{
    error::{Result, WorldError},
    ports::Port,
};

impl SynapseOptions {
    /// One that federates at this door with the servers of these names, and with no other.
    pub fn federating(door: &FederationDoor, with: &[String]) -> Self {
        let federation = Some(Federating { door: door.clone(), with: with.to_vec() });
        Self { server_name: door.server_name(), federation, ..Self::default() }
    }
}

/// How a homeserver federates.
#[derive(Clone, Debug)]
pub struct Federating {
    door: FederationDoor,
    /// The names of the servers it talks to.
    with: Vec<String>,
}

/// A port where other homeservers find one. Its name is known before it is started.
#[derive(Clone, Debug)]
pub struct FederationDoor(Arc<Port>);

impl FederationDoor {
    /// Reserves one.
    ///
    /// # Errors
    /// When no port is free.
    pub fn reserve() -> Result<Self> {
        Ok(Self(Arc::new(Port::reserve()?)))
    }

    /// The name of the homeserver behind it.
    pub fn server_name(&self) -> String {
        format!("127.0.0.1:{}", self.0.number())
    }
}

/// A second door for other homeservers, with a certificate that they do not check.
pub(super) fn federate(settings: &mut Value, federation: &Federating, home: &Path) -> Result<()> {
    let failed = |error| WorldError::io("write the certificate of Synapse", error);
    let issued = crate::tls::self_signed("127.0.0.1")?;
    let (certificate, key) = (home.join("tls.crt"), home.join("tls.key"));
    std::fs::write(&certificate, issued.certificate).map_err(failed)?;
    std::fs::write(&key, issued.key).map_err(failed)?;
    let Some(settings) = settings.as_object_mut() else { return Ok(()) };
    if let Some(Value::Array(listeners)) = settings.get_mut("listeners") {
        listeners.push(json!({
            "port": federation.door.0.number(), "bind_addresses": ["127.0.0.1"], "type": "http",
            "tls": true, "resources": [{ "names": ["federation"], "compress": false }],
        }));
    }
    let free = json!({ "sleep_limit": NO_LIMIT, "reject_limit": NO_LIMIT, "concurrent": 100 });
    for (name, value) in [
        ("send_federation", json!(true)),
        ("federation_domain_whitelist", json!(federation.with)),
        ("federation_verify_certificates", json!(false)),
        ("ip_range_blacklist", json!([])),
        ("tls_certificate_path", json!(certificate)),
        ("tls_private_key_path", json!(key)),
        ("rc_federation", free),
        // A test does not wait for minutes for a server that is there again.
        (
            "federation",
            json!({
                "client_timeout": "10s", "max_short_retries": 1, "max_long_retries": 1,
                "destination_min_retry_interval": "1s", "destination_max_retry_interval": "2s",
            }),
        ),
    ] {
        settings.insert(name.to_owned(), value);
    }
    Ok(())
}
