//! Sweeps: functions that a schedule invokes to finish what is overdue.

use crate::{
    FunctionContext,
    boot::{self, Failure},
    telemetry::InvocationContext,
};
use futures_util::{Stream, StreamExt, future::join_all, stream};
use lambda_runtime::Context;
use rialto_contracts::EventContext;
use rialto_kernel::{Clock, DueEntry, DueQueue, StoreError, Timestamp, Write};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::HashSet, fmt::Display, sync::Arc, time::Duration};

/// The payload of a sweep's invocation. The schedule's has no `now`; tests send one, as if that
/// were the time.
#[derive(Debug, Deserialize)]
struct Trigger {
    now: Option<Timestamp>,
}

/// One run of a sweep.
#[derive(Clone)]
pub struct SweepRun {
    /// Items that are due by this time are processed.
    pub now: Timestamp,
    ends_at: Timestamp,
    clock: Arc<dyn Clock>,
}

impl SweepRun {
    /// A run that ends at `ends_at` by `clock`.
    #[must_use]
    pub fn new(now: Timestamp, ends_at: Timestamp, clock: Arc<dyn Clock>) -> Self {
        Self { now, ends_at, clock }
    }

    fn of(clock: &Arc<dyn Clock>, payload: Value, context: &Context) -> Result<Self, Failure> {
        let clock = Arc::clone(clock);
        let started = clock.now();
        let now = Trigger::deserialize(payload)?.now.unwrap_or(started);
        Ok(Self::new(now, boot::deadline(context, started), clock))
    }

    /// The time that is left until Lambda ends the invocation.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        self.ends_at.since(self.clock.now())
    }

    /// The later of `now` and the clock's time: by it a deadline has passed that has for either.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        self.now.max(self.clock.now())
    }

    /// The time that pauses count from: the earlier of `now` and the clock's, so that a run with a
    /// later `now` doesn't hide for that long what stays open.
    #[must_use]
    pub fn pauses_from(&self) -> Timestamp {
        self.now.min(self.clock.now())
    }

    /// The context of the events that the sweep's writes publish.
    #[must_use]
    pub fn event_context(&self) -> EventContext {
        let traceparent = Some(InvocationContext::current().trace.traceparent());
        EventContext { traceparent, ..EventContext::default() }
    }
}

/// How a sweep works.
#[derive(Debug, Clone, Copy)]
pub struct SweepPolicy {
    /// Entries that are visited at the same time.
    pub concurrency: usize,
    /// The time that one visit may take: none is started with less left of the invocation.
    pub reserve: Duration,
    /// An entry that a visit didn't settle is due again after this time.
    pub retry_after: Duration,
}

/// The outcome of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// The item isn't due any more: it left the list, or got a later deadline.
    Settled,
    /// The item has to be visited again.
    Waiting,
    /// The item has to be visited again, by this time at the latest.
    WaitingUntil(Timestamp),
}

/// The result of a sweep, in entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SweepSummary {
    pub settled: usize,
    /// Postponed.
    pub waiting: usize,
    /// Neither: a write changed the item after it was listed.
    pub skipped: usize,
    /// Visits that failed. They are logged, and their entries postponed like those that wait.
    pub failed: usize,
}

/// Entries that are read from a shard at a time.
const PAGE_SIZE: usize = 100;

