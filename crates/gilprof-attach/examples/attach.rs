//! Who held the GIL of a running Python, and who waited: `attach PID [SECONDS]`.

use std::time::Duration;

use gilprof_attach::{Attached, Setup};
use gilprof_region::Cut;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let pid = arguments.next().ok_or("which process?")?.parse()?;
    let seconds = arguments.next().map_or(Ok(1), |seconds| seconds.parse())?;
    let attached = Attached::to(pid, &Setup::default())?;
    for _ in 0..seconds {
        std::thread::sleep(Duration::from_secs(1));
        attached.show_up();
    }
    let longest = attached.longest_pause();
    let region = attached.detach()?;
    let cut = Cut::take(&region, &region.clock(), region.stopped_ns());
    for thread in &cut.threads {
        eprintln!(
            "{}: {} ms holding, {} ms waiting, {} ms detached, {} takes",
            thread.name,
            thread.holding_ns / 1_000_000,
            thread.waiting_ns / 1_000_000,
            thread.detached_ns / 1_000_000,
            thread.acquisitions
        );
    }
    eprintln!("a thread stood still for {longest:?} at most");
    Ok(())
}
