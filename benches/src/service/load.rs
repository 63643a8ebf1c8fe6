//! The load: prepared HTTP/1.1 calls on kept connections, whose answers are all looked at. It shares the
//! machine with what it measures, so it does little: one write and mostly one read for each call.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long an answer may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Threads that ask without pause: as many as the machine has cores, as one alone does not saturate it.
const THREADS: usize = 2;
/// Connections of the load that comes at fixed times.
pub(crate) const OPEN_CONNECTIONS: usize = 32;
/// Room for an answer.
const ANSWER_BYTES: usize = 64 * 1024;

/// Calls of one kind to one server, each of which must come out as a permit.
#[derive(Debug)]
pub(crate) struct Calls {
    address: SocketAddr,
    prepared: Vec<Vec<u8>>,
    permit: Permit,
    next: AtomicUsize,
}

/// How an answer with status 200 says that it is a permit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Permit {
    /// Its body has this text.
    With(&'static str),
    /// Its body has it not.
    Without(&'static str),
}

/// A POST of JSON.
#[derive(Debug)]
pub(crate) struct Post<'a> {
    pub(crate) path: &'a str,
    /// One header line with its end, or nothing.
    pub(crate) header: &'a str,
    pub(crate) body: &'a str,
}

impl Post<'_> {
    pub(crate) fn to_bytes(&self, address: SocketAddr) -> Vec<u8> {
        let Self { path, header, body } = self;
        format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n{header}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

impl Calls {
    pub(crate) fn new(address: SocketAddr, prepared: Vec<Vec<u8>>, permit: Permit) -> Self {
        Self {
            address,
            prepared,
            permit,
            next: AtomicUsize::new(0),
        }
    }

    /// Whether the first of the calls is a permit.
    pub(crate) fn permits(&self) -> Result<bool> {
        let mut connection = Connection::open(self.address)?;
        connection.send(self.next())?;
        let body = connection.receive()?;
        Ok(self.permit.is_in(body))
    }

    /// All calls come in turn, whichever connection they take.
    fn next(&self) -> &[u8] {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.prepared.len();
        self.prepared.get(at).map_or(&[], Vec::as_slice)
    }

    fn check(&self, connection: &mut Connection) -> Result<()> {
        let permit = self.permit;
        let body = connection.receive()?;
        ensure!(
            permit.is_in(body),
            "expected a permit ({permit:?}), got {}",
            String::from_utf8_lossy(body)
        );
        Ok(())
    }

    /// Asks on one connection, the next call when the last is answered; gives the time of each, sorted.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn one_by_one(&self, time: Duration) -> Result<Latencies> {
        let mut connection = Connection::open(self.address)?;
        let mut times = Vec::new();
        let begin = Instant::now();
        let warm = begin + time / 10;
        let end = warm + time;
        loop {
            let sent = Instant::now();
            connection.send(self.next())?;
            self.check(&mut connection)?;
            let answered = Instant::now();
            if sent >= warm {
                times.push(answered - sent);
            }
            if answered >= end {
                return Ok(Latencies::new(times));
            }
        }
    }

    /// Asks on that many connections, on each the next call when the last is answered.
    pub(crate) fn saturate(&self, connections: usize, time: Duration) -> Result<Throughput> {
        let threads = connections.min(THREADS);
        let start = Barrier::new(threads);
        let shares = thread::scope(|scope| {
            let asking: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| self.in_turn(connections / threads, &start, time)))
                .collect();
            asking.into_iter().map(joined).collect::<Result<Vec<_>>>()
        })?;
        Ok(Throughput {
            per_second: shares.iter().map(|share| share.per_second).sum(),
            calls: shares.iter().map(|share| share.calls).sum(),
        })
    }

    /// Takes the connections in turn: each is asked again as soon as its answer is read.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    fn in_turn(&self, connections: usize, start: &Barrier, time: Duration) -> Result<Throughput> {
        let open = (0..connections).map(|_| Connection::open(self.address));
        let mut open = open.collect::<Result<Vec<_>>>();
        start.wait();
        let connections = open.as_mut().map_err(|error| anyhow!("{error:#}"))?;
        for connection in connections.iter_mut() {
            connection.send(self.next())?;
        }
        let warm = Instant::now() + time / 10;
        let mut counted = None;
        let (mut answers, mut before) = (0_u32, 0_u32);
        loop {
            for connection in connections.iter_mut() {
                self.check(connection)?;
                connection.send(self.next())?;
                answers += 1;
            }
            let now = Instant::now();
            match counted {
                None if now >= warm => {
                    counted = Some(now);
                    before = answers;
                }
                Some(since) if now - since >= time => {
                    return Ok(Throughput {
                        per_second: f64::from(answers - before) / (now - since).as_secs_f64(),
                        calls: f64::from(answers),
                    });
                }
                _ => {}
            }
        }
    }

    /// Asks at fixed times, `rate` times a second, whatever the answers take; gives the time of each from
    /// when it was due, sorted. A call that finds every connection busy waits, and its time runs.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn at_fixed_times(&self, rate: f64, time: Duration) -> Result<Latencies> {
        let mut free = (0..OPEN_CONNECTIONS)
            .map(|_| Connection::open(self.address))
            .collect::<Result<Vec<_>>>()?;
        let mut busy: Vec<(Connection, Instant)> = Vec::new();
        let mut times = Vec::new();
        let every = Duration::from_secs_f64(1.0 / rate);
        let mut due = Instant::now();
        let warm = due + time / 10;
        let end = warm + time;
        while due < end || !busy.is_empty() {
            let now = Instant::now();
            while due <= now && due < end {
                let Some(mut connection) = free.pop() else {
                    break;
                };
                connection.send(self.next())?;
                busy.push((connection, due));
                due += every;
            }
            let wait = if free.is_empty() || due >= end {
                PATIENCE
            } else {
                due.saturating_duration_since(Instant::now())
            };
            for at in readable(&busy, wait)? {
                let (mut connection, asked) = busy.swap_remove(at);
                self.check(&mut connection)?;
                if asked >= warm {
                    times.push(asked.elapsed());
                }
                free.push(connection);
            }
        }
        Ok(Latencies::new(times))
    }
}

