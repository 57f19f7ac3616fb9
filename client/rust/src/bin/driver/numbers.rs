//! Cases of NumberService.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use parity::proto::numbers::{
    Committed, CountRequest, CountResponse, Draw, DrawRequest, ListClientsRequest, Parity,
    Register, Registered, Report, count_request::Kind, count_response,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use crate::{Args, Case, Failure, ensure, refused};

/// How many numbers a draw case draws.
const DRAWS: usize = 20;
/// The most requests that a case sends ahead.
const QUEUE: usize = 16;
/// How soon the headers of Count must arrive.
const HEADERS: Duration = Duration::from_secs(5);
/// The deadline of the case of that name, and how late it may take effect.
const DEADLINE: Duration = Duration::from_millis(300);
const LATEST: Duration = Duration::from_secs(5);

pub(crate) async fn draw_even(args: &Args) -> Case {
    draw(args, Parity::Even).await
}

pub(crate) async fn draw_odd(args: &Args) -> Case {
    draw(args, Parity::Odd).await
}

async fn draw(args: &Args, parity: Parity) -> Case {
    let mut numbers = args.client()?.numbers();
    for _ in 0..DRAWS {
        let request = DrawRequest {
            parity: parity.into(),
        };
        let drawn = numbers.draw(request).await?.into_inner();
        check_number(drawn.number, drawn.parity(), parity)?;
    }
    Ok(())
}

fn check_number(number: i32, got: Parity, want: Parity) -> Case {
    let rest = if want == Parity::Even { 0 } else { 1 };
    ensure!(
        (0..=99).contains(&number) && number % 2 == rest && got == want,
        "got {number} with parity {got:?}, want one with {want:?}"
    );
    Ok(())
}

/// A session whose requests are sent one by one.
struct Session {
    requests: mpsc::Sender<CountRequest>,
    responses: Streaming<CountResponse>,
}

impl Session {
    async fn open(args: &Args) -> Result<Self, Failure> {
        let (requests, receiver) = mpsc::channel(QUEUE);
        let mut numbers = args.client()?.numbers();
        let opened = numbers.count(ReceiverStream::new(receiver));
        let responses = timeout(HEADERS, opened)
            .await
            .map_err(|_| "no headers without a request")??
            .into_inner();
        Ok(Self {
            requests,
            responses,
        })
    }

    async fn register(args: &Args, id: i32) -> Result<(Self, Registered), Failure> {
        let mut session = Self::open(args).await?;
        session
            .send(Kind::Registration(Register { client_id: id }))
            .await?;
        match session.next().await? {
            Some(count_response::Kind::Registered(registered)) => Ok((session, registered)),
            other => Err(format!("Register is answered by {other:?}").into()),
        }
    }

    async fn send(&self, kind: Kind) -> Case {
        Ok(self
            .requests
            .send(CountRequest { kind: Some(kind) })
            .await?)
    }

    async fn report(&self, value: i64) -> Case {
        self.send(Kind::Report(Report {
            value,
            ..Report::default()
        }))
        .await
    }

    async fn next(&mut self) -> Result<Option<count_response::Kind>, Status> {
        Ok(self.responses.message().await?.and_then(|r| r.kind))
    }

    /// Half-closes, and returns the last confirmation; `last` is that of before.
    async fn close(mut self, mut last: Option<Committed>) -> Result<Option<Committed>, Failure> {
        drop(self.requests);
        while let Some(response) = self.responses.message().await? {
            match response.kind {
                Some(count_response::Kind::Committed(committed)) => last = Some(committed),
                other => return Err(format!("got {other:?} after half-closing").into()),
            }
        }
        Ok(last)
    }
}

/// Reports 1, 2, 3, draws odd and even, and returns the last number drawn.
async fn count_to_three(args: &Args, id: i32) -> Result<i32, Failure> {
    let (mut session, _) = Session::register(args, id).await?;
    for value in 1..=3 {
        session.report(value).await?;
    }
    // Both are sent before the first answer is read: the answers keep the order.
    for parity in [Parity::Odd, Parity::Even] {
        session
            .send(Kind::Draw(Draw {
                parity: parity.into(),
            }))
            .await?;
    }
    let mut drawn = Vec::new();
    let mut last = None; // the reports may be durable before the draws are answered
    while drawn.len() < 2 {
        match session.next().await? {
            Some(count_response::Kind::Increment(increment)) => drawn.push(increment),
            Some(count_response::Kind::Committed(committed)) => last = Some(committed),
            other => return Err(format!("got {other:?}, want an increment").into()),
        }
    }
    check_number(drawn[0].number, drawn[0].parity(), Parity::Odd)?;
    check_number(drawn[1].number, drawn[1].parity(), Parity::Even)?;
    let last = session.close(last).await?;
    ensure!(
        last == Some(Committed {
            reports: 3,
            value: 3
        }),
        "the last confirmation is {last:?}, want 3 reports and value 3"
    );
    Ok(drawn[1].number)
}

