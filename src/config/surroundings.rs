//! The surroundings of the settings: their file, its folder, the environment, and what is worth a
//! warning.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
};

use crate::phrases::AdminPhrase;

/// How environment variables are looked up: `&|name| std::env::var(name).ok()`.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The surroundings of the settings file: its directory, the environment, and a place for warnings.
pub(super) struct SettingsSurroundings<'e> {
    pub(super) file: PathBuf,
    pub(super) environment: Environment<'e>,
    pub(super) warnings: RefCell<Vec<AdminPhrase>>,
}

impl<'e> SettingsSurroundings<'e> {
    pub(super) fn new(file: &Path, environment: Environment<'e>) -> Self {
        Self { file: file.to_owned(), environment, warnings: RefCell::default() }
    }

    /// A path in the settings starts at the settings file, wherever the program was started.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    pub(super) fn settings_hold_a_secret(&self) {
        self.warn_if_world_readable(&self.file);
    }

    pub(super) fn warn_if_world_readable(&self, path: &Path) {
        if is_world_readable(path) {
            self.warn(world_readable_warning(path));
        }
    }

    pub(super) fn warn(&self, warning: AdminPhrase) {
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
}

/// Whether everybody on the machine can read this file. A file that is not there is not readable.
pub(super) fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS_READ: u32 = 0o004;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_READ != 0)
}

/// What to say about such a file.
pub(super) fn world_readable_warning(path: &Path) -> AdminPhrase {
    AdminPhrase::WorldReadable { file: path.display().to_string() }
}
