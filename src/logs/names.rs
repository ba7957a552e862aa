//! The names of the files, in bounded memory: there may be millions.

use super::spool::Spool;
use crate::error::Result;

/// One file or object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Which of the places it is of.
    pub(super) source: u16,
    /// Its path, or its key.
    pub(super) bytes: Vec<u8>,
    /// Its size as it lies.
    pub(super) size: u64,
}

/// All of them. What stays in memory is 16 bytes for each.
#[derive(Debug)]
pub(super) struct Names {
    spool: Spool,
    /// The minute in the name, and where the rest is.
    index: Vec<(u64, u64)>,
    bytes: u64,
}

impl Names {
    pub(super) fn new(limit: usize) -> Self {
        Self { spool: Spool::new(limit), index: Vec::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, source: u16, name: &[u8], size: u64) -> Result<()> {
        let at = self.spool.append(|bytes| {
            bytes.extend(source.to_be_bytes());
            bytes.extend(size.to_be_bytes());
            bytes.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(name);
        })?;
        self.index.push((minute(name), at));
        self.bytes += size;
        Ok(())
    }

    /// By the time in the name, since what was made is used afterwards; names without one come last, as they are.
    pub(super) fn sort(&mut self) {
        self.index.sort_unstable();
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// The size of all.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, order: usize) -> Option<Name> {
        let (_, at) = *self.index.get(order)?;
        let mut bytes = Vec::new();
        self.spool.read(at, 14, &mut bytes).ok()?;
        let (source, rest) = bytes.split_at_checked(2)?;
        let (size, length) = rest.split_at_checked(8)?;
        let source = u16::from_be_bytes(source.try_into().ok()?);
        let size = u64::from_be_bytes(size.try_into().ok()?);
        let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
        self.spool.read(at + 14, length, &mut bytes).ok()?;
        Some(Name { source, bytes, size })
    }
}

/// The minute in a delivered file's name, `…_20261121T0140Z_…`, as a number that sorts as it does.
fn minute(name: &[u8]) -> u64 {
    let mut found = u64::MAX;
    for window in name.windows(14) {
        if let [digits @ .., b'Z'] = window
            && let [day @ .., b'T', _, _, _, _] = digits
            && day.len() == 8
        {
            let text: Vec<u8> = digits.iter().copied().filter(|byte| *byte != b'T').collect();
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            found = number.unwrap_or(found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_their_times() {
        let mut names = Names::new(10);
        for name in ["z", "b/1_20261121T0150Z_x.gz", "c/1_20261121T0140Z_x.gz", "a", "20261199T01Z"]
        {
            names.push(3, name.as_bytes(), 7).unwrap();
        }
        names.sort();
        let read: Vec<_> =
            (0..5).map(|n| String::from_utf8(names.get(n).unwrap().bytes).unwrap()).collect();
        assert_eq!(
            read,
            ["c/1_20261121T0140Z_x.gz", "b/1_20261121T0150Z_x.gz", "z", "a", "20261199T01Z"]
        );
        assert_eq!((names.bytes(), names.len(), names.get(5)), (35, 5, None));
        assert_eq!(names.get(0).unwrap().source, 3);
    }
}