/// Visits every entry that is due, each once, as long as time is left. Shards take turns, so that
/// a shard with many entries doesn't keep others waiting. An entry that isn't settled is postponed:
/// the next run begins with others.
///
/// # Errors
/// [`StoreError`] if a shard couldn't be listed or an entry not postponed, after all others were
/// visited.
pub async fn visit_due<Q, V, F, E>(
    queue: &Q,
    run: &SweepRun,
    policy: &SweepPolicy,
    visit: V,
) -> Result<SweepSummary, StoreError>
where
    Q: DueQueue + Sync,
    Q::Id: Clone + Display + Send + Sync,
    V: Fn(Q::Id) -> F,
    F: Future<Output = Result<Visit, E>>,
    E: Display,
{
    let visit = &visit;
    let until = run.pauses_from().plus(policy.retry_after);
    // A postponed entry is still due in a run whose `now` is ahead of the clock.
    let mut visited = HashSet::new();
    let is_new = move |entry: &Result<DueEntry<Q::Id>, StoreError>| {
        std::future::ready(
            entry.as_ref().map_or(true, |entry| visited.insert(entry.id.to_string())),
        )
    };
    let outcomes = due_entries(queue, run.now)
        .filter(is_new)
        .take_while(|_| std::future::ready(run.time_left() >= policy.reserve))
        .map(|entry| async move {
            let entry = entry?;
            let wait = async |until| {
                Ok(match queue.postpone(&entry, until).await? {
                    Write::Done => Outcome::Waiting,
                    Write::Conflict(()) => Outcome::Skipped,
                })
            };
            Ok(match visit(entry.id.clone()).await {
                Ok(Visit::Settled) => Outcome::Settled,
                Ok(Visit::Waiting) => wait(until).await?,
                Ok(Visit::WaitingUntil(latest)) => wait(until.min(latest)).await?,
                Err(error) => {
                    tracing::error!(id = %entry.id, %error, "not settled; a later sweep retries");
                    match queue.postpone(&entry, until).await? {
                        Write::Done | Write::Conflict(()) => Outcome::Failed,
                    }
                }
            })
        })
        .buffer_unordered(policy.concurrency);
    let count = |(mut summary, result): (SweepSummary, Result<(), StoreError>), outcome| {
        let result = match outcome {
            Ok(outcome) => {
                summary.count(outcome);
                result
            }
            Err(error) => result.and(Err(error)),
        };
        std::future::ready((summary, result))
    };
    let (summary, result) = outcomes.fold((SweepSummary::default(), Ok(())), count).await;
    result.map(|()| summary)
}

enum Outcome {
    Settled,
    Waiting,
    Skipped,
    Failed,
}

impl SweepSummary {
    fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Settled => &mut self.settled,
            Outcome::Waiting => &mut self.waiting,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Failed => &mut self.failed,
        };
        *counter += 1;
    }
}

/// The due entries of all shards, one of each shard in turn.
pub fn due_entries<Q>(
    queue: &Q,
    now: Timestamp,
) -> impl Stream<Item = Result<DueEntry<Q::Id>, StoreError>>
where
    Q: DueQueue + Sync,
    Q::Id: Clone + Send + Sync,
{
    let shards: Vec<_> = (0..Q::SHARDS).map(|shard| (shard, None)).collect();
    let rounds = stream::unfold(shards, move |shards| async move {
        if shards.is_empty() {
            return None;
        }
        let pages = shards.into_iter().map(|(shard, after)| async move {
            (shard, queue.due(shard, now, after.as_ref(), PAGE_SIZE).await)
        });
        let (mut round, mut remaining) = (Vec::new(), Vec::new());
        for (shard, page) in join_all(pages).await {
            match page {
                Ok(page) => {
                    if page.len() >= PAGE_SIZE {
                        remaining.push((shard, page.last().cloned()));
                    }
                    round.extend(page.into_iter().map(Ok).enumerate());
                }
                Err(error) => round.push((0, Err(error))),
            }
        }
        // Stable: by their place in the page, then by shard.
        round.sort_by_key(|(place, _)| *place);
        Some((stream::iter(round.into_iter().map(|(_, entry)| entry)), remaining))
    });
    rounds.flatten()
}