pub(crate) async fn count_session(args: &Args) -> Case {
    count_to_three(args, args.id_base + 1).await.map(|_| ())
}

pub(crate) async fn count_resume(args: &Args) -> Case {
    let id = args.id_base + 2;
    let number = count_to_three(args, id).await?;
    let (session, registered) = Session::register(args, id).await?;
    ensure!(
        registered.value == 3 && registered.increment == number && registered.returning,
        "registered as {registered:?}, want value 3, increment {number}, returning"
    );
    session.close(None).await?;
    Ok(())
}

pub(crate) async fn count_bad_first_message(args: &Args) -> Case {
    let mut session = Session::open(args).await?;
    session.report(1).await?;
    let result = session.next().await;
    refused(result, Code::FailedPrecondition, "NOT_REGISTERED").map(|_| ())
}

pub(crate) async fn count_headers_first(args: &Args) -> Case {
    let mut session = Session::open(args).await?; // fails without headers
    session
        .send(Kind::Registration(Register {
            client_id: args.id_base + 3,
        }))
        .await?;
    let answer = session.next().await?;
    ensure!(
        matches!(answer, Some(count_response::Kind::Registered(_))),
        "Register is answered by {answer:?}"
    );
    session.close(None).await.map(|_| ())
}

pub(crate) async fn count_int64_extremes(args: &Args) -> Case {
    let id = args.id_base + 4;
    for value in [i64::MAX, i64::MIN, (1 << 53) + 1] {
        let (session, _) = Session::register(args, id).await?;
        session.report(value).await?;
        let last = session.close(None).await?;
        ensure!(
            last == Some(Committed { reports: 1, value }),
            "the last confirmation is {last:?}, want value {value}"
        );
        let (session, registered) = Session::register(args, id).await?;
        ensure!(
            registered.value == value,
            "registered with {}, want {value}",
            registered.value
        );
        session.close(None).await?;
    }
    let value = registered_value(args, id).await?;
    ensure!(
        value == Some((1 << 53) + 1),
        "ListClients has {value:?}, want 2^53+1"
    );
    Ok(())
}

/// Returns the value of a client in ListClients.
async fn registered_value(args: &Args, id: i32) -> Result<Option<i64>, Failure> {
    let mut numbers = args.client()?.numbers();
    let mut request = ListClientsRequest {
        page_size: 100,
        ..ListClientsRequest::default()
    };
    loop {
        let page = numbers.list_clients(request.clone()).await?.into_inner();
        if let Some(client) = page.clients.iter().find(|c| c.client_id == id) {
            return Ok(Some(client.last_value));
        }
        if page.next_page_token.is_empty() {
            return Ok(None);
        }
        request.page_token = page.next_page_token;
    }
}

/// tonic enforces a deadline only until the headers arrive, which Count sends at once.
/// Afterwards the server enforces it, by a reset without a status; that this is the
/// deadline is for the client to know.
pub(crate) async fn deadline(args: &Args) -> Case {
    let mut numbers = args.client()?.numbers();
    numbers.draw(DrawRequest::default()).await?; // connects, so that the deadline need not

    let (requests, receiver) = mpsc::channel(QUEUE);
    let register = Kind::Registration(Register {
        client_id: args.id_base + 5,
    });
    requests
        .send(CountRequest {
            kind: Some(register),
        })
        .await?;
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.set_timeout(DEADLINE);
    let start = Instant::now();
    let mut responses = numbers.count(request).await?.into_inner();
    let mut status = loop {
        match responses.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Err("the session ended with OK".into()),
            Err(status) => break status,
        }
    };
    let elapsed = start.elapsed();
    drop(requests); // it was open until here
    if status.source().is_some() && elapsed >= DEADLINE {
        status = Status::deadline_exceeded("reset after the deadline");
    }
    ensure!(
        status.code() == Code::DeadlineExceeded && elapsed < LATEST,
        "the session ended after {elapsed:?} with {status:?}, want DEADLINE_EXCEEDED"
    );
    Ok(())
}
