//! The one folder that contains everything of a world.
//!
//! It goes with its value, or with the process; it stays, logs and all, when the thread panics and
//! when `UMSTIEG_WORLD_KEEP` is set.

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    error::{Result, WorldError},
    process::guard,
};

/// A path of a Unix socket has at most 107 bytes; the longest below a world's folder takes 60.
const FOLDER_PATH_MAX: usize = 45;

/// A new, empty folder for servers to work in.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    /// Makes a folder named `umstieg-{purpose}-…` where temporary files belong.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn make(purpose: &str) -> Result<Self> {
        let failed = |error| WorldError::io("make a folder for the world", error);
        let name = format!("umstieg-{purpose}-");
        let mut parent = std::env::temp_dir();
        let room = parent.as_os_str().len() + name.len() + 7;
        if room > FOLDER_PATH_MAX || parent.to_string_lossy().contains(char::is_whitespace) {
            parent = PathBuf::from("/tmp");
        }
        let path =
            tempfile::Builder::new().prefix(&name).tempdir_in(parent).map_err(failed)?.keep();
        // The servers run as other users than root, and each keeps its own folder to itself.
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(failed)?;
        let keep = std::env::var_os("UMSTIEG_WORLD_KEEP").is_some();
        if !keep {
            guard::remove_at_end(&path)?;
        }
        Ok(Self { path, keep })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets it stay when this value goes.
    pub fn keep(&mut self) {
        self.keep = true;
        guard::leave_folder(&self.path);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
        if self.keep {
            eprintln!("kept for reading: {}", self.path.display());
            return;
        }
        // A server that is just ending may still write a file: the guard clears the rest.
        if std::fs::remove_dir_all(&self.path).is_ok() {
            guard::leave_folder(&self.path);
        }
    }
}
