//! One seed, one history: lives of a server that end when the power fails.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};
use world::Timestamp;

use crate::{
    chance::Chance,
    check::{Verdict, check},
    disk::{Image, SimulatedDisk, Weather},
    ledger::Ledger,
    network::Network,
    operator::Operator,
    people::{PEOPLE, beginning, founded},
    reader::Reader,
    sender::Sender,
    server::{Server, world},
    sink::Sink,
};

/// What a history was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lives that ended by a power failure.
    pub cuts: u64,
    /// Operations of the disk, in all lives.
    pub operations: u64,
    /// Letters that were acknowledged.
    pub acknowledged: u64,
    /// Times that bodies were moved out of wasteful segments in lives that ended by a power failure.
    pub moves: u64,
    /// Recipients that the administrator took out of the queue.
    pub taken_out: u64,
    /// Reads that failed.
    pub failed_reads: u64,
    /// A digest of what was promised and seen, and of what is on the disk in the end but for the log of the database: the same for the same seed, in every process.
    pub digest: u64,
}

/// Why a history failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed that shows it again.
    pub seed: u64,
    /// The life, from 1.
    pub life: u64,
    /// The broken promises.
    pub broken: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}, life {}:", self.seed, self.life)?;
        for what in &self.broken {
            writeln!(f, "  {what}")?;
        }
        write!(
            f,
            "  again: cargo run --locked -p simulation -- --seed {} --verbose",
            self.seed
        )
    }
}

/// Lives that may end by a power failure; one more follows, without any.
const LIVES: u64 = 3;
/// How long the queue may take in the last life.
const QUEUE_PATIENCE: Duration = Duration::from_secs(8 * 86_400);

/// A runtime with one thread, in which time passes only when nothing else can be done.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
}

/// Runs the history of `seed` on a thread of its own, so that nothing before it plays a part.
///
/// # Errors
/// The promises that were broken.
pub fn run(seed: u64) -> Result<Summary, Failure> {
    run_on(seed, false)
}

/// The same on a disk that lies about its syncs if `lies` says so: to see that a loss is found.
///
/// # Errors
/// The promises that were broken.
pub fn run_on(seed: u64, lies: bool) -> Result<Summary, Failure> {
    // Made before, by whoever comes first: it must be the same for all.
    founded();
    let history = std::thread::Builder::new()
        .name(format!("seed-{seed}"))
        .spawn(move || {
            crate::system_chance::seed(seed);
            History::new(seed, lies).run()
        });
    let failed = |what: String| Failure {
        seed,
        life: 0,
        broken: vec![what],
    };
    match history.map(std::thread::JoinHandle::join) {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(failed(world::Panicked::from_payload(panic.as_ref()).0)),
        Err(error) => Err(failed(error.to_string())),
    }
}

struct History {
    seed: u64,
    lies: bool,
    chance: Chance,
    ledger: Ledger,
    image: Image,
    now: Timestamp,
    summary: Summary,
}

/// How a life is to be.
struct Life {
    weather: Weather,
    last: bool,
}

impl History {
    fn new(seed: u64, lies: bool) -> Self {
        Self {
            seed,
            lies,
            chance: Chance::new(seed),
            ledger: Ledger::default(),
            image: founded().image.clone(),
            now: beginning(),
            summary: Summary::default(),
        }
    }

