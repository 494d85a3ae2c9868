//! The limits a child sets itself before it reads a foreign byte.

use std::{collections::BTreeMap, fs, io};

use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use serde::{Deserialize, Serialize};

/// Memory that documents may take in one child, in bytes beyond what the program itself maps. The
/// largest page people really scan (A4 at 600 dpi in colour) takes a third of it.
pub const MEMORY_MAX: u64 = 512 * 1024 * 1024;

/// Processor time of a child's whole life, in seconds.
const PROCESSOR_SECONDS_MAX: u64 = 120;

/// Standard input, output and error. Opening anything else fails.
const FILES_MAX: u64 = 3;

/// How well a child is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confinement {
    /// Limits of memory and time, and no system call but those for memory and its own pipes.
    Seccomp,
    /// The limits only: this kernel, or the environment of the gateway, allows no seccomp filter.
    LimitsOnly,
}

/// The system calls of a child that computes and talks to its parent. The kernel refuses everything
/// else: files, network, processes, other processes' memory.
pub(super) const SYSTEM_CALLS: [libc::c_long; 24] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // A process that ends itself sends itself a signal.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
];

/// Confines this process for good.
///
/// # Errors
///
/// When a limit cannot be set. A missing seccomp is no error.
pub(super) fn confine() -> io::Result<Confinement> {
    let limits = [
        (Resource::As, mapped_bytes()? + MEMORY_MAX),
        (Resource::Cpu, PROCESSOR_SECONDS_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
        (Resource::Nofile, FILES_MAX),
    ];
    // Before the limits: it takes memory and time itself.
    let filter = filter();
    for (resource, limit) in limits {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    let is_filtered = filter.is_some_and(|filter| apply_filter(&filter).is_ok());
    Ok(if is_filtered { Confinement::Seccomp } else { Confinement::LimitsOnly })
}

fn filter() -> Option<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let allowed: BTreeMap<i64, Vec<_>> =
        SYSTEM_CALLS.into_iter().map(|number| (number, Vec::new())).collect();
    // As if the kernel did not have the call: a C library that is newer than this list then takes
    // an older one; with EPERM it would give up.
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let filter = SeccompFilter::new(allowed, refused, SeccompAction::Allow, arch).ok()?;
    filter.try_into().ok()
}

/// What the program maps by itself (proc(5), `statm`, first field in pages).
fn mapped_bytes() -> io::Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.ok_or(io::ErrorKind::InvalidData)? * rustix::param::page_size() as u64)
}
