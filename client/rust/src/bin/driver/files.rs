//! Cases of List and Stat.

use std::time::{Duration, SystemTime};

use parity::proto::files::{ListRequest, Source, StatRequest};
use tonic::Code;

use crate::{Args, Case, Failure, ensure, get, refused};

/// The capacity of the cache of the suite's server.
const CAPACITY: i64 = 64 << 20; // bytes
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) async fn list_cache(args: &Args) -> Case {
    get::whole(args, "small.txt").await?; // puts it into the cache
    let mut files = args.client()?.files();
    let page = files.list(ListRequest::default()).await?.into_inner();
    let small = page.files.iter().find(|f| f.name == "small.txt");
    let small = small.ok_or("small.txt is not listed")?;
    ensure!(small.cached && small.size_bytes == 32, "got {small:?}");
    ensure!(
        page.cache_used_bytes > 0 && page.cache_capacity_bytes == CAPACITY,
        "cache: {} of {} bytes",
        page.cache_used_bytes,
        page.cache_capacity_bytes
    );
    Ok(())
}

pub(crate) async fn list_paged(args: &Args) -> Case {
    let mut files = args.client()?.files();
    let mut request = ListRequest {
        source: Source::Directory.into(),
        prefix: "page/".into(),
        page_size: 10,
        ..ListRequest::default()
    };
    let mut next = 0;
    for want in [10, 10, 5] {
        let page = files.list(request.clone()).await?.into_inner();
        ensure!(
            page.files.len() == want,
            "a page of {}, want {want}",
            page.files.len()
        );
        for file in &page.files {
            let name = format!("page/{next:03}");
            ensure!(file.name == name, "got {:?}, want {name:?}", file.name);
            next += 1;
        }
        ensure!(
            page.next_page_token.is_empty() == (next == 25),
            "the token after {next} files is {:?}",
            page.next_page_token
        );
        request.page_token = page.next_page_token;
    }
    Ok(())
}

pub(crate) async fn list_prefix(args: &Args) -> Case {
    let below = ["dir/a.txt", "dir/b.txt", "dir/sub/c.txt"];
    let names = list(args, "dir/").await?;
    ensure!(names == below, "prefix \"dir/\" lists {names:?}");

    let mut all = Vec::from(below);
    all.push("dirt.txt");
    let names = list(args, "dir").await?;
    ensure!(names == all, "prefix \"dir\" lists {names:?}");
    Ok(())
}

async fn list(args: &Args, prefix: &str) -> Result<Vec<String>, Failure> {
    let request = ListRequest {
        source: Source::Directory.into(),
        prefix: prefix.into(),
        ..ListRequest::default()
    };
    let page = args.client()?.files().list(request).await?.into_inner();
    Ok(page.files.into_iter().map(|f| f.name).collect())
}

pub(crate) async fn stat(args: &Args) -> Case {
    let mut files = args.client()?.files();
    let request = |name: &str| StatRequest { name: name.into() };

    let file = files.stat(request("größe.txt")).await?.into_inner().file;
    let file = file.ok_or("no file in the response")?;
    let modified: SystemTime = file.modified.ok_or("no time")?.try_into()?;
    let age = SystemTime::now().duration_since(modified);
    ensure!(
        file.size_bytes == 7 && !file.version.is_empty() && age.is_ok_and(|age| age < DAY),
        "got {file:?}"
    );
    refused(
        files.stat(request("nope")).await,
        Code::NotFound,
        "FILE_NOT_FOUND",
    )?;
    for _ in 0..2 {
        let file = files
            .stat(request("dir/sub/c.txt"))
            .await?
            .into_inner()
            .file;
        ensure!(file.is_some_and(|f| !f.cached), "Stat fills the cache");
    }
    Ok(())
}
