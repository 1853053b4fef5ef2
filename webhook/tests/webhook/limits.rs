//! Limits of size, time and memory, where it matters over a real socket.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use gatewright_core::event::{Delivery, Intake, IntakeError, Taken};
use gatewright_webhook::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use crate::support::{Recording, Sent, router, send};

fn small() -> Limits {
    Limits { body_bytes_max: 1024, ..Limits::default() }
}

async fn listen(router: Router) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    TcpStream::connect(address).await.unwrap()
}

/// The answer's head and body, on a connection that the server closes.
async fn answer(mut socket: TcpStream) -> String {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let chunks = body.chunks(size).flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    chunks.chain(*b"0\r\n\r\n").collect()
}

fn json_of(bytes: usize) -> Vec<u8> {
    let frame = r#"{"pad":""}"#.len();
    format!(r#"{{"pad":"{}"}}"#, "x".repeat(bytes - frame)).into_bytes()
}

#[tokio::test]
async fn a_body_of_exactly_25_mib_is_taken_and_one_byte_more_is_not() {
    let limit = 25 * 1024 * 1024;
    for (bytes, status) in [(limit, "HTTP/1.1 202 "), (limit + 1, "HTTP/1.1 413 ")] {
        let intake = Arc::new(Recording::default());
        let mut socket = listen(router(intake.clone(), Limits::default())).await;
        let sent = Sent::new("ping", json_of(bytes));
        let head = format!("{}content-length: {bytes}\r\nconnection: close\r\n\r\n", sent.head());
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&sent.body).await.unwrap();
        let answer = answer(socket).await;
        assert!(answer.starts_with(status), "{answer}");
        assert_eq!(intake.taken().len(), usize::from(bytes == limit));
    }
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_cut_off_at_the_limit() {
    for (bytes, status) in [(1024, "HTTP/1.1 202 "), (1025, "HTTP/1.1 413 ")] {
        let intake = Arc::new(Recording::default());
        let mut socket = listen(router(intake.clone(), small())).await;
        let sent = Sent::new("ping", json_of(bytes));
        let head = format!("{}transfer-encoding: chunked\r\nconnection: close\r\n\r\n", sent.head());
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&chunked(&sent.body, 100)).await.unwrap();
        let answer = answer(socket).await;
        assert!(answer.starts_with(status), "{answer}");
        assert_eq!(intake.taken().len(), usize::from(bytes == 1024));
    }
}

