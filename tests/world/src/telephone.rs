//! A telephone network for faxes: software modems of libspandsp whose audio is crossed, without a line and
//! without sound.
//!
//! Two programs in C, since libspandsp is a C library (LGPL, and only tests use it); `scripts/setup` builds them
//! from `tests/world/telephone` where Debian's packages can be installed. `session` is one whole call between two
//! fax machines, as fast as it can be computed. `exchange` is for [`crate::Hylafax`]: modems on terminals, and
//! numbers that are engaged, silent or dead.

use std::path::{Path, PathBuf};

use crate::{
    error::{Result, WorldError},
    setup::installed,
};

/// The programs that `scripts/setup` has built.
#[derive(Clone, Debug)]
pub struct Telephone {
    folder: PathBuf,
}

/// How a call between two fax machines ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEnd {
    /// Whether both machines were content.
    pub is_ok: bool,
    /// What each machine says of it, a line for each.
    pub told: String,
}

impl Telephone {
    /// Finds the programs.
    ///
    /// # Errors
    /// [`WorldError::NotSetUp`] where they could not be built.
    pub fn find() -> Result<Self> {
        let folder = installed("telephone")?;
        match ["session", "exchange"].iter().all(|name| folder.join(name).exists()) {
            true => Ok(Self { folder }),
            false => Err(WorldError::NotSetUp { what: ".world/telephone".to_owned() }),
        }
    }

    /// Sends the pages of a TIFF as a fax, through T.30; what came is a TIFF as well.
    ///
    /// `options` are those of `session`, as the head of `tests/world/telephone/session.c` tells them.
    ///
    /// # Errors
    /// When the program cannot be run, or does not understand.
    pub async fn call(&self, options: &[&str], sent: &Path, received: &Path) -> Result<CallEnd> {
        let doing = "fax a TIFF";
        let output = tokio::process::Command::new(self.folder.join("session"))
            .args(options)
            .args([sent, received])
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| WorldError::io(doing, error))?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.code() {
            Some(0) => Ok(CallEnd { is_ok: true, told }),
            Some(1) => Ok(CallEnd { is_ok: false, told }),
            _ => Err(WorldError::refused(doing, String::from_utf8_lossy(&output.stderr))),
        }
    }

    pub(crate) fn exchange(&self) -> PathBuf {
        self.folder.join("exchange")
    }
}
