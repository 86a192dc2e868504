//! Which leaves of a part of the state were written since its tree last saw them.

/// A set of leaf indices: adding costs nothing for a member, emptying it what was added.
#[derive(Clone, Default)]
pub(crate) struct Dirty {
    member: Vec<bool>,
    list: Vec<u32>,
}

impl Dirty {
    /// Adds leaf `index`.
    #[inline(always)]
    pub fn add(&mut self, index: u32) {
        if index as usize >= self.member.len() {
            self.member.resize(index as usize + 1, false);
        }
        if !self.member[index as usize] {
            self.member[index as usize] = true;
            self.list.push(index);
        }
    }

    /// Empties the set; its members, ascending.
    pub fn take(&mut self) -> Vec<u32> {
        let mut list = std::mem::take(&mut self.list);
        list.sort_unstable();
        for &index in &list {
            self.member[index as usize] = false;
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_out_once_and_ascending() {
        let mut dirty = Dirty::default();
        for round in 0..2 {
            for index in [7, 2, 7, 900, 0, 2] {
                dirty.add(index);
            }
            assert_eq!(dirty.take(), [0, 2, 7, 900], "round {round}");
            assert!(dirty.take().is_empty());
        }
    }
}
