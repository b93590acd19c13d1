//! The kernels: Debian's packages, fetched by apt into a cache of our own.
//!
//! Debian's `cloud` kernels are used: the smaller ones, with what a virtual machine has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::Error;
use crate::run;

/// The suites that carry a kernel of their own, oldest first.
const SUITES: [&str; 6] = [
    "bullseye",
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-backports",
    "sid",
];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Depends, in every suite, on the newest kernel there.
const NEWEST: &str = "linux-image-cloud-amd64";
/// Age from which apt's index is fetched anew.
const INDEX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a virtual disk needs, and what tells of TCP sockets, which other systems load as it is asked for:
/// in the order in which it is to be loaded. Which of them a kernel has built in, and which it has at
/// all, differs.
const MODULES: [&str; 8] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "inet_diag",
    "tcp_diag",
];

/// The Debian mirror to ask: `DEBIAN_MIRROR`, else the first that the host's apt asks.
fn mirror() -> Result<String, Error> {
    if let Ok(mirror) = std::env::var("DEBIAN_MIRROR") {
        return Ok(mirror);
    }
    let targets =
        run::output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]))?;
    let targets = String::from_utf8_lossy(&targets);
    let debian = targets
        .lines()
        .map(|uri| uri.trim_end_matches('/'))
        .find(|uri| uri.ends_with("/debian"));
    debian.map(str::to_owned).ok_or_else(|| {
        Error::Check("apt has no Debian mirror here: name one by DEBIAN_MIRROR".to_owned())
    })
}

/// A kernel in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// As `uname -r` tells it.
    pub(super) release: String,
    /// Where it is from: package version and suite.
    pub(super) origin: String,
    dir: PathBuf,
}

impl Kernel {
    /// The bootable image.
    pub(super) fn image(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// The modules, in the order in which they are to be loaded.
    pub(super) fn modules(&self) -> Vec<PathBuf> {
        MODULES
            .iter()
            .map(|name| self.dir.join(format!("{name}.ko")))
            .filter(|path| path.exists())
            .collect()
    }
}

/// A kernel that apt offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    /// As `uname -r` tells it.
    pub(super) release: String,
    /// Version of the package.
    pub(super) version: String,
    /// Where apt found it.
    pub(super) suite: String,
}

/// The kernels that are there and those that could be.
pub(super) struct Cache {
    kernels: PathBuf,
    apt: PathBuf,
}

