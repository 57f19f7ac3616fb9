use std::{path::PathBuf, time::Duration};

use tonic::{
    Code,
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes, StdError},
};

use crate::{
    Error, Target, backoff,
    part::Part,
    proto::files::{File, StatRequest, file_service_client::FileServiceClient},
    segment,
};

/// How often in a row a call is made again: with the waits between, a server has about ten
/// seconds to restart.
const MAX_RETRIES: u32 = 7;
/// How often in a row a damaged response is requested again: what damages several is not
/// chance.
const MAX_DAMAGED: u32 = 2;
/// How often a download begins again because the file changed under it.
const MAX_CHANGES: u32 = 3;
/// How long the server may take to describe a file.
const STAT_TIMEOUT: Duration = Duration::from_secs(40);

/// What to download, and where to.
#[derive(Clone, Debug)]
pub struct Download {
    /// The file's name on the server.
    pub name: String,
    /// Where it goes.
    pub target: Target,
    /// Fetch only this version.
    pub version: Option<String>,
    /// Replace an existing file.
    pub force: bool,
}

impl Download {
    /// Returns the download of whatever version is current, which replaces nothing.
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self {
            name: name.into(),
            target,
            version: None,
            force: false,
        }
    }
}

/// A complete download.
#[derive(Debug)]
pub struct Downloaded {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its version on the server.
    pub version: String,
    /// How many of its bytes an earlier, interrupted download had left.
    pub resumed: u64,
    /// Whether the checksum of the whole file was compared. If the server does not know
    /// it, each part was compared by itself.
    pub whole_checked: bool,
}

/// Downloads a file. The target appears under its name only when it is complete and its
/// checksums are right. After a failure a hidden file beside it keeps what was verified,
/// and the next download of the same version goes on from there.
pub async fn download<T>(
    files: FileServiceClient<T>,
    download: &Download,
) -> Result<Downloaded, Error>
where
    T: GrpcService<Body> + Clone,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    download.target.check_free(download.force)?;
    let mut changes = 0;
    loop {
        let result = one_version(&files, download).await;
        match &result {
            Err(Error::Call { status, .. })
                if status.code() == Code::Aborted && changes < MAX_CHANGES =>
            {
                changes += 1;
            }
            _ => return result,
        }
    }
}

/// Downloads the version that is current now.
async fn one_version<T>(
    files: &FileServiceClient<T>,
    download: &Download,
) -> Result<Downloaded, Error>
where
    T: GrpcService<Body> + Clone,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let file = retrying(|| stat(files.clone(), &download.name)).await?;
    if let Some(wanted) = &download.version
        && *wanted != file.version
    {
        return Err(Error::Usage(format!(
            "{}: the server has version {:?}, not {wanted:?}",
            download.name, file.version
        )));
    }
    let size = u64::try_from(file.size_bytes)
        .map_err(|_| Error::response(&download.name, "the server sent a negative size"))?;

    let mut part = Part::open(&download.target, &file.version, size)?;
    let resumed = part.len();
    // Also if all of it is there: the call tells whether the version is still current, and
    // the checksum of the whole.
    let file_sum = loop {
        let got = match retrying(|| segment::fetch(files.clone(), &file, part.len())).await {
            Ok(got) => got,
            Err(e) => {
                let changed = e.status().is_some_and(|s| s.code() == Code::Aborted);
                if changed || part.len() == 0 {
                    part.discard()?;
                }
                return Err(e);
            }
        };
        part.append(&got.data)?;
        if part.len() >= size {
            break got.file_sum;
        }
    };
    if let Some(promised) = file_sum
        && promised != part.sum()
    {
        part.discard()?;
        return Err(Error::response(
            &download.name,
            "the file does not have its checksum; run it again",
        ));
    }
    let modified = file.modified.and_then(|t| t.try_into().ok());
    part.place(&download.target, modified, download.force)?;
    Ok(Downloaded {
        path: download.target.path(),
        size,
        version: file.version,
        resumed,
        whole_checked: file_sum.is_some(),
    })
}

async fn stat<T>(mut files: FileServiceClient<T>, name: &str) -> Result<File, Error>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let mut request = tonic::Request::new(StatRequest { name: name.into() });
    request.set_timeout(STAT_TIMEOUT);
    let response = files
        .stat(request)
        .await
        .map_err(|status| Error::call(name, status))?;
    let file = response.into_inner().file;
    let mut file =
        file.ok_or_else(|| Error::response(name, "the server did not describe the file"))?;
    file.name = name.into(); // what was asked for is what is fetched
    Ok(file)
}

/// Makes a call again after failures that may pass.
async fn retrying<F, R>(mut call: impl FnMut() -> F) -> Result<R, Error>
where
    F: Future<Output = Result<R, Error>>,
{
    let mut failures = 0;
    loop {
        match call().await {
            Err(e) if e.is_transient() && failures < max_retries(&e) => {
                tokio::time::sleep(backoff::delay(failures, e.retry_delay())).await;
                failures += 1;
            }
            result => return result,
        }
    }
}

fn max_retries(error: &Error) -> u32 {
    match error {
        Error::Response { .. } => MAX_DAMAGED,
        _ => MAX_RETRIES,
    }
}