#[tokio::test]
async fn a_sender_that_asks_first_is_not_made_to_send_what_is_too_large() {
    let intake = Arc::new(Recording::default());
    let mut socket = listen(router(intake, small())).await;
    let head = format!("{}content-length: 1025\r\nexpect: 100-continue\r\n\r\n", Sent::new("ping", "").head());
    socket.write_all(head.as_bytes()).await.unwrap();
    // No byte of the body is ever sent.
    let answer = answer(socket).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("the body has more than 1024 bytes"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_half_way_is_given_up() {
    let intake = Arc::new(Recording::default());
    let limits = Limits { chunk_within: Duration::from_millis(20), ..Limits::default() };
    let mut socket = listen(router(intake.clone(), limits)).await;
    let sent = Sent::new("ping", json_of(100));
    let head = format!("{}content-length: 100\r\n\r\n", sent.head());
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&sent.body[..50]).await.unwrap();
    let answer = answer(socket).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(intake.taken().len(), 0);
}

/// A body of `pieces` bytes, one every second.
fn dripping(body: &[u8], pieces: usize) -> Body {
    let chunks: Vec<Bytes> = body.chunks(body.len().div_ceil(pieces)).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(chunks).then(|chunk| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        io::Result::Ok(chunk)
    }))
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_taken_if_it_ends_in_time_and_given_up_if_not() {
    for (pieces, status) in [(29, StatusCode::ACCEPTED), (31, StatusCode::REQUEST_TIMEOUT)] {
        let intake = Arc::new(Recording::default());
        let sent = Sent::new("ping", json_of(29 * 31));
        let body = dripping(&sent.body, pieces);
        let answer = send(&router(intake.clone(), Limits::default()), sent.request_with(body)).await;
        assert_eq!(answer.status, status, "{}", answer.json);
        assert_eq!(intake.taken().len(), usize::from(status == StatusCode::ACCEPTED));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_falls_silent_is_given_up_before_the_whole_time_is_over() {
    let intake = Arc::new(Recording::default());
    let limits = Limits { body_within: Duration::from_secs(3600), ..Limits::default() };
    let body = Body::from_stream(stream::iter([io::Result::Ok("{")]).chain(stream::pending()));
    let started = tokio::time::Instant::now();
    let answer = send(&router(intake.clone(), limits), Sent::new("ping", "{}").request_with(body)).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.error(), "the body did not arrive in time");
    assert_eq!(started.elapsed().as_secs(), 10, "this is the paused clock");
    assert_eq!(intake.taken().len(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken() {
    let intake = Arc::new(Recording::default());
    let pieces = [Ok("{}"), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    let body = Body::from_stream(stream::iter(pieces));
    let answer = send(&router(intake.clone(), Limits::default()), Sent::new("ping", "{}").request_with(body)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.error(), "the body could not be read to its end");
    assert_eq!(intake.taken().len(), 0);
}

/// Says when a delivery has come, and takes it when it is let.
struct Slow {
    came: mpsc::UnboundedSender<()>,
    may: Semaphore,
}

#[async_trait]
impl Intake for Slow {
    async fn take(&self, _: Delivery) -> Result<Taken, IntakeError> {
        self.came.send(()).unwrap();
        self.may.acquire().await.unwrap().forget();
        Ok(Taken::New)
    }
}

#[tokio::test]
async fn bodies_that_are_held_leave_no_room_for_more_until_they_are_stored() {
    let (came, mut comes) = mpsc::unbounded_channel();
    let intake = Arc::new(Slow { came, may: Semaphore::new(0) });
    let service = router(intake.clone(), Limits { in_flight_bytes_max: 64 * 1024, ..Limits::default() });
    let delivery = || Sent::new("ping", json_of(40 * 1024)).request();

    let first = tokio::spawn({
        let (service, request) = (service.clone(), delivery());
        async move { send(&service, request).await }
    });
    comes.recv().await.unwrap();
    let refused = send(&service, delivery()).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["retry-after"], "5");
    assert_eq!(refused.error(), "too many deliveries are being received at once");

    intake.may.add_permits(2);
    assert_eq!(first.await.unwrap().status, StatusCode::ACCEPTED);
    assert_eq!(send(&service, delivery()).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_does_not_keep_the_forge_waiting() {
    let (came, _comes) = mpsc::unbounded_channel();
    let intake = Arc::new(Slow { came, may: Semaphore::new(0) });
    let answer = send(&router(intake, Limits::default()), Sent::new("ping", "{}").request()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["retry-after"], "30");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_copies_at_the_same_instant_are_one_delivery() {
    let intake = Arc::new(Recording::default());
    let service = router(intake.clone(), Limits::default());
    let copies = (0..5).map(|_| {
        let (service, request) = (service.clone(), Sent::new("ping", json_of(20_000)).request());
        tokio::spawn(async move { send(&service, request).await.status })
    });
    let mut statuses: Vec<StatusCode> = future::join_all(copies).await.into_iter().map(Result::unwrap).collect();
    statuses.sort_by_key(StatusCode::as_u16);
    assert_eq!(statuses, [200, 200, 200, 200, 202]);
    assert_eq!(intake.taken().len(), 1);
}

#[tokio::test]
async fn one_connection_carries_many_deliveries() {
    let intake = Arc::new(Recording::default());
    let mut socket = listen(router(intake.clone(), Limits::default())).await;
    for n in 0..20 {
        let last = if n == 19 { "connection: close\r\n" } else { "" };
        let sent = Sent::new("ping", json_of(30_000)).guid(&n.to_string());
        let head = format!("{}content-length: 30000\r\n{last}\r\n", sent.head());
        socket.write_all(head.as_bytes()).await.unwrap();
        socket.write_all(&sent.body).await.unwrap();
    }
    let answers = answer(socket).await;
    assert_eq!(answers.matches("HTTP/1.1 202 ").count(), 20, "{answers}");
    assert_eq!(intake.taken().len(), 20);
}
