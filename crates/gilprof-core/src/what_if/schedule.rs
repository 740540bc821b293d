//! The recorded schedule: how many threads wanted a GIL for how long, and how much of
//! that needed a CPU.

use crate::demand::Demand;
use crate::gil::Gil;
use crate::profile::Profile;

/// What of a profile bounds from below how long its work takes. All times in ns.
pub(super) struct Schedule {
    /// How long it took.
    pub(super) wall: f64,
    gils: Vec<Wanted>,
    /// The part of the holding that needs a CPU, in 0.0..=1.0: it ran or was ready to.
    running: f64,
    /// Time in which threads needed a CPU, summed over them.
    cpu: f64,
    /// The most of one thread that is its own work, and cannot be done by others.
    busiest: f64,
}

/// One GIL.
struct Wanted {
    /// Time held by so many wanting it, its holder and the waiters.
    held: Vec<(f64, f64)>,
    /// Time in which nobody wanted it.
    idle: f64,
}

impl Schedule {
    /// Reads it from a profile; else the reason why that cannot be.
    pub(super) fn of(profile: &Profile) -> Result<Self, String> {
        let wall = profile.wall_ns() as f64;
        let gils = profile.gils().iter().map(|gil| Wanted::of(gil, wall));
        let gils: Vec<Wanted> = gils.collect::<Result<_, _>>()?;
        if gils.is_empty() {
            return Err("no GIL was seen".into());
        }
        if profile.is_without_gil() {
            return Err("it ran without a GIL".into());
        }
        let threads = profile.threads().iter();
        let (mut running, mut split, mut away) = (0.0, 0.0, 0.0);
        let mut busiest: f64 = 0.0;
        for thread in threads {
            let part = |ns: Option<u64>| ns.unwrap_or(0) as f64;
            let ready = part(thread.holding_cpu_ns) + part(thread.holding_preempted_ns);
            running += ready;
            split += ready + part(thread.holding_blocked_ns);
            away += part(thread.detached_cpu_ns);
            // A row of many threads is the work of many.
            if thread.members <= 1 {
                let own = thread.holding_ns as f64 + part(thread.detached_cpu_ns);
                busiest = busiest.max(own.min(wall));
            }
        }
        // Where nothing is known of it, all holding is taken to need a CPU.
        let running = if split > 0.0 { running / split } else { 1.0 };
        Ok(Self {
            wall,
            gils,
            running,
            cpu: profile.holding_ns() as f64 * running + away,
            busiest,
        })
    }

    /// The least time it takes where all who want a GIL run.
    pub(super) fn without_gil(&self, cpus: u32) -> f64 {
        let least = self.least(cpus, |wanting| wanting);
        least.max(self.busiest).min(self.wall)
    }

    /// The least time it takes where what is done with a GIL is divided.
    pub(super) fn as_processes(&self, processes: u32, cpus: u32) -> f64 {
        self.least(cpus, |_| processes.into()).min(self.wall)
    }

    /// The least time, where so many work at a time as `working` says of those that
    /// want a GIL.
    fn least(&self, cpus: u32, working: impl Fn(f64) -> f64) -> f64 {
        let cpus = f64::from(cpus);
        // A hold that is blocked needs no CPU.
        let share = |wanting: f64| (1.0 / working(wanting)).max(self.running / cpus);
        let gils = self.gils.iter().map(|gil| {
            let held = gil.held.iter().map(|&(wanting, ns)| ns * share(wanting));
            gil.idle + held.sum::<f64>()
        });
        gils.fold(self.cpu / cpus, f64::max)
    }
}

impl Wanted {
    fn of(gil: &Gil, wall: f64) -> Result<Self, String> {
        let Demand {
            held_ns,
            passing_ns,
        } = &gil.demand;
        let (seen, held) = (gil.demand.total_held_ns() as f64, gil.holding_ns as f64);
        if seen == 0.0 && held > 0.0 {
            return Err("it was not recorded how many threads wanted the GIL".into());
        }
        // What was lost with dropped events was like the rest.
        let scale = if seen > 0.0 { held / seen } else { 0.0 };
        let passing = *passing_ns as f64 * scale.max(1.0);
        let wanting = held_ns.iter().zip(1..).map(|(&ns, wanting)| {
            let wanting: u32 = wanting;
            (f64::from(wanting), ns as f64 * scale)
        });
        Ok(Self {
            held: wanting.collect(),
            idle: (wall - held - passing).max(0.0),
        })
    }
}