impl Cache {
    /// The cache below this directory.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            kernels: dir.join("kernels"),
            apt: dir.join("apt"),
        }
    }

    /// What is there, oldest version first.
    pub(super) fn cached(&self) -> Result<Vec<Kernel>, Error> {
        if !self.kernels.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.kernels).map_err(Error::file(&self.kernels))? {
            let dir = entry.map_err(Error::file(&self.kernels))?.path();
            let Some(release) = dir.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            // Written last: without it, unpacking was cut short.
            if let Ok(origin) = fs::read_to_string(dir.join("origin")) {
                found.push(Kernel {
                    release: release.to_owned(),
                    origin: origin.trim().to_owned(),
                    dir,
                });
            }
        }
        found.sort_by_key(|kernel| numbers(&kernel.release));
        Ok(found)
    }

    /// What apt offers, oldest version first. Fetches apt's index where it is old.
    pub(super) fn offers(&self) -> Result<Vec<Offer>, Error> {
        self.update()?;
        let table = run::output(&mut self.apt(&["apt-cache", "madison", NEWEST]))?;
        let mut offers = Vec::new();
        for (version, suite) in rows(&String::from_utf8_lossy(&table)) {
            let depends = self.depends(&format!("{NEWEST}={version}"))?;
            // The headers' packages are named alike, but start otherwise.
            let release = depends
                .iter()
                .find_map(|package| package.strip_prefix("linux-image-"));
            if let Some(release) = release {
                offers.push(Offer {
                    release: release.to_owned(),
                    version,
                    suite,
                });
            }
        }
        offers.sort_by_key(|offer| numbers(&offer.release));
        offers.dedup_by(|a, b| a.release == b.release);
        if offers.is_empty() {
            return Err(Error::Check(format!(
                "apt offers no {NEWEST}: is the mirror within reach? `--offline` runs what is cached"
            )));
        }
        Ok(offers)
    }

    /// Downloads and unpacks a kernel.
    pub(super) fn fetch(&self, offer: &Offer) -> Result<(), Error> {
        let image = format!("linux-image-{}", offer.release);
        // Newer packages hold neither the image nor the modules, but depend on those that do.
        let mut packages = vec![image.clone()];
        packages.extend(
            self.depends(&format!("{image}={}", offer.version))?
                .into_iter()
                .filter(|p| p.starts_with("linux-binary-") || p.starts_with("linux-modules-")),
        );
        let work = tempfile::tempdir_in(&self.apt).map_err(Error::file(&self.apt))?;
        let root = work.path().join("root");
        for package in packages {
            let wanted = format!("{package}={}", offer.version);
            // To the directory, where apt's own user may not write, if root runs this.
            let user = "APT::Sandbox::User=root";
            run::run(
                self.apt(&["apt-get", "-qq", "-o", user, "download", &wanted])
                    .current_dir(work.path()),
            )?;
        }
        for file in files(work.path(), &|name| name.starts_with("linux-"))? {
            run::run(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&root))?;
        }
        self.keep(offer, &root)
    }

    /// Takes what is needed out of the unpacked packages.
    fn keep(&self, offer: &Offer, root: &Path) -> Result<(), Error> {
        let dir = self.kernels.join(&offer.release);
        fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
        let images = files(root, &|name| name.starts_with("vmlinuz"))?;
        let image = images.first().ok_or_else(|| {
            Error::Check(format!(
                "the packages of {} hold no kernel image",
                offer.release
            ))
        })?;
        fs::copy(image, dir.join("vmlinuz")).map_err(Error::file(image))?;
        for module in MODULES {
            let plain = format!("{module}.ko");
            let packed = format!("{module}.ko.xz");
            for found in files(root, &|name| name == plain || name == packed)? {
                let content = if found.extension().is_some_and(|e| e == "xz") {
                    run::output(Command::new("xz").arg("-dc").arg(&found))?
                } else {
                    fs::read(&found).map_err(Error::file(&found))?
                };
                let path = dir.join(&plain);
                fs::write(&path, content).map_err(Error::file(&path))?;
            }
        }
        let origin = dir.join("origin");
        fs::write(&origin, format!("{} {}\n", offer.version, offer.suite))
            .map_err(Error::file(&origin))
    }

    /// Fetches apt's index of the suites, where there is none or an old one.
    fn update(&self) -> Result<(), Error> {
        let stamp = self.apt.join("updated");
        let fresh = fs::metadata(&stamp)
            .and_then(|m| m.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age < INDEX_AGE));
        if fresh {
            return Ok(());
        }
        if !Path::new(KEYRING).exists() {
            return Err(Error::Check(format!(
                "{KEYRING} is missing, with which apt checks Debian's signatures: \
                 `apt-get install debian-archive-keyring`"
            )));
        }
        for dir in ["lists/partial", "cache/archives/partial"] {
            let dir = self.apt.join(dir);
            fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
        }
        let write = |name: &str, content: String| {
            let path = self.apt.join(name);
            fs::write(&path, content).map_err(Error::file(&path))
        };
        let mirror = mirror()?;
        let sources = SUITES
            .iter()
            .map(|suite| format!("deb [signed-by={KEYRING} arch=amd64] {mirror} {suite} main\n"));
        write("sources.list", sources.collect())?;
        // All that apt writes is here: the system's own lists and packages stay as they are. What
        // the system has it do after an update is left out; its proxy is not.
        let apt = self.apt.display();
        write(
            "apt.conf",
            format!(
                "Dir::Etc::sourcelist \"{apt}/sources.list\";\n\
                 Dir::Etc::sourceparts \"/dev/null\";\n\
                 Dir::State::lists \"{apt}/lists\";\n\
                 Dir::State::status \"/dev/null\";\n\
                 Dir::Cache \"{apt}/cache\";\n\
                 APT::Architecture \"amd64\";\n\
                 APT::Architectures {{ \"amd64\"; }};\n\
                 #clear APT::Update::Pre-Invoke;\n\
                 #clear APT::Update::Post-Invoke;\n\
                 #clear APT::Update::Post-Invoke-Success;\n\
                 Acquire::Languages \"none\";\n\
                 Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
            ),
        )?;
        // A suite that has moved to the archive must not hide the others.
        if let Err(error) = run::run(&mut self.apt(&["apt-get", "-qq", "update"])) {
            eprintln!("warning: {error}; going on with the suites that answered");
        }
        write("updated", String::new())
    }

    /// The packages that this one depends on.
    fn depends(&self, package: &str) -> Result<BTreeSet<String>, Error> {
        let text = run::output(&mut self.apt(&["apt-cache", "show", package]))?;
        Ok(dependencies(&String::from_utf8_lossy(&text)))
    }

    /// A command of apt's that knows only our sources.
    fn apt(&self, args: &[&str]) -> Command {
        let mut command = Command::new(args[0]);
        command
            .arg("-c")
            .arg(self.apt.join("apt.conf"))
            .args(&args[1..])
            .stdin(Stdio::null());
        command
    }
}

