//! A FileService in the process, with one file and faults on request.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parity::proto::files::{
    File, GetRequest, GetResponse, ListRequest, ListResponse, StatRequest, StatResponse,
    file_service_client::FileServiceClient,
    file_service_server::{FileService, FileServiceServer},
};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The size of the data of one message.
const CHUNK: usize = 1 << 20; // bytes

/// What goes wrong in one Get.
#[derive(Clone)]
pub enum Fault {
    /// The checksum of the data is wrong.
    WrongSum,
    /// The checksum of the whole file is wrong.
    WrongFileSum,
    /// The stream ends in order, without its checksum.
    NoSum,
    /// The server is gone after so many bytes.
    Cut(usize),
    /// After so many bytes, the file has this content, and another version.
    Change(usize, Vec<u8>),
    /// Something happens on the client's side meanwhile.
    Meanwhile(Arc<dyn Fn() + Send + Sync>),
}

struct State {
    content: Vec<u8>,
    version: u32,
    once: VecDeque<Fault>,
    always: Option<Fault>,
    requests: Vec<GetRequest>,
}

#[derive(Clone)]
pub struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub fn new(content: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State {
            content,
            version: 1,
            once: VecDeque::new(),
            always: None,
            requests: Vec::new(),
        })))
    }

    /// Returns a client of the service, without a network.
    pub fn client(&self) -> FileServiceClient<FileServiceServer<Self>> {
        FileServiceClient::new(FileServiceServer::new(self.clone()))
    }

    /// Lets the next Get fail, after those that fail already.
    pub fn fail_once(&self, fault: Fault) {
        self.state().once.push_back(fault);
    }

    /// Lets every Get fail that does not fail otherwise.
    pub fn fail_always(&self, fault: Fault) {
        self.state().always = Some(fault);
    }

    /// Ends the faults.
    pub fn recover(&self) {
        let mut state = self.state();
        state.once.clear();
        state.always = None;
    }

    /// Returns the requests of Get so far.
    pub fn requests(&self) -> Vec<GetRequest> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn file(&self) -> File {
        File {
            name: "x".into(),
            size_bytes: self.content.len() as i64,
            modified: Some(prost_types::Timestamp {
                seconds: 1_000_000_000,
                nanos: 0,
            }),
            version: format!("v/{}", self.version),
            cached: true,
        }
    }

    /// Returns the messages of one Get.
    fn get(&mut self, request: GetRequest) -> Result<Vec<Result<GetResponse, Status>>, Status> {
        self.requests.push(request.clone());
        let fault = self.once.pop_front().or_else(|| self.always.clone());
        let file = self.file();
        if !request.version.is_empty() && request.version != file.version {
            return Err(aborted("VERSION_MISMATCH"));
        }
        let begin = request.offset as usize;
        let end = match request.limit as usize {
            0 => self.content.len(),
            limit => self.content.len().min(begin + limit),
        };
        let data = self.content[begin..end].to_vec();
        let (mut sum, mut file_sum) = (crc32c::crc32c(&data), crc32c::crc32c(&self.content));
        let mut sent = data.len();
        let has_sum = !matches!(fault, Some(Fault::NoSum));
        let mut ending = None;
        match fault {
            Some(Fault::WrongSum) => sum ^= 1,
            Some(Fault::WrongFileSum) => file_sum ^= 1,
            Some(Fault::Cut(n)) => {
                sent = n.min(sent);
                ending = Some(Err(Status::unavailable("cut")));
            }
            Some(Fault::Change(n, content)) => {
                sent = n.min(sent);
                ending = Some(Err(aborted("FILE_CHANGED")));
                self.content = content;
                self.version += 1;
            }
            Some(Fault::Meanwhile(act)) => act(),
            Some(Fault::NoSum) | None => {}
        }
        let chunk = |data: &[u8]| GetResponse {
            data: data.to_vec().into(),
            ..GetResponse::default()
        };
        let mut messages: Vec<_> = data[..sent].chunks(CHUNK).map(chunk).map(Ok).collect();
        if let Some(Ok(first)) = messages.first_mut() {
            first.file = Some(file.clone());
        }
        messages.push(ending.unwrap_or_else(|| {
            Ok(GetResponse {
                file: (sent == 0).then_some(file),
                crc32c: has_sum.then_some(sum),
                file_crc32c: Some(file_sum),
                ..GetResponse::default()
            })
        }));
        Ok(messages)
    }
}

fn aborted(reason: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "parity", std::collections::HashMap::new());
    Status::with_error_details(Code::Aborted, "changed", details)
}

#[tonic::async_trait]
impl FileService for Fake {
    type GetStream = tokio_stream::Iter<std::vec::IntoIter<Result<GetResponse, Status>>>;

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Err(Status::unimplemented("List"))
    }

    async fn stat(&self, _: Request<StatRequest>) -> Result<Response<StatResponse>, Status> {
        let file = Some(self.state().file());
        Ok(Response::new(StatResponse { file }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Self::GetStream>, Status> {
        let messages = self.state().get(request.into_inner())?;
        Ok(Response::new(tokio_stream::iter(messages)))
    }
}