/// Which of the connections have something to read, the last first, after at most that time.
fn readable(busy: &[(Connection, Instant)], wait: Duration) -> Result<Vec<usize>> {
    let mut asked: Vec<_> = busy
        .iter()
        .map(|(connection, _)| PollFd::new(&connection.stream, PollFlags::IN))
        .collect();
    poll(&mut asked, Some(&Timespec::try_from(wait)?))?;
    let ready = asked.iter().enumerate().rev();
    Ok(ready
        .filter(|(_, one)| !one.revents().is_empty())
        .map(|(at, _)| at)
        .collect())
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let outcome = thread.join();
    outcome.map_err(|_| anyhow!("a thread of the load panicked"))?
}

impl Permit {
    fn is_in(self, body: &[u8]) -> bool {
        let has = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
        match self {
            Self::With(text) => has(text),
            Self::Without(text) => !has(text),
        }
    }
}

/// What a server answered without a pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    /// Calls in a second, once both sides are warm.
    pub(crate) per_second: f64,
    /// All calls, with those before.
    pub(crate) calls: f64,
}

/// The times of many calls, sorted.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// In seconds.
    pub(crate) fn percentile(&self, percent: usize) -> Result<f64> {
        let at = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        let time = self.0.get(at).context("nothing was measured")?;
        Ok(time.as_secs_f64())
    }
}

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            answer: vec![0; ANSWER_BYTES],
        })
    }

    /// The same without a bound on how long an answer may take.
    pub(crate) fn patient(address: SocketAddr) -> Result<Self> {
        let connection = Self::open(address)?;
        connection.stream.set_read_timeout(None)?;
        Ok(connection)
    }

    pub(crate) fn send(&mut self, call: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(call)?)
    }

    /// The body of an answer with status 200 or 202 and a `Content-Length`.
    pub(crate) fn receive(&mut self) -> Result<&[u8]> {
        let mut filled = 0;
        let (body, end) = loop {
            let room = self.answer.get_mut(filled..).context("a long answer")?;
            let read = self.stream.read(room)?;
            ensure!(read > 0, "the connection was closed");
            filled += read;
            let answer = self.answer.get(..filled).context("an answer")?;
            if let Some((body, end)) = extent(answer)?
                && end <= filled
            {
                break (body, end);
            }
        };
        self.answer.get(body..end).context("a body")
    }
}

/// Where the body of an answer begins and ends, once its head is there.
fn extent(answer: &[u8]) -> Result<Option<(usize, usize)>> {
    const LENGTH: &str = "content-length:";
    let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(answer.get(..head).unwrap_or_default())?;
    let expected = ["HTTP/1.1 200", "HTTP/1.1 202"];
    ensure!(
        expected.iter().any(|status| text.starts_with(status)),
        "expected 200 or 202, got {text}"
    );
    let length = text
        .split("\r\n")
        .find_map(|line| {
            let (name, value) = line.split_at_checked(LENGTH.len())?;
            name.eq_ignore_ascii_case(LENGTH).then_some(value)
        })
        .context("no Content-Length")?;
    let length: usize = length.trim().parse()?;
    Ok(Some((head + 4, head + 4 + length)))
}
