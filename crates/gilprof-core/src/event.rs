//! One transition of one thread, 16 bytes on the ring.

use serde::{Deserialize, Serialize};

/// Flag of a [`EventKind::Release`]: a waiter had asked for the GIL before it.
pub const FLAG_REQUESTED: u8 = 1;
/// One transition of one thread, as the probe saw it under the GIL's own mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u64; 2]", into = "[u64; 2]")]
pub struct Event {
    /// Nanoseconds on the recording's own clock; for [`EventKind::SwitchWait`] a
    /// duration, for [`EventKind::Fold`] the id of a group row.
    pub time_ns: u64,
    /// Number of the thread, from 1, never reused within a recording.
    pub thread: u32,
    /// Slot of the thread in the region; reused after the thread has ended.
    pub slot: u16,
    /// What happened.
    pub kind: EventKind,
    /// Details of what happened: [`FLAG_REQUESTED`].
    pub flags: u8,
}

/// What happened to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// The thread begins to wait for the GIL.
    Wait = 1,
    /// The thread has the GIL from now on: after a [`EventKind::Wait`], or without
    /// one where the GIL was free or the wait began before the recording.
    Acquire = 2,
    /// The thread has given up the GIL; see [`FLAG_REQUESTED`].
    Release = 3,
    /// The thread's wait timed out and it asked the holder to let go.
    DropRequest = 4,
    /// `time_ns` is the duration this thread spent inside its release waiting for
    /// another thread to take the GIL. It lies at the start of the thread's last
    /// detached interval.
    SwitchWait = 5,
    /// The thread ended at `time_ns`, which may lie before events already seen where
    /// the thread was detached. It may end a wait that never gets the GIL: such a
    /// wait lasts until the latest event.
    ThreadEnd = 6,
    /// The row of this ended thread goes into the group row whose id is `time_ns`.
    Fold = 7,
    /// The GIL was created anew: nobody holds it, nobody waits.
    Reborn = 8,
    /// The thread was first seen, detached, from `time_ns` on.
    Begin = 9,
}

impl EventKind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Wait,
            2 => Self::Acquire,
            3 => Self::Release,
            4 => Self::DropRequest,
            5 => Self::SwitchWait,
            6 => Self::ThreadEnd,
            7 => Self::Fold,
            8 => Self::Reborn,
            9 => Self::Begin,
            _ => return None,
        })
    }
}

impl Event {
    /// The two words that stand for this event on the ring.
    #[inline]
    pub fn to_words(self) -> [u64; 2] {
        let rest = u64::from(self.kind as u8)
            | u64::from(self.flags) << 8
            | u64::from(self.slot) << 16
            | u64::from(self.thread) << 32;
        [self.time_ns, rest]
    }

    /// The event that two words of the ring stand for; `None` where they are not
    /// one.
    #[inline]
    pub fn from_words(words: [u64; 2]) -> Option<Self> {
        let [time_ns, rest] = words;
        let kind = EventKind::from_byte(rest as u8)?;
        Some(Self {
            time_ns,
            thread: (rest >> 32) as u32,
            slot: (rest >> 16) as u16,
            kind,
            flags: (rest >> 8) as u8,
        })
    }
}

impl From<Event> for [u64; 2] {
    fn from(event: Event) -> Self {
        event.to_words()
    }
}

impl TryFrom<[u64; 2]> for Event {
    type Error = String;

    fn try_from(words: [u64; 2]) -> Result<Self, String> {
        Self::from_words(words).ok_or_else(|| format!("{words:?} is no event"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_survives_the_ring() {
        for byte in 1..=9 {
            let event = Event {
                time_ns: u64::MAX - 3,
                thread: 0xdead_beef,
                slot: 0x1234,
                kind: EventKind::from_byte(byte).unwrap(),
                flags: FLAG_REQUESTED,
            };
            assert_eq!(event.kind as u8, byte);
            assert_eq!(Event::from_words(event.to_words()), Some(event));
        }
    }

    #[test]
    fn words_of_no_kind_are_no_event() {
        assert_eq!(Event::from_words([7, 0]), None);
        assert_eq!(Event::from_words([7, 10]), None);
    }

    #[test]
    fn an_event_takes_16_bytes() {
        assert_eq!(size_of::<Event>(), 16);
    }
}
