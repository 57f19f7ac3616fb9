use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crc32c::crc32c_append;
use ring::digest::{SHA256, digest};
use tonic::codegen::Bytes;

use crate::{Error, Target};

/// How much of a part file is read at once to compute its checksum.
const READ_SIZE: usize = 256 << 10; // bytes

/// The hidden file beside the target that holds an incomplete download. Only verified
/// bytes are appended to it and it is never truncated, so that its length tells where to
/// resume, and two processes cannot damage each other's work. It is locked while it is open.
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    len: u64,
    sum: u32, // CRC-32C of all of it
}

impl Part {
    /// Opens or creates the part file of one version of a file of `size` bytes, and removes
    /// those of its other versions.
    pub(crate) fn open(target: &Target, version: &str, size: u64) -> Result<Self, Error> {
        let folder = target.make_folder()?;
        let prefix = prefix(target.base());
        let name = format!("{prefix}{}.part", short_hash(version.as_bytes()));
        let path = folder.join(&name);
        let fail = |e| Error::local(&path, e);

        let mut file = open_file(&path).map_err(fail)?;
        if file.metadata().map_err(fail)?.len() > size {
            // It is not the beginning of that file, whatever it is.
            drop(file);
            fs::remove_file(&path).map_err(fail)?;
            file = open_file(&path).map_err(fail)?;
        }
        let (len, sum) = checksum(&mut file).map_err(fail)?;
        remove_others(&folder, &prefix, &name).map_err(|e| Error::local(&folder, e))?;
        Ok(Self {
            path,
            file,
            len,
            sum,
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn sum(&self) -> u32 {
        self.sum
    }

    /// Appends verified data.
    pub(crate) fn append(&mut self, data: &[Bytes]) -> Result<(), Error> {
        for chunk in data {
            self.file
                .write_all(chunk)
                .map_err(|e| Error::local(&self.path, e))?;
            self.len += chunk.len() as u64;
            self.sum = crc32c_append(self.sum, chunk);
        }
        Ok(())
    }

    /// Gives the complete file its name. Without `force` it never replaces anything, not
    /// even what appeared during the download.
    pub(crate) fn place(
        self,
        target: &Target,
        modified: Option<SystemTime>,
        force: bool,
    ) -> Result<(), Error> {
        let fail = |e| Error::local(&self.path, e);
        if let Some(time) = modified {
            self.file.set_modified(time).map_err(fail)?;
        }
        self.file.sync_all().map_err(fail)?;
        let path = target.path();
        if force {
            return fs::rename(&self.path, &path).map_err(|e| Error::local(path, e));
        }
        // rename would replace a file that is there; a hard link fails.
        match fs::hard_link(&self.path, &path) {
            Ok(()) => fs::remove_file(&self.path).map_err(fail),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(Error::Exists(path)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Error::local(path, e)),
            Err(_) => {
                // The file system has no hard links. This check is not atomic.
                target.check_free(false)?;
                fs::rename(&self.path, &path).map_err(|e| Error::local(path, e))
            }
        }
    }

    /// Removes the part: what it holds cannot be used.
    pub(crate) fn discard(self) -> Result<(), Error> {
        fs::remove_file(&self.path).map_err(|e| Error::local(&self.path, e))
    }
}

/// Opens a part file for appending, and locks it.
fn open_file(path: &Path) -> io::Result<File> {
    if let Ok(found) = fs::symlink_metadata(path)
        && !found.is_file()
    {
        return Err(io::Error::other("is not a file that a download left"));
    }
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "another download of it is under way",
        )),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

fn checksum(file: &mut File) -> io::Result<(u64, u32)> {
    let mut buffer = vec![0; READ_SIZE];
    let (mut len, mut sum) = (0, 0);
    file.rewind()?;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((len, sum));
        }
        len += n as u64;
        sum = crc32c_append(sum, &buffer[..n]);
    }
}

/// Removes the part files of other versions, unless they are in use.
fn remove_others(folder: &Path, prefix: &str, keep: &str) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.starts_with(prefix) && name != keep && open_file(&entry.path()).is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns the beginning of the names of a file's parts. Names and versions are hashed: a
/// name may be as long as the file system allows, and a version may have any characters.
fn prefix(base: &OsStr) -> String {
    format!(".parity-{}-", short_hash(base.as_encoded_bytes()))
}

fn short_hash(data: &[u8]) -> String {
    let sum = digest(&SHA256, data);
    sum.as_ref()[..8]
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(dir: &tempfile::TempDir) -> Target {
        Target::below(dir.path(), "x").unwrap()
    }

    #[test]
    fn one_download_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = Part::open(&target(&dir), "1", 5).unwrap();
        assert!(Part::open(&target(&dir), "1", 5).is_err());
        drop(first);
        Part::open(&target(&dir), "1", 5).unwrap();
    }

    #[test]
    fn removes_other_versions_of_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut old = Part::open(&target(&dir), "1", 5).unwrap();
        old.append(&[Bytes::from("ab")]).unwrap();
        let old_path = old.path.clone();
        drop(old);
        let other = Target::below(dir.path(), "y").unwrap();
        let other = Part::open(&other, "1", 5).unwrap().path;

        let new = Part::open(&target(&dir), "2", 5).unwrap();
        assert_eq!(new.len(), 0);
        assert!(!old_path.exists() && other.exists());
    }

    #[test]
    fn resumes_no_file_that_is_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = Part::open(&target(&dir), "1", 5).unwrap();
        part.append(&[Bytes::from("abc")]).unwrap();
        drop(part);
        assert_eq!(Part::open(&target(&dir), "1", 3).unwrap().len(), 3);
        assert_eq!(Part::open(&target(&dir), "1", 2).unwrap().len(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn follows_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let path = Part::open(&target(&dir), "1", 5).unwrap().path;
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(Part::open(&target(&dir), "1", 5).is_err());
        assert!(!dir.path().join("elsewhere").exists());
    }
}
