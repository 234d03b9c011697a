//! zstd with states that are kept: made anew for each mail, they would cost more than the work itself.

use std::cell::RefCell;

/// Octets of a text that is compressed for speed. Most messages are as small, and they are little of what is kept; large
/// ones are mostly attachments, which the quick level would leave as they are.
const SMALL: usize = 32 << 10;
/// The level of small texts: it codes no single letters, and so takes half the time to pack and a third to unpack.
const QUICK: i32 = -1;

thread_local! {
    static COMPRESSORS: RefCell<Vec<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(Vec::new()) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The reverse of [`compress`], into at most `size` bytes; `None` when it does not decompress.
pub(crate) fn decompress(text: &[u8], size: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Decompressor::new().ok();
        }
        slot.as_mut()?.decompress(text, size).ok()
    })
}

/// Adds `raw` to `record`, compressed at `level` (small texts quicker); `false` when it is kept as it is since it did not
/// shrink.
pub(crate) fn compress(raw: &[u8], level: i32, record: &mut Vec<u8>) -> bool {
    let level = if raw.len() <= SMALL {
        level.min(QUICK)
    } else {
        level
    };
    match pack(raw, level) {
        Some(packed) if packed.len() < raw.len() => {
            record.extend_from_slice(&packed);
            true
        }
        _ => {
            record.extend_from_slice(raw);
            false
        }
    }
}

fn pack(raw: &[u8], level: i32) -> Option<Vec<u8>> {
    COMPRESSORS.with_borrow_mut(|kept| {
        // At most one for each level that is set, and the quick one.
        if !kept.iter().any(|(have, _)| *have == level) {
            kept.push((level, zstd::bulk::Compressor::new(level).ok()?));
        }
        let (_, zstd) = kept.iter_mut().find(|(have, _)| *have == level)?;
        zstd.compress(raw).ok()
    })
}
