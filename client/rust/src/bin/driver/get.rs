//! Cases of Get.

use std::fs;

use parity::{
    Connection,
    proto::{
        files::{File, GetRequest, GetResponse, file_service_client::FileServiceClient},
        numbers::DrawRequest,
    },
};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::{Args, Case, Failure, ensure, refused};

/// The size of large.bin.
const LARGE: usize = (5 << 20) + 3; // bytes
/// The size of changing-ROW.bin.
const CHANGING: usize = 48 << 20; // bytes

/// What one Get returned, after the checks that hold for every Get.
pub(crate) struct Got {
    pub(crate) file: File,
    pub(crate) data: Vec<u8>,
    pub(crate) file_sum: Option<u32>,
}

/// The content of the .bin files.
fn pattern(offset: usize, len: usize) -> Vec<u8> {
    (offset..offset + len).map(|i| (i % 251) as u8).collect()
}

fn request(name: &str) -> GetRequest {
    GetRequest {
        name: name.into(),
        ..GetRequest::default()
    }
}

pub(crate) async fn whole(args: &Args, name: &str) -> Result<Got, Failure> {
    fetch(&mut args.client()?.files(), request(name)).await
}

async fn fetch(
    files: &mut FileServiceClient<Connection>,
    request: GetRequest,
) -> Result<Got, Failure> {
    let mut stream = files.get(request).await?.into_inner();
    collect(&mut stream, None).await
}

/// Reads a response to its end.
async fn collect(
    stream: &mut Streaming<GetResponse>,
    first: Option<GetResponse>,
) -> Result<Got, Failure> {
    let mut next = match first {
        Some(first) => Some(first),
        None => stream.message().await?,
    };
    let mut got = Got {
        file: File::default(),
        data: Vec::new(),
        file_sum: None,
    };
    let (mut begun, mut sum) = (false, None);
    while let Some(message) = next {
        ensure!(sum.is_none(), "a message follows the one with the checksum");
        ensure!(
            message.file.is_some() != begun,
            "file is on another message than the first"
        );
        if let Some(file) = message.file {
            (got.file, begun) = (file, true);
        }
        got.data.extend_from_slice(&message.data);
        (sum, got.file_sum) = (message.crc32c, message.file_crc32c);
        next = stream.message().await?;
    }
    let actual = crc32c::crc32c(&got.data);
    ensure!(
        sum == Some(actual),
        "crc32c is {sum:?}, the data has {actual}"
    );
    Ok(got)
}

pub(crate) async fn get_small(args: &Args) -> Case {
    let got = whole(args, "small.txt").await?;
    ensure!(
        got.data == b"0123456789abcdef0123456789abcdef" && got.file.size_bytes == 32,
        "got {:?} of {:?}",
        got.data,
        got.file
    );
    Ok(())
}

pub(crate) async fn get_large(args: &Args) -> Case {
    let got = whole(args, "large.bin").await?;
    ensure!(got.data == pattern(0, LARGE), "the content is wrong");
    check_file_sum(&got)
}

fn check_file_sum(got: &Got) -> Case {
    let whole = crc32c::crc32c(&pattern(0, LARGE));
    ensure!(
        got.file_sum.is_none_or(|sum| sum == whole),
        "file_crc32c is {:?}, want {whole}",
        got.file_sum
    );
    Ok(())
}

pub(crate) async fn get_range(args: &Args) -> Case {
    let mut files = args.client()?.files();
    let range = GetRequest {
        offset: 1_048_573,
        limit: 7,
        ..request("large.bin")
    };
    let got = fetch(&mut files, range).await?;
    ensure!(got.data == pattern(1_048_573, 7), "got {:?}", got.data);
    check_file_sum(&got)?;

    let end = GetRequest {
        offset: LARGE as i64,
        ..request("large.bin")
    };
    let got = fetch(&mut files, end).await?; // compares the checksum with that of no data: 0
    ensure!(
        got.data.is_empty(),
        "{} bytes after the end",
        got.data.len()
    );
    Ok(())
}

