//! An errand: a few system calls and stores that a thread of another process does in
//! passing.
//!
//! It is machine code that has all of its operands in it. It uses neither the stack nor
//! the flags, and it ends with putting back every register that it used and with a jump
//! to where the thread was. So once a thread is sent on it, which is one request to the
//! kernel, the thread needs nobody to come home: whoever sent it may be killed.

use crate::exact::registers::Registers;

/// An operand of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// This number.
    Is(u64),
    /// The result that [`Errand::keep`] kept.
    Kept,
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Value::Is(number)
    }
}

/// A general register by its number in machine code (Intel SDM, volume 2, table 3-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Register(u8);

const RAX: Register = Register(0);
const RCX: Register = Register(1);
const RDX: Register = Register(2);
const RBX: Register = Register(3);
const RSI: Register = Register(6);
const RDI: Register = Register(7);
const R8: Register = Register(8);
const R9: Register = Register(9);
const R10: Register = Register(10);
const R11: Register = Register(11);

/// Where system calls have their arguments (System V ABI for x86-64, A.2.1).
const ARGUMENTS: [Register; 6] = [RDI, RSI, RDX, R10, R8, R9];

/// What a thread is to do, as machine code.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errand {
    code: Vec<u8>,
}

impl Errand {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A system call.
    pub(crate) fn call(mut self, number: i64, arguments: &[Value]) -> Self {
        for (&register, &argument) in ARGUMENTS.iter().zip(arguments) {
            match argument {
                Value::Is(number) => self.set(register, number),
                Value::Kept => self.copy(register, RBX),
            }
        }
        self.set(RAX, number as u64);
        self.code.extend([0x0f, 0x05]);
        self
    }

    /// Keeps the result of the last call for [`Value::Kept`].
    pub(crate) fn keep(mut self) -> Self {
        self.copy(RBX, RAX);
        self
    }

    /// Writes the result of the last call to memory.
    pub(crate) fn note(mut self, address: u64) -> Self {
        self.code.extend([0x48, 0xa3]);
        self.code.extend(address.to_le_bytes());
        self
    }

    /// Writes a word in one piece: aligned, so that nobody ever sees half of it.
    pub(crate) fn store(mut self, address: u64, value: u64) -> Self {
        debug_assert!(address.is_multiple_of(8));
        self.set(RAX, value);
        self.note(address)
    }

    /// The machine code, for a thread that is to go on with these registers.
    pub(crate) fn back_to(mut self, home: &Registers) -> Vec<u8> {
        let used = [
            (RAX, home.0.rax),
            (RBX, home.0.rbx),
            (RCX, home.0.rcx),
            (RDX, home.0.rdx),
            (RSI, home.0.rsi),
            (RDI, home.0.rdi),
            (R8, home.0.r8),
            (R9, home.0.r9),
            (R10, home.0.r10),
            (R11, home.0.r11),
        ];
        for (register, value) in used {
            self.set(register, value);
        }
        // jmp *0(%rip), and the address that it reads.
        self.code.extend([0xff, 0x25, 0, 0, 0, 0]);
        self.code.extend(home.0.rip.to_le_bytes());
        self.code
    }

    /// How many bytes the machine code has at most.
    pub(crate) fn size(&self) -> usize {
        self.code.len() + 10 * 10 + 14
    }

    fn set(&mut self, Register(number): Register, value: u64) {
        let (high, low) = (number >> 3, number & 7);
        match u32::try_from(value) {
            // Writing the low half clears the high one.
            Ok(value) => {
                self.code.extend((high == 1).then_some(0x41));
                self.code.push(0xb8 + low);
                self.code.extend(value.to_le_bytes());
            }
            Err(_) => {
                self.code.extend([0x48 + high, 0xb8 + low]);
                self.code.extend(value.to_le_bytes());
            }
        }
    }

    fn copy(&mut self, Register(to): Register, Register(from): Register) {
        let rex = 0x48 | (from >> 3) << 2 | to >> 3;
        let operands = 0xc0 | (from & 7) << 3 | to & 7;
        self.code.extend([rex, 0x89, operands]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_code_is_what_an_assembler_makes_of_it() {
        let errand = Errand::new()
            .call(9, &[0x1122_3344_5566.into(), 7.into(), Value::Kept])
            .keep()
            .call(
                3,
                &[
                    1.into(),
                    2.into(),
                    3.into(),
                    4.into(),
                    Value::Kept,
                    6.into(),
                ],
            )
            .note(0x7777);
        let expected = [
            "48 bf 66 55 44 33 22 11 00 00", // movabs $0x112233445566,%rdi
            "be 07 00 00 00",                // mov $7,%esi
            "48 89 da",                      // mov %rbx,%rdx
            "b8 09 00 00 00 0f 05",          // mov $9,%eax; syscall
            "48 89 c3",                      // mov %rax,%rbx
            "bf 01 00 00 00 be 02 00 00 00 ba 03 00 00 00",
            "41 ba 04 00 00 00",    // mov $4,%r10d
            "49 89 d8",             // mov %rbx,%r8
            "41 b9 06 00 00 00",    // mov $6,%r9d
            "b8 03 00 00 00 0f 05", // mov $3,%eax; syscall
            "48 a3 77 77 00 00 00 00 00 00",
        ];
        let expected = expected.join(" ");
        let found: Vec<String> = errand.code.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn the_way_back_is_no_longer_than_promised() {
        let mut home = Registers::default();
        for register in [&mut home.0.rax, &mut home.0.rip, &mut home.0.r11] {
            *register = u64::MAX;
        }
        let errand = Errand::new().call(39, &[]);
        let promised = errand.size();
        assert!(errand.back_to(&home).len() <= promised);
    }
}
