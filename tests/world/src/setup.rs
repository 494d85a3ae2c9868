//! Where the things are that `scripts/setup` has installed, and the accounts they run under.

use std::path::{Path, PathBuf};

use crate::error::{Result, WorldError};

/// A file below `.world` of the checkout: looked for from the current folder upwards, so that a
/// built binary can be moved, then where this crate was built.
pub(crate) fn installed(name: &str) -> Result<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .chain(checkout.ancestors())
        .map(|folder| folder.join(".world").join(name))
        .find(|path| path.exists())
        .ok_or_else(|| WorldError::NotSetUp { what: format!(".world/{name}") })
}

/// A program of Postgres. Debian keeps them apart by version; the newest is taken.
pub(crate) fn postgres_program(name: &str) -> Result<PathBuf> {
    let missing = || WorldError::NotSetUp { what: format!("{name} of Postgres") };
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .map_err(|_| missing())?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin").join(name)))
        })
        .filter(|(_, program)| program.exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, program)| program).ok_or_else(missing)
}

/// A program in one of the folders Debian keeps programs in.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
        .ok_or_else(|| WorldError::NotSetUp { what: name.to_owned() })
}

/// The account a server runs under.
#[derive(Clone, Debug)]
pub(crate) struct UnixAccount {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) name: String,
    pub(crate) group: String,
    /// Whether we are root and have to step down to it.
    pub(crate) step_down: bool,
}

impl UnixAccount {
    /// Our own account, or `wanted` when we are root: Postgres and Exim refuse to run as root.
    pub(crate) fn plain(wanted: &str) -> Result<Self> {
        let own = rustix::process::getuid().as_raw();
        let missing = |what: String| WorldError::NotSetUp { what };
        let passwd = std::fs::read_to_string("/etc/passwd")
            .map_err(|error| WorldError::io("read /etc/passwd", error))?;
        let groups = std::fs::read_to_string("/etc/group")
            .map_err(|error| WorldError::io("read /etc/group", error))?;
        let (name, uid, gid) = passwd
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                let uid: u32 = fields.nth(1)?.parse().ok()?;
                let gid: u32 = fields.next()?.parse().ok()?;
                Some((name, uid, gid))
            })
            .find(|(name, uid, _)| if own == 0 { *name == wanted } else { *uid == own })
            .ok_or_else(|| missing(format!("the account {wanted}")))?;
        let group = groups
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                Some((fields.next()?, fields.nth(1)?.parse::<u32>().ok()?))
            })
            .find(|(_, id)| *id == gid)
            .map(|(name, _)| name)
            .ok_or_else(|| missing(format!("the group of the account {name}")))?;
        Ok(Self { uid, gid, name: name.to_owned(), group: group.to_owned(), step_down: own == 0 })
    }

    /// Gives a file or a folder to this account.
    pub(crate) fn give(&self, path: &Path) -> Result<()> {
        if !self.step_down {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(|error| WorldError::io(format!("give {} away", path.display()), error))
    }

    /// Makes a folder and gives it to this account.
    pub(crate) fn folder(&self, path: PathBuf) -> Result<PathBuf> {
        std::fs::create_dir_all(&path)
            .map_err(|error| WorldError::io(format!("make {}", path.display()), error))?;
        self.give(&path)?;
        Ok(path)
    }
}
