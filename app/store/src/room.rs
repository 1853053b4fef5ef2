//! How much room must be left on the disk for what.
//!
//! sled does not take a full disk well, so writes are refused before it is full. What brings new work is refused first,
//! so that work that was taken can end, and pruning last, since it makes room.

use gatewright_core::store::StoreError;

const MIB: u64 = 1024 * 1024;

/// So much room is left for what runs already, unless [`Options`](crate::Options) say otherwise: sled grows its log in
/// steps of 8 MiB, and logs and journals go on growing after new work was refused.
pub(crate) const RESERVE_BYTES: u64 = 64 * MIB;

/// Running work may use all but this part of the reserve.
const LEFT_BY_WORK: u64 = 4;

/// Pruning may use all but this part of the reserve.
const LEFT_BY_PRUNING: u64 = 8;

/// A byte that is written can cost so many: sled writes a whole leaf anew every tenth time that it changes.
const GROWTH: u64 = 4;

/// What a write is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It brings new work.
    Intake,
    /// It is part of work that was taken.
    Work,
    /// It makes room.
    Prune,
    /// It writes nothing.
    Memory,
}

/// What must stay free.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserve {
    /// After what brings new work.
    pub(crate) bytes: u64,
}

impl Reserve {
    /// Refuses a write of so many bytes where too little room would be left.
    pub(crate) fn check(self, purpose: Purpose, bytes: usize, free: u64) -> Result<(), StoreError> {
        let left = match purpose {
            Purpose::Intake => self.bytes,
            Purpose::Work => self.bytes / LEFT_BY_WORK,
            Purpose::Prune => self.bytes / LEFT_BY_PRUNING,
            Purpose::Memory => return Ok(()),
        };
        if left == 0 {
            return Ok(());
        }
        let need = left.saturating_add((bytes as u64).saturating_mul(GROWTH));
        if free < need {
            return Err(StoreError::Full(format!("{} MiB are free and {} MiB must be", free / MIB, need.div_ceil(MIB))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_work_is_refused_before_running_work_and_that_before_pruning() {
        let reserve = Reserve { bytes: RESERVE_BYTES };
        let passes =
            |free| [Purpose::Intake, Purpose::Work, Purpose::Prune].map(|purpose| reserve.check(purpose, 1000, free).is_ok());
        assert_eq!(passes(65 * MIB), [true, true, true]);
        assert_eq!(passes(64 * MIB), [false, true, true]);
        assert_eq!(passes(16 * MIB), [false, false, true]);
        assert_eq!(passes(8 * MIB), [false, false, false]);
        assert_eq!(reserve.check(Purpose::Memory, 0, 0), Ok(()));
    }
}