    fn run(mut self) -> Result<Summary, Failure> {
        for number in 1..=LIVES + 1 {
            let life = self.plan(number > LIVES);
            let lived = self.live(&life);
            lived.map_err(|broken| Failure {
                seed: self.seed,
                life: number,
                broken,
            })?;
        }
        let book = self.ledger.book();
        let acknowledged = book.letters.values().filter(|sent| sent.acknowledged);
        self.summary.acknowledged = acknowledged.count() as u64;
        self.summary.moves = book.moves.before_cuts;
        let told = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {}",
            book.letters,
            book.held,
            book.told,
            book.delivered,
            book.flagged,
            book.taken_out,
            self.now
        );
        self.summary.taken_out = book.taken_out.values().map(|asked| asked.done).sum();
        drop(book);
        let mut digest = blake3::Hasher::new();
        digest.update(told.as_bytes());
        // SQLite salts its log by chance of its own, which all histories of a process share.
        let files = self.image.files();
        let files =
            files.filter(|(path, _)| !path.as_os_str().as_encoded_bytes().ends_with(b"-wal"));
        for (path, bytes) in files {
            digest.update(path.as_os_str().as_encoded_bytes());
            digest.update(bytes);
        }
        let digest = digest.finalize();
        let eight = digest.as_bytes().first_chunk::<8>();
        self.summary.digest = eight.map_or(0, |eight| u64::from_le_bytes(*eight));
        Ok(self.summary)
    }

    fn plan(&self, last: bool) -> Life {
        let chance = &self.chance;
        let mut weather = Weather {
            lies: self.lies,
            ..Weather::default()
        };
        if !last {
            weather.cut_at = Some(1 + chance.below(if chance.once_in(4) { 40 } else { 400 }));
            if chance.once_in(3) {
                weather.failures = 1 + chance.below(300);
            }
            if chance.once_in(3) {
                weather.failed_reads = 1 + chance.below(if chance.once_in(3) { 200 } else { 20 });
            }
            if chance.once_in(5) {
                weather.capacity = Some(self.image.size() + chance.below(300_000));
            }
        }
        Life { weather, last }
    }

    fn live(&mut self, life: &Life) -> Result<(), Vec<String>> {
        let trouble = |error: std::io::Error| vec![error.to_string()];
        let disk = SimulatedDisk::new(&self.image, self.chance.fork(), life.weather);
        let disk = disk.map_err(trouble)?;
        let runtime = runtime().map_err(trouble)?;
        let from = self.now;
        let (lived, took) = runtime.block_on(async {
            let since = Instant::now();
            let lived = self.day(&disk, from, life).await;
            (lived, since.elapsed())
        });
        // What still runs ends here, in the middle of whatever it does.
        let cut = !disk.is_powered();
        self.image = disk.cut();
        drop(runtime);
        self.ledger.book().moves.life_ended(cut);
        self.summary.cuts += u64::from(cut);
        self.summary.operations += disk.operations();
        self.summary.failed_reads += disk.failed_reads();
        // Whatever happened, the ledger's clients saw no broken promise.
        lived?;
        let away = self
            .chance
            .below(if self.chance.once_in(4) { 86_400 } else { 30 });
        self.now = self.now + took + Duration::from_secs(away);
        // Now and then somebody sets the clock back.
        if self.chance.once_in(8) {
            self.now -= Duration::from_secs(self.chance.below(3600));
        }
        Ok(())
    }

    async fn day(
        &self,
        disk: &SimulatedDisk,
        from: Timestamp,
        life: &Life,
    ) -> Result<(), Vec<String>> {
        let world = world(from, &self.chance);
        let moods = if life.last { 0 } else { 6 };
        let network = Network::new(self.chance.fork(), if life.last { 0 } else { 10 });
        let sink = Sink::new(self.chance.fork(), self.ledger.clone(), moods);
        let fails = life.weather.fails();
        let server = match Server::start(disk, &world, network, &sink) {
            Ok(server) => Arc::new(server),
            // A disk that fails may keep the store shut; one that only lost power may not.
            Err(error) if disk.is_powered() && !fails => return Err(vec![error.to_string()]),
            Err(_) => return Ok(()),
        };
        // What a check finds is there, or is not: it is made on a disk that can be read.
        disk.let_reads_fail(false);
        let checked = check(&server, &self.ledger).await;
        disk.let_reads_fail(true);
        if !settle(checked, disk, fails)? {
            return Ok(());
        }
        self.ledger.book().moves.restarted();
        server.run_queue();
        let crowd = self.crowd(&server);
        tokio::select! {
            biased;
            () = disk.power_failure() => return Ok(()),
            () = crowd => {}
        }
        if life.last {
            self.drain(&server).await?;
            if !settle(check(&server, &self.ledger).await, disk, fails)? {
                return Err(vec!["the last check could not be made".to_owned()]);
            }
        } else {
            let idle = Duration::from_secs(self.chance.below(7200));
            tokio::select! {
                biased;
                () = disk.power_failure() => return Ok(()),
                () = tokio::time::sleep(idle) => {}
            }
        }
        if let Some(server) = Arc::into_inner(server)
            && self.chance.once_in(2)
        {
            tokio::select! {
                biased;
                () = disk.power_failure() => {}
                () = server.stop() => {}
            }
        }
        Ok(())
    }

    /// Clients that come and go.
    fn crowd(&self, server: &Arc<Server>) -> impl Future<Output = ()> + use<> {
        let mut clients = JoinSet::new();
        for number in 0..2 + self.chance.below(3) {
            let listener = if number % 2 == 0 {
                transfer::Listener::Exchange
            } else {
                transfer::Listener::Submission
            };
            let sender = Sender {
                server: Arc::clone(server),
                ledger: self.ledger.clone(),
                chance: self.chance.fork(),
                listener,
            };
            clients.spawn(sender.run());
        }
        for (account, password) in PEOPLE.iter().zip(&founded().passwords) {
            let reader = Reader {
                server: Arc::clone(server),
                ledger: self.ledger.clone(),
                chance: self.chance.fork(),
                account,
                password: password.clone(),
            };
            clients.spawn(reader.run());
        }
        let operator = Operator {
            server: Arc::clone(server),
            ledger: self.ledger.clone(),
            chance: self.chance.fork(),
        };
        clients.spawn(operator.run());
        async move { while clients.join_next().await.is_some() {} }
    }

    /// Waits until all mail for elsewhere has left.
    async fn drain(&self, server: &Server) -> Result<(), Vec<String>> {
        let until = Instant::now() + QUEUE_PATIENCE;
        loop {
            let totals = server.store.read(|snapshot| store::queue::totals(snapshot));
            let totals = totals.await.map_err(|error| vec![error.to_string()])?;
            if totals.messages == 0 {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(vec![format!("the queue does not empty: {totals:?}")]);
            }
            tokio::time::sleep(Duration::from_secs(300)).await;
        }
    }
}

/// Whether a check could be made; what it found is an error.
fn settle(
    checked: Result<(), Verdict>,
    disk: &SimulatedDisk,
    fails: bool,
) -> Result<bool, Vec<String>> {
    match checked {
        Ok(()) => Ok(true),
        Err(Verdict::Broken(broken)) if disk.is_powered() => Err(broken),
        Err(Verdict::Undecided) if disk.is_powered() && !fails => Err(vec![
            "the store cannot be read on a disk that works".to_owned(),
        ]),
        Err(_) => Ok(false),
    }
}