/// Whether a release is of the version asked for: `6.1` asks for `6.1.0-50-cloud-amd64`, and not
/// for `6.12.95+deb12-cloud-amd64`.
pub(super) fn is_version(release: &str, asked: &str) -> bool {
    release
        .strip_prefix(asked)
        .is_some_and(|rest| asked.is_empty() || !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The numbers in a release, to order them by.
fn numbers(release: &str) -> Vec<u32> {
    release
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|n| n.parse().ok())
        .collect()
}

/// Version and suite of each row of `apt-cache madison`.
fn rows(table: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let mut columns = line.split('|').map(str::trim).skip(1);
        let version = columns.next()?.to_owned();
        let suite = columns.next()?.split_whitespace().nth(1)?;
        Some((version, suite.trim_end_matches("/main").to_owned()))
    };
    table.lines().filter_map(row).collect()
}

/// The packages in the `Depends` line of `apt-cache show`.
fn dependencies(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("Depends: "))
        .flat_map(|list| list.split([',', '|']))
        .filter_map(|one| one.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// All files below a directory whose name is wanted.
fn files(dir: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::file(dir))? {
        let entry = entry.map_err(Error::file(dir))?;
        let kind = entry.file_type().map_err(Error::file(dir))?;
        if kind.is_dir() {
            found.extend(files(&entry.path(), wanted)?);
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(wanted) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_not_taken_for_a_longer_one() {
        assert!(is_version("6.1.0-50-cloud-amd64", "6.1"));
        assert!(is_version("6.1.0-50-cloud-amd64", "6.1.0-50-cloud-amd64"));
        assert!(!is_version("6.12.95+deb12-cloud-amd64", "6.1"));
        assert!(!is_version("5.10.0-32-cloud-amd64", "6.1"));
    }

    #[test]
    fn versions_are_ordered_by_number() {
        assert!(numbers("5.10.0-32-cloud-amd64") > numbers("5.9.0-1-cloud-amd64"));
    }

    #[test]
    fn apt_is_understood() {
        let table = " linux-image-cloud-amd64 | 6.12.95-1~bpo12+1 | \
                     http://mirror.example/debian bookworm-backports/main amd64 Packages\n";
        assert_eq!(
            rows(table),
            [(
                "6.12.95-1~bpo12+1".to_owned(),
                "bookworm-backports".to_owned()
            )]
        );
        let show = "Package: linux-image-7.2.13+deb14-cloud-amd64\n\
                    Depends: dracut | initramfs-tools (>= 0.120), linux-binary-7.2.13 (= 7.2.13-1)\n";
        assert_eq!(
            dependencies(show).into_iter().collect::<Vec<_>>(),
            ["dracut", "initramfs-tools", "linux-binary-7.2.13"]
        );
    }
}