pub(crate) async fn get_resume_version(args: &Args) -> Case {
    let mut files = args.client()?.files();
    let begin = GetRequest {
        limit: 2 << 20,
        ..request("large.bin")
    };
    let got = fetch(&mut files, begin).await?;
    ensure!(got.data.len() == 2 << 20, "got {} bytes", got.data.len());

    let rest = GetRequest {
        offset: 2 << 20,
        version: got.file.version.clone(),
        ..request("large.bin")
    };
    let more = fetch(&mut files, rest.clone()).await?;
    ensure!(
        [got.data, more.data].concat() == pattern(0, LARGE),
        "the parts are not the file"
    );
    let another = GetRequest {
        version: "another".into(),
        ..rest
    };
    let result = status_of(&mut files, another).await;
    refused(result, Code::Aborted, "VERSION_MISMATCH").map(|_| ())
}

/// Makes a Get that is to fail: in its headers or its first message.
async fn status_of(
    files: &mut FileServiceClient<Connection>,
    request: GetRequest,
) -> Result<(), Status> {
    let mut stream = files.get(request).await?.into_inner();
    while stream.message().await?.is_some() {}
    Ok(())
}

pub(crate) async fn get_changed(args: &Args) -> Case {
    let name = format!("changing-{}.bin", args.row);
    let mut files = args.client()?.files();
    let path = args.dir.join(&name);
    let before = pattern(0, CHANGING);
    // The case may have run before.
    if fs::read(&path)? != before {
        fs::write(&path, &before)?;
    }
    let mut stream = files.get(request(&name)).await?.into_inner();
    let first = stream.message().await?.ok_or("an empty response")?;
    let version = first.file.as_ref().map(|f| f.version.clone());

    fs::write(&path, vec![0xff; CHANGING])?;
    match collect(&mut stream, Some(first)).await {
        Err(e) => {
            let status = e.downcast::<Status>()?;
            refused::<()>(Err(*status), Code::Aborted, "FILE_CHANGED").map(|_| ())
        }
        Ok(got) => {
            // It had been read before the change.
            ensure!(got.data == before, "a mixture of two versions");
            let old = GetRequest {
                version: version.unwrap_or_default(),
                ..request(&name)
            };
            let result = status_of(&mut files, old).await;
            refused(result, Code::Aborted, "VERSION_MISMATCH").map(|_| ())
        }
    }
}

pub(crate) async fn get_missing(args: &Args) -> Case {
    let mut files = args.client()?.files();
    let mut messages = Vec::new();
    for name in ["nope", "../etc/passwd", "dir"] {
        let result = status_of(&mut files, request(name)).await;
        let status = refused(result, Code::NotFound, "FILE_NOT_FOUND")?;
        messages.push(status.message().to_owned());
    }
    messages.dedup();
    ensure!(messages.len() == 1, "the messages differ: {messages:?}");
    Ok(())
}

pub(crate) async fn get_bad_name(args: &Args) -> Case {
    let mut files = args.client()?.files();
    for name in [String::new(), "x".repeat(1025)] {
        let result = status_of(&mut files, request(&name)).await;
        let status = refused(result, Code::InvalidArgument, "INVALID_NAME")?;
        let bad = status.get_details_bad_request().ok_or("no BadRequest")?;
        ensure!(
            bad.field_violations.iter().any(|v| v.field == "name"),
            "the violations are {bad:?}"
        );
    }
    Ok(())
}

pub(crate) async fn get_out_of_range(args: &Args) -> Case {
    let beyond = GetRequest {
        offset: 33,
        ..request("small.txt")
    };
    let result = status_of(&mut args.client()?.files(), beyond).await;
    refused(result, Code::OutOfRange, "OFFSET_BEYOND_END").map(|_| ())
}

/// A Rust client cancels by dropping the stream, after which nobody is left to see a
/// status. The case therefore proves that the server saw it: the connection still works.
pub(crate) async fn cancel_mid_stream(args: &Args) -> Case {
    let client = args.client()?;
    let mut stream = client
        .files()
        .get(request("bench32m.bin"))
        .await?
        .into_inner();
    let first = stream.message().await?.ok_or("an empty response")?;
    ensure!(first.crc32c.is_none(), "the response is one message");
    drop(stream);
    client.numbers().draw(DrawRequest::default()).await?;
    Ok(())
}
