//! Looks out for holds that last for long while others wait, and tells of them while they
//! last.
//!
//! A reader with a lookout wakes once in each limit at least. So it sees every hold before
//! that is as long as the limit, and from then on knows when it will be.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use gilprof_core::{Event, EventKind, Stall};
use gilprof_native::Native;
use gilprof_region::{Held, Holder, Region};

use crate::stacks::Stacks;

/// How long it is at most between two looks at a hold that was told or is to be.
const CLOSELY: Duration = Duration::from_millis(20);

/// What is done with a stall. On the reader's thread: it must not wait for anything.
pub(crate) type Tell = Box<dyn FnMut(&Stall) + Send>;

/// One who wants to be told of holds.
pub(crate) struct Lookout {
    limit: Duration,
    tell: Tell,
    given_up: Arc<AtomicBool>,
    told: Vec<Told>,
}

/// A hold that was told, and goes on or has its end still among the events.
struct Told {
    began_ns: u64,
    stall: Stall,
    /// Whether it was found to be over.
    is_gone: bool,
}

impl Lookout {
    pub(crate) fn new(limit: Duration, tell: Tell, given_up: Arc<AtomicBool>) -> Self {
        Lookout {
            limit,
            tell,
            given_up,
            told: Vec::new(),
        }
    }

    /// Whether nobody wants to be told any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Relaxed)
    }

    /// An event was read: it may be the end of a hold that was told.
    pub(crate) fn saw(&mut self, gil: u32, event: Event) {
        let ends = |told: &Told| {
            let of_it = told.stall.gil == gil && told.stall.thread == u64::from(event.thread);
            of_it && event.kind == EventKind::Release && event.time_ns >= told.began_ns
        };
        let Some(at) = self.told.iter().position(ends) else {
            return;
        };
        let Told {
            began_ns,
            mut stall,
            ..
        } = self.told.swap_remove(at);
        stall.held_ns = event.time_ns - began_ns;
        stall.is_over = true;
        (self.tell)(&stall);
    }

    /// Finds out whether holds that were told are over; true where events say when.
    pub(crate) fn notes_ends(&mut self, region: &Region) -> bool {
        // What no event has said since the last time, none will: it was lost.
        self.told.retain(|told| !told.is_gone);
        for told in &mut self.told {
            told.is_gone = match region.holder(told.stall.gil) {
                Holder::Held(held) => held.began_ns != told.began_ns,
                Holder::Nobody => true,
                Holder::Unclear => false,
            };
        }
        self.told.iter().any(|told| told.is_gone)
    }

    /// Tells of what holds for too long; says when to look again.
    pub(crate) fn look(
        &mut self,
        region: &Region,
        stacks: &mut Stacks,
        native: &mut Native,
    ) -> Duration {
        let closely = CLOSELY.min(self.limit / 4);
        let each = (0..region.gils()).map(|gil| {
            let held = match region.holder(gil) {
                Holder::Held(held) => held,
                Holder::Nobody => return self.limit,
                Holder::Unclear => return closely,
            };
            let now_ns = region.clock().now_ns();
            let held_ns = now_ns.saturating_sub(held.began_ns);
            let left = self.limit.saturating_sub(Duration::from_nanos(held_ns));
            if !left.is_zero() {
                return left;
            }
            let is_told = |told: &Told| told.stall.gil == gil && told.began_ns == held.began_ns;
            if held.waiters > 0 && !self.told.iter().any(is_told) {
                let stall = describe(region, stacks, native, gil, held, held_ns);
                (self.tell)(&stall);
                self.told.push(Told {
                    began_ns: held.began_ns,
                    stall,
                    is_gone: false,
                });
            }
            closely
        });
        each.min().unwrap_or(self.limit)
    }
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Lookout");
        shown.field("limit", &self.limit).finish_non_exhaustive()
    }
}

