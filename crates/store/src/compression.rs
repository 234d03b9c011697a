//! zstd with states that are kept: made anew for each mail, they would cost more than the work itself.

use std::cell::RefCell;

thread_local! {
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
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

/// Adds `raw` to `record`, compressed; `false` when it is kept as it is since it did not shrink.
pub(crate) fn compress(raw: &[u8], level: i32, record: &mut Vec<u8>) -> bool {
    let packed = COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(have, _)| *have != level) {
            *slot = zstd::bulk::Compressor::new(level)
                .ok()
                .map(|new| (level, new));
        }
        slot.as_mut().and_then(|(_, zstd)| zstd.compress(raw).ok())
    });
    match packed {
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
