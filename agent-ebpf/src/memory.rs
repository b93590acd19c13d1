//! The areas of a process's memory: which of them an address is in.
//!
//! The kernel's trees are walked without their lock, for faults are told with interrupts off, where no lock
//! may be waited for. Where another thread changes the tree meanwhile, nothing may be found, or an area
//! that the address is not in, which is noticed.

use crate::kernel::{global, member, read, value};

/// Levels of a maple tree that are gone down; five hold more areas than the kernel permits.
const MAPLE_LEVELS: usize = 6;
/// What is below `MAPLE_NODE_MASK`: a node's address has its type in its lower bits.
const NODE_MASK: u64 = 0xff;
/// `maple_leaf_64` and `maple_arange_64` of the kernel.
const LEAF: u64 = 1;
const ARANGE: u64 = 3;
/// Bounds in a node: `MAPLE_RANGE64_SLOTS - 1`; `maple_arange_64` has fewer, in the same place.
const PIVOTS: usize = 15;
const POSITIVE: u64 = u64::MAX >> 1;
/// Levels of a red-black tree that are gone down.
const RB_LEVELS: usize = 40;

/// The `struct vm_area_struct` that an address is in.
#[inline(always)]
pub(crate) fn area_at(mm: u64, address: u64) -> Option<u64> {
    let area = match member!(mm, mm_maple_root => u64) {
        Some(root) => in_maple_tree(root, address)?,
        None => in_rb_tree(member!(mm, mm_rb_root => u64)?, address)?,
    };
    let (start, end) = (
        member!(area, vma_start => u64)?,
        member!(area, vma_end => u64)?,
    );
    (start <= address && address < end).then_some(area)
}

/// As `mtree_range_walk` of the kernel's `lib/maple_tree.c` does. Without a branch for a bound: the
/// verifier would look at each way through all of them.
#[inline(always)]
fn in_maple_tree(root: u64, address: u64) -> Option<u64> {
    let mut entry = root;
    for _ in 0..MAPLE_LEVELS {
        let node = entry & !NODE_MASK;
        let kind = (entry >> 3) & 0xf;
        // Bounds rise, and are zero after the last one; what follows them are the kernel's addresses.
        // So all that is below the address, less one, is a bound: zero becomes the greatest number.
        let bounds: [u64; PIVOTS] = value!(node, maple_range_pivots => [u64; PIVOTS]);
        let mut slot = 0_u64;
        for bound in bounds {
            let bound = bound.wrapping_sub(1) & POSITIVE;
            slot += bound.wrapping_sub(address.wrapping_sub(1)) >> 63;
        }
        let slots = if kind == ARANGE {
            global!(OFFSETS.maple_arange_slots)
        } else {
            global!(OFFSETS.maple_range_slots)
        };
        entry = read::<u64>(node + 8 * slot, slots)?;
        if kind <= LEAF {
            return Some(entry);
        }
    }
    None
}

#[inline(always)]
fn in_rb_tree(root: u64, address: u64) -> Option<u64> {
    let mut node = root;
    for _ in 0..RB_LEVELS {
        let area = node.wrapping_sub(u64::from(global!(OFFSETS.vma_rb)));
        // Ends at the node that is none: nothing can be read there.
        let end = member!(area, vma_end => u64)?;
        node = if address >= end {
            member!(node, rb_right => u64)?
        } else if address < member!(area, vma_start => u64)? {
            member!(node, rb_left => u64)?
        } else {
            return Some(area);
        };
        if node == 0 {
            return None;
        }
    }
    None
}
