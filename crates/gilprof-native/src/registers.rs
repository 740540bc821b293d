//! What of a thread's registers a stack is unwound from.

use framehop::UnwindRegsNative;

/// What of a thread's registers a stack is unwound from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// The program counter.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer; 0 where not known.
    pub fp: u64,
    /// The link register, where there is one; 0 where not known.
    pub lr: u64,
}

impl Registers {
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn unwound_from(self) -> UnwindRegsNative {
        UnwindRegsNative::new(self.pc, self.sp, self.fp)
    }

    #[cfg(target_arch = "aarch64")]
    pub(crate) fn unwound_from(self) -> UnwindRegsNative {
        UnwindRegsNative::new(self.lr, self.sp, self.fp)
    }

    /// The numbers of these registers in a sample of the kernel's
    /// (`asm/perf_regs.h`): program counter, stack pointer, frame pointer, link
    /// register.
    #[cfg(target_arch = "x86_64")]
    pub(crate) const NUMBERS: [Option<u32>; 4] = [Some(8), Some(7), Some(6), None];
    #[cfg(target_arch = "aarch64")]
    pub(crate) const NUMBERS: [Option<u32>; 4] = [Some(32), Some(31), Some(29), Some(30)];

    /// The mask by which a sample is asked for them.
    pub(crate) fn mask() -> u64 {
        let numbers = Self::NUMBERS.into_iter().flatten();
        numbers.fold(0, |mask, number| mask | 1 << number)
    }

    /// From the values in a sample with this mask, which are in the order of the
    /// numbers.
    pub(crate) fn sampled(mask: u64, values: &[u64]) -> Option<Self> {
        let value = |number: Option<u32>| {
            let number = number?;
            let before = (mask & ((1 << number) - 1)).count_ones();
            let there = mask >> number & 1 == 1;
            there.then(|| values.get(before as usize).copied())?
        };
        let [pc, sp, fp, lr] = Self::NUMBERS;
        Some(Registers {
            pc: value(pc)?,
            sp: value(sp)?,
            fp: value(fp).unwrap_or(0),
            lr: value(lr).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_numbers() {
        let mask = Registers::mask() | 1;
        let numbers = (0..64).filter(|number| mask >> number & 1 == 1);
        let values: Vec<u64> = numbers.map(|number| number * 10).collect();
        let registers = Registers::sampled(mask, &values).unwrap();
        let found = [registers.pc, registers.sp, registers.fp, registers.lr];
        let expected = Registers::NUMBERS.map(|number| number.map_or(0, |n| u64::from(n) * 10));
        assert_eq!(found, expected);
        assert_eq!(Registers::sampled(1, &[0]), None);
    }
}
