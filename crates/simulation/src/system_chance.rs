//! The system's chance, from the seed.
//!
//! The standard library keys its hash maps, and tokio its choices, with bytes of the system's generator: so two runs of
//! one seed would differ in the order of things. This takes the place of `getrandom(2)`, in programs that link this
//! crate; threads that were not given a seed get the system's own bytes.
#![allow(unsafe_code, reason = "a function of the C library is replaced")]

use std::cell::Cell;

thread_local! {
    static STATE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on this thread's chance follows from `seed`.
pub(crate) fn seed(seed: u64) {
    STATE.set(Some(seed));
}

/// As in the C library: fills `buffer` with `length` bytes and returns their number.
///
/// # Safety
/// As there: `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(
    buffer: *mut libc::c_void,
    length: libc::size_t,
    flags: libc::c_uint,
) -> libc::ssize_t {
    let Some(mut state) = STATE.get() else {
        // SAFETY: the caller's buffer, handed on.
        let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return libc::ssize_t::try_from(got).unwrap_or(-1);
    };
    // SAFETY: promised by the caller.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    for chunk in bytes.chunks_mut(8) {
        // SplitMix64 (Steele, Lea and Flood, 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
    STATE.set(Some(state));
    length.cast_signed()
}
