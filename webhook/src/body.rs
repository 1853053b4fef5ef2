//! Reads a request's body within limits of size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, HttpBody};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Refusal;

/// A body above this is answered with 413. The forges send none: both give up on payloads over 25 MB.
const BODY_BYTES_MAX: usize = 25 * 1024 * 1024;

/// The bodies of deliveries that are being received or stored take up at most this together; beyond it, a delivery is
/// answered with 503 and Retry-After, and the sweep has the forge send it again.
const IN_FLIGHT_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Each delivery counts for at least this much, so that many tiny ones are bounded as well.
const REQUEST_BYTES_MIN: usize = 4 * 1024;

/// A body that is not complete after this is answered with 408. The forges themselves give up after 10 to 30 seconds.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// A sender that is silent for this long in the middle of a body is answered with 408.
const CHUNK_WITHIN: Duration = Duration::from_secs(10);

/// A delivery that is not durable after this is answered with 503: both forges stop listening after 10
/// seconds. Should it become durable after all, the forge's next attempt is found to be a duplicate.
const TAKE_WITHIN: Duration = Duration::from_secs(10);

/// What a refused sender still sends is thrown away for at most this long, and at most one body's worth of it.
const DISCARD_WITHIN: Duration = Duration::from_secs(5);

/// A body that arrives in pieces starts with at most this much memory, whatever length its sender announces.
const FIRST_ALLOCATION_BYTES_MAX: usize = 64 * 1024;

/// How much, and for how long, a sender may send. The defaults are for production; tests shorten them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest body, in bytes; beyond it 413. 25 MiB.
    pub body_bytes_max: usize,
    /// The most that the bodies of all unanswered deliveries have together, in bytes; beyond it 503. 128 MiB.
    pub in_flight_bytes_max: usize,
    /// From the request's head to the end of its body; beyond it 408. 30 s.
    pub body_within: Duration,
    /// Between two pieces of a body; beyond it 408. 10 s.
    pub chunk_within: Duration,
    /// From the end of the body until the delivery is durable; beyond it 503. 10 s.
    pub take_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes_max: BODY_BYTES_MAX,
            in_flight_bytes_max: IN_FLIGHT_BYTES_MAX,
            body_within: BODY_WITHIN,
            chunk_within: CHUNK_WITHIN,
            take_within: TAKE_WITHIN,
        }
    }
}

/// Reads bodies, all of them together within [`Limits::in_flight_bytes_max`].
pub(crate) struct Bodies {
    pub(crate) limits: Limits,
    room: Arc<Semaphore>,
}

/// A whole body, and the room that it takes up for as long as it is held.
pub(crate) struct Held {
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Bodies {
    pub(crate) fn new(limits: Limits) -> Self {
        let room = Arc::new(Semaphore::new(limits.in_flight_bytes_max.min(Semaphore::MAX_PERMITS)));
        Bodies { limits, room }
    }

    /// Reads a body to its end.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Held, Refusal> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let mut chunks = body.into_data_stream();
        let refusal = match self.collect(announced, &mut chunks).await {
            Ok(held) => return Ok(held),
            Err(refusal) => refusal,
        };
        // A connection that is closed while its sender still sends is reset, and the answer may be lost with it. Who
        // asked first whether to send at all (Expect: 100-continue) has not begun, and needs no such care.
        let still_sending = matches!(refusal, Refusal::TooLarge { .. } | Refusal::Busy) && !headers.contains_key(header::EXPECT);
        if still_sending {
            // That this ends at its limit is no news: the answer is the refusal in any case.
            let _ = timeout(DISCARD_WITHIN, discard(&mut chunks, self.limits.body_bytes_max)).await;
        }
        Err(refusal)
    }

    async fn collect(&self, announced: usize, chunks: &mut BodyDataStream) -> Result<Held, Refusal> {
        let bytes_max = self.limits.body_bytes_max;
        if announced > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        let deadline = Instant::now() + self.limits.body_within;
        let mut room = self.room(REQUEST_BYTES_MIN)?;
        let mut pieces = Pieces::default();
        while let Some(chunk) = self.chunk(chunks, deadline).await? {
            if chunk.len() > bytes_max - pieces.len() {
                return Err(Refusal::TooLarge { bytes_max });
            }
            // Room is taken for what has arrived, not for what was announced: announcing costs a sender nothing.
            room.merge(self.room(chunk.len())?);
            pieces.push(chunk, announced);
        }
        Ok(Held { bytes: pieces.whole(), _room: room })
    }

    async fn chunk(&self, chunks: &mut BodyDataStream, deadline: Instant) -> Result<Option<Bytes>, Refusal> {
        let until = deadline.min(Instant::now() + self.limits.chunk_within);
        match timeout_at(until, chunks.next()).await {
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
            Ok(Some(Err(_))) => Err(Refusal::Unreadable),
            Ok(None) => Ok(None),
            Err(_) => Err(Refusal::TooSlow),
        }
    }

    fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| Refusal::Busy)?;
        Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| Refusal::Busy)
    }
}

async fn discard(chunks: &mut BodyDataStream, bytes_max: usize) {
    let mut left = bytes_max;
    while let Some(Ok(chunk)) = chunks.next().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// The pieces of a body. Most bodies arrive in one, which is then not copied.
#[derive(Default)]
struct Pieces {
    only: Bytes,
    joined: BytesMut,
}

impl Pieces {
    fn len(&self) -> usize {
        self.only.len() + self.joined.len()
    }

    fn push(&mut self, chunk: Bytes, announced: usize) {
        if self.len() == 0 {
            self.only = chunk;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(announced.min(FIRST_ALLOCATION_BYTES_MAX));
            self.joined.extend_from_slice(&std::mem::take(&mut self.only));
        }
        self.joined.extend_from_slice(&chunk);
    }

    fn whole(self) -> Bytes {
        if self.joined.is_empty() { self.only } else { self.joined.freeze() }
    }
}
