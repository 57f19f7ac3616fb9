//! Downloads against a fake service: checksums, resuming, changed files, and local files.
//! Time is paused, so that retries do not wait.

mod fake;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use fake::{Fake, Fault};
use parity::{Download, Error, Target, download};
use tempfile::TempDir;

/// What the client requests at once.
const SEGMENT: usize = 8 << 20; // bytes

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn download(&self, name: &str) -> Download {
        Download::new(name, Target::below(self.0.path(), name).unwrap())
    }

    /// Returns the names in the folder.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Returns the path of the only part file.
    fn part(&self) -> PathBuf {
        let names = self.names();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(names[0].ends_with(".part"), "{names:?}");
        self.path(&names[0])
    }
}

fn assert_content(path: &Path, want: &[u8]) {
    let got = fs::read(path).unwrap();
    assert!(
        got == want,
        "{path:?} has other content, {} bytes",
        got.len()
    );
}

#[tokio::test(start_paused = true)]
async fn downloads_into_the_folders_of_the_name() {
    for len in [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1] {
        let (fake, folder) = (Fake::new(content(len)), Folder::new());
        let done = download(fake.client(), &folder.download("a/b/x"))
            .await
            .unwrap();
        assert_eq!(done.path, folder.path("a/b/x"));
        assert_eq!((done.size, done.resumed), (len as u64, 0));
        assert!(done.whole_checked);
        assert_content(&done.path, &content(len));
        let modified = fs::metadata(&done.path).unwrap().modified().unwrap();
        assert_eq!(
            modified,
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
        );
        let left = fs::read_dir(folder.path("a/b")).unwrap().count();
        assert_eq!(left, 1, "a part is left");
    }
}

#[tokio::test(start_paused = true)]
async fn fetches_damaged_data_again() {
    for fault in [Fault::WrongSum, Fault::NoSum, Fault::Cut(3)] {
        let (fake, folder) = (Fake::new(content(10)), Folder::new());
        fake.fail_once(fault);
        download(fake.client(), &folder.download("x"))
            .await
            .unwrap();
        assert_content(&folder.path("x"), &content(10));
        assert_eq!(fake.requests().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn never_keeps_damaged_data() {
    for fault in [Fault::WrongSum, Fault::NoSum, Fault::Cut(3)] {
        let (fake, folder) = (Fake::new(content(10)), Folder::new());
        fake.fail_always(fault);
        download(fake.client(), &folder.download("x"))
            .await
            .unwrap_err();
        assert_eq!(folder.names(), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn discards_a_file_whose_whole_is_damaged() {
    let (fake, folder) = (Fake::new(content(10)), Folder::new());
    fake.fail_always(Fault::WrongFileSum);
    let e = download(fake.client(), &folder.download("x"))
        .await
        .unwrap_err();
    assert!(e.to_string().contains("checksum"), "{e}");
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn resumes_where_an_earlier_download_ended() {
    let all = content(2 * SEGMENT + 5);
    let (fake, folder) = (Fake::new(all.clone()), Folder::new());
    fake.fail_once(Fault::Meanwhile(Arc::new(|| {}))); // the first segment arrives
    fake.fail_always(Fault::Cut(3 << 20));
    let e = download(fake.client(), &folder.download("x"))
        .await
        .unwrap_err();
    assert_eq!(e.status().unwrap().code(), tonic::Code::Unavailable);
    assert_content(&folder.part(), &all[..SEGMENT]);

    fake.recover();
    let before = fake.requests().len();
    let done = download(fake.client(), &folder.download("x"))
        .await
        .unwrap();
    assert_eq!(done.resumed, SEGMENT as u64);
    let offsets: Vec<_> = fake.requests()[before..]
        .iter()
        .map(|r| (r.offset as usize, r.version.clone()))
        .collect();
    let version = || "v/1".to_owned();
    assert_eq!(
        offsets,
        [(SEGMENT, version()), (2 * SEGMENT, version())],
        "the resumed requests"
    );
    assert_content(&folder.path("x"), &all);
    assert_eq!(folder.names(), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn notices_a_part_that_was_damaged_here() {
    let all = content(SEGMENT + 5);
    let (fake, folder) = (Fake::new(all.clone()), Folder::new());
    fake.fail_once(Fault::Meanwhile(Arc::new(|| {})));
    fake.fail_always(Fault::Cut(0));
    download(fake.client(), &folder.download("x"))
        .await
        .unwrap_err();
    let mut damaged = all[..SEGMENT].to_vec();
    damaged[7] ^= 1;
    fs::write(folder.part(), damaged).unwrap();

    fake.recover();
    download(fake.client(), &folder.download("x"))
        .await
        .unwrap_err();
    assert_eq!(folder.names(), Vec::<String>::new());
    download(fake.client(), &folder.download("x"))
        .await
        .unwrap();
    assert_content(&folder.path("x"), &all);
}

#[tokio::test(start_paused = true)]
async fn never_mixes_versions() {
    let new = vec![0xff; SEGMENT + 5];
    let (fake, folder) = (Fake::new(content(SEGMENT + 5)), Folder::new());
    fake.fail_once(Fault::Meanwhile(Arc::new(|| {})));
    fake.fail_once(Fault::Change(2, new.clone()));
    let done = download(fake.client(), &folder.download("x"))
        .await
        .unwrap();
    assert_eq!(done.version, "v/2");
    assert_content(&folder.path("x"), &new);
    assert_eq!(folder.names(), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn fetches_only_the_version_asked_for() {
    let (fake, folder) = (Fake::new(content(SEGMENT + 5)), Folder::new());
    let mut wanted = folder.download("x");
    wanted.version = Some("v/1".into());
    fake.fail_once(Fault::Meanwhile(Arc::new(|| {})));
    fake.fail_once(Fault::Change(2, content(6)));
    let e = download(fake.client(), &wanted).await.unwrap_err();
    assert!(matches!(e, Error::Usage(_)), "{e}");
    assert_eq!(folder.names(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn replaces_a_local_file_only_if_forced() {
    let (fake, folder) = (Fake::new(content(5)), Folder::new());
    fs::write(folder.path("x"), "mine").unwrap();
    let mut wanted = folder.download("x");
    let e = download(fake.client(), &wanted).await.unwrap_err();
    assert!(matches!(e, Error::Exists(_)), "{e}");
    assert_content(&folder.path("x"), b"mine");
    assert!(fake.requests().is_empty());

    wanted.force = true;
    download(fake.client(), &wanted).await.unwrap();
    assert_content(&folder.path("x"), &content(5));
}

#[tokio::test(start_paused = true)]
async fn keeps_a_local_file_that_appears_meanwhile() {
    let (fake, folder) = (Fake::new(content(5)), Folder::new());
    let path = folder.path("x");
    fake.fail_once(Fault::Meanwhile(Arc::new(move || {
        fs::write(&path, "mine").unwrap();
    })));
    let e = download(fake.client(), &folder.download("x"))
        .await
        .unwrap_err();
    assert!(matches!(e, Error::Exists(_)), "{e}");
    assert_content(&folder.path("x"), b"mine");
}

#[tokio::test(start_paused = true)]
async fn never_replaces_a_folder() {
    let (fake, folder) = (Fake::new(content(5)), Folder::new());
    fs::create_dir(folder.path("x")).unwrap();
    let mut wanted = folder.download("x");
    wanted.force = true;
    download(fake.client(), &wanted).await.unwrap_err();
    assert!(folder.path("x").is_dir());
}
