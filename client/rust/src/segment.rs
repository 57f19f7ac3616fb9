use std::time::Duration;

use crc32c::crc32c_append;
use tonic::{
    Code, Status,
    body::Body,
    client::GrpcService,
    codegen::{Body as HttpBody, Bytes, StdError},
};

use crate::{
    Error,
    proto::files::{File, GetRequest, GetResponse, file_service_client::FileServiceClient},
};

/// How much is requested at once. It is held in memory until its checksum is right, so that
/// an interrupted download loses at most this.
pub(crate) const SIZE: u64 = 8 << 20; // bytes
/// How long the server may take for the next message. It gives up itself after 30 s.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(40);

/// Verified data of a file.
pub(crate) struct Segment {
    pub(crate) data: Vec<Bytes>,
    /// The CRC-32C of the whole file, if the server knows it.
    pub(crate) file_sum: Option<u32>,
}

/// Fetches what follows `offset` in that version of a file, at most [`SIZE`] bytes.
pub(crate) async fn fetch<T>(
    mut files: FileServiceClient<T>,
    file: &File,
    offset: u64,
) -> Result<Segment, Error>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
    <T::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
{
    let size = u64::try_from(file.size_bytes).unwrap_or(0);
    let mut check = Check::new(file, size.saturating_sub(offset).min(SIZE));
    let request = GetRequest {
        name: file.name.clone(),
        offset: i64::try_from(offset).unwrap_or(i64::MAX),
        limit: SIZE as i64,
        version: file.version.clone(),
    };
    let call = |status| Error::call(&file.name, status);
    let late = |_| call(Status::deadline_exceeded("the server sends nothing"));

    let opened = tokio::time::timeout(MESSAGE_TIMEOUT, files.get(request)).await;
    let mut stream = opened.map_err(late)?.map_err(call)?.into_inner();
    loop {
        let next = tokio::time::timeout(MESSAGE_TIMEOUT, stream.message()).await;
        match next.map_err(late)?.map_err(call)? {
            Some(message) => check.add(message)?,
            None => return check.finish(),
        }
    }
}

/// Checks the messages of one Get.
struct Check<'a> {
    file: &'a File,
    missing: u64,
    sum: u32,
    begun: bool,
    promised: Option<u32>, // the checksum in the last message
    segment: Segment,
}

impl<'a> Check<'a> {
    fn new(file: &'a File, expected: u64) -> Self {
        Self {
            file,
            missing: expected,
            sum: 0,
            begun: false,
            promised: None,
            segment: Segment {
                data: Vec::new(),
                file_sum: None,
            },
        }
    }

    fn add(&mut self, message: GetResponse) -> Result<(), Error> {
        if self.promised.is_some() {
            return self.fail("the server sent more after the checksum");
        }
        match (&message.file, self.begun) {
            (Some(file), false) => {
                if file.version != self.file.version || file.size_bytes != self.file.size_bytes {
                    let other = Status::new(Code::Aborted, "the server sent another version");
                    return Err(Error::call(&self.file.name, other));
                }
                self.begun = true;
            }
            (None, true) => {}
            _ => return self.fail("the server described the file in the wrong message"),
        }
        let len = message.data.len() as u64;
        if len > self.missing {
            return self.fail("the server sent more than was requested");
        }
        self.missing -= len;
        self.sum = crc32c_append(self.sum, &message.data);
        if len > 0 {
            self.segment.data.push(message.data);
        }
        self.promised = message.crc32c;
        self.segment.file_sum = message.file_crc32c;
        Ok(())
    }

    fn finish(self) -> Result<Segment, Error> {
        match self.promised {
            None => self.fail("the response ended without its checksum"),
            Some(_) if self.missing > 0 => {
                self.fail(&format!("the response lacks {} bytes", self.missing))
            }
            Some(promised) if promised != self.sum => self.fail(&format!(
                "checksum {:08x} does not match the data, which has {:08x}",
                promised, self.sum
            )),
            Some(_) => Ok(self.segment),
        }
    }

    fn fail<R>(&self, problem: &str) -> Result<R, Error> {
        Err(Error::response(&self.file.name, problem))
    }
}
