use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::{
    Connection, Error, backoff,
    proto::numbers::{
        CountRequest, CountResponse, Draw, Parity, Register, Registered, Report,
        count_request::Kind, count_response, number_service_client::NumberServiceClient,
    },
};

/// How often the client counts, and reports the value.
const REPORT_EVERY: Duration = Duration::from_millis(500);
/// How long after a draw the next one follows, at random.
const DRAW_AFTER: (f64, f64) = (3.0, 5.0); // seconds
/// How long the server may take to answer the registration, and to confirm the last reports.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server may be silent while reports wait for their confirmation.
const SILENCE: Duration = Duration::from_secs(30);
/// How many requests may wait for a server that does not read. Reports that do not fit are
/// not counted.
const QUEUE: usize = 16; // requests

/// What happens while counting.
#[derive(Debug)]
pub enum Event {
    /// A session began, and goes on from there.
    Registered {
        /// The last value that the server has.
        value: i64,
        /// The number to count by.
        increment: i32,
        /// Whether the server knew the client.
        returning: bool,
    },
    /// A value was counted to and reported.
    Reported(i64),
    /// This is the number to count by from now on.
    Increment(i32),
    /// All reports up to this value are durable.
    Committed(i64),
    /// The session was lost; the next one begins after the wait.
    Lost(Error, Duration),
}

/// What was counted in all sessions of one [`count`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// How many values were reported.
    pub reports: u64,
    /// How many of them the server has confirmed.
    pub committed: u64,
    /// The last value confirmed.
    pub value: i64,
}

/// Counts as the client `id` until `stop` becomes true or is dropped; then it half-closes
/// the session and waits for the last confirmation. It reconnects after failures that may
/// pass, and goes on from the value that the server has.
pub async fn count(
    numbers: NumberServiceClient<Connection>,
    id: i32,
    mut stop: watch::Receiver<bool>,
    mut on: impl FnMut(Event),
) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    let mut failures = 0;
    loop {
        let opened = tokio::select! {
            opened = Session::open(numbers.clone(), id) => opened,
            () = stopped(&mut stop) => return Ok(totals),
        };
        let result = match opened {
            Ok(mut session) => {
                failures = 0;
                session.run(&mut stop, &mut totals, &mut on).await
            }
            Err(e) => Err(e),
        };
        match result {
            Ok(()) => return Ok(totals),
            // The last confirmation is missing: the caller must know.
            Err(e) if *stop.borrow() || !e.is_transient() => return Err(e),
            Err(e) => {
                let wait = backoff::delay(failures, e.retry_delay());
                failures += 1;
                on(Event::Lost(e, wait));
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stopped(&mut stop) => return Ok(totals),
                }
            }
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|&stop| stop).await; // an error means that the sender is gone
}

struct Session {
    what: String,
    requests: Option<mpsc::Sender<CountRequest>>, // none: half-closed
    responses: Streaming<CountResponse>,
    start: Registered,
}

impl Session {
    async fn open(mut numbers: NumberServiceClient<Connection>, id: i32) -> Result<Self, Error> {
        let what = format!("client {id}");
        let call = |status| Error::call(&what, status);
        let late = |_| call(Status::deadline_exceeded("the server does not answer"));

        let (requests, receiver) = mpsc::channel(QUEUE);
        let register = Kind::Registration(Register { client_id: id });
        // Cannot fail: the queue is empty and its receiver is here.
        let _ = requests.try_send(CountRequest {
            kind: Some(register),
        });
        let opened = numbers.count(ReceiverStream::new(receiver));
        let opened = timeout(ANSWER_TIMEOUT, opened).await.map_err(late)?;
        let mut responses = opened.map_err(call)?.into_inner();
        let first = timeout(ANSWER_TIMEOUT, responses.message()).await;
        match first
            .map_err(late)?
            .map_err(call)?
            .and_then(|response| response.kind)
        {
            Some(count_response::Kind::Registered(start)) => Ok(Self {
                what,
                requests: Some(requests),
                responses,
                start,
            }),
            _ => Err(Error::response(
                what,
                "the server did not answer the registration",
            )),
        }
    }

    /// Sends a request, unless the server reads too slowly.
    fn send(&self, kind: Kind) -> bool {
        let request = CountRequest { kind: Some(kind) };
        self.requests
            .as_ref()
            .is_some_and(|requests| requests.try_send(request).is_ok())
    }

    /// Counts until the session ends. It returns Ok after an end in order.
    async fn run(
        &mut self,
        stop: &mut watch::Receiver<bool>,
        totals: &mut Totals,
        on: &mut impl FnMut(Event),
    ) -> Result<(), Error> {
        let (mut value, mut increment) = (self.start.value, self.start.increment);
        on(Event::Registered {
            value,
            increment,
            returning: self.start.returning,
        });
        let (mut reports, mut committed) = (0, 0); // of this session
        let mut ticks = interval_at(Instant::now() + REPORT_EVERY, REPORT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut draw_at = next_draw();
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            let open = self.requests.is_some();
            tokio::select! {
                () = stopped(stop), if open => {
                    self.requests = None;
                    silent_at = Instant::now() + ANSWER_TIMEOUT;
                }
                _ = ticks.tick(), if open => {
                    let next = value.wrapping_add(increment.into());
                    if self.send(Kind::Report(Report { value: next, ..Report::default() })) {
                        value = next;
                        if reports == committed {
                            silent_at = Instant::now() + SILENCE;
                        }
                        reports += 1;
                        totals.reports += 1;
                        on(Event::Reported(value));
                    }
                }
                () = sleep_until(draw_at), if open => {
                    let parity = if fastrand::bool() { Parity::Even } else { Parity::Odd };
                    self.send(Kind::Draw(Draw { parity: parity.into() }));
                    draw_at = next_draw();
                }
                message = self.responses.message() => {
                    let response = message.map_err(|status| Error::call(&self.what, status))?;
                    let Some(response) = response else {
                        return self.ended(reports, committed);
                    };
                    match response.kind {
                        Some(count_response::Kind::Increment(drawn)) => {
                            increment = drawn.number;
                            on(Event::Increment(increment));
                        }
                        Some(count_response::Kind::Committed(confirmed)) => {
                            let confirmed_reports = confirmed.reports.clamp(committed, reports);
                            totals.committed += confirmed_reports.abs_diff(committed);
                            totals.value = confirmed.value;
                            committed = confirmed_reports;
                            silent_at = Instant::now() + if open { SILENCE } else { ANSWER_TIMEOUT };
                            on(Event::Committed(confirmed.value));
                        }
                        _ => {} // a newer server may send more
                    }
                }
                () = sleep_until(silent_at), if !open || reports > committed => {
                    let late = Status::deadline_exceeded("the server does not confirm the reports");
                    return Err(Error::call(&self.what, late));
                }
            }
        }
    }

    fn ended(&self, reports: i64, committed: i64) -> Result<(), Error> {
        if self.requests.is_some() {
            let ended = Status::new(Code::Unavailable, "the server ended the session");
            return Err(Error::call(&self.what, ended));
        }
        if committed < reports {
            return Err(Error::response(
                &self.what,
                format!("the server confirmed {committed} of {reports} reports"),
            ));
        }
        Ok(())
    }
}

fn next_draw() -> Instant {
    let (least, most) = DRAW_AFTER;
    Instant::now() + Duration::from_secs_f64(least + fastrand::f64() * (most - least))
}
