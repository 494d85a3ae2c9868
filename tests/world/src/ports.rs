//! Free ports on loopback that stay ours.

use std::net::SocketAddr;

use rand::Rng as _;
use tokio::net::TcpSocket;

use crate::error::{Result, WorldError};

/// Below the range Linux takes ports for connections from (32768 and up), so that no connection
/// occupies a port while its server is being restarted.
const CANDIDATES: std::ops::Range<u16> = 20_000..32_000;
const TRIES_MAX: usize = 200;

/// A port on 127.0.0.1 that no other world takes as long as this value lives.
///
/// It holds a socket that is bound and does not listen: one of our servers, which binds with
/// `SO_REUSEADDR` as servers do, still gets the port; another reservation, which binds without,
/// does not. A connection meanwhile is refused, as to any closed port.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _hold: TcpSocket,
}

impl Port {
    /// Reserves a free port.
    ///
    /// # Errors
    /// When there is none.
    pub fn reserve() -> Result<Self> {
        let doing = "find a free port";
        for _ in 0..TRIES_MAX {
            let number = rand::rng().random_range(CANDIDATES);
            let hold = TcpSocket::new_v4().map_err(|error| WorldError::io(doing, error))?;
            if hold.bind(SocketAddr::from(([127, 0, 0, 1], number))).is_err() {
                continue;
            }
            hold.set_reuseaddr(true).map_err(|error| WorldError::io(doing, error))?;
            return Ok(Self { number, _hold: hold });
        }
        Err(WorldError::refused(doing, format!("none of {TRIES_MAX} tried ports was free")))
    }

    pub fn number(&self) -> u16 {
        self.number
    }
}
