//! Waiting being charged to holders.

use rustc_hash::FxHashMap;

use super::record::Record;

/// One waiter and one holder, by the numbers of their records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) waiter: u32,
    pub(crate) holder: u32,
    /// Charged by waits that have ended.
    pub(crate) closed_ns: u64,
    /// Charged by the wait that is open.
    pub(crate) open_ns: u64,
    /// Charged in the slice in progress.
    pub(crate) slice_ns: u64,
    pub(crate) waits: u64,
    pub(crate) longest_ns: u64,
}

/// Who waited for whom so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    index: FxHashMap<u64, u32>,
    pub(crate) cells: Vec<Cell>,
    free: Vec<u32>,
    /// Cells with something in the slice in progress.
    dirty: Vec<u32>,
}

impl Pairs {
    /// Charges `ns` of the open wait of `waiter` to `holder`.
    #[inline]
    pub(crate) fn charge(&mut self, records: &mut [Record], waiter: u32, holder: u32, ns: u64) {
        let at = match self.index.get(&key(waiter, holder)) {
            Some(&at) => at,
            None => self.insert(records, waiter, holder),
        };
        let cell = &mut self.cells[at as usize];
        if cell.open_ns == 0 {
            records[waiter as usize].touched.push(at);
        }
        if cell.slice_ns == 0 {
            self.dirty.push(at);
        }
        cell.open_ns += ns;
        cell.slice_ns += ns;
    }

    #[cold]
    fn insert(&mut self, records: &mut [Record], waiter: u32, holder: u32) -> u32 {
        let cell = Cell {
            waiter,
            holder,
            ..Cell::default()
        };
        let at = self.free.pop().unwrap_or_else(|| {
            self.cells.push(Cell::default());
            self.cells.len() as u32 - 1
        });
        self.cells[at as usize] = cell;
        self.index.insert(key(waiter, holder), at);
        self.enlist(records, at);
        at
    }

    fn enlist(&self, records: &mut [Record], at: u32) {
        let Cell { waiter, holder, .. } = self.cells[at as usize];
        records[waiter as usize].cells.push(at);
        if holder != waiter {
            records[holder as usize].cells.push(at);
        }
    }

    /// Ends the open wait that was charged to these cells; says how much it was.
    #[inline]
    pub(crate) fn close(&mut self, touched: &mut Vec<u32>) -> u64 {
        let mut charged = 0;
        for at in touched.drain(..) {
            let cell = &mut self.cells[at as usize];
            charged += cell.open_ns;
            cell.closed_ns += cell.open_ns;
            cell.longest_ns = cell.longest_ns.max(cell.open_ns);
            cell.waits += 1;
            cell.open_ns = 0;
        }
        charged
    }

    /// What was charged in the slice in progress, which ends: waiter, holder, ns.
    pub(crate) fn drain_slice(&mut self) -> impl Iterator<Item = (u32, u32, u64)> + '_ {
        let cells = &mut self.cells;
        self.dirty.drain(..).filter_map(|at| {
            let cell = &mut cells[at as usize];
            let ns = std::mem::take(&mut cell.slice_ns);
            (ns > 0).then_some((cell.waiter, cell.holder, ns))
        })
    }

    /// Gives what `from` waited and caused to `to`.
    pub(crate) fn fold(&mut self, records: &mut [Record], from: u32, to: u32) {
        for at in std::mem::take(&mut records[from as usize].cells) {
            self.rename(records, at, from, to);
        }
    }

    fn rename(&mut self, records: &mut [Record], at: u32, from: u32, to: u32) {
        let cell = std::mem::take(&mut self.cells[at as usize]);
        self.index.remove(&key(cell.waiter, cell.holder));
        let swap = |one| if one == from { to } else { one };
        let (waiter, holder) = (swap(cell.waiter), swap(cell.holder));
        for other in [cell.waiter, cell.holder] {
            records[other as usize].cells.retain(|&own| own != at);
        }
        let target = match self.index.get(&key(waiter, holder)) {
            Some(&target) => target,
            None => self.insert(records, waiter, holder),
        };
        self.pour(records, at, cell, target);
        self.free.push(at);
    }

    fn pour(&mut self, records: &mut [Record], at: u32, cell: Cell, target: u32) {
        let into = &mut self.cells[target as usize];
        into.closed_ns += cell.closed_ns;
        into.waits += cell.waits;
        into.longest_ns = into.longest_ns.max(cell.longest_ns);
        if cell.open_ns > 0 {
            let touched = &mut records[into.waiter as usize].touched;
            touched.retain(|&own| own != at);
            if into.open_ns == 0 {
                touched.push(target);
            }
            into.open_ns += cell.open_ns;
        }
        if cell.slice_ns > 0 {
            self.dirty.retain(|&own| own != at);
            if into.slice_ns == 0 {
                self.dirty.push(target);
            }
            into.slice_ns += cell.slice_ns;
        }
    }

    /// Cells that anything was ever charged to.
    pub(crate) fn used(&self) -> impl Iterator<Item = &Cell> {
        self.cells
            .iter()
            .filter(|cell| cell.closed_ns + cell.open_ns > 0)
    }
}

#[inline]
fn key(waiter: u32, holder: u32) -> u64 {
    u64::from(waiter) << 32 | u64::from(holder)
}
