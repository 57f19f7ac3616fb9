//! Cases of what lies below and beside the services.

use parity::proto::{
    files::{GetRequest, ListRequest},
    numbers::DrawRequest,
};
use tokio_stream::StreamExt;
use tonic::{
    Code,
    codec::CompressionEncoding::Gzip,
    transport::{ClientTlsConfig, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::{Args, Case, Impossible, ensure};

const NUMBERS: &str = "parity.numbers.v1.NumberService";
const FILES: &str = "parity.files.v1.FileService";

pub(crate) async fn gzip(args: &Args) -> Case {
    let client = args.client()?;
    let mut numbers = client
        .numbers()
        .send_compressed(Gzip)
        .accept_compressed(Gzip);
    numbers.draw(DrawRequest { parity: 2 }).await?;
    let mut files = client.files().send_compressed(Gzip).accept_compressed(Gzip);
    let listed = files
        .list(ListRequest {
            prefix: "page/".into(),
            source: 2,
            ..ListRequest::default()
        })
        .await?;
    ensure!(listed.into_inner().files.len() == 25, "List is wrong");

    let request = GetRequest {
        name: "large.bin".into(),
        ..GetRequest::default()
    };
    let response = files.get(request).await?;
    let encoding = response.metadata().get("grpc-encoding").cloned();
    ensure!(
        encoding.as_ref().is_none_or(|e| e == "identity"),
        "Get is compressed: {encoding:?}"
    );
    let mut stream = response.into_inner();
    let (mut sum, mut promised) = (0, None);
    while let Some(message) = stream.message().await? {
        sum = crc32c::crc32c_append(sum, &message.data);
        promised = message.crc32c;
    }
    ensure!(promised == Some(sum), "the checksum is wrong");
    Ok(())
}

pub(crate) async fn tls(args: &Args) -> Case {
    ensure!(args.tls_ca.is_some(), "no --tls-ca");
    args.client()?
        .numbers()
        .draw(DrawRequest::default())
        .await?;

    let without = Endpoint::from_shared(format!("https://{}", args.addr))?
        .tls_config(ClientTlsConfig::new())?
        .connect()
        .await;
    ensure!(without.is_err(), "any certificate is trusted");
    Ok(())
}

pub(crate) async fn token(args: &Args) -> Case {
    if args.token.is_none() {
        return Err(Impossible("no --token: the server has no authentication").into());
    }
    args.client()?
        .numbers()
        .draw(DrawRequest::default())
        .await?;

    let mut options = args.options();
    options.token = None;
    let without = parity::Client::new(&options)?
        .numbers()
        .draw(DrawRequest::default())
        .await;
    ensure!(
        without
            .as_ref()
            .is_err_and(|s| s.code() == Code::Unauthenticated),
        "without the token: {without:?}, want UNAUTHENTICATED"
    );
    Ok(())
}

pub(crate) async fn health(args: &Args) -> Case {
    let mut health = HealthClient::new(args.client()?.connection());
    for service in ["", NUMBERS] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let status = health.check(request).await?.into_inner().status();
        ensure!(
            status == ServingStatus::Serving,
            "{service:?} is {status:?}"
        );
    }
    Ok(())
}

pub(crate) async fn reflection(args: &Args) -> Case {
    let mut reflection = ServerReflectionClient::new(args.client()?.connection());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut responses = reflection
        .server_reflection_info(tokio_stream::once(request))
        .await?
        .into_inner();
    let response = responses.next().await.ok_or("no response")??;
    let Some(MessageResponse::ListServicesResponse(listed)) = response.message_response else {
        return Err(format!("got {response:?}").into());
    };
    for name in [NUMBERS, FILES] {
        ensure!(
            listed.service.iter().any(|s| s.name == name),
            "{name} is not among {:?}",
            listed.service
        );
    }
    Ok(())
}