fn describe(
    region: &Region,
    stacks: &mut Stacks,
    native: &mut Native,
    gil: u32,
    held: Held,
    held_ns: u64,
) -> Stall {
    let (stack, functions) = match gil {
        0 => stacks.seen_in(region, native, held),
        _ => (Vec::new(), Vec::new()),
    };
    Stall {
        gil,
        thread: held.thread.into(),
        native_id: region.native_id(held.thread),
        name: region.name(held.thread).unwrap_or_default(),
        held_ns,
        waiters: held.waiters,
        is_over: false,
        stack,
        native: functions,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use gilprof_region::{Cursor, Next, Sizes, Slot, Writer};

    use super::*;
    use crate::engine::lock;

    /// One GIL and two threads; the clock of a region that nobody records into began long ago.
    struct Scene {
        region: Region,
        holder: Slot,
        waiter: Slot,
        lookout: Lookout,
        told: Arc<Mutex<Vec<Stall>>>,
        given_up: Arc<AtomicBool>,
        cursor: Cursor,
    }

    const LIMIT: Duration = Duration::from_millis(100);

    impl Scene {
        fn new() -> Self {
            let region = Region::private(Sizes::default()).unwrap();
            region.new_gil();
            let writer = Writer::new(&region, 0).unwrap();
            let [holder, waiter] = [1, 2].map(|id| writer.admit(id, 0).unwrap());
            region.thread(holder).unwrap().name().write("hog".bytes());
            let told = Arc::new(Mutex::new(Vec::new()));
            let given_up = Arc::new(AtomicBool::new(false));
            let kept = Arc::clone(&told);
            let tell = Box::new(move |stall: &Stall| lock(&kept).push(stall.clone()));
            let lookout = Lookout::new(LIMIT, tell, Arc::clone(&given_up));
            Scene {
                region,
                holder,
                waiter,
                lookout,
                told,
                given_up,
                cursor: Cursor::default(),
            }
        }

        fn writes(&self, work: impl FnOnce(&Writer<'_>)) {
            let writer = Writer::new(&self.region, 0).unwrap();
            writer.cell().enter();
            work(&writer);
            writer.cell().leave();
        }

        /// One thread holds since then, and the other waits for it.
        fn stalls(&self, began_ns: u64) {
            self.writes(|writer| {
                writer.acquire(self.holder, began_ns);
                writer.wait(self.waiter, began_ns + 1);
            });
        }

        fn turn(&mut self) -> Duration {
            if self.lookout.notes_ends(&self.region) {
                self.read();
            }
            let mut native = Native::new(std::process::id());
            let stacks = &mut Stacks::default();
            self.lookout.look(&self.region, stacks, &mut native)
        }

        fn read(&mut self) {
            let ring = self.region.ring(0).unwrap();
            while let Some(Next::Event(event)) = self.cursor.next(&ring, ring.posted()) {
                self.lookout.saw(0, event);
            }
        }

        fn told(&self) -> Vec<Stall> {
            lock(&self.told).clone()
        }

        fn now_ns(&self) -> u64 {
            self.region.clock().now_ns()
        }
    }

    #[test]
    fn a_long_hold_that_is_waited_for_is_told_once_and_when_it_ends() {
        let mut scene = Scene::new();
        let began_ns = scene.now_ns() - 2 * LIMIT.as_nanos() as u64;
        scene.stalls(began_ns);
        let closely = CLOSELY.min(LIMIT / 4);
        assert_eq!((scene.turn(), scene.turn()), (closely, closely));
        let [stall] = &scene.told()[..] else {
            panic!("{:?}", scene.told())
        };
        assert_eq!((stall.name.as_str(), stall.waiters), ("hog", 1));
        assert!(stall.held_ns >= 2 * LIMIT.as_nanos() as u64 && !stall.is_over);
        scene.writes(|writer| {
            writer.release(began_ns + 777_000_000);
        });
        scene.turn();
        let told = scene.told();
        assert_eq!(told.len(), 2);
        assert_eq!((told[1].held_ns, told[1].is_over), (777_000_000, true));
        assert!(scene.lookout.told.is_empty());
    }

    #[test]
    fn a_hold_that_nobody_waits_for_is_not_told_until_somebody_does() {
        let mut scene = Scene::new();
        let (holder, waiter) = (scene.holder, scene.waiter);
        scene.writes(|writer| {
            writer.acquire(holder, 0);
        });
        scene.turn();
        assert_eq!(scene.told(), []);
        let now_ns = scene.now_ns();
        scene.writes(|writer| {
            writer.wait(waiter, now_ns);
        });
        scene.turn();
        assert_eq!(scene.told().len(), 1);
    }

    #[test]
    fn one_looks_again_when_the_hold_will_have_lasted_for_long() {
        let mut scene = Scene::new();
        assert_eq!(scene.turn(), LIMIT);
        let (holder, now_ns) = (scene.holder, scene.now_ns());
        scene.writes(|writer| {
            writer.acquire(holder, now_ns + 5_000_000);
        });
        let next = scene.turn();
        assert_eq!((next, scene.told()), (LIMIT, Vec::new()));
        let mut scene = Scene::new();
        let half_ns = LIMIT.as_nanos() as u64 / 2;
        let (holder, now_ns) = (scene.holder, scene.now_ns());
        scene.writes(|writer| {
            writer.acquire(holder, now_ns - half_ns);
        });
        assert!(scene.turn() <= LIMIT / 2);
    }

    #[test]
    fn a_hold_whose_end_was_lost_is_forgotten() {
        let mut scene = Scene::new();
        scene.stalls(0);
        scene.turn();
        scene.writes(|writer| {
            writer.release(9);
        });
        let ring = scene.region.ring(0).unwrap();
        scene.cursor = Cursor::at(ring.posted());
        scene.turn();
        scene.turn();
        assert_eq!(scene.told().len(), 1);
        assert!(scene.lookout.told.is_empty());
    }

    #[test]
    fn a_hold_goes_on_while_another_threads_event_is_being_booked() {
        let mut scene = Scene::new();
        scene.stalls(0);
        scene.turn();
        // Its thread has lost its CPU in the middle of that.
        Writer::new(&scene.region, 0).unwrap().cell().enter();
        let closely = CLOSELY.min(LIMIT / 4);
        assert_eq!((scene.turn(), scene.turn()), (closely, closely));
        Writer::new(&scene.region, 0).unwrap().cell().leave();
        scene.turn();
        assert_eq!(scene.told().len(), 1);
        scene.writes(|writer| {
            writer.release(5);
        });
        scene.turn();
        assert!(scene.told()[1].is_over);
    }

    #[test]
    fn who_gives_up_is_known() {
        let scene = Scene::new();
        assert!(!scene.lookout.is_given_up());
        scene.given_up.store(true, Relaxed);
        assert!(scene.lookout.is_given_up());
    }
}
