//! The case that needs a damaged response: the download runs against a fake service.

#[path = "../../../tests/fake/mod.rs"]
#[allow(dead_code)] // the tests use more of it
mod fake;

use std::fs;

use parity::{Download, Target};

use crate::{Case, ensure};
use fake::{Fake, Fault};

pub(crate) async fn checksum() -> Case {
    let dir = std::env::temp_dir().join(format!("parity-driver-{}", std::process::id()));
    fs::create_dir(&dir)?;
    let result = run(&dir).await;
    fs::remove_dir_all(&dir)?;
    result
}

async fn run(dir: &std::path::Path) -> Case {
    let download = Download::new("x", Target::below(dir, "x")?);
    for fault in [Fault::WrongSum, Fault::WrongFileSum] {
        let fake = Fake::new(b"content".to_vec());
        fake.fail_always(fault);
        match parity::download(fake.client(), &download).await {
            Ok(_) => return Err("damage is not detected".into()),
            Err(e) => ensure!(e.to_string().contains("checksum"), "the error is {e}"),
        }
        let left = fs::read_dir(dir)?.count();
        ensure!(left == 0, "{left} files are left");
    }
    // Without damage, the same download succeeds.
    let fake = Fake::new(b"content".to_vec());
    parity::download(fake.client(), &download).await?;
    ensure!(
        fs::read(dir.join("x"))? == b"content",
        "the content is wrong"
    );
    Ok(())
}