/// A handler that calls `sweep` with a clone of `state` for each run. What `sweep` returns is
/// logged and returned to the invoker.
pub fn handler<S, H, F>(app: &FunctionContext, state: S, sweep: H) -> boot::Handler
where
    S: Clone + Send + Sync + 'static,
    H: Fn(S, SweepRun) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    let clock = Arc::clone(&app.clock);
    Arc::new(move |payload, context| match SweepRun::of(&clock, payload, &context) {
        Ok(run) => Box::pin(sweep(state.clone(), run)),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::{
        collections::BTreeMap,
        sync::{
            Mutex,
            atomic::{AtomicI64, Ordering},
        },
    };

    struct FixedClock(Timestamp);

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    fn run(payload: Value) -> Result<SweepRun, Failure> {
        let now = Timestamp::parse("2026-11-21T09:30:00.000Z")?;
        let mut context = Context::default();
        context.deadline = u64::try_from(now.millis())? + 10_000;
        let clock: Arc<dyn Clock> = Arc::new(FixedClock(now));
        SweepRun::of(&clock, payload, &context)
    }

    /// Entries by shard and number, with their deadlines, and a shard that can't be listed.
    #[derive(Default)]
    struct Queue {
        entries: Mutex<BTreeMap<(u8, u32), Timestamp>>,
        unreadable: Mutex<Option<u8>>,
    }

    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    struct Id(u8, u32);

    impl Display for Id {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{}/{}", self.0, self.1)
        }
    }

    impl Queue {
        /// This many entries in each of these shards.
        fn of(counts: &[(u8, u32)]) -> Self {
            let entries = counts.iter().flat_map(|&(shard, count)| {
                (0..count).map(move |number| ((shard, number), Timestamp::from_millis(0)))
            });
            Self { entries: Mutex::new(entries.collect()), ..Self::default() }
        }

        fn settle(&self, id: &Id) {
            self.entries.lock().unwrap().remove(&(id.0, id.1));
        }

        fn left(&self) -> usize {
            self.entries.lock().unwrap().len()
        }
    }

    impl DueQueue for Queue {
        type Id = Id;
        const SHARDS: u8 = 8;

        async fn due(
            &self,
            shard: u8,
            now: Timestamp,
            after: Option<&DueEntry<Id>>,
            limit: usize,
        ) -> Result<Vec<DueEntry<Id>>, StoreError> {
            if *self.unreadable.lock().unwrap() == Some(shard) {
                return Err(StoreError::Unavailable("no answer".to_owned()));
            }
            let entries = self.entries.lock().unwrap();
            let mut due: Vec<_> = entries
                .iter()
                .filter(|((of, _), deadline)| *of == shard && **deadline <= now)
                .map(|((of, number), deadline)| DueEntry {
                    deadline: *deadline,
                    id: Id(*of, *number),
                })
                .filter(|entry| after.is_none_or(|after| entry > after))
                .collect();
            due.sort();
            due.truncate(limit);
            Ok(due)
        }

        async fn postpone(
            &self,
            entry: &DueEntry<Id>,
            until: Timestamp,
        ) -> Result<Write, StoreError> {
            let mut entries = self.entries.lock().unwrap();
            match entries.get_mut(&(entry.id.0, entry.id.1)) {
                Some(deadline) if *deadline == entry.deadline => {
                    *deadline = until;
                    Ok(Write::Done)
                }
                _ => Ok(Write::Conflict(())),
            }
        }
    }

    /// A clock that a visit moves by a second.
    #[derive(Default)]
    struct VisitClock(AtomicI64);

    impl Clock for VisitClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed) * 1_000)
        }
    }

    const POLICY: SweepPolicy = SweepPolicy {
        concurrency: 10,
        reserve: Duration::from_secs(10),
        retry_after: Duration::from_secs(300),
    };

    /// Visits for `seconds`, a second each; `settles` says which ids are settled.
    async fn sweep(
        queue: &Queue,
        at: i64,
        seconds: u64,
        settles: impl Fn(&Id) -> Result<bool, &'static str>,
    ) -> (Result<SweepSummary, StoreError>, Vec<Id>) {
        let (clock, visited) = (Arc::new(VisitClock::default()), Mutex::new(Vec::new()));
        let ends_at = clock.now().plus(Duration::from_secs(seconds));
        let run = SweepRun::new(Timestamp::from_millis(at * 1_000), ends_at, clock.clone());
        let visit = async |id: Id| {
            clock.0.fetch_add(1, Ordering::Relaxed);
            visited.lock().unwrap().push(id.clone());
            tokio::task::yield_now().await;
            if settles(&id)? {
                queue.settle(&id);
                return Ok(Visit::Settled);
            }
            Ok::<_, &'static str>(Visit::Waiting)
        };
        let swept = visit_due(queue, &run, &POLICY, visit).await;
        (swept, visited.into_inner().unwrap())
    }

    fn summary(settled: usize, waiting: usize, failed: usize) -> SweepSummary {
        SweepSummary { settled, waiting, failed, skipped: 0 }
    }

    #[tokio::test]
    async fn a_sweep_visits_each_entry_of_every_shard() {
        let queue = Queue::of(&[(0, 10_000), (7, 1)]);
        let (swept, visited) = sweep(&queue, 1, 100_000, |_| Ok(true)).await;
        assert_eq!((swept.unwrap(), queue.left()), (summary(10_001, 0, 0), 0));
        // The second shard's entry isn't kept waiting by the first one's.
        assert!(visited[..2].contains(&Id(7, 0)), "{:?}", &visited[..2]);
    }

    #[tokio::test]
    async fn a_sweep_starts_no_visit_without_time_left() {
        let queue = Queue::of(&[(0, 100), (7, 100)]);
        let (swept, visited) = sweep(&queue, 1, 30, |_| Ok(true)).await;
        // 30 seconds without the reserve; the visits begun by then are finished.
        let settled = swept.unwrap().settled;
        assert!((21..=30).contains(&settled), "{settled}");
        assert_eq!(queue.left(), 200 - visited.len());
        let of_seven = visited.iter().filter(|id| id.0 == 7).count();
        assert!(visited.len().abs_diff(2 * of_seven) <= 1, "{visited:?}");
        let (swept, visited) = sweep(&queue, 1, 9, |_| Ok(true)).await;
        assert_eq!((swept.unwrap(), visited), (summary(0, 0, 0), vec![]));
    }

    #[tokio::test]
    async fn unsettled_entries_come_after_the_others() {
        let queue = Queue::of(&[(3, 45)]);
        // The first 30 never settle, and a run has the time for 20 to 30 visits.
        let settles = |id: &Id| match id.1 {
            0..15 => Ok(false),
            15..30 => Err("unreadable"),
            _ => Ok(true),
        };
        let mut settled = 0;
        for minute in 0..3 {
            settled += sweep(&queue, minute * 60, 30, settles).await.0.unwrap().settled;
        }
        assert_eq!((settled, queue.left()), (15, 30));
        let (swept, visited) = sweep(&queue, 299, 100, settles).await;
        assert_eq!((swept.unwrap(), visited), (summary(0, 0, 0), vec![]), "postponed");
        let (swept, _) = sweep(&queue, 600, 100, settles).await;
        assert_eq!(swept.unwrap(), summary(0, 15, 15));
    }

    #[tokio::test]
    async fn a_run_ahead_of_the_clock_pauses_by_the_clock() {
        let queue = Queue::of(&[(3, 250)]);
        let (swept, visited) = sweep(&queue, 86_400, 1_000, |_| Ok(false)).await;
        assert_eq!((swept.unwrap(), visited.len()), (summary(0, 250, 0), 250));
        let (swept, visited) = sweep(&queue, 299, 1_000, |_| Ok(false)).await;
        assert_eq!((swept.unwrap(), visited), (summary(0, 0, 0), vec![]), "postponed");
        let (swept, _) = sweep(&queue, 300, 1_000, |_| Ok(true)).await;
        assert_eq!((swept.unwrap(), queue.left()), (summary(250, 0, 0), 0));
    }

    #[tokio::test]
    async fn an_entry_that_another_write_settled_is_skipped() {
        let queue = Queue::of(&[(3, 2)]);
        let settled_by_another = |id: &Id| {
            queue.settle(id);
            Ok(false)
        };
        let (swept, _) = sweep(&queue, 1, 100, settled_by_another).await;
        assert_eq!(swept.unwrap(), SweepSummary { skipped: 2, ..summary(0, 0, 0) });
    }

    #[tokio::test]
    async fn an_unlisted_shard_fails_the_sweep_after_the_others() {
        let queue = Queue::of(&[(0, 250), (7, 5)]);
        *queue.unreadable.lock().unwrap() = Some(4);
        let (swept, visited) = sweep(&queue, 1, 1_000, |_| Ok(true)).await;
        assert_eq!(swept, Err(StoreError::Unavailable("no answer".to_owned())));
        assert_eq!((visited.len(), queue.left()), (255, 0));
    }

    #[test]
    fn a_sweep_goes_by_the_clock_or_the_time_in_its_payload() {
        let scheduled = run(json!({ "source": "aws.events" })).unwrap();
        assert_eq!(scheduled.now.to_string(), "2026-11-21T09:30:00.000Z");
        let later = run(json!({ "now": "2026-11-22T09:30:00.000Z" })).unwrap();
        assert_eq!(later.now.to_string(), "2026-11-22T09:30:00.000Z");
        assert_eq!(later.time_left(), Duration::from_secs(10));
        assert!(run(json!({ "now": "tomorrow" })).is_err());
    }
}
