//! Where work runs that blocks, or that goes on beside everything else.

use std::{
    any::Any,
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::JoinHandle,
};

use tokio::sync::oneshot;

/// How a world runs such work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// On threads of their own.
    Threads,
    /// On the thread that asks, so that one seed gives one history.
    OneThread,
}

/// How much of the processors work claims when others want them too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// As much as anybody.
    Equal,
    /// What others leave, or little.
    Least,
}

/// How much nicer to others than usual (`nice(2)`) work of the least claim is: about a tenth of the others' share.
const BEHIND: i32 = 10;

/// Work that panicked, with what it said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Panicked(pub String);

impl Panicked {
    /// What a caught panic said.
    #[must_use]
    pub fn from_payload(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Self(text.unwrap_or("without words").to_owned())
    }
}

/// Runs `work` on the thread that asks: for what takes less time than to hand it to another.
///
/// # Errors
/// When it panics.
pub fn here<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked::from_payload(panic.as_ref()))
}

/// Work that was started and goes on by itself.
#[derive(Debug)]
#[must_use = "somebody has to wait for its end"]
pub struct Worker {
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Waits for its end; whether it ended without a panic.
    pub async fn ended(self) -> bool {
        // The sender goes when the work ends, however it ends.
        let well = self.ended.await.is_ok();
        match self.thread {
            Some(thread) => thread.join().is_ok(),
            None => well,
        }
    }

    /// Makes this thread wait for its end, where it has a thread of its own that is not this one; whether it ended
    /// without a panic, as far as can be known.
    #[must_use]
    pub fn join(self) -> bool {
        match self.thread {
            Some(thread) if thread.thread().id() != std::thread::current().id() => {
                thread.join().is_ok()
            }
            _ => true,
        }
    }
}

impl Workers {
    pub(crate) async fn blocking<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let said = |panic: Box<dyn Any + Send>| Panicked::from_payload(panic.as_ref());
        match self {
            Self::OneThread => here(work),
            Self::Threads => match tokio::task::spawn_blocking(work).await {
                Ok(done) => Ok(done),
                Err(failed) => match failed.try_into_panic() {
                    Ok(panic) => Err(said(panic)),
                    Err(failed) => Err(Panicked(failed.to_string())),
                },
            },
        }
    }

    pub(crate) fn start(
        self,
        name: &str,
        claim: Claim,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<Worker> {
        let (sender, ended) = oneshot::channel();
        let work = async move {
            work.await;
            // Nobody may be waiting.
            sender.send(()).ok();
        };
        let thread = match self {
            Self::OneThread => {
                tokio::spawn(work);
                None
            }
            Self::Threads => {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()?;
                let thread =
                    std::thread::Builder::new()
                        .name(name.to_owned())
                        .spawn(move || {
                            // Asking for less is always granted; were it not, the work would merely claim as much as others.
                            if claim == Claim::Least {
                                rustix::process::nice(BEHIND).ok();
                            }
                            runtime.block_on(work);
                        })?;
                Some(thread)
            }
        };
        Ok(Worker { ended, thread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_work_gives_and_says_is_the_same_on_one_thread_and_on_many() {
        for workers in [Workers::Threads, Workers::OneThread] {
            assert_eq!(workers.blocking(|| 7).await, Ok(7));
            let failed: Result<(), _> = workers.blocking(|| panic!("no {}", "luck")).await;
            assert_eq!(failed, Err(Panicked("no luck".to_owned())));
            let (sender, receiver) = oneshot::channel();
            let worker = workers.start("test", Claim::Least, async move {
                let niceness = tokio::task::spawn_blocking(|| rustix::process::nice(0));
                sender
                    .send(niceness.await.unwrap_or(Ok(0)).unwrap_or(0))
                    .ok();
            });
            // Its blocking work claims no more than it does.
            let expected = rustix::process::nice(0).unwrap_or(0)
                + if workers == Workers::Threads {
                    BEHIND
                } else {
                    0
                };
            assert_eq!(receiver.await, Ok(expected.min(19)));
            match worker {
                Ok(worker) => assert!(worker.ended().await),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
