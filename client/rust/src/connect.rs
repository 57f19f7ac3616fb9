use std::{fs, path::PathBuf, time::Duration};

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};

use crate::{
    Error,
    proto::{
        files::file_service_client::FileServiceClient,
        numbers::number_service_client::NumberServiceClient,
    },
};

/// The flow-control window of a stream and of the connection: with HTTP/2's 64 KiB, every
/// 64 KiB of a download would wait for the client.
const WINDOW: u32 = 16 << 20; // bytes
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a connection is checked, and how long the answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Where a server is, and how to talk to it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Host and port.
    pub addr: String,
    /// A PEM file with the certificates of the authorities to trust. Without it, the
    /// connection is not encrypted.
    pub tls_ca: Option<PathBuf>,
    /// Sent with every call as `authorization: Bearer TOKEN`.
    pub token: Option<String>,
}

impl Options {
    /// Returns the options for an unencrypted connection.
    pub fn new(addr: impl Into<String>) -> Self {
        Self {
            addr: addr.into(),
            ..Self::default()
        }
    }

    /// Returns how to connect. Nothing is sent yet.
    pub fn endpoint(&self) -> Result<Endpoint, Error> {
        let scheme = if self.tls_ca.is_some() {
            "https"
        } else {
            "http"
        };
        let invalid = |e| Error::Usage(format!("address {:?}: {e}", self.addr));
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.addr))
            .map_err(invalid)?
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        if let Some(path) = &self.tls_ca {
            let pem = fs::read(path).map_err(|e| Error::local(path, e))?;
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
            endpoint = endpoint
                .tls_config(tls)
                .map_err(|e| Error::Usage(format!("certificates in {path:?}: {e}")))?;
        }
        Ok(endpoint)
    }
}

/// Adds the token to every call.
#[derive(Clone)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Token {
    /// Returns an interceptor for a token, or one that adds nothing.
    pub fn new(token: Option<&str>) -> Result<Self, Error> {
        let header = |token: &str| {
            let mut value: MetadataValue<Ascii> =
                format!("Bearer {token}").parse().map_err(|_| {
                    Error::Usage("the token has characters that a header cannot have".into())
                })?;
            value.set_sensitive(true); // neither indexed by HPACK nor shown by Debug
            Ok(value)
        };
        token.map(header).transpose().map(Token)
    }
}

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// What the clients of a [`Client`] send their calls through.
pub type Connection = InterceptedService<Channel, Token>;

/// One connection to a server. It is made by the first call, and again by the first call
/// after it was lost. Clones share it.
#[derive(Clone)]
pub struct Client(Connection);

impl Client {
    /// Returns a client. It must be called within a tokio runtime.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let channel = options.endpoint()?.connect_lazy();
        let token = Token::new(options.token.as_deref())?;
        Ok(Self(InterceptedService::new(channel, token)))
    }

    /// The service of numbers.
    pub fn numbers(&self) -> NumberServiceClient<Connection> {
        NumberServiceClient::new(self.0.clone())
    }

    /// The service of files.
    pub fn files(&self) -> FileServiceClient<Connection> {
        FileServiceClient::new(self.0.clone())
    }

    /// The connection, for the clients of other services.
    pub fn connection(&self) -> Connection {
        self.0.clone()
    }
}
