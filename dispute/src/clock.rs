//! The chess clock of one game, in `block.timestamp` seconds.
//!
//! Mirrors the clock words of `contracts/src/dispute/DisputeGame.sol`: only the side to move burns time, and
//! `elapsed >= allowance` ends the game.

use crate::game::Side;

/// Seconds since the epoch, as `block.timestamp` counts them.
pub type Timestamp = u64;

/// Seconds by which a chain's newest block may lag behind the wall clock and still go by it.
const DRIFT: u64 = 300;

/// Timestamp of the next block after one at `head`, as far as the wall clock tells. A chain that is far off keeps its own
/// time (development chains do).
pub fn next_block_time(head: Timestamp, wall: Timestamp) -> Timestamp {
    if wall > head + DRIFT {
        head + 1
    } else {
        wall.max(head + 1)
    }
}

/// What both players have burnt so far, and since when the side to move is burning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    allowance: u64,
    burnt: [u64; 2],
    since: Timestamp,
}

impl Clock {
    /// A clock started at `now` that gives each side `allowance` seconds in total.
    pub fn start(allowance: u64, now: Timestamp) -> Clock {
        Clock {
            allowance,
            burnt: [0, 0],
            since: now,
        }
    }

    /// Seconds that `side` has burnt at `now`, given whose move it is.
    pub fn elapsed(&self, side: Side, turn: Side, now: Timestamp) -> u64 {
        let running = if side == turn {
            now.saturating_sub(self.since)
        } else {
            0
        };
        self.burnt[side as usize].saturating_add(running)
    }

    /// Whether the side to move is out of time at `now`.
    pub fn expired(&self, turn: Side, now: Timestamp) -> bool {
        self.elapsed(turn, turn, now) >= self.allowance
    }

    /// First timestamp at which the side to move is out of time.
    pub fn deadline(&self, turn: Side) -> Timestamp {
        self.since
            .saturating_add(self.allowance.saturating_sub(self.burnt[turn as usize]))
    }

    /// Hands the move over at `now`: `turn`'s time is booked and the other's starts to run.
    pub fn press(&mut self, turn: Side, now: Timestamp) {
        self.burnt[turn as usize] = self.elapsed(turn, turn, now);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_block_goes_by_the_wall_clock_unless_the_chain_does_not() {
        assert_eq!(next_block_time(100, 100), 101);
        assert_eq!(next_block_time(100, 90), 101);
        assert_eq!(next_block_time(100, 130), 130);
        assert_eq!(next_block_time(100, 100_000), 101);
    }

    #[test]
    fn only_the_side_to_move_burns_time() {
        let mut clock = Clock::start(10, 100);
        assert_eq!(clock.elapsed(Side::Executor, Side::Challenger, 109), 0);
        assert!(!clock.expired(Side::Challenger, 109));
        assert!(clock.expired(Side::Challenger, 110));
        clock.press(Side::Challenger, 104);
        assert_eq!(clock.elapsed(Side::Challenger, Side::Executor, 113), 4);
        assert_eq!(clock.deadline(Side::Executor), 114);
        clock.press(Side::Executor, 113);
        assert_eq!(clock.deadline(Side::Challenger), 119);
        assert!(clock.expired(Side::Challenger, 119) && !clock.expired(Side::Challenger, 118));
    }
}
